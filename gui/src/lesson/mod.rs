//! Guided lessons: Markdown with steps that drive the dashboard and questions that the machine's own state answers.
//!
//! Reading a lesson ([`Lesson::parse`]) and taking one ([`Player`]) know no window; the panel shows them. docs/lessons.md says
//! how a lesson is written.

pub mod directive;
pub mod expression;
mod parse;
mod perform;
mod player;
mod progress;
pub mod question;
mod state;

pub use parse::LessonError;
pub use player::{AnswerOutcome, Attempt, Effect, Place, Player, StepState, Task};
pub use progress::LessonProgress;
use question::Question;
pub use state::{LAYER_NUMBERS, MachineScope, NumberOf, STATE_NAMES, StateName, UNIT_NUMBERS};

use directive::Directive;

/// A lesson.
#[derive(Clone, Debug, PartialEq)]
pub struct Lesson {
    /// Its title.
    pub title: String,
    /// Its pages; the first one has no title if text stands before the first heading.
    pub pages: Vec<Page>,
}

/// What is shown at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Its heading.
    pub title: String,
    /// Its content, from top to bottom.
    pub parts: Vec<Part>,
}

/// A piece of a page.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Markdown.
    Prose(String),
    /// Something to do.
    Step(Step),
    /// Something to answer.
    Question(Question),
}

/// Directives that are performed together.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What the step does, in a few words.
    pub caption: String,
    /// The directives.
    pub directives: Vec<Directive>,
}

//! The course: the lesson that is being taken, what stands in its answer fields, and how far all others are. The panel shows it and asks
//! for changes with a [`CourseAction`]; the dashboard carries out what the lesson's steps ask for.

mod storage;

use crate::frame::Frame;
use crate::lesson::question::Given;
use crate::lesson::{Effect, Lesson, Place, Player, StepState, Task};
use std::collections::BTreeMap;
use std::sync::Arc;
use storage::StoredLesson;
use systole_programs::LESSONS;

/// A shipped lesson.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LessonInfo {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its place in the course, from 1.
    pub(crate) number: usize,
    /// Its title.
    pub(crate) title: &'static str,
    text: &'static str,
}

impl LessonInfo {
    /// What it is called in menus.
    pub(crate) fn label(&self) -> String {
        format!("Lesson {}: {}", self.number, self.title)
    }
}

/// The shipped lessons, in the order in which they are meant to be taken.
pub(crate) fn lessons() -> impl Iterator<Item = LessonInfo> {
    LESSONS.iter().zip(1..).map(|(text, number)| LessonInfo {
        name: text.name,
        number,
        title: text
            .text
            .lines()
            .find_map(|line| line.strip_prefix("# "))
            .unwrap_or(text.name),
        text: text.text,
    })
}

/// The lesson that is being taken.
#[derive(Debug)]
pub(crate) struct OpenLesson {
    /// Which one it is.
    pub(crate) info: LessonInfo,
    /// How far it is.
    pub(crate) player: Player,
    /// What stands in the answer fields.
    typed: BTreeMap<Place, String>,
}

impl OpenLesson {
    /// What stands in the answer field of a question.
    pub(crate) fn typed(&self, place: Place) -> &str {
        self.typed.get(&place).map_or("", String::as_str)
    }
}

/// All lessons.
#[derive(Debug, Default)]
pub(crate) struct Course {
    open: Option<OpenLesson>,
    /// How far those are that have been taken.
    stored: BTreeMap<String, StoredLesson>,
}

/// A change that the panel, a menu or a key asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CourseAction {
    /// Open a lesson, by its name.
    Open(&'static str),
    /// Do the next thing on the page.
    Next,
    /// Turn to the next page.
    NextPage,
    /// Turn to the page before.
    PreviousPage,
    /// Turn to a page.
    Turn(usize),
    /// Bring the machine to where the lesson was left.
    Resume,
    /// Do a step.
    Start(Place),
    /// Do a step after all steps above it.
    StartOver(Place),
    /// Change the text of an answer field.
    Type(Place, String),
    /// Answer a question.
    Answer(Place, Given),
    /// Show a hint to a question, or to the next one of the page.
    Hint(Option<Place>),
    /// Show the answer to a question, or to the next one of the page.
    ShowAnswer(Option<Place>),
}

impl Course {
    /// The lesson that is being taken.
    pub(crate) fn open(&self) -> Option<&OpenLesson> {
        self.open.as_ref()
    }

    /// The lesson that comes after the open one.
    pub(crate) fn following(&self) -> Option<LessonInfo> {
        let number = self.open.as_ref()?.info.number;
        lessons().find(|info| info.number == number + 1)
    }

    /// Applies a change.
    ///
    /// # Errors
    /// Why it has no effect, in words for the user.
    pub(crate) fn apply(&mut self, action: CourseAction, frame: &Frame) -> Result<(), String> {
        if let CourseAction::Open(name) = action {
            return self.open_lesson(name);
        }
        if action == CourseAction::Next
            && let Some(following) = self.following()
            && self
                .open
                .as_ref()
                .is_some_and(|open| open.player.next_task() == Task::Complete)
        {
            return self.open_lesson(following.name);
        }
        let open = self.open.as_mut();
        let open = open.ok_or("No lesson is open. The menu Learn has all of them.")?;
        open.apply(action, frame)
    }

    /// Goes on with the step under way; gives what it asks of the dashboard.
    pub(crate) fn advance(&mut self, frame: &Arc<Frame>) -> Vec<Effect> {
        let player = self.open.as_mut().map(|open| &mut open.player);
        player.map(|player| player.advance(frame)).unwrap_or_default()
    }

    fn open_lesson(&mut self, name: &str) -> Result<(), String> {
        let info = lessons().find(|info| info.name == name);
        let info = info.ok_or_else(|| format!("There is no lesson `{name}`."))?;
        let lesson = Lesson::parse(info.text).map_err(|errors| {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            format!("{} cannot be read: {}", info.label(), errors.join("; "))
        })?;
        self.store_open();
        let lesson = Arc::new(lesson);
        let mut player = match &self.open {
            Some(open) => Player::replacing(&open.player, lesson),
            None => Player::new(lesson),
        };
        if let Some(stored) = self.stored.get(info.name).filter(|stored| stored.is_of(info.text)) {
            player.restore(&stored.progress);
        }
        self.open = Some(OpenLesson {
            info,
            player,
            typed: BTreeMap::new(),
        });
        Ok(())
    }
}

impl OpenLesson {
    fn apply(&mut self, action: CourseAction, frame: &Frame) -> Result<(), String> {
        let page_idx = self.player.page_idx();
        match action {
            CourseAction::Open(_) => {}
            CourseAction::Next => self.do_next(frame),
            CourseAction::NextPage => self.player.go_to_page(page_idx + 1),
            CourseAction::PreviousPage => self.player.go_to_page(page_idx.saturating_sub(1)),
            CourseAction::Turn(page_idx) => self.player.go_to_page(page_idx),
            CourseAction::Resume => self.player.resume(),
            CourseAction::Start(place) => self.player.start(place),
            CourseAction::StartOver(place) => self.player.start_over(place),
            CourseAction::Type(place, text) => {
                self.typed.insert(place, text);
            }
            CourseAction::Answer(place, given) => {
                self.player.answer(place, &given, frame);
            }
            CourseAction::Hint(place) => self.player.hint(self.asked(place)?),
            CourseAction::ShowAnswer(place) => self.player.show_answer(self.asked(place)?, frame),
        }
        Ok(())
    }

    /// The question that is meant.
    fn asked(&self, place: Option<Place>) -> Result<Place, String> {
        match (place, self.player.next_task()) {
            (Some(place), _) | (None, Task::Question(place)) => Ok(place),
            (None, _) => Err("The next thing in the lesson is not a question. Ctrl+Enter does it.".to_owned()),
        }
    }

    fn do_next(&mut self, frame: &Frame) {
        if self.player.active_place().is_some() {
            return;
        }
        match self.player.next_task() {
            Task::Resume => self.player.resume(),
            Task::Step(place) => match self.player.step_state(place) {
                StepState::Failed(_) => self.player.start_over(place),
                _ => self.player.start(place),
            },
            Task::Question(place) => {
                let given = Given::Text(self.typed(place).to_owned());
                self.player.answer(place, &given, frame);
            }
            Task::Page(page_idx) => self.player.go_to_page(page_idx),
            Task::Complete => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lessons_are_numbered_and_titled() {
        let labels: Vec<String> = lessons().map(|info| info.label()).collect();
        assert_eq!(labels.first().map(String::as_str), Some("Lesson 1: First steps"));
        assert_eq!(labels.len(), LESSONS.len());
        for info in lessons() {
            assert!(info.name.starts_with(&format!("{}_", info.number)), "{}", info.name);
            assert_ne!(info.title, info.name);
        }
    }
}

//! A student's way through one lesson: the page, the steps done, the answers given. It asks for things by returning
//! [`Effect`]s and sees the machine through frames only, so that it works with any worker.

use super::directive::{Coloring, Directive, Move, Shown};
use super::question::{Given, Question, Verdict};
use super::state::MachineScope;
use super::{Lesson, Part};
use crate::driver::Request;
use crate::frame::{Frame, RunState};
use crate::until::Until;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A part of a lesson: page and position within it.
pub type Place = (usize, usize);

/// What a step asks of the dashboard.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A request to the worker.
    Request(Request),
    /// Bring a panel to the front.
    Show(Shown),
    /// Show a PE's numbers.
    SelectPe(usize, usize),
    /// Let colours stand for something else.
    Color(Coloring),
    /// Show the whole run.
    FitTimeline,
}

/// How far a step is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StepState {
    /// Not done.
    #[default]
    Ready,
    /// Under way.
    Running,
    /// Done.
    Done,
    /// It could not be done; the text says why.
    Failed(String),
}

/// What a student did about a question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Wrong answers given.
    pub n_wrong: u32,
    /// Hints shown.
    pub n_hints: usize,
    /// Whether and how it ended.
    pub outcome: Option<AnswerOutcome>,
    /// What was said about the last answer.
    pub remark: Option<String>,
}

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerOutcome {
    /// With the right answer.
    Answered,
    /// The student had the answer shown.
    Shown,
}

/// The step that is under way.
#[derive(Clone, Debug)]
struct Active {
    place: Place,
    /// The next directive to perform.
    next_idx: usize,
    /// The ticket that the worker has to return first.
    ticket: Option<u64>,
}

/// A lesson that is being taken.
#[derive(Clone, Debug)]
pub struct Player {
    lesson: Arc<Lesson>,
    page_idx: usize,
    steps: BTreeMap<Place, StepState>,
    attempts: BTreeMap<Place, Attempt>,
    notes: BTreeMap<String, f64>,
    /// The machine after each step that is done.
    results: BTreeMap<Place, Arc<Frame>>,
    active: Option<Active>,
    n_tickets: u64,
    /// What is open: the last example that a step has opened.
    example: Option<String>,
}

impl Player {
    /// A lesson at its first page.
    pub fn new(lesson: Arc<Lesson>) -> Self {
        Self {
            lesson,
            page_idx: 0,
            steps: BTreeMap::new(),
            attempts: BTreeMap::new(),
            notes: BTreeMap::new(),
            results: BTreeMap::new(),
            active: None,
            n_tickets: 0,
            example: None,
        }
    }

    /// The lesson.
    pub fn lesson(&self) -> &Arc<Lesson> {
        &self.lesson
    }

    /// The page that is open.
    pub fn page_idx(&self) -> usize {
        self.page_idx
    }

    /// Opens a page; one behind the last opens the last.
    pub fn go_to_page(&mut self, page_idx: usize) {
        self.page_idx = page_idx.min(self.lesson.pages.len().saturating_sub(1));
    }

    /// The content at a place.
    pub fn part(&self, place: Place) -> Option<&Part> {
        self.lesson.pages.get(place.0)?.parts.get(place.1)
    }

    /// How far a step is.
    pub fn step_state(&self, place: Place) -> StepState {
        self.steps.get(&place).cloned().unwrap_or_default()
    }

    /// What was done about a question.
    pub fn attempt(&self, place: Place) -> Attempt {
        self.attempts.get(&place).cloned().unwrap_or_default()
    }

    /// The first part of the open page that is still to be done: a step or a question.
    pub fn next_place(&self) -> Option<Place> {
        let parts = &self.lesson.pages.get(self.page_idx)?.parts;
        let places = (0..parts.len()).map(|idx| (self.page_idx, idx));
        places.into_iter().find(|&place| match &parts[place.1] {
            Part::Prose(_) => false,
            Part::Step(_) => self.step_state(place) != StepState::Done,
            Part::Question(_) => self.attempt(place).outcome.is_none(),
        })
    }

    /// Questions answered without having been shown the answer, and questions of the lesson.
    pub fn score(&self) -> (usize, usize) {
        let parts = self.lesson.pages.iter().flat_map(|page| &page.parts);
        let n_questions = parts.filter(|part| matches!(part, Part::Question(_))).count();
        let outcomes = self.attempts.values().map(|attempt| attempt.outcome);
        (
            outcomes
                .filter(|outcome| *outcome == Some(AnswerOutcome::Answered))
                .count(),
            n_questions,
        )
    }

    /// Begins a step; one that is under way elsewhere is given up.
    pub fn start(&mut self, place: Place) {
        if !matches!(self.part(place), Some(Part::Step(_))) {
            return;
        }
        if let Some(active) = self.active.take() {
            self.steps.remove(&active.place);
        }
        self.steps.insert(place, StepState::Running);
        self.active = Some(Active {
            place,
            next_idx: 0,
            ticket: None,
        });
    }

    /// Whether a step is under way.
    pub fn is_busy(&self) -> bool {
        self.active.is_some()
    }

    /// Goes on with the step under way, as far as the machine has come.
    pub fn advance(&mut self, frame: &Arc<Frame>) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(mut active) = self.active.take() {
            if let Some(ticket) = active.ticket {
                if frame.ticket < ticket
                    || frame.run_state.is_moving()
                    || matches!(frame.run_state, RunState::Loading(_))
                {
                    self.active = Some(active);
                    break;
                }
                active.ticket = None;
                if let Some(notice) = &frame.notice {
                    self.steps.insert(active.place, StepState::Failed(notice.to_string()));
                    break;
                }
            }
            let lesson = Arc::clone(&self.lesson);
            let Some(Part::Step(step)) = lesson
                .pages
                .get(active.place.0)
                .and_then(|p| p.parts.get(active.place.1))
            else {
                break;
            };
            let Some(directive) = step.directives.get(active.next_idx) else {
                self.steps.insert(active.place, StepState::Done);
                self.results.insert(active.place, Arc::clone(frame));
                break;
            };
            active.next_idx += 1;
            match self.perform(directive, frame, &mut effects) {
                Err(reason) => {
                    self.steps.insert(active.place, StepState::Failed(reason));
                    break;
                }
                Ok(is_waiting) => {
                    if is_waiting {
                        self.n_tickets = self.n_tickets.max(frame.ticket) + 1;
                        active.ticket = Some(self.n_tickets);
                        effects.push(Effect::Request(Request::Ticket(self.n_tickets)));
                    }
                    self.active = Some(active);
                }
            }
        }
        effects
    }

    /// Performs one directive; whether its effect has to be waited for.
    fn perform(
        &mut self,
        directive: &Directive,
        frame: &Arc<Frame>,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, String> {
        let scope = MachineScope {
            frame,
            notes: &self.notes,
        };
        match directive {
            Directive::Open { name, machine } => {
                self.example = Some(name.clone());
                effects.extend(opening(name, machine.as_deref()));
                return Ok(true);
            }
            Directive::Machine(machine) => {
                let name = self.example.clone().ok_or("Do the step that opens a program first.")?;
                effects.extend(opening(&name, Some(machine)));
                return Ok(true);
            }
            Directive::Move(motion) => {
                if frame.program.is_none() {
                    return Err("Nothing is open. Do the step that opens a program first.".to_owned());
                }
                effects.push(Effect::Request(Request::DismissNotice));
                effects.push(Effect::Request(request(motion)));
                return Ok(true);
            }
            Directive::Show(shown) => effects.push(Effect::Show(*shown)),
            Directive::SelectPe(row_idx, col_idx) => effects.push(Effect::SelectPe(*row_idx, *col_idx)),
            Directive::Color(coloring) => effects.push(Effect::Color(*coloring)),
            Directive::FitTimeline => effects.push(Effect::FitTimeline),
            Directive::Note(name, expression) => {
                let value = expression
                    .evaluate(&scope)
                    .ok_or_else(|| format!("`{expression}` has no value now."))?;
                self.notes.insert(name.clone(), value);
            }
            Directive::Claim(left, right) => {
                let values = left.evaluate(&scope).zip(right.evaluate(&scope));
                let (l, r) = values.ok_or_else(|| format!("`{left} = {right}` has no value now."))?;
                if (l - r).abs() > 1e-6 * r.abs().max(1.0) {
                    return Err(format!(
                        "The text says that {left} is {right}, which is {r}, but the machine gives {l}."
                    ));
                }
            }
        }
        Ok(false)
    }

    /// The question at a place.
    pub fn question(&self, place: Place) -> Option<&Question> {
        match self.part(place)? {
            Part::Question(question) => Some(question),
            _ => None,
        }
    }

    /// The machine's state that a question is about: after the last step above it, or the present one.
    pub fn scope_of<'a>(&'a self, place: Place, frame: &'a Frame) -> MachineScope<'a> {
        let result = self.results.range(..place).next_back().map(|(_, frame)| &**frame);
        MachineScope {
            frame: result.unwrap_or(frame),
            notes: &self.notes,
        }
    }

    /// Judges an answer and remembers what became of it.
    pub fn answer(&mut self, place: Place, given: &Given, frame: &Frame) -> Option<Verdict> {
        let question = self.question(place)?;
        let parts = self.lesson.pages[place.0].parts.iter().enumerate();
        let has_work = parts
            .take(place.1)
            .any(|(idx, part)| matches!(part, Part::Step(_)) && self.step_state((place.0, idx)) != StepState::Done);
        let verdict = if has_work {
            Verdict::Unclear("Do the step above first.".to_owned())
        } else {
            question.judge(given, &self.scope_of(place, frame))
        };
        let attempt = self.attempts.entry(place).or_default();
        attempt.remark = None;
        match &verdict {
            Verdict::Right => attempt.outcome = attempt.outcome.or(Some(AnswerOutcome::Answered)),
            Verdict::Unclear(text) => attempt.remark = Some(text.clone()),
            Verdict::Wrong(text) => {
                attempt.n_wrong += 1;
                attempt.remark = Some(text.clone());
            }
        }
        Some(verdict)
    }

    /// Shows one more hint; behind the last one, the answer.
    pub fn help(&mut self, place: Place) {
        let Some(n_hints) = self.question(place).map(|question| question.hints.len()) else {
            return;
        };
        let attempt = self.attempts.entry(place).or_default();
        if attempt.n_hints < n_hints {
            attempt.n_hints += 1;
        } else {
            attempt.outcome = attempt.outcome.or(Some(AnswerOutcome::Shown));
        }
    }
}

fn opening(name: &str, machine: Option<&str>) -> [Effect; 2] {
    let open = Request::OpenExample {
        name: name.to_owned(),
        machine: machine.map(str::to_owned),
    };
    [Effect::Request(Request::DismissNotice), Effect::Request(open)]
}

fn request(motion: &Move) -> Request {
    match motion {
        Move::ToCycle(cycle) => Request::GoTo(*cycle),
        Move::ToLayer(name) => Request::RunUntil(Until::Layer(name.clone())),
        Move::ToStall(unit_idx) => Request::RunUntil(Until::Stall(*unit_idx)),
        Move::ToInstruction(mnemonic) => Request::RunUntil(Until::Instruction(mnemonic.clone())),
        Move::ToEnd => Request::RunToEnd,
        Move::Step(n_cycles) => Request::Step(*n_cycles),
        Move::Back(n_cycles) => Request::StepBack(*n_cycles),
        Move::Restart => Request::Restart,
    }
}

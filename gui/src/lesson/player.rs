//! A student's way through one lesson: the page, the steps done, the answers given. It asks for things by returning
//! [`Effect`]s and sees the machine through frames only, so that it works with any worker.

use super::directive::{Coloring, Shown};
use super::perform::Wait;
use super::progress::LessonProgress;
use super::question::{Given, Question, Verdict};
use super::state::MachineScope;
use super::{Lesson, Part};
use crate::driver::Request;
use crate::frame::{Frame, RunState};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Wrong answers given.
    pub n_wrong: u32,
    /// Hints shown.
    pub n_hints: usize,
    /// Whether and how it ended.
    pub outcome: Option<AnswerOutcome>,
    /// The right answer in words, once it has ended.
    pub answer: Option<String>,
    /// What was said about the last answer.
    #[serde(skip)]
    pub remark: Option<String>,
}

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnswerOutcome {
    /// With the right answer.
    Answered,
    /// The student had the answer shown.
    Shown,
}

/// The next thing that there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// To bring the machine to where the lesson was left.
    Resume,
    /// A step.
    Step(Place),
    /// A question.
    Question(Place),
    /// To turn to another page, since nothing is left to do on this one.
    Page(usize),
    /// Nothing: the lesson is complete.
    Complete,
}

/// The step that is under way.
#[derive(Clone, Debug)]
struct Active {
    place: Place,
    /// The next directive to perform.
    next_idx: usize,
    /// The ticket that the worker has to return first.
    ticket: Option<u64>,
    /// What it means if the program has ended by then.
    missing: Option<String>,
}

/// A lesson that is being taken.
#[derive(Clone, Debug)]
pub struct Player {
    lesson: Arc<Lesson>,
    page_idx: usize,
    steps: BTreeMap<Place, StepState>,
    attempts: BTreeMap<Place, Attempt>,
    pub(super) notes: BTreeMap<String, f64>,
    /// The machine after each step that is done.
    results: BTreeMap<Place, Arc<Frame>>,
    active: Option<Active>,
    /// Steps to do after the one under way.
    queue: VecDeque<Place>,
    /// Whether the machine is not where the done steps have brought it.
    is_left: bool,
    n_tickets: u64,
    /// What is open: the last example that a step has opened.
    pub(super) example: Option<String>,
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
            queue: VecDeque::new(),
            is_left: false,
            n_tickets: 0,
            example: None,
        }
    }

    /// A lesson that takes another one's place on the same worker, which may still have tickets of the other one.
    pub fn replacing(other: &Player, lesson: Arc<Lesson>) -> Self {
        Self {
            n_tickets: other.n_tickets,
            ..Self::new(lesson)
        }
    }

    /// What to remember of it.
    pub fn progress(&self) -> LessonProgress {
        let done = self.steps.iter().filter(|(_, state)| **state == StepState::Done);
        LessonProgress {
            page_idx: self.page_idx,
            done: done.map(|(place, _)| *place).collect(),
            attempts: self.attempts.clone(),
        }
    }

    /// Takes up what is remembered. What the lesson no longer contains is left out.
    pub fn restore(&mut self, progress: &LessonProgress) {
        self.go_to_page(progress.page_idx);
        for place in &progress.done {
            if matches!(self.part(*place), Some(Part::Step(_))) {
                self.steps.insert(*place, StepState::Done);
            }
        }
        for (place, attempt) in &progress.attempts {
            if let Some(n_hints) = self.question(*place).map(|question| question.hints.len()) {
                let attempt = Attempt {
                    n_hints: attempt.n_hints.min(n_hints),
                    ..attempt.clone()
                };
                self.attempts.insert(*place, attempt);
            }
        }
        self.is_left = !self.steps.is_empty();
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

    /// The first part of a page that is still to be done: a step or a question.
    fn open_part(&self, page_idx: usize) -> Option<Place> {
        let parts = &self.lesson.pages.get(page_idx)?.parts;
        let places = (0..parts.len()).map(|idx| (page_idx, idx));
        places.into_iter().find(|&place| match &parts[place.1] {
            Part::Prose(_) => false,
            Part::Step(_) => self.step_state(place) != StepState::Done,
            Part::Question(_) => self.attempt(place).outcome.is_none(),
        })
    }

    /// Whether nothing is left to do on a page.
    pub fn is_page_done(&self, page_idx: usize) -> bool {
        self.open_part(page_idx).is_none()
    }

    /// Whether nothing is left to do on any page.
    pub fn is_complete(&self) -> bool {
        (0..self.lesson.pages.len()).all(|page_idx| self.is_page_done(page_idx))
    }

    /// The next thing to do, seen from the open page.
    pub fn next_task(&self) -> Task {
        let n_pages = self.lesson.pages.len();
        let next_page = Some(self.page_idx + 1).filter(|page_idx| *page_idx < n_pages);
        if self.is_complete() {
            return next_page.map_or(Task::Complete, Task::Page);
        }
        match self.open_part(self.page_idx) {
            _ if self.is_left => Task::Resume,
            Some(place) if self.question(place).is_some() => Task::Question(place),
            Some(place) => Task::Step(place),
            None => {
                let open_page = (0..n_pages).find(|page_idx| !self.is_page_done(*page_idx));
                next_page.or(open_page).map_or(Task::Complete, Task::Page)
            }
        }
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

    /// Begins a step; one that is under way elsewhere is given up. If the machine is not where the lesson was left, the steps
    /// above come first.
    pub fn start(&mut self, place: Place) {
        if self.is_left {
            self.start_over(place);
        } else if matches!(self.part(place), Some(Part::Step(_))) {
            self.begin([place].into());
        }
    }

    /// Does every step of the lesson up to this one again, so that the machine is certainly where the step expects it.
    pub fn start_over(&mut self, place: Place) {
        let pages = self.lesson.pages.iter().enumerate();
        let parts = pages.flat_map(|(page_idx, page)| {
            let parts = page.parts.iter().enumerate();
            parts.map(move |(idx, part)| ((page_idx, idx), part))
        });
        let steps = parts.filter(|(at, part)| *at <= place && matches!(part, Part::Step(_)));
        self.begin(steps.map(|(at, _)| at).collect());
    }

    /// Brings the machine to where the lesson was left.
    pub fn resume(&mut self) {
        let done = self.steps.iter().filter(|(_, state)| **state == StepState::Done);
        if let Some(place) = done.map(|(place, _)| *place).next_back() {
            self.start_over(place);
        }
    }

    fn begin(&mut self, steps: VecDeque<Place>) {
        if let Some(active) = self.active.take() {
            self.steps.remove(&active.place);
        }
        self.is_left = false;
        self.queue = steps;
        self.begin_next();
    }

    fn begin_next(&mut self) {
        self.active = self.queue.pop_front().map(|place| Active {
            place,
            next_idx: 0,
            ticket: None,
            missing: None,
        });
        if let Some(active) = &self.active {
            self.steps.insert(active.place, StepState::Running);
        }
    }

    /// The step under way.
    pub fn active_place(&self) -> Option<Place> {
        self.active.as_ref().map(|active| active.place)
    }

    /// Goes on with the step under way, as far as the machine has come.
    pub fn advance(&mut self, frame: &Arc<Frame>) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(active) = self.active.take() {
            let place = active.place;
            let is_moving = frame.run_state.is_moving();
            if active.ticket.is_some_and(|ticket| frame.ticket < ticket || is_moving) {
                self.active = Some(active);
                break;
            }
            match self.go_on(active, frame, &mut effects) {
                Ok(Some(active)) => self.active = Some(active),
                Ok(None) => {
                    self.steps.insert(place, StepState::Done);
                    self.results.insert(place, Arc::clone(frame));
                    self.begin_next();
                }
                Err(reason) => self.fail(place, reason),
            }
        }
        effects
    }

    /// Performs the next directive of a step that waits for nothing; `None` if there is none.
    fn go_on(
        &mut self,
        mut active: Active,
        frame: &Arc<Frame>,
        effects: &mut Vec<Effect>,
    ) -> Result<Option<Active>, String> {
        let missing = active.missing.take();
        if active.ticket.take().is_some() {
            if let Some(notice) = &frame.notice {
                return Err(notice.to_string());
            }
            match (missing, &frame.run_state) {
                (Some(missing), RunState::Halted) => return Err(missing),
                (Some(missing), RunState::Faulted(fault)) => return Err(format!("{missing} {fault}")),
                _ => {}
            }
        }
        let lesson = Arc::clone(&self.lesson);
        let part = lesson
            .pages
            .get(active.place.0)
            .and_then(|p| p.parts.get(active.place.1));
        let Some(Part::Step(step)) = part else {
            return Ok(None);
        };
        let Some(directive) = step.directives.get(active.next_idx) else {
            return Ok(None);
        };
        active.next_idx += 1;
        let wait = self.perform(directive, frame, effects)?;
        if wait != Wait::No {
            self.n_tickets = self.n_tickets.max(frame.ticket) + 1;
            active.ticket = Some(self.n_tickets);
            effects.push(Effect::Request(Request::Ticket(self.n_tickets)));
        }
        if let Wait::ToFind(missing) = wait {
            active.missing = Some(missing);
        }
        Ok(Some(active))
    }

    /// Notes that a step failed, and with it the one for whose sake it was done again.
    fn fail(&mut self, place: Place, reason: String) {
        let wanted = self.queue.pop_back();
        self.queue.clear();
        if let Some(wanted) = wanted {
            let caption = match self.part(place) {
                Some(Part::Step(step)) => step.caption.as_str(),
                _ => "",
            };
            let reason = format!("The step \u{201c}{caption}\u{201d} failed: {reason}");
            self.steps.insert(wanted, StepState::Failed(reason));
        }
        self.steps.insert(place, StepState::Failed(reason));
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

    /// What has to be done before a question can be judged.
    fn to_do_before(&self, place: Place) -> Option<&'static str> {
        let parts = self.lesson.pages.get(place.0)?.parts.iter().enumerate();
        let has_work = parts
            .take(place.1)
            .any(|(idx, part)| matches!(part, Part::Step(_)) && self.step_state((place.0, idx)) != StepState::Done);
        match (self.is_left, has_work) {
            (true, _) => Some("Bring the machine back to where you were first."),
            (false, true) => Some("Do the step above first."),
            (false, false) => None,
        }
    }

    /// Judges an answer and remembers what became of it.
    pub fn answer(&mut self, place: Place, given: &Given, frame: &Frame) -> Option<Verdict> {
        let question = self.question(place)?;
        let verdict = match self.to_do_before(place) {
            Some(work) => Verdict::Unclear(work.to_owned()),
            None => question.judge(given, &self.scope_of(place, frame)),
        };
        let right_answer = question.right_answer(&self.scope_of(place, frame));
        let attempt = self.attempts.entry(place).or_default();
        attempt.remark = None;
        match &verdict {
            Verdict::Right => {
                attempt.outcome = attempt.outcome.or(Some(AnswerOutcome::Answered));
                attempt.answer = right_answer;
            }
            Verdict::Unclear(text) => attempt.remark = Some(text.clone()),
            Verdict::Wrong(text) => {
                attempt.n_wrong += 1;
                attempt.remark = Some(text.clone());
            }
        }
        Some(verdict)
    }

    /// Shows one more hint.
    pub fn hint(&mut self, place: Place) {
        let Some(n_hints) = self.question(place).map(|question| question.hints.len()) else {
            return;
        };
        let attempt = self.attempts.entry(place).or_default();
        attempt.n_hints = (attempt.n_hints + 1).min(n_hints);
    }

    /// Shows the answer, after which the question no longer counts.
    pub fn show_answer(&mut self, place: Place, frame: &Frame) {
        let Some(question) = self.question(place) else {
            return;
        };
        let right_answer = question.right_answer(&self.scope_of(place, frame));
        let work = self.to_do_before(place);
        let attempt = self.attempts.entry(place).or_default();
        attempt.remark = work.map(str::to_owned);
        if work.is_none() {
            attempt.outcome = attempt.outcome.or(Some(AnswerOutcome::Shown));
            attempt.answer = right_answer;
        }
    }
}

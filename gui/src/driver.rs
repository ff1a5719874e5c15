//! What the worker does, apart from where it does it: obeys requests, paces time, stops at breakpoints, takes pictures.

mod opening;

use crate::engine::{Engine, EngineLoader, Landmark, Opened, Outcome};
use crate::examples::example;
use crate::frame::{Frame, Observation, OpenedFile, RunState, TimelineView};
use crate::inspect::{Focus, MemorySpace};
use crate::inspection::Watch;
use crate::launch;
use crate::line_map::moved_breakpoints;
use crate::loading::{Load, Origin};
use crate::overview::{Found, SpanReport};
use crate::source_text::SourceText;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Wall time after which a slice of a run at full speed ends: short, so that `Pause` acts at once.
const SLICE_TIME: Duration = Duration::from_millis(4);

/// Cycles of a slice's first part; each further part has twice as many, so that the last one takes about half of the slice's time.
const FIRST_PART: u64 = 64;

/// Cycles that a step makes at once; longer ones are runs, which can be interrupted.
const MAX_STEP: u64 = 1_000;

/// What the user interface asks of the worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Open a file; the present program stays until that is done, and if it fails.
    Open(PathBuf),
    /// Stop what is being opened; the present program stays.
    CancelLoad,
    /// Open a shipped example, on its own machine or another one; the present program stays if that fails.
    OpenExample {
        /// Its name.
        name: String,
        /// Name of a shipped machine.
        machine: Option<String>,
    },
    /// Load the program on another machine, given as RON text; the present one stays if that fails.
    UseMachine(String),
    /// Replace the program by that of a text, on the same machine; the present one stays if that fails.
    Assemble(Arc<SourceText>),
    /// Let time run at the chosen speed until a breakpoint or the end.
    Run,
    /// Stop time.
    Pause,
    /// Move forwards by a number of cycles.
    Step(u64),
    /// Move backwards by a number of cycles.
    StepBack(u64),
    /// Run at full speed to the next landmark, past all breakpoints.
    ToNext(Landmark),
    /// Go back to the last landmark before now.
    ToPrevious(Landmark),
    /// Move to a cycle, in either direction.
    GoTo(u64),
    /// Run at full speed to the end, past all breakpoints.
    RunToEnd,
    /// Go back to cycle 0.
    Restart,
    /// Choose how fast [`Request::Run`] lets time run.
    SetSpeed(Speed),
    /// Choose the visible stretch of the timeline and the number of pixels that it has.
    SetTimeline(TimelineView, usize),
    /// Choose the lane and the cycle of the span that is explained.
    SelectSpan(Option<(usize, u64)>),
    /// Look in the lanes for a span that matches a text.
    Find {
        /// The text.
        text: String,
        /// The cycle to start from.
        from: u64,
        /// Whether to look in the direction of time.
        is_forward: bool,
    },
    /// Set or clear a breakpoint at an instruction.
    ToggleBreakpoint(u32),
    /// Look closely at something.
    LookAt(Focus),
    /// Change bytes of a memory in the present cycle.
    WriteMemory(MemorySpace, u64, Vec<u8>),
    /// Pause runs when these bytes of a memory change, or no longer.
    ToggleWatchpoint(MemorySpace, u64, usize),
    /// Take the message for the user away.
    DismissNotice,
    /// A number that all later frames carry, so that the sender knows which requests a frame follows.
    Ticket(u64),
}

/// How fast a run lets time pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Speed {
    /// A fixed number of cycles per second of wall time.
    CyclesPerSecond(u64),
    /// As fast as the engine goes.
    Unlimited,
}

impl Speed {
    /// The speeds that the user can choose from.
    pub const ALL: [Speed; 6] = [
        Speed::CyclesPerSecond(1),
        Speed::CyclesPerSecond(10),
        Speed::CyclesPerSecond(60),
        Speed::CyclesPerSecond(1_000),
        Speed::CyclesPerSecond(100_000),
        Speed::Unlimited,
    ];
}

/// The engine's owner without a thread: obeys requests and lets time pass when told to.
pub(crate) struct Driver {
    loader: EngineLoader,
    engine: Option<Box<dyn Engine>>,
    goal: Option<Goal>,
    speed: Speed,
    timeline: TimelineView,
    n_bins: usize,
    selected_span: Option<(usize, u64)>,
    found: Option<Found>,
    breakpoints: Arc<BTreeSet<u32>>,
    watches: Vec<Watch>,
    focus: Focus,
    /// The last cycle that the run is known to have, or expected to have.
    last_cycle: u64,
    notice: Option<Arc<str>>,
    ticket: u64,
    /// What is being opened, with the ticket that was given since.
    load: Option<Load>,
    late_ticket: Option<u64>,
    opened: Option<Arc<OpenedFile>>,
    sequence: u64,
    /// The text that was to be opened last and is no program.
    rejected: Option<Arc<SourceText>>,
    /// What waits until a way back is at its end.
    postponed: Vec<Request>,
    /// Nanocycles that the chosen speed has granted and that are less than a cycle.
    credit: u64,
    /// The cycle in which the run was started: landmarks there have been seen.
    run_from: u64,
}

/// How far a run goes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Goal {
    /// To the next breakpoint, at the chosen speed.
    Breakpoint,
    /// To the end, at full speed.
    End,
    /// To a cycle, at full speed.
    Cycle(u64),
    /// To a landmark, at full speed.
    Landmark(Landmark),
    /// Back to an earlier cycle, at full speed.
    Back(u64),
}

impl Driver {
    pub(crate) fn new(loader: EngineLoader, engine: Option<Box<dyn Engine>>) -> Self {
        let last_cycle = engine.as_deref().map_or(0, expected_cycles);
        Self {
            loader,
            engine,
            goal: None,
            speed: Speed::CyclesPerSecond(10),
            timeline: TimelineView::default(),
            n_bins: 1_000,
            selected_span: None,
            found: None,
            breakpoints: Arc::default(),
            watches: Vec::new(),
            focus: Focus::default(),
            last_cycle,
            notice: None,
            ticket: 0,
            load: None,
            late_ticket: None,
            opened: None,
            sequence: 0,
            rejected: None,
            postponed: Vec::new(),
            credit: 0,
            run_from: 0,
        }
    }

    /// What goes on after a panic: without the program, with everything that the user has chosen.
    pub(crate) fn after_panic(self, message: &str) -> Self {
        let notice = format!(
            "The program is closed, because there is a bug in Systole: {message}. Please report it. Files can be opened again."
        );
        Self {
            speed: self.speed,
            timeline: self.timeline,
            n_bins: self.n_bins,
            focus: self.focus,
            found: self.found,
            opened: self.opened,
            ticket: self.late_ticket.unwrap_or(self.ticket),
            sequence: self.sequence,
            notice: Some(Arc::from(notice)),
            ..Self::new(self.loader, None)
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.goal.is_some()
    }

    /// Whether it runs as fast as it can, so that there is no reason to pause between two slices.
    pub(crate) fn is_unpaced(&self) -> bool {
        match &self.goal {
            None => false,
            Some(Goal::Breakpoint) => self.speed == Speed::Unlimited,
            Some(Goal::End | Goal::Cycle(_) | Goal::Landmark(_) | Goal::Back(_)) => true,
        }
    }

    /// Whether it runs to a place that it will certainly stop at.
    pub(crate) fn is_bound_to_stop(&self) -> bool {
        matches!(
            self.goal,
            Some(Goal::End | Goal::Cycle(_) | Goal::Landmark(_) | Goal::Back(_))
        )
    }

    pub(crate) fn handle(&mut self, request: Request) {
        if matches!(self.goal, Some(Goal::Back(_))) && waits_for_way_back(&request) {
            self.postponed.push(request);
            return;
        }
        match request {
            Request::Open(path) => {
                let loader = Arc::clone(&self.loader);
                let origin = Origin::File(path.clone());
                self.begin(Load::start(origin, move |progress| loader(&path, progress)));
            }
            Request::CancelLoad => self.end_load(),
            Request::OpenExample { name, machine } => {
                let origin = Origin::Example(name.clone());
                self.begin(Load::start(origin, move |_| {
                    example(&name, machine.as_deref())
                        .map(launch::engine)
                        .map(Opened::Program)
                }));
            }
            Request::Ticket(ticket) if self.load.is_some() => self.late_ticket = Some(ticket),
            Request::Ticket(ticket) => self.ticket = ticket,
            Request::UseMachine(machine) => {
                if let Some(engine) = &self.engine {
                    let make = engine.on_machine(&machine);
                    self.begin(Load::on_machine(make));
                }
            }
            Request::Assemble(text) => self.assemble(&text),
            Request::SetSpeed(speed) => self.speed = speed,
            Request::SetTimeline(timeline, n_bins) => {
                (self.timeline, self.n_bins) = (timeline, n_bins.clamp(16, 8_192))
            }
            Request::SelectSpan(place) => self.selected_span = place,
            Request::Find { text, from, is_forward } => self.find(&text, from, is_forward),
            Request::ToggleBreakpoint(pc) => {
                let breakpoints = Arc::make_mut(&mut self.breakpoints);
                if !breakpoints.remove(&pc) {
                    breakpoints.insert(pc);
                }
            }
            Request::LookAt(focus) => {
                if let Some(engine) = &mut self.engine {
                    engine.look_at(&focus);
                }
                self.focus = focus;
            }
            Request::WriteMemory(space, address, bytes) => self.write_memory(space, address, &bytes),
            Request::ToggleWatchpoint(space, address, n_bytes) => self.toggle_watchpoint(space, address, n_bytes),
            Request::DismissNotice => self.notice = None,
            Request::Run => self.start(Goal::Breakpoint),
            Request::RunToEnd => self.start(Goal::End),
            Request::Pause => self.stop(),
            Request::Step(_)
            | Request::StepBack(_)
            | Request::ToNext(_)
            | Request::ToPrevious(_)
            | Request::GoTo(_)
            | Request::Restart => self.move_time(&request),
        }
    }

    fn write_memory(&mut self, space: MemorySpace, address: u64, bytes: &[u8]) {
        self.stop();
        let Some(engine) = &mut self.engine else { return };
        if let Err(reason) = engine.write_memory(space, address, bytes) {
            self.notice = Some(Arc::from(reason));
        }
        self.look_at_watches();
    }

    fn toggle_watchpoint(&mut self, space: MemorySpace, address: u64, n_bytes: usize) {
        let n_before = self.watches.len();
        self.watches
            .retain(|watch| (watch.space, watch.address) != (space, address));
        if self.watches.len() == n_before {
            self.watches.push(Watch {
                space,
                address,
                n_bytes,
                before: Vec::new(),
            });
            self.look_at_watches();
        }
    }

    /// Takes what the watched bytes are now as what they were.
    fn look_at_watches(&mut self) {
        if let Some(engine) = &self.engine {
            for watch in &mut self.watches {
                watch.has_changed(engine.as_ref());
            }
        }
    }

    /// Ends whatever is under way, where it is.
    fn stop(&mut self) {
        self.goal = None;
        self.postponed.clear();
    }

    fn start(&mut self, goal: Goal) {
        self.look_at_watches();
        if self.engine.as_ref().is_some_and(|engine| engine.outcome().is_none()) {
            self.goal = Some(goal);
            self.credit = 0;
            self.run_from = self.engine.as_ref().map_or(0, |engine| engine.cycle());
        }
    }

    /// The requests that stop a run and change the cycle. While time goes back, they count from where it goes to.
    fn move_time(&mut self, request: &Request) {
        let way_back = match self.goal {
            Some(Goal::Back(cycle)) => Some(cycle),
            _ => None,
        };
        self.stop();
        let Some(engine) = &mut self.engine else { return };
        let now = way_back.unwrap_or(engine.cycle());
        match request {
            Request::Step(n) if *n <= MAX_STEP && way_back.is_none() => engine.advance_to(now.saturating_add(*n)),
            Request::Step(n) => self.go_to(now.saturating_add(*n)),
            Request::StepBack(n) => self.go_to(now.saturating_sub(*n)),
            Request::ToNext(landmark) => self.start(Goal::Landmark(landmark.clone())),
            Request::ToPrevious(landmark) => {
                let cycle = engine.previous(landmark, now).unwrap_or(0);
                self.go_to(cycle);
            }
            Request::Restart => self.go_to(0),
            Request::GoTo(cycle) => self.go_to(*cycle),
            _ => {}
        }
    }

    /// Starts to move to a cycle, in whichever direction it lies.
    fn go_to(&mut self, cycle: u64) {
        let Some(engine) = &self.engine else { return };
        self.goal = match cycle.cmp(&engine.cycle()) {
            Ordering::Less => Some(Goal::Back(cycle)),
            Ordering::Equal => None,
            Ordering::Greater => Some(Goal::Cycle(cycle)),
        };
    }

    fn find(&mut self, text: &str, from: u64, is_forward: bool) {
        let engine = self.engine.as_ref();
        let place = engine.and_then(|engine| engine.find(text, from, is_forward));
        self.found = Some(Found {
            search_number: self.found.map_or(0, |found| found.search_number) + 1,
            place,
        });
    }

    /// Breakpoints stay where their lines do.
    fn assemble(&mut self, text: &SourceText) {
        let Some(engine) = &self.engine else { return };
        match engine.on_text(text) {
            Ok(mut assembled) => {
                let moved = moved_breakpoints(&engine.program(), &assembled.program(), &self.breakpoints);
                self.breakpoints = Arc::new(moved);
                assembled.look_at(&self.focus);
                self.last_cycle = expected_cycles(assembled.as_ref());
                self.engine = Some(assembled);
                self.stop();
                self.notice = None;
                self.selected_span = None;
                self.look_at_watches();
            }
            Err(reason) => self.notice = Some(Arc::from(format!("Cannot assemble {}: {reason}", text.file))),
        }
    }

    /// Lets time run for one slice; `elapsed` is the wall time since the last one.
    pub(crate) fn run_slice(&mut self, elapsed: Duration) {
        let start = Instant::now();
        let mut n_cycles = match (&self.goal, self.speed) {
            (Some(Goal::Breakpoint), Speed::CyclesPerSecond(rate)) => self.granted(rate, elapsed),
            _ => u64::MAX,
        };
        let mut part = FIRST_PART;
        while self.goal.is_some() && n_cycles > 0 {
            self.run_part(part.min(n_cycles));
            n_cycles -= part.min(n_cycles);
            part = part.saturating_mul(2);
            if start.elapsed() >= SLICE_TIME {
                break;
            }
        }
        if self.goal.is_none() {
            for request in std::mem::take(&mut self.postponed) {
                self.handle(request);
            }
        }
    }

    /// The cycles that the chosen speed grants for a stretch of wall time.
    fn granted(&mut self, rate: u64, elapsed: Duration) -> u64 {
        let granted = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.credit = self.credit.saturating_add(granted.saturating_mul(rate));
        let n_cycles = self.credit / 1_000_000_000;
        self.credit %= 1_000_000_000;
        n_cycles
    }

    /// Moves by at most some cycles; there is no goal any more when it is reached.
    fn run_part(&mut self, n_cycles: u64) {
        let (Some(engine), Some(goal)) = (&mut self.engine, self.goal.clone()) else {
            return;
        };
        let now = engine.cycle();
        let after = self.run_from;
        let target = now.saturating_add(n_cycles);
        let mut back = None;
        let is_done = match &goal {
            Goal::Breakpoint => {
                back = advance(engine.as_mut(), target, &self.breakpoints, &mut self.watches, after);
                back.is_some()
            }
            Goal::End => {
                engine.advance_to(target);
                false
            }
            Goal::Landmark(landmark) => {
                back = engine.advance_to_landmark(target, landmark, after);
                back.is_some()
            }
            Goal::Cycle(goal) => {
                engine.advance_to(target.min(*goal));
                target >= *goal
            }
            Goal::Back(cycle) => engine.rewind_to(*cycle, n_cycles),
        };
        let has_ended = engine.outcome().is_some() && !matches!(goal, Goal::Back(_));
        if is_done || has_ended {
            self.goal = back.filter(|cycle| *cycle < engine.cycle()).map(Goal::Back);
        }
    }

    pub(crate) fn frame(&mut self) -> Arc<Frame> {
        self.sequence += 1;
        let (now, program) = match &self.engine {
            Some(engine) => {
                self.last_cycle = match engine.outcome() {
                    Some(_) => engine.cycle(),
                    None => self.last_cycle.max(engine.cycle()),
                };
                (engine.observe(self.timeline, self.n_bins), Some(engine.program()))
            }
            None => (Observation::default(), None),
        };
        Arc::new(Frame {
            sequence: self.sequence,
            run_state: self.run_state(),
            program,
            last_cycle: self.last_cycle,
            now,
            breakpoints: Arc::clone(&self.breakpoints),
            watchpoints: self
                .watches
                .iter()
                .map(|watch| (watch.space, watch.address, watch.n_bytes))
                .collect(),
            loading: self.load.as_ref().map(|load| Arc::new(load.view())),
            opened: self.opened.clone(),
            notice: self.notice.clone(),
            rejected: self.rejected.clone(),
            ticket: self.ticket,
            selected_span: self.explain().map(Arc::new),
            found: self.found,
        })
    }

    fn explain(&self) -> Option<SpanReport> {
        let (lane_idx, cycle) = self.selected_span?;
        self.engine.as_ref()?.explain(lane_idx, cycle)
    }

    fn run_state(&self) -> RunState {
        match (&self.engine, &self.goal) {
            (None, _) => RunState::Empty,
            (Some(_), Some(Goal::Back(cycle))) => RunState::GoingBack(*cycle),
            (Some(_), Some(_)) => RunState::Running,
            (Some(engine), None) => match engine.outcome() {
                None => RunState::Paused,
                Some(Outcome::Halted) => RunState::Halted,
                Some(Outcome::Faulted(reason)) => RunState::Faulted(reason),
            },
        }
    }
}

/// Whether a request is about the machine at the end of a way back, and does not replace the way back.
fn waits_for_way_back(request: &Request) -> bool {
    matches!(
        request,
        Request::Run
            | Request::RunToEnd
            | Request::ToNext(_)
            | Request::Find { .. }
            | Request::WriteMemory(..)
            | Request::ToggleWatchpoint(..)
    )
}

/// Moves to `target`; if the run is over because of a breakpoint or a changed byte that is watched, returns the cycle of that.
fn advance(
    engine: &mut dyn Engine,
    target: u64,
    breakpoints: &Arc<BTreeSet<u32>>,
    watches: &mut [Watch],
    after: u64,
) -> Option<u64> {
    let landmark = (!breakpoints.is_empty()).then(|| Landmark::Instructions(Arc::clone(breakpoints)));
    let step_to = |engine: &mut dyn Engine, cycle: u64| match &landmark {
        Some(landmark) => engine.advance_to_landmark(cycle, landmark, after),
        None => {
            engine.advance_to(cycle);
            None
        }
    };
    if watches.is_empty() {
        return step_to(engine, target);
    }
    while engine.cycle() < target && engine.outcome().is_none() {
        let next = engine.cycle() + 1;
        let breakpoint = step_to(engine, next);
        // Every watch is asked, so that all of them know the present bytes.
        let n_changed = watches
            .iter_mut()
            .filter_map(|watch| watch.has_changed(engine).then_some(()))
            .count();
        if breakpoint.is_some() || n_changed > 0 {
            return breakpoint.or(Some(engine.cycle()));
        }
    }
    None
}

/// The cycles that the compiler expects a program to take; 0 if it did not say.
fn expected_cycles(engine: &dyn Engine) -> u64 {
    engine.program().estimated_cycles.unwrap_or(0)
}

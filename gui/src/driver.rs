//! What the worker does, apart from where it does it: obeys requests, paces time, stops at breakpoints, takes pictures.

use crate::engine::{Engine, EngineLoader, Landmark, Outcome};
use crate::examples::example;
use crate::frame::{Frame, Observation, RunState, TimelineView};
use crate::inspect::{Focus, MemorySpace};
use crate::inspection::Watch;
use crate::launch;
use crate::line_map::moved_breakpoints;
use crate::overview::{Found, SpanReport};
use crate::source_text::SourceText;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Wall time that one slice of a run at full speed should take: short, so that `Pause` acts at once.
const SLICE_TIME: Duration = Duration::from_millis(4);

/// What the user interface asks of the worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Load a file; the present program stays if that fails.
    Open(PathBuf),
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    sequence: u64,
    /// Cycles of a slice at full speed, adapted so that it takes about [`SLICE_TIME`].
    slice_cycles: u64,
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
            sequence: 0,
            slice_cycles: 1_000,
            credit: 0,
            run_from: 0,
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
            Some(Goal::End | Goal::Cycle(_) | Goal::Landmark(_)) => true,
        }
    }

    /// Whether it runs to a place that it will certainly stop at.
    pub(crate) fn is_bound_to_stop(&self) -> bool {
        matches!(self.goal, Some(Goal::End | Goal::Cycle(_) | Goal::Landmark(_)))
    }

    pub(crate) fn handle(&mut self, request: Request) {
        match request {
            Request::Open(path) => {
                let opened = (self.loader)(&path);
                self.open(opened, &path.display().to_string());
            }
            Request::OpenExample { name, machine } => {
                let opened = example(&name, machine.as_deref()).map(launch::engine);
                self.open(opened, &name);
            }
            Request::Ticket(ticket) => self.ticket = ticket,
            Request::UseMachine(machine) => self.use_machine(&machine),
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
            Request::Pause => self.goal = None,
            Request::Step(_)
            | Request::StepBack(_)
            | Request::ToNext(_)
            | Request::ToPrevious(_)
            | Request::GoTo(_)
            | Request::Restart => self.move_time(&request),
        }
    }

    fn write_memory(&mut self, space: MemorySpace, address: u64, bytes: &[u8]) {
        self.goal = None;
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

    fn start(&mut self, goal: Goal) {
        self.look_at_watches();

        if self.engine.as_ref().is_some_and(|engine| engine.outcome().is_none()) {
            self.goal = Some(goal);
            self.credit = 0;
            self.run_from = self.engine.as_ref().map_or(0, |engine| engine.cycle());
        }
    }

    /// The requests that stop a run and change the cycle.
    fn move_time(&mut self, request: &Request) {
        self.goal = None;
        let Some(engine) = &mut self.engine else { return };
        let now = engine.cycle();
        match request.clone() {
            Request::Step(n) => engine.advance_to(now.saturating_add(n)),
            Request::StepBack(n) => engine.rewind_to(now.saturating_sub(n)),
            Request::ToNext(landmark) => self.start(Goal::Landmark(landmark)),
            Request::ToPrevious(landmark) => engine.rewind_to(engine.previous(&landmark).unwrap_or(0)),
            Request::Restart => engine.rewind_to(0),
            Request::GoTo(cycle) if cycle > now => self.goal = Some(Goal::Cycle(cycle)),
            Request::GoTo(cycle) => engine.rewind_to(cycle),
            _ => {}
        }
    }

    fn find(&mut self, text: &str, from: u64, is_forward: bool) {
        let engine = self.engine.as_ref();
        let place = engine.and_then(|engine| engine.find(text, from, is_forward));
        self.found = Some(Found {
            search_number: self.found.map_or(0, |found| found.search_number) + 1,
            place,
        });
    }

    fn open(&mut self, opened: Result<Box<dyn Engine>, String>, name: &str) {
        match opened {
            Ok(mut engine) => {
                engine.look_at(&self.focus);
                self.last_cycle = expected_cycles(engine.as_ref());
                self.engine = Some(engine);
                self.watches.clear();
                self.goal = None;
                self.notice = None;
                self.breakpoints = Arc::default();
                self.selected_span = None;
            }
            Err(reason) => self.notice = Some(Arc::from(format!("Cannot open {name}: {reason}"))),
        }
    }

    fn use_machine(&mut self, machine: &str) {
        let Some(engine) = &self.engine else { return };
        match engine.on_machine(machine) {
            Ok(engine) => {
                self.engine = Some(engine);
                self.goal = None;
                self.notice = None;
            }
            Err(reason) => self.notice = Some(Arc::from(format!("Cannot use the machine: {reason}"))),
        }
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
                self.goal = None;
                self.notice = None;
                self.selected_span = None;
                self.look_at_watches();
            }
            Err(reason) => self.notice = Some(Arc::from(format!("Cannot assemble {}: {reason}", text.file))),
        }
    }

    /// Lets time run for one slice; `elapsed` is the wall time since the last one.
    pub(crate) fn run_slice(&mut self, elapsed: Duration) {
        let (Some(engine), Some(goal)) = (&mut self.engine, self.goal.clone()) else {
            return;
        };
        let now = engine.cycle();
        // The sequencer's instruction of this cycle has not been looked at by the slice before.
        let after = self.run_from.max(now.saturating_sub(1));
        let is_done = match (goal, self.speed) {
            (Goal::Breakpoint, Speed::CyclesPerSecond(rate)) => {
                let granted = u64::try_from(elapsed.as_nanos())
                    .unwrap_or(u64::MAX)
                    .saturating_mul(rate);
                self.credit = self.credit.saturating_add(granted);
                let n_cycles = self.credit / 1_000_000_000;
                self.credit %= 1_000_000_000;
                advance(
                    engine.as_mut(),
                    now.saturating_add(n_cycles),
                    &self.breakpoints,
                    &mut self.watches,
                    after,
                )
            }
            (Goal::Breakpoint, Speed::Unlimited) => {
                let target = now.saturating_add(self.slice_cycles);
                timed(&mut self.slice_cycles, || {
                    advance(engine.as_mut(), target, &self.breakpoints, &mut self.watches, after)
                })
            }
            (Goal::End, _) => {
                let target = now.saturating_add(self.slice_cycles);
                timed(&mut self.slice_cycles, || {
                    advance(engine.as_mut(), target, &Arc::default(), &mut [], after)
                })
            }
            (Goal::Landmark(landmark), _) => {
                let target = now.saturating_add(self.slice_cycles);
                timed(&mut self.slice_cycles, || {
                    engine.advance_to_landmark(target, &landmark, after) || engine.outcome().is_some()
                })
            }
            (Goal::Cycle(goal), _) => {
                let target = now.saturating_add(self.slice_cycles).min(goal);
                let has_ended = timed(&mut self.slice_cycles, || {
                    advance(engine.as_mut(), target, &Arc::default(), &mut [], after)
                });
                has_ended || target == goal
            }
        };
        if is_done {
            self.goal = None;
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
            notice: self.notice.clone(),
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
            (Some(_), Some(_)) => RunState::Running,
            (Some(engine), None) => match engine.outcome() {
                None => RunState::Paused,
                Some(Outcome::Halted) => RunState::Halted,
                Some(Outcome::Faulted(reason)) => RunState::Faulted(reason),
            },
        }
    }

    /// The last frame again, but saying that a file is being loaded.
    pub(crate) fn loading_frame(&mut self, name: &str) -> Arc<Frame> {
        let mut frame = Frame::clone(&self.frame());
        frame.run_state = RunState::Loading(Arc::from(name));
        Arc::new(frame)
    }
}

/// Moves to `target`; returns whether the run is over because of a breakpoint, a changed byte that is watched, or the program's end.
fn advance(
    engine: &mut dyn Engine,
    target: u64,
    breakpoints: &Arc<BTreeSet<u32>>,
    watches: &mut [Watch],
    after: u64,
) -> bool {
    let landmark = (!breakpoints.is_empty()).then(|| Landmark::Instructions(Arc::clone(breakpoints)));
    let step_to = |engine: &mut dyn Engine, cycle: u64| match &landmark {
        Some(landmark) => engine.advance_to_landmark(cycle, landmark, after),
        None => {
            engine.advance_to(cycle);
            false
        }
    };
    if watches.is_empty() {
        return step_to(engine, target) || engine.outcome().is_some();
    }
    while engine.cycle() < target && engine.outcome().is_none() {
        let next = engine.cycle() + 1;
        let is_at_breakpoint = step_to(engine, next);
        // Every watch is asked, so that all of them know the present bytes.
        let n_changed = watches
            .iter_mut()
            .filter_map(|watch| watch.has_changed(engine).then_some(()))
            .count();
        if is_at_breakpoint || n_changed > 0 {
            return true;
        }
    }
    engine.outcome().is_some()
}

/// The cycles that the compiler expects a program to take; 0 if it did not say.
fn expected_cycles(engine: &dyn Engine) -> u64 {
    engine.program().estimated_cycles.unwrap_or(0)
}

/// Runs `work` and doubles or halves `slice_cycles` so that the next slice comes closer to [`SLICE_TIME`].
fn timed(slice_cycles: &mut u64, work: impl FnOnce() -> bool) -> bool {
    let start = Instant::now();
    let result = work();
    let elapsed = start.elapsed();
    if elapsed < SLICE_TIME / 2 {
        *slice_cycles = slice_cycles.saturating_mul(2).min(1 << 40);
    } else if elapsed > SLICE_TIME * 2 {
        *slice_cycles = (*slice_cycles / 2).max(1);
    }
    result
}

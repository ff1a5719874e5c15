//! What goes wrong outside of the window's hands: it stays, says so, and can go on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/frames.rs"]
mod frames;
mod support;

use frames::wait_for;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use systole_gui::app::Dashboard;
use systole_gui::driver::{Request, Speed};
use systole_gui::engine::{Engine, EngineLoader, EngineMaker, Landmark, Opened, Outcome};
use systole_gui::files;
use systole_gui::frame::{Frame, N_UNITS, Observation, ProgramInfo, RunState, Span, TimelineView, UnitState};
use systole_gui::inspect::{Focus, MemorySpace};
use systole_gui::launch::engine;
use systole_gui::loading::LoadProgress;
use systole_gui::overview::SpanReport;
use systole_gui::worker::{ThreadWorker, Worker};
use systole_isa::machine::preset;
use systole_programs::{ASSEMBLY, DIGITS};

fn spawn(loader: EngineLoader) -> ThreadWorker {
    ThreadWorker::spawn(loader, Some(engine(support::sample_source("edge16x16", 500))), || {}).unwrap()
}

fn file_worker() -> ThreadWorker {
    spawn(files::loader(preset("edge16x16").unwrap()))
}

fn assembly(name: &str) -> &'static str {
    ASSEMBLY.iter().find(|program| program.name == name).unwrap().text
}

fn is_open(name: &'static str) -> impl Fn(&Frame) -> bool {
    move |frame| frame.loading.is_none() && frame.program.as_ref().is_some_and(|program| program.name == name)
}

#[test]
fn closing_the_window_during_a_run_at_full_speed_takes_no_second() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("digits.onnx");
    std::fs::write(&path, DIGITS.model).unwrap();
    for wait_ms in [0, 1, 7, 20] {
        let mut worker = file_worker();
        worker.send(Request::Open(path.clone()));
        wait_for(&mut worker, "open", is_open("digits"));
        worker.send(Request::SetSpeed(Speed::Unlimited));
        worker.send(Request::Run);
        let ctx = egui::Context::default();
        let dashboard = Dashboard::new(Box::new(worker), &ctx);
        std::thread::sleep(Duration::from_millis(wait_ms));
        let start = Instant::now();
        drop(dashboard);
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }
}

#[test]
fn a_file_that_disappears_is_not_missed_until_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("digits.onnx");
    std::fs::write(&path, DIGITS.model).unwrap();
    let mut worker = file_worker();
    worker.send(Request::Open(path.clone()));
    wait_for(&mut worker, "open", is_open("digits"));
    std::fs::write(&path, &DIGITS.model[..1_000]).unwrap();
    worker.send(Request::RunToEnd);
    let end = wait_for(&mut worker, "at the end", |frame| frame.run_state == RunState::Halted);
    // Another machine starts from what was read, not from the file.
    worker.send(Request::UseMachine(preset("tiny4x4").unwrap().to_ron()));
    wait_for(&mut worker, "on another machine", |frame| {
        frame
            .program
            .as_ref()
            .is_some_and(|program| program.machine.name == "tiny4x4")
    });
    for (is_removed, reason) in [(false, "Cannot open"), (true, "Check the path")] {
        if is_removed {
            std::fs::remove_file(&path).unwrap();
        }
        worker.send(Request::DismissNotice);
        worker.send(Request::Open(path.clone()));
        let frame = wait_for(&mut worker, "refused", |frame| frame.notice.is_some());
        let notice = frame.notice.clone().unwrap();
        assert!(notice.contains(reason) && notice.contains("digits.onnx"), "{notice}");
        assert!(frame.program.is_some(), "the program that was open still is");
    }
    assert!(end.now.cycle > 1_000);
}

#[test]
fn a_program_that_traps_is_explained_and_can_be_gone_back_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("race.sasm");
    std::fs::write(&path, assembly("race")).unwrap();
    let mut worker = file_worker();
    worker.send(Request::Open(path));
    wait_for(&mut worker, "open", is_open("race"));
    worker.send(Request::RunToEnd);
    let end = wait_for(&mut worker, "faulted", |frame| {
        matches!(frame.run_state, RunState::Faulted(_))
    });
    let RunState::Faulted(reason) = &end.run_state else {
        unreachable!("it was waited for")
    };
    assert!(reason.contains("instruction") && reason.contains("cycle"), "{reason}");
    assert!(reason.contains("(line "), "the source lines are named: {reason}");
    let last = end.now.cycle;
    worker.send(Request::StepBack(3));
    let back = wait_for(&mut worker, "back", |frame| frame.run_state == RunState::Paused);
    assert_eq!(back.now.cycle, last - 3);
    worker.send(Request::RunToEnd);
    let again = wait_for(&mut worker, "faulted again", |frame| {
        matches!(frame.run_state, RunState::Faulted(_))
    });
    assert_eq!((again.now.cycle, &again.run_state), (last, &end.run_state));
}

/// An engine with a bug that shows in cycle 100.
struct Panicking(Box<dyn Engine>);

impl Engine for Panicking {
    fn program(&self) -> Arc<ProgramInfo> {
        self.0.program()
    }

    fn cycle(&self) -> u64 {
        self.0.cycle()
    }

    fn outcome(&self) -> Option<Outcome> {
        self.0.outcome()
    }

    fn advance_to(&mut self, cycle: u64) {
        assert!(cycle < 100, "a made-up panic of the simulator");
        self.0.advance_to(cycle);
    }

    fn advance_to_landmark(&mut self, cycle: u64, landmark: &Landmark, after: u64) -> Option<u64> {
        self.0.advance_to_landmark(cycle, landmark, after)
    }

    fn previous(&self, landmark: &Landmark, before: u64) -> Option<u64> {
        self.0.previous(landmark, before)
    }

    fn rewind_to(&mut self, cycle: u64, n_cycles: u64) -> bool {
        self.0.rewind_to(cycle, n_cycles)
    }

    fn units(&self) -> [UnitState; N_UNITS] {
        self.0.units()
    }

    fn look_at(&mut self, focus: &Focus) {
        self.0.look_at(focus);
    }

    fn read_memory(&self, space: MemorySpace, address: u64, n_bytes: usize) -> Vec<u8> {
        self.0.read_memory(space, address, n_bytes)
    }

    fn write_memory(&mut self, space: MemorySpace, address: u64, bytes: &[u8]) -> Result<(), String> {
        self.0.write_memory(space, address, bytes)
    }

    fn on_machine(&self, machine: &str) -> EngineMaker {
        self.0.on_machine(machine)
    }

    fn observe(&self, view: TimelineView, n_bins: usize) -> Observation {
        self.0.observe(view, n_bins)
    }

    fn explain(&self, lane_idx: usize, cycle: u64) -> Option<SpanReport> {
        self.0.explain(lane_idx, cycle)
    }

    fn find(&self, text: &str, from: u64, is_forward: bool) -> Option<(usize, Span)> {
        self.0.find(text, from, is_forward)
    }
}

/// A loader that panics for one name, gives an engine that panics for another, and opens the rest.
fn broken_loader() -> EngineLoader {
    Arc::new(|path: &Path, progress: &LoadProgress| {
        progress.enter("fold-constants", 0.5)?;
        match path.to_str() {
            Some("panics") => panic!("a made-up panic of the loader"),
            Some("trap") => Ok(Opened::Program(Box::new(Panicking(engine(support::sample_source(
                "tiny4x4", 12,
            )))))),
            _ => Ok(Opened::Program(engine(support::sample_source("tiny4x4", 3)))),
        }
    })
}

#[test]
fn a_loader_that_panics_costs_nothing() {
    let mut worker = spawn(broken_loader());
    worker.send(Request::Step(5));
    worker.send(Request::Open("panics".into()));
    let frame = wait_for(&mut worker, "refused", |frame| frame.notice.is_some());
    let notice = frame.notice.clone().unwrap();
    assert!(
        notice.contains("bug in Systole") && notice.contains("fold-constants"),
        "{notice}"
    );
    assert_eq!((frame.now.cycle, &frame.run_state), (5, &RunState::Paused));
    worker.send(Request::Open("good".into()));
    wait_for(&mut worker, "open", |frame| {
        frame.notice.is_none() && frame.now.cycle == 0
    });
}

#[test]
fn a_worker_that_panics_says_so_and_opens_again() {
    let mut worker = spawn(broken_loader());
    worker.send(Request::SetSpeed(Speed::CyclesPerSecond(100_000)));
    worker.send(Request::Open("trap".into()));
    let before = wait_for(&mut worker, "open", |frame| frame.opened.is_some());
    worker.send(Request::Run);
    let frame = wait_for(&mut worker, "told", |frame| frame.notice.is_some());
    let notice = frame.notice.clone().unwrap();
    assert!(
        notice.contains("bug in Systole") && notice.contains("made-up panic"),
        "{notice}"
    );
    assert_eq!(frame.run_state, RunState::Empty);
    assert!(frame.sequence > before.sequence, "the window takes the frame");
    assert!(worker.is_alive());
    worker.send(Request::Open("good".into()));
    worker.send(Request::Ticket(7));
    let frame = wait_for(&mut worker, "open", |frame| frame.ticket == 7);
    assert!(frame.program.is_some() && frame.notice.is_none());
    worker.send(Request::Run);
    wait_for(&mut worker, "at the end", |frame| frame.run_state == RunState::Halted);
}

//! The worker on its own thread: it answers, paces itself, publishes in order and ends with its owner.

mod support;

use crossbeam_channel::{Receiver, bounded};
use std::sync::Arc;
use std::time::{Duration, Instant};
use systole_gui::driver::{Request, Speed};
use systole_gui::frame::{Frame, Lane, RunState, TimelineView};
use systole_gui::launch::{engine, engine_loader};
use systole_gui::worker::{ThreadWorker, Worker};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Client {
    worker: ThreadWorker,
    woken: Receiver<()>,
    last_sequence: u64,
}

impl Client {
    fn new() -> Self {
        let (wake, woken) = bounded(1);
        let source = engine(support::sample_source("tiny4x4", 12));
        let loader = engine_loader(Box::new(|_| Err("there are no files here".to_owned())));
        // A full channel means that the client has been woken already.
        let worker = ThreadWorker::spawn(loader, Some(source), move || {
            let _ = wake.try_send(());
        })
        .expect("a thread can be started");
        Self {
            worker,
            woken,
            last_sequence: 0,
        }
    }

    /// Takes frames until one fulfils the condition; every frame must be newer than the one before.
    fn wait_for(&mut self, condition: impl Fn(&Frame) -> bool) -> Arc<Frame> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let Some(frame) = self.worker.poll() else {
                let _ = self.woken.recv_timeout(Duration::from_millis(20));
                continue;
            };
            assert!(frame.sequence > self.last_sequence, "frames go forwards");
            self.last_sequence = frame.sequence;
            if condition(&frame) {
                return frame;
            }
        }
        panic!("no such frame came");
    }

    fn wait_for_cycle(&mut self, cycle: u64) -> Arc<Frame> {
        self.wait_for(|frame| frame.now.cycle == cycle)
    }
}

#[test]
fn steps_go_both_ways() {
    let mut client = Client::new();
    client.wait_for_cycle(0);
    client.worker.send(Request::Step(10));
    client.wait_for_cycle(10);
    client.worker.send(Request::StepBack(4));
    client.wait_for_cycle(6);
    client.worker.send(Request::GoTo(120));
    client.wait_for(|frame| frame.now.cycle == 120 && frame.run_state == RunState::Paused);
    client.worker.send(Request::GoTo(17));
    client.wait_for_cycle(17);
    client.worker.send(Request::Restart);
    client.wait_for_cycle(0);
}

#[test]
fn an_unlimited_run_reaches_the_end_that_steps_reach() {
    let mut client = Client::new();
    client.worker.send(Request::SetSpeed(Speed::Unlimited));
    client.worker.send(Request::Run);
    let run = client.wait_for(|frame| frame.run_state == RunState::Halted);
    client.worker.send(Request::Restart);
    client.wait_for_cycle(0);
    for _ in 0..run.now.cycle / 7 + 1 {
        client.worker.send(Request::Step(7));
    }
    let stepped = client.wait_for(|frame| frame.run_state == RunState::Halted);
    assert_eq!(run.now.cycle, stepped.now.cycle);
    assert_eq!(run.now.counters, stepped.now.counters);
    client.worker.send(Request::SetTimeline(TimelineView::Fit, 4_000));
    let fit = client.wait_for(|frame| frame.now.timeline.start == 0 && frame.run_state == RunState::Halted);
    for (lane, unit) in fit.now.timeline.lanes.iter().zip(&fit.now.units) {
        let Lane::Spans(spans) = lane else {
            panic!("a short run has few spans")
        };
        let n_cycles: u64 = spans.iter().map(|span| span.end - span.start).sum();
        assert_eq!(n_cycles, fit.now.cycle, "every cycle is in one span");
        let busy_or_stalled: u64 = spans
            .iter()
            .filter(|span| span.activity.0 != 0)
            .map(|span| span.end - span.start)
            .sum();
        assert_eq!(busy_or_stalled, unit.busy_cycles + unit.stall_cycles);
    }
}

#[test]
fn a_run_at_a_fixed_speed_can_be_paused() {
    let mut client = Client::new();
    client.worker.send(Request::SetSpeed(Speed::CyclesPerSecond(60)));
    client.worker.send(Request::Run);
    client.wait_for(|frame| frame.run_state == RunState::Running && frame.now.cycle >= 3);
    client.worker.send(Request::Pause);
    let paused = client.wait_for(|frame| frame.run_state == RunState::Paused);
    client.worker.send(Request::Step(1));
    client.wait_for_cycle(paused.now.cycle + 1);
}

#[test]
fn a_failed_load_keeps_the_program() {
    let mut client = Client::new();
    client.worker.send(Request::Step(3));
    client.worker.send(Request::Open("missing".into()));
    let frame = client.wait_for(|frame| frame.notice.is_some());
    assert_eq!((frame.now.cycle, &frame.run_state), (3, &RunState::Paused));
    assert!(frame.program.is_some());
    client.worker.send(Request::DismissNotice);
    client.wait_for(|frame| frame.notice.is_none());
}

#[test]
fn dropping_the_worker_ends_a_run() {
    let mut client = Client::new();
    client.worker.send(Request::SetSpeed(Speed::CyclesPerSecond(2)));
    client.worker.send(Request::Run);
    client.wait_for(|frame| frame.run_state == RunState::Running);
    assert!(client.worker.is_alive());
    drop(client);
}

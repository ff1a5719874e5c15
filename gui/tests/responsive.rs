//! The worker on its thread under a user's hands: keys that repeat, going back over a long run, and a newer wish that replaces one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a test tells its figures and what it skips")]

#[path = "support/frames.rs"]
mod frames;
mod shared;
mod support;

use egui::{Event, Key, Modifiers, RawInput, Rect, pos2, vec2};
use frames::{PATIENCE, wait_for};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};
use systole_gui::app::Dashboard;
use systole_gui::driver::{Request, Speed};
use systole_gui::engine::{Engine, Outcome};
use systole_gui::files;
use systole_gui::frame::{Frame, Lane, Observation, RunState, TimelineView};
use systole_gui::launch::{engine, engine_loader};
use systole_gui::worker::{ThreadWorker, Worker};
use systole_isa::machine::preset;

/// Times that the key of a step repeats.
const N_REPEATS: u64 = 1_000;

fn worker(source: systole_gui::Source) -> ThreadWorker {
    let loader = engine_loader(Box::new(|_| Err("there are no files here".to_owned())));
    ThreadWorker::spawn(loader, Some(engine(source)), || {}).unwrap()
}

/// A number for everything in an observation that tells which cycle it is of. (Which partial sums are shown depends on what is
/// looked at.)
fn digest(now: &Observation) -> u64 {
    let cells = now.array.cells.iter();
    let cells: Vec<_> = cells
        .map(|cell| {
            (
                cell.state,
                cell.weight,
                cell.next_weight,
                cell.activation,
                cell.activation_row,
            )
        })
        .collect();
    let lanes = &now.timeline.lanes;
    let all = (
        now.cycle,
        now.layer_idx,
        &now.units,
        cells,
        &now.counters,
        &now.line_totals,
        lanes,
    );
    let mut hasher = DefaultHasher::new();
    format!("{all:?}").hash(&mut hasher);
    hasher.finish()
}

/// The lanes reach to the present and no further.
fn check_lanes(frame: &Frame) {
    let timeline = &frame.now.timeline;
    assert_eq!(
        (timeline.start, timeline.end),
        TimelineView::default().window(frame.now.cycle)
    );
    for lane in &timeline.lanes {
        let Lane::Spans(spans) = lane else {
            panic!("a short stretch has few spans")
        };
        assert_eq!(spans.last().map_or(0, |span| span.end), frame.now.cycle);
    }
}

/// Draws the dashboard with a key that repeats some times.
fn draw(ctx: &egui::Context, dashboard: &mut Dashboard, n_presses: u64) {
    let press = Event::Key {
        key: Key::ArrowRight,
        physical_key: None,
        pressed: true,
        repeat: true,
        modifiers: Modifiers::NONE,
    };
    let input = RawInput {
        screen_rect: Some(Rect::from_min_size(pos2(0.0, 0.0), vec2(1_200.0, 800.0))),
        events: std::iter::repeat_n(press, n_presses as usize).collect(),
        ..RawInput::default()
    };
    let mut output = ctx.run_ui(input, |ui| dashboard.dashboard_ui(ui));
    output.textures_delta.clear();
    assert!(!output.shapes.is_empty());
}

#[test]
fn a_key_that_repeats_loses_no_step_and_shows_no_torn_frame() {
    let mut fresh = engine(support::sample_source("edge16x16", 500));
    let mut expected = vec![digest(&fresh.observe(TimelineView::default(), 1_000))];
    for cycle in 1..=N_REPEATS {
        fresh.advance_to(cycle);
        expected.push(digest(&fresh.observe(TimelineView::default(), 1_000)));
    }

    let ctx = egui::Context::default();
    let mut dashboard = Dashboard::new(Box::new(worker(support::sample_source("edge16x16", 500))), &ctx);
    let deadline = Instant::now() + PATIENCE;
    while dashboard.frame().program.is_none() {
        draw(&ctx, &mut dashboard, 0);
        assert!(Instant::now() < deadline);
    }
    let (mut n_pressed, mut n_frames) = (0, 0);
    let mut last = Arc::clone(dashboard.frame());
    while dashboard.frame().now.cycle < N_REPEATS {
        // Now and then the system hands several presses over at once, or none.
        let n_presses = (n_frames * 7 % 4).min(N_REPEATS - n_pressed);
        n_pressed += n_presses;
        n_frames += 1;
        draw(&ctx, &mut dashboard, n_presses);
        let frame = Arc::clone(dashboard.frame());
        if !Arc::ptr_eq(&frame, &last) {
            assert!(frame.sequence > last.sequence, "frames go forwards");
            assert!(frame.now.cycle >= last.now.cycle, "and so does time");
            assert!(frame.now.cycle <= n_pressed, "nothing runs ahead of the keys");
            assert_eq!(
                digest(&frame.now),
                expected[frame.now.cycle as usize],
                "cycle {}",
                frame.now.cycle
            );
            check_lanes(&frame);
            last = frame;
        }
        assert!(
            Instant::now() < deadline,
            "at cycle {} of {n_pressed} presses",
            last.now.cycle
        );
    }
    for _ in 0..5 {
        draw(&ctx, &mut dashboard, 0);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(dashboard.frame().now.cycle, N_REPEATS);
    println!("{N_REPEATS} steps in {n_frames} drawn frames");
}

fn at_rest(cycle: u64) -> impl Fn(&Frame) -> bool {
    move |frame| frame.now.cycle == cycle && !frame.run_state.is_moving()
}

#[test]
fn a_newer_wish_replaces_a_way_back() {
    let mut worker = worker(support::sample_source("edge16x16", 500));
    worker.send(Request::RunToEnd);
    let end = wait_for(&mut worker, "at the end", |frame| frame.run_state == RunState::Halted);
    let last = end.now.cycle;
    println!("the run has {last} cycles");
    for target in [last - 1, last / 2, 5] {
        worker.send(Request::GoTo(target));
    }
    wait_for(&mut worker, "at cycle 5", at_rest(5));

    // Steps count from where time goes back to, not from where it still is.
    worker.send(Request::GoTo(last));
    wait_for(&mut worker, "at the end", at_rest(last));
    worker.send(Request::GoTo(last / 2));
    worker.send(Request::StepBack(3));
    worker.send(Request::Step(1));
    worker.send(Request::StepBack(5));
    wait_for(&mut worker, "seven cycles before the middle", at_rest(last / 2 - 7));

    // What needs the machine there waits until it is there.
    worker.send(Request::GoTo(100));
    worker.send(Request::SetSpeed(Speed::Unlimited));
    worker.send(Request::Run);
    worker.send(Request::Ticket(1));
    let end = wait_for(&mut worker, "at the end again", |frame| {
        frame.ticket == 1 && frame.run_state == RunState::Halted
    });
    assert_eq!(end.now.cycle, last);
}

/// A way back that is taken slice by slice, redirected and continued gives what a fresh run gives.
#[test]
fn a_way_back_in_slices_ends_where_a_fresh_run_would_be() {
    let mut run = engine(support::sample_source("edge16x16", 500));
    run.advance_to(u64::MAX);
    assert_eq!(run.outcome(), Some(Outcome::Halted));
    let last = run.cycle();
    for (idx, target) in [last - 7, last * 3 / 4, last / 2, last / 2 - 1, last / 3, 63, 0]
        .into_iter()
        .enumerate()
    {
        let before = digest(&run.observe(TimelineView::default(), 1_000));
        let mut n_slices = 0;
        // Halfway there another target is asked for, which lies further back and is given up again.
        while !run.rewind_to(target, 1 + 13 * idx as u64) {
            n_slices += 1;
            if n_slices == 2 && target > 100 {
                run.rewind_to(target - 100, 1);
            }
            assert_eq!(
                digest(&run.observe(TimelineView::default(), 1_000)),
                before,
                "not there yet"
            );
        }
        let mut fresh = engine(support::sample_source("edge16x16", 500));
        let parts = |run: &dyn Engine| {
            let now = run.observe(TimelineView::default(), 1_000);
            let busy: Vec<_> = now
                .units
                .iter()
                .map(|unit| (unit.pc, unit.busy_cycles, unit.stall_cycles))
                .collect();
            format!(
                "{:?}",
                (
                    now.cycle,
                    busy,
                    &now.array.cells,
                    &now.counters,
                    &now.line_totals,
                    &now.timeline.lanes
                )
            )
        };
        fresh.advance_to(target);
        assert!(parts(run.as_ref()) == parts(fresh.as_ref()), "target {target}");
    }
}

/// How soon the worker must answer: a run stands still, a way back is left. Without optimization, on a machine that builds and tests at
/// the same time, the same may take longer.
const ANSWER_LIMIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1_000 } else { 50 });

/// Frames that name a moment in between are dropped until one says that time stands still.
fn pause(worker: &mut ThreadWorker) -> Duration {
    let start = Instant::now();
    worker.send(Request::Pause);
    loop {
        match worker.poll() {
            Some(frame) if frame.run_state == RunState::Paused => return start.elapsed(),
            _ => std::thread::sleep(Duration::from_micros(50)),
        }
        assert!(start.elapsed() < PATIENCE);
    }
}

#[test]
fn a_large_network_at_full_speed_pauses_and_goes_back_at_once() {
    let Some(path) = shared::path("table1/resnet50.onnx") else {
        return;
    };
    let loader = files::loader(preset("edge16x16").unwrap());
    let mut worker = ThreadWorker::spawn(loader, None, || {}).unwrap();
    let start = Instant::now();
    worker.send(Request::Open(path));
    wait_for(&mut worker, "open", |frame| {
        frame.loading.is_none() && frame.program.is_some()
    });
    println!("opened in {:.2?}", start.elapsed());
    worker.send(Request::SetSpeed(Speed::Unlimited));

    let mut times = Vec::new();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..20 {
        worker.send(Request::Run);
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis(20 + (random >> 33) % 150));
        times.push(pause(&mut worker));
    }
    judge("pausing a run", &mut times, ANSWER_LIMIT);

    // A way back over the whole run is given up as soon.
    let mut times = Vec::new();
    for _ in 0..10 {
        worker.send(Request::GoTo(1));
        std::thread::sleep(Duration::from_millis(1 + (random >> 40) % 5));
        let start = Instant::now();
        let ticket = times.len() as u64 + 1;
        worker.send(Request::Ticket(ticket));
        wait_for(&mut worker, "an answer", |frame| frame.ticket == ticket);
        times.push(start.elapsed());
        pause(&mut worker);
        worker.send(Request::Run);
        std::thread::sleep(Duration::from_millis(50));
        pause(&mut worker);
    }
    judge("answering on the way back", &mut times, ANSWER_LIMIT);

    // Far into a run, stepping back does not replay from afar each time.
    let frame = wait_for_rest(&mut worker);
    println!("at cycle {}", frame.now.cycle);
    let mut times = Vec::new();
    for n_back in 1..=30 {
        let start = Instant::now();
        worker.send(Request::StepBack(1));
        let cycle = frame.now.cycle - n_back;
        wait_for(&mut worker, "a cycle back", at_rest(cycle));
        times.push(start.elapsed());
    }
    times.remove(0);
    judge("stepping back again", &mut times, ANSWER_LIMIT);
}

/// The present, when nothing moves.
fn wait_for_rest(worker: &mut ThreadWorker) -> Arc<Frame> {
    worker.send(Request::Pause);
    worker.send(Request::Ticket(1_000));
    wait_for(worker, "at rest", |frame| {
        frame.ticket == 1_000 && !frame.run_state.is_moving()
    })
}

fn judge(what: &str, times: &mut [Duration], limit: Duration) {
    times.sort_unstable();
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    println!(
        "{what}: median {median:.2?}, maximum {longest:.2?} of {} tries",
        times.len()
    );
    assert!(longest < limit, "{what}: {longest:.2?} is not less than {limit:?}");
}

//! The DRAM's channels in the timeline: their sums are the counters', and every way to a cycle shows the same.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use systole_gui::Source;
use systole_gui::dram_lanes::{ACTIVATE, ChannelLanes, READ, REFRESH, Strip, WRITE};
use systole_gui::driver::Request;
use systole_gui::engine::Engine;
use systole_gui::frame::{ActivityId, Lane, RunState, TimelineView};
use systole_gui::launch::{engine, engine_loader};
use systole_gui::worker::{SynchronousWorker, Worker};
use systole_isa::dram::{DramStandard, PagePolicy};
use systole_simulator::Status;
use systole_simulator::dram::DramCounts;
use systole_simulator::machine::Mode;

const EVERYTHING: TimelineView = TimelineView::Range { start: 0, end: 1 << 40 };

/// The sample with another DRAM.
fn source(machine: &str, n_rows: u64, dram: Option<(&str, u32, u32, PagePolicy)>) -> Source {
    let mut source = support::sample_source(machine, n_rows);
    if let Some((standard, n_channels, n_ranks, page_policy)) = dram {
        let mut description = source.machine.description().as_ref().clone();
        description.dram.standard = standard.to_owned().try_into().unwrap();
        (description.dram.n_channels, description.dram.n_ranks) = (n_channels, n_ranks);
        description.dram.page_policy = page_policy;
        source.machine = source.recipe.make(&description, Mode::Full).unwrap();
    }
    source
}

fn sources() -> Vec<Source> {
    vec![
        source("tiny4x4", 12, None),
        source("tiny4x4", 200, None),
        source("big128x128", 40, None),
        source("edge16x16", 300, Some(("lpddr5-6400", 2, 2, PagePolicy::Closed))),
    ]
}

/// What the machine itself counts up to the end of the run, and its last cycle.
fn counted(source: &Source) -> (DramCounts, u64) {
    let mut machine = source.machine.clone();
    machine.advance_to(u64::MAX, &mut ());
    assert_eq!(*machine.status(), Status::Halted);
    (machine.dram_counts(), machine.now())
}

/// Clocks that a lane spends in an activity.
fn clocks(lane: &Lane, activity: ActivityId) -> u64 {
    match lane {
        Lane::Spans(spans) => {
            let of_activity = spans.iter().filter(|span| span.activity == activity);
            of_activity.map(|span| span.end - span.start).sum()
        }
        Lane::Bins(bins) => {
            let of_bin = |idx: usize| bins.bin(idx)[usize::from(activity.0)];
            (0..bins.n_bins).map(of_bin).sum()
        }
    }
}

fn channels(engine: &dyn Engine, n_bins: usize) -> Vec<ChannelLanes> {
    engine.observe(EVERYTHING, n_bins).timeline.dram.channels.clone()
}

#[test]
fn busy_clocks_of_the_lanes_are_those_of_the_counters() {
    for source in sources() {
        let (counts, _) = counted(&source);
        let burst_clocks = source.machine.description().dram.standard.timing().burst_clocks;
        let mut engine = engine(source);
        engine.advance_to(u64::MAX);
        // Few bins make the log sum up, many leave the spans as they are, if those are not too many.
        for n_bins in [1, 7, 1_500] {
            let channels = channels(engine.as_ref(), n_bins);
            let sum = |activity| {
                channels
                    .iter()
                    .map(|channel| clocks(&channel.bus, activity))
                    .sum::<u64>()
            };
            assert_eq!(sum(READ), counts.reads * burst_clocks, "{n_bins} bins");
            assert_eq!(sum(WRITE), counts.writes * burst_clocks, "{n_bins} bins");
            let sum = |activity| {
                channels
                    .iter()
                    .map(|channel| clocks(&channel.banks, activity))
                    .sum::<u64>()
            };
            assert_eq!(sum(ACTIVATE), counts.activates, "{n_bins} bins");
        }
    }
}

#[test]
fn commands_say_what_was_found_and_who_asked() {
    let source = source("tiny4x4", 12, None);
    let program = source.machine.program().clone();
    let (counts, _) = counted(&source);
    let mut engine = engine(source);
    engine.advance_to(u64::MAX);
    let channels = channels(engine.as_ref(), 1_500);
    let commands = &channels[0].commands;
    let found = |what: &str| {
        let requests = commands.iter().filter_map(|command| command.request);
        requests.filter(|request| request.outcome == what).count() as u64
    };
    assert_eq!(found("row hit"), counts.row_hits());
    assert_eq!(found("row miss"), counts.row_misses);
    assert_eq!(found("row conflict"), counts.row_conflicts);
    assert!(counts.row_hits() > 0 && counts.row_misses > 0);
    for command in commands {
        let request = command.request.unwrap();
        let unit = program.code[request.pc as usize].op.unit().name();
        if command.strip() == Strip::Bus {
            assert_eq!(unit, if command.activity == READ { "LD" } else { "ST" });
        }
        let in_the_middle = command.start.midpoint(command.end);
        assert_eq!(channels[0].command_at(command.strip(), in_the_middle), Some(command));
    }
}

/// Everything that is shown of the channels at the present cycle.
fn shown(engine: &dyn Engine) -> String {
    format!("{:?}", channels(engine, 400))
}

#[test]
fn every_way_to_a_cycle_shows_the_same() {
    for source in sources() {
        let (_, end) = counted(&source);
        let start = || engine(source.clone());
        let mut wandering = start();
        for fraction in [0.5, 0.1, 0.9, 1.0, 0.3, 0.31, 0.0, 0.7, 0.69] {
            let cycle = (end as f64 * fraction) as u64;
            let mut direct = start();
            direct.advance_to(cycle);
            if cycle < wandering.cycle() {
                while !wandering.rewind_to(cycle, u64::MAX) {}
            } else {
                wandering.advance_to(cycle);
            }
            assert_eq!(shown(wandering.as_ref()), shown(direct.as_ref()), "cycle {cycle}");
        }
        let mut stepwise = start();
        let mut direct = start();
        for cycle in (0..end.min(40_000)).step_by(97) {
            stepwise.advance_to(cycle);
        }
        stepwise.advance_to(end);
        direct.advance_to(end);
        assert_eq!(shown(stepwise.as_ref()), shown(direct.as_ref()));
    }
}

#[test]
fn refreshes_are_shown_at_their_interval_whether_or_not_anybody_asks_for_data() {
    let loader = engine_loader(Box::new(|_| Err("there are no files here".to_owned())));
    let mut worker = SynchronousWorker::new(loader, None);
    worker.send(Request::OpenExample {
        name: "digits".to_owned(),
        machine: Some("edge16x16".to_owned()),
    });
    worker.send(Request::SetTimeline(EVERYTHING, 1_500));
    let timing = DramStandard::Ddr4_2400.timing();
    let mut n_due = 0;
    for cycle in (1_000..).step_by(2_500) {
        worker.send(Request::GoTo(cycle));
        let frame = worker.poll().unwrap();
        if frame.run_state != RunState::Paused {
            break;
        }
        let dram = &frame.now.timeline.dram;
        let now = (cycle as f64 / dram.cycles_per_clock) as u64;
        n_due = now / timing.refi;
        let shown = clocks(&dram.channels[0].banks, REFRESH);
        // The last one may be late or not over yet.
        let least = n_due.saturating_sub(1) * timing.rfc;
        assert!(
            (least..=n_due * timing.rfc).contains(&shown),
            "{shown} clocks at clock {now}"
        );
    }
    assert!(n_due > 1, "{n_due} refreshes");
}

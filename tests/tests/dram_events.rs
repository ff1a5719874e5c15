//! What observers hear of the DRAM: every request, command and burst once and in order, whatever the DRAM and however a run is split; and
//! hearing it changes nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use systole_compiler::codegen::{self, TilingPolicy};
use systole_isa::MachineDescription;
use systole_isa::dram::PagePolicy;
use systole_isa::machine::preset;
use systole_programs::DIGITS;
use systole_simulator::dram::{ChannelEventKind, DramConfig, DramCounts, RowOutcome};
use systole_simulator::observer::DramEvent;
use systole_simulator::{Event, Machine, Mode, Observer, Status};

#[derive(Default)]
struct Heard(Vec<DramEvent>);

impl Observer for Heard {
    fn event(&mut self, _: &Event) {}

    fn dram(&mut self, event: &DramEvent) {
        self.0.push(*event);
    }
}

fn machine(standard: &str, (n_channels, n_ranks): (u32, u32), page_policy: PagePolicy) -> Machine {
    let mut description = preset("edge16x16").unwrap();
    description.dram.standard = standard.to_owned().try_into().unwrap();
    (description.dram.n_channels, description.dram.n_ranks) = (n_channels, n_ranks);
    description.dram.page_policy = page_policy;
    digits_on(description)
}

fn digits_on(description: MachineDescription) -> Machine {
    let graph = systole_compiler::lower(systole_compiler::import_onnx(DIGITS.model).unwrap()).unwrap();
    let program = codegen::generate(&graph, &description, TilingPolicy::Fastest).unwrap();
    Machine::new(Arc::new(program), Arc::new(description), Mode::TimingOnly).unwrap()
}

fn machines() -> Vec<Machine> {
    vec![
        machine("ddr4-2400", (1, 1), PagePolicy::Open),
        machine("hbm2", (8, 1), PagePolicy::Open),
        machine("lpddr5-6400", (2, 2), PagePolicy::Closed),
    ]
}

/// The counters that events tell; precharges of whole ranks and of rows that close by themselves are not told one by one.
fn told(events: &[DramEvent]) -> DramCounts {
    let mut counts = DramCounts::default();
    for DramEvent { event, .. } in events {
        match event.kind {
            ChannelEventKind::Activate(_) => counts.activates += 1,
            ChannelEventKind::Refresh { .. } => counts.refreshes += 1,
            ChannelEventKind::Column { request, outcome, .. } => {
                let (columns, hits) = match request.is_write {
                    true => (&mut counts.writes, &mut counts.write_row_hits),
                    false => (&mut counts.reads, &mut counts.read_row_hits),
                };
                *columns += 1;
                match outcome {
                    RowOutcome::Hit => *hits += 1,
                    RowOutcome::Miss => counts.row_misses += 1,
                    RowOutcome::Conflict => counts.row_conflicts += 1,
                }
            }
            ChannelEventKind::Queued(_) | ChannelEventKind::Precharge(_) | ChannelEventKind::PrechargeAll { .. } => {}
        }
    }
    counts
}

#[test]
fn what_is_told_adds_up_to_the_counters_and_changes_nothing() {
    for start in machines() {
        let (mut watched, mut alone) = (start.clone(), start);
        let mut heard = Heard::default();
        watched.advance_to(u64::MAX, &mut heard);
        alone.advance_to(u64::MAX, &mut ());
        assert_eq!(*watched.status(), Status::Halted);
        assert_eq!((watched.now(), watched.state_hash()), (alone.now(), alone.state_hash()));
        watched.tell_idle_dram(&mut heard);
        assert_eq!(watched.state_hash(), alone.state_hash(), "asking changes nothing");

        let expected = watched.dram_counts();
        let counts = told(&heard.0);
        assert!(expected.activates > 0 && expected.refreshes > 0 && expected.row_hits() > 0);
        let unlike = DramCounts {
            precharges: expected.precharges,
            read_latency_clocks: expected.read_latency_clocks,
            open_clocks: expected.open_clocks,
            forwarded_reads: expected.forwarded_reads,
            merged_writes: expected.merged_writes,
            ..counts
        };
        assert_eq!(unlike, expected);
        let n_code = watched.program().code.len() as u32;
        let queued = heard.0.iter().filter_map(|told| match told.event.kind {
            ChannelEventKind::Queued(request) => Some(request),
            _ => None,
        });
        assert_eq!(queued.clone().count() as u64, counts.bursts());
        assert!(queued.clone().all(|request| request.pc < n_code));
        let is_transfer = |pc: u32| watched.program().code[pc as usize].op.unit().name();
        assert!(
            queued
                .clone()
                .all(|r| is_transfer(r.pc) == if r.is_write { "ST" } else { "LD" })
        );
    }
}

#[test]
fn bursts_of_a_channel_follow_each_other_on_its_bus() {
    for mut machine in machines() {
        let config = DramConfig::of(machine.description());
        let burst_clocks = config.standard.timing().burst_clocks;
        let mut heard = Heard::default();
        machine.advance_to(u64::MAX, &mut heard);
        let n_channels = config.n_channels as usize;
        let (mut free_from, mut at, mut progress) = (vec![0; n_channels], vec![0; n_channels], vec![0; n_channels]);
        for DramEvent { channel, event } in &heard.0 {
            if let ChannelEventKind::Column {
                data: (start, end),
                request,
                ..
            } = event.kind
            {
                assert_eq!(end - start, burst_clocks);
                assert!(start >= free_from[*channel] && request.arrived_at <= event.at && event.at < start);
                free_from[*channel] = end;
            }
            assert!(event.at >= at[*channel], "{event:?} before clock {}", at[*channel]);
            assert!(event.n_reads <= 32 && event.n_writes <= 32);
            let is_refresh = matches!(event.kind, ChannelEventKind::Refresh { .. });
            assert!(event.progress > progress[*channel] || is_refresh && event.progress == progress[*channel]);
            (at[*channel], progress[*channel]) = (event.at, event.progress);
        }
        for (channel, progress) in progress.iter().enumerate() {
            assert_eq!(machine.dram_ahead()[channel].progress(), *progress);
        }
    }
}

#[test]
fn a_run_in_pieces_tells_the_same() {
    for start in machines() {
        let (mut leap, mut steps) = (start.clone(), start);
        let (mut at_once, mut piecewise) = (Heard::default(), Heard::default());
        leap.advance_to(u64::MAX, &mut at_once);
        for step in (1..).map(|i| 1 + i * 7919 % 613) {
            if *steps.status() != Status::Running {
                break;
            }
            steps.advance_to(steps.now() + step, &mut piecewise);
        }
        assert_eq!(at_once.0, piecewise.0);
    }
}

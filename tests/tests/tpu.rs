//! The first TPU against its published counters (Jouppi et al., ISCA 2017): weight tiles from DRAM and into the array, the split of
//! cycles of a layer like those of MLP0, tiles of a 600 x 600 layer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use systole_compiler::codegen::{self, TilingPolicy};
use systole_compiler::gemm::gemm;
use systole_isa::machine::preset;
use systole_isa::{MachineDescription, Op, Unit};
use systole_simulator::observer::Watch;
use systole_simulator::{Activity, BusyKind, Event, Machine, Mode, Status};
use systole_testkit::tpu::dense_layer;

fn tpu() -> MachineDescription {
    preset("tpu_v1").unwrap()
}

fn timed(machine: &MachineDescription, batch: u64, n_tiles: u64) -> Machine {
    let program = Arc::new(dense_layer(machine, batch, n_tiles));
    Machine::new(program, Arc::new(machine.clone()), Mode::TimingOnly).unwrap()
}

/// Start and end of every execution of instructions with this mnemonic, in cycles.
fn instructions(machine: &mut Machine, mnemonic: &str) -> Vec<(u64, u64)> {
    let program = machine.program().clone();
    let mut times = Vec::new();
    machine.advance_to(
        u64::MAX,
        &mut Watch(|event: &Event| {
            if let Event::Completed { pc, start, end, .. } = event
                && program.code[*pc as usize].op.mnemonic() == mnemonic
            {
                times.push((*start, *end));
            }
        }),
    );
    assert_eq!(*machine.status(), Status::Halted);
    times
}

/// Percentages of cycles in which activations enter the array, only weights enter it, and nothing does, from the third tile on.
fn split(machine: &MachineDescription, batch: u64, n_tiles: u64) -> [f64; 3] {
    let mut run = timed(machine, batch, n_tiles);
    let warm = instructions(&mut run.clone(), "mx.wload")[2].0;
    run.advance_to(warm, &mut ());
    let before = run.unit_cycles(Unit::Mx);
    let last = instructions(&mut run.clone(), "mx.wload").last().unwrap().0;
    run.advance_to(last, &mut ());
    let after = run.unit_cycles(Unit::Mx);
    let of = |kind| {
        let activity = Activity::Busy(kind);
        100.0 * (after.of(activity) - before.of(activity)) as f64 / (last - warm) as f64
    };
    let (active, shift) = (of(BusyKind::Stream), of(BusyKind::WeightLoad));
    [active, shift, 100.0 - active - shift]
}

#[test]
fn a_tile_shifts_in_256_cycles() {
    let loads = instructions(&mut timed(&tpu(), 200, 12), "mx.wload");
    assert_eq!(loads.len(), 12);
    assert!(loads.iter().all(|(start, end)| end - start == 256), "{loads:?}");
}

/// Cycles from the end of one tile's load to the end of the next: the median, which no refresh has met, and the average.
fn tile_cycles(machine: &MachineDescription) -> (u64, f64) {
    let loads = instructions(&mut timed(machine, 200, 40), "ld");
    let mut intervals: Vec<u64> = loads.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    let average = (loads[39].1 - loads[0].1) as f64 / 39.0;
    intervals.sort_unstable();
    (intervals[intervals.len() / 2], average)
}

#[test]
fn a_tile_comes_from_dram_in_1349_cycles() {
    let off = |cycles: f64| (cycles / 1349.0 - 1.0).abs();
    let (median, average) = tile_cycles(&tpu());
    eprintln!("tile from DRAM: {median} cycles, {average:.0} on average with refresh, 1349 published");
    assert!(off(median as f64) < TILE_TOLERANCE, "{median}");
    assert!(off(average) < AVERAGE_TOLERANCE, "{average}");
    // Must fail: a unit that waits for the end of one load before it asks for the next pays a DRAM latency per tile.
    let mut patient = tpu();
    patient.dram.max_transfers = 1;
    let (median, _) = tile_cycles(&patient);
    assert!(off(median as f64) > TILE_TOLERANCE, "{median}");
}

/// For a tile without a refresh.
const TILE_TOLERANCE: f64 = 0.01;
/// With refresh, which the published 34 GB/s leaves out: DDR3 refreshes for 374 of 8320 clocks, 4.5 %.
const AVERAGE_TOLERANCE: f64 = 0.05;
/// In percentage points.
const SPLIT_TOLERANCE: f64 = 3.0;

#[test]
fn a_layer_like_those_of_mlp0_splits_its_cycles_as_published() {
    // Table 3, renormalized to matrix cycles: array active, weight shift, weight stall.
    let published = [15.4, 19.3, 65.3];
    let measured = split(&tpu(), 200, 48);
    eprintln!("active, shift, stall: {measured:.1?} %, {published:.1?} % published");
    for (measured, published) in measured.iter().zip(published) {
        assert!((measured - published).abs() < SPLIT_TOLERANCE, "{measured} {published}");
    }
    // Must fail: with eight times the bandwidth weights are no longer what the array waits for.
    let mut fast = tpu();
    fast.dram.n_channels *= 8;
    let fast = split(&fast, 200, 48);
    assert!((fast[2] - published[2]).abs() > SPLIT_TOLERANCE, "{fast:?}");
}

#[test]
fn a_600_x_600_layer_takes_9_tiles_and_4_on_an_array_of_512() {
    let mut wide = tpu();
    (wide.rows, wide.cols) = (512, 512);
    for (machine, n_tiles) in [(tpu(), 9), (wide, 4)] {
        let program = codegen::generate(&gemm(96, 600, 600), &machine, TilingPolicy::Resident).unwrap();
        assert!(program.code.iter().any(|i| matches!(i.op, Op::MxWload { .. })));
        let mut run = Machine::new(Arc::new(program), Arc::new(machine), Mode::TimingOnly).unwrap();
        assert_eq!(instructions(&mut run, "mx.wload").len(), n_tiles);
    }
}

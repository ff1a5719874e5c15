//! The worked example of docs/timing.md: each line by the formulas, and on a machine.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use systole_isa::machine::{Overlap, preset};
use systole_isa::operand::{Accumulate, Rounding, Space, Weights};
use systole_isa::{ElementFormat, MachineDescription, Op, Tokens, Unit, latency};
use systole_simulator::observer::Watch;
use systole_simulator::{Event, Machine, Mode, StallReason, Status};
use systole_testkit::build::{Builder, Matrix, count, tokens, whole};
use systole_testkit::tpu::dense_layer;

const PAGE: &str = include_str!("../../docs/timing.md");

/// The table of the example: first cell, last cell as a number.
fn example(page: &str) -> BTreeMap<&str, u64> {
    let behind = page.split("<!-- example -->\n").nth(1).unwrap().trim_start();
    let rows = behind.lines().take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        (cells[0], cells[2].parse().unwrap())
    })
    .collect()
}

fn number(name: &str) -> u64 {
    let behind = PAGE.split(&format!("<!-- {name} -->")).nth(1).unwrap();
    let word = behind.split_whitespace().next().unwrap().trim_end_matches('.');
    word.replace(',', "").parse().unwrap()
}

fn edge() -> MachineDescription {
    preset("edge16x16").unwrap()
}

/// Every line but the transfer, by the formulas.
fn by_formula() -> Vec<(&'static str, u64)> {
    let m = edge();
    let alone = MachineDescription {
        overlap: Overlap::None,
        ..edge()
    };
    let (bytes, wide) = (m.throughput.of(8, 8), m.throughput.of(16, 16));
    let (load, drain) = (latency::weight_load(&m, 16).0, latency::drain(&m).0);
    let stream = |rows| latency::stream_at(rows, bytes).0;
    vec![
        ("load a tile of 16 rows", load),
        (
            "load a tile of 20 rows of 4-bit weights",
            latency::weight_load(&m, 20).0,
        ),
        ("stream 100 rows", stream(100)),
        ("stream 100 rows of 16 x 16 bits", latency::stream_at(100, wide).0),
        ("drain", drain),
        ("one tile of 100 rows alone", latency::isolated_tile(&alone, 100).0),
        ("eight tiles of 100 rows", load + 8 * stream(100) + drain),
        ("eight tiles of 4 rows", 8 * load + stream(4) + drain),
        (
            "output-stationary, 100 steps",
            latency::isolated_output_stationary(&m, 100, bytes).0,
        ),
        ("requantize 100 x 16", latency::vector(&m, 1600).0),
        ("look 100 x 16 up among 256", latency::vector_lookup(&m, 1600, 256).0),
        ("reduce 100 rows of 20", latency::row_reduction(&m, 100, 20).0),
        ("softmax of 10 rows of 20", latency::softmax(&m, 10, 20).0),
        ("normalize 10 rows of 20", latency::layer_norm(&m, 10, 20).0),
    ]
}

fn wrong_lines(page: &str) -> Vec<&'static str> {
    let written = example(page);
    let lines = by_formula().into_iter();
    lines
        .filter(|(name, cycles)| written.get(name) != Some(cycles))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn the_example_takes_what_the_formulas_say() {
    assert_eq!(wrong_lines(PAGE), [""; 0]);
    assert_eq!(example(PAGE).len(), by_formula().len() + 1, "the burst is no formula");
    // Must fail: another figure.
    let spoiled = PAGE.replace("| 846 |", "| 845 |");
    assert_eq!(wrong_lines(&spoiled), ["eight tiles of 100 rows"]);
}

/// Cycles from the first start to the last end of a unit's instructions of this mnemonic, or of all with `""`.
fn span(machine: &MachineDescription, program: Builder, unit: Unit, mnemonic: &str) -> u64 {
    let program = Arc::new(program.halt());
    let mut run = Machine::new(program.clone(), Arc::new(machine.clone()), Mode::TimingOnly).unwrap();
    let (mut first, mut last) = (u64::MAX, 0);
    run.advance_to(
        1_000_000,
        &mut Watch(|event: &Event| {
            if let Event::Completed {
                unit: by,
                pc,
                start,
                end,
                ..
            } = *event
                && by == unit
                && program.code[pc as usize].op.mnemonic().starts_with(mnemonic)
            {
                (first, last) = (first.min(start), last.max(end));
            }
        }),
    );
    assert_eq!(*run.status(), Status::Halted);
    last - first
}

fn matrix(space: Space, format: ElementFormat, base: i64, m: u64, n: u64) -> Matrix {
    Matrix::dense(space, format, base, m, n)
}

/// Tiles of 16 x 16 weights with `m` rows of activations each. All wait until everything is dispatched.
fn tiles(n_tiles: usize, m: u64) -> Builder {
    let mut b = Builder::new(0);
    b.matrix(0, matrix(Space::Spm, ElementFormat::I8, 0, 16, 16));
    b.matrix(1, matrix(Space::Spm, ElementFormat::I8, 1024, m, 16));
    b.matrix(2, matrix(Space::Acc, ElementFormat::I32, 0, m, 16));
    for i in 0..n_tiles {
        let (w, k, n) = (whole(0), count(16), count(16));
        b.with(Op::MxWload { w, k, n }, tokens(if i == 0 { &[0] } else { &[] }, &[]));
        b.op(Op::MxMm {
            c: whole(2),
            a: whole(1),
            m0: count(0),
            m: count(m),
            k0: count(0),
            mode: Accumulate::Over,
            weights: Weights::Swap,
        });
    }
    b.op(Op::Credit {
        token: systole_isa::operand::Token::at(0),
        n: systole_isa::operand::Imm(1),
    });
    b
}

#[test]
fn the_machine_takes_what_the_page_says() {
    let written = example(PAGE);
    let machine = edge();
    let alone = MachineDescription {
        overlap: Overlap::None,
        ..edge()
    };
    assert_eq!(
        span(&alone, tiles(1, 100), Unit::Mx, ""),
        written["one tile of 100 rows alone"]
    );
    for (rows, name) in [(100, "eight tiles of 100 rows"), (4, "eight tiles of 4 rows")] {
        assert_eq!(span(&machine, tiles(8, rows), Unit::Mx, ""), written[name]);
        // Must fail: without overlap tiles do not follow each other like that.
        assert_ne!(span(&alone, tiles(8, rows), Unit::Mx, ""), written[name]);
    }
    assert_eq!(
        span(&machine, tiles(1, 100), Unit::Mx, "mx.wload"),
        written["load a tile of 16 rows"]
    );
    assert_eq!(
        span(&machine, tiles(1, 100), Unit::Mx, "mx.mm"),
        written["stream 100 rows"] + written["drain"]
    );
}

#[test]
fn vector_unit_and_dma_take_what_the_page_says() {
    let (written, machine) = (example(PAGE), edge());
    let mut b = Builder::new(4096);
    b.matrix(0, matrix(Space::Spm, ElementFormat::I8, 0, 100, 16));
    b.matrix(1, matrix(Space::Acc, ElementFormat::I32, 0, 100, 16));
    b.matrix(2, matrix(Space::Spm, ElementFormat::I32, 8192, 16, 3));
    b.op(Op::VxRequant {
        dst: whole(0),
        src: whole(1),
        par: whole(2),
        m: count(100),
        n: count(16),
        rounding: Rounding::Fixed,
    });
    assert_eq!(span(&machine, b, Unit::Vx, ""), written["requantize 100 x 16"]);
    let mut b = Builder::new(4096);
    b.matrix(0, matrix(Space::Spm, ElementFormat::I8, 0, 1, 64));
    b.matrix(1, matrix(Space::Dram, ElementFormat::I8, 0, 1, 64));
    b.ld(0, 1, (1, 64), Tokens::NONE);
    // The load starts a few cycles after the run, when its descriptors are ready; clocks of both sides drift by at most one.
    let burst = span(&machine, b, Unit::Ld, "");
    assert!(burst.abs_diff(written["load one burst"]) <= 1, "{burst}");
}

/// Median cycles between the ends of two loads of weight tiles.
fn tpu_tile(max_transfers: u32) -> u64 {
    let mut machine = preset("tpu_v1").unwrap();
    machine.dram.max_transfers = max_transfers;
    let program = Arc::new(dense_layer(&machine, 200, 40));
    let mut run = Machine::new(program, Arc::new(machine), Mode::TimingOnly).unwrap();
    let mut ends = Vec::new();
    run.advance_to(
        u64::MAX,
        &mut Watch(|event: &Event| {
            if let Event::Completed {
                unit: Unit::Ld, end, ..
            } = *event
            {
                ends.push(end);
            }
        }),
    );
    let mut intervals: Vec<u64> = ends.windows(2).map(|pair| pair[1] - pair[0]).collect();
    intervals.sort_unstable();
    intervals[intervals.len() / 2]
}

#[test]
fn weight_tiles_of_the_tpu_come_as_fast_as_the_page_says() {
    assert_eq!(tpu_tile(4), number("tpu tile"));
    assert_eq!(tpu_tile(1), number("tpu tile alone"));
}

#[test]
fn every_reason_of_a_stall_is_on_the_page() {
    let reasons: Vec<&str> = PAGE
        .split("| reason | who |")
        .nth(1)
        .unwrap()
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|row| row.split('`').nth(1).unwrap())
        .collect();
    assert_eq!(reasons, StallReason::ALL.map(StallReason::name));
}

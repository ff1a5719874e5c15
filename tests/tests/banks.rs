//! Banks of the scratchpad: rates against a bank-by-bank count and closed forms, conflicts and sharing on a machine.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use std::collections::BTreeSet;
use systole_isa::descriptor::{Level, Window};
use systole_isa::latency::banks::{BankLoad, SpmBanks};
use systole_isa::operand::{Accumulate, Axis, Space, Weights};
use systole_isa::{Descriptor, ElementFormat, MachineDescription, Op, Tokens, Unit};
use systole_simulator::observer::Watch;
use systole_simulator::{Activity, Event, Machine, PeState, StallReason, Status};
use systole_testkit::build::{Builder, Matrix, count, load, read_values, tiny, whole};

const NONE: Tokens = Tokens::NONE;

fn banks(n_banks: u32, word_bytes: u32, ports: u32) -> SpmBanks {
    SpmBanks {
        n_banks,
        word_bytes,
        ports,
    }
}

/// Cycles in which banks with these ports serve the words of one beat, each bank its own queue, cycle by cycle.
fn serve_one_by_one(banks: &SpmBanks, words: &BTreeSet<i64>) -> u64 {
    let mut queues = vec![0u32; banks.n_banks as usize];
    for word in words {
        queues[word.rem_euclid(i64::from(banks.n_banks)) as usize] += 1;
    }
    let mut cycles = 0;
    while queues.iter().any(|&n| n > 0) {
        queues.iter_mut().for_each(|n| *n = n.saturating_sub(banks.ports));
        cycles += 1;
    }
    cycles.max(1)
}

/// The longest beat and the most words of one, element by element.
fn by_hand(banks: &SpmBanks, view: &Descriptor, (m, n): (u64, u64), n_per_beat: u64) -> (u64, u64) {
    let positions: Vec<(u64, u64)> = (0..m).flat_map(|row| (0..n).map(move |column| (row, column))).collect();
    let (bits, word_bits) = (i64::from(view.format.bits()), i64::from(banks.word_bytes) * 8);
    let beats = positions.chunks(n_per_beat as usize).map(|beat| {
        let mut words = BTreeSet::new();
        for &(row, column) in beat {
            if let Some(first) = view.locate(row, column) {
                words.extend((first..first + bits).map(|bit| bit.div_euclid(word_bits)));
            }
        }
        (serve_one_by_one(banks, &words), words.len() as u64)
    });
    beats.fold((1, 0), |worst, beat| (worst.0.max(beat.0), worst.1.max(beat.1)))
}

fn any_banks() -> impl Strategy<Value = SpmBanks> {
    (0u32..6, 0u32..6, 1u32..4).prop_map(|(n, word, ports)| banks(1 << n, 1 << word, ports))
}

fn any_view() -> impl Strategy<Value = Descriptor> {
    let level = (1u32..5, 0i64..70).prop_map(|(count, stride)| Level { count, stride });
    let format = prop::sample::select(ElementFormat::ALL);
    let window = prop::option::of((0u8..5, 0u8..5, -2i64..2, 1i64..6));
    (format, 0i64..200, 0u8..6, prop::array::uniform5(level), window).prop_map(
        |(format, base, split, levels, window)| {
            let mut view = Descriptor::new(Space::Spm, format, base, 0, split);
            view.levels = levels;
            if let Some((outer, inner, origin, extent)) = window {
                let (outer_step, inner_step) = (1, 1);
                let window = Window {
                    outer,
                    outer_step,
                    inner,
                    inner_step,
                    origin,
                    extent,
                };
                view.set_window(Axis::Y, window);
            }
            view
        },
    )
}

proptest! {
    #[test]
    fn rates_are_those_of_a_count_bank_by_bank(banks in any_banks(), view in any_view(), n_per_beat in 1u64..40, rows_per_beat in 1u64..4) {
        let (m, n) = (view.n_rows(), view.n_columns());
        let load = banks.elements(&view, m, n, n_per_beat);
        prop_assert_eq!((banks.serve(load).interval, load.words), by_hand(&banks, &view, (m, n), n_per_beat));
        let load = banks.rows(&view, (0, m), (0, n), rows_per_beat);
        prop_assert_eq!((banks.serve(load).interval, load.words), by_hand(&banks, &view, (m, n), rows_per_beat * n));
        prop_assert!(banks.serve(load).words_per_cycle <= banks.words_per_cycle());
    }
}

#[test]
fn a_count_with_other_banks_is_noticed() {
    // 16 bytes at a distance of four words meet 4 of 16 banks.
    let mut view = Descriptor::new(Space::Spm, ElementFormat::I8, 0, 0, 4);
    view.levels[4] = Level { count: 16, stride: 64 };
    let here = banks(16, 16, 1);
    let interval = here.serve(here.elements(&view, 1, 16, 16)).interval;
    assert_eq!(interval, by_hand(&here, &view, (1, 16), 16).0);
    assert_ne!(interval, by_hand(&banks(32, 16, 1), &view, (1, 16), 16).0);
    assert_ne!(interval, by_hand(&banks(16, 16, 2), &view, (1, 16), 16).0);
}

/// The closed forms of docs/timing.md.
#[test]
fn strides_take_what_their_common_divisor_says() {
    let gcd = |mut a: u64, mut b: u64| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    for (n_banks, word_bytes) in [(8u64, 4u64), (16, 16), (32, 8)] {
        let here = banks(n_banks as u32, word_bytes as u32, 1);
        for n in [1u64, 3, 16, 40] {
            for t in 1..20 {
                let mut view = Descriptor::new(Space::Spm, ElementFormat::I8, 0, 0, 4);
                view.levels[4] = Level {
                    count: n as u32,
                    stride: (t * word_bytes) as i64,
                };
                let load = here.elements(&view, 1, n, n);
                let busiest = n.div_ceil(n_banks / gcd(t, n_banks));
                assert_eq!(load, BankLoad { busiest, words: n }, "{n} at {t} words on {n_banks}");
            }
            let mut view = Descriptor::new(Space::Spm, ElementFormat::I8, 3, 0, 4);
            view.levels[4] = Level {
                count: n as u32,
                stride: 1,
            };
            let words = (3 % word_bytes + n).div_ceil(word_bytes);
            let busiest = words.div_ceil(n_banks);
            assert_eq!(here.elements(&view, 1, n, n), BankLoad { busiest, words });
        }
    }
}

fn machine(banks: Option<SpmBanks>) -> MachineDescription {
    let mut machine = tiny();
    machine.spm_banks = banks;
    assert_eq!(machine.problems(), []);
    machine
}

/// Duration of the only instruction of a unit.
fn duration(program: &Builder, unit: Unit, machine: &MachineDescription) -> u64 {
    let mut run = load(program.clone().halt(), machine);
    let mut cycles = 0;
    run.advance_to(
        100_000,
        &mut Watch(|event: &Event| {
            if let Event::Completed {
                unit: by, start, end, ..
            } = *event
                && by == unit
            {
                cycles = end - start;
            }
        }),
    );
    assert_eq!(*run.status(), Status::Halted);
    cycles
}

#[test]
fn a_gather_from_one_bank_takes_a_cycle_per_element() {
    // A column of a matrix with rows of 8 words: all in one bank of 8.
    let mut b = Builder::new(0);
    b.view(0, (Space::Spm, ElementFormat::I8), (0, 0), 4, &[(20, 32)]);
    b.matrix(1, Matrix::dense(Space::Acc, ElementFormat::I32, 0, 1, 20));
    b.op(Op::VxMove {
        dst: whole(1),
        src: whole(0),
        m: count(1),
        n: count(20),
    });
    let cycles = |banks| duration(&b, Unit::Vx, &machine(banks));
    assert_eq!(cycles(None), 20 / 4 + 4);
    assert_eq!(cycles(Some(banks(8, 4, 1))), 4 * 20 / 4 + 4);
    assert_eq!(cycles(Some(banks(8, 4, 2))), 2 * 20 / 4 + 4);
    // Must fail: with 16 banks the column lies in two of them.
    assert_ne!(cycles(Some(banks(16, 4, 1))), 4 * 20 / 4 + 4);
}

/// A product of `m` rows of which each has four bytes at a distance of `stride`, from a tile of 4 x 4.
fn product(m: u64, stride: i64) -> Builder {
    let mut b = Builder::new(4096);
    let values = |n: usize| -> Vec<i32> { (0..n as i32).map(|i| i % 23 - 11).collect() };
    b.values(0, ElementFormat::I8, &values(1024));
    b.matrix(0, Matrix::dense(Space::Dram, ElementFormat::I8, 0, 1, 1024));
    b.matrix(1, Matrix::dense(Space::Spm, ElementFormat::I8, 0, 1, 1024));
    b.ld(1, 0, (1, 1024), NONE);
    b.op(Op::Fence {});
    b.matrix(2, Matrix::dense(Space::Spm, ElementFormat::I8, 0, 4, 4));
    b.view(3, (Space::Spm, ElementFormat::I8), (16, 0), 4, &[(m, 1), (4, stride)]);
    b.matrix(4, Matrix::dense(Space::Acc, ElementFormat::I32, 0, m, 4));
    b.op(Op::MxWload {
        w: whole(2),
        k: count(4),
        n: count(4),
    });
    b.op(Op::MxMm {
        c: whole(4),
        a: whole(3),
        m0: count(0),
        m: count(m),
        k0: count(0),
        mode: Accumulate::Over,
        weights: Weights::Swap,
    });
    b
}

#[test]
fn rows_from_one_bank_enter_the_array_with_gaps_and_give_the_same_sums() {
    let b = product(10, 64);
    let slow = machine(Some(banks(4, 4, 1)));
    assert_eq!(duration(&b, Unit::Mx, &machine(None)), 10 + 6);
    assert_eq!(duration(&b, Unit::Mx, &slow), 4 * 10 + 6);
    let sums = |description: &MachineDescription| {
        let mut run = load(b.clone().halt(), description);
        run.advance_to(100_000, &mut ());
        read_values(&run, Space::Acc, ElementFormat::I32, 0, 40)
    };
    assert_eq!(sums(&slow), sums(&machine(None)));
    // In each cycle of the stream a PE multiplies one time in four, and the views have as many products as the counters.
    let mut run = load(b.clone().halt(), &slow);
    let mut shown = 0;
    while *run.status() == Status::Running {
        run.step_cycle(&mut ());
        let view = run.pe_view();
        let works = |state| [PeState::Active, PeState::Zero, PeState::Gated].contains(&state);
        shown += view
            .cells
            .iter()
            .filter(|cell| cell.row.is_some() && works(cell.state))
            .count() as u64;
    }
    assert_eq!(shown, run.counts().macs);
}

/// The array streams while the vector unit has something to move.
fn array_and_vector() -> Builder {
    let mut b = product(40, 1);
    b.matrix(5, Matrix::dense(Space::Spm, ElementFormat::I8, 2048, 4, 16));
    b.matrix(6, Matrix::dense(Space::Spm, ElementFormat::I8, 3072, 4, 16));
    b.op(Op::VxMove {
        dst: whole(6),
        src: whole(5),
        m: count(4),
        n: count(16),
    });
    b
}

fn stalled(banks: Option<SpmBanks>) -> (u64, Machine) {
    let mut run = load(array_and_vector().halt(), &machine(banks));
    run.advance_to(100_000, &mut ());
    assert_eq!(*run.status(), Status::Halted);
    let stall = run.unit_cycles(Unit::Vx).of(Activity::Stalled(StallReason::SpmBank));
    for unit in Unit::ALL {
        assert_eq!(run.unit_cycles(unit).total(), run.now());
    }
    (stall, run)
}

#[test]
fn units_that_stream_at_once_share_the_banks() {
    // A row of the product takes up to two of the four words per cycle, a move one of each operand and a word more where it reads
    // and writes: together more than two banks give.
    let (stall, run) = stalled(Some(banks(2, 4, 1)));
    assert!(stall > 0, "the vector unit waits for the array");
    let (none, wide) = stalled(Some(banks(8, 4, 2)));
    assert_eq!((none, wide.now() < run.now()), (0, true));
    assert_eq!(stalled(None).0, 0);
    assert_eq!(wide.counts(), run.counts());
}

#[test]
fn a_run_is_the_same_however_it_is_split() {
    let description = machine(Some(banks(2, 4, 1)));
    let mut whole_run = load(array_and_vector().halt(), &description);
    whole_run.advance_to(100_000, &mut ());
    let mut split = load(array_and_vector().halt(), &description);
    while *split.status() == Status::Running {
        split.step_cycle(&mut ());
    }
    assert_eq!(split.state_hash(), whole_run.state_hash());
}

#[test]
fn banks_that_cannot_be_are_refused() {
    for (wrong, n) in [(banks(3, 4, 1), 1), (banks(0, 5, 0), 3), (banks(2048, 512, 17), 3)] {
        let mut machine = tiny();
        machine.spm_banks = Some(wrong);
        let problems = MachineDescription::from_ron(&machine.to_ron(), "m.ron").unwrap_err();
        assert_eq!(problems.iter().filter(|p| p.code == "H0012").count(), n, "{problems:?}");
    }
    let mut machine = tiny();
    machine.spm_banks = Some(banks(16, 16, 2));
    assert_eq!(
        MachineDescription::from_ron(&machine.to_ron(), "m.ron").unwrap(),
        machine
    );
}

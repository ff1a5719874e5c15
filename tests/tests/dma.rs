//! DMA units that work on several instructions at once: when the next one starts, in which order they are complete, and that no value
//! depends on how many there are.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use systole_isa::latency::DMA_SETUP_CYCLES;
use systole_isa::operand::Space;
use systole_isa::{ElementFormat, MachineDescription, Program, Tokens, Unit};
use systole_simulator::observer::Watch;
use systole_simulator::{Event, Machine, Status};
use systole_testkit::build::{Builder, Matrix, load, tiny, tokens};

const NONE: Tokens = Tokens::NONE;
/// Bytes of a burst of the machine's DRAM.
const BURST: i64 = 64;

fn machine(max_transfers: u32) -> MachineDescription {
    let mut machine = tiny();
    machine.dram.max_transfers = max_transfers;
    machine
}

/// Unit, instruction, start and end of everything that LD and ST completed, in order of completion.
fn transfers(machine: &mut Machine) -> Vec<(Unit, u32, u64, u64)> {
    let mut done = Vec::new();
    machine.advance_to(
        1_000_000,
        &mut Watch(|event: &Event| {
            if let Event::Completed {
                unit, pc, start, end, ..
            } = *event
                && [Unit::Ld, Unit::St].contains(&unit)
            {
                done.push((unit, pc, start, end));
            }
        }),
    );
    assert_eq!(*machine.status(), Status::Halted);
    done
}

/// Loads of one row each, with as many bursts as given, to places of their own.
fn loads(bursts: &[i64], order: impl Fn(usize) -> Tokens) -> Program {
    let mut b = Builder::new(1 << 16);
    let (mut at, mut copies) = (0, Vec::new());
    for (i, n) in bursts.iter().enumerate() {
        let bytes = (n * BURST) as u64;
        b.matrix(2 * i as u8, Matrix::dense(Space::Spm, ElementFormat::U8, at, 1, bytes));
        b.matrix(
            2 * i as u8 + 1,
            Matrix::dense(Space::Dram, ElementFormat::U8, at, 1, bytes),
        );
        copies.push(bytes);
        at += n * BURST;
    }
    for (i, bytes) in copies.into_iter().enumerate() {
        b.ld(2 * i as u8, 2 * i as u8 + 1, (1, bytes), order(i));
    }
    b.halt()
}

#[test]
fn the_next_load_starts_when_the_last_burst_of_the_one_before_is_issued() {
    let program = loads(&[5, 1], |_| NONE);
    let done = transfers(&mut load(program.clone(), &machine(4)));
    let [(_, _, first_start, first_end), (_, _, start, end)] = done[..] else {
        panic!("{done:?}")
    };
    // One burst per cycle after the setup: the queues have room for all.
    assert_eq!(start, first_start + DMA_SETUP_CYCLES + 5);
    assert!(start < first_end && first_end <= end, "{done:?}");
    // Must fail: a unit with one instruction at a time waits for the data.
    let alone = transfers(&mut load(program, &machine(1)));
    assert_eq!((alone[0].2, alone[0].3), (first_start, first_end));
    assert!(alone[1].2 >= first_end, "{alone:?}");
}

/// Cycles between the starts of two loads, of `n` bursts and of one, and what the first one waited for: others, the queue.
fn issue(n: i64, max_outstanding: u32) -> (u64, u64, u64) {
    let mut machine = machine(4);
    // Faster than the DRAM.
    (machine.clock_mhz, machine.dram.max_outstanding) = (2000, max_outstanding);
    let mut done = Vec::new();
    load(loads(&[n, 1], |_| NONE), &machine).advance_to(
        1_000_000,
        &mut Watch(|event: &Event| {
            if let Event::Completed {
                unit: Unit::Ld,
                start,
                counts,
                ..
            } = *event
            {
                done.push((start, counts.outstanding_cycles, counts.dram_queue_cycles));
            }
        }),
    );
    (done[1].0 - done[0].0, done[0].1, done[0].2)
}

#[test]
fn every_cycle_of_issuing_has_one_reason() {
    for n in [1, 7, 33, 64, 150, 200] {
        for max_outstanding in [1, 8, 32, 1024] {
            let (cycles, others, queue) = issue(n, max_outstanding);
            assert_eq!(
                cycles,
                DMA_SETUP_CYCLES + n as u64 + others + queue,
                "{n} bursts, {max_outstanding}"
            );
            assert!(
                others == 0 || n > i64::from(max_outstanding),
                "{n} bursts, {max_outstanding}"
            );
            assert!(queue == 0 || max_outstanding > 32, "the queue holds 32");
        }
    }
    // Must fail: what limits is told apart.
    assert!(issue(200, 8).1 > 0 && issue(200, 8).2 == 0);
    assert!(issue(200, 1024).1 == 0 && issue(200, 1024).2 > 0);
}

#[test]
fn a_load_behind_others_still_waits_for_its_token() {
    // The second load takes what the first one posts when it is complete.
    let order = |i: usize| tokens(if i == 1 { &[0] } else { &[] }, if i == 0 { &[0] } else { &[] });
    let done = transfers(&mut load(loads(&[3, 2, 1], order), &machine(4)));
    assert!(done[1].2 >= done[0].3, "{done:?}");
    assert!(done[2].2 < done[1].3, "{done:?}");
}

#[test]
fn no_more_instructions_than_allowed_are_under_way() {
    for allowed in [1, 2, 3, 64] {
        let done = transfers(&mut load(loads(&[1; 12], |_| NONE), &machine(allowed)));
        let under_way = |cycle: u64| {
            done.iter()
                .filter(|&&(_, _, start, end)| start <= cycle && cycle < end)
                .count()
        };
        let most = done.iter().map(|&(_, _, start, _)| under_way(start)).max().unwrap();
        assert!(most <= allowed as usize, "{most} of {allowed}");
        assert!(allowed > 3 || most == allowed as usize, "{most} of {allowed}");
    }
}

/// A load or a store: rows, bytes of a row, bytes from row to row in DRAM, place of the scratchpad in units of 32 bytes.
type Copy = (bool, u64, u64, i64, i64);

fn copy() -> impl Strategy<Value = Copy> {
    (any::<bool>(), 1u64..5, 1u64..100, 0i64..300, 0i64..8)
}

/// Copies whose scratchpad places overlap, in order within each unit; a token orders each behind the other unit's last one.
fn program(copies: &[Copy]) -> Program {
    let mut b = Builder::new(1 << 16);
    b.data(
        0,
        (0..1u32 << 15)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect(),
    );
    let mut last: Option<bool> = None;
    for (i, &(is_load, m, n, gap, place)) in copies.iter().enumerate() {
        let inside = Matrix::dense(Space::Spm, ElementFormat::U8, 32 * place, m, n);
        let outside = Matrix {
            space: Space::Dram,
            base: if is_load { 0 } else { 1 << 15 },
            row_stride: n as i64 + gap,
            ..inside
        };
        b.matrix(0, inside);
        b.matrix(1, outside);
        let turns = |other: Option<&Copy>| other.is_some_and(|other| other.0 != is_load);
        let waits = last.is_some_and(|was_load| was_load != is_load);
        let (from_other, mine) = ([u8::from(!is_load)], [u8::from(is_load)]);
        let waits: &[u8] = if waits { &from_other } else { &[] };
        let posts: &[u8] = if turns(copies.get(i + 1)) { &mine } else { &[] };
        let order = tokens(waits, posts);
        if is_load {
            b.ld(0, 1, (m, n), order);
        } else {
            b.st(1, 0, (m, n), order);
        }
        last = Some(is_load);
    }
    b.halt()
}

fn bytes(machine: &Machine, space: Space, n: usize) -> Vec<u8> {
    let mut bytes = vec![0; n];
    machine.memory(space).read(0, &mut bytes);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn values_and_order_do_not_depend_on_how_many_are_under_way(copies in prop::collection::vec(copy(), 1..12)) {
        let program = program(&copies);
        let mut results = Vec::new();
        for allowed in [1, 2, 5, 64] {
            let mut machine = load(program.clone(), &machine(allowed));
            let done = transfers(&mut machine);
            for unit in [Unit::Ld, Unit::St] {
                let mine: Vec<_> = done.iter().filter(|x| x.0 == unit).collect();
                prop_assert!(mine.is_sorted_by(|a, b| a.1 < b.1 && a.3 <= b.3), "{:?}", mine);
            }
            let counts = machine.counts();
            results.push((
                bytes(&machine, Space::Spm, 1024),
                bytes(&machine, Space::Dram, 1 << 16),
                counts.dram_read_bursts + counts.dram_write_bursts,
                machine.dram_counts().activates == counts.dram_activates,
            ));
        }
        prop_assert!(results[0].3);
        for result in &results[1..] {
            prop_assert_eq!(&result.0, &results[0].0);
            prop_assert_eq!(&result.1, &results[0].1);
            prop_assert!(result.3);
        }
    }
}

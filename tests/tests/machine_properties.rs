//! Properties of time and counting on the digits program: splitting a run changes nothing, and nothing is counted twice.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use std::sync::{Arc, OnceLock};
use systole_compiler::codegen::{self, TilingPolicy};
use systole_isa::dram::PagePolicy;
use systole_isa::machine::preset;
use systole_isa::operand::Space;
use systole_isa::{MachineDescription, Program, Unit};
use systole_programs::DIGITS;
use systole_simulator::host::{HostValues, write_input};
use systole_simulator::{Event, History, Machine, Mode, Status, observer::Watch};

/// The digits program with an image, at cycle 0.
fn digits(machine: &str) -> Machine {
    digits_on(preset(machine).unwrap())
}

fn digits_on(description: MachineDescription) -> Machine {
    let graph = systole_compiler::lower(systole_compiler::import_onnx(DIGITS.model).unwrap()).unwrap();
    let program = Arc::new(codegen::generate(&graph, &description, TilingPolicy::Fastest).unwrap());
    let mut machine = Machine::new(program.clone(), Arc::new(description), Mode::Full).unwrap();
    let image = (0..784).map(|i| (i * 37 % 256) as f32 / 255.0).collect();
    write_input(&mut machine, &program.inputs[0], &HostValues::F32(image)).unwrap();
    machine
}

fn at_start() -> &'static Machine {
    static START: OnceLock<Machine> = OnceLock::new();
    START.get_or_init(|| digits("edge16x16"))
}

fn at_end() -> &'static Machine {
    static END: OnceLock<Machine> = OnceLock::new();
    END.get_or_init(|| {
        let mut machine = at_start().clone();
        machine.advance_to(u64::MAX, &mut ());
        assert_eq!(*machine.status(), Status::Halted);
        machine
    })
}

/// State, counters and every unit's cycles.
fn fingerprint(machine: &Machine) -> (u64, u64, Vec<(&'static str, u64)>, Vec<u64>) {
    let cycles = Unit::ALL.iter().map(|&unit| machine.unit_cycles(unit).busy()).collect();
    (machine.now(), machine.state_hash(), machine.counts().entries(), cycles)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn splitting_a_run_anywhere_gives_the_same_state(fractions in prop::collection::vec(0.0f64..1.0, 1..12)) {
        let total = at_end().now();
        let mut points: Vec<u64> = fractions.iter().map(|f| (f * total as f64) as u64).collect();
        points.sort_unstable();
        let mut machine = at_start().clone();
        for point in points {
            machine.advance_to(point, &mut ());
        }
        machine.advance_to(u64::MAX, &mut ());
        prop_assert_eq!(fingerprint(&machine), fingerprint(at_end()));
    }

    #[test]
    fn single_steps_equal_one_leap(start in 0.0f64..1.0, n in 1u64..400) {
        let start = (start * at_end().now() as f64) as u64;
        let mut stepped = at_start().clone();
        stepped.advance_to(start, &mut ());
        let mut leapt = stepped.clone();
        for _ in 0..n {
            stepped.step_cycle(&mut ());
        }
        leapt.advance_to(start + n, &mut ());
        prop_assert_eq!(fingerprint(&stepped), fingerprint(&leapt));
    }

    #[test]
    fn forward_back_and_forward_again_ends_in_the_same_state(
        turns in prop::collection::vec((0.0f64..1.0, 0u64..3000), 1..5),
    ) {
        let total = at_end().now();
        let mut history = History::new(at_start().clone());
        for (fraction, back) in turns {
            history.advance_to((fraction * total as f64) as u64, &mut ());
            history.step_back(back, &mut ());
            let mut fresh = at_start().clone();
            fresh.advance_to(history.machine().now(), &mut ());
            prop_assert_eq!(fingerprint(history.machine()), fingerprint(&fresh));
        }
        history.advance_to(u64::MAX, &mut ());
        prop_assert_eq!(fingerprint(history.machine()), fingerprint(at_end()));
    }
}

/// Ways back in slices of any size, turned to other targets on the way, end where a fresh run would be; until a way back is adopted
/// nothing has changed.
#[test]
fn a_way_back_in_slices_ends_where_a_fresh_run_would_be() {
    let total = at_end().now();
    let mut history = History::new(at_start().clone());
    history.advance_to(u64::MAX, &mut ());
    for (percent, n_cycles, turn) in [
        (90, 777, 3),
        (60, 5_000, 0),
        (59, 1, 1),
        (58, 100_000, 400),
        (10, 64, 64),
    ] {
        let target = total * percent / 100;
        let before = fingerprint(history.machine());
        let mut replay = history.replay_to(target);
        replay.advance(n_cycles, &mut ());
        let target = if replay.can_reach(target - turn) {
            target - turn
        } else {
            target
        };
        replay.turn_to(target);
        while !replay.advance(n_cycles, &mut ()) {
            assert!(replay.machine().now() < target);
        }
        assert_eq!(fingerprint(history.machine()), before);
        history.adopt(replay);
        let mut fresh = at_start().clone();
        fresh.advance_to(target, &mut ());
        assert_eq!(fingerprint(history.machine()), fingerprint(&fresh), "{percent} %");
    }
}

/// A way back over all events passes the edits on its way.
#[test]
fn a_way_back_from_the_start_keeps_edits() {
    let total = at_end().now();
    let mut history = History::new(at_start().clone());
    for percent in [20, 50, 80] {
        history.advance_to(total * percent / 100, &mut ());
        history.edit(|machine| machine.memory_mut(Space::Dram).write(0, &[percent as u8; 8]));
    }
    history.advance_to(u64::MAX, &mut ());
    for (percent, expected) in [(90, 80), (80, 80), (79, 50), (30, 20)] {
        let mut n_events = 0;
        let mut replay = history.replay_from_start(total * percent / 100);
        while !replay.advance(10_000, &mut Watch(|_: &Event| n_events += 1)) {}
        history.adopt(replay);
        let mut byte = [0];
        history.machine().memory(Space::Dram).read(0, &mut byte);
        assert_eq!(byte, [expected], "{percent} %");
        let mut n_expected = 0;
        let mut fresh = at_start().clone();
        fresh.advance_to(history.machine().now(), &mut Watch(|_: &Event| n_expected += 1));
        assert_eq!(n_events, n_expected, "all events are seen");
    }
}

#[test]
fn the_whole_run_step_by_step_equals_one_leap() {
    let mut machine = at_start().clone();
    while *machine.status() == Status::Running {
        machine.step_cycle(&mut ());
    }
    assert_eq!(fingerprint(&machine), fingerprint(at_end()));
}

/// Whatever the DRAM is like, the way in which a run is split does not show, and every burst reaches the devices.
#[test]
fn any_dram_may_be_split_and_loses_nothing() {
    for (standard, n_channels, n_ranks, mapping, page_policy) in [
        ("hbm2", 8, 1, "rorabacobgch", PagePolicy::Open),
        ("lpddr5-6400", 2, 2, "rochrababgco", PagePolicy::Closed),
        ("gddr6", 1, 4, "rocobgbarach", PagePolicy::Open),
    ] {
        let mut description = preset("edge16x16").unwrap();
        description.dram.standard = standard.to_owned().try_into().unwrap();
        (description.dram.n_channels, description.dram.n_ranks) = (n_channels, n_ranks);
        (description.dram.mapping, description.dram.page_policy) = (mapping.parse().unwrap(), page_policy);
        description.dram.max_outstanding = 48;
        assert!(description.problems().is_empty());
        let start = digits_on(description);
        let (mut leap, mut steps) = (start.clone(), start);
        leap.advance_to(u64::MAX, &mut ());
        assert_eq!(*leap.status(), Status::Halted, "{standard}");
        for step in (1..).map(|i| 1 + i * 7919 % 613) {
            if *steps.status() != Status::Running {
                break;
            }
            steps.advance_to(steps.now() + step, &mut ());
        }
        assert_eq!(fingerprint(&steps), fingerprint(&leap), "{standard}");
        let (counts, commands) = (leap.counts(), leap.dram_counts());
        assert_eq!(
            (commands.reads, commands.writes),
            (counts.dram_read_bursts, counts.dram_write_bursts)
        );
        assert!(commands.refreshes > 0, "{standard}");
    }
}

#[test]
fn a_different_input_gives_a_different_state() {
    let mut machine = at_start().clone();
    let tensor = machine.program().inputs[0].clone();
    write_input(&mut machine, &tensor, &HostValues::F32(vec![0.25; 784])).unwrap();
    machine.advance_to(u64::MAX, &mut ());
    assert_ne!(machine.state_hash(), at_end().state_hash());
    assert_eq!(machine.now(), at_end().now(), "time does not depend on values");
}

#[test]
fn every_unit_cycle_is_counted_once() {
    for name in ["tiny4x4", "edge16x16", "mid32x32", "big128x128"] {
        let mut machine = digits(name);
        let mut spans = [0u64; Unit::ALL.len()];
        let mut ends = [0u64; Unit::ALL.len()];
        machine.advance_to(
            u64::MAX,
            &mut Watch(|event: &Event| {
                if let Event::Span { unit, start, end, .. } = event {
                    assert_eq!(ends[unit.index()], *start, "spans of a unit follow each other");
                    ends[unit.index()] = *end;
                    spans[unit.index()] += end - start;
                }
            }),
        );
        for unit in Unit::ALL {
            assert_eq!(machine.unit_cycles(unit).total(), machine.now(), "{name} {unit:?}");
            assert_eq!(spans[unit.index()], machine.now(), "{name} {unit:?}");
        }
        assert_eq!(
            machine.layers().iter().map(|layer| layer.counts.macs).sum::<u64>(),
            2_923_392
        );
    }
}

#[test]
fn dram_bytes_equal_the_bytes_of_the_descriptors() {
    for name in ["tiny4x4", "edge16x16", "mid32x32", "big128x128"] {
        let mut machine = digits(name);
        machine.advance_to(u64::MAX, &mut ());
        let (read, written) = descriptor_bytes(machine.program());
        let counts = machine.counts();
        assert_eq!(
            (counts.dram_read_bytes, counts.dram_write_bytes),
            (read, written),
            "{name}"
        );
    }
}

/// Bytes of every load and store of a program, found by executing its scalar instructions alone: an interpreter of its own that knows
/// registers, loops and descriptors and no machine.
fn descriptor_bytes(program: &Program) -> (u64, u64) {
    let mut interpreter = systole_testkit::scalar::Interpreter::new(program);
    let (mut read, mut written) = (0, 0);
    while let Some(copy) = interpreter.next_copy() {
        let bytes = copy.dram_view.bytes_touched(0, copy.m, 0, copy.n);
        *(if copy.is_load { &mut read } else { &mut written }) += bytes;
    }
    (read, written)
}

//! Runs to a landmark stop where single steps first see it: for every unit's waits and every instruction of a program.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use systole_gui::engine::{Engine, Landmark};
use systole_gui::frame::{ActivityClass, N_UNITS, SEQ, UNIT_NAMES, UnitState};
use systole_gui::launch::engine;

/// What units did in every cycle of a run, seen one cycle at a time.
struct Seen {
    units: Vec<[UnitState; N_UNITS]>,
    is_stalled: Vec<bool>,
}

impl Seen {
    fn new() -> Self {
        let mut engine = sample();
        let mut units = vec![engine.units()];
        while engine.outcome().is_none() {
            engine.advance_to(engine.cycle() + 1);
            units.push(engine.units());
        }
        // The machine at its end is beyond every landmark.
        units.pop();
        let activities = &engine.program().activities;
        let is_stalled = activities.iter().map(|info| info.class == ActivityClass::Stalled);
        Self {
            units,
            is_stalled: is_stalled.collect(),
        }
    }

    /// The cycles in which a condition on a unit's states of two cycles becomes true.
    fn cycles(&self, unit_idx: usize, is_new: impl Fn(&UnitState, &UnitState) -> bool) -> BTreeSet<u64> {
        let pairs = self.units.windows(2).zip(1..);
        let new = pairs.filter(|(pair, _)| is_new(&pair[0][unit_idx], &pair[1][unit_idx]));
        new.map(|(_, cycle)| cycle).collect()
    }

    fn begins_to_wait(&self, before: &UnitState, after: &UnitState) -> bool {
        let is_stalled = |unit: &UnitState| self.is_stalled[usize::from(unit.activity.0)];
        is_stalled(after) && (before.activity, before.pc) != (after.activity, after.pc)
    }
}

fn sample() -> Box<dyn Engine> {
    engine(support::sample_source("tiny4x4", 12))
}

/// Where runs to a landmark stop, one after the other.
fn stops(landmark: &Landmark) -> BTreeSet<u64> {
    let mut engine = sample();
    let mut stops = BTreeSet::new();
    loop {
        let from = engine.cycle();
        let found = (1..).find_map(|n_slices| {
            let found = engine.advance_to_landmark(from + 7 * n_slices, landmark, from);
            (found.is_some() || engine.outcome().is_some()).then_some(found)
        });
        let Some(Some(cycle)) = found else {
            return stops;
        };
        engine.rewind_to(cycle, u64::MAX);
        stops.insert(engine.cycle());
    }
}

#[test]
fn the_waits_of_every_unit_are_found() {
    let seen = Seen::new();
    let mut n_found = 0;
    let mut of_any = BTreeSet::new();
    for unit_idx in 0..N_UNITS {
        let expected = seen.cycles(unit_idx, |before, after| seen.begins_to_wait(before, after));
        assert_eq!(stops(&Landmark::Stall(Some(unit_idx))), expected, "unit {unit_idx}");
        n_found += usize::from(!expected.is_empty());
        if unit_idx != SEQ {
            of_any.extend(expected);
        }
    }
    assert!(n_found >= 3, "the sample makes units wait");
    assert_eq!(stops(&Landmark::Stall(None)), of_any);
}

#[test]
fn the_starts_of_every_instruction_of_the_vector_unit_are_found() {
    let seen = Seen::new();
    let program = sample().program();
    // The other units begin with an instruction while their state still tells of the one before.
    let lines = program.lines.iter().zip(0..);
    for (line, pc) in lines.filter(|(line, _)| UNIT_NAMES[line.unit] == "VX") {
        let expected = seen.cycles(line.unit, |before, after| {
            after.pc == Some(pc) && after.n_started > before.n_started
        });
        let found = stops(&Landmark::Instructions(Arc::new([pc].into())));
        // An instruction that takes no time is over before a step can see it.
        assert!(
            found.is_superset(&expected),
            "{} at {pc}: {expected:?} and {found:?}",
            line.mnemonic
        );
        assert!(!found.is_empty(), "{} at {pc}", line.mnemonic);
    }
}

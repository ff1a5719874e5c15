//! Places in time that a run can look for, cycle by cycle.

use crate::engine::Engine;
use crate::frame::{ActivityClass, N_UNITS, ProgramInfo, SEQ, UnitState};

/// What a run looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// A unit works for a layer whose name contains this.
    Layer(String),
    /// A unit begins to wait: this one, or any but the sequencer.
    Stall(Option<usize>),
    /// A unit starts an instruction with this mnemonic.
    Instruction(String),
}

impl Until {
    /// What is looked for, in a sentence that says that it did not happen.
    pub(crate) fn not_found(&self) -> String {
        match self {
            Until::Layer(name) => format!("No unit works for a layer `{name}` from here on."),
            Until::Stall(_) => "No unit waits from here on.".to_owned(),
            Until::Instruction(mnemonic) => format!("No `{mnemonic}` starts from here on."),
        }
    }

    /// Runs until it happens, but not beyond `target`; whether it has happened.
    pub(crate) fn advance(&self, engine: &mut dyn Engine, target: u64) -> bool {
        let program = engine.program();
        let mut before = engine.units();
        if matches!(self, Until::Layer(_)) && self.has_happened(&program, &before, &before) {
            return true;
        }
        while engine.cycle() < target && engine.outcome().is_none() {
            engine.advance_to(engine.cycle() + 1);
            let after = engine.units();
            if self.has_happened(&program, &before, &after) {
                return true;
            }
            before = after;
        }
        false
    }

    fn has_happened(&self, program: &ProgramInfo, before: &[UnitState; N_UNITS], after: &[UnitState; N_UNITS]) -> bool {
        let class = |unit: &UnitState| {
            program
                .activities
                .get(usize::from(unit.activity.0))
                .map(|info| info.class)
        };
        let line = |unit: &UnitState| unit.pc.and_then(|pc| program.lines.get(pc as usize));
        let is_stalled = |unit: &UnitState| class(unit) == Some(ActivityClass::Stalled);
        let mut units = before.iter().zip(after).enumerate();
        match self {
            Until::Layer(name) => units.filter(|(unit_idx, _)| *unit_idx != SEQ).any(|(_, (_, unit))| {
                let layer_idx = line(unit).and_then(|line| line.layer_idx);
                let layer = layer_idx.and_then(|idx| program.layers.get(idx));
                class(unit) == Some(ActivityClass::Busy) && layer.is_some_and(|layer| layer.contains(name.as_str()))
            }),
            Until::Stall(wanted) => units.any(|(unit_idx, (before, after))| {
                let is_wanted = wanted.map_or(unit_idx != SEQ, |wanted| wanted == unit_idx);
                is_wanted && is_stalled(after) && !(is_stalled(before) && before.pc == after.pc)
            }),
            Until::Instruction(mnemonic) => units.any(|(unit_idx, (before, after))| {
                let line = line(after).filter(|line| line.unit == unit_idx && line.mnemonic == *mnemonic);
                line.is_some() && after.n_started > before.n_started
            }),
        }
    }
}

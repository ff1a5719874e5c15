//! The sequencer without time: one walk through the program, loops included.

use super::finding::{Finding, Findings};
use super::flow::Taint;
use super::units::Units;
use crate::fault::FaultKind;
use crate::sequencer::{Effect, Sequencer, Surroundings};
use crate::work::Dispatched;
use systole_isa::{Instruction, MachineDescription, Op, Program};

/// A walk under way.
pub(super) struct Walk<'a> {
    program: &'a Program,
    sequencer: Sequencer,
    units: Units<'a>,
    taint: Taint,
    /// The sequencer as it was some time ago: if it is so again, it will be so for ever.
    landmark: Sequencer,
    n_executed: u64,
    n_dispatched: u64,
    ended: bool,
}

/// What comes after an instruction.
enum Next {
    GoOn,
    Stop,
}

impl<'a> Walk<'a> {
    pub(super) fn new(program: &'a Program, machine: &'a MachineDescription) -> Self {
        let sequencer = Sequencer::new(program.entry);
        Self {
            program,
            landmark: sequencer.clone(),
            sequencer,
            units: Units::new(program, machine),
            taint: Taint::new(program),
            n_executed: 0,
            n_dispatched: 0,
            ended: false,
        }
    }

    /// Instructions executed, and those among them that were dispatched.
    pub(super) fn amounts(&self) -> (u64, u64) {
        (self.n_executed, self.n_dispatched)
    }

    /// Walks until the program ends, cannot go on, or has executed `limit` instructions.
    pub(super) fn run(&mut self, limit: u64, findings: &mut Findings) {
        loop {
            if self.n_executed >= limit {
                findings.add(Finding::error(
                    "K0010",
                    &[self.sequencer.pc],
                    format!("the program has not ended after {limit} instructions of the sequencer"),
                    "look for a loop that does not end, or raise `--limit`",
                ));
                return;
            }
            if let Next::Stop = self.step(findings) {
                return;
            }
            if self.n_executed > 1 && self.sequencer.goes_on_like(&self.landmark) {
                findings.add(Finding::error(
                    "K0010",
                    &[self.sequencer.pc],
                    format!(
                        "the sequencer comes back to instruction {} with the same registers and loops, for ever",
                        self.sequencer.pc
                    ),
                    "let the loop change the register that its branch compares, or use `loop`",
                ));
                return;
            }
            if self.n_executed.is_power_of_two() {
                self.landmark.clone_from(&self.sequencer);
            }
        }
    }

    /// What is left to say at the end.
    pub(super) fn finish(&mut self, findings: &mut Findings) {
        self.units.finish(self.ended, findings);
    }

    fn step(&mut self, findings: &mut Findings) -> Next {
        let pc = self.sequencer.pc;
        let program = self.program;
        let Some(instruction) = program.code.get(pc as usize) else {
            return stop(&FaultKind::EndOfProgram, pc, findings);
        };
        if self.taint.follow(pc, &instruction.op) {
            findings.add(Finding::error(
                "K0009",
                &[pc],
                format!("instruction {pc} depends on time, so what follows cannot be proven"),
                "use the values of `rdcycle` and `rdperf` for nothing that decides a branch, a count or an address",
            ));
            return Next::Stop;
        }
        self.n_executed += 1;
        let effect = match self.sequencer.preview(&instruction.op) {
            Ok(effect) => effect,
            Err(kind) => return stop(&kind, pc, findings),
        };
        if !self.apply(pc, instruction, effect, findings) {
            findings.add(self.units.deadlock(pc));
            return Next::Stop;
        }
        if matches!(instruction.op, Op::Halt {}) {
            self.ended = true;
            return Next::Stop;
        }
        let nothing_is_known_of_time = Surroundings { now: 0, counter: 0 };
        match self.sequencer.perform(&instruction.op, &nothing_is_known_of_time) {
            Ok(()) => Next::GoOn,
            Err(kind) => stop(&kind, pc, findings),
        }
    }

    /// What the instruction does beyond the sequencer; false if that can never happen.
    fn apply(&mut self, pc: u32, instruction: &Instruction, effect: Effect, findings: &mut Findings) -> bool {
        let tokens = &instruction.tokens;
        match effect {
            Effect::Dispatch(unit, work) => {
                self.n_dispatched += 1;
                let dispatched = Dispatched {
                    work,
                    tokens: *tokens,
                    pc,
                    layer: self.sequencer.layer,
                };
                return self.units.dispatch(unit, dispatched, findings);
            }
            // Its own tokens have to be there as well; what they are posted by comes before the fence.
            Effect::Fence | Effect::Halt if !self.units.fence(findings) => return false,
            Effect::Fence | Effect::Halt | Effect::None | Effect::Free | Effect::Credit(..) => {}
        }
        if !self.units.sequence(pc, tokens, findings) {
            return false;
        }
        if let Effect::Credit(token, n) = effect {
            self.units.credit(pc, token, n);
        }
        true
    }
}

/// The walk ends with a fault of the sequencer.
fn stop(kind: &FaultKind, pc: u32, findings: &mut Findings) -> Next {
    let message = format!("instruction {pc}: {kind}");
    findings.add(match kind {
        FaultKind::Trap { .. } => Finding::error("K0011", &[pc], message, "see the code before the `trap`"),
        FaultKind::EndOfProgram => Finding::error("K0011", &[], message, "end the program with `halt`"),
        FaultKind::LoopDepth => Finding::error("K0011", &[pc], message, "unroll the innermost loop, or use a branch"),
        _ => Finding::error(
            "K0006",
            &[pc],
            message,
            "see the instruction's description for the values that it takes",
        ),
    });
    Next::Stop
}

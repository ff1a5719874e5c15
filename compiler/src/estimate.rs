//! How long a program will take: its instructions on the units' queues and tokens, each at the shared latency formulas.
//!
//! The sequencer is executed as it is, loops included, so that sizes and addresses are those of the run. The DRAM is no controller here but one
//! server of its peak bandwidth, less what refresh takes, with a constant latency. Nothing is computed, ordered or checked. That makes an
//! estimate a hundred times as fast as a simulation, and as near to it as rows and banks of the DRAM allow.

mod sequencer;
mod traffic;
mod units;

use sequencer::{Sequencer, Step};
use systole_isa::operand::MarkKind;
use systole_isa::{Instruction, MachineDescription, Op};
use units::Units;

/// Cycles of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// From the first instruction to the halt.
    pub cycles: u64,
    /// By layer slot (0 before the first mark, else one more than the mark's id): from the completion of the layer before to its own.
    pub layers: Vec<u64>,
}

/// Instructions of the sequencer after which an estimate gives up: no compiled program has so many.
const LIMIT: u64 = 1 << 28;

/// Estimates a program. `None` if it waits for something that never comes, or does not end.
pub fn estimate(code: &[Instruction], entry: u32, machine: &MachineDescription) -> Option<Estimate> {
    let mut sequencer = Sequencer::new(entry);
    let mut units = Units::new(machine);
    let mut ends: Vec<u64> = vec![0];
    let (mut now, mut layer) = (0, 0);
    for _ in 0..LIMIT {
        let instruction = code.get(sequencer.pc as usize)?;
        match sequencer.step(&instruction.op) {
            Step::Mark(kind, id) => {
                if kind == MarkKind::Layer {
                    layer = id + 1;
                    ends.resize(ends.len().max(layer + 1), 0);
                }
                continue;
            }
            Step::Scalar => {
                now = units.scalar(&instruction.tokens, now)?;
                if let Op::Credit { token, n } = instruction.op {
                    units.credit(token, n.0 as u64, now);
                }
            }
            Step::Fence => now = units.fence(&mut ends, now)?,
            Step::Halt => {
                let end = units.fence(&mut ends, now)?;
                *ends.last_mut()? = end;
                return Some(Estimate {
                    cycles: end,
                    layers: durations(&ends),
                });
            }
            Step::Dispatch(unit, work) => {
                now = units.dispatch(unit, work, &instruction.tokens, layer, &mut ends, now)?
            }
        }
        ends[layer] = ends[layer].max(now);
        now += 1;
    }
    None
}

/// From the completion of the layer before to its own.
fn durations(ends: &[u64]) -> Vec<u64> {
    let mut by_end: Vec<usize> = (0..ends.len()).collect();
    by_end.sort_by_key(|&slot| (ends[slot], slot));
    let mut durations = vec![0; ends.len()];
    let mut before = 0;
    for slot in by_end {
        durations[slot] = ends[slot] - before;
        before = ends[slot];
    }
    durations
}

//! What a program moves to and from DRAM, found by walking its sequencer without time.

use crate::sequencer::{Effect, Sequencer, Surroundings};
use crate::work::Work;
use systole_isa::operand::Space;
use systole_isa::{Descriptor, Op, Program};

/// A load or a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Index of the instruction.
    pub pc: u32,
    /// The mark that the sequencer passed last.
    pub layer: Option<u32>,
    /// Whether it writes DRAM.
    pub is_store: bool,
    /// Byte address in DRAM of the first element that lies inside the descriptor's windows.
    pub address: u64,
}

/// Calls `visit` with each transfer in the order of the program, loops included, until the program ends, cannot go on, or has executed
/// `limit` instructions. Transfers of nothing but padding are left out.
pub fn for_each_transfer(program: &Program, limit: u64, mut visit: impl FnMut(Transfer)) {
    let nothing_is_known_of_time = Surroundings { now: 0, counter: 0 };
    let mut sequencer = Sequencer::new(program.entry);
    for _ in 0..limit {
        let pc = sequencer.pc;
        let Some(instruction) = program.code.get(pc as usize) else {
            return;
        };
        if matches!(instruction.op, Op::Ld { .. } | Op::St { .. })
            && let Some(address) = dram_address(&sequencer, &instruction.op)
        {
            visit(Transfer {
                pc,
                layer: sequencer.layer.checked_sub(1),
                is_store: matches!(instruction.op, Op::St { .. }),
                address,
            });
        }
        let is_end = matches!(instruction.op, Op::Halt {} | Op::Trap { .. });
        if is_end || sequencer.perform(&instruction.op, &nothing_is_known_of_time).is_err() {
            return;
        }
    }
}

/// Where the transfer first touches DRAM.
fn dram_address(sequencer: &Sequencer, op: &Op) -> Option<u64> {
    let Ok(Effect::Dispatch(_, work)) = sequencer.preview(op) else {
        return None;
    };
    let Work::Copy { dst, src, m, n } = *work else {
        return None;
    };
    let view = if dst.space == Space::Dram { dst } else { src };
    (0..m).find_map(|row| first_inside(&view, row, n))
}

/// Byte address of the first element of a row that is not padding.
fn first_inside(view: &Descriptor, row: u64, n: u64) -> Option<u64> {
    let mut first = None;
    view.for_each_run(row, 0, n, |run| first = first.or(run.bit_address));
    first.and_then(|bits| u64::try_from(bits.div_euclid(8)).ok())
}

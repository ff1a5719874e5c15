//! What a program reads and writes in DRAM and scratchpad, found by walking its sequencer without time.

use crate::race::accesses;
use crate::sequencer::{Effect, Sequencer, Surroundings};
use crate::work::Work;
use crate::work::matrix::Product;
use systole_isa::operand::Space;
use systole_isa::{Descriptor, Op, Program};

/// An operand in DRAM or scratchpad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryUse {
    /// The mark that the sequencer passed last.
    pub layer: Option<u32>,
    /// Whether it is written.
    pub is_write: bool,
    /// The memory.
    pub space: Space,
    /// Byte address of its first element that lies inside the descriptor's windows.
    pub address: u64,
}

/// Calls `visit` with the operands of each instruction, loads and stores among them, in the order of the program, until the program ends, cannot
/// go on, or has executed `limit` instructions. Of the passes of a loop only the first is reported, and operands that are nothing but
/// padding are left out.
pub fn for_each_memory_use(program: &Program, limit: u64, mut visit: impl FnMut(MemoryUse)) {
    let nothing_is_known_of_time = Surroundings { now: 0, counter: 0 };
    let mut sequencer = Sequencer::new(program.entry);
    let mut last_layer: Vec<Option<u32>> = vec![None; program.code.len()];
    for _ in 0..limit {
        let pc = sequencer.pc;
        let Some(instruction) = program.code.get(pc as usize) else {
            return;
        };
        let last_layer = &mut last_layer[pc as usize];
        if last_layer.replace(sequencer.layer) != Some(sequencer.layer)
            && let Ok(Effect::Dispatch(_, work)) = sequencer.preview(&instruction.op)
        {
            for_each_operand(&work, |is_write, view, address| {
                visit(MemoryUse {
                    layer: sequencer.layer.checked_sub(1),
                    is_write,
                    space: view.space,
                    address,
                });
            });
        }
        let is_end = matches!(instruction.op, Op::Halt {} | Op::Trap { .. });
        if is_end || sequencer.perform(&instruction.op, &nothing_is_known_of_time).is_err() {
            return;
        }
    }
}

fn for_each_operand(work: &Work, mut visit: impl FnMut(bool, &Descriptor, u64)) {
    if let Work::Product(Product { a, m0, m, k0, .. }) = work {
        // How many columns meet the array is the tile's affair; the first one that is no padding lies in the tensor.
        let n_columns = a.n_columns().saturating_sub(*k0);
        if let Some(address) = first_inside(a, (*m0, *m), (*k0, n_columns)) {
            visit(false, a, address);
        }
        return;
    }
    for access in accesses(work, None) {
        let part = access.part;
        if access.view.space != Space::Acc
            && let Some(address) = first_inside(access.view, (part.row, part.n_rows), (part.column, part.n_columns))
        {
            visit(part.writes, access.view, address);
        }
    }
}

/// Byte address of the first element of some rows and columns that is not padding.
fn first_inside(view: &Descriptor, (row, n_rows): (u64, u64), (column, n_columns): (u64, u64)) -> Option<u64> {
    (row..row.saturating_add(n_rows)).find_map(|row| {
        let mut first = None;
        view.for_each_run(row, column, n_columns, |run| first = first.or(run.bit_address));
        first.and_then(|bits| u64::try_from(bits.div_euclid(8)).ok())
    })
}

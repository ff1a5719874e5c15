//! What instructions do to values. Nothing here knows a cycle.

mod dma;
mod mx;
mod vx;

use crate::memory::PagedMemory;
use std::sync::Arc;
use systole_isa::operand::Space;

pub(crate) use dma::copy;
pub(crate) use mx::{MatMul, load_weights, matmul};
pub(crate) use vx::vector;

/// A weight tile less its zero point, `k` rows of `n` weights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct WeightTile {
    pub(crate) k: u64,
    pub(crate) n: u64,
    /// Row-major; empty in timing-only runs.
    pub(crate) weights: Vec<i32>,
}

/// The three memories.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Memories {
    pub(crate) spm: PagedMemory,
    pub(crate) acc: PagedMemory,
    pub(crate) dram: PagedMemory,
}

impl Memories {
    pub(crate) fn of(&self, space: Space) -> &PagedMemory {
        match space {
            Space::Spm => &self.spm,
            Space::Acc => &self.acc,
            Space::Dram => &self.dram,
        }
    }

    pub(crate) fn of_mut(&mut self, space: Space) -> &mut PagedMemory {
        match space {
            Space::Spm => &mut self.spm,
            Space::Acc => &mut self.acc,
            Space::Dram => &mut self.dram,
        }
    }
}

/// A weight tile shared by the array and the products that still use it.
pub(crate) type SharedTile = Arc<WeightTile>;

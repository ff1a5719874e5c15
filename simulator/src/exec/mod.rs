//! What instructions do to values. Nothing here knows a cycle.

mod dma;
mod mx;
mod vx;

use crate::memory::PagedMemory;
use crate::work::matrix::TileShape;
use std::sync::Arc;
use systole_isa::operand::Space;

pub(crate) use dma::copy;
pub(crate) use mx::{Multiplied, digit, live_rows, load_tile, moving_row, multiply, output_stationary};
pub(crate) use vx::vector;

/// A tile in the array, less its zero point. Without values in timing-only runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tile {
    pub(crate) shape: TileShape,
    /// What the PEs hold, row-major.
    pub(crate) held: Vec<i32>,
    /// With a pattern, the position of each held weight within its group.
    pub(crate) positions: Vec<u8>,
    /// With a pattern, the weights at their places along K, zeros between them.
    expanded: Vec<i32>,
}

impl Tile {
    /// A tile whose values are not known.
    pub(crate) fn without_values(shape: TileShape) -> Self {
        Self {
            shape,
            held: Vec::new(),
            positions: Vec::new(),
            expanded: Vec::new(),
        }
    }

    /// Row-major weights, one row per element that the moving operand brings.
    fn multiplicands(&self) -> &[i32] {
        if self.shape.pattern.is_some() {
            &self.expanded
        } else {
            &self.held
        }
    }
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

/// A tile shared by the array and the products that still use it.
pub(crate) type SharedTile = Arc<Tile>;

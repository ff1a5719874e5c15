//! What an operation of the vector unit costs: cycles by the shared formulas, and operations of single lanes.

use super::{VectorOp, VectorWork};
use systole_isa::{MachineDescription, latency};

impl VectorWork {
    /// Elements that the lanes go through, where an operation is one pass over them.
    fn n_elements(&self) -> u64 {
        match self.op {
            VectorOp::MaxPool | VectorOp::DwConv { .. } => self.m * self.src.n_columns(),
            // One more pass divides.
            VectorOp::AvgPool { .. } => self.m * self.src.n_columns() + self.m * self.n,
            VectorOp::Requant { .. }
            | VectorOp::Prelu { .. }
            | VectorOp::Lut { .. }
            | VectorOp::Add { .. }
            | VectorOp::Mul { .. }
            | VectorOp::Softmax { .. }
            | VectorOp::LayerNorm { .. }
            | VectorOp::ArgMax
            | VectorOp::Move
            | VectorOp::Mask => self.m * self.n,
        }
    }

    /// Elements that the lanes compute with; moving is no computation.
    pub(crate) fn computed_elements(&self) -> u64 {
        match self.op {
            VectorOp::Move => 0,
            _ => self.n_elements(),
        }
    }

    /// Cycles from start to completion.
    pub(crate) fn cycles(&self, machine: &MachineDescription) -> u64 {
        let (m, n) = (self.m, self.n);
        let cycles = match self.op {
            VectorOp::Requant { .. }
            | VectorOp::Prelu { .. }
            | VectorOp::Add { .. }
            | VectorOp::Mul { .. }
            | VectorOp::MaxPool
            | VectorOp::AvgPool { .. }
            | VectorOp::DwConv { .. }
            | VectorOp::Move => latency::vector(machine, self.n_elements()),
            VectorOp::Lut { .. } => latency::vector_lookup(machine, self.n_elements(), self.n_entries()),
            VectorOp::Softmax { .. } => latency::softmax(machine, m, n),
            VectorOp::LayerNorm { .. } => latency::layer_norm(machine, m, n),
            VectorOp::ArgMax | VectorOp::Mask => latency::row_reduction(machine, m, n),
        };
        cycles.0
    }

    /// Operations of single lanes, each a 32-bit multiplication and addition, a comparison, a lookup or a move; energy is charged for
    /// each.
    pub(crate) fn lane_ops(&self) -> u64 {
        let per_element = match self.op {
            VectorOp::Requant { .. }
            | VectorOp::Lut { .. }
            | VectorOp::MaxPool
            | VectorOp::AvgPool { .. }
            | VectorOp::DwConv { .. }
            | VectorOp::ArgMax
            | VectorOp::Move
            | VectorOp::Mask => 1,
            // The slope and the scale; the product and the scale.
            VectorOp::Prelu { .. } | VectorOp::Mul { .. } => 2,
            // Both sides and the sum; maximum, exponential with sum, division.
            VectorOp::Add { .. } | VectorOp::Softmax { .. } => 3,
            // Sum, sum of squares, distance times gamma, division with beta.
            VectorOp::LayerNorm { .. } => 4,
        };
        per_element * self.n_elements()
    }
}

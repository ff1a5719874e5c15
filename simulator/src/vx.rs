//! The vector unit in time: one instruction after the other.

use crate::order::Release;
use crate::work::{Dispatched, Work};
use systole_isa::{MachineDescription, latency};

/// An instruction that the vector unit has started.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct VxInFlight {
    pub(crate) dispatched: Dispatched,
    pub(crate) release: Release,
    pub(crate) started_at: u64,
    pub(crate) done_at: u64,
}

/// Lane operations of a piece of work: one per element for arithmetic, one per tap for pooling.
pub(crate) fn lane_ops(work: &Work) -> u64 {
    match work {
        Work::Requant { m, n, .. } | Work::AddRescaled { m, n, .. } => m * n,
        Work::MaxPool { src, m, .. } => m * src.n_columns(),
        Work::WeightLoad { .. } | Work::MatMul { .. } | Work::Copy { .. } | Work::Sync => 0,
    }
}

/// Cycles of a piece of work.
pub(crate) fn duration(machine: &MachineDescription, work: &Work) -> u64 {
    match work {
        Work::Sync => 1,
        work => latency::vector(machine, lane_ops(work)).0,
    }
}

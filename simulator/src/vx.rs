//! The vector unit in time: one instruction after the other.

use crate::order::Release;
use crate::work::{Dispatched, Work};
use systole_isa::MachineDescription;

/// An instruction that the vector unit has started.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct VxInFlight {
    pub(crate) dispatched: Dispatched,
    pub(crate) release: Release,
    pub(crate) started_at: u64,
    pub(crate) done_at: u64,
}

/// Cycles of a piece of work.
pub(crate) fn duration(machine: &MachineDescription, work: &Work) -> u64 {
    match work {
        Work::Vector(vector) => vector.cycles(machine),
        Work::TileLoad(_) | Work::Product(_) | Work::OutputStationary(_) | Work::Copy { .. } | Work::Sync => 1,
    }
}

//! The vector unit in time: one instruction after the other.

use crate::order::Release;
use crate::work::{Dispatched, Work};
use systole_isa::latency::{self, banks::BankUse};
use systole_isa::{Cycles, MachineDescription};

/// An instruction that the vector unit has started.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct VxInFlight {
    pub(crate) dispatched: Dispatched,
    pub(crate) release: Release,
    pub(crate) started_at: u64,
    pub(crate) done_at: u64,
    /// What it takes of the scratchpad's banks.
    pub(crate) banks: BankUse,
}

/// Cycles of a piece of work.
pub(crate) fn duration(machine: &MachineDescription, work: &Work, banks: BankUse) -> u64 {
    match work {
        Work::Vector(vector) => latency::vector_from_banks(Cycles(vector.cycles(machine)), banks).0,
        Work::TileLoad(_) | Work::Product(_) | Work::OutputStationary(_) | Work::Copy { .. } | Work::Sync => 1,
    }
}

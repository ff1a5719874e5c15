//! What the controller means to do next, per bank and for the channel.

use systole_isa::dram::Command;

/// In order of preference among commands that are possible in the same clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Urgency {
    Refresh,
    Column,
    Row,
    Preparation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Action {
    PrechargeAll { rank: usize },
    Refresh { rank: usize },
    Bank { bank: usize },
}

/// The next command of the channel and its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Plan {
    pub(super) at: u64,
    pub(super) urgency: Urgency,
    pub(super) sequence: u64,
    pub(super) action: Action,
}

impl Plan {
    pub(super) fn precedes(&self, other: &Self) -> bool {
        (self.at, self.urgency, self.sequence) < (other.at, other.urgency, other.sequence)
    }
}

/// The next command of one bank. Only requests for this bank, commands to it and the direction change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct BankPlan {
    /// Clock from which the bank itself allows it.
    pub(super) ready: u64,
    pub(super) command: Command,
    pub(super) urgency: Urgency,
    /// The request that it is for, in the write queue or the read queue.
    pub(super) slot: u8,
    pub(super) for_write: bool,
    pub(super) sequence: u64,
}

impl BankPlan {
    pub(super) const NOTHING: Self = Self {
        ready: 0,
        command: Command::Precharge,
        urgency: Urgency::Preparation,
        slot: 0,
        for_write: false,
        sequence: 0,
    };
}

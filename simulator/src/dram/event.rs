//! What a channel tells observers of: requests that it queues and commands that it sends.

/// Something that a channel did, in clocks of the DRAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelEvent {
    /// The clock.
    pub at: u64,
    /// How far the channel had come with it, see [`Channel::progress`](super::Channel::progress). Only refreshes leave it as it is.
    pub progress: u64,
    /// Reads that wait afterwards.
    pub n_reads: usize,
    /// Writes that wait afterwards.
    pub n_writes: usize,
    /// What it did.
    pub kind: ChannelEventKind,
}

/// What a channel did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelEventKind {
    /// It took a request into a queue.
    Queued(Request),
    /// It opened the row that a request needs.
    Activate(Request),
    /// It closed a row, because a request needs another one of the bank.
    Precharge(Request),
    /// It closed all rows of a rank for a refresh.
    PrechargeAll {
        /// The rank.
        rank: usize,
    },
    /// It read or wrote a burst.
    Column {
        /// For this request.
        request: Request,
        /// What had to be done for it before.
        outcome: RowOutcome,
        /// First clock of the burst on the data bus, and one past the last.
        data: (u64, u64),
    },
    /// It refreshes a rank.
    Refresh {
        /// The rank.
        rank: usize,
        /// Clock at which the refresh was due: the refreshes of a rank are due in ascending clocks.
        due: u64,
        /// Clock from which the rank takes commands again.
        until: u64,
    },
}

/// A request that waits or has waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The instruction that asked.
    pub pc: u32,
    /// Whether it writes.
    pub is_write: bool,
    /// Bank within the channel.
    pub bank: u32,
    /// Row of the bank.
    pub row: u32,
    /// Burst of the row.
    pub column: u32,
    /// Clock of arrival.
    pub arrived_at: u64,
}

/// What a burst needed before it could be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowOutcome {
    /// Nothing: its row was open.
    Hit,
    /// An activate: no row was open.
    Miss,
    /// A precharge and an activate: another row was open.
    Conflict,
}

impl RowOutcome {
    pub(super) fn of(opened_row: bool, closed_row: bool) -> Self {
        match (opened_row, closed_row) {
            (false, _) => RowOutcome::Hit,
            (true, false) => RowOutcome::Miss,
            (true, true) => RowOutcome::Conflict,
        }
    }

    /// The field's word for it.
    pub fn name(self) -> &'static str {
        match self {
            RowOutcome::Hit => "row hit",
            RowOutcome::Miss => "row miss",
            RowOutcome::Conflict => "row conflict",
        }
    }
}

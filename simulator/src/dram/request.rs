//! What masters ask of a channel, and what becomes of it.

/// What a request wants of the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Burst {
    /// Bank within the channel.
    pub bank: u32,
    /// Row of the bank.
    pub row: u32,
    /// Burst of the row.
    pub column: u32,
    /// Whether it writes.
    pub is_write: bool,
    /// Whoever asks: index of its counters.
    pub master: u8,
    /// The instruction that asks. Only observers want to know it; nothing that the channel does depends on it.
    pub pc: u32,
}

/// What became of a request that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It waits in its queue. To its master a write is complete.
    Queued,
    /// A read of a burst whose write waits: the data come from the write queue and are there at this clock.
    Forwarded(u64),
    /// A write of a burst that another write in the queue overwrites anyway.
    Merged,
}

/// A read whose data have been ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Who asked.
    pub master: u8,
    /// Clock at which the data have moved.
    pub done_at: u64,
    /// Whether it is a write.
    pub is_write: bool,
}

//! What the timeline shows of the DRAM: for each channel what its data bus carries and what its banks are told, over time.
//!
//! Plain data like the rest of a [`Frame`](crate::frame::Frame). Times are clocks of the DRAM, so that sums are exact.

use crate::frame::{ActivityClass, ActivityId, Lane};

/// What a channel can be seen doing, by [`ActivityId`]: name, and whether that is rest, work or waiting.
pub const CHANNEL_ACTIVITIES: [(&str, ActivityClass); 8] = [
    ("idle", ActivityClass::Idle),
    ("read", ActivityClass::Busy),
    ("write", ActivityClass::Busy),
    ("activate", ActivityClass::Busy),
    ("precharge", ActivityClass::Busy),
    ("refresh", ActivityClass::Busy),
    ("read queue full", ActivityClass::Stalled),
    ("write queue full", ActivityClass::Stalled),
];

/// Nothing.
pub const IDLE: ActivityId = ActivityId(0);
/// The data bus carries a burst that is read.
pub const READ: ActivityId = ActivityId(1);
/// The data bus carries a burst that is written.
pub const WRITE: ActivityId = ActivityId(2);
/// A row is opened.
pub const ACTIVATE: ActivityId = ActivityId(3);
/// A row is closed, or all of a rank.
pub const PRECHARGE: ActivityId = ActivityId(4);
/// A rank is refreshed and takes no commands.
pub const REFRESH: ActivityId = ActivityId(5);
/// No further read finds a place.
pub const READS_FULL: ActivityId = ActivityId(6);
/// No further write finds a place.
pub const WRITES_FULL: ActivityId = ActivityId(7);

/// The name of an activity of a channel.
pub fn activity_name(id: ActivityId) -> &'static str {
    CHANNEL_ACTIVITIES.get(usize::from(id.0)).map_or("", |(name, _)| name)
}

/// The channels over the visible stretch of time.
#[derive(Clone, Debug, Default)]
pub struct DramTimeline {
    /// First clock of the stretch.
    pub start: u64,
    /// First clock behind it.
    pub end: u64,
    /// Core cycles that a clock of the DRAM takes.
    pub cycles_per_clock: f64,
    /// The channels.
    pub channels: Vec<ChannelLanes>,
}

/// One channel over a stretch of time.
#[derive(Clone, Debug, Default)]
pub struct ChannelLanes {
    /// What its data bus carries.
    pub bus: Lane,
    /// Row commands, refreshes and full queues.
    pub banks: Lane,
    /// The commands of the stretch in order; none if they are too many to be told apart.
    pub commands: Vec<DramCommand>,
}

impl ChannelLanes {
    /// The lanes, from the top down.
    pub fn lanes(&self) -> [&Lane; 2] {
        [&self.bus, &self.banks]
    }

    /// The command that a lane shows at a clock; `None` where it shows none, or where commands are too many.
    pub fn command_at(&self, strip: Strip, clock: u64) -> Option<&DramCommand> {
        let is_there = |command: &&DramCommand| command.start <= clock && clock < command.end;
        let on_strip = self.commands.iter().filter(|command| command.strip() == strip);
        on_strip.rev().find(is_there)
    }
}

/// One of the two lanes of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strip {
    /// The data bus.
    Bus,
    /// Commands to banks.
    Banks,
}

impl Strip {
    /// Both, in the order of [`ChannelLanes::lanes`].
    pub const ALL: [Strip; 2] = [Strip::Bus, Strip::Banks];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Strip::Bus => "data bus",
            Strip::Banks => "banks",
        }
    }
}

/// A command that a channel sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DramCommand {
    /// What it is: one of the activities.
    pub activity: ActivityId,
    /// First clock in which its lane shows it: that of the data of reads and writes.
    pub start: u64,
    /// First clock in which it does so no longer.
    pub end: u64,
    /// The request that it serves; `None` for commands that no request asked for.
    pub request: Option<DramRequest>,
    /// The rank that is refreshed or closed as a whole.
    pub rank: Option<usize>,
}

impl DramCommand {
    /// The lane that shows it.
    pub fn strip(&self) -> Strip {
        if self.activity == READ || self.activity == WRITE {
            Strip::Bus
        } else {
            Strip::Banks
        }
    }
}

/// A request for one burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DramRequest {
    /// The instruction that asked.
    pub pc: u32,
    /// Bank of the channel.
    pub bank: u32,
    /// Row of the bank.
    pub row: u32,
    /// Burst of the row.
    pub column: u32,
    /// What was found: row hit, row miss, row conflict; empty for row commands.
    pub outcome: &'static str,
    /// Clock of arrival.
    pub arrived_at: u64,
}

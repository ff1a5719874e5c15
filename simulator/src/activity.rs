//! What a unit does in a cycle: busy with something, stalled for one reason, or idle.

use serde::Serialize;

/// What a busy unit is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BusyKind {
    /// The sequencer executes scalar instructions and dispatches others.
    Scalar,
    /// A DMA unit moves data.
    Transfer,
    /// Activations enter the array.
    Stream,
    /// Only weights enter the array.
    WeightLoad,
    /// The last partial sums leave the array or pass the registers behind it, and nothing enters it.
    Drain,
    /// Sums that stayed in the PEs leave the array, and nothing else happens in it.
    Unload,
    /// The vector unit computes.
    Vector,
    /// A unit's one-cycle synchronization instruction.
    Sync,
}

impl BusyKind {
    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 8] = [
        Self::Scalar,
        Self::Transfer,
        Self::Stream,
        Self::WeightLoad,
        Self::Drain,
        Self::Unload,
        Self::Vector,
        Self::Sync,
    ];

    /// Name as printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Transfer => "transfer",
            Self::Stream => "stream",
            Self::WeightLoad => "weight_load",
            Self::Drain => "drain",
            Self::Unload => "unload",
            Self::Vector => "vector",
            Self::Sync => "sync",
        }
    }
}

/// Why a unit that has work does not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StallReason {
    /// A token that the next instruction waits for has not been posted.
    Token,
    /// The queue of the unit to dispatch to is full (sequencer only).
    QueueFull,
    /// A `fence` or `halt` waits for the other units (sequencer only).
    Fence,
    /// Other units use so much of the scratchpad's banks that the next instruction's operands do not get through.
    SpmBank,
}

impl StallReason {
    /// Every reason, in the order of the enum.
    pub const ALL: [Self; 4] = [Self::Token, Self::QueueFull, Self::Fence, Self::SpmBank];

    /// Name as printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::QueueFull => "queue_full",
            Self::Fence => "fence",
            Self::SpmBank => "spm_bank",
        }
    }
}

/// The state of a unit in one cycle; it has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Activity {
    /// It works.
    Busy(BusyKind),
    /// It has work and waits.
    Stalled(StallReason),
    /// It has nothing to do.
    Idle,
}

impl Activity {
    const N: usize = BusyKind::ALL.len() + StallReason::ALL.len() + 1;

    const fn index(self) -> usize {
        match self {
            Self::Busy(kind) => kind as usize,
            Self::Stalled(reason) => BusyKind::ALL.len() + reason as usize,
            Self::Idle => Self::N - 1,
        }
    }

    /// Name as printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Busy(kind) => kind.name(),
            Self::Stalled(reason) => reason.name(),
            Self::Idle => "idle",
        }
    }
}

/// What a unit does, for which instruction, since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UnitStatus {
    /// What it does.
    pub activity: Activity,
    /// The instruction that it does it for; the sequencer's busy spans cover many and name none.
    pub pc: Option<u32>,
    /// Layer slot of that instruction: 0 before the first mark, else one more than the mark's id.
    pub layer: u32,
    /// Cycle in which that instruction started; it tells two executions of the same instruction apart.
    pub started_at: Option<u64>,
    /// First cycle in this status.
    pub since: u64,
}

impl UnitStatus {
    /// A status that begins in cycle `now`.
    pub(crate) const fn busy(kind: BusyKind, pc: u32, layer: u32, started_at: u64, now: u64) -> Self {
        Self {
            activity: Activity::Busy(kind),
            pc: Some(pc),
            layer,
            started_at: Some(started_at),
            since: now,
        }
    }

    /// Whether this is the same status, whenever it began.
    pub(crate) fn continues(&self, other: &Self) -> bool {
        (self.activity, self.pc, self.layer, self.started_at)
            == (other.activity, other.pc, other.layer, other.started_at)
    }

    /// Idle from cycle 0 on.
    pub(crate) const START: Self = Self {
        activity: Activity::Idle,
        pc: None,
        layer: 0,
        started_at: None,
        since: 0,
    };
}

/// Cycles of one unit by activity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ActivityCycles([u64; Activity::N]);

impl Default for ActivityCycles {
    fn default() -> Self {
        Self([0; Activity::N])
    }
}

impl ActivityCycles {
    /// Adds cycles in one activity.
    pub fn add(&mut self, activity: Activity, cycles: u64) {
        self.0[activity.index()] += cycles;
    }

    /// Adds another unit-run's cycles.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    /// Cycles in one activity.
    pub fn of(&self, activity: Activity) -> u64 {
        self.0[activity.index()]
    }

    /// Cycles in any busy kind.
    pub fn busy(&self) -> u64 {
        BusyKind::ALL.iter().map(|&kind| self.of(Activity::Busy(kind))).sum()
    }

    /// Cycles in every activity; equals elapsed time.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

//! The units of the machine.

/// The units of the machine. Each has an in-order queue and runs concurrently with the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Scalar sequencer: fetches, executes scalar instructions, dispatches the rest.
    Seq,
    /// Load DMA: DRAM to on-chip memory.
    Ld,
    /// Store DMA: on-chip memory to DRAM.
    St,
    /// The PE array.
    Mx,
    /// The vector unit.
    Vx,
}

impl Unit {
    /// Every unit, in the order of [`Unit::index`].
    pub const ALL: [Unit; 5] = [Unit::Seq, Unit::Ld, Unit::St, Unit::Mx, Unit::Vx];

    /// Dense index.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Name as printed.
    pub const fn name(self) -> &'static str {
        match self {
            Unit::Seq => "SEQ",
            Unit::Ld => "LD",
            Unit::St => "ST",
            Unit::Mx => "MX",
            Unit::Vx => "VX",
        }
    }
}

//! Vector clocks: what the work that has started knows to be done.
//!
//! Each unit is one chain of instructions, except the array, which is two: its weight loads overlap its products. A clock holds, per
//! chain, the newest epoch whose work is known to be complete. An epoch ends with a post, so all work of one epoch becomes known at once.

use systole_isa::Unit;

/// A sequence of instructions of which each is complete before the next one of the same chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Chain {
    /// The sequencer.
    Seq,
    /// The load DMA.
    Ld,
    /// The store DMA.
    St,
    /// Loads of stationary operands into the array.
    MxLoad,
    /// Products of the array.
    MxProduct,
    /// The vector unit.
    Vx,
}

/// Number of chains.
pub(crate) const N_CHAINS: usize = 6;

impl Chain {
    /// Every chain, in the order of [`Chain::index`].
    pub(crate) const ALL: [Chain; N_CHAINS] = [
        Chain::Seq,
        Chain::Ld,
        Chain::St,
        Chain::MxLoad,
        Chain::MxProduct,
        Chain::Vx,
    ];

    /// Dense index.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// The unit whose instructions it holds.
    pub(crate) const fn unit(self) -> Unit {
        match self {
            Chain::Seq => Unit::Seq,
            Chain::Ld => Unit::Ld,
            Chain::St => Unit::St,
            Chain::MxLoad | Chain::MxProduct => Unit::Mx,
            Chain::Vx => Unit::Vx,
        }
    }
}

/// The newest complete epoch of each chain, as far as one instruction can know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Clock([u64; N_CHAINS]);

impl Clock {
    /// The newest epoch of a chain that is known to be complete.
    pub(crate) fn of(&self, chain: Chain) -> u64 {
        self.0[chain.index()]
    }

    /// Adds the knowledge that a chain's work up to this epoch is complete.
    pub(crate) fn learn(&mut self, chain: Chain, epoch: u64) {
        let known = &mut self.0[chain.index()];
        *known = epoch.max(*known);
    }

    /// Adds everything that the other clock knows.
    pub(crate) fn join(&mut self, other: &Clock) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = theirs.max(*mine);
        }
    }

    /// The knowledge of both clocks.
    pub(crate) fn joined(mut self, other: &Clock) -> Clock {
        self.join(other);
        self
    }
}

/// A point in a chain that others may know or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Event {
    pub(crate) chain: Chain,
    pub(crate) epoch: u64,
    /// The instruction.
    pub(crate) pc: u32,
}

impl Event {
    /// Whether it is known to be complete.
    pub(crate) fn is_known_to(&self, clock: &Clock) -> bool {
        clock.of(self.chain) >= self.epoch
    }
}

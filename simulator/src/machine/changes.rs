//! Which units something has happened to in a cycle.

use systole_isa::Unit;

/// Units besides the sequencer that may start an instruction or get another status in this cycle, because something about them, about a
/// token that they wait for or about what they share has changed; and whether any token was posted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Changes(u8);

/// The sequencer's place, which no unit needs.
const POSTED: u8 = 1;

impl Changes {
    /// No unit.
    pub(super) const NONE: Self = Self(0);
    /// Every unit.
    pub(super) const ALL: Self = Self(0b1_1110 | POSTED);

    /// Adds a unit besides the sequencer.
    pub(super) fn add(&mut self, unit: Unit) {
        self.0 |= 1 << unit.index();
    }

    /// Notes that a token was posted.
    pub(super) fn add_post(&mut self) {
        self.0 |= POSTED;
    }

    /// Whether transfers or the DRAM may be concerned.
    pub(super) fn concern_dram(self) -> bool {
        self.0 & POSTED != 0 || self.has(Unit::Ld) || self.has(Unit::St)
    }

    /// Whether a unit is among them.
    pub(super) fn has(self, unit: Unit) -> bool {
        self.0 >> unit.index() & 1 != 0
    }

    /// The units, in the order in which they start.
    pub(super) fn units(self) -> impl Iterator<Item = Unit> {
        let mut left = self.0 & !POSTED;
        std::iter::from_fn(move || {
            let unit = *Unit::ALL.get(left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(unit)
        })
    }
}

//! Which units something has happened to in a cycle.

use systole_isa::Unit;

/// Units besides the sequencer that may start an instruction or get another status in this cycle, because something about them, about a
/// token or about what they share has changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Changes(u8);

impl Changes {
    /// No unit.
    pub(super) const NONE: Self = Self(0);
    /// Every unit.
    pub(super) const ALL: Self = Self(0b1_1110);

    /// Adds a unit.
    pub(super) fn add(&mut self, unit: Unit) {
        self.0 |= 1 << unit.index() & Self::ALL.0;
    }

    /// Whether a unit is among them.
    pub(super) fn has(self, unit: Unit) -> bool {
        self.0 >> unit.index() & 1 != 0
    }

    /// The units, in the order in which they start.
    pub(super) fn units(self) -> impl Iterator<Item = Unit> {
        const ORDER: [Unit; 4] = [Unit::Ld, Unit::St, Unit::Mx, Unit::Vx];
        ORDER.into_iter().filter(move |&unit| self.has(unit))
    }
}

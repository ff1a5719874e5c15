//! Newtypes for quantities, so that an instant is never added to an instant and a byte never to a cycle.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, AddAssign, Sub};

macro_rules! quantity {
    ($(#[$meta:meta])* $name:ident, $unit:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} {}", self.0, $unit)
            }
        }
    };
}

macro_rules! additive {
    ($name:ident) => {
        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }
        impl std::iter::Sum for $name {
            fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
                items.fold(Self(0), Add::add)
            }
        }
    };
}

quantity!(
    /// An instant: the index of a core clock cycle, counted from the start of the run.
    Cycle,
    "cycle"
);
quantity!(
    /// A duration in core clock cycles.
    Cycles,
    "cycles"
);
quantity!(
    /// A number of bytes.
    Bytes,
    "B"
);
quantity!(
    /// An energy in femtojoules (1 pJ = 1000 fJ); integer, so that sums do not depend on their order.
    Femtojoules,
    "fJ"
);
additive!(Cycles);
additive!(Bytes);
additive!(Femtojoules);

impl Add<Cycles> for Cycle {
    type Output = Cycle;
    fn add(self, duration: Cycles) -> Cycle {
        Cycle(self.0.saturating_add(duration.0))
    }
}

impl Sub for Cycle {
    type Output = Cycles;
    /// The duration from `earlier` to `self`; zero when `earlier` is not earlier.
    fn sub(self, earlier: Cycle) -> Cycles {
        Cycles(self.0.saturating_sub(earlier.0))
    }
}

impl Cycle {
    /// An instant that no run reaches; stands for "no event scheduled".
    pub const NEVER: Cycle = Cycle(u64::MAX);
}

impl Femtojoules {
    /// The energy in picojoules.
    pub fn picojoules(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

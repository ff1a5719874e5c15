//! Exact conversion between the core's clock and that of the DRAM.

/// Two clocks whose edge 0 coincides. Integers only: no rounding accumulates, however long a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockRatio {
    /// `core_length` core cycles last as long as `dram_length` DRAM clocks, in lowest terms.
    core_length: u64,
    dram_length: u64,
}

impl ClockRatio {
    /// The ratio of a core clock in MHz to a DRAM clock of this period.
    pub(crate) fn new(core_clock_mhz: u64, dram_clock_ps: u64) -> Self {
        let (core, dram) = (core_clock_mhz * dram_clock_ps, 1_000_000);
        let divisor = gcd(core, dram);
        Self {
            core_length: core / divisor,
            dram_length: dram / divisor,
        }
    }

    /// The first DRAM clock that does not begin before a core cycle does; `u64::MAX` stays.
    pub(crate) fn dram_from_core(self, core_cycle: u64) -> u64 {
        scaled_up(core_cycle, self.dram_length, self.core_length)
    }

    /// The first core cycle that does not begin before a DRAM clock does.
    pub(crate) fn core_from_dram(self, dram_clock: u64) -> u64 {
        scaled_up(dram_clock, self.core_length, self.dram_length)
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[inline]
fn scaled_up(value: u64, numerator: u64, denominator: u64) -> u64 {
    if value == u64::MAX || numerator == denominator {
        return value;
    }
    match value.checked_mul(numerator) {
        Some(product) => product.div_ceil(denominator),
        None => {
            let exact = (u128::from(value) * u128::from(numerator)).div_ceil(u128::from(denominator));
            u64::try_from(exact).unwrap_or(u64::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn edges_are_exact(core_mhz in 1u64..4000, dram_ps in 300u64..2500, cycle in 0u64..1 << 50) {
            let ratio = ClockRatio::new(core_mhz, dram_ps);
            // Times in units of 1 ps / core_mhz, in which both periods are integers.
            let core_edge = |cycle: u64| u128::from(cycle) * 1_000_000;
            let dram_edge = |clock: u64| u128::from(clock) * u128::from(dram_ps * core_mhz);
            let clock = ratio.dram_from_core(cycle);
            prop_assert!(dram_edge(clock) >= core_edge(cycle));
            prop_assert!(clock == 0 || dram_edge(clock - 1) < core_edge(cycle));
            let again = ratio.core_from_dram(clock);
            prop_assert!(core_edge(again) >= dram_edge(clock));
            prop_assert!(again == 0 || core_edge(again - 1) < dram_edge(clock));
        }
    }

    #[test]
    fn equal_clocks_convert_to_themselves_and_the_end_of_time_stays() {
        let ratio = ClockRatio::new(1000, 1000);
        assert_eq!((ratio.dram_from_core(7), ratio.core_from_dram(7)), (7, 7));
        assert_eq!(ClockRatio::new(200, 1070).dram_from_core(u64::MAX), u64::MAX);
    }
}

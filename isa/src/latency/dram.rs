//! How well the DRAM streams runs of bytes: whether they spread over its channels and bank groups.

use crate::machine::MachineDescription;

/// Bursts that `n_runs` runs of `bytes` each take the time of, `pitch` bytes from one another and each at the start of a burst.
///
/// Neighbouring bursts lie in neighbouring channels, then in neighbouring bank groups. Runs whose pitch is a multiple of those begin in few of
/// them only: with `g = gcd(pitch / burst, channels)` the busiest channel has `ceil(bursts / g) g` of the bursts that all could have. The same
/// holds for bank groups, which take a burst every `tCCD_L` instead of `tCCD_S`.
pub fn busy_bursts(machine: &MachineDescription, n_runs: u64, bytes: u64, pitch: u64) -> u64 {
    let organization = machine.dram.standard.organization();
    let timing = machine.dram.standard.timing();
    let burst = organization.burst_bytes;
    let whole = bytes.div_ceil(burst);
    if n_runs < 2 || !pitch.is_multiple_of(burst) {
        return n_runs * whole;
    }
    let spread = |n: u64| whole.next_multiple_of(gcd(pitch / burst, n));
    let n_channels = u64::from(machine.dram.n_channels);
    let (channels, groups) = (spread(n_channels), spread(n_channels * organization.n_bank_groups));
    // A bank group by itself has the fraction tCCD_S / tCCD_L of the peak, and there are as many as bank groups.
    let of_groups = (n_runs * groups * timing.ccd_l).div_ceil(timing.ccd_s * organization.n_bank_groups);
    (n_runs * channels).max(of_groups)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::preset;

    #[test]
    fn runs_that_begin_in_one_channel_take_as_long_as_if_they_filled_all() {
        // Eight channels with bursts of 64 bytes.
        let machine = preset("big128x128").unwrap();
        assert_eq!(machine.dram.standard.organization().burst_bytes, 64);
        assert_eq!(busy_bursts(&machine, 10, 512, 512), 80);
        assert_eq!(busy_bursts(&machine, 10, 128, 512), 80);
        assert_eq!(busy_bursts(&machine, 10, 128, 128 + 64), 20);
        assert_eq!(busy_bursts(&machine, 1, 128, 512), 2);
        // One channel has nothing to spread over but bank groups.
        let edge = preset("edge16x16").unwrap();
        assert!(busy_bursts(&edge, 10, 64, 256) > busy_bursts(&edge, 10, 64, 320));
    }
}

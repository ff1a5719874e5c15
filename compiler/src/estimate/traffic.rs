//! How many bytes a transfer moves on the DRAM's bus, from the levels of its descriptor and without a look at single elements.

use systole_isa::descriptor::N_LEVELS;
use systole_isa::{Descriptor, MachineDescription, latency};

/// Runs of bytes of equal length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Runs {
    pub(super) n_runs: u64,
    pub(super) bytes: u64,
    /// Distance from a run to the next.
    pub(super) pitch: u64,
    /// Whether runs begin anywhere, not only at multiples of a burst.
    pub(super) is_aligned: bool,
}

/// Bytes to which a run has to be aligned to touch no more bursts than it needs.
const ALIGNMENT: u64 = 64;

impl Runs {
    /// Bursts of so many bytes that the runs take the time of.
    pub(super) fn busy_bursts(&self, machine: &MachineDescription, burst: u64) -> u64 {
        if self.n_runs == 0 || self.bytes == 0 {
            return 0;
        }
        if self.pitch < self.bytes + burst {
            // Neighbours share the bursts between them.
            return (self.n_runs * self.pitch).div_ceil(burst);
        }
        if self.is_aligned {
            return latency::dram::busy_bursts(machine, self.n_runs, self.bytes, self.pitch);
        }
        let whole = self.bytes.div_ceil(burst);
        let more = self.n_runs * ((self.bytes - 1) % burst) / burst;
        self.n_runs * whole + more
    }
}

/// The runs of an `m` x `n` view.
pub(super) fn bursts(view: &Descriptor, m: u64, n: u64) -> Runs {
    let bits = u64::from(view.format.bits());
    let counts = counts_of(view, m, n);
    let mut run = 1;
    let mut level = N_LEVELS;
    // Levels merge as long as each continues where the one within it ends.
    while level > 0 {
        let index = level - 1;
        if counts[index] != 1 && view.levels[index].stride != run as i64 {
            break;
        }
        run *= counts[index];
        level = index;
    }
    let n_runs: u64 = counts[..level].iter().product();
    let strides = (0..level)
        .filter(|&i| counts[i] > 1)
        .map(|i| view.levels[i].stride.unsigned_abs());
    let bytes_of = |elements: u64| (elements * bits).div_ceil(8);
    let is_aligned = strides.clone().all(|stride| bytes_of(stride).is_multiple_of(ALIGNMENT))
        && view.base.rem_euclid(ALIGNMENT as i64) == 0;
    let pitch = strides.min().unwrap_or(run);
    Runs {
        n_runs,
        bytes: bytes_of(run),
        pitch: bytes_of(pitch),
        is_aligned,
    }
}

/// How often each level counts within an `m` x `n` view and the windows.
fn counts_of(view: &Descriptor, m: u64, n: u64) -> [u64; N_LEVELS] {
    let split = usize::from(view.split);
    let mut counts = [1; N_LEVELS];
    for (total, levels) in [(m, 0..split), (n, split..N_LEVELS)] {
        let mut left = total;
        for level in levels.rev() {
            let count = u64::from(view.levels[level].count.max(1)).min(left);
            counts[level] = count;
            left = if count == 0 { 0 } else { left.div_ceil(count) };
        }
    }
    for window in view.windows.iter().flatten() {
        let (level, step) = (usize::from(window.outer), u64::from(window.outer_step.unsigned_abs()));
        if window.outer_step > 0 && (window.inner_step == 0 || window.inner == window.outer) {
            // Indices i with 0 <= origin + step * i < extent.
            let quotient = |coordinate: i64| coordinate.max(0).unsigned_abs().div_ceil(step);
            let (first, end) = (quotient(-window.origin), quotient(window.extent - window.origin));
            counts[level] = counts[level].min(end).saturating_sub(first);
        }
    }
    counts
}

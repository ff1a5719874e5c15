//! Cycles per activity in bins of equal width, for a past that is too long to be kept span by span.

use crate::frame::ActivityId;

/// Bins that are kept; when they are used up, neighbours merge and the width doubles.
const MAX_BINS: usize = 8_192;

/// Width of a bin at first, in cycles.
const FIRST_WIDTH: u64 = 16;

/// Cycles per activity from cycle 0 up to some cycle, as running totals at the edges of bins.
#[derive(Clone, Debug)]
pub(crate) struct CoarseLog {
    width: u64,
    /// Totals at cycle `i * width`, for every `i` that has been reached, one group after the other.
    edges: Vec<u64>,
    /// Totals at `end`.
    last: Vec<u64>,
    end: u64,
}

impl CoarseLog {
    pub(crate) fn new(n_activities: usize) -> Self {
        Self {
            width: FIRST_WIDTH,
            edges: vec![0; n_activities],
            last: vec![0; n_activities],
            end: 0,
        }
    }

    /// First cycle that is not in the log.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Width of a bin in cycles.
    pub(crate) fn width(&self) -> u64 {
        self.width
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        (self.edges.capacity() + self.last.capacity()) * 8
    }

    /// Adds the cycles from the end of the log up to `end`, all in one activity.
    pub(crate) fn add(&mut self, end: u64, activity: ActivityId) {
        while end / self.width >= MAX_BINS as u64 {
            self.double_width();
        }
        let idx = usize::from(activity.0);
        while self.end < end {
            let edge = (self.end / self.width + 1) * self.width;
            let until = edge.min(end);
            self.last[idx] += until - self.end;
            self.end = until;
            if until == edge {
                self.edges.extend_from_slice(&self.last);
            }
        }
    }

    fn double_width(&mut self) {
        let n_activities = self.last.len();
        let even = self.edges.chunks(n_activities).step_by(2);
        self.edges = even.flatten().copied().collect();
        self.width *= 2;
    }

    /// Forgets everything from `cycle` on.
    pub(crate) fn truncate(&mut self, cycle: u64) {
        if cycle >= self.end {
            return;
        }
        let mut totals = vec![0; self.last.len()];
        self.totals_into(cycle, &mut totals);
        let n_edges = usize::try_from(cycle / self.width + 1).unwrap_or(usize::MAX);
        self.edges.truncate(n_edges.saturating_mul(self.last.len()));
        (self.last, self.end) = (totals, cycle);
    }

    /// Sets `totals` to the cycles per activity from cycle 0 up to `cycle` or the end of the log. Within a bin every activity
    /// passes evenly; rounded so that the totals always sum to the cycles.
    pub(crate) fn totals_into(&self, cycle: u64, totals: &mut [u64]) {
        if cycle >= self.end {
            return totals.copy_from_slice(&self.last);
        }
        let n_activities = self.last.len();
        let bin_idx = usize::try_from(cycle / self.width).unwrap_or(usize::MAX);
        let edge = |idx: usize| self.edges.get(idx * n_activities..(idx + 1) * n_activities);
        let Some(before) = edge(bin_idx) else { return };
        let after = edge(bin_idx + 1).unwrap_or(&self.last);
        let start = bin_idx as u64 * self.width;
        let n_cycles = u128::from(self.width.min(self.end - start));
        let offset = u128::from(cycle - start);
        let (mut sum, mut passed) = (0_u128, 0);
        for (idx, total) in totals.iter_mut().enumerate() {
            sum += u128::from(after[idx] - before[idx]);
            let until_here = (sum * offset / n_cycles) as u64;
            *total = before[idx] + until_here - passed;
            passed = until_here;
        }
    }
}

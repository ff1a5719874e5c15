//! The history of one lane as sorted spans in bounded memory, with fast sums over any stretch of time.
//!
//! An engine appends to one of these per unit and reads the visible stretch back: exact spans where there are few, cycles per
//! activity and bin where there are many. Spans that have become too many are merged into bins, whose width doubles as the run
//! grows, so nothing is ever forgotten, only less sharp. The log knows nothing about what an activity means.

use crate::coarse_log::CoarseLog;
use crate::frame::{ActivityId, Bins, Lane, Span};

/// Spans after which a running total per activity is kept, so that a sum scans at most this many spans.
const CHECKPOINT_SPANS: usize = 64;

/// Exact spans that are kept: the newest ones. One takes 16 bytes, and its part of the running totals less than 2.
const MAX_EXACT_SPANS: usize = 1 << 19;

/// More spans than this in the visible stretch are returned as bins.
const MAX_SHOWN_SPANS: usize = 2_000;

/// Stands for a span without instruction.
const NO_PC: u32 = u32::MAX;

/// The beginning of a span, which ends where the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    start: u64,
    pc: u32,
    activity: ActivityId,
}

/// The history of one lane.
#[derive(Clone, Debug)]
pub struct LaneLog {
    /// What is older than the first exact span.
    coarse: CoarseLog,
    /// The exact spans. The last one is still growing.
    changes: Vec<Change>,
    /// Cycles per activity of all exact spans before span `i * CHECKPOINT_SPANS`, for every `i`, one group after the other.
    checkpoints: Vec<u64>,
    n_activities: usize,
    max_exact_spans: usize,
}

impl LaneLog {
    /// An empty log for activities `0..n_activities`, of which activity 0 means idle.
    pub fn new(n_activities: usize) -> Self {
        Self::with_limit(n_activities, MAX_EXACT_SPANS)
    }

    /// The same with at most so many exact spans, at least 4.
    pub(crate) fn with_limit(n_activities: usize, max_exact_spans: usize) -> Self {
        let mut log = Self {
            coarse: CoarseLog::new(n_activities),
            changes: Vec::new(),
            checkpoints: Vec::new(),
            n_activities,
            max_exact_spans: max_exact_spans.max(4),
        };
        log.push(0, ActivityId(0), NO_PC);
        log
    }

    /// First cycle of which the log still knows exact spans.
    pub fn exact_from(&self) -> u64 {
        self.coarse.end()
    }

    /// Width in cycles of the bins that hold everything before [`Self::exact_from`].
    pub fn coarse_width(&self) -> u64 {
        self.coarse.width()
    }

    /// Bytes that the log has allocated.
    pub fn memory_bytes(&self) -> usize {
        self.changes.capacity() * size_of::<Change>() + self.checkpoints.capacity() * 8 + self.coarse.memory_bytes()
    }

    /// Notes that from `cycle` on the lane does something else. `cycle` must not be before the last change.
    pub fn change(&mut self, cycle: u64, activity: ActivityId, pc: Option<u32>) {
        let pc = pc.unwrap_or(NO_PC);
        if let Some(last) = self.changes.last_mut() {
            if last.activity == activity && last.pc == pc {
                return;
            }
            if last.start >= cycle {
                (last.activity, last.pc) = (activity, pc);
                return;
            }
        }
        if self.changes.len() >= self.max_exact_spans {
            self.merge_oldest_quarter();
        }
        self.push(cycle, activity, pc);
    }

    /// Forgets everything from `cycle` on; the activity that was going on then is again the current one, if it is known exactly.
    pub fn truncate(&mut self, cycle: u64) {
        if cycle < self.exact_from() {
            self.coarse.truncate(cycle);
            self.changes.clear();
            self.checkpoints.clear();
            return self.push(cycle, ActivityId(0), NO_PC);
        }
        let n_kept = self.changes.partition_point(|change| change.start < cycle).max(1);
        self.changes.truncate(n_kept);
        self.checkpoints
            .truncate(n_kept.div_ceil(CHECKPOINT_SPANS) * self.n_activities);
    }

    /// The stretch `start..end` of a run that has reached cycle `now`: exact spans if there are few, else `n_bins` bins.
    pub fn lane(&self, start: u64, end: u64, now: u64, n_bins: usize) -> Lane {
        let n_visible = self.visible(start, end.min(now)).len();
        if n_visible > MAX_SHOWN_SPANS.min(n_bins.max(1)) || start.max(1) < self.exact_from() {
            return Lane::Bins(self.bins(start, end, now, n_bins));
        }
        Lane::Spans(self.spans(start, end, now).collect())
    }

    /// All exact spans that touch `start..end` of a run that has reached cycle `now`.
    pub fn spans(&self, start: u64, end: u64, now: u64) -> impl DoubleEndedIterator<Item = Span> + ExactSizeIterator {
        self.visible(start, end.min(now)).map(move |idx| self.span(idx, now))
    }

    /// The exact span at a cycle of a run that has reached cycle `now`.
    pub fn span_at(&self, cycle: u64, now: u64) -> Option<Span> {
        self.spans(cycle, cycle.saturating_add(1), now).next()
    }

    fn span(&self, idx: usize, now: u64) -> Span {
        let change = self.changes[idx];
        let next = self.changes.get(idx + 1);
        Span {
            start: change.start,
            end: next.map_or(now, |next| next.start.min(now)),
            activity: change.activity,
            pc: (change.pc != NO_PC).then_some(change.pc),
        }
    }

    /// Indices of the exact spans that touch `start..end`.
    fn visible(&self, start: u64, end: u64) -> std::ops::Range<usize> {
        if start >= end {
            return 0..0;
        }
        let behind = self.changes.partition_point(|change| change.start < end);
        let first = self.changes.partition_point(|change| change.start <= start);
        first.saturating_sub(1).min(behind)..behind
    }

    fn bins(&self, start: u64, end: u64, now: u64, n_bins: usize) -> Bins {
        let mut cycles = Vec::with_capacity(n_bins * self.n_activities);
        let width = u128::from(end - start);
        let (mut before, mut after) = (vec![0; self.n_activities], vec![0; self.n_activities]);
        self.totals_into(start.min(now), &mut before);
        for bin_idx in 1..=n_bins {
            let offset = width * bin_idx as u128 / n_bins as u128;
            let boundary = start + u64::try_from(offset).expect("a part of a u64 stretch fits u64");
            self.totals_into(boundary.min(now), &mut after);
            // Within a merged bin the sum is an estimate, which may be a cycle less than the one before.
            let part = after
                .iter()
                .zip(&before)
                .map(|(after, before)| after.saturating_sub(*before));
            cycles.extend(part);
            std::mem::swap(&mut before, &mut after);
        }
        Bins {
            n_bins,
            n_activities: self.n_activities,
            cycles,
        }
    }

    /// Cycles per activity from cycle 0 up to `cycle`.
    pub fn totals(&self, cycle: u64) -> Vec<u64> {
        let mut totals = vec![0; self.n_activities];
        self.totals_into(cycle, &mut totals);
        totals
    }

    fn totals_into(&self, cycle: u64, totals: &mut [u64]) {
        self.coarse.totals_into(cycle, totals);
        self.add_exact(cycle, totals);
    }

    /// Adds the cycles per activity of the exact spans up to `cycle`.
    fn add_exact(&self, cycle: u64, totals: &mut [u64]) {
        let behind = self.changes.partition_point(|change| change.start < cycle);
        let Some(last) = behind.checked_sub(1) else { return };
        let checkpoint = last / CHECKPOINT_SPANS;
        let sums = &self.checkpoints[checkpoint * self.n_activities..];
        totals.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        for idx in checkpoint * CHECKPOINT_SPANS..behind {
            let change = self.changes[idx];
            let end = self.changes.get(idx + 1).map_or(cycle, |next| next.start.min(cycle));
            totals[usize::from(change.activity.0)] += end - change.start;
        }
    }

    fn push(&mut self, start: u64, activity: ActivityId, pc: u32) {
        if self.changes.len().is_multiple_of(CHECKPOINT_SPANS) {
            let mut totals = vec![0; self.n_activities];
            self.add_exact(start, &mut totals);
            self.checkpoints.extend(totals);
        }
        self.changes.push(Change { start, pc, activity });
    }

    fn merge_oldest_quarter(&mut self) {
        let kept = self.changes.split_off(self.max_exact_spans / 4);
        let ends = self.changes.iter().skip(1).chain(&kept).map(|next| next.start);
        for (change, end) in self.changes.iter().zip(ends) {
            self.coarse.add(end, change.activity);
        }
        self.changes.clear();
        self.checkpoints.clear();
        for change in kept {
            self.push(change.start, change.activity, change.pc);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log in which activity 1 + (i % 2) starts at cycle 3 i, for `n` spans.
    fn alternating(n: u64) -> LaneLog {
        let mut log = LaneLog::new(3);
        for i in 0..n {
            log.change(3 * i, ActivityId(1 + (i % 2) as u8), Some(i as u32));
        }
        log
    }

    #[test]
    fn totals_equal_a_scan() {
        let log = alternating(1_000);
        for cycle in [0, 1, 3, 4, 191, 192, 193, 2_000, 2_999, 3_000] {
            let mut expected = vec![0; 3];
            for i in 0..cycle {
                expected[1 + ((i / 3) % 2) as usize] += 1;
            }
            assert_eq!(log.totals(cycle), expected, "at cycle {cycle}");
        }
    }

    #[test]
    fn few_spans_are_exact_and_end_now() {
        let log = alternating(10);
        let Lane::Spans(spans) = log.lane(4, 100, 28, 50) else {
            panic!("ten spans are few")
        };
        let span = |start, end, activity, pc| Span {
            start,
            end,
            activity: ActivityId(activity),
            pc: Some(pc),
        };
        assert_eq!(spans.first(), Some(&span(3, 6, 2, 1)));
        assert_eq!(spans.last(), Some(&span(27, 28, 2, 9)));
        assert_eq!(log.span_at(5, 28), Some(span(3, 6, 2, 1)));
        assert_eq!(log.span_at(6, 28), Some(span(6, 9, 1, 2)));
        assert_eq!(log.span_at(28, 28), None);
    }

    #[test]
    fn bins_conserve_cycles() {
        let log = alternating(5_000);
        let Lane::Bins(bins) = log.lane(100, 20_000, 14_000, 333) else {
            panic!("five thousand spans are many")
        };
        assert_eq!(bins.cycles.len(), 333 * 3);
        assert_eq!(bins.cycles.iter().sum::<u64>(), 14_000 - 100);
    }

    #[test]
    fn truncating_equals_never_having_gone_there() {
        for cycle in [0, 1, 2, 3, 190, 191, 192, 193, 500] {
            let mut log = alternating(400);
            log.truncate(cycle);
            let expected = alternating(cycle.div_ceil(3).max(1));
            assert_eq!(log.changes, expected.changes, "at cycle {cycle}");
            assert_eq!(log.checkpoints, expected.checkpoints, "at cycle {cycle}");
        }
    }

    #[test]
    fn memory_is_bounded_and_no_cycle_is_lost() {
        let n_spans = 5 * MAX_EXACT_SPANS as u64;
        let log = alternating(n_spans);
        assert!(log.changes.len() <= MAX_EXACT_SPANS);
        assert!(log.memory_bytes() < 12 << 20, "{} bytes", log.memory_bytes());
        assert!(log.exact_from() > 0);
        let end = 3 * n_spans;
        // Work of both kinds takes turns, so it is shared equally, exactly at the edges of bins and nearly within them.
        for cycle in [end, log.exact_from(), log.exact_from() / 2, 12_345] {
            let totals = log.totals(cycle);
            assert_eq!(totals.iter().sum::<u64>(), cycle, "{totals:?} at cycle {cycle}");
            assert!(totals[1].abs_diff(totals[2]) <= 6, "{totals:?} at cycle {cycle}");
        }
        let Lane::Bins(bins) = log.lane(0, end, end, 1_000) else {
            panic!("millions of spans are many")
        };
        assert_eq!(bins.cycles.iter().sum::<u64>(), end);
    }

    #[test]
    fn going_back_into_merged_bins_keeps_what_was_before() {
        let mut log = alternating(2 * MAX_EXACT_SPANS as u64);
        let cycle = log.exact_from() / 2;
        let before = log.totals(cycle);
        log.truncate(cycle);
        assert_eq!(log.totals(cycle), before);
        log.change(cycle + 10, ActivityId(2), None);
        assert_eq!(log.totals(cycle + 14).iter().sum::<u64>(), cycle + 14);
        assert_eq!(log.totals(cycle + 14)[2], before[2] + 4);
    }
}

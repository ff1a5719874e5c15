//! The history of one unit as sorted spans in bounded memory, with fast sums over any stretch of time.
//!
//! An engine appends to five of these and reads the visible stretch back: exact spans where there are few, cycles per
//! activity and bin where there are many. The log knows nothing about what an activity means.

use crate::frame::{ActivityId, Bins, Lane, Span};

/// Spans after which a running total per activity is kept, so that a sum scans at most this many spans.
const CHECKPOINT_SPANS: usize = 64;

/// Spans above which the oldest quarter is forgotten. One span takes 32 bytes.
const MAX_SPANS: usize = 1 << 20;

/// More spans than this in the visible stretch are returned as bins.
const MAX_EXACT_SPANS: usize = 2_000;

/// The history of one unit.
#[derive(Clone, Debug)]
pub struct LaneLog {
    /// Contiguous spans: each starts where the one before it ends. The last one is still growing.
    spans: Vec<Span>,
    /// Cycles per activity of all spans before span `i * CHECKPOINT_SPANS`, for every `i`.
    checkpoints: Vec<Vec<u64>>,
    n_activities: usize,
    recorded_from: u64,
}

impl LaneLog {
    /// An empty log for activities `0..n_activities`, of which activity 0 means idle.
    pub fn new(n_activities: usize) -> Self {
        let mut log = Self {
            spans: Vec::new(),
            checkpoints: Vec::new(),
            n_activities,
            recorded_from: 0,
        };
        log.restart(0, ActivityId(0), None);
        log
    }

    /// First cycle of which the log still knows something.
    pub fn recorded_from(&self) -> u64 {
        self.recorded_from
    }

    /// Notes that from `cycle` on the unit does something else. `cycle` must not be before the last change.
    pub fn change(&mut self, cycle: u64, activity: ActivityId, pc: Option<u32>) {
        let Some(last) = self.spans.last_mut() else {
            return self.restart(cycle, activity, pc);
        };
        if last.activity == activity && last.pc == pc {
            return;
        }
        if last.start >= cycle {
            (last.activity, last.pc) = (activity, pc);
            return;
        }
        last.end = cycle;
        self.push(Span {
            start: cycle,
            end: u64::MAX,
            activity,
            pc,
        });
        if self.spans.len() > MAX_SPANS {
            self.forget_oldest_quarter();
        }
    }

    /// Forgets everything from `cycle` on; the activity that was going on then is again the current one.
    pub fn truncate(&mut self, cycle: u64) {
        if cycle < self.recorded_from {
            return self.restart(cycle, ActivityId(0), None);
        }
        let n_kept = self.spans.partition_point(|span| span.start < cycle).max(1);
        self.spans.truncate(n_kept);
        self.checkpoints.truncate(n_kept.div_ceil(CHECKPOINT_SPANS));
        if let Some(last) = self.spans.last_mut() {
            last.end = u64::MAX;
        }
    }

    /// The stretch `start..end` of a run that has reached cycle `now`: exact spans if there are few, else `n_bins` bins.
    pub fn lane(&self, start: u64, end: u64, now: u64, n_bins: usize) -> Lane {
        let end_known = end.min(now);
        let first = self.spans.partition_point(|span| span.end <= start);
        let behind = self.spans.partition_point(|span| span.start < end_known);
        if behind.saturating_sub(first) > MAX_EXACT_SPANS.min(n_bins.max(1)) {
            return Lane::Bins(self.bins(start, end, now, n_bins));
        }
        let visible = self.spans.get(first..behind).unwrap_or(&[]);
        Lane::Spans(
            visible
                .iter()
                .map(|span| Span {
                    end: span.end.min(now),
                    ..*span
                })
                .collect(),
        )
    }

    fn bins(&self, start: u64, end: u64, now: u64, n_bins: usize) -> Bins {
        let mut bins = Bins {
            n_bins,
            n_activities: self.n_activities,
            cycles: Vec::new(),
        };
        bins.cycles.reserve(n_bins * self.n_activities);
        let width = u128::from(end - start);
        let mut before = self.totals(start.min(now));
        for bin_idx in 1..=n_bins {
            let offset = width * bin_idx as u128 / n_bins as u128;
            let boundary = start + u64::try_from(offset).expect("a part of a u64 stretch fits u64");
            let totals = self.totals(boundary.min(now));
            bins.cycles
                .extend(totals.iter().zip(&before).map(|(after, before)| after - before));
            before = totals;
        }
        bins
    }

    /// Cycles per activity from the beginning of the log up to `cycle`.
    pub fn totals(&self, cycle: u64) -> Vec<u64> {
        let behind = self.spans.partition_point(|span| span.start < cycle);
        let checkpoint = behind.saturating_sub(1) / CHECKPOINT_SPANS;
        let mut totals = self
            .checkpoints
            .get(checkpoint)
            .cloned()
            .unwrap_or_else(|| vec![0; self.n_activities]);
        for span in &self.spans[(checkpoint * CHECKPOINT_SPANS).min(behind)..behind] {
            totals[usize::from(span.activity.0)] += span.end.min(cycle) - span.start;
        }
        totals
    }

    fn restart(&mut self, cycle: u64, activity: ActivityId, pc: Option<u32>) {
        self.spans.clear();
        self.checkpoints.clear();
        self.recorded_from = cycle;
        self.push(Span {
            start: cycle,
            end: u64::MAX,
            activity,
            pc,
        });
    }

    fn push(&mut self, span: Span) {
        if self.spans.len().is_multiple_of(CHECKPOINT_SPANS) {
            let totals = self.totals(span.start);
            self.checkpoints.push(totals);
        }
        self.spans.push(span);
    }

    fn forget_oldest_quarter(&mut self) {
        let kept = self.spans.split_off(MAX_SPANS / 4);
        self.recorded_from = kept.first().map_or(0, |span| span.start);
        self.spans.clear();
        self.checkpoints.clear();
        for span in kept {
            self.push(span);
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
        assert_eq!(
            spans.first(),
            Some(&Span {
                start: 3,
                end: 6,
                activity: ActivityId(2),
                pc: Some(1)
            })
        );
        assert_eq!(
            spans.last(),
            Some(&Span {
                start: 27,
                end: 28,
                activity: ActivityId(2),
                pc: Some(9)
            })
        );
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
            assert_eq!(log.spans, expected.spans, "at cycle {cycle}");
            assert_eq!(log.checkpoints, expected.checkpoints, "at cycle {cycle}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let log = alternating(MAX_SPANS as u64 + 10);
        assert!(log.spans.len() <= MAX_SPANS);
        assert_eq!(log.recorded_from(), 3 * (MAX_SPANS as u64 / 4));
        assert_eq!(log.totals(log.recorded_from() + 3).iter().sum::<u64>(), 3);
    }
}

//! What is remembered of the values of a tensor: their extremes, and for percentiles a histogram. Both are of fixed size.

use super::{Range, RangeRule};

/// Bins of a histogram, half of them below zero.
const N_BINS: usize = 4096;

/// Remembers the values of one tensor over any number of inferences.
#[derive(Clone, Debug)]
pub struct Observer {
    rule: RangeRule,
    range: Range,
    histogram: Option<Histogram>,
}

impl Observer {
    /// An observer that has seen nothing.
    pub fn new(rule: RangeRule) -> Self {
        Self {
            rule,
            range: Range::EMPTY,
            histogram: None,
        }
    }

    /// Takes notice of values. A value that is no number makes the range unusable.
    pub fn observe(&mut self, values: &[f32]) {
        let mut seen = Range::of(values);
        if values.iter().any(|v| v.is_nan()) {
            seen.hi = f32::INFINITY;
        }
        self.range = self.range.union(seen);
        if matches!(self.rule, RangeRule::Percentile(_)) && self.range.is_usable() && !values.is_empty() {
            let magnitude = self.range.lo.abs().max(self.range.hi.abs());
            let histogram = self.histogram.get_or_insert_with(|| Histogram::up_to(magnitude));
            histogram.widen(magnitude);
            values.iter().for_each(|&v| histogram.add(v));
        }
    }

    /// The range that the rule makes of what was seen.
    pub fn range(&self) -> Range {
        match (self.rule, &self.histogram) {
            (RangeRule::Percentile(percent), Some(histogram)) if self.range.is_usable() => {
                let inner = histogram.percentile(percent);
                Range {
                    lo: inner.lo.max(self.range.lo),
                    hi: inner.hi.min(self.range.hi),
                }
            }
            _ => self.range,
        }
    }
}

/// Counts of values in equal bins over `-limit..limit`, where `limit` doubles when a value lies beyond it.
#[derive(Clone, Debug)]
struct Histogram {
    limit: f64,
    counts: Vec<u64>,
}

impl Histogram {
    fn up_to(magnitude: f32) -> Self {
        // The largest magnitude itself has to fall into the last bin.
        let limit = f64::from(magnitude) * 1.001;
        Self {
            limit: if limit > 0.0 { limit } else { 1e-30 },
            counts: vec![0; N_BINS],
        }
    }

    fn widen(&mut self, magnitude: f32) {
        while f64::from(magnitude) >= self.limit {
            self.limit *= 2.0;
            let mut wider = vec![0; N_BINS];
            for (pair, counts) in self.counts.chunks_exact(2).enumerate() {
                wider[N_BINS / 4 + pair] = counts.iter().sum();
            }
            self.counts = wider;
        }
    }

    fn add(&mut self, value: f32) {
        let bin = (f64::from(value) / self.limit + 1.0) / 2.0 * N_BINS as f64;
        self.counts[(bin.max(0.0) as usize).min(N_BINS - 1)] += 1;
    }

    /// The interval between the bins below and above which as many values lie as the percentage leaves out, half on either side.
    fn percentile(&self, percent: f32) -> Range {
        let total: u64 = self.counts.iter().sum();
        let outside = (total as f64 * (1.0 - f64::from(percent.clamp(0.0, 100.0)) / 100.0) / 2.0).floor() as u64;
        let edge = |bin: usize| ((bin as f64 / N_BINS as f64 * 2.0 - 1.0) * self.limit) as f32;
        let beyond = |counts: &mut dyn Iterator<Item = &u64>| {
            let mut sum = 0;
            counts
                .take_while(|&&count| {
                    sum += count;
                    sum <= outside
                })
                .count()
                .min(N_BINS - 1)
        };
        Range {
            lo: edge(beyond(&mut self.counts.iter())),
            hi: edge(N_BINS - beyond(&mut self.counts.iter().rev())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(rule: RangeRule, pieces: &[&[f32]]) -> Range {
        let mut observer = Observer::new(rule);
        pieces.iter().for_each(|values| observer.observe(values));
        observer.range()
    }

    #[test]
    fn extremes_are_kept_over_all_inferences() {
        let pieces: [&[f32]; 3] = [&[1.0, 2.0], &[], &[-3.0]];
        assert_eq!(observed(RangeRule::MinMax, &pieces), Range { lo: -3.0, hi: 2.0 });
    }

    #[test]
    fn a_percentile_leaves_out_what_is_rare() {
        let common: Vec<f32> = (0..10_000).map(|i| i as f32 / 10_000.0).collect();
        let outlier = [100.0];
        let range = observed(RangeRule::Percentile(99.9), &[&common, &outlier]);
        assert!(range.lo < 0.01 && range.hi > 0.9 && range.hi < 1.2, "{range:?}");
        let all = observed(RangeRule::Percentile(100.0), &[&common, &outlier]);
        assert!(all.hi > 99.9, "{all:?}");
    }

    #[test]
    fn the_order_of_inferences_does_not_matter_much() {
        let (small, large): (Vec<f32>, Vec<f32>) = (vec![0.01; 1000], (0..1000).map(|i| i as f32).collect());
        let rule = RangeRule::Percentile(99.0);
        let (a, b) = (observed(rule, &[&small, &large]), observed(rule, &[&large, &small]));
        assert!((a.hi - b.hi).abs() < 2.0, "{a:?} {b:?}");
    }

    #[test]
    fn what_is_no_number_is_not_hidden() {
        for rule in [RangeRule::MinMax, RangeRule::Percentile(99.0)] {
            assert!(!observed(rule, &[&[1.0, f32::NAN]]).is_usable());
            assert!(!observed(rule, &[&[f32::NEG_INFINITY]]).is_usable());
        }
    }
}

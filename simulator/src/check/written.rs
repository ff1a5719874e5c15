//! Which bytes of a memory have been written so far.

use crate::order::Footprint;
use std::collections::{BTreeMap, HashSet};

/// Irregular footprints that are remembered, to bound memory.
const MAX_REMEMBERED: usize = 1 << 16;

/// Written bytes as intervals that do not touch each other.
#[derive(Debug, Default)]
pub(super) struct Written {
    intervals: BTreeMap<i64, i64>,
    /// Footprints with holes that are known to be written; what is written stays so.
    remembered: HashSet<Footprint>,
}

impl Written {
    fn holds(&self, (start, end): (i64, i64)) -> bool {
        let before = self.intervals.range(..=start).next_back();
        before.is_some_and(|(_, &last)| last >= end)
    }

    fn insert(&mut self, (mut start, mut end): (i64, i64)) {
        if let Some((&first, &last)) = self.intervals.range(..=start).next_back()
            && last >= start
        {
            (start, end) = (first, end.max(last));
        }
        while let Some((&first, &last)) = self.intervals.range(start..=end).next() {
            end = end.max(last);
            self.intervals.remove(&first);
        }
        self.intervals.insert(start, end);
    }

    fn remember(&mut self, footprint: &Footprint) {
        if self.remembered.len() == MAX_REMEMBERED {
            self.remembered.clear();
        }
        self.remembered.insert(footprint.clone());
    }

    /// Notes a write.
    pub(super) fn add(&mut self, footprint: &Footprint) {
        if self.holds(footprint.span) || self.remembered.contains(footprint) {
            return;
        }
        let intervals = footprint.intervals();
        if intervals.len() > 1 {
            self.remember(footprint);
        }
        for interval in intervals {
            self.insert(interval);
        }
    }

    /// The first interval of a read in which a byte has not been written.
    pub(super) fn missing(&mut self, footprint: &Footprint) -> Option<(i64, i64)> {
        if self.holds(footprint.span) || self.remembered.contains(footprint) {
            return None;
        }
        let missing = footprint
            .intervals()
            .into_iter()
            .filter(|&interval| !self.holds(interval))
            .min();
        if missing.is_none() {
            self.remember(footprint);
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn intervals_equal_one_flag_per_byte(
            writes in prop::collection::vec((0i64..60, 1i64..12), 0..20),
            read in (0i64..70, 1i64..12),
        ) {
            let (mut written, mut bytes) = (Written::default(), [false; 100]);
            for (start, length) in writes {
                written.insert((start, start + length));
                bytes[start as usize..(start + length) as usize].fill(true);
            }
            let range = (read.0, read.0 + read.1);
            prop_assert_eq!(written.holds(range), (range.0..range.1).all(|at| bytes[at as usize]));
            let n_runs = (0..99).filter(|&at| bytes[at] && !bytes[at + 1]).count() + usize::from(bytes[99]);
            prop_assert_eq!(written.intervals.len(), n_runs);
        }
    }
}

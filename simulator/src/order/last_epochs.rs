//! For every byte the newest epoch in which one chain touched it: disjoint intervals in the order of their addresses.

use super::footprint::Span;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Last {
    end: i64,
    epoch: u64,
    pc: u32,
}

/// The map; what was touched before any epoch that still matters is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct LastEpochs {
    intervals: BTreeMap<i64, Last>,
    newest: u64,
}

impl LastEpochs {
    /// The newest epoch that it has ever held.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// Number of intervals.
    pub(crate) fn len(&self) -> usize {
        self.intervals.len()
    }

    /// Notes a touch, which is at least as new as all before.
    pub(crate) fn insert(&mut self, (start, end): Span, epoch: u64, pc: u32) {
        self.newest = self.newest.max(epoch);
        self.cut(start);
        self.cut(end);
        let covered: Vec<i64> = self.intervals.range(start..end).map(|(&start, _)| start).collect();
        for start in covered {
            self.intervals.remove(&start);
        }
        if let Some((_, before)) = self.intervals.range_mut(..start).next_back()
            && (before.end, before.epoch, before.pc) == (start, epoch, pc)
        {
            before.end = end;
            return;
        }
        self.intervals.insert(start, Last { end, epoch, pc });
    }

    /// Splits the interval that holds `at` in its inside.
    fn cut(&mut self, at: i64) {
        if let Some((_, last)) = self.intervals.range_mut(..at).next_back()
            && last.end > at
        {
            let rest = *last;
            last.end = at;
            self.intervals.insert(at, rest);
        }
    }

    /// The first byte of a range that was touched in an epoch after `known`, and the instruction that did.
    pub(crate) fn find(&self, (start, end): Span, known: u64) -> Option<(i64, u32)> {
        let before = self.intervals.range(..start).next_back();
        before
            .into_iter()
            .chain(self.intervals.range(start..end))
            .find(|(_, last)| last.end > start && last.epoch > known)
            .map(|(&first, last)| (first.max(start), last.pc))
    }

    /// Forgets epochs that everyone knows.
    pub(crate) fn forget(&mut self, known: u64) {
        self.intervals.retain(|_, last| last.epoch > known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_equals_one_epoch_per_byte(
            touches in prop::collection::vec((0i64..60, 1i64..20, 1u64..4), 1..40),
            query in (0i64..70, 1i64..20),
            known in 0u64..40,
        ) {
            let mut map = LastEpochs::default();
            let mut bytes = [(0u64, 0u32); 100];
            let mut epoch = 0;
            for (pc, (start, length, step)) in touches.into_iter().enumerate() {
                epoch += step;
                map.insert((start, start + length), epoch, pc as u32);
                bytes[start as usize..(start + length) as usize].fill((epoch, pc as u32));
            }
            let range = (query.0, query.0 + query.1);
            let expected = (range.0..range.1).find(|&at| bytes[at as usize].0 > known);
            prop_assert_eq!(map.find(range, known), expected.map(|at| (at, bytes[at as usize].1)));
        }
    }
}

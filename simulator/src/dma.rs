//! A DMA unit in time: it splits its descriptor into bursts and keeps a bounded number of them under way.

use crate::counts::EventCounts;
use crate::dram::{Dram, DramParameters};
use crate::order::Release;
use crate::work::{Dispatched, Work};
use std::collections::VecDeque;
use std::sync::Arc;
use systole_isa::{Descriptor, latency};

/// A transfer under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Transfer {
    pub(crate) dispatched: Dispatched,
    pub(crate) release: Release,
    pub(crate) started_at: u64,
    /// What it has done so far.
    pub(crate) counts: EventCounts,
    is_write: bool,
    /// Addresses of its bursts, in order.
    bursts: Arc<[u64]>,
    n_issued: usize,
    next_issue_at: u64,
    /// Completion cycles of issued bursts, ascending.
    outstanding: VecDeque<u64>,
}

/// Burst-aligned addresses that an `m` x `n` view touches, in order, without consecutive repeats; and the bytes of the view.
pub(crate) fn bursts_of(view: &Descriptor, m: u64, n: u64, burst_bytes: u64) -> (Vec<u64>, u64) {
    let bits = u64::from(view.format.bits());
    let (mut bursts, mut bytes) = (Vec::new(), 0);
    for row in 0..m {
        view.for_each_run(row, 0, n, |run| {
            let Some(first) = run.bit_address else { return };
            let first = first as u64;
            let end = first + u64::from(run.n_elements) * bits;
            bytes += view.format.bytes_from_elements(u64::from(run.n_elements));
            let mut burst = first / 8 / burst_bytes;
            while burst * burst_bytes * 8 < end {
                if bursts.last() != Some(&(burst * burst_bytes)) {
                    bursts.push(burst * burst_bytes);
                }
                burst += 1;
            }
        });
    }
    (bursts, bytes)
}

impl Transfer {
    pub(crate) fn begin(
        dispatched: Dispatched,
        release: Release,
        (bursts, bytes): (Vec<u64>, u64),
        is_write: bool,
        now: u64,
    ) -> Self {
        let mut counts = EventCounts::default();
        *(if is_write {
            &mut counts.dram_write_bytes
        } else {
            &mut counts.dram_read_bytes
        }) = bytes;
        let setup_cycles = match &*dispatched.work {
            Work::Sync => 1,
            _ => latency::DMA_SETUP_CYCLES,
        };
        Self {
            dispatched,
            release,
            started_at: now,
            counts,
            is_write,
            bursts: bursts.into(),
            n_issued: 0,
            next_issue_at: now + setup_cycles,
            outstanding: VecDeque::new(),
        }
    }

    /// The next cycle in which it issues a burst, retires one, or is done.
    pub(crate) fn next_event(&self, max_outstanding: usize) -> u64 {
        let retire = self.outstanding.front().copied();
        if self.n_issued == self.bursts.len() {
            return self.outstanding.back().copied().unwrap_or(self.next_issue_at);
        }
        match retire {
            Some(retire) if self.outstanding.len() >= max_outstanding => retire.max(self.next_issue_at),
            _ => self.next_issue_at,
        }
    }

    /// Issues and retires what is due in cycle `now`; true when the transfer is complete.
    pub(crate) fn advance(&mut self, dram: &mut Dram, p: &DramParameters, max_outstanding: usize, now: u64) -> bool {
        while self.outstanding.front().is_some_and(|&done| done <= now) {
            self.outstanding.pop_front();
        }
        if self.n_issued < self.bursts.len() && self.next_issue_at <= now && self.outstanding.len() < max_outstanding {
            let outcome = dram.burst(p, now, self.bursts[self.n_issued], self.is_write);
            self.n_issued += 1;
            self.next_issue_at = now + 1;
            let at = self.outstanding.partition_point(|&done| done <= outcome.done_at);
            self.outstanding.insert(at, outcome.done_at);
            *(if self.is_write {
                &mut self.counts.dram_write_bursts
            } else {
                &mut self.counts.dram_read_bursts
            }) += 1;
            *(if outcome.row_hit {
                &mut self.counts.dram_row_hits
            } else {
                &mut self.counts.dram_activates
            }) += 1;
        }
        self.n_issued == self.bursts.len() && self.outstanding.is_empty() && self.next_issue_at <= now
    }
}

//! Sums over windows of equal length, cut to the cycles of a trace.

use super::Window;
use crate::energy::share;
use std::collections::VecDeque;

/// Windows that begin at multiples of their length. Only those that may still receive something are held.
pub(super) struct Windows {
    /// First cycle that counts.
    from: u64,
    /// One past the last cycle that counts.
    to: u64,
    length: u64,
    pending: VecDeque<Window>,
    /// Start of the window behind the pending ones.
    next_start: u64,
}

impl Windows {
    pub(super) fn new(from: u64, to: u64, length: u64) -> Self {
        Self {
            from,
            to,
            length: length.max(1),
            pending: VecDeque::new(),
            next_start: from,
        }
    }

    pub(super) fn n_pending(&self) -> usize {
        self.pending.len()
    }

    fn grow_until(&mut self, end: u64) {
        while self.next_start < end.min(self.to) {
            let stop = (self.next_start / self.length + 1)
                .saturating_mul(self.length)
                .min(self.to);
            self.pending.push_back(Window {
                start: self.next_start,
                end: stop,
                dram_bytes: 0,
                energy_fj: 0,
            });
            self.next_start = stop;
        }
    }

    /// Spreads what passes in cycles `start..end` evenly; what falls outside the trace is left out.
    pub(super) fn spread(&mut self, start: u64, end: u64, dram_bytes: u64, energy_fj: u64) {
        let whole = start..end.max(start + 1);
        let (first, last) = (whole.start.max(self.from), whole.end.min(self.to));
        if first >= last {
            return;
        }
        self.grow_until(last);
        let origin = self.pending.front().map_or(0, |front| front.start / self.length);
        let n_before = (first / self.length).saturating_sub(origin) as usize;
        for window in self.pending.iter_mut().skip(n_before) {
            let part = window.start.max(first)..window.end.min(last);
            if part.is_empty() {
                break;
            }
            window.dram_bytes += share(dram_bytes, &whole, &part);
            window.energy_fj += share(energy_fj, &whole, &part);
        }
    }

    /// Takes the oldest window if it ends before `settled`.
    pub(super) fn pop_before(&mut self, settled: u64) -> Option<Window> {
        if self.pending.is_empty() {
            self.grow_until(self.next_start.saturating_add(1).min(settled));
        }
        let is_settled = self.pending.front().is_some_and(|window| window.end < settled);
        if is_settled { self.pending.pop_front() } else { None }
    }

    /// First cycle of the oldest window that is held, or of the one to come.
    pub(super) fn first_pending(&self) -> u64 {
        self.pending.front().map_or(self.next_start, |window| window.start)
    }

    /// Takes all windows of a trace that ends with `end`. What the last instruction of a run does counts for the cycle before its end.
    pub(super) fn take_until(&mut self, end: u64) -> Vec<Window> {
        self.grow_until(end);
        let mut windows: Vec<Window> = self.pending.drain(..).collect();
        while windows.len() > 1 && windows.last().is_some_and(|last| last.start >= end) {
            let late = windows.pop().expect("there is more than one");
            let last = windows.last_mut().expect("there was more than one");
            last.dram_bytes += late.dram_bytes;
            last.energy_fj += late.energy_fj;
        }
        if let Some(last) = windows.last_mut() {
            last.end = last.end.min(end).max(last.start);
        }
        windows
    }
}

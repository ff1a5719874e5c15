//! Amounts over time (bytes, energy) in bounded memory: windows at several widths, the narrow ones for the newest cycles only.
//!
//! What an instruction did is spread evenly over its cycles once it is complete. Each level has windows four times as wide as the
//! level before and reaches four times as far back. The profile does not know what its amounts measure.

use std::collections::VecDeque;

/// Width of the narrowest windows, in cycles.
const FIRST_WIDTH: u64 = 16;

/// Levels; the widest windows have 2^32 cycles.
const N_LEVELS: usize = 15;

/// Windows kept per level.
const MAX_WINDOWS: usize = 2_048;

/// Completed instructions that can be taken back exactly.
const MAX_NOTED: usize = 16_384;

/// Amounts of `N` kinds over time.
#[derive(Clone, Debug)]
pub struct Profile<const N: usize> {
    levels: Vec<Level<N>>,
    /// The newest amounts, in the order of their ends.
    noted: VecDeque<Noted<N>>,
    /// Whether something has been added that is no longer noted.
    has_forgotten: bool,
    /// What lies before this cycle has been counted for every instruction that is still to come.
    floor: u64,
}

#[derive(Clone, Debug)]
struct Noted<const N: usize> {
    start: u64,
    end: u64,
    amounts: [u64; N],
}

#[derive(Clone, Debug)]
struct Level<const N: usize> {
    width: u64,
    /// Index of the first window that is kept; window `i` covers `i * width..(i + 1) * width`.
    first: u64,
    windows: VecDeque<[u64; N]>,
}

/// Amounts per window of one stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows<const N: usize> {
    /// Width of a window in cycles.
    pub width: u64,
    /// First cycle of the first window, a multiple of the width.
    pub start: u64,
    /// First cycle that has not passed yet; it may lie within the last window.
    pub end: u64,
    /// Amounts of each window.
    pub amounts: Vec<[u64; N]>,
}

impl<const N: usize> Windows<N> {
    /// First cycle of a window and first cycle behind it.
    pub fn cycles(&self, window_idx: usize) -> (u64, u64) {
        let start = self.start + window_idx as u64 * self.width;
        (start, (start + self.width).min(self.end))
    }
}

impl<const N: usize> Default for Profile<N> {
    fn default() -> Self {
        let level = |idx: usize| Level {
            width: FIRST_WIDTH << (2 * idx),
            first: 0,
            windows: VecDeque::new(),
        };
        Self {
            levels: (0..N_LEVELS).map(level).collect(),
            noted: VecDeque::new(),
            has_forgotten: false,
            floor: 0,
        }
    }
}

impl<const N: usize> Profile<N> {
    /// Bytes that the profile has allocated.
    pub fn memory_bytes(&self) -> usize {
        let windows: usize = self.levels.iter().map(|level| level.windows.capacity()).sum();
        windows * size_of::<[u64; N]>() + self.noted.capacity() * size_of::<Noted<N>>()
    }

    /// Spreads the amounts of an instruction over its cycles `start..end`. Ends must not go backwards.
    pub fn add(&mut self, start: u64, end: u64, amounts: [u64; N]) {
        if amounts == [0; N] {
            return;
        }
        let noted = Noted { start, end, amounts };
        for level in &mut self.levels {
            level.spread(&noted, self.floor, |sum, part| *sum += part);
        }
        if self.noted.len() == MAX_NOTED {
            self.noted.pop_front();
            self.has_forgotten = true;
        }
        self.noted.push_back(noted);
    }

    /// Takes back what became known in cycle `cycle` or later.
    pub fn truncate(&mut self, cycle: u64) {
        while let Some(noted) = self.noted.pop_back_if(|noted| noted.end >= cycle) {
            for level in &mut self.levels {
                level.spread(&noted, self.floor, |sum, part| *sum -= part);
            }
        }
        let is_complete = !self.noted.is_empty() || !self.has_forgotten;
        if is_complete && cycle >= self.floor {
            return;
        }
        // Further back than what is noted: the instructions under way at `cycle` have been counted up to it already.
        self.noted.clear();
        self.floor = cycle;
        for level in &mut self.levels {
            level.cut(cycle);
        }
    }

    /// The stretch `start..end` of a run that has reached cycle `now`, in at most `n_windows + 2` windows.
    pub fn windows(&self, start: u64, end: u64, now: u64, n_windows: usize) -> Windows<N> {
        let end = end.min(now);
        let n_windows = (n_windows as u64).max(1);
        let fits = |level: &&Level<N>| end.saturating_sub(start) / level.width <= n_windows && level.reaches(start);
        let Some(level) = self.levels.iter().find(fits).or(self.levels.last()) else {
            return Windows::default();
        };
        let first = start / level.width;
        let behind = end.div_ceil(level.width).max(first);
        Windows {
            width: level.width,
            start: first * level.width,
            end,
            amounts: (first..behind).map(|window| level.at(window)).collect(),
        }
    }
}

impl<const N: usize> Level<N> {
    fn reaches(&self, cycle: u64) -> bool {
        self.first == 0 || cycle / self.width >= self.first
    }

    fn at(&self, window: u64) -> [u64; N] {
        let idx = window.checked_sub(self.first).and_then(|idx| usize::try_from(idx).ok());
        idx.and_then(|idx| self.windows.get(idx)).copied().unwrap_or([0; N])
    }

    /// Makes room for a window and forgets the oldest ones.
    fn grow(&mut self, window: u64) {
        let oldest = (window + 1).saturating_sub(MAX_WINDOWS as u64);
        while self.first < oldest && self.windows.pop_front().is_some() {
            self.first += 1;
        }
        if self.windows.is_empty() {
            self.first = self.first.max(oldest);
        }
        while self.first + (self.windows.len() as u64) <= window {
            self.windows.push_back([0; N]);
        }
    }

    /// Applies the share of every window that is kept. The shares of windows sum to the whole.
    fn spread(&mut self, noted: &Noted<N>, floor: u64, apply: impl Fn(&mut u64, u64)) {
        let (start, end) = (noted.start, noted.end.max(noted.start + 1));
        let last = (end - 1) / self.width;
        self.grow(last);
        let n_cycles = u128::from(end - start);
        let mut at = start.max(floor).max(self.first * self.width);
        while at < end {
            let window = at / self.width;
            let until = ((window + 1) * self.width).min(end);
            let sums = &mut self.windows[(window - self.first) as usize];
            for (sum, amount) in sums.iter_mut().zip(noted.amounts).filter(|(_, amount)| *amount > 0) {
                let passed = |cycle: u64| (u128::from(amount) * u128::from(cycle - start) / n_cycles) as u64;
                apply(sum, passed(until) - passed(at));
            }
            at = until;
        }
    }

    /// Forgets what lies in cycle `cycle` or later; of the window around it the part before stays.
    fn cut(&mut self, cycle: u64) {
        let window = cycle / self.width;
        let n_kept = (window + 1).saturating_sub(self.first).min(MAX_WINDOWS as u64);
        self.windows.truncate(n_kept as usize);
        if n_kept == 0 {
            self.first = window;
        }
        let idx = window.checked_sub(self.first).and_then(|idx| usize::try_from(idx).ok());
        if let Some(sums) = idx.and_then(|idx| self.windows.get_mut(idx)) {
            for sum in sums {
                let part = u128::from(*sum) * u128::from(cycle % self.width) / u128::from(self.width);
                *sum = part as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(n: u64) -> Profile<2> {
        let mut profile = Profile::default();
        for i in 0..n {
            profile.add(i * 40, i * 40 + 1 + i % 300, [100 + i % 7, i % 2]);
        }
        profile
    }

    fn sums(windows: &Windows<2>) -> [u64; 2] {
        let of = |idx: usize| windows.amounts.iter().map(|amounts| amounts[idx]).sum();
        [of(0), of(1)]
    }

    #[test]
    fn every_level_holds_everything_that_it_reaches() {
        let profile = filled(500);
        let expected = [(0..500).map(|i| 100 + i % 7).sum(), 250];
        for n_windows in [1, 3, 20, 100, 1_000, 10_000] {
            let windows = profile.windows(0, 30_000, 30_000, n_windows);
            assert_eq!(sums(&windows), expected, "in {n_windows} windows");
            assert!(windows.amounts.len() <= n_windows + 2);
        }
    }

    #[test]
    fn old_cycles_are_less_sharp_and_memory_is_bounded() {
        let profile = filled(200_000);
        let now = 200_000 * 40;
        assert_eq!(profile.windows(now - 800, now, now, 100).width, 16);
        let old = profile.windows(0, 800, now, 100);
        assert!(old.width > 1_000, "{}", old.width);
        assert!(profile.memory_bytes() < 4 << 20, "{} bytes", profile.memory_bytes());
    }

    #[test]
    fn going_back_and_forth_changes_nothing() {
        let straight = filled(900);
        let mut again = filled(900);
        again.truncate(30_000);
        let cycle = 30_000;
        for i in (0..900).filter(|i| i * 40 + 1 + i % 300 >= cycle) {
            again.add(i * 40, i * 40 + 1 + i % 300, [100 + i % 7, i % 2]);
        }
        for n_windows in [10, 500, 5_000] {
            let now = 40_000;
            assert_eq!(
                again.windows(0, now, now, n_windows),
                straight.windows(0, now, now, n_windows)
            );
        }
    }

    #[test]
    fn going_back_further_than_noted_counts_nothing_twice() {
        let mut profile = filled(40_000);
        // One instruction is under way at the cycle that time goes back to.
        let cycle = 1_000;
        profile.truncate(cycle);
        let kept = sums(&profile.windows(0, cycle, cycle, 1))[0];
        profile.add(900, 1_100, [200, 0]);
        let after = sums(&profile.windows(0, 1_100, 1_100, 1))[0];
        assert_eq!(after - kept, 100, "only the half behind the cycle is new");
    }
}

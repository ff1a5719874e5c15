//! Power over time in windows of equal length.

use super::{EnergyModel, share};
use crate::observer::{Event, Observer};
use systole_isa::Femtojoules;

/// Most windows of a power profile; when they are used up, neighbours merge and the window doubles.
const MAX_WINDOWS: usize = 4096;
const FIRST_WINDOW_CYCLES: u64 = 256;

/// Energy over time. An observer: the energy of an instruction is spread evenly over its cycles, and what passes whatever happens is
/// added when it is read. However windows merge, they sum to the energy of the run.
#[derive(Clone, Debug)]
pub struct PowerProfile {
    model: EnergyModel,
    window_cycles: u64,
    windows_fj: Vec<u64>,
    /// One past the last cycle seen.
    end: u64,
}

/// Energy of cycles `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerWindow {
    /// First cycle.
    pub start: u64,
    /// One past the last cycle.
    pub end: u64,
    /// Everything that passed, leakage, clock and DRAM background included.
    pub energy: Femtojoules,
}

impl PowerProfile {
    /// An empty profile.
    pub fn new(model: EnergyModel) -> Self {
        Self {
            model,
            window_cycles: FIRST_WINDOW_CYCLES,
            windows_fj: Vec::new(),
            end: 0,
        }
    }

    /// Length of a window in cycles.
    pub fn window_cycles(&self) -> u64 {
        self.window_cycles
    }

    /// Energy of events per window, without what passes whatever happens.
    pub fn windows_fj(&self) -> &[u64] {
        &self.windows_fj
    }

    /// All energy per window, up to the end of the run; the last window may be shorter. What the last instruction does in the cycle of
    /// the end counts for the cycle before.
    pub fn windows(&self) -> Vec<PowerWindow> {
        let idle_until = |cycle: u64| self.model.of_cycles(cycle).total().0;
        let n_windows = self.end.div_ceil(self.window_cycles).max(1) as usize;
        (0..n_windows)
            .map(|index| {
                let start = index as u64 * self.window_cycles;
                let end = (start + self.window_cycles).min(self.end);
                let events = match index + 1 == n_windows {
                    true => self.windows_fj.iter().skip(index).sum(),
                    false => self.windows_fj.get(index).copied().unwrap_or(0),
                };
                PowerWindow {
                    start,
                    end,
                    energy: Femtojoules(events + idle_until(end) - idle_until(start)),
                }
            })
            .collect()
    }

    /// The largest power over one whole window in watts, or over the run if it is shorter than a window.
    pub fn peak_w(&self) -> f64 {
        let windows = self.windows();
        let is_whole = |window: &&PowerWindow| window.end - window.start == self.window_cycles || windows.len() == 1;
        windows
            .iter()
            .filter(is_whole)
            .map(|window| self.model.watts(window.energy, window.end - window.start))
            .fold(0.0, f64::max)
    }

    fn add(&mut self, start: u64, end: u64, energy_fj: u64) {
        while end.div_ceil(self.window_cycles) as usize > MAX_WINDOWS {
            self.windows_fj = self.windows_fj.chunks(2).map(|pair| pair.iter().sum()).collect();
            self.window_cycles *= 2;
        }
        let whole = start..end.max(start + 1);
        let mut at = start;
        let first = (start / self.window_cycles) as usize;
        if let Some(window) = self.windows_fj.get_mut(first)
            && whole.end <= (first as u64 + 1) * self.window_cycles
        {
            *window += energy_fj;
            return;
        }
        while at < whole.end {
            let window = at / self.window_cycles;
            let until = ((window + 1) * self.window_cycles).min(whole.end);
            let window = window as usize;
            if self.windows_fj.len() <= window {
                self.windows_fj.resize(window + 1, 0);
            }
            self.windows_fj[window] += share(energy_fj, &whole, &(at..until));
            at = until;
        }
    }
}

impl Observer for PowerProfile {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Completed { start, end, counts, .. } => {
                self.add(*start, *end, self.model.of_events(counts).total().0);
            }
            Event::Span { end, .. } => self.end = self.end.max(*end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use systole_isa::machine::preset;

    #[test]
    fn a_profile_keeps_every_femtojoule_however_often_windows_merge() {
        let machine = preset("edge16x16").unwrap();
        let mut profile = PowerProfile::new(EnergyModel::of(&machine));
        let mut sum = 0;
        for i in 0..20_000u64 {
            let energy = 1_000 + i * 7;
            profile.add(i * 900, i * 900 + 1 + i % 3000, energy);
            sum += energy;
        }
        profile.end = 20_000 * 900;
        assert_eq!(profile.windows_fj().iter().sum::<u64>(), sum);
        assert!(profile.windows_fj().len() <= MAX_WINDOWS);
        let all: u64 = profile.windows().iter().map(|window| window.energy.0).sum();
        assert_eq!(all, sum + profile.model.of_cycles(profile.end).total().0);
    }
}

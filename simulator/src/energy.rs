//! Energy and power, derived from counts.

use crate::counts::EventCounts;
use crate::observer::{Event, Observer};
use serde::Serialize;
use systole_isa::dram::DramEnergy;
use systole_isa::energy::EventEnergy;
use systole_isa::{Femtojoules, MachineDescription};

/// A quantity by component of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Components<T> {
    /// Multiply-accumulates.
    pub mac: T,
    /// Scratchpad accesses.
    pub spm: T,
    /// Accumulator accesses.
    pub acc: T,
    /// DRAM commands, input-output, refresh and background.
    pub dram: T,
    /// Vector lanes.
    pub vector: T,
    /// Instruction fetch and dispatch.
    pub control: T,
    /// Leakage and the clock of idle PEs.
    pub leakage: T,
}

/// Energy by component.
pub type EnergyBreakdown = Components<Femtojoules>;

impl<T: Copy> Components<T> {
    /// Names and quantities.
    pub fn entries(&self) -> [(&'static str, T); 7] {
        [
            ("mac", self.mac),
            ("spm", self.spm),
            ("acc", self.acc),
            ("dram", self.dram),
            ("vector", self.vector),
            ("control", self.control),
            ("leakage", self.leakage),
        ]
    }
}

impl EnergyBreakdown {
    /// All components together.
    pub fn total(&self) -> Femtojoules {
        self.entries().into_iter().map(|(_, energy)| energy).sum()
    }

    /// The same in picojoules, for reports.
    pub fn picojoules(&self) -> Components<f64> {
        Components {
            mac: self.mac.picojoules(),
            spm: self.spm.picojoules(),
            acc: self.acc.picojoules(),
            dram: self.dram.picojoules(),
            vector: self.vector.picojoules(),
            control: self.control.picojoules(),
            leakage: self.leakage.picojoules(),
        }
    }
}

/// What events and cycles cost on one machine.
#[derive(Clone, Copy, Debug)]
pub struct EnergyModel {
    events: EventEnergy,
    dram: DramEnergy,
    burst_bits: u64,
    n_ranks: u64,
    clock_mhz: u64,
    refresh_interval_ps: u64,
}

impl EnergyModel {
    /// The model of a machine.
    pub fn of(machine: &MachineDescription) -> Self {
        let timing = machine.dram.standard.timing();
        Self {
            events: EventEnergy::of(machine),
            dram: machine.dram.standard.energy(),
            burst_bits: machine.dram.standard.organization().burst_bytes * 8,
            n_ranks: u64::from(machine.dram.n_channels) * u64::from(machine.dram.n_ranks),
            clock_mhz: u64::from(machine.clock_mhz),
            refresh_interval_ps: timing.refi * timing.clock_ps,
        }
    }

    /// Energy of events alone.
    pub fn of_events(&self, counts: &EventCounts) -> EnergyBreakdown {
        let (e, dram) = (&self.events, &self.dram);
        let bursts = counts.dram_read_bursts + counts.dram_write_bursts;
        EnergyBreakdown {
            mac: Femtojoules((counts.macs - counts.gated_macs) * e.mac_fj + counts.gated_macs * e.gated_mac_fj),
            spm: Femtojoules((counts.spm_read_bytes + counts.spm_write_bytes) * e.spm_byte_fj),
            acc: Femtojoules((counts.acc_reads + counts.acc_writes) * e.acc_access_fj),
            dram: Femtojoules(
                counts.dram_activates * dram.activate_fj.value
                    + counts.dram_read_bursts * dram.read_fj.value
                    + counts.dram_write_bursts * dram.write_fj.value
                    + bursts * self.burst_bits * dram.io_fj_per_bit.value,
            ),
            vector: Femtojoules(counts.vector_ops * e.vector_op_fj),
            control: Femtojoules(counts.instructions * e.instruction_fj),
            leakage: Femtojoules(0),
        }
    }

    /// Energy that passes whatever happens: leakage and clock of the chip, refresh of the DRAM and its background with rows open.
    pub fn of_cycles(&self, cycles: u64) -> EnergyBreakdown {
        let (cycles, clock_mhz) = (u128::from(cycles), u128::from(self.clock_mhz));
        // 1 uW over one microsecond is 1 pJ, that is 1000 fJ; a cycle lasts 1/clock_mhz microseconds.
        let background = cycles * u128::from(self.dram.active_uw.value) * 1000 / clock_mhz;
        let refresh = cycles * u128::from(self.dram.refresh_fj.value) * 1_000_000
            / (clock_mhz * u128::from(self.refresh_interval_ps));
        EnergyBreakdown {
            dram: Femtojoules((u128::from(self.n_ranks) * (background + refresh)) as u64),
            leakage: Femtojoules((cycles * u128::from(self.events.idle_cycle_fj)) as u64),
            ..EnergyBreakdown::default()
        }
    }

    /// Energy of events and of the cycles in which they happened.
    pub fn total(&self, counts: &EventCounts, cycles: u64) -> EnergyBreakdown {
        let (events, time) = (self.of_events(counts), self.of_cycles(cycles));
        EnergyBreakdown {
            dram: events.dram + time.dram,
            leakage: time.leakage,
            ..events
        }
    }
}

/// Most windows of a power profile; when they are used up, neighbours merge and the window doubles.
const MAX_WINDOWS: usize = 4096;
const FIRST_WINDOW_CYCLES: u64 = 256;

/// Dynamic energy over time in windows of equal length. An observer; the energy of an instruction is spread evenly over its cycles.
#[derive(Clone, Debug)]
pub struct PowerProfile {
    model: EnergyModel,
    window_cycles: u64,
    windows_fj: Vec<u64>,
}

impl PowerProfile {
    /// An empty profile.
    pub fn new(model: EnergyModel) -> Self {
        Self {
            model,
            window_cycles: FIRST_WINDOW_CYCLES,
            windows_fj: Vec::new(),
        }
    }

    /// Length of a window.
    pub fn window_cycles(&self) -> u64 {
        self.window_cycles
    }

    /// Dynamic energy per window.
    pub fn windows_fj(&self) -> &[u64] {
        &self.windows_fj
    }

    /// The largest power over one whole window, idle power included, in watts.
    pub fn peak_w(&self) -> f64 {
        let idle_fj = self.model.of_cycles(self.window_cycles).total().0;
        let peak_fj = self.windows_fj.iter().max().copied().unwrap_or(0) + idle_fj;
        // 1 fJ per microsecond is 1 nW.
        peak_fj as f64 * 1e-9 * self.model.clock_mhz as f64 / self.window_cycles as f64
    }

    fn add(&mut self, start: u64, end: u64, energy_fj: u64) {
        while end.div_ceil(self.window_cycles) as usize > MAX_WINDOWS {
            self.windows_fj = self.windows_fj.chunks(2).map(|pair| pair.iter().sum()).collect();
            self.window_cycles *= 2;
        }
        let duration = (end - start).max(1);
        let (mut at, mut given) = (start, 0);
        while at < start + duration {
            let window = at / self.window_cycles;
            let until = ((window + 1) * self.window_cycles).min(start + duration);
            let share = (u128::from(energy_fj) * u128::from(until - start) / u128::from(duration)) as u64 - given;
            let window = window as usize;
            if self.windows_fj.len() <= window {
                self.windows_fj.resize(window + 1, 0);
            }
            self.windows_fj[window] += share;
            given += share;
            at = until;
        }
    }
}

impl Observer for PowerProfile {
    fn event(&mut self, event: &Event) {
        if let Event::Completed { start, end, counts, .. } = event {
            self.add(*start, *end, self.model.of_events(counts).total().0);
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
        assert_eq!(profile.windows_fj().iter().sum::<u64>(), sum);
        assert!(profile.windows_fj().len() <= MAX_WINDOWS);
    }

    #[test]
    fn doubling_every_count_doubles_the_energy_of_events() {
        let model = EnergyModel::of(&preset("mid32x32").unwrap());
        let once = EventCounts {
            macs: 900,
            gated_macs: 100,
            dram_read_bursts: 7,
            vector_ops: 5,
            ..Default::default()
        };
        let mut twice = once;
        twice.add(&once);
        assert_eq!(model.of_events(&twice).total().0, 2 * model.of_events(&once).total().0);
        assert_eq!(model.of_events(&once).leakage.0, 0);
    }
}

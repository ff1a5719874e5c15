//! Energy and power, derived from counts.
//!
//! Two parts that never mix: what events cost ([`EnergyModel::of_events`], proportional to the counts) and what passes with time whatever
//! happens ([`EnergyModel::of_cycles`], a function of elapsed cycles alone). `docs/energy.md` derives every formula.

mod profile;
mod summary;

pub use profile::{PowerProfile, PowerWindow};
pub use summary::{AreaSummary, EnergySummary, SourceSetSummary};

use crate::counts::EventCounts;
use serde::Serialize;
use std::ops::Range;
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
    /// The clock of the PEs, which runs in every cycle.
    pub clock: T,
    /// Leakage of PEs and on-chip memories.
    pub leakage: T,
}

/// Energy by component.
pub type EnergyBreakdown = Components<Femtojoules>;

impl<T: Copy> Components<T> {
    /// Names and quantities.
    pub fn entries(&self) -> [(&'static str, T); 8] {
        [
            ("mac", self.mac),
            ("spm", self.spm),
            ("acc", self.acc),
            ("dram", self.dram),
            ("vector", self.vector),
            ("control", self.control),
            ("clock", self.clock),
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
            clock: self.clock.picojoules(),
            leakage: self.leakage.picojoules(),
        }
    }
}

/// Energies end at 18 kJ, where 64 bits do.
fn femtojoules(amount: u128) -> Femtojoules {
    Femtojoules(u64::try_from(amount).unwrap_or(u64::MAX))
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

    /// Energy of events alone, proportional to their counts.
    pub fn of_events(&self, counts: &EventCounts) -> EnergyBreakdown {
        let e = &self.events;
        EnergyBreakdown {
            mac: self.of_macs(counts),
            spm: Femtojoules(counts.spm_read_bytes * e.spm_read_byte_fj + counts.spm_write_bytes * e.spm_write_byte_fj),
            acc: Femtojoules(counts.acc_reads * e.acc_read_fj + counts.acc_writes * e.acc_write_fj),
            dram: self.of_dram_commands(counts),
            vector: Femtojoules(counts.vector_ops * e.vector_op_fj),
            control: Femtojoules(counts.instructions * e.instruction_fj),
            clock: Femtojoules(0),
            leakage: Femtojoules(0),
        }
    }

    /// Energy of DRAM commands: activates, bursts inside the devices, and input-output per bit on the bus.
    fn of_dram_commands(&self, counts: &EventCounts) -> Femtojoules {
        let dram = &self.dram;
        let bursts = counts.dram_read_bursts + counts.dram_write_bursts;
        Femtojoules(
            counts.dram_activates * dram.activate_fj.value
                + counts.dram_read_bursts * dram.read_fj.value
                + counts.dram_write_bursts * dram.write_fj.value
                + bursts * self.burst_bits * dram.io_fj_per_bit.value,
        )
    }

    /// Energy of multiply-accumulates by their operands' widths.
    fn of_macs(&self, counts: &EventCounts) -> Femtojoules {
        if counts.macs == 0 {
            return Femtojoules(0);
        }
        let (all, gated) = (&counts.macs_by_width.0, &counts.gated_by_width.0);
        let of_class = |class: usize| {
            let (full_fj, gated_fj) = (self.events.mac_fj[class], self.events.gated_mac_fj[class]);
            (all[class] - gated[class]) * full_fj + gated[class] * gated_fj
        };
        Femtojoules((0..all.len()).map(of_class).sum())
    }

    /// Energy that passes whatever happens: leakage and clock of the chip, background and refresh of the DRAM.
    pub fn of_cycles(&self, cycles: u64) -> EnergyBreakdown {
        let (cycles, clock_mhz) = (u128::from(cycles), u128::from(self.clock_mhz));
        // A cycle lasts 1/clock_mhz microseconds, and 1 nW over one microsecond is 1 fJ.
        let leakage = cycles * u128::from(self.events.leakage_nw) / clock_mhz;
        EnergyBreakdown {
            dram: self.of_dram_time(cycles),
            clock: femtojoules(cycles * u128::from(self.events.clock_cycle_fj)),
            leakage: femtojoules(leakage),
            ..EnergyBreakdown::default()
        }
    }

    /// Refresh of all DRAM ranks, and their background with rows open, over so many core cycles.
    fn of_dram_time(&self, cycles: u128) -> Femtojoules {
        let clock_mhz = u128::from(self.clock_mhz);
        let background = cycles * u128::from(self.dram.active_uw.value) * 1000 / clock_mhz;
        let refresh = cycles * u128::from(self.dram.refresh_fj.value) * 1_000_000
            / (clock_mhz * u128::from(self.refresh_interval_ps));
        femtojoules(u128::from(self.n_ranks) * (background + refresh))
    }

    /// Energy of events and of the cycles in which they happened.
    pub fn total(&self, counts: &EventCounts, cycles: u64) -> EnergyBreakdown {
        let (events, time) = (self.of_events(counts), self.of_cycles(cycles));
        EnergyBreakdown {
            dram: events.dram + time.dram,
            clock: time.clock,
            leakage: time.leakage,
            ..events
        }
    }

    /// Watts of an energy that passes within so many cycles; 0 for none.
    pub fn watts(&self, energy: Femtojoules, cycles: u64) -> f64 {
        // 1 fJ per microsecond is 1 nW.
        if cycles == 0 {
            return 0.0;
        }
        energy.0 as f64 * 1e-9 * self.clock_mhz as f64 / cycles as f64
    }
}

/// The share of `amount`, spread evenly over the cycles of `whole`, that falls on `part` of them. Shares of parts that follow each other
/// sum to the share of their union, so nothing is lost however `whole` is cut.
pub(crate) fn share(amount: u64, whole: &Range<u64>, part: &Range<u64>) -> u64 {
    let until = |cycle: u64| {
        let n_cycles = cycle.clamp(whole.start, whole.end) - whole.start;
        let whole_cycles = (whole.end - whole.start).max(1);
        match amount.checked_mul(n_cycles) {
            Some(product) => product / whole_cycles,
            None => (u128::from(amount) * u128::from(n_cycles) / u128::from(whole_cycles)) as u64,
        }
    };
    until(part.end) - until(part.start)
}

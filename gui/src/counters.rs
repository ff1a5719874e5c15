//! The machine's counters as rows of the counters panel. Amounts are the simulator's counts; shares and rates are
//! defined as in its report.

use crate::format::Quantity;
use crate::frame::Counter;
use std::sync::Arc;
use systole_isa::Femtojoules;
use systole_isa::throughput::PE_TIME_PARTS;
use systole_simulator::Machine;
use systole_simulator::energy::EnergyModel;

/// All counters of a machine, group after group.
pub(crate) fn counters(machine: &Machine) -> Vec<Counter> {
    let description = Arc::clone(machine.description());
    let counts = machine.counts();
    let cycles = machine.now();
    let seconds = cycles as f64 / (f64::from(description.clock_mhz) * 1e6);
    let per_second = |amount: f64| if cycles == 0 { 0.0 } else { amount / seconds };
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let energy = EnergyModel::of(&description).total(&counts, cycles);
    let total = energy.total();
    let dram_bytes = counts.dram_read_bytes + counts.dram_write_bytes;
    let bursts = counts.dram_read_bursts + counts.dram_write_bursts;
    let pe_time = cycles * description.peak_macs_per_cycle() * PE_TIME_PARTS;

    let mut rows = Rows {
        group: "Work",
        ..Rows::default()
    };
    rows.add("Instructions", Quantity::Count(counts.instructions));
    rows.add("Multiply-accumulates", Quantity::Count(counts.macs));
    rows.add(
        "  with a zero operand",
        Quantity::Share(share(counts.gated_macs, counts.macs)),
    );
    rows.add("Array utilization", Quantity::Share(share(counts.mac_pe_time, pe_time)));
    rows.add("Vector operations", Quantity::Count(counts.vector_ops));
    rows.group = "DRAM";
    rows.add("Read", Quantity::Bytes(counts.dram_read_bytes));
    rows.add("Written", Quantity::Bytes(counts.dram_write_bytes));
    rows.add("Bandwidth", Quantity::BytesPerSecond(per_second(dram_bytes as f64)));
    rows.add("Row hits", Quantity::Share(share(counts.dram_row_hits, bursts)));
    rows.group = "On-chip memory";
    rows.add("Scratchpad read", Quantity::Bytes(counts.spm_read_bytes));
    rows.add("Scratchpad written", Quantity::Bytes(counts.spm_write_bytes));
    rows.add("Scratchpad peak", Quantity::Bytes(machine.spm_peak_bytes()));
    rows.add("Accumulators read", Quantity::Count(counts.acc_reads));
    rows.add("Accumulators written", Quantity::Count(counts.acc_writes));
    rows.group = "Energy";
    rows.add("Total", Quantity::Femtojoules(total.0));
    for (name, Femtojoules(amount)) in energy.entries() {
        rows.add(&format!("  {name}"), Quantity::Femtojoules(amount));
    }
    rows.add("Average power", Quantity::Watts(per_second(total.0 as f64 * 1e-15)));
    rows.rows
}

#[derive(Default)]
struct Rows {
    group: &'static str,
    rows: Vec<Counter>,
}

impl Rows {
    fn add(&mut self, name: &str, value: Quantity) {
        self.rows.push(Counter {
            group: self.group,
            name: name.to_owned(),
            value,
        });
    }
}

//! Operating point of a chip and what leaks at it.

use super::sram::SramFigures;
use super::{Node, Sourced, area};
use crate::diagnostic::Diagnostic;
use crate::machine::MachineDescription;
use crate::operand::choice;
use serde::{Deserialize, Serialize};

choice! {
    /// Class of transistors, which decides what leaks.
    pub enum Transistors: 2 {
        /// ITRS low standby power: slow and tight.
        LowStandbyPower = 0 "low_standby_power",
        /// ITRS high performance: fast and leaky, by three to four and a half orders of magnitude.
        HighPerformance = 1 "high_performance",
    }
}

/// Supply voltage and transistors; the clock is the machine's `clock_mhz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatingPoint {
    /// Supply voltage in millivolts; the node's nominal one if left out. Dynamic energy grows with its square, leakage power linearly.
    #[serde(default)]
    pub voltage_mv: Option<u32>,
    /// Class of transistors.
    #[serde(default = "low_standby_power")]
    pub transistors: Transistors,
}

fn low_standby_power() -> Transistors {
    Transistors::LowStandbyPower
}

impl Default for OperatingPoint {
    fn default() -> Self {
        Self {
            voltage_mv: None,
            transistors: low_standby_power(),
        }
    }
}

/// Lowest and highest voltage over the nominal one, in percent, between which the square law is used.
const VOLTAGE_PERCENT: (u32, u32) = (60, 130);

impl OperatingPoint {
    /// Supply voltage in millivolts.
    pub fn voltage_mv(&self, node: Node) -> u32 {
        self.voltage_mv.unwrap_or(nominal_mv(node).value as u32)
    }

    /// Supply voltage over the nominal one.
    pub fn relative_voltage(&self, node: Node) -> f64 {
        f64::from(self.voltage_mv(node)) / nominal_mv(node).value
    }

    /// Why the figures do not hold at this point, if they do not.
    pub(crate) fn problem(&self, node: Node) -> Option<Diagnostic> {
        let nominal = nominal_mv(node).value as u32;
        let (lo, hi) = (nominal * VOLTAGE_PERCENT.0 / 100, nominal * VOLTAGE_PERCENT.1 / 100);
        let voltage_mv = self.voltage_mv?;
        (voltage_mv < lo || voltage_mv > hi).then(|| {
            Diagnostic::error(
                "H0010",
                format!("`power.voltage_mv` is {voltage_mv}, which is outside {lo}..={hi}"),
            )
            .because(format!(
                "the nominal voltage at {node} is {nominal} mV, and the square law holds around it"
            ))
            .help(format!(
                "choose `power.voltage_mv` between {lo} and {hi}, or leave it out"
            ))
        })
    }
}

/// Nominal supply voltage of a node in millivolts, at which its energies are given.
pub const fn nominal_mv(node: Node) -> Sourced {
    const ASSUMED: &str =
        "assumed: usual supply of foundry processes of the node; the sources of the energies state none";
    let (value, source) = match node {
        Node::N45 => (900.0, "Horowitz, ISSCC 2014, Fig. 1.1.9 (45 nm, 0.9 V)"),
        Node::N28 => (900.0, ASSUMED),
        Node::N16 => (800.0, ASSUMED),
        Node::N7 => (700.0, ASSUMED),
    };
    Sourced { value, source }
}

/// Leakage power of a chip at the nominal voltage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakageFigures {
    /// On-chip memory, in microwatts per MiB.
    pub sram_uw_per_mib: Sourced,
    /// One PE, in microwatts.
    pub pe_uw: Sourced,
}

const SRAM_LSTP: &str = "CACTI 7, itrs-lstp, 300 K, 1 MiB with a 64-bit port; below 32 nm by node interpolation";
const SRAM_HP: &str = "CACTI 7, itrs-hp, 350 K, 1 MiB with a 64-bit port; below 32 nm by node interpolation";
const PE_LSTP: &str = "Aladdin tables (40 nm): 8-bit share of a 32-bit multiplier, a 32-bit adder and 48 register bits; other nodes as SRAM leakage";
const PE_HP: &str = "derived: leakage per area as in SRAM of the same node and transistors (CACTI 7, itrs-hp, 350 K), times the area of a PE";

impl LeakageFigures {
    /// The figures of a node.
    pub fn of(node: Node, transistors: Transistors) -> Self {
        let (sram, sram_source, pe, pe_source) = match transistors {
            Transistors::LowStandbyPower => {
                let (sram, pe) = match node {
                    Node::N45 => (25.0, 9.0),
                    Node::N28 => (80.3, 28.9),
                    Node::N16 => (92.9, 33.4),
                    Node::N7 => (61.45, 22.1),
                };
                (sram, SRAM_LSTP, pe, PE_LSTP)
            }
            Transistors::HighPerformance => {
                let sram = match node {
                    Node::N45 => 982_356.0,
                    Node::N28 => 248_887.0,
                    Node::N16 => 94_816.0,
                    Node::N7 => 62_713.0,
                };
                let per_mm2 = sram / SramFigures::of(node).area_mm2_per_mib.value;
                (sram, SRAM_HP, per_mm2 * area::pe_mm2(node), PE_HP)
            }
        };
        Self {
            sram_uw_per_mib: Sourced {
                value: sram,
                source: sram_source,
            },
            pe_uw: Sourced {
                value: pe,
                source: pe_source,
            },
        }
    }
}

/// Leakage power of PEs and memories in nanowatts, at the machine's voltage.
pub fn leakage_nw(machine: &MachineDescription) -> u64 {
    let figures = LeakageFigures::of(machine.node, machine.power.transistors);
    let n_pes = f64::from(machine.rows) * f64::from(machine.cols);
    let sram_mib = f64::from(machine.spm.capacity_kib + machine.acc.capacity_kib) / 1024.0;
    let nominal_uw = n_pes * figures.pe_uw.value + sram_mib * figures.sram_uw_per_mib.value;
    (nominal_uw * 1000.0 * machine.power.relative_voltage(machine.node)).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_lie_three_to_four_and_a_half_orders_apart_in_memories() {
        for &node in Node::ALL {
            let of = |class| LeakageFigures::of(node, class).sram_uw_per_mib.value;
            let orders = (of(Transistors::HighPerformance) / of(Transistors::LowStandbyPower)).log10();
            assert!((3.0..=4.6).contains(&orders), "{node}: {orders}");
        }
    }
}

//! Energy figures of the chip: what one event costs at a technology node, and what leaks per cycle.
//!
//! Only counts live in a machine's state; energy is derived from them here when it is read. Every figure names its source. The
//! figures come from several studies whose assumptions differ; [`figures`] says how far each set may be from the truth.

pub mod area;
pub mod figures;
pub mod power;
pub mod sram;

pub use area::{area_by_component, area_mm2};
pub use power::{OperatingPoint, Transistors};

use crate::machine::{MachineDescription, Sram};
use crate::operand::choice;
use crate::throughput::FormatPair;

choice! {
    /// A technology node.
    pub enum Node: 2 {
        /// 45 nm, 0.9 V.
        N45 = 0 "45nm",
        /// 28 nm.
        N28 = 1 "28nm",
        /// 16 nm.
        N16 = 2 "16nm",
        /// 7 nm.
        N7 = 3 "7nm",
    }
}

/// A number and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sourced {
    /// The number, in the unit that the field's documentation gives.
    pub value: f64,
    /// Its source.
    pub source: &'static str,
}

const HOROWITZ: &str = "Horowitz, ISSCC 2014, Fig. 1.1.9 (45 nm, 0.9 V)";
const TPUV4I: &str = "Jouppi et al., TPUv4i, ISCA 2021, Table 2 (7 nm)";
const INTERPOLATED: &str =
    "log-log interpolation in the node between Horowitz, ISSCC 2014 (45 nm) and TPUv4i, ISCA 2021 (7 nm)";
const POWER_LAW: &str = "power law in bits through the 8- and 32-bit multipliers of the same sources (exponent 1.98 at 45 nm, 2.20 at 7 nm), log-log interpolation in the node";
const GATED_RATIO: f64 = 0.047;
const IDLE_RATIO: f64 = 0.030;

/// Energy per operation at a node and its nominal voltage; memories have [`sram::SramFigures`], leakage [`power::LeakageFigures`].
#[derive(Clone, Copy, Debug)]
pub struct EnergyTable {
    /// One 8 x 8 bit multiply with 32-bit accumulate, in pJ.
    pub mac_pj: Sourced,
    /// Multipliers alone, for two operands of 1, 2, 4, 8 and 16 bits, in pJ, and where the figures come from.
    pub multiply_pj: ([f64; 5], &'static str),
    /// One 32-bit multiply and 32-bit add of a vector lane, in pJ.
    pub vector_op_pj: Sourced,
}

/// Capacity of the instruction memory whose read every instruction pays for, in KiB.
pub const INSTRUCTION_MEMORY_KIB: f64 = 16.0;

impl Node {
    /// The energy table of the node.
    pub const fn table(self) -> EnergyTable {
        let (mac, vector, source) = match self {
            Self::N45 => (0.3, 3.2, HOROWITZ),
            Self::N28 => (0.2266, 2.53, INTERPOLATED),
            Self::N16 => (0.16282, 1.99, INTERPOLATED),
            Self::N7 => (0.1, 1.51, TPUV4I),
        };
        let multiply = match self {
            Self::N45 => [0.00328, 0.0129, 0.0508, 0.2, 0.7874],
            Self::N28 => [0.00223, 0.00912, 0.03736, 0.15303, 0.6268],
            Self::N16 => [0.00141, 0.00606, 0.026, 0.1116, 0.47895],
            Self::N7 => [0.00072, 0.00331, 0.01522, 0.07, 0.32187],
        };
        EnergyTable {
            mac_pj: Sourced { value: mac, source },
            multiply_pj: (multiply, POWER_LAW),
            vector_op_pj: Sourced { value: vector, source },
        }
    }
}

/// Classes of multiply-accumulates by energy: the product of the operands' widths in bits is `1 << class`.
pub const N_MAC_CLASSES: usize = 9;

/// The class of a pair of formats of at most 16 bits.
pub const fn mac_class(pair: FormatPair) -> usize {
    let class = (pair.weights.bits() * pair.activations.bits()).ilog2() as usize;
    if class < N_MAC_CLASSES {
        class
    } else {
        N_MAC_CLASSES - 1
    }
}

impl EnergyTable {
    /// One multiply with 32-bit accumulate by [`mac_class`], in pJ. An odd class lies between two square multipliers and costs their
    /// geometric mean, as the power law has it. Every product pays for a whole 32-bit addition, even where neighbours that share a PE
    /// are added in a cheaper tree first; so figures of narrow pairs are upper bounds.
    pub fn mac_pj_of_class(&self, class: usize) -> f64 {
        let (multiply, _) = self.multiply_pj;
        let add = self.mac_pj.value - multiply[3];
        add + (multiply[class / 2] * multiply[class.div_ceil(2)]).sqrt()
    }
}

/// What one event costs on one machine, in femtojoules, and what a cycle costs whatever happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventEnergy {
    /// A multiply-accumulate with two operands that are not zero, by [`mac_class`].
    pub mac_fj: [u64; N_MAC_CLASSES],
    /// A multiply-accumulate whose multiplier is gated because an operand is zero, by [`mac_class`]: 4.7 % of a full one.
    pub gated_mac_fj: [u64; N_MAC_CLASSES],
    /// Reading one byte of the scratchpad.
    pub spm_read_byte_fj: u64,
    /// Writing one byte of the scratchpad.
    pub spm_write_byte_fj: u64,
    /// Reading one 32-bit accumulator.
    pub acc_read_fj: u64,
    /// Writing one 32-bit accumulator.
    pub acc_write_fj: u64,
    /// One operation of one vector lane.
    pub vector_op_fj: u64,
    /// Fetching and dispatching one instruction.
    pub instruction_fj: u64,
    /// The clock of all PEs in one cycle, whether they work or not: 3.0 % of a multiply-accumulate each. The energy of a
    /// multiply-accumulate is that of its datapath and does not hold it.
    pub clock_cycle_fj: u64,
    /// Leakage of PEs and memories in nanowatts.
    pub leakage_nw: u64,
}

impl EventEnergy {
    /// The figures of a machine at its voltage.
    pub fn of(machine: &MachineDescription) -> Self {
        let table = machine.node.table();
        let memories = sram::SramFigures::of(machine.node);
        let square = machine.power.relative_voltage(machine.node).powi(2);
        let fj = |pj: f64| (pj * 1000.0 * square).round() as u64;
        let n_pes = f64::from(machine.rows) * f64::from(machine.cols);
        let per_bits = |access_pj: f64, sram: &Sram, bits: f64| fj(access_pj * bits / f64::from(sram.access_bits));
        let (spm, acc) = (&machine.spm, &machine.acc);
        let instructions = Sram {
            capacity_kib: INSTRUCTION_MEMORY_KIB as u32,
            access_bits: 64,
        };
        Self {
            mac_fj: std::array::from_fn(|class| fj(table.mac_pj_of_class(class))),
            gated_mac_fj: std::array::from_fn(|class| fj(table.mac_pj_of_class(class) * GATED_RATIO)),
            spm_read_byte_fj: per_bits(memories.read_access_pj(spm), spm, 8.0),
            spm_write_byte_fj: per_bits(memories.write_access_pj(spm), spm, 8.0),
            acc_read_fj: per_bits(memories.read_access_pj(acc), acc, 32.0),
            acc_write_fj: per_bits(memories.write_access_pj(acc), acc, 32.0),
            vector_op_fj: fj(table.vector_op_pj.value),
            instruction_fj: fj(2.0 * memories.read_access_pj(&instructions)),
            clock_cycle_fj: fj(n_pes * table.mac_pj.value * IDLE_RATIO),
            leakage_nw: power::leakage_nw(machine),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ElementFormat;

    #[test]
    fn narrow_multiplies_cost_less_and_bytes_what_the_source_says() {
        for &node in Node::ALL {
            let table = node.table();
            let costs: Vec<f64> = (0..N_MAC_CLASSES).map(|class| table.mac_pj_of_class(class)).collect();
            assert!(costs.is_sorted(), "{node}: {costs:?}");
            assert!((costs[6] - table.mac_pj.value).abs() < 1e-12, "{node}: {costs:?}");
        }
        // Horowitz, ISSCC 2014, 45 nm: 0.1 pJ for a 32-bit addition, and the power law's 4-bit multiply.
        assert!((Node::N45.table().mac_pj_of_class(4) - 0.1508).abs() < 1e-9);
        let pair = FormatPair {
            weights: ElementFormat::I4,
            activations: ElementFormat::U8,
        };
        assert_eq!(mac_class(pair), 5);
    }
}

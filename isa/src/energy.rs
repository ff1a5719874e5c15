//! Energy figures of the chip: what one event costs at a technology node, and what leaks per cycle.
//!
//! Only counts live in a machine's state; energy is derived from them here when it is read. Every figure names its source. The
//! figures come from several studies whose assumptions differ, so totals are good to about a factor of two.

use crate::machine::MachineDescription;
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
const SRAM_LEAKAGE: &str =
    "CACTI 7, low-standby-power transistors, 1 MiB with a 64-bit port; 28 to 7 nm by node interpolation";
const PE_LEAKAGE: &str = "Aladdin tables (40 nm): 8-bit share of a 32-bit multiplier, a 32-bit adder and 48 register bits; other nodes as SRAM leakage";

/// Energy per event and leakage power of a node.
#[derive(Clone, Copy, Debug)]
pub struct EnergyTable {
    /// One 8 x 8 bit multiply with 32-bit accumulate, in pJ.
    pub mac_pj: Sourced,
    /// Multipliers alone, for two operands of 1, 2, 4, 8 and 16 bits, in pJ, and where the figures come from.
    pub multiply_pj: ([f64; 5], &'static str),
    /// One 32-bit multiply and 32-bit add of a vector lane, in pJ.
    pub vector_op_pj: Sourced,
    /// Energy of a 64-bit read of a 1 KiB SRAM, in pJ; grows with capacity to the power [`SRAM_EXPONENT`].
    pub sram_base_pj: Sourced,
    /// Leakage of SRAM in microwatts per MiB.
    pub sram_leakage_uw_per_mib: Sourced,
    /// Leakage of one PE in microwatts.
    pub pe_leakage_uw: Sourced,
}

/// Power of the capacity in KiB by which the energy of an SRAM access grows (fit to CACTI 7, up to 29 % off).
pub const SRAM_EXPONENT: f64 = 0.55;
/// Capacity of the instruction memory whose read every instruction pays for, in KiB.
pub const INSTRUCTION_MEMORY_KIB: f64 = 16.0;

impl Node {
    /// The energy table of the node.
    pub const fn table(self) -> EnergyTable {
        let sram_fit = "fit to CACTI 7 (2.0 pJ * KiB^0.55 per 64 bits at 45 nm) and node ratios 0.88, 0.42, 0.28";
        let (mac, vector, sram, leakage, pe_leakage, source) = match self {
            Self::N45 => (0.3, 3.2, 2.0, 25.0, 9.0, HOROWITZ),
            Self::N28 => (0.2266, 2.53, 1.76, 80.3, 28.9, INTERPOLATED),
            Self::N16 => (0.16282, 1.99, 0.84, 92.9, 33.4, INTERPOLATED),
            Self::N7 => (0.1, 1.51, 0.56, 61.45, 22.1, TPUV4I),
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
            sram_base_pj: Sourced {
                value: sram,
                source: sram_fit,
            },
            sram_leakage_uw_per_mib: Sourced {
                value: leakage,
                source: SRAM_LEAKAGE,
            },
            pe_leakage_uw: Sourced {
                value: pe_leakage,
                source: PE_LEAKAGE,
            },
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

/// Area of one PE at 45 nm in square micrometres: an 8-bit multiplier (282), a 32-bit adder (137; both Horowitz, ISSCC 2014, as
/// reproduced in Hennessy and Patterson, 6th edition, Fig. 1.13) and 48 register bits (5.98 each, Aladdin tables, 40 nm).
const PE_AREA_UM2: f64 = 282.0 + 137.0 + 48.0 * 5.98;

/// Area estimate in square millimetres: PEs, scratchpad and accumulators. SRAM area per MiB is CACTI 7's with a 64-bit port, by node
/// interpolation below 32 nm; logic shrinks by the same ratio. Sequencer, vector unit, DMA and wiring are left out.
pub fn area_mm2(machine: &MachineDescription) -> f64 {
    let sram_mm2_per_mib = match machine.node {
        Node::N45 => 3.26283,
        Node::N28 => 1.301564,
        Node::N16 => 0.566152,
        Node::N7 => 0.247692,
    };
    let logic_shrink = sram_mm2_per_mib / 3.26283;
    let n_pes = f64::from(machine.rows) * f64::from(machine.cols);
    let sram_mib = f64::from(machine.spm.capacity_kib + machine.acc.capacity_kib) / 1024.0;
    n_pes * PE_AREA_UM2 * 1e-6 * logic_shrink + sram_mib * sram_mm2_per_mib
}

/// What one event costs on one machine, in femtojoules, and what a cycle costs whatever happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventEnergy {
    /// A multiply-accumulate with two operands that are not zero, by [`mac_class`].
    pub mac_fj: [u64; N_MAC_CLASSES],
    /// A multiply-accumulate whose multiplier is gated because an operand is zero, by [`mac_class`]: 4.7 % of a full one.
    pub gated_mac_fj: [u64; N_MAC_CLASSES],
    /// Reading or writing one byte of the scratchpad.
    pub spm_byte_fj: u64,
    /// Reading or writing one 32-bit accumulator.
    pub acc_access_fj: u64,
    /// One operation of one vector lane.
    pub vector_op_fj: u64,
    /// Fetching and dispatching one instruction.
    pub instruction_fj: u64,
    /// Leakage of PEs and memories and the clock of idle PEs (3.0 % of a multiply-accumulate each), per cycle.
    pub idle_cycle_fj: u64,
}

impl EventEnergy {
    /// The figures of a machine.
    pub fn of(machine: &MachineDescription) -> Self {
        let table = machine.node.table();
        let sram_pj = |kib: f64| table.sram_base_pj.value * kib.powf(SRAM_EXPONENT);
        let fj = |pj: f64| (pj * 1000.0).round() as u64;
        let n_pes = f64::from(machine.rows) * f64::from(machine.cols);
        let sram_mib = f64::from(machine.spm.capacity_kib + machine.acc.capacity_kib) / 1024.0;
        let leakage_uw = n_pes * table.pe_leakage_uw.value + sram_mib * table.sram_leakage_uw_per_mib.value;
        // 1 uW for one microsecond is 1 pJ; a cycle lasts 1/clock_mhz microseconds.
        let leakage_pj = leakage_uw / f64::from(machine.clock_mhz);
        Self {
            mac_fj: std::array::from_fn(|class| fj(table.mac_pj_of_class(class))),
            gated_mac_fj: std::array::from_fn(|class| fj(table.mac_pj_of_class(class) * GATED_RATIO)),
            spm_byte_fj: fj(sram_pj(f64::from(machine.spm.capacity_kib)) / 8.0),
            acc_access_fj: fj(sram_pj(f64::from(machine.acc.capacity_kib)) / 2.0),
            vector_op_fj: fj(table.vector_op_pj.value),
            instruction_fj: fj(2.0 * sram_pj(INSTRUCTION_MEMORY_KIB)),
            idle_cycle_fj: fj(leakage_pj + n_pes * table.mac_pj.value * IDLE_RATIO),
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

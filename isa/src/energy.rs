//! Energy figures of the chip: what one event costs at a technology node, and what leaks per cycle.
//!
//! Only counts live in a machine's state; energy is derived from them here when it is read. Every figure names its source. The
//! figures come from several studies whose assumptions differ, so totals are good to about a factor of two.

use crate::machine::MachineDescription;
use crate::operand::choice;

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
        EnergyTable {
            mac_pj: Sourced { value: mac, source },
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
    /// A multiply-accumulate with two operands that are not zero.
    pub mac_fj: u64,
    /// A multiply-accumulate whose multiplier is gated because an operand is zero: 4.7 % of a full one.
    pub gated_mac_fj: u64,
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
            mac_fj: fj(table.mac_pj.value),
            gated_mac_fj: fj(table.mac_pj.value * GATED_RATIO),
            spm_byte_fj: fj(sram_pj(f64::from(machine.spm.capacity_kib)) / 8.0),
            acc_access_fj: fj(sram_pj(f64::from(machine.acc.capacity_kib)) / 2.0),
            vector_op_fj: fj(table.vector_op_pj.value),
            instruction_fj: fj(2.0 * sram_pj(INSTRUCTION_MEMORY_KIB)),
            idle_cycle_fj: fj(leakage_pj + n_pes * table.mac_pj.value * IDLE_RATIO),
        }
    }
}

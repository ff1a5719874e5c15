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

/// Energy per operation at a node and its nominal voltage; memories have [`sram::SramFigures`], leakage [`power::LeakageFigures`].
#[derive(Clone, Copy, Debug)]
pub struct EnergyTable {
    /// One 8 x 8 bit multiply with 32-bit accumulate, in pJ.
    pub mac_pj: Sourced,
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
        EnergyTable {
            mac_pj: Sourced { value: mac, source },
            vector_op_pj: Sourced { value: vector, source },
        }
    }
}

/// What one event costs on one machine, in femtojoules, and what a cycle costs whatever happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventEnergy {
    /// A multiply-accumulate with two operands that are not zero.
    pub mac_fj: u64,
    /// A multiply-accumulate whose multiplier is gated because an operand is zero: 4.7 % of a full one.
    pub gated_mac_fj: u64,
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
            mac_fj: fj(table.mac_pj.value),
            gated_mac_fj: fj(table.mac_pj.value * GATED_RATIO),
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

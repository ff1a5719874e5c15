//! Every figure that a machine's energy rests on, with unit, source and the set of sources that it shares an uncertainty with.

use super::power::{LeakageFigures, nominal_mv};
use super::sram::{READ_EXPONENT, READ_WIDTH_EXPONENT, SramFigures, WRITE_EXPONENT, WRITE_WIDTH_EXPONENT};
use super::{GATED_RATIO, IDLE_RATIO, Node, Sourced};
use crate::machine::MachineDescription;
use serde::Serialize;

/// Figures whose sources share their assumptions, and how far they may be from the truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SourceSet {
    /// Name for reports.
    pub name: &'static str,
    /// The truth may be as small as this times the figure.
    pub low: f64,
    /// The truth may be as large as this times the figure.
    pub high: f64,
    /// What the bounds rest on.
    pub why: &'static str,
}

/// Arithmetic, vector lanes and the clock of PEs.
pub const fn logic_set(_: Node) -> SourceSet {
    SourceSet {
        name: "logic: Horowitz ISSCC 2014 and TPUv4i ISCA 2021",
        low: 0.8,
        high: 2.5,
        why: "lower: 0.084 pJ of accelforge's TPUv4i model against 0.100 pJ here; upper: 2.20 pJ of Accelergy's 16-bit MAC with registers against 0.89 pJ here",
    }
}

/// On-chip memories and the instruction memory.
pub const fn sram_set(node: Node) -> SourceSet {
    let (high, why) = match node {
        Node::N45 => (
            1.6,
            "lower: error of the fit; upper: Horowitz, ISSCC 2014, 8 KiB: 10 pJ against 6.3 pJ here",
        ),
        Node::N28 | Node::N16 => (
            3.7,
            "lower: error of the fit; upper: between the 1.6 at 45 nm and the 8.5 at 7 nm, no published figure at this node",
        ),
        Node::N7 => (
            8.5,
            "lower: error of the fit; upper: TPUv4i, ISCA 2021, 8 KiB: 7.5 pJ against 0.88 pJ here (1 MiB: 14 against 12.7 pJ)",
        ),
    };
    SourceSet {
        name: "sram: CACTI 7",
        low: 0.7,
        high,
        why,
    }
}

/// Leakage.
pub const fn leakage_set(_: Node) -> SourceSet {
    SourceSet {
        name: "leakage: CACTI 7 and Aladdin",
        low: 0.3,
        high: 3.0,
        why: "judgement: temperature and process corner within one class of transistors; the class itself moves memories by 3.0 to 4.6 orders of magnitude",
    }
}

/// Off-chip memory.
pub const fn dram_set(_: Node) -> SourceSet {
    SourceSet {
        name: "dram: IDD values and published I/O energies",
        low: 0.7,
        high: 3.5,
        why: "published energies per bit of one standard differ: DDR3 20.3 to 70 pJ, DDR4 20.3 to 40.6 pJ, HBM2 3.9 to 7.0 pJ (13.1 pJ with its controller)",
    }
}

/// A figure of a machine's energy model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What it is.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// Where it comes from.
    pub source: &'static str,
}

const RATIO_SOURCE: &str =
    "Accelergy tutorial (45 nm, Aladdin estimator, 16-bit MAC): 2.20035 pJ random, 0.10285 pJ gated, 0.06595 pJ idle";
const EXPONENT_SOURCE: &str = "fit to CACTI 7 at 45 and 22 nm, 0.5 KiB to 8 MiB, 32 to 256 bits";
const INSTRUCTION_SOURCE: &str = "assumed: the compiled digits program fits; two 64-bit reads fetch an instruction";

/// All figures of the chip. Those of the DRAM stand with its standard.
pub fn figures(machine: &MachineDescription) -> Vec<Figure> {
    let node = machine.node;
    let table = node.table();
    let sram = SramFigures::of(node);
    let leakage = LeakageFigures::of(node, machine.power.transistors);
    let row = |name, unit, figure: Sourced| Figure {
        name,
        value: figure.value,
        unit,
        source: figure.source,
    };
    let fixed = |name, value, unit, source| Figure {
        name,
        value,
        unit,
        source,
    };
    vec![
        row("8 x 8 bit multiply with 32-bit accumulate", "pJ", table.mac_pj),
        row("32-bit multiply and add of a vector lane", "pJ", table.vector_op_pj),
        fixed("gated over full multiply-accumulate", GATED_RATIO, "", RATIO_SOURCE),
        fixed("clock of a PE over a multiply-accumulate", IDLE_RATIO, "", RATIO_SOURCE),
        row("64-bit read of 1 KiB", "pJ", sram.read_pj),
        row("64-bit write of 1 KiB", "pJ", sram.write_pj),
        fixed("exponent of capacity, read", READ_EXPONENT, "", EXPONENT_SOURCE),
        fixed("exponent of capacity, write", WRITE_EXPONENT, "", EXPONENT_SOURCE),
        fixed("exponent of width, read", READ_WIDTH_EXPONENT, "", EXPONENT_SOURCE),
        fixed("exponent of width, write", WRITE_WIDTH_EXPONENT, "", EXPONENT_SOURCE),
        fixed(
            "instruction memory",
            super::INSTRUCTION_MEMORY_KIB,
            "KiB",
            INSTRUCTION_SOURCE,
        ),
        row("leakage of on-chip memory", "uW/MiB", leakage.sram_uw_per_mib),
        row("leakage of a PE", "uW", leakage.pe_uw),
        row("nominal voltage", "mV", nominal_mv(node)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::preset;

    #[test]
    fn every_figure_of_every_node_names_its_source() {
        let mut machine = preset("tiny4x4").unwrap();
        for &node in Node::ALL {
            machine.node = node;
            for figure in figures(&machine) {
                assert!(figure.value > 0.0 && figure.source.len() > 20, "{node}: {figure:?}");
            }
            for set in [logic_set(node), sram_set(node), leakage_set(node), dram_set(node)] {
                assert!(set.low < 1.0 && set.high > 1.0 && set.why.len() > 20, "{set:?}");
            }
        }
    }
}

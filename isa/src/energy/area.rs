//! Area estimate by component.

use super::Node;
use super::sram::SramFigures;
use crate::machine::MachineDescription;

/// Bits of pipeline registers in a PE: weight, shadow weight, activation, partial sum with its valid bits.
const PE_REGISTER_BITS: f64 = 48.0;
/// Bits of pipeline registers in a vector lane: two operands and a result.
const LANE_REGISTER_BITS: f64 = 96.0;
const MULTIPLIER_8_UM2: f64 = 282.0;
const MULTIPLIER_32_UM2: f64 = 3495.0;
const ADDER_32_UM2: f64 = 137.0;
const REGISTER_BIT_UM2: f64 = 5.98;

/// Where the areas of logic come from.
pub const LOGIC_AREA_SOURCE: &str = "45 nm: multipliers and adders of Horowitz, ISSCC 2014, as reproduced in Hennessy and Patterson, 6th edition, Fig. 1.13; register bits of the Aladdin tables (40 nm); other nodes shrink as SRAM does";

/// Logic area at a node over that at 45 nm.
fn shrink(node: Node) -> f64 {
    SramFigures::of(node).area_mm2_per_mib.value / SramFigures::of(Node::N45).area_mm2_per_mib.value
}

/// Area of one PE in square millimetres: an 8-bit multiplier, a 32-bit adder and its registers.
pub fn pe_mm2(node: Node) -> f64 {
    (MULTIPLIER_8_UM2 + ADDER_32_UM2 + PE_REGISTER_BITS * REGISTER_BIT_UM2) * 1e-6 * shrink(node)
}

/// Area of one vector lane in square millimetres: a 32-bit multiplier, a 32-bit adder and its registers.
pub fn lane_mm2(node: Node) -> f64 {
    (MULTIPLIER_32_UM2 + ADDER_32_UM2 + LANE_REGISTER_BITS * REGISTER_BIT_UM2) * 1e-6 * shrink(node)
}

/// Area in square millimetres with the source of each figure. Sequencer, DMA units, memory controller, pads and wiring are left out.
pub fn area_by_component(machine: &MachineDescription) -> [(&'static str, f64, &'static str); 4] {
    let sram = SramFigures::of(machine.node);
    let n_pes = f64::from(machine.rows) * f64::from(machine.cols);
    let sram_source = sram.area_mm2_per_mib.source;
    [
        ("array", n_pes * pe_mm2(machine.node), LOGIC_AREA_SOURCE),
        ("spm", sram.area_mm2(&machine.spm), sram_source),
        ("acc", sram.area_mm2(&machine.acc), sram_source),
        (
            "vector",
            f64::from(machine.vector.n_lanes) * lane_mm2(machine.node),
            LOGIC_AREA_SOURCE,
        ),
    ]
}

/// Area estimate in square millimetres, all components together.
pub fn area_mm2(machine: &MachineDescription) -> f64 {
    area_by_component(machine).iter().map(|(_, area, _)| area).sum()
}

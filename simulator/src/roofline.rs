//! The roofline of a run: how fast each layer could be on its machine, and how fast it was.
//!
//! A point lies at its operational intensity (multiply-accumulates per byte that its descriptors moved to or from DRAM) and at the rate
//! that it reached. One multiply-accumulate counts as one operation everywhere; rates in "OPS" elsewhere often count two.

mod scale;
mod svg;

pub use svg::to_svg;

use crate::report::{LayerSummary, Report};
use serde::Serialize;
use systole_isa::MachineDescription;
use systole_isa::throughput::PE_TIME_PARTS;

/// A horizontal roof: the array with every PE busy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComputeRoof {
    /// Operand widths that run at this rate, weights by activations in bits.
    pub precisions: Vec<String>,
    /// Multiply-accumulates per second.
    pub macs_per_second: f64,
}

/// A slanted roof: DRAM bandwidth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemoryRoof {
    /// `peak`, or `measured`: bytes moved over the cycles in which the DMA units were transferring.
    pub name: &'static str,
    /// Bytes per second.
    pub bytes_per_second: f64,
}

/// A layer, or the whole run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Name of the layer; `network` for the run.
    pub name: String,
    /// Multiply-accumulates per DRAM byte; absent where nothing was moved.
    pub macs_per_byte: Option<f64>,
    /// Multiply-accumulates of the model per second; those that the array skipped count, so sparse layers may lie above a roof.
    pub macs_per_second: f64,
    /// What the layer's lower bound allows: array, vector unit and DRAM at their peaks, for the bytes that have to be moved.
    pub bound_macs_per_second: f64,
    /// Reached over allowed.
    pub ratio: f64,
}

/// Roofs of a machine and the points of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Roofline {
    /// The machine.
    pub machine: String,
    /// The program.
    pub program: String,
    /// What one operation is.
    pub operation: &'static str,
    /// Roofs of the array, lowest first.
    pub compute_roofs: Vec<ComputeRoof>,
    /// Roofs of the DRAM, highest first.
    pub memory_roofs: Vec<MemoryRoof>,
    /// Intensity at which the 8 x 8 bit roof meets the peak bandwidth, in multiply-accumulates per byte.
    pub ridge_macs_per_byte: f64,
    /// The network, then every layer with multiply-accumulates.
    pub points: Vec<Point>,
}

/// Pairs of operand widths in bits (weights, activations) that a roof is drawn for.
const PRECISIONS: [(u32, u32); 6] = [(16, 16), (16, 8), (8, 8), (4, 8), (4, 4), (2, 2)];

/// Multiply-accumulates of one PE per cycle.
fn macs_per_pe_cycle(machine: &MachineDescription, (weights, activations): (u32, u32)) -> f64 {
    PE_TIME_PARTS as f64 / machine.throughput.of(weights, activations).pe_time(1) as f64
}

/// The roofs of an array, one per rate, lowest first.
pub fn compute_roofs(machine: &MachineDescription) -> Vec<ComputeRoof> {
    let mut roofs: Vec<ComputeRoof> = Vec::new();
    for (weights, activations) in PRECISIONS {
        let per_cycle = macs_per_pe_cycle(machine, (weights, activations)) * machine.peak_macs_per_cycle() as f64;
        let macs_per_second = per_cycle * f64::from(machine.clock_mhz) * 1e6;
        let name = format!("{weights}x{activations}");
        match roofs.iter_mut().find(|roof| roof.macs_per_second == macs_per_second) {
            Some(roof) => roof.precisions.push(name),
            None => roofs.push(ComputeRoof {
                precisions: vec![name],
                macs_per_second,
            }),
        }
    }
    roofs.sort_by(|a, b| a.macs_per_second.total_cmp(&b.macs_per_second));
    roofs
}

/// The fewest cycles that some work needs: the longest of the array's, whose multiplications take this time of its PEs, the vector unit's
/// with all lanes busy, and the DRAM's at its peak for bytes that have to be moved.
pub fn lower_bound_cycles(
    machine: &MachineDescription,
    mac_pe_time: f64,
    vector_elements: u64,
    dram_bytes: u64,
) -> f64 {
    let array = mac_pe_time / (machine.peak_macs_per_cycle() * PE_TIME_PARTS) as f64;
    let vector = vector_elements as f64 / f64::from(machine.vector.n_lanes);
    let dram = dram_bytes as f64 / machine.peak_dram_bytes_per_cycle();
    array.max(vector).max(dram)
}

impl Roofline {
    /// The roofline of a run.
    pub fn of(report: &Report, machine: &MachineDescription) -> Self {
        let hertz = f64::from(machine.clock_mhz) * 1e6;
        let peak_bandwidth = machine.peak_dram_bytes_per_cycle() * hertz;
        let peak_compute = machine.peak_macs_per_cycle() as f64 * macs_per_pe_cycle(machine, (8, 8)) * hertz;
        let mut memory_roofs = vec![MemoryRoof {
            name: "peak",
            bytes_per_second: peak_bandwidth,
        }];
        memory_roofs.extend(measured_roof(report, hertz));
        let point = |name: &str, macs: u64, dram_bytes: u64, cycles: u64, ratio: f64| {
            let macs_per_second = macs as f64 * hertz / cycles.max(1) as f64;
            Point {
                name: name.to_owned(),
                macs_per_byte: (dram_bytes > 0).then(|| macs as f64 / dram_bytes as f64),
                macs_per_second,
                bound_macs_per_second: macs_per_second / ratio,
                ratio,
            }
        };
        let of_layer = |l: &LayerSummary| point(&l.name, l.macs, l.dram_bytes, l.cycles, l.roofline_ratio);
        let network_bytes = report.dram.read_bytes + report.dram.write_bytes;
        let of_network = || {
            point(
                "network",
                report.macs,
                network_bytes,
                report.cycles,
                report.roofline_ratio,
            )
        };
        let network = (report.macs > 0).then(of_network);
        let layers = report.layers.iter().filter(|layer| layer.macs > 0).map(of_layer);
        Self {
            machine: report.machine.name.clone(),
            program: report.program.name.clone(),
            operation: "one multiply-accumulate is one operation",
            compute_roofs: compute_roofs(machine),
            memory_roofs,
            ridge_macs_per_byte: peak_compute / peak_bandwidth,
            points: network.into_iter().chain(layers).collect(),
        }
    }
}

/// Bandwidth while the DMA units transfer. Where both do so at once, either's cycles count, so it never exceeds the peak.
fn measured_roof(report: &Report, hertz: f64) -> Option<MemoryRoof> {
    let transfer = |unit: &str| report.units.get(unit)?.busy.get("transfer").copied();
    let cycles = transfer("LD").unwrap_or(0) + transfer("ST").unwrap_or(0);
    let bytes = report.dram.read_bytes + report.dram.write_bytes;
    (cycles > 0 && bytes > 0).then(|| MemoryRoof {
        name: "measured",
        bytes_per_second: bytes as f64 * hertz / cycles as f64,
    })
}

//! How near code generation comes to the roofline, layer by layer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use systole_compiler::codegen::{self, TilingPolicy};
use systole_isa::MachineDescription;
use systole_isa::machine::preset;
use systole_simulator::{Machine, Mode, Status};
use systole_testkit::layers::ConvShape;

const fn shape(side: usize, ci: usize, co: usize, kernel: usize, stride: usize, pad: usize) -> ConvShape {
    ConvShape {
        images: 1,
        side,
        ci,
        co,
        kernel,
        stride,
        pad,
    }
}

/// Cycles of a layer by itself, and those in which the array could do its products or the DRAM move its weights.
fn cycles_and_bound(shape: &ConvShape, machine: &MachineDescription) -> (u64, f64) {
    let program = codegen::generate(&shape.graph(), machine, TilingPolicy::Fastest).unwrap();
    let mut run = Machine::new(Arc::new(program), Arc::new(machine.clone()), Mode::TimingOnly).unwrap();
    run.advance_to(u64::MAX, &mut ());
    assert_eq!(*run.status(), Status::Halted, "{shape:?}");
    let weight_bytes = (shape.ci * shape.co * shape.kernel * shape.kernel) as f64;
    let products = shape.macs() as f64 / f64::from(machine.rows * machine.cols);
    (
        run.now(),
        products.max(weight_bytes / machine.peak_dram_bytes_per_cycle()),
    )
}

/// Layers of ResNet-50 with the least share of the roofline that they have to reach: what is missing is the first load and the last
/// store, and products of fewer than 16 rows or columns.
const LAYERS: [(ConvShape, f64); 9] = [
    (shape(224, 3, 64, 7, 2, 3), 0.90),
    (shape(56, 64, 64, 1, 1, 0), 0.96),
    (shape(56, 64, 64, 3, 1, 1), 0.98),
    (shape(56, 128, 128, 3, 2, 1), 0.93),
    (shape(56, 256, 512, 1, 2, 0), 0.98),
    (shape(28, 128, 512, 1, 1, 0), 0.97),
    (shape(14, 1024, 512, 1, 1, 0), 0.96),
    (shape(7, 512, 512, 3, 1, 1), 0.98),
    // One activation row per weight tile: the array takes 16 weights per cycle, the DRAM brings 19.
    (shape(1, 2048, 1000, 1, 1, 0), 0.72),
];

#[test]
fn layers_come_near_the_roofline() {
    let machine = preset("edge16x16").unwrap();
    for (shape, least) in LAYERS {
        let (cycles, bound) = cycles_and_bound(&shape, &machine);
        let ratio = bound / cycles as f64;
        println!("{shape:?}: {cycles} cycles, {ratio:.3} of the roofline");
        assert!(
            ratio >= least && ratio <= 1.0,
            "{shape:?}: {cycles} cycles, {ratio:.3} of the roofline, not {least}"
        );
    }
}

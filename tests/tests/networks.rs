//! Whole networks on the shipped machines: how near they come to their lower bound, how well the compiler knows it, how long their programs are.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the figures are shown with `--no-capture`")]

use std::sync::Arc;
use systole_compiler::QuantizedGraph;
use systole_compiler::codegen::{self, TilingPolicy};
use systole_isa::machine::preset;
use systole_simulator::energy::{EnergyModel, PowerProfile};
use systole_simulator::report::{Report, RunTotals};
use systole_simulator::{Machine, Mode, Status};
use systole_testkit::networks::{self, Weights};

fn timed(graph: &QuantizedGraph, machine: &str) -> Report {
    let description = Arc::new(preset(machine).unwrap());
    let program = Arc::new(codegen::generate(graph, &description, TilingPolicy::Fastest).unwrap());
    let mut run = Machine::new(program.clone(), description.clone(), Mode::TimingOnly).unwrap();
    run.advance_to(u64::MAX, &mut ());
    assert_eq!(*run.status(), Status::Halted);
    let mut totals = RunTotals::new(program, description.clone());
    totals.add(&run);
    totals.report(&PowerProfile::new(EnergyModel::of(&description)))
}

/// Asserts that a network reaches a share of its lower bound and that the compiler's estimate is within 3 %.
fn check(graph: &QuantizedGraph, machine: &str, least: f64) -> Report {
    let report = timed(graph, machine);
    let estimated = report.estimated_cycles.unwrap() as f64 / report.cycles as f64;
    let what = format!(
        "{} on {machine}: {} cycles, bound {:.0}, ratio {:.3}, estimate {:+.2} %",
        graph.name,
        report.cycles,
        report.lower_bound_cycles,
        report.roofline_ratio,
        (estimated - 1.0) * 100.0
    );
    println!("{what}");
    assert_eq!(report.macs, graph.n_macs(), "{what}");
    assert!((least..=1.0).contains(&report.roofline_ratio), "{what}, not {least}");
    assert!((estimated - 1.0).abs() <= 0.03, "{what}");
    report
}

#[test]
fn resnet50_on_a_small_array() {
    let report = check(&networks::resnet50(1, Weights::Constant), "edge16x16", 0.98);
    assert!(
        report.program.instructions < 6000,
        "{} instructions",
        report.program.instructions
    );
}

#[test]
fn resnet50_of_eight_images_on_a_large_array() {
    check(&networks::resnet50(8, Weights::Constant), "big128x128", 0.78);
}

#[test]
fn vgg16_on_a_small_array() {
    check(&networks::vgg16(1, Weights::Constant), "edge16x16", 0.95);
}

#[test]
fn alexnet_on_a_small_array() {
    check(&networks::alexnet(1, Weights::Constant), "edge16x16", 0.85);
}

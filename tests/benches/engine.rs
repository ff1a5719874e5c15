//! How fast the simulator is: small products in every dataflow, one large product, and single cycles; with the memory that each takes.
//!
//! `cargo bench -p systole-testkit --bench engine`

#![allow(missing_docs, reason = "the benchmark macros make public items")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::sync::Arc;
use systole_compiler::codegen::TilingPolicy;
use systole_compiler::gemm::{Dataflow, Gemm};
use systole_isa::machine::{Overlap, preset};
use systole_isa::{ElementFormat, MachineDescription};
use systole_simulator::{Machine, Mode, Status};

/// M, K, N of products from one row to 12,544, from 3 elements of K to 2048.
const SHAPES: [[u64; 3]; 12] = [
    [1, 64, 10],
    [8, 8, 8],
    [32, 32, 32],
    [33, 65, 31],
    [100, 200, 50],
    [196, 1152, 256],
    [784, 512, 128],
    [12_544, 147, 64],
    [49, 512, 2048],
    [1, 2048, 1000],
    [128, 768, 768],
    [1000, 3, 17],
];

fn machine(name: &str, side: u32) -> MachineDescription {
    let mut description = preset(name).expect("the machine is shipped");
    (description.rows, description.cols) = (side, side);
    description
}

/// A machine at the start of a product.
fn at_start([m, k, n]: [u64; 3], dataflow: Dataflow, description: &MachineDescription, mode: Mode) -> Machine {
    let product = Gemm {
        m,
        k,
        n,
        dataflow,
        weights: ElementFormat::I8,
        activations: ElementFormat::I8,
        density: 1.0,
    };
    let program = product
        .program(description, TilingPolicy::Fastest)
        .expect("the product fits the machine")
        .program;
    Machine::new(Arc::new(program), Arc::new(description.clone()), mode).expect("the program is made for the machine")
}

fn finish(mut machine: Machine) -> u64 {
    machine.advance_to(u64::MAX, &mut ());
    assert_eq!(*machine.status(), Status::Halted);
    machine.now()
}

/// Says the largest resident size that `work` reaches, where the system can tell: Linux forgets the peak so far on request.
fn report_peak(name: &str, work: impl FnOnce()) {
    let forgets = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    work();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    match status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
        Some(peak) if forgets => eprintln!("{name}: peak memory {}", peak.trim()),
        _ => eprintln!("{name}: peak memory not known on this system"),
    }
}

fn small_products(c: &mut Criterion) {
    let mut description = machine("edge16x16", 32);
    description.overlap = Overlap::None;
    let cases = || {
        let dataflows = [Dataflow::Ws, Dataflow::Os, Dataflow::Is];
        SHAPES
            .into_iter()
            .flat_map(move |shape| dataflows.map(|dataflow| (shape, dataflow)))
    };
    let start = |(shape, dataflow)| at_start(shape, dataflow, &description, Mode::TimingOnly);
    report_peak("36 small products", || {
        cases().for_each(|case| {
            finish(start(case));
        });
    });
    c.bench_function("36 small products at 32x32, compiled and timed", |b| {
        b.iter(|| cases().map(|case| finish(start(case))).sum::<u64>());
    });
}

fn large_product(c: &mut Criterion) {
    let description = machine("big128x128", 128);
    let start = || at_start([4096; 3], Dataflow::Ws, &description, Mode::TimingOnly);
    report_peak("4096^3 on big128x128", || {
        finish(start());
    });
    let blank = start();
    let mut group = c.benchmark_group("large");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(finish(blank.clone())));
    group.bench_function("4096^3 on big128x128, cycles timed", |b| {
        b.iter_batched(|| blank.clone(), finish, BatchSize::LargeInput);
    });
    group.finish();
}

fn single_cycles(c: &mut Criterion) {
    let description = machine("edge16x16", 16);
    let mut group = c.benchmark_group("step_cycle");
    for (name, mode) in [("timing only", Mode::TimingOnly), ("with values", Mode::Full)] {
        let blank = at_start([196, 1152, 256], Dataflow::Ws, &description, mode);
        let step = |mut machine: Machine| {
            while *machine.status() == Status::Running {
                machine.step_cycle(&mut ());
            }
            machine.now()
        };
        report_peak(&format!("single cycles, {name}"), || {
            step(blank.clone());
        });
        group
            .sample_size(20)
            .throughput(Throughput::Elements(finish(blank.clone())));
        group.bench_function(format!("16x16, {name}"), |b| {
            b.iter_batched(|| blank.clone(), step, BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, small_products, single_cycles, large_product);
criterion_main!(benches);

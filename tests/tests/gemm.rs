//! Matrix products made for a dataflow, a pair of formats and a density, against plain loops.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use systole_compiler::codegen::{self, TilingPolicy};
use systole_compiler::gemm::{self, Dataflow, Gemm, GemmProgram};
use systole_isa::ElementFormat;
use systole_isa::machine::{MachineDescription, preset};
use systole_isa::operand::Rounding;
use systole_isa::program::Program;
use systole_simulator::host::{HostValues, read_output};
use systole_simulator::{Machine, Mode, Status};

fn expected(gemm: &Gemm, made: &GemmProgram) -> Vec<i64> {
    let (za, zw) = (gemm.zero_point(gemm.activations), gemm.zero_point(gemm.weights));
    let (k, n) = (gemm.k as usize, gemm.n as usize);
    let sum = |i: usize, j: usize| -> i32 {
        let terms = (0..k).map(|x| (made.left[i * k + x] - za).wrapping_mul(made.right[x * n + j] - zw));
        terms.fold(0, i32::wrapping_add)
    };
    let requantized = |sum| made.requantization.apply(sum, 0, (-128, 127), Rounding::Float);
    (0..gemm.m as usize)
        .flat_map(|i| (0..n).map(move |j| (i, j)))
        .map(|(i, j)| i64::from(requantized(sum(i, j))))
        .collect()
}

/// Runs the product and compares it; returns the machine.
fn check(gemm: &Gemm, description: &MachineDescription, policy: TilingPolicy) -> (Machine, &'static str) {
    let made = gemm.program(description, policy).unwrap();
    let timed = gemm.timing_program(description, policy).unwrap();
    let same = |program: &Program| (program.code.clone(), program.entry, program.dram_bytes);
    assert!(same(&timed) == same(&made.program), "code without constants: {gemm:?}");
    let program = Arc::new(made.program.clone());
    let mut machine = Machine::new(program.clone(), Arc::new(description.clone()), Mode::Full).unwrap();
    machine.advance_to(u64::MAX, &mut ());
    assert_eq!(*machine.status(), Status::Halted, "{gemm:?}");
    let HostValues::Integer(values) = read_output(&machine, &program.outputs[0]) else {
        panic!("integers")
    };
    assert_eq!(values, expected(gemm, &made), "{gemm:?}");
    assert!(values.iter().any(|v| *v != values[0]), "not all the same: {gemm:?}");
    (machine, made.sparsity)
}

fn small() -> MachineDescription {
    let mut machine = preset("tiny4x4").unwrap();
    (machine.spm.capacity_kib, machine.acc.capacity_kib) = (4, 1);
    machine
}

#[test]
fn every_dataflow_pair_of_formats_and_density_computes_the_product() {
    use ElementFormat::{B1, I2, I4, I8, I16, U4, U8};
    for dataflow in [Dataflow::Ws, Dataflow::Os, Dataflow::Is] {
        for (weights, activations) in [
            (I8, I8),
            (I8, U8),
            (I4, U8),
            (I4, U4),
            (I2, I2),
            (B1, B1),
            (B1, I8),
            (I16, I8),
        ] {
            for density in [1.0, 0.7, 0.5, 0.25] {
                for (m, k, n) in [(19, 45, 13), (7, 160, 21)] {
                    let gemm = Gemm {
                        m,
                        k,
                        n,
                        dataflow,
                        weights,
                        activations,
                        density,
                    };
                    check(&gemm, &small(), TilingPolicy::Fastest);
                    check(&gemm, &preset("tiny4x4").unwrap(), TilingPolicy::Resident);
                }
            }
        }
    }
}

#[test]
fn weights_of_zero_change_no_instruction() {
    for name in ["tiny4x4", "edge16x16", "mid32x32"] {
        let machine = preset(name).unwrap();
        for [m, k, n] in [[1, 64, 10], [33, 65, 31], [49, 512, 96]] {
            let of = |graph| codegen::generate(&graph, &machine, TilingPolicy::Fastest).unwrap();
            let (full, timed) = (of(gemm::gemm(m, k, n)), of(gemm::timing_gemm(m, k, n)));
            assert!(
                full.code == timed.code && full.dram_bytes == timed.dram_bytes,
                "{name}: {m} x {k} x {n}"
            );
            assert_ne!(full.hash(), timed.hash(), "only constants differ");
        }
    }
}

#[test]
fn what_is_left_out_takes_no_time_and_a_machine_without_the_mechanism_gates() {
    let gemm = |density| Gemm {
        m: 32,
        k: 256,
        n: 16,
        dataflow: Dataflow::Ws,
        weights: ElementFormat::I8,
        activations: ElementFormat::I8,
        density,
    };
    let mut machine = preset("edge16x16").unwrap();
    let run = |density, machine: &MachineDescription| {
        let (run, sparsity) = check(&gemm(density), machine, TilingPolicy::Fastest);
        let counts = run.counts();
        (
            sparsity,
            counts.macs,
            counts.skipped_macs,
            counts.gated_macs,
            counts.dram_read_bytes,
        )
    };
    let n = 32 * 256 * 16;
    let (dense, skip, n_m) = (run(1.0, &machine), run(0.7, &machine), run(0.5, &machine));
    assert_eq!((dense.0, dense.1, dense.2), ("dense", n, 0));
    assert_eq!((skip.0, skip.1 + skip.2), ("skip", n));
    assert!(skip.1 < n * 8 / 10 && skip.4 == dense.4, "{skip:?}");
    assert_eq!((n_m.0, n_m.1, n_m.2), ("n_m", n / 2, n / 2));
    assert_eq!(
        dense.4 - n_m.4,
        256 * 16 / 2 - 256 * 16 / 2 / 4,
        "half the weights, less two bits for each kept"
    );
    (machine.sparsity.skip, machine.sparsity.n_m) = (false, false);
    let gated = run(0.5, &machine);
    assert_eq!((gated.0, gated.1, gated.2), ("gating", n, 0));
    assert!(gated.3 > n * 4 / 10, "{gated:?}");
    machine.sparsity.zero_gating = false;
    assert_eq!(run(0.5, &machine).3, 0);
}

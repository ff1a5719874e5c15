//! Compiled programs against the integer reference executor: random small graphs of every operator on random machines. Every program is
//! also proven free of races and deadlock.
//!
//! `PROPTEST_CASES` says how many cases; the default is a number for every day.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::sync::Arc;
use systole_compiler::codegen::{self, TilingPolicy};
use systole_compiler::{CompileErrorKind, QuantizedGraph, lower, reference};
use systole_isa::machine::{Overlap, preset};
use systole_isa::{MachineDescription, Program};
use systole_simulator::check::{DEFAULT_LIMIT, check};
use systole_simulator::host::{HostValues, read_stored, write_input};
use systole_simulator::{Machine, Mode, Status};
use systole_testkit::random_graphs::recipes;
use systole_testkit::random_quantized::{Kind, Recipe, Step, graph, inputs};

/// What a compiled program leaves in its outputs.
fn machine_outputs(program: &Arc<Program>, machine: &MachineDescription, inputs: &[Vec<i32>]) -> Vec<Vec<i32>> {
    let mut machine = Machine::new(program.clone(), Arc::new(machine.clone()), Mode::Full).unwrap();
    for (tensor, values) in program.inputs.iter().zip(inputs) {
        let values = values.iter().map(|&v| i64::from(v)).collect();
        write_input(&mut machine, tensor, &HostValues::Integer(values)).unwrap();
    }
    machine.advance_to(u64::MAX, &mut ());
    assert_eq!(*machine.status(), Status::Halted);
    program
        .outputs
        .iter()
        .map(|output| read_stored(&machine, output))
        .collect()
}

fn reference_outputs(graph: &QuantizedGraph, inputs: &[Vec<i32>]) -> Vec<Vec<i32>> {
    let values = reference::execute(graph, inputs).unwrap();
    graph.outputs.iter().map(|io| values.of(io.tensor).to_vec()).collect()
}

/// Compiles, proves, runs and compares. Whether the machine was large enough.
fn compare(graph: &QuantizedGraph, machine: &MachineDescription, seed: u64) -> Result<bool, TestCaseError> {
    let program = match codegen::generate(graph, machine, TilingPolicy::Fastest) {
        Ok(program) => Arc::new(program),
        Err(errors) => {
            for error in errors {
                let lacks_pooling = error.kind == CompileErrorKind::Feature && !machine.vector.pooling;
                prop_assert!(lacks_pooling || error.kind == CompileErrorKind::Memory, "{}", error);
            }
            return Ok(false);
        }
    };
    let report = check(&program, machine, DEFAULT_LIMIT).unwrap();
    prop_assert!(report.is_proven(), "{:?}", report.findings);
    let inputs = inputs(graph, seed);
    let (found, expected) = (
        machine_outputs(&program, machine, &inputs),
        reference_outputs(graph, &inputs),
    );
    prop_assert_eq!(found, expected);
    Ok(true)
}

fn pairs(most: usize) -> impl Strategy<Value = [usize; 2]> {
    [0..=most, 0..=most]
}

fn step() -> impl Strategy<Value = Step> {
    let window = (pairs(4), pairs(2), pairs(1), [0usize..3, 0..3, 0..3, 0..3]);
    (select(&Kind::ALL[..]), 0usize..40, 0usize..4, window, 0usize..60).prop_map(
        |(kind, size, other, (kernel, strides, dilations, pads), variant)| Step {
            kind,
            size,
            other,
            kernel,
            strides,
            dilations,
            pads,
            variant,
        },
    )
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let side = || select(vec![1usize, 2, 3, 5, 7, 11, 13, 16]);
    let channels = prop_oneof![1usize..8, select(vec![13usize, 16, 24, 31, 48])];
    let steps = prop::collection::vec(step(), 1..5);
    (
        (1usize..4, side(), side(), channels),
        any::<bool>(),
        any::<bool>(),
        any::<u64>(),
        steps,
    )
        .prop_map(|((n, h, w, c), signed, fixed, seed, steps)| Recipe {
            input: [n, h, w, c],
            signed,
            fixed,
            seed,
            steps,
        })
}

fn array_side() -> impl Strategy<Value = u32> {
    1u32..=24
}

fn machine() -> impl Strategy<Value = MachineDescription> {
    let memories = (select(vec![4u32, 5, 8, 16, 64]), select(vec![1u32, 2, 8]));
    (
        array_side(),
        array_side(),
        memories,
        (1u32..=32, prop::bool::weighted(0.9)),
        any::<bool>(),
        1u32..=16,
    )
        .prop_map(|(rows, cols, (spm, acc), (lanes, pooling), overlaps, queue_depth)| {
            let mut machine = preset("edge16x16").unwrap();
            machine.name = "random".to_owned();
            (machine.rows, machine.cols, machine.queue_depth) = (rows, cols, queue_depth);
            (machine.spm.capacity_kib, machine.acc.capacity_kib) = (spm, acc);
            (machine.vector.n_lanes, machine.vector.pooling) = (lanes, pooling);
            machine.overlap = if overlaps { Overlap::Full } else { Overlap::None };
            machine
        })
}

/// Images of a batch.
const N_IMAGES: usize = 3;

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(48)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn compiled_graphs_equal_the_integer_reference(recipe in recipe(), machine in machine(), seed in any::<u64>()) {
        compare(&graph(&recipe), &machine, seed)?;
    }

    /// Graphs of float operators, quantized here.
    #[test]
    fn quantized_float_graphs_equal_the_integer_reference(recipe in recipes(6), machine in machine(), seed in any::<u64>()) {
        let mut graph = lower(recipe.graph()).unwrap();
        // The host sees integers in the machine's order of axes.
        for io in graph.inputs.iter_mut().chain(&mut graph.outputs) {
            (io.dtype, io.view_shape) = (io.integer_dtype, graph.tensors[io.tensor.index()].shape.clone());
            io.permutation = (0..io.view_shape.len()).collect();
        }
        compare(&graph, &machine, seed)?;
    }

    /// A batch of images is computed as each of them would be alone, on the machine as well.
    #[test]
    fn batches_equal_their_images(mut recipe in recipe(), machine in machine(), seed in any::<u64>()) {
        recipe.input[0] = 1;
        let one = graph(&recipe);
        let mut batch = one.clone();
        if batch.batch(N_IMAGES).is_err() {
            return Ok(());
        }
        let images: Vec<_> = (0..N_IMAGES as u64).map(|i| inputs(&one, seed.wrapping_add(i))).collect();
        let together: Vec<Vec<i32>> =
            (0..one.inputs.len()).map(|i| images.iter().flat_map(|image| image[i].clone()).collect()).collect();
        let outputs = reference_outputs(&batch, &together);
        for (i, image) in images.iter().enumerate() {
            for (alone, all) in reference_outputs(&one, image).iter().zip(&outputs) {
                prop_assert_eq!(&alone[..], &all[i * alone.len()..][..alone.len()]);
            }
        }
        compare(&batch, &machine, seed)?;
    }
}

/// Few enough graphs cannot be a batch that the property above says something.
#[test]
fn most_graphs_of_one_image_become_a_batch() {
    let mut runner = TestRunner::deterministic();
    let mut n_batched = 0;
    for _ in 0..50 {
        let mut recipe = recipe().new_tree(&mut runner).unwrap().current();
        recipe.input[0] = 1;
        let graph = graph(&recipe);
        let mut batch = graph.clone();
        match batch.batch(N_IMAGES) {
            Ok(()) => {
                n_batched += 1;
                assert_eq!(batch.n_macs(), N_IMAGES as u64 * graph.n_macs());
            }
            Err(errors) => {
                assert!(errors[0].to_string().contains("no batch of one image"), "{}", errors[0]);
                assert_eq!(batch, graph);
            }
        }
    }
    assert!(n_batched >= 25, "{n_batched} of 50");
}

/// Of many graphs of each operator alone, most fit their machine, and the comparison notices other input values.
#[test]
fn every_operator_compiles_and_another_input_is_noticed() {
    let mut runner = TestRunner::deterministic();
    for kind in Kind::ALL {
        let (mut n_compiled, mut n_noticed) = (0, 0);
        for _ in 0..20 {
            let sample = (recipe(), machine()).new_tree(&mut runner).unwrap();
            let (mut recipe, mut machine) = sample.current();
            machine.vector.pooling = true;
            recipe.steps.truncate(1);
            recipe.steps[0].kind = kind;
            let graph = graph(&recipe);
            if !compare(&graph, &machine, 1).unwrap() {
                continue;
            }
            n_compiled += 1;
            let program = Arc::new(codegen::generate(&graph, &machine, TilingPolicy::Fastest).unwrap());
            let others = machine_outputs(&program, &machine, &inputs(&graph, 2));
            n_noticed += usize::from(others != reference_outputs(&graph, &inputs(&graph, 1)));
        }
        assert!(n_compiled >= 17, "{kind:?}: {n_compiled} of 20 compiled");
        assert!(n_noticed >= 12, "{kind:?}: {n_noticed} of {n_compiled} noticed");
    }
}

/// Without the operations on windows, averages whose divisions are requantizations run on the array; a maximum is refused, and so is
/// every other pooling, all of them at once.
#[test]
fn a_machine_without_pooling_averages_on_the_array() {
    let step = |kind, variant| Step {
        kind,
        size: 4,
        other: 0,
        kernel: [1, 2],
        strides: [0, 1],
        dilations: [0, 0],
        pads: [0; 4],
        variant,
    };
    let mut machine = preset("edge16x16").unwrap();
    machine.vector.pooling = false;
    for fixed in [false, true] {
        let recipe = |steps| Recipe {
            input: [2, 8, 9, 5],
            signed: true,
            fixed,
            seed: 7,
            steps,
        };
        let averages = graph(&recipe(vec![step(Kind::Depthwise, 0), step(Kind::AvgPool, 1)]));
        assert!(compare(&averages, &machine, 1).unwrap(), "fixed: {fixed}");
        let maxima = graph(&recipe(vec![step(Kind::MaxPool, 1), step(Kind::MaxPool, 1)]));
        let errors = codegen::generate(&maxima, &machine, TilingPolicy::Fastest).unwrap_err();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(errors[0].to_string().contains("vector.pooling"), "{}", errors[0]);
        // The instruction itself is refused too.
        let mut pooling = preset("edge16x16").unwrap();
        let mut program = codegen::generate(&maxima, &pooling, TilingPolicy::Fastest).unwrap();
        pooling.vector.pooling = false;
        program.machine = None;
        let report = check(&program, &pooling, DEFAULT_LIMIT).unwrap();
        assert!(!report.is_proven());
    }
}

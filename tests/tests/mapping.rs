//! What code generation makes of whole graphs, fused additions and several images included, against the integer reference.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use std::sync::Arc;
use systole_compiler::codegen::{self, TilingPolicy};
use systole_compiler::gemm::splitmix64;
use systole_compiler::quantized::{QuantizedGraph, TensorId};
use systole_compiler::reference;
use systole_isa::MachineDescription;
use systole_isa::machine::preset;
use systole_simulator::host::{HostValues, read_stored, write_input};
use systole_simulator::{Machine, Mode, Status, check};
use systole_testkit::networks::{Net, Weights, bottleneck};

fn input_of(graph: &QuantizedGraph, seed: u64) -> Vec<i32> {
    let mut state = seed;
    let n = graph.tensor(graph.inputs[0].tensor).len();
    (0..n).map(|_| i32::from(splitmix64(&mut state) as i8)).collect()
}

/// What the compiled program stores for an input.
fn compiled(graph: &QuantizedGraph, description: &MachineDescription, input: &[i32]) -> Vec<i32> {
    let program = Arc::new(codegen::generate(graph, description, TilingPolicy::Fastest).unwrap());
    let report = check(&program, description, check::DEFAULT_LIMIT).unwrap();
    assert!(report.is_proven(), "{:?}", report.findings);
    let mut machine = Machine::new(program.clone(), Arc::new(description.clone()), Mode::Full).unwrap();
    let values = HostValues::Integer(input.iter().map(|&v| i64::from(v)).collect());
    write_input(&mut machine, &program.inputs[0], &values).unwrap();
    machine.advance_to(u64::MAX, &mut ());
    assert_eq!(*machine.status(), Status::Halted);
    read_stored(&machine, &program.outputs[0])
}

fn expected(graph: &QuantizedGraph, input: &[i32]) -> Vec<i32> {
    let values = reference::execute(graph, &[input.to_vec()]).unwrap();
    values.of(graph.outputs[0].tensor).to_vec()
}

fn assert_equal(graph: &QuantizedGraph, description: &MachineDescription) {
    let input = input_of(graph, 17);
    assert_eq!(
        compiled(graph, description, &input),
        expected(graph, &input),
        "{}",
        description.name
    );
}

/// A small network with both kinds of residual blocks.
fn residual(images: usize) -> QuantizedGraph {
    let (mut n, x) = Net::new("residual", [images, 15, 13, 3], Weights::Seeded(4));
    let x = n.conv(x, 20, 3, 1, 1);
    let x = bottleneck(&mut n, x, 5, 2, true);
    let x = bottleneck(&mut n, x, 5, 1, false);
    let x = n.dense(x, 10, false);
    n.finish(x)
}

/// A machine whose scratchpad holds little.
fn small(kib: u32) -> MachineDescription {
    let mut machine = preset("tiny4x4").unwrap();
    (machine.spm.capacity_kib, machine.acc.capacity_kib) = (kib, 1);
    machine
}

#[test]
fn residual_blocks_equal_the_reference() {
    for images in [1, 2, 3] {
        let graph = residual(images);
        for name in ["tiny4x4", "edge16x16", "big128x128"] {
            assert_equal(&graph, &preset(name).unwrap());
        }
        for kib in [4, 8, 16] {
            assert_equal(&graph, &small(kib));
        }
    }
    // The comparison can fail: another image gives other results.
    let graph = residual(1);
    let (a, b) = (input_of(&graph, 17), input_of(&graph, 18));
    assert_ne!(compiled(&graph, &small(8), &a), expected(&graph, &b));
}

#[test]
fn an_addition_is_part_of_its_last_producer() {
    let program = codegen::generate(&residual(1), &preset("edge16x16").unwrap(), TilingPolicy::Fastest).unwrap();
    let ops: Vec<&str> = program.marks.iter().map(|mark| mark.op.as_str()).collect();
    assert_eq!(ops.iter().filter(|op| **op == "conv+add").count(), 2, "{ops:?}");
    assert!(!ops.contains(&"add"), "{ops:?}");
}

/// Convolutions of one shape, so many of them after each other, between two of other shapes.
fn equal_layers(n_layers: usize) -> QuantizedGraph {
    let (mut n, x) = Net::new("equal", [1, 12, 9, 3], Weights::Seeded(11));
    let mut x = n.conv(x, 20, 3, 1, 1);
    for _ in 0..n_layers {
        x = n.conv(x, 20, 3, 1, 1);
    }
    let x = n.dense(x, 10, false);
    n.finish(x)
}

#[test]
fn layers_of_one_shape_share_their_code() {
    for name in ["tiny4x4", "edge16x16", "big128x128"] {
        let machine = preset(name).unwrap();
        assert_equal(&equal_layers(3), &machine);
        let length = |n_layers| {
            let program = codegen::generate(&equal_layers(n_layers), &machine, TilingPolicy::Fastest).unwrap();
            assert_eq!(program.marks.len(), n_layers + 2, "{name}");
            program.code.len()
        };
        // A layer more is a mark, six addresses, a number, a jump and a branch back.
        assert_eq!(length(6) - length(5), 10, "{name}");
        assert!(length(1) - length(0) > 60, "{name}");
    }
}

/// A random chain of convolutions, residual blocks and poolings.
fn chain(seed: u64) -> QuantizedGraph {
    let mut state = seed;
    let mut below = |n: u64| (splitmix64(&mut state) % n) as usize;
    let images = 1 + below(2);
    let side = [4 + below(12), 4 + below(12)];
    let (mut n, mut x) = Net::new("chain", [images, side[0], side[1], 1 + below(9)], Weights::Seeded(seed));
    for _ in 0..1 + below(4) {
        x = match below(5) {
            0 => bottleneck(&mut n, x, 1 + below(7), 1, true),
            1 => bottleneck(&mut n, x, 1 + below(7), 1 + below(2), true),
            2 if images == 1 => n.max_pool(x, 2, 1 + below(2), 0, false),
            _ => random_conv(&mut n, x, &mut below),
        };
        let channels = n.shape(x)[3];
        if below(3) == 0 {
            // An addition whose other operand is read once more.
            let y = n.conv(x, channels, 1, 1, 0);
            x = if below(2) == 0 {
                n.add(x, y, true)
            } else {
                n.add(y, x, false)
            };
        }
        if n.shape(x)[1..3].iter().any(|&length| length < 3) {
            break;
        }
    }
    if below(2) == 0 {
        x = n.dense(x, 1 + below(20), false);
    }
    n.finish(x)
}

fn random_conv(n: &mut Net, x: TensorId, below: &mut impl FnMut(u64) -> usize) -> TensorId {
    let kernel = [1 + below(3), 1 + below(3)];
    let pads = kernel.map(|k| below(k as u64));
    n.conv_of(x, 1 + below(24), kernel, 1 + below(2), pads, below(2) == 0)
}

fn random_machine(seed: u64) -> MachineDescription {
    let mut state = seed;
    let mut below = |n: u64| (splitmix64(&mut state) % n) as u32;
    let mut machine = preset("tiny4x4").unwrap();
    (machine.rows, machine.cols) = (1 + below(16), 1 + below(16));
    (machine.spm.capacity_kib, machine.acc.capacity_kib) = (8 + below(24), 4 + below(8));
    machine.vector.n_lanes = 1 + below(16);
    machine
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn random_chains_equal_the_reference(graph in any::<u64>(), machine in any::<u64>()) {
        assert_equal(&chain(graph), &random_machine(machine));
    }
}

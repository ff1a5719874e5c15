//! Float networks of the ONNX project, quantized and run on the machine with values: what it stores is what the integer reference computes.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says why it fails or is skipped"
)]

use std::time::Instant;
use systole_compiler::graph::{Graph, Op, TensorData};
use systole_compiler::passes::find_pass;
use systole_compiler::{Context, LowerOptions, import, lower_in};
use systole_isa::machine::preset;
use systole_testkit::execution::{machine_outputs, reference_outputs};
use systole_testkit::models::{models, npy_f32};
use systole_testkit::random_graphs::Random;

fn check(name: &str) {
    let Some(folder) = models(&format!("onnx_light/{name}")) else {
        return;
    };
    let read = |file: &str| std::fs::read(folder.join(file)).unwrap();
    let (_, image) = npy_f32(&read("input.npy"));
    let mut context = Context::new(LowerOptions {
        calibration: vec![vec![image.clone()]],
        ..LowerOptions::default()
    });
    let start = Instant::now();
    let graph = with_random_weights(import(&read("model.onnx")).unwrap());
    let graph = lower_in(graph, &mut context).unwrap();
    println!("{name}: lowered in {:?}", start.elapsed());
    let io = &graph.inputs[0];
    let integers = io.integers_from_machine(&io.quantize_input(&image).unwrap()).unwrap();
    let other: Vec<i32> = integers.iter().map(|&v| -1 - v).collect();
    let inputs = [vec![integers]];
    let found = machine_outputs(&graph, &preset("big128x128").unwrap(), &inputs);
    println!("{name}: {} MAC in {:?}", graph.n_macs(), start.elapsed());
    assert!(
        found == reference_outputs(&graph, &inputs),
        "{name}: the machine differs"
    );
    let others = reference_outputs(&graph, &[vec![other]]);
    assert!(others[0] != found[0], "{name}: another image went unnoticed");
}

/// The weights of these files are all alike, so that any image gives the same probabilities: pseudorandom ones stand for them. The result is what the
/// softmax at the end would saturate.
fn with_random_weights(mut graph: Graph) -> Graph {
    for name in ["infer-shapes", "fold-constants"] {
        find_pass(name).unwrap().run(&mut graph).unwrap();
    }
    let mut random = Random::new(5);
    for tensor in &mut graph.tensors {
        let shape = tensor.shape.clone().unwrap_or_default();
        let n_inputs: usize = shape.iter().skip(1).product();
        if let Some(TensorData::F32(values)) = &mut tensor.data
            && shape.len() > 1
            && n_inputs > 1
        {
            // Uniform numbers of variance 2 / n.
            let largest = (6.0 / n_inputs as f32).sqrt();
            values
                .iter_mut()
                .for_each(|v| *v = (2.0 * random.unit() - 1.0) * largest);
        }
    }
    let softmax = graph
        .nodes
        .iter()
        .rev()
        .find(|node| matches!(node.op, Op::Softmax { .. }));
    graph.outputs[0].tensor = softmax.unwrap().inputs[0].unwrap();
    graph
}

#[test]
fn alexnet_on_the_machine() {
    check("bvlc_alexnet");
}

#[test]
fn squeezenet_on_the_machine() {
    check("squeezenet");
}

#[test]
fn resnet50_on_the_machine() {
    check("resnet50");
}

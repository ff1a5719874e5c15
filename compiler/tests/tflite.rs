//! TensorFlow Lite models: real ones bit for bit against their own runtime, and damaged ones.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says why it fails or is skipped"
)]

mod support;

use ndarray::{ArrayD, Axis};
use ndarray_npy::ReadNpyExt;
use proptest::prelude::*;
use systole_compiler::graph::{Layout, Op, verify};
use systole_compiler::quantized::{QOp, Rounding};
use systole_compiler::reference::execute;
use systole_compiler::{Graph, ImportErrorKind, QuantizedGraph, import_tflite, lower};

const MODELS: [&str; 2] = ["resnet8_cifar10", "ds_cnn_kws"];

fn bytes(model: &str) -> Option<Vec<u8>> {
    support::model_bytes(&format!("tflite/{model}/model.tflite"))
}

fn array(path: String) -> ArrayD<i8> {
    ArrayD::read_npy(std::fs::File::open(support::model_file(&path).unwrap()).unwrap()).unwrap()
}

fn elements(values: &ArrayD<i8>) -> Vec<i32> {
    values.iter().map(|&v| v.into()).collect()
}

fn argmax(values: &[i32]) -> usize {
    let largest = values.iter().max();
    values.iter().position(|v| Some(v) == largest).unwrap()
}

fn run(graph: &QuantizedGraph, input: &[i32]) -> Vec<i32> {
    let values = execute(graph, &[graph.inputs[0].integers_to_machine(input).unwrap()]).unwrap();
    let output = &graph.outputs[0];
    output.integers_from_machine(values.of(output.tensor)).unwrap()
}

/// The softmax at the end, which the runtime computes by an exponential in fixed point, could differ by one step, but does not.
#[test]
fn real_models_give_the_integers_of_their_runtime() {
    for model in MODELS {
        let Some(bytes) = bytes(model) else { return };
        let graph = lower(import_tflite(&bytes).unwrap()).unwrap();
        assert_eq!(graph.rounding, Rounding::Fixed);
        let inputs = array(format!("tflite/{model}/input.npy"));
        let expected = array(format!("tflite/{model}/expected.npy"));
        assert_eq!(inputs.len_of(Axis(0)), expected.len_of(Axis(0)));
        let mut n_steps = 0;
        for (input, expected) in inputs.axis_iter(Axis(0)).zip(expected.axis_iter(Axis(0))) {
            let (own, expected) = (
                run(&graph, &elements(&input.to_owned())),
                elements(&expected.to_owned()),
            );
            assert_eq!(argmax(&own), argmax(&expected), "{model}");
            for (own, expected) in own.iter().zip(&expected) {
                assert!((own - expected).abs() <= 1, "{model}: {own} {expected}");
                n_steps += usize::from(own != expected);
            }
        }
        println!(
            "{model}: {n_steps} of {} probabilities differ by one step",
            expected.len()
        );
    }
}

/// The other way of rounding is another function, and the comparison sees that.
#[test]
fn the_wrong_rounding_is_noticed() {
    let Some(bytes) = bytes("resnet8_cifar10") else { return };
    let exact = import_tflite(&bytes).unwrap();
    let rounded = Graph {
        rounding: Rounding::Float,
        ..exact.clone()
    };
    let input: Vec<i32> = elements(&array("tflite/resnet8_cifar10/input.npy".into()))[..3072].to_vec();
    let results = |graph: Graph| -> Vec<Vec<i32>> {
        let graph = lower(graph).unwrap();
        let input = graph.inputs[0].integers_to_machine(&input).unwrap();
        let values = execute(&graph, &[input]).unwrap();
        graph
            .nodes
            .iter()
            .map(|node| values.of(node.op.output()).to_vec())
            .collect()
    };
    assert_ne!(results(exact), results(rounded));
}

#[test]
fn an_import_has_machine_level_operators_in_the_machines_order() {
    let Some(bytes) = bytes("ds_cnn_kws") else { return };
    let graph = import_tflite(&bytes).unwrap();
    verify(&graph).unwrap();
    let names: Vec<&str> = graph.nodes.iter().map(|node| node.op.name()).collect();
    let pairs = ["QConv"; 9];
    assert_eq!(
        names,
        [&pairs[..], &["QAveragePool", "View", "QDense", "QSoftmax"]].concat()
    );
    let groups = graph
        .nodes
        .iter()
        .filter(|node| matches!(node.op, Op::QConv { group: 64, .. }));
    assert_eq!(groups.count(), 4);
    assert_eq!(graph.tensor(graph.inputs[0].tensor).layout, Layout::Nhwc);
    assert_eq!(graph.inputs[0].shape, Some(vec![1, 49, 10, 1]));
    let quantized = lower(graph).unwrap();
    assert_eq!(quantized.n_macs(), 2_656_768);
    let convs = quantized.nodes.iter().filter(|node| matches!(node.op, QOp::Conv(_)));
    assert_eq!(convs.count(), 9);
}

/// Whatever becomes of damaged bytes, it is an error or a graph that the rest of the compiler takes or refuses.
fn survives(bytes: &[u8]) -> Option<Graph> {
    let graph = import_tflite(bytes).ok()?;
    verify(&graph).unwrap();
    let _ = lower(graph.clone());
    Some(graph)
}

#[test]
fn a_file_that_ends_early_is_damaged() {
    let Some(bytes) = bytes("ds_cnn_kws") else { return };
    let mut n_errors = 0;
    for length in (0..bytes.len()).step_by(997) {
        n_errors += usize::from(survives(&bytes[..length]).is_none());
    }
    assert!(n_errors > bytes.len() / 997 / 2, "{n_errors}");
    let errors = import_tflite(&bytes[..100]).unwrap_err();
    assert_eq!(errors[0].kind, ImportErrorKind::Malformed, "{errors:?}");
    let errors = import_tflite(b"nothing of the kind").unwrap_err();
    assert!(errors[0].found.contains("TFL3"), "{errors:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Damage strikes tables as well as weights; tables are at both ends of the files.
    #[test]
    fn damaged_files_never_panic(model in 0usize..2, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0usize..3), 1..8)) {
        let Some(mut bytes) = bytes(MODELS[model]) else { return Ok(()) };
        let length = bytes.len();
        for (place, value, region) in damage {
            let at = match region {
                0 => place.index(length),
                1 => place.index(1024),
                _ => length - 1 - place.index(8192),
            };
            bytes[at] = value;
        }
        survives(&bytes);
    }
}

//! The trained digit networks, against the outputs of their own runtime.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says why it fails or is skipped"
)]

mod support;

use std::time::Instant;
use systole_compiler::reference::execute;
use systole_compiler::{QuantizedGraph, import_onnx, lower};

fn quantized(path: &str) -> Option<QuantizedGraph> {
    let graph = import_onnx(&support::model_bytes(path)?).unwrap();
    Some(lower(graph).unwrap())
}

/// Integers of a QDQ model are computed in float by the runtime: two of its 2,000 logits may differ by one step.
fn check(name: &str) {
    let Some(graph) = quantized(&format!("digits/{name}.onnx")) else {
        return;
    };
    let images = support::floats("digits/images.npy").unwrap();
    let expected = support::floats(&format!("digits/{name}.expected.npy")).unwrap();
    let (input, output) = (&graph.inputs[0], &graph.outputs[0]);
    assert_eq!(
        (input.shape.as_slice(), output.shape.as_slice()),
        (&[1, 1, 28, 28][..], &[1, 10][..])
    );
    let start = Instant::now();
    let mut n_different = 0;
    let mut n_argmax_equal = 0;
    let n_images = images.shape()[0];
    for (image, wanted) in images.outer_iter().zip(expected.outer_iter()) {
        let pixels: Vec<f32> = image.iter().copied().collect();
        let values = execute(&graph, &[input.quantize_input(&pixels).unwrap()]).unwrap();
        let logits = output.dequantize_output(values.of(output.tensor)).unwrap();
        let wanted: Vec<f32> = wanted.iter().copied().collect();
        for (logit, wanted) in logits.iter().zip(&wanted) {
            let steps = ((logit - wanted) / output.scale).round().abs();
            assert!(steps <= 1.0, "{logit} against {wanted}: {steps} steps apart");
            n_different += usize::from(logit != wanted);
        }
        n_argmax_equal += usize::from(argmax(&logits) == argmax(&wanted));
    }
    println!(
        "{name}: {n_different} logits differ, {n_images} images in {:?}",
        start.elapsed()
    );
    assert_eq!((n_images, n_argmax_equal), (200, 200));
    assert!(n_different <= 2, "{n_different} of 2,000 logits differ");
    assert!(start.elapsed().as_secs_f64() < 30.0, "{:?}", start.elapsed());
}

fn argmax(logits: &[f32]) -> usize {
    (0..logits.len())
        .rev()
        .max_by(|&a, &b| logits[a].total_cmp(&logits[b]))
        .unwrap()
}

#[test]
fn per_channel_qdq() {
    check("digits_int8_qdq");
}

#[test]
fn per_tensor_qoperator() {
    check("digits_int8_qoperator");
}

#[test]
fn structured_sparse_qdq() {
    check("digits_sparse24_int8_qdq");
}

#[test]
fn unstructured_sparse_qdq() {
    check("digits_sparse80_int8_qdq");
}

#[test]
fn the_quantized_graph_has_one_operator_per_layer() {
    for path in ["digits/digits_int8_qdq.onnx", "digits/digits_int8_qoperator.onnx"] {
        let Some(graph) = quantized(path) else { return };
        let names: Vec<_> = graph.nodes.iter().map(|node| node.op.name()).collect();
        let expected = [
            "QConv", "QMaxPool", "QConv", "QConv", "QMaxPool", "View", "QDense", "QDense",
        ];
        assert_eq!(names, expected, "{path}");
        assert_eq!(
            graph.n_macs(),
            28 * 28 * 9 * 16 + 14 * 14 * 9 * (16 + 32) * 32 + 1568 * 64 + 640
        );
    }
}

//! Whole float networks: through the float executor against their own runtime, and their sizes against published ones.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says why it fails or is skipped"
)]

mod support;

use std::time::Instant;
use systole_compiler::graph::{Graph, n_macs};
use systole_compiler::reference::{Value, observe_float};
use systole_compiler::{check_supported, import_onnx};

const TABLE_1: [&str; 10] = [
    "alexnet",
    "vgg16",
    "vgg19",
    "resnet50",
    "resnet101",
    "resnet152",
    "googlenet",
    "inception_v3",
    "mobilenet_v1",
    "squeezenet",
];

/// A model after the pass of a name.
fn graph_after(path: &str, last: &str) -> Option<Graph> {
    let mut graph = import_onnx(&support::model_bytes(path)?).unwrap();
    assert_eq!(check_supported(&graph), [], "{path}");
    for pass in systole_compiler::PASSES {
        pass.run(&mut graph)
            .unwrap_or_else(|errors| panic!("{path}: {}: {errors:#?}", pass.name));
        if pass.name == last {
            return Some(graph);
        }
    }
    panic!("no pass {last}");
}

/// The outputs of a network of one float input for every row of the input.
fn outputs(graph: &Graph, rows: &ndarray::ArrayD<f32>, n_rows: usize) -> Vec<Vec<f32>> {
    let shape = graph.inputs[0].shape.clone().unwrap();
    let run = |row: ndarray::ArrayViewD<'_, f32>| {
        let input = Value::floats(shape.clone(), row.iter().copied().collect());
        let outputs = observe_float(graph, &[input], &mut |_, _| {}).unwrap();
        outputs[0].data.as_f32().unwrap().to_vec()
    };
    rows.outer_iter().take(n_rows).map(run).collect()
}

/// The largest difference, relative to the largest wanted value.
fn relative_error(found: &[f32], wanted: &[f32]) -> f32 {
    assert_eq!(found.len(), wanted.len());
    let scale = wanted.iter().fold(0f32, |m, w| m.max(w.abs())).max(f32::MIN_POSITIVE);
    let distance = |(f, w): (&f32, &f32)| if f.is_finite() { (f - w).abs() } else { f32::INFINITY };
    found.iter().zip(wanted).map(distance).fold(0f32, f32::max) / scale
}

fn check_against_runtime(name: &str) {
    let Some(graph) = graph_after(&format!("onnx_light/{name}/model.onnx"), "infer-shapes") else {
        return;
    };
    let input = support::floats(&format!("onnx_light/{name}/input.npy")).unwrap();
    let expected = support::floats(&format!("onnx_light/{name}/expected.npy")).unwrap();
    let start = Instant::now();
    let found = outputs(&graph, &input, 1);
    let wanted: Vec<f32> = expected.iter().copied().collect();
    let error = relative_error(&found[0], &wanted);
    println!(
        "{name}: relative error {error:e}, {} MAC in {:?}",
        n_macs(&graph),
        start.elapsed()
    );
    assert!(error <= 1e-3, "{name}: {error}");
    let mut perturbed = wanted;
    let largest = perturbed.iter_mut().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap();
    *largest *= 1.01;
    assert!(relative_error(&found[0], &perturbed) > 1e-3, "a change went unnoticed");
}

#[test]
fn alexnet_as_its_runtime() {
    check_against_runtime("bvlc_alexnet");
}

#[test]
fn squeezenet_as_its_runtime() {
    check_against_runtime("squeezenet");
}

#[test]
fn resnet50_as_its_runtime() {
    check_against_runtime("resnet50");
}

/// Float logits agree closely. Of those of QDQ models, computed in f32 in another order than in the runtime, a few fall on the other side
/// of a tie: they differ by one step of the last quantizer.
#[test]
fn digits_as_their_runtime() {
    for (name, n_different_max, step) in [
        ("digits_fp32", 0, 0.0),
        ("digits_sparse24_fp32", 0, 0.0),
        ("digits_sparse80_fp32", 0, 0.0),
        ("digits_int8_qdq", 4, 0.5),
        ("digits_sparse24_int8_qdq", 4, 0.5),
        ("digits_sparse80_int8_qdq", 4, 0.5),
        ("digits_int8_qoperator", 0, 0.0),
    ] {
        let Some(graph) = graph_after(&format!("digits/{name}.onnx"), "infer-shapes") else {
            return;
        };
        let images = support::floats("digits/images.npy").unwrap();
        let expected = support::floats(&format!("digits/{name}.expected.npy")).unwrap();
        let found = outputs(&graph, &images, 200);
        let mut n_different = 0;
        for (found, wanted) in found.iter().zip(expected.outer_iter()) {
            for (found, wanted) in found.iter().zip(&wanted) {
                let distance = (found - wanted).abs();
                if distance > 1e-4 * wanted.abs().max(1.0) {
                    n_different += 1;
                    assert!(distance <= step, "{name}: {found} for {wanted}");
                }
            }
        }
        println!("{name}: {n_different} of 2,000 logits differ");
        assert!(n_different <= n_different_max, "{name}: {n_different} of 2,000 logits");
    }
}

#[test]
fn published_networks_have_their_published_macs() {
    let Some(table) = support::model_bytes("table1/table1.csv") else {
        return;
    };
    let table = String::from_utf8(table).unwrap();
    for name in TABLE_1 {
        let Some(graph) = graph_after(&format!("table1/{name}.onnx"), "infer-shapes") else {
            return;
        };
        let row = table
            .lines()
            .find(|line| line.starts_with(&format!("{name},")))
            .unwrap();
        let gmac = row.split(',').nth(4).unwrap();
        assert_eq!(format!("{:.3}", n_macs(&graph) as f64 / 1e9), gmac, "{name}");
    }
}

/// What is left of the published networks, and that no layer has become more or less work.
#[test]
fn published_networks_are_normalized_completely() {
    const LEFT: [&str; 10] = [
        "Add",
        "AveragePool",
        "Concat",
        "Conv",
        "Gemm",
        "MaxPool",
        "Relu",
        "Softmax",
        "View",
        "LRN",
    ];
    for name in TABLE_1 {
        let path = format!("table1/{name}.onnx");
        let (Some(before), Some(after)) = (graph_after(&path, "infer-shapes"), graph_after(&path, "fold-affine"))
        else {
            return;
        };
        let other = after.nodes.iter().find(|node| !LEFT.contains(&node.op.name()));
        assert_eq!(other, None, "{name}");
        assert_eq!(n_macs(&before), n_macs(&after), "{name}");
    }
}

#[test]
fn a_normalized_resnet50_computes_the_same() {
    let path = "table1/resnet50.onnx";
    let (Some(mut before), Some(after)) = (graph_after(path, "fold-constants"), graph_after(path, "fold-affine"))
    else {
        return;
    };
    assert!(after.nodes.len() + 53 <= before.nodes.len());
    let image: Vec<f32> = (0..3 * 224 * 224).map(|i| (i * 7919 % 255) as f32 / 255.0).collect();
    let rows = ndarray::ArrayD::from_shape_vec(vec![1, 3 * 224 * 224], image).unwrap();
    // The logits: equal weights make every probability one thousandth.
    let logits_of = |graph: &Graph| {
        let softmax = graph.nodes.iter().find(|node| node.op.name() == "Softmax").unwrap();
        softmax.inputs[0].unwrap()
    };
    before.outputs[0].tensor = logits_of(&before);
    let mut after = after;
    after.outputs[0].tensor = logits_of(&after);
    let (found, wanted) = (outputs(&after, &rows, 1), outputs(&before, &rows, 1));
    let error = relative_error(&found[0], &wanted[0]);
    println!("relative error {error:e} at {:e}", wanted[0][0]);
    assert!(error <= 1e-4, "{error}");
}

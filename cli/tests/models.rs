//! Real models through the command: accuracy after quantization, agreement with their own runtimes.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says why it fails or is skipped"
)]

mod support;

use ndarray::{ArrayD, Axis};
use ndarray_npy::{ReadNpyExt, ReadableElement, WriteNpyExt};
use std::path::Path;
use support::{json, model_file, outcome, program_file};

/// Top-1 accuracies may fall by so much: 0.2 points.
const MOST_LOST: f64 = 0.002;
/// Top-1 accuracy of the dense digits network in real numbers.
const FLOAT_ACCURACY: f64 = 0.9765;

fn array<T: ReadableElement>(path: impl AsRef<Path>) -> ArrayD<T> {
    ArrayD::read_npy(std::fs::File::open(path).unwrap()).unwrap()
}

fn save(folder: &Path, name: &str, array: &ArrayD<f32>) -> String {
    let path = folder.join(name);
    array.write_npy(std::fs::File::create(&path).unwrap()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The share of rows whose largest value, the first of several, is at the label.
fn accuracy(logits: &ArrayD<f32>, labels: &[i64]) -> f64 {
    assert_eq!(logits.shape(), [labels.len(), 10]);
    let is_right = |(row, label): &(ndarray::ArrayViewD<'_, f32>, &i64)| {
        let best = (0..10).rev().max_by(|&a, &b| row[[a]].total_cmp(&row[[b]]));
        best == Some(**label as usize)
    };
    logits.outer_iter().zip(labels).filter(is_right).count() as f64 / labels.len() as f64
}

/// The images of the test set that were held out, from 0 to 1, and their labels.
fn held_out() -> Option<(ArrayD<f32>, Vec<i64>)> {
    let bytes: ArrayD<u8> = array(model_file("digits/test2000_u8.npy")?);
    let labels: ArrayD<i64> = array(model_file("digits/test2000_labels.npy")?);
    let n = labels.len();
    let images = bytes.mapv(|v| f32::from(v) / 255.0);
    let images = images.into_shape_with_order(vec![n, 1, 28, 28]).unwrap();
    Some((images, labels.iter().copied().collect()))
}

/// What the machine makes of a float model, and the number of warnings.
fn quantized(images: &ArrayD<f32>, labels: &[i64], more: &[&str]) -> (f64, usize) {
    let folder = tempfile::tempdir().unwrap();
    let images = save(folder.path(), "images.npy", images);
    let model = model_file("digits/digits_fp32.onnx").unwrap();
    let results = folder.path().to_str().unwrap();
    let args = ["run", &model, "--input", &images, "--output", results, "--json"];
    let report = json(&[&args[..], more].concat());
    let output = format!("{}.npy", report["outputs"][0]["name"].as_str().unwrap());
    let n_warnings = report["diagnostics"].as_array().unwrap().len();
    (accuracy(&array(folder.path().join(output)), labels), n_warnings)
}

#[test]
fn float_digits_lose_little() {
    let Some((images, labels)) = held_out() else { return };
    let calibration = model_file("digits/calibration.npy").unwrap();
    let (accuracy, n_warnings) = quantized(&images, &labels, &["--calibrate", &calibration]);
    println!("{accuracy} of {FLOAT_ACCURACY}");
    assert!(accuracy >= FLOAT_ACCURACY - MOST_LOST, "{accuracy}");
    assert_eq!(n_warnings, 0);
}

/// Without calibration there is a result and a warning; ranges that clip most activations, and a percentile that does, are noticed.
#[test]
fn bad_ranges_are_noticed() {
    let Some((images, labels)) = held_out() else { return };
    let (few, labels) = (images.slice_axis(Axis(0), (0..100).into()).to_owned(), &labels[..100]);
    let calibration = model_file("digits/calibration.npy").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let dark = array::<f32>(&calibration).mapv(|v| v / 10.0);
    let dark = save(folder.path(), "dark.npy", &dark);
    let of = |more: &[&str]| quantized(&few, labels, more);
    let (good, n_warnings) = of(&["--calibrate", &calibration, "--percentile", "99.99"]);
    assert_eq!(n_warnings, 0);
    assert_eq!(of(&[]).1, 1);
    let bad = [
        &["--calibrate", &dark][..],
        &["--calibrate", &calibration, "--percentile", "60"],
    ];
    for more in bad {
        assert!(of(more).0 < good - 0.02, "{more:?}: {good}");
    }
}

/// Every integer is that of the runtime; the softmax at the end may be one step off, with the same largest probability.
#[test]
fn tensorflow_lite_models_give_the_integers_of_their_runtime() {
    for model in ["resnet8_cifar10", "ds_cnn_kws"] {
        let file = |name: &str| model_file(&format!("tflite/{model}/{name}"));
        let (Some(path), Some(input), Some(expected)) = (file("model.tflite"), file("input.npy"), file("expected.npy"))
        else {
            return;
        };
        let args = ["run", &path, "--input", &input, "--expect", &expected, "--json"];
        let report = json(&args);
        println!("{model}: {} of {} differ", report["mismatches"], report["compared"]);
        assert_eq!(report["inferences"], array::<i8>(&input).len_of(Axis(0)));
        assert_eq!(report["top1_agreement"], 1.0, "{model}");
        assert!(report["max_abs_error"].as_f64().unwrap() <= 1.0, "{model}");
        // The comparison can fail.
        let wrong = array::<i8>(&expected).mapv(|v| -f32::from(v));
        let folder = tempfile::tempdir().unwrap();
        let wrong = save(folder.path(), "wrong.npy", &wrong);
        let report = json(&["run", &path, "--input", &input, "--expect", &wrong, "--json"]);
        assert!(report["max_abs_error"].as_f64().unwrap() > 1.0);
    }
}

/// Of a matrix product, either operand may be bound.
#[test]
fn bound_inputs_are_constants() {
    let Some(model) = model_file("onnx_node/test_matmul_2d/model.onnx") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let of = |shape: &[usize]| ArrayD::from_shape_fn(shape, |i| (i[0] * 5 + i[1] * 3) as f32 / 10.0 - 1.0);
    let (a, b) = (of(&[3, 4]), of(&[4, 3]));
    let (a_file, b_file) = (save(folder.path(), "a.npy", &a), save(folder.path(), "b.npy", &b));
    let product = ArrayD::from_shape_fn(vec![3, 3], |i| (0..4).map(|k| a[[i[0], k]] * b[[k, i[1]]]).sum::<f32>());
    let expected = save(folder.path(), "c.npy", &product);
    let bind = format!("b={b_file}");
    let args = [
        "run",
        &model,
        "--bind",
        &bind,
        "--input",
        &a_file,
        "--calibrate",
        &a_file,
    ];
    let report = json(&[&args[..], &["--expect", &expected, "--json"]].concat());
    let step = report["max_abs_error"].as_f64().unwrap() / report["max_error_steps"].as_f64().unwrap();
    let span =
        product.iter().fold(0f64, |m, &v| m.max(f64::from(v))) - product.iter().fold(0f64, |m, &v| m.min(f64::from(v)));
    assert!((step - span / 255.0).abs() < 0.05 * step, "{step} of {span}");
    assert!(report["max_error_steps"].as_f64().unwrap() < 2.0, "{report}");
    for (bind, reason) in [
        (format!("q={b_file}"), "no input of this name"),
        (format!("b={expected}"), "[4, 3]"),
    ] {
        let (code, _, stderr) = outcome(&["run", &model, "--bind", &bind]);
        assert!(
            code == 1 && stderr.contains("C0015") && stderr.contains(reason),
            "{stderr}"
        );
    }
    assert_eq!(outcome(&["run", &model, "--bind", "b"]).0, 2);
    assert_eq!(outcome(&["run", &model, "--percentile", "0"]).0, 2);
}

fn text(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A printed graph is a model, from which the same program comes.
#[test]
fn a_printed_graph_is_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = program_file("digits/digits_int8_qdq.onnx");
    let graph = |args: &[&str]| {
        let (code, stdout, stderr) = outcome(&[&["compile", &model][..], args].concat());
        assert_eq!((code, stderr.as_str()), (0, ""));
        stdout
    };
    let listing = |model: &str| outcome(&["compile", model, "--emit", "asm"]);
    let printed = text(folder.path(), "digits_int8_qdq.txt", &graph(&["--emit", "graph"]));
    let (code, program, stderr) = listing(&printed);
    assert_eq!(code, 0, "{stderr}");
    assert!(program == listing(&model).1, "the programs differ");
    let fused = graph(&["--stop-after", "fuse-qdq"]);
    assert!(fused.starts_with("Graph(") && fused.contains("QConv(") && !fused.contains("op: DequantizeLinear"));
    assert!(!graph(&["--dump-after", "nhwc-layout"]).contains("Graph("));
    assert_eq!(outcome(&["compile", &model, "--stop-after", "x"]).0, 1);
}

/// Operators nobody knows are listed, all of them, with their nodes; the graph can be printed nevertheless.
#[test]
fn unknown_operators_are_listed_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let node = |name: &str, from: &str, to: &str| {
        let op = format!("Unsupported(domain: \"\", op_type: \"{name}Op\")");
        format!("(name: \"{name}\", op: {op}, inputs: [\"{from}\"], outputs: [\"{to}\"]),")
    };
    let nodes = node("first", "x", "y") + &node("second", "y", "z");
    let graph = format!(
        "Graph(inputs: [(tensor: \"x\", dtype: f32, shape: [1, 4])], nodes: [{nodes}], outputs: [(tensor: \"z\")])"
    );
    let model = text(folder.path(), "model.ron", &graph);
    let (code, stdout, stderr) = outcome(&["run", &model]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    for name in ["first", "second", "firstOp", "secondOp"] {
        assert!(stderr.contains(name), "{stderr}");
    }
    let (code, stdout, stderr) = outcome(&["compile", &model, "--emit", "graph"]);
    assert_eq!(code, 0);
    assert!(
        stdout.contains("secondOp") && stderr.contains("warning[C0001]"),
        "{stdout}{stderr}"
    );
}

#[test]
fn tables_of_layers_are_models() {
    let folder = tempfile::tempdir().unwrap();
    let table = "Layer, M, N, K,\nqkv, 16, 24, 32,\nout, 16, 8, 24,\n";
    let report = json(&[
        "run",
        &text(folder.path(), "gemm.csv", table),
        "--timing-only",
        "--json",
    ]);
    assert_eq!(report["macs"], 16 * 24 * 32 + 16 * 8 * 24);
    let names: Vec<&str> = report["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["qkv", "out"]);
}

/// Images of a batch share the loads of weights and give what each gives alone.
#[test]
fn images_of_a_batch_share_weights() {
    let folder = tempfile::tempdir().unwrap();
    let model = program_file("digits/digits_int8_qdq.onnx");
    let images = program_file("digits/images.npy");
    let n_images = array::<f32>(&images).len_of(Axis(0));
    let run = |name: &str, more: &[&str]| {
        let results = folder.path().join(name);
        let args = [
            "run",
            &model,
            "--input",
            &images,
            "--output",
            results.to_str().unwrap(),
            "--json",
        ];
        let report = json(&[&args[..], more].concat());
        let output = format!("{}.npy", report["outputs"][0]["name"].as_str().unwrap());
        (report, array::<f32>(results.join(output)))
    };
    let (alone, expected) = run("alone", &[]);
    let (together, found) = run("together", &["--batch", &n_images.to_string()]);
    assert_eq!(found, expected);
    let of = |report: &serde_json::Value, name: &str| report[name].as_u64().unwrap();
    assert_eq!(of(&together, "inferences"), n_images as u64);
    assert_eq!(of(&together, "macs"), of(&alone, "macs"));
    let read = |report: &serde_json::Value| report["dram"]["read_bytes"].as_u64().unwrap();
    assert!(
        2 * read(&together) < read(&alone),
        "{} and {}",
        read(&together),
        read(&alone)
    );
}

/// The tiles of the layers are those of their products.
#[test]
fn the_tiles_are_those_of_the_program() {
    let model = program_file("digits/digits_int8_qdq.onnx");
    let tiles = json(&["compile", &model, "--emit", "tiles", "--json"]);
    let tiles = tiles.as_array().unwrap();
    let names: Vec<&str> = tiles.iter().map(|t| t["layer"].as_str().unwrap()).collect();
    assert_eq!(names, ["conv1", "conv2", "conv3", "fc1", "fc2"]);
    let of = |t: &serde_json::Value, name: &str| t[name].as_u64().unwrap();
    let macs: u64 = tiles.iter().map(|t| of(t, "m") * of(t, "k") * of(t, "n")).sum();
    assert_eq!(json(&["run", &model, "--timing-only", "--json"])["macs"], macs);
    assert!(
        tiles
            .iter()
            .all(|t| of(t, "block_channels") <= of(t, "n") && of(t, "block_reduction") <= of(t, "k"))
    );
    // 9 x 16 weights and 28 rows in blocks; 64 x 10 weights are four tiles of sixteen rows.
    assert_eq!(of(&tiles[4], "array_tiles"), 4);
    let (_, table, _) = outcome(&["compile", &model, "--emit", "tiles"]);
    assert!(
        table.contains("784 x 9 x 16") && table.contains("array tiles"),
        "{table}"
    );
}

#[test]
fn the_report_of_a_compilation_has_the_time_of_each_step() {
    let model = program_file("digits/digits_int8_qdq.onnx");
    let report = json(&["compile", &model, "--emit", "report", "--json"]);
    let steps = report["host"]["steps"].as_array().unwrap();
    assert_eq!(steps.first().unwrap()["step"], "import");
    assert_eq!(steps.last().unwrap()["step"], "code-generation");
    assert!(steps.iter().all(|step| step["seconds"].as_f64().unwrap() >= 0.0) && steps.len() > 10);
    assert!(
        report["layers"]
            .as_array()
            .unwrap()
            .iter()
            .any(|layer| layer["estimated_cycles"].as_u64() > Some(0))
    );
    let (_, table, _) = outcome(&["compile", &model, "--emit", "report"]);
    assert!(table.contains("fuse-qdq") && table.contains("conv1"), "{table}");
}

//! Float digit networks quantized after training, against the labels of the 2,000 held-out images.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says why it fails or is skipped"
)]

mod support;

use rayon::prelude::*;
use systole_compiler::post_training::{QuantizationOptions, RangeRule};
use systole_compiler::reference::execute;
use systole_compiler::{Context, LowerOptions, QuantizedGraph, import_onnx, lower_in};

/// Top-1 accuracies may fall by so much: 0.2 points.
const MOST_LOST: f64 = 0.002;

struct Digits {
    images: Vec<Vec<f32>>,
    labels: Vec<i64>,
    calibration: Vec<Vec<f32>>,
}

fn digits() -> Option<Digits> {
    let labels = support::integers("digits/test2000_labels.npy")?;
    let images = support::bytes("digits/test2000_u8.npy")?;
    let calibration = support::floats("digits/calibration.npy")?;
    let size = images.len() / labels.len();
    let pixels: Vec<f32> = images.iter().map(|&v| f32::from(v) / 255.0).collect();
    Some(Digits {
        images: pixels.chunks_exact(size).map(<[f32]>::to_vec).collect(),
        labels: labels.iter().copied().collect(),
        calibration: calibration
            .outer_iter()
            .map(|row| row.iter().copied().collect())
            .collect(),
    })
}

fn quantized(model: &str, rule: RangeRule, calibration: &[Vec<f32>]) -> QuantizedGraph {
    let bytes = support::model_bytes(&format!("digits/{model}.onnx")).unwrap();
    let mut context = Context::new(LowerOptions {
        quantization: QuantizationOptions {
            range_rule: rule,
            ..QuantizationOptions::default()
        },
        calibration: calibration.iter().map(|row| vec![row.clone()]).collect(),
    });
    let graph = lower_in(import_onnx(&bytes).unwrap(), &mut context).unwrap();
    assert_eq!(context.diagnostics.len(), usize::from(calibration.is_empty()));
    graph
}

fn accuracy(graph: &QuantizedGraph, digits: &Digits) -> f64 {
    let (input, output) = (&graph.inputs[0], &graph.outputs[0]);
    let is_right = |(image, label): (&Vec<f32>, &i64)| {
        let values = execute(graph, &[input.quantize_input(image).unwrap()]).unwrap();
        let logits = output.dequantize_output(values.of(output.tensor)).unwrap();
        let best = (0..logits.len()).rev().max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        best == Some(*label as usize)
    };
    let n_right = digits
        .images
        .par_iter()
        .zip(&digits.labels)
        .filter(|pair| is_right(*pair))
        .count();
    n_right as f64 / digits.images.len() as f64
}

fn check(model: &str, float_accuracy: f64) {
    let Some(digits) = digits() else { return };
    assert_eq!((digits.images.len(), digits.calibration.len()), (2000, 256));
    for rule in [RangeRule::MinMax, RangeRule::Percentile(99.99)] {
        let accuracy = accuracy(&quantized(model, rule, &digits.calibration), &digits);
        println!("{model}, {rule:?}: {accuracy} of {float_accuracy}");
        assert!(accuracy >= float_accuracy - MOST_LOST, "{model}, {rule:?}: {accuracy}");
    }
}

#[test]
fn dense_digits_lose_little() {
    check("digits_fp32", 0.9765);
}

#[test]
fn pruned_digits_lose_little() {
    check("digits_sparse24_fp32", 0.9745);
    check("digits_sparse80_fp32", 0.9655);
}

/// The control: ranges of a tenth of the true ones clip most activations.
#[test]
fn wrong_calibration_is_seen() {
    let Some(digits) = digits() else { return };
    let dark: Vec<Vec<f32>> = digits
        .calibration
        .iter()
        .map(|row| row.iter().map(|v| v / 10.0).collect())
        .collect();
    let accuracy = accuracy(&quantized("digits_fp32", RangeRule::MinMax, &dark), &digits);
    println!("calibrated on dark images: {accuracy}");
    assert!(accuracy < 0.9765 - MOST_LOST, "{accuracy}");
}

#[test]
fn without_calibration_there_is_a_result_and_a_warning() {
    let Some(digits) = digits() else { return };
    let accuracy = accuracy(&quantized("digits_fp32", RangeRule::MinMax, &[]), &digits);
    println!("on noise: {accuracy}");
    assert!(accuracy > 0.9, "{accuracy}");
}

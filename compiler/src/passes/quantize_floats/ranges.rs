//! The ranges of a float graph's activations: observed on calibration inputs, or on noise, or estimated where even noise would take too long.

use super::{moments, not_a_number};
use crate::error::{CompileError, CompileErrorKind, Subject};
use crate::graph::macs::n_macs;
use crate::graph::{DType, Graph, Op, Tensor, TensorData, TensorId};
use crate::passes::Context;
use crate::passes::support::shape_of;
use crate::post_training::{Observer, Range, RangeRule, Sample};
use crate::reference::{FloatError, Value, observe_float};
use std::collections::BTreeMap;
use systole_isa::Diagnostic;

/// Multiply-accumulates that noise may take in all, about a tenth of a second of the reference executor on two cores.
const MOST_NOISE_MACS: u64 = 100_000_000;
/// The most inferences on noise.
const MOST_NOISE_SAMPLES: u64 = 8;

/// Observes or estimates the range of every activation.
pub(super) fn observe(graph: &Graph, context: &mut Context) -> Result<BTreeMap<TensorId, Range>, Vec<CompileError>> {
    let rule = context.options.quantization.range_rule;
    let mut ranges = if context.options.calibration.is_empty() {
        let macs = n_macs(graph).max(1);
        let n_samples = (MOST_NOISE_MACS / macs).min(MOST_NOISE_SAMPLES);
        context.diagnostics.push(warning(n_samples));
        match n_samples {
            0 => moments::estimate(graph),
            _ => {
                let ranges = observed(graph, &noise(graph, n_samples), rule)?;
                // Noise may blow up where real inputs do not; then estimates, which are cut, have to do.
                let is_usable = ranges.values().all(|range| range.is_usable());
                if is_usable { ranges } else { moments::estimate(graph) }
            }
        }
    } else {
        observed(graph, &context.options.calibration, rule)?
    };
    check(graph, &ranges)?;
    fix_ranges_of_softmax(graph, &mut ranges);
    Ok(ranges)
}

fn warning(n_samples: u64) -> Diagnostic {
    let source = match n_samples {
        0 => {
            "of activations are estimated: means and variances of standard normal inputs, carried through the layers as if elements were independent"
                .into()
        }
        n => format!("of activations are those of {n} inferences on standard normal noise"),
    };
    Diagnostic::warning("C0012", "a float model is quantized without calibration inputs")
        .because(format!("the ranges {source}"))
        .help("give typical inputs with `--calibrate X.npy`, once per input of the model; results are rough until then")
}

/// Runs the graph on samples and watches every activation.
fn observed(
    graph: &Graph,
    samples: &[Sample],
    rule: RangeRule,
) -> Result<BTreeMap<TensorId, Range>, Vec<CompileError>> {
    let mut observers: BTreeMap<TensorId, Observer> = BTreeMap::new();
    for sample in samples {
        let inputs = values(graph, sample)?;
        let mut observe = |id: TensorId, value: crate::reference::ValueRef<'_>| {
            if let Some(floats) = value.data.as_f32() {
                observers
                    .entry(id)
                    .or_insert_with(|| Observer::new(rule))
                    .observe(floats);
            }
        };
        observe_float(graph, &inputs, &mut observe).map_err(|error| vec![calibration_error(error)])?;
    }
    Ok(observers
        .into_iter()
        .map(|(id, observer)| (id, observer.range()))
        .collect())
}

/// The arrays of a sample as values of the graph's inputs.
fn values(graph: &Graph, sample: &Sample) -> Result<Vec<Value>, Vec<CompileError>> {
    if sample.len() != graph.inputs.len() {
        let found = format!("{} calibration arrays", sample.len());
        let names: Vec<&str> = graph.inputs.iter().map(|io| io.name.as_str()).collect();
        let expected = format!("one for each of {}", names.join(", "));
        return Err(vec![calibration_fault(Subject::Model, found, &expected)]);
    }
    let of_input = |(io, values): (&crate::graph::GraphIo, &Vec<f32>)| {
        let tensor = graph.tensor(io.tensor);
        let shape = tensor.shape.clone().unwrap_or_default();
        let n: usize = shape.iter().product();
        if values.len() != n {
            let found = format!("{} elements for one inference of calibration", values.len());
            let expected = format!("{n}, as {shape:?} has");
            return Err(calibration_fault(Subject::tensor(&io.name), found, &expected));
        }
        Ok(Value {
            shape,
            data: in_type(values, tensor),
        })
    };
    let results: Vec<_> = graph.inputs.iter().zip(sample).map(of_input).collect();
    let (values, errors): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let errors: Vec<CompileError> = errors.into_iter().filter_map(Result::err).collect();
    if errors.is_empty() {
        Ok(values.into_iter().filter_map(Result::ok).collect())
    } else {
        Err(errors)
    }
}

/// Real numbers in the type of a tensor.
fn in_type(values: &[f32], tensor: &Tensor) -> TensorData {
    match tensor.dtype {
        Some(DType::I64) => TensorData::I64(values.iter().map(|&v| v as i64).collect()),
        Some(DType::Bool) => TensorData::Bool(values.iter().map(|&v| v != 0.0).collect()),
        Some(dtype) if dtype != DType::F32 => {
            let integers: Vec<i32> = values.iter().map(|&v| v.round_ties_even() as i32).collect();
            TensorData::from_i32(&integers, dtype).unwrap_or_else(|| TensorData::F32(values.to_vec()))
        }
        _ => TensorData::F32(values.to_vec()),
    }
}

fn calibration_error(error: FloatError) -> CompileError {
    match error {
        FloatError::Node(error) => error,
        other => calibration_fault(Subject::Model, other.to_string(), "arrays that fit the model's inputs"),
    }
}

fn calibration_fault(subject: Subject, found: String, expected: &str) -> CompileError {
    let help = "give one calibration array per model input, inferences along axis 0";
    CompileError::new(CompileErrorKind::Calibration, subject, found, expected, help)
}

/// Seeded inputs, standard normal by sums of twelve uniform numbers.
fn noise(graph: &Graph, n_samples: u64) -> Vec<Sample> {
    let mut state = 0x5357_0001_u64;
    let mut uniform = move || {
        // The step of Knuth's MMIX generator; its high bits are the random ones.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let mut normal = move || (0..12).map(|_| uniform()).sum::<f32>() - 6.0;
    let lengths: Vec<usize> = graph
        .inputs
        .iter()
        .map(|io| shape_of(graph, io.tensor).iter().product())
        .collect();
    (0..n_samples)
        .map(|_| {
            let array = |&n: &usize| (0..n).map(|_| normal()).collect();
            lengths.iter().map(array).collect()
        })
        .collect()
}

fn check(graph: &Graph, ranges: &BTreeMap<TensorId, Range>) -> Result<(), Vec<CompileError>> {
    let bad = ranges.iter().filter(|(_, range)| !range.is_usable());
    // What follows from a tensor that is no number is none either; the first tells most.
    let errors: Vec<CompileError> = bad
        .map(|(&id, _)| not_a_number(&graph.tensor(id).name))
        .take(1)
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Shares of one get the scale 1/256, as in TensorFlow Lite: it is a power of two, and only the share 1 itself is clipped.
fn fix_ranges_of_softmax(graph: &Graph, ranges: &mut BTreeMap<TensorId, Range>) {
    for node in graph.nodes.iter().filter(|node| matches!(node.op, Op::Softmax { .. })) {
        let hi = 255.0 / 256.0;
        ranges.insert(node.outputs[0], Range { lo: 0.0, hi });
    }
}

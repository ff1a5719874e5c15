//! Weights in integers: symmetric, with one scale per output channel.

use super::not_a_number;
use crate::error::CompileError;
use crate::graph::{Graph, Node, Quantization, Tensor, TensorData, TensorId};
use crate::passes::support::{quantization_error, shape_of};
use crate::post_training::Precision;

/// The largest bias in steps of an accumulator, a quarter of what 32 bits hold: the rest is left to the products.
const LARGEST_BIAS: f32 = (1u32 << 29) as f32;
/// The scale of weights that are all zero and have no bias.
const IDLE_SCALE: f32 = 1.0;
/// The smallest scale; products with the scale of an activation stay normal numbers.
const MIN_SCALE: f32 = 1.0 / (1u64 << 60) as f32;

/// Adds the integers of constant weights whose output channels run along `axis`.
pub(super) fn quantize(
    graph: &mut Graph,
    node: &Node,
    [w, x]: [TensorId; 2],
    axis: usize,
    x_scale: f32,
    precision: Precision,
) -> Result<TensorId, CompileError> {
    let shape = shape_of(graph, w);
    let name = graph.tensor(w).name.clone();
    let values = graph.tensor(w).data.as_ref().and_then(TensorData::as_f32);
    let (Some(values), Some(&n)) = (values, shape.get(axis)) else {
        let found = format!("weights `{name}` of shape {shape:?} for `{}`", graph.tensor(x).name);
        return Err(quantization_error(
            node,
            found,
            "f32 weights with an axis of output channels",
        ));
    };
    let inner: usize = shape[axis + 1..].iter().product();
    let largest = largest_magnitudes(values, n, inner);
    if !largest.iter().all(|v| v.is_finite()) {
        return Err(not_a_number(&name));
    }
    let biases = bias_magnitudes(graph, node, n);
    let top = precision.largest_weight();
    let scales: Vec<f32> = largest
        .iter()
        .zip(biases)
        .map(|(&largest, bias)| {
            let scale = (largest / top as f32).max(bias / (x_scale * LARGEST_BIAS));
            if scale > 0.0 { scale.max(MIN_SCALE) } else { IDLE_SCALE }
        })
        .collect();
    let integers = rounded(values, &scales, inner, top);
    let zero_points = vec![0; n];
    let quantization = Quantization::per_axis(scales, zero_points, axis);
    let quantization = quantization.expect("there are as many zero points as scales");
    let tensor = Tensor::constant(format!("{name}.quantized"), shape, TensorData::I8(integers));
    Ok(graph.add_tensor(tensor.with_quantization(quantization)))
}

/// The largest magnitude of each channel; `inner` neighbouring elements are of one channel. NaN counts as infinite.
fn largest_magnitudes(values: &[f32], n: usize, inner: usize) -> Vec<f32> {
    let mut largest = vec![0.0f32; n];
    let magnitude = |v: f32| if v.is_nan() { f32::INFINITY } else { v.abs() };
    if inner == 1 {
        for row in values.chunks_exact(n.max(1)) {
            for (largest, &v) in largest.iter_mut().zip(row) {
                *largest = largest.max(magnitude(v));
            }
        }
        return largest;
    }
    for (index, run) in values.chunks_exact(inner.max(1)).enumerate() {
        let of_run = run.iter().fold(0.0f32, |a, &v| a.max(magnitude(v)));
        let channel = &mut largest[index % n];
        *channel = channel.max(of_run);
    }
    largest
}

/// Weights in steps of their channel's scale.
fn rounded(values: &[f32], scales: &[f32], inner: usize, top: i32) -> Vec<i8> {
    let top = top as f32;
    let round = |v: f32, scale: f32| (v / scale).round_ties_even().clamp(-top, top) as i8;
    if inner == 1 {
        let rows = values.chunks_exact(scales.len().max(1));
        return rows
            .flat_map(|row| row.iter().zip(scales).map(|(&v, &scale)| round(v, scale)))
            .collect();
    }
    let runs = values.chunks_exact(inner.max(1)).zip(scales.iter().cycle());
    let mut integers = Vec::with_capacity(values.len());
    runs.for_each(|(run, &scale)| integers.extend(run.iter().map(|&v| round(v, scale))));
    integers
}

/// The magnitudes of the biases of a node, zero where there is none.
fn bias_magnitudes(graph: &Graph, node: &Node, n: usize) -> Vec<f32> {
    let bias = node.input(2).and_then(|id| graph.tensor(id).data.as_ref());
    match bias.and_then(TensorData::as_f32) {
        Some(&[value]) => vec![value.abs(); n],
        Some(values) if values.len() == n => values.iter().map(|v| v.abs()).collect(),
        _ => vec![0.0; n],
    }
}

//! One plain loop nest per operator. Accumulators cannot overflow: the graph proved it when it was built.

use super::arith::{self, requantize};
use crate::quantized::{
    ClipRange, QAdd, QConv, QDense, QMaxPool, QRequant, QuantizedGraph, Rounding, TensorId, Window,
};
use systole_isa::numerics::Scale;

/// Height, width and channels, after the batch.
fn image(graph: &QuantizedGraph, id: TensorId) -> [usize; 4] {
    match graph.tensor(id).shape[..] {
        [n, h, w, c] => [n, h, w, c],
        _ => unreachable!("the verifier lets only images of 4 axes into windowed operators"),
    }
}

/// Weights without their zero points.
fn centred(weights: &[i32], zero_points: &[i32]) -> Vec<i32> {
    weights
        .chunks_exact(zero_points.len())
        .flat_map(|row| row.iter().zip(zero_points).map(|(w, z)| w - z))
        .collect()
}

/// Adds one input element times its row of weights to all columns.
fn accumulate(acc: &mut [i32], x: i32, weights: &[i32], row: usize) {
    let n = acc.len();
    for (sum, w) in acc.iter_mut().zip(&weights[row * n..(row + 1) * n]) {
        *sum += x * w;
    }
}

fn finish(y: &mut Vec<i32>, acc: &[i32], (scales, rounding): (&[Scale], Rounding), zero_point: i32, clip: ClipRange) {
    y.extend(
        acc.iter()
            .zip(scales)
            .map(|(&a, &scale)| requantize(a, scale, rounding, zero_point, clip)),
    );
}

/// The image row or column that element `k` of window `o` falls on, if it is inside.
fn position(o: usize, k: usize, axis: usize, window: &Window, len: usize) -> Option<usize> {
    let before = [window.pads.top, window.pads.left][axis];
    let padded = o * window.strides[axis] + k * window.dilations[axis];
    padded.checked_sub(before).filter(|&i| i < len)
}

pub(super) fn conv(graph: &QuantizedGraph, op: &QConv, tensors: &[Vec<i32>]) -> Vec<i32> {
    let [n, height, width, ci] = image(graph, op.input);
    let [_, oh, ow, co] = image(graph, op.output);
    let [kh, kw] = op.window.kernel;
    let x = &tensors[op.input.index()];
    let bias = &tensors[op.bias.index()];
    let weights = centred(&tensors[op.weights.index()], &op.weight_zero_points);
    let mut y = Vec::with_capacity(n * oh * ow * co);
    let mut acc = vec![0; co];
    for (batch, oy, ox) in positions(n, oh, ow) {
        acc.copy_from_slice(bias);
        for ky in 0..kh {
            let Some(iy) = position(oy, ky, 0, &op.window, height) else {
                continue;
            };
            for kx in 0..kw {
                let Some(ix) = position(ox, kx, 1, &op.window, width) else {
                    continue;
                };
                let pixel = ((batch * height + iy) * width + ix) * ci;
                for (c, value) in x[pixel..pixel + ci].iter().enumerate() {
                    let row = (ky * kw + kx) * ci + c;
                    accumulate(&mut acc, value - op.input_zero_point, &weights, row);
                }
            }
        }
        finish(
            &mut y,
            &acc,
            (&op.scales, graph.rounding),
            op.output_zero_point,
            op.clip,
        );
    }
    y
}

/// All pixels of a batch of images, in memory order.
fn positions(n: usize, height: usize, width: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..n).flat_map(move |b| (0..height).flat_map(move |y| (0..width).map(move |x| (b, y, x))))
}

pub(super) fn dense(graph: &QuantizedGraph, op: &QDense, tensors: &[Vec<i32>]) -> Vec<i32> {
    let x = &tensors[op.input.index()];
    let bias = &tensors[op.bias.index()];
    let weights = centred(&tensors[op.weights.index()], &op.weight_zero_points);
    let mut y = Vec::with_capacity(op.m * op.n);
    for row in 0..op.m {
        let mut acc = bias.clone();
        for k in 0..op.k {
            accumulate(&mut acc, x[row * op.k + k] - op.input_zero_point, &weights, k);
        }
        finish(
            &mut y,
            &acc,
            (&op.scales, graph.rounding),
            op.output_zero_point,
            op.clip,
        );
    }
    y
}

pub(super) fn max_pool(graph: &QuantizedGraph, op: &QMaxPool, tensors: &[Vec<i32>]) -> Vec<i32> {
    let [n, height, width, channels] = image(graph, op.input);
    let [_, oh, ow, _] = image(graph, op.output);
    let [kh, kw] = op.window.kernel;
    let x = &tensors[op.input.index()];
    // A window that lies in the padding altogether gives the smallest value of the type.
    let smallest = graph.tensor(op.output).dtype.range().map_or(i32::MIN, |(lo, _)| lo);
    let mut y = Vec::with_capacity(n * oh * ow * channels);
    for (batch, oy, ox) in positions(n, oh, ow) {
        let start = y.len();
        y.resize(start + channels, smallest);
        for ky in 0..kh {
            let Some(iy) = position(oy, ky, 0, &op.window, height) else {
                continue;
            };
            for kx in 0..kw {
                let Some(ix) = position(ox, kx, 1, &op.window, width) else {
                    continue;
                };
                let pixel = ((batch * height + iy) * width + ix) * channels;
                for (best, value) in y[start..].iter_mut().zip(&x[pixel..pixel + channels]) {
                    *best = (*best).max(*value);
                }
            }
        }
    }
    y
}

pub(super) fn add(op: &QAdd, tensors: &[Vec<i32>]) -> Vec<i32> {
    let [a_zero, b_zero] = op.zero_points;
    let (a, b) = (&tensors[op.a.index()], &tensors[op.b.index()]);
    let sum = |(a, b): (&i32, &i32)| {
        let sum = arith::add(a - a_zero, b - b_zero, &op.parameters) + i64::from(op.output_zero_point);
        sum.clamp(i64::from(op.clip.lo), i64::from(op.clip.hi)) as i32
    };
    a.iter().zip(b).map(sum).collect()
}

pub(super) fn requant(graph: &QuantizedGraph, op: &QRequant, tensors: &[Vec<i32>]) -> Vec<i32> {
    let rescale = |x: &i32| {
        requantize(
            x - op.input_zero_point,
            op.scale,
            graph.rounding,
            op.output_zero_point,
            op.clip,
        )
    };
    tensors[op.input.index()].iter().map(rescale).collect()
}

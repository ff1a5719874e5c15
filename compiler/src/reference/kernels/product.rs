//! Convolution and matrix product.

use super::{Context, pixels, taps};
use crate::quantized::{ClipRange, QConv, QDense, Rounding};
use crate::reference::arith::requantize;
use systole_isa::numerics::Scale;

/// Weights without their zero points.
fn centred(weights: &[i32], zero_points: &[i32]) -> Vec<i32> {
    weights
        .chunks_exact(zero_points.len().max(1))
        .flat_map(|row| row.iter().zip(zero_points).map(|(w, z)| w - z))
        .collect()
}

/// Adds one input element times a row of weights to all sums.
fn accumulate(sums: &mut [i32], x: i32, weights: &[i32]) {
    for (sum, w) in sums.iter_mut().zip(weights) {
        *sum += x * w;
    }
}

fn finish(y: &mut Vec<i32>, sums: &[i32], (scales, rounding): (&[Scale], Rounding), zero_point: i32, clip: ClipRange) {
    let scaled = sums.iter().zip(scales);
    y.extend(scaled.map(|(&sum, &scale)| requantize(sum, scale, rounding, zero_point, clip)));
}

pub(super) fn conv(context: Context<'_>, op: &QConv) -> Vec<i32> {
    let [n, height, width, ci] = context.image(op.input);
    let [_, oh, ow, co] = context.image(op.output);
    let x = context.elements(op.input);
    let weights = centred(context.elements(op.weights), &op.weight_zero_points);
    let (ci_group, co_group) = (ci / op.groups, co / op.groups);
    let scaling = (op.scales.as_slice(), context.graph.rounding);
    let mut y = Vec::with_capacity(n * oh * ow * co);
    let mut sums = vec![0; co];
    for (batch, oy, ox) in pixels(n, oh, ow) {
        sums.copy_from_slice(context.elements(op.bias));
        for (tap, [iy, ix]) in taps(&op.window, [height, width], [oy, ox]) {
            let pixel = ((batch * height + iy) * width + ix) * ci;
            for (c, value) in x[pixel..pixel + ci].iter().enumerate() {
                let (group, row) = (c / ci_group, tap * ci_group + c % ci_group);
                let columns = group * co_group..(group + 1) * co_group;
                let row = &weights[row * co..(row + 1) * co];
                accumulate(&mut sums[columns.clone()], value - op.input_zero_point, &row[columns]);
            }
        }
        finish(&mut y, &sums, scaling, op.output_zero_point, op.clip);
    }
    y
}

pub(super) fn dense(context: Context<'_>, op: &QDense) -> Vec<i32> {
    let x = context.elements(op.input);
    let weights = centred(context.elements(op.weights), &op.weight_zero_points);
    let scaling = (op.scales.as_slice(), context.graph.rounding);
    let mut y = Vec::with_capacity(op.m * op.n);
    for row in 0..op.m {
        let mut sums = context.elements(op.bias).to_vec();
        for k in 0..op.k {
            let value = x[row * op.k + k] - op.input_zero_point;
            accumulate(&mut sums, value, &weights[k * op.n..(k + 1) * op.n]);
        }
        finish(&mut y, &sums, scaling, op.output_zero_point, op.clip);
    }
    y
}

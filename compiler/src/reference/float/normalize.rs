//! Normalizations and softmax.

use super::pool::mean;
use super::value::{Call, expanded};
use crate::error::CompileError;
use crate::graph::movement::resolve_axis;

/// Over an axis, or over all axes from it on.
pub(super) fn softmax(call: &Call, axis: i64, coerce_to_matrix: bool) -> Result<Vec<f32>, CompileError> {
    let (x, shape) = (call.floats(0)?, call.operand(0)?.shape);
    let axis = resolve_axis(call.node, axis, shape.len())?;
    let inner: usize = if coerce_to_matrix {
        1
    } else {
        shape[axis + 1..].iter().product()
    };
    let length: usize = if coerce_to_matrix {
        shape[axis..].iter().product()
    } else {
        shape[axis]
    };
    let mut result = x.to_vec();
    for block in result.chunks_mut((length * inner).max(1)) {
        for offset in 0..inner {
            let line = || (0..length).map(|i| offset + i * inner);
            let highest = line().map(|i| block[i]).fold(f32::NEG_INFINITY, f32::max);
            let mut sum = 0.0f64;
            for i in line() {
                block[i] = (block[i] - highest).exp();
                sum += f64::from(block[i]);
            }
            line().for_each(|i| block[i] = (f64::from(block[i]) / sum) as f32);
        }
    }
    Ok(result)
}

pub(super) fn batch_normalization(call: &Call, epsilon: f32) -> Result<Vec<f32>, CompileError> {
    let (x, shape) = (call.floats(0)?, call.operand(0)?.shape);
    let [scale, shift, mean, variance] = [call.floats(1)?, call.floats(2)?, call.floats(3)?, call.floats(4)?];
    let inner: usize = shape[2..].iter().product();
    let mut result = x.to_vec();
    for (row, values) in result.chunks_mut(inner.max(1)).enumerate() {
        let c = row % shape[1];
        let factor = scale[c] / (variance[c] + epsilon).sqrt();
        values.iter_mut().for_each(|v| *v = (*v - mean[c]) * factor + shift[c]);
    }
    Ok(result)
}

pub(super) fn layer_normalization(call: &Call, axis: i64, epsilon: f32) -> Result<Vec<f32>, CompileError> {
    let (x, shape) = (call.floats(0)?, call.operand(0)?.shape);
    let axis = resolve_axis(call.node, axis, shape.len())?;
    let length: usize = shape[axis..].iter().product();
    let list = |position| Ok(call.optional_floats(position)?.map(|v| (v, call.operands[position])));
    let spread = |list: Option<(&[f32], Option<super::ValueRef>)>, default: f32| match list {
        Some((values, Some(value))) => expanded(values, value.shape, shape).into_owned(),
        _ => vec![default; x.len()],
    };
    let (scale, shift) = (spread(list(1)?, 1.0), spread(list(2)?, 0.0));
    let mut result = x.to_vec();
    for (row, values) in result.chunks_mut(length.max(1)).enumerate() {
        let center = mean(values);
        let squares = values
            .iter()
            .map(|&v| (f64::from(v) - f64::from(center)).powi(2))
            .sum::<f64>();
        let deviation = ((squares / length as f64) as f32 + epsilon).sqrt();
        for (i, value) in values.iter_mut().enumerate() {
            let place = row * length + i;
            *value = (*value - center) / deviation * scale[place] + shift[place];
        }
    }
    Ok(result)
}

/// Constants of a normalization over neighbouring channels.
pub(super) struct Lrn {
    pub(super) alpha: f32,
    pub(super) beta: f32,
    pub(super) bias: f32,
    pub(super) size: usize,
}

/// The neighbourhood of a channel reaches from `(size - 1) / 2` before it, rounded down, to as many behind it, rounded up.
pub(super) fn lrn(call: &Call, constants: &Lrn) -> Result<Vec<f32>, CompileError> {
    let (x, shape) = (call.floats(0)?, call.operand(0)?.shape);
    let channels = shape[1];
    let inner: usize = shape[2..].iter().product();
    let mut result = x.to_vec();
    let image_len = (channels * inner).max(1);
    for (x, result) in x.chunks(image_len).zip(result.chunks_mut(image_len)) {
        for (c, plane) in result.chunks_mut(inner.max(1)).enumerate() {
            let first = c.saturating_sub((constants.size - 1) / 2);
            let last = c.saturating_add(constants.size / 2).min(channels - 1);
            for (pixel, value) in plane.iter_mut().enumerate() {
                let square = |channel: usize| x[channel * inner + pixel].powi(2);
                let sum: f32 = (first..=last).map(square).sum();
                let base = constants.bias + constants.alpha / constants.size as f32 * sum;
                *value /= base.powf(constants.beta);
            }
        }
    }
    Ok(result)
}

//! Quantization, and the integer operators of model files.

use super::conv::{Shape, conv_integer};
use super::value::{Call, expanded};
use crate::error::CompileError;
use crate::graph::{DType, TensorData, WindowAttributes};
use crate::reference::arith::{dequantize_f32, quantize_f32};

/// Scales and zero points along an axis of a shape, or one of each for all elements.
struct Parameters {
    scales: Vec<f32>,
    zero_points: Vec<i32>,
    /// Elements behind each index of the axis.
    inner: usize,
}

impl Parameters {
    fn of(&self, index: usize) -> (f32, i32) {
        let pick = index / self.inner;
        (
            self.scales[pick % self.scales.len()],
            self.zero_points[pick % self.zero_points.len()],
        )
    }
}

/// Parameters from operands. One zero point serves any number of scales.
fn parameters(call: &Call, [scale, zero]: [usize; 2], axis: i64, shape: &[usize]) -> Result<Parameters, CompileError> {
    let scales = call.floats(scale)?.to_vec();
    let zero_points = call.integers_or_zero(zero)?;
    list(call, scales, zero_points, axis, shape)
}

fn list(
    call: &Call,
    scales: Vec<f32>,
    zero_points: Vec<i32>,
    axis: i64,
    shape: &[usize],
) -> Result<Parameters, CompileError> {
    if scales.is_empty() || zero_points.is_empty() {
        return Err(call.fault(
            "no scale or no zero point".into(),
            "one, or one per index along the axis",
        ));
    }
    let n = scales.len().max(zero_points.len());
    let fits = |len: usize| len == 1 || len == n;
    let mut inner = 1;
    if n != 1 {
        let axis = crate::graph::movement::resolve_axis(call.node, axis, shape.len())?;
        if shape[axis] != n || !fits(scales.len()) || !fits(zero_points.len()) {
            let found = format!(
                "{} scales and {} zero points along axis {axis} of shape {shape:?}",
                scales.len(),
                zero_points.len()
            );
            return Err(call.fault(found, "one of each per index along the axis"));
        }
        inner = shape[axis + 1..].iter().product::<usize>().max(1);
    }
    Ok(Parameters {
        scales,
        zero_points,
        inner,
    })
}

pub(super) fn quantize_linear(call: &Call, axis: i64, dtype: DType) -> Result<TensorData, CompileError> {
    let parameters = parameters(call, [1, 2], axis, call.operand(0)?.shape)?;
    quantize(call, call.floats(0)?, &parameters, dtype)
}

/// With the quantization of the output tensor.
pub(super) fn quantize_attached(
    call: &Call,
    quantization: &crate::graph::Quantization,
    dtype: DType,
) -> Result<TensorData, CompileError> {
    let parameters = attached(call, quantization)?;
    quantize(call, call.floats(0)?, &parameters, dtype)
}

/// With the quantization of the input tensor.
pub(super) fn dequantize_attached(
    call: &Call,
    quantization: &crate::graph::Quantization,
) -> Result<TensorData, CompileError> {
    let parameters = attached(call, quantization)?;
    Ok(dequantize(&call.integers(0)?, &parameters))
}

fn attached(call: &Call, quantization: &crate::graph::Quantization) -> Result<Parameters, CompileError> {
    let axis = quantization.axis().unwrap_or(0) as i64;
    let (scales, zero_points) = (quantization.scales().to_vec(), quantization.zero_points().to_vec());
    list(call, scales, zero_points, axis, call.operand(0)?.shape)
}

fn quantize(call: &Call, values: &[f32], parameters: &Parameters, dtype: DType) -> Result<TensorData, CompileError> {
    let fault = || call.type_fault(0, dtype, "a quantized type");
    let (lo, hi) = dtype.range().ok_or_else(fault)?;
    let integer = |(index, &value): (usize, &f32)| {
        let (scale, zero_point) = parameters.of(index);
        quantize_f32(value, scale, zero_point, lo, hi)
    };
    let integers: Vec<i32> = values.iter().enumerate().map(integer).collect();
    TensorData::from_i32(&integers, dtype).ok_or_else(fault)
}

fn dequantize(integers: &[i32], parameters: &Parameters) -> TensorData {
    let real = |(index, &integer): (usize, &i32)| {
        let (scale, zero_point) = parameters.of(index);
        dequantize_f32(integer, scale, zero_point)
    };
    TensorData::F32(integers.iter().enumerate().map(real).collect())
}

pub(super) fn dequantize_linear(call: &Call, axis: i64) -> Result<TensorData, CompileError> {
    let parameters = parameters(call, [1, 2], axis, call.operand(0)?.shape)?;
    Ok(dequantize(&call.integers(0)?, &parameters))
}

/// Integers without their zero points, which may differ along an axis.
fn centered(call: &Call, position: usize, zero: usize, axis: i64) -> Result<Vec<i32>, CompileError> {
    let shape = call.operand(position)?.shape;
    let parameters = list(call, vec![1.0], call.integers_or_zero(zero)?, axis, shape)?;
    let integers = call.integers(position)?;
    Ok(integers
        .iter()
        .enumerate()
        .map(|(index, integer)| integer.wrapping_sub(parameters.of(index).1))
        .collect())
}

/// `[x, w, x_zero?, w_zero?]`.
pub(super) fn convolve(call: &Call, window: &WindowAttributes, group: usize) -> Result<TensorData, CompileError> {
    let shape = Shape::new(call, [0, 1], window, group)?;
    let (x, w) = (centered(call, 0, 2, 0)?, centered(call, 1, 3, 0)?);
    Ok(TensorData::I32(conv_integer(&shape, &x, &w)))
}

/// `[a, b, a_zero?, b_zero?]`; zero points of `a` run along its rows, those of `b` along its columns.
pub(super) fn multiply(call: &Call) -> Result<TensorData, CompileError> {
    let (a, b) = (centered(call, 0, 2, -2)?, centered(call, 1, 3, -1)?);
    let (a_shape, b_shape) = (call.operand(0)?.shape, call.operand(1)?.shape);
    let n = *b_shape.last().unwrap_or(&0);
    let k = *a_shape.last().unwrap_or(&0);
    if b_shape.len() != 2 {
        return Err(call.fault(format!("operand 1 of shape {b_shape:?}"), "a matrix"));
    }
    Ok(TensorData::I32(product(&a, &b, k, n, false)))
}

fn product(a: &[i32], b: &[i32], k: usize, n: usize, trans_b: bool) -> Vec<i32> {
    let mut result = Vec::with_capacity(a.len() / k.max(1) * n);
    for row in a.chunks(k.max(1)) {
        for column in 0..n {
            let at = |i: usize| if trans_b { b[column * k + i] } else { b[i * n + column] };
            let sum = |sum: i32, (i, a): (usize, &i32)| sum.wrapping_add(a.wrapping_mul(at(i)));
            result.push(row.iter().enumerate().fold(0, sum));
        }
    }
    result
}

/// Sums in units of `a_scale * b_scale[column]`, rescaled to the result as the standard demands: multiplied by a binary32 factor, rounded
/// to the nearest, halves to even.
fn rescale(
    call: &Call,
    sums: &[i32],
    [a, b, y, zero]: [usize; 4],
    column: impl Fn(usize) -> usize,
) -> Result<TensorData, CompileError> {
    let [a_scales, b_scales, y_scales] = [call.floats(a)?, call.floats(b)?, call.floats(y)?];
    let (&[a_scale], &[y_scale]) = (a_scales, y_scales) else {
        return Err(call.fault("several scales of an activation".into(), "one scale"));
    };
    let zero_point = call.integers_or_zero(zero)?.first().copied().unwrap_or(0);
    let dtype = match call.optional(zero) {
        Some(zero) => zero.data.dtype(),
        None => call.operand(0)?.data.dtype(),
    };
    let n = b_scales.len();
    if n == 0 {
        return Err(call.fault("no scale of the weights".into(), "at least one"));
    }
    let scaled = |(index, &sum): (usize, &i32)| {
        let factor = a_scale * b_scales[if n == 1 { 0 } else { column(index) % n }] / y_scale;
        quantize_f32(sum as f32 * factor, 1.0, zero_point, i32::MIN, i32::MAX)
    };
    let integers: Vec<i32> = sums.iter().enumerate().map(scaled).collect();
    TensorData::from_i32(&integers, dtype).ok_or_else(|| call.type_fault(zero, dtype, "a quantized type"))
}

/// `[x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias?]`.
pub(super) fn q_linear_conv(call: &Call, window: &WindowAttributes, group: usize) -> Result<TensorData, CompileError> {
    let shape = Shape::new(call, [0, 3], window, group)?;
    let (x, w) = (centered(call, 0, 2, 0)?, centered(call, 3, 5, 0)?);
    let mut sums = conv_integer(&shape, &x, &w);
    let result = call.result();
    let n_pixels = (result[2] * result[3]).max(1);
    if call.optional(8).is_some() {
        let bias = call.integers(8)?;
        if bias.len() != result[1] {
            return Err(call.fault(format!("{} biases", bias.len()), "one per output channel"));
        }
        for (index, plane) in sums.chunks_mut(n_pixels).enumerate() {
            let bias = bias[index % bias.len()];
            plane.iter_mut().for_each(|sum| *sum = sum.wrapping_add(bias));
        }
    }
    rescale(call, &sums, [1, 4, 6, 7], |index| index / n_pixels % result[1])
}

/// `[a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero]`.
pub(super) fn q_linear_mat_mul(call: &Call) -> Result<TensorData, CompileError> {
    let (a, b) = (centered(call, 0, 2, -2)?, centered(call, 3, 5, -1)?);
    let n = call.result().last().copied().unwrap_or(0);
    let k = call.operand(0)?.shape.last().copied().unwrap_or(0);
    rescale(call, &product(&a, &b, k, n, false), [1, 4, 6, 7], |index| index % n)
}

/// `[a, a_scale, a_zero?, b, b_scale, b_zero?, bias?, y_scale?, y_zero?]`; without a scale of the result it stays real.
pub(super) fn q_gemm(call: &Call, trans_b: bool) -> Result<TensorData, CompileError> {
    let b_axis = if trans_b { 0 } else { 1 };
    let (a, b) = (centered(call, 0, 2, -2)?, centered(call, 3, 5, b_axis)?);
    let to = call.result();
    let n = to.last().copied().unwrap_or(0);
    let k = call.operand(0)?.shape.last().copied().unwrap_or(0);
    let mut sums = product(&a, &b, k, n, trans_b);
    if let Some(bias) = call.optional(6) {
        let values = call.integers(6)?;
        if bias.shape.len() > to.len() || !matches!(values.len(), 1) && values.len() != n {
            return Err(call.fault(format!("a bias of shape {:?}", bias.shape), "one value per column"));
        }
        let bias = expanded(&values, bias.shape, to);
        sums.iter_mut()
            .zip(bias.iter())
            .for_each(|(sum, bias)| *sum = sum.wrapping_add(*bias));
    }
    if call.optional(7).is_some() {
        return rescale(call, &sums, [1, 4, 7, 8], |index| index % n);
    }
    let (a_scales, b_scales) = (call.floats(1)?, call.floats(4)?);
    let &[a_scale] = a_scales else {
        return Err(call.fault(format!("{} scales of an activation", a_scales.len()), "one"));
    };
    if b_scales.len() != 1 && b_scales.len() != n {
        return Err(call.fault(
            format!("{} scales of the weights", b_scales.len()),
            "one, or one per column",
        ));
    }
    let scale = |index: usize| a_scale * b_scales[if b_scales.len() == 1 { 0 } else { index % n }];
    Ok(TensorData::F32(
        sums.iter().enumerate().map(|(i, &sum)| sum as f32 * scale(i)).collect(),
    ))
}

/// `[a, a_scale, a_zero?, b, b_scale, b_zero?, y_scale, y_zero?]`: `((a - a_zero) a_scale + (b - b_zero) b_scale) / y_scale + y_zero`.
pub(super) fn q_linear_add(call: &Call) -> Result<TensorData, CompileError> {
    let (a, b) = (centered(call, 0, 2, 0)?, centered(call, 3, 5, 0)?);
    let to = call.result();
    let a = expanded(&a, call.operand(0)?.shape, to);
    let b = expanded(&b, call.operand(3)?.shape, to);
    let first = |position| Ok(call.floats(position)?.first().copied().unwrap_or(1.0));
    let (a_scale, b_scale, y_scale) = (first(1)?, first(4)?, first(6)?);
    let zero_point = call.integers_or_zero(7)?.first().copied().unwrap_or(0);
    let dtype = call
        .optional(7)
        .map_or(call.operand(0)?.data.dtype(), |zero| zero.data.dtype());
    let sum = |(&a, &b): (&i32, &i32)| {
        let real = (a as f32 * a_scale + b as f32 * b_scale) / y_scale;
        quantize_f32(real, 1.0, zero_point, i32::MIN, i32::MAX)
    };
    let integers: Vec<i32> = a.iter().zip(b.iter()).map(sum).collect();
    TensorData::from_i32(&integers, dtype).ok_or_else(|| call.type_fault(0, dtype, "a quantized type"))
}

//! Operators on one element, or on two in the same place.

use super::Context;
use crate::quantized::{QAdd, QLut, QMul, QPrelu, QRequant, TensorId};
use crate::reference::arith::{self, place, requantize};

/// For every element of the result, the element of the operand in its place.
fn broadcast(context: Context<'_>, operand: TensorId, result: TensorId) -> Vec<i32> {
    let (shape, target) = (context.shape(operand), context.shape(result));
    let elements = context.elements(operand);
    if shape == target {
        return elements.to_vec();
    }
    let mut indices = vec![0];
    for (axis, &length) in target.iter().enumerate() {
        // Along a repeated axis the index stays; along the others it moves on by one.
        let (own, step) = (shape[axis], usize::from(shape[axis] > 1));
        let next = indices
            .iter()
            .flat_map(|base| (0..length).map(move |i| base * own + i * step));
        indices = next.collect();
    }
    indices.into_iter().map(|i| elements[i]).collect()
}

/// Applies a function to the elements of two operands, without their zero points.
fn pairs(
    context: Context<'_>,
    [a, b]: [TensorId; 2],
    [a_zero, b_zero]: [i32; 2],
    result: TensorId,
    function: impl Fn(i32, i32) -> i32,
) -> Vec<i32> {
    let (a, b) = (broadcast(context, a, result), broadcast(context, b, result));
    a.iter()
        .zip(&b)
        .map(|(a, b)| function(a - a_zero, b - b_zero))
        .collect()
}

pub(super) fn add(context: Context<'_>, op: &QAdd) -> Vec<i32> {
    let sum = |a, b| place(arith::add(a, b, &op.parameters), op.output_zero_point, op.clip);
    pairs(context, [op.a, op.b], op.zero_points, op.output, sum)
}

pub(super) fn mul(context: Context<'_>, op: &QMul) -> Vec<i32> {
    let product = |a, b| place(arith::mul(a, b, &op.parameters), op.output_zero_point, op.clip);
    pairs(context, [op.a, op.b], op.zero_points, op.output, product)
}

pub(super) fn requant(context: Context<'_>, op: &QRequant) -> Vec<i32> {
    let (scale, rounding) = (op.scale, context.graph.rounding);
    let rescale = |x: &i32| requantize(x - op.input_zero_point, scale, rounding, op.output_zero_point, op.clip);
    context.elements(op.input).iter().map(rescale).collect()
}

pub(super) fn lut(context: Context<'_>, op: &QLut) -> Vec<i32> {
    let dtype = context.graph.tensor(op.input).dtype;
    let lowest = dtype.range().map_or(0, |(lo, _)| lo);
    let look_up = |x: &i32| op.table[(x - lowest) as usize];
    context.elements(op.input).iter().map(look_up).collect()
}

pub(super) fn prelu(context: Context<'_>, op: &QPrelu) -> Vec<i32> {
    let rounding = context.graph.rounding;
    let elements = context.elements(op.input).iter();
    elements
        .zip(op.parameters.iter().cycle())
        .map(|(x, parameters)| {
            let scaled = arith::prelu(x - op.input_zero_point, parameters, rounding);
            place(scaled, op.output_zero_point, op.clip)
        })
        .collect()
}

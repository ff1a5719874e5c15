//! QuantizeLinear and DequantizeLinear, and the operators of `com.microsoft` that are a float operator between them.

use super::{Expansion, Reading, Source, activation, elementwise, known, movement, pool, variant};
use crate::graph::Op;
use crate::onnx::attributes::{AttributeFault, NodeView};
use crate::onnx::tensor;

pub(super) fn quantize_linear(node: NodeView) -> Result<Reading, AttributeFault> {
    if is_blocked(node)? {
        return variant("scales per block");
    }
    let number = node.int_or("output_dtype", 0)?;
    let dtype = match number {
        0 => None,
        number => match tensor::dtype_from_number(number) {
            Some(dtype) => Some(dtype),
            None => return variant(format!("output type number {number}")),
        },
    };
    known(Op::QuantizeLinear {
        axis: node.int_or("axis", 1)?,
        dtype,
    })
}

pub(super) fn dequantize_linear(node: NodeView) -> Result<Reading, AttributeFault> {
    if is_blocked(node)? {
        return variant("scales per block");
    }
    known(Op::DequantizeLinear {
        axis: node.int_or("axis", 1)?,
    })
}

fn is_blocked(node: NodeView) -> Result<bool, AttributeFault> {
    Ok(node.int_or("block_size", 0)? != 0)
}

/// `[a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero]`.
pub(super) fn q_linear_mul(node: NodeView) -> Result<Reading, AttributeFault> {
    between(node, elementwise::mul(node)?, &[0, 3], 6)
}

/// `[x, x_scale, x_zero, y_scale, y_zero]`, as for the operators below.
pub(super) fn q_linear_unary(node: NodeView) -> Result<Reading, AttributeFault> {
    between(node, activation::unary(node)?, &[0], 3)
}

/// Its attribute `opset` says which softmax is meant.
pub(super) fn q_linear_softmax(node: NodeView) -> Result<Reading, AttributeFault> {
    let coerce_to_matrix = node.int_or("opset", 13)? < 13;
    let softmax = Op::Softmax {
        axis: node.int_or("axis", if coerce_to_matrix { 1 } else { -1 })?,
        coerce_to_matrix,
    };
    between(node, Reading::Known(softmax), &[0], 3)
}

pub(super) fn q_linear_average_pool(node: NodeView) -> Result<Reading, AttributeFault> {
    if node.int_or("channels_last", 0)? != 0 {
        return variant("channels last");
    }
    match pool::average_pool(node)? {
        Reading::Several(_) => variant("a pooling over one spatial axis"),
        reading => between(node, reading, &[0], 3),
    }
}

pub(super) fn q_linear_global_average_pool(node: NodeView) -> Result<Reading, AttributeFault> {
    if node.int_or("channels_last", 0)? != 0 {
        return variant("channels last");
    }
    between(node, pool::global_average_pool(node)?, &[0], 3)
}

/// `[y_scale, y_zero, x, x_scale, x_zero, x, x_scale, x_zero, ..]`.
pub(super) fn q_linear_concat(node: NodeView) -> Result<Reading, AttributeFault> {
    let operands: Vec<usize> = (2..node.n_operands()).step_by(3).collect();
    between(node, movement::concat(node)?, &operands, 0)
}

/// A float operator on dequantized operands, its result quantized. Each operand has its scale and zero point behind it.
fn between(node: NodeView, reading: Reading, operands: &[usize], result: usize) -> Result<Reading, AttributeFault> {
    let Reading::Known(op) = reading else {
        return Ok(reading);
    };
    if !node.has_operand(result + 1) {
        return variant("no zero point of the result, which would state its type");
    }
    let mut nodes = Expansion::default();
    let reals: Vec<Source> = operands
        .iter()
        .map(|&x| {
            let parameters = [x, x + 1, x + 2].map(Source::Operand);
            nodes.push(Op::DequantizeLinear { axis: 1 }, parameters)
        })
        .collect();
    let real = nodes.push(op, reals);
    let parameters = [real, Source::Operand(result), Source::Operand(result + 1)];
    nodes.push(Op::QuantizeLinear { axis: 1, dtype: None }, parameters);
    Ok(Reading::Several(nodes))
}

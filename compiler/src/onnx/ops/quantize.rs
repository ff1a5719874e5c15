//! QuantizeLinear and DequantizeLinear.

use super::{Reading, known, variant};
use crate::graph::Op;
use crate::onnx::attributes::{AttributeFault, Attributes};
use crate::onnx::tensor;

pub(super) fn quantize_linear(attributes: Attributes) -> Result<Reading, AttributeFault> {
    if is_blocked(attributes)? {
        return variant("scales per block");
    }
    let number = attributes.int_or("output_dtype", 0)?;
    let dtype = match number {
        0 => None,
        number => match tensor::dtype_from_number(number) {
            Some(dtype) => Some(dtype),
            None => return variant(format!("output type number {number}")),
        },
    };
    known(Op::QuantizeLinear {
        axis: attributes.int_or("axis", 1)?,
        dtype,
    })
}

pub(super) fn dequantize_linear(attributes: Attributes) -> Result<Reading, AttributeFault> {
    if is_blocked(attributes)? {
        return variant("scales per block");
    }
    known(Op::DequantizeLinear {
        axis: attributes.int_or("axis", 1)?,
    })
}

fn is_blocked(attributes: Attributes) -> Result<bool, AttributeFault> {
    Ok(attributes.int_or("block_size", 0)? != 0)
}

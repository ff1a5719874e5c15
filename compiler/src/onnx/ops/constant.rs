//! Constant: a tensor in one of several spellings.

use crate::error::{ImportError, Subject};
use crate::graph::TensorData;
use crate::onnx::attributes::{AttributeFault, NodeView};
use crate::onnx::tensor;

/// Why a constant has no value.
pub(in crate::onnx) enum Fault {
    /// The attribute is missing or unknown.
    Attribute(AttributeFault),
    /// The tensor in the attribute is not usable.
    Data(ImportError),
}

impl From<AttributeFault> for Fault {
    fn from(fault: AttributeFault) -> Self {
        Self::Attribute(fault)
    }
}

/// Shape and elements.
pub(in crate::onnx) fn value(node: NodeView, subject: &Subject) -> Result<(Vec<usize>, TensorData), Fault> {
    if let Some(proto) = node.tensor("value")? {
        return tensor::constant(proto, subject).map_err(Fault::Data);
    }
    if let Some(value) = node.float("value_float")? {
        return Ok((vec![], TensorData::F32(vec![value])));
    }
    if let Some(value) = node.int("value_int")? {
        return Ok((vec![], TensorData::I64(vec![value])));
    }
    if let Some(values) = node.floats("value_floats")? {
        return Ok((vec![values.len()], TensorData::F32(values.to_vec())));
    }
    if let Some(values) = node.ints("value_ints")? {
        return Ok((vec![values.len()], TensorData::I64(values.to_vec())));
    }
    Err(Fault::Attribute(AttributeFault {
        found: "no value of a known kind".into(),
        expected: "one of `value`, `value_float`, `value_floats`, `value_int`, `value_ints`".into(),
    }))
}

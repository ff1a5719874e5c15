//! Operators that rename axes, compute with shapes, or do nothing at inference.

use super::{Expansion, Reading, Source, known, variant};
use crate::graph::{Op, TensorData};
use crate::onnx::attributes::{AttributeFault, NodeView};
use crate::onnx::tensor;

pub(super) fn flatten(node: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::Flatten {
        axis: node.int_or("axis", 1)?,
    })
}

pub(super) fn reshape(node: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::Reshape {
        allow_zero: node.int_or("allowzero", 0)? != 0,
    })
}

/// Before operator set 13 the axes were an attribute; since then they are an operand.
pub(super) fn squeeze(node: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::Squeeze {
        axes: node.ints("axes")?.map(<[i64]>::to_vec),
    })
}

/// As for Squeeze.
pub(super) fn unsqueeze(node: NodeView) -> Result<Reading, AttributeFault> {
    let axes = node.ints("axes")?.map(<[i64]>::to_vec);
    if axes.is_none() && !node.has_operand(1) {
        return Err(AttributeFault {
            found: "neither an attribute nor an operand `axes`".into(),
            expected: "the axes to insert".into(),
        });
    }
    known(Op::Unsqueeze { axes })
}

pub(super) fn identity(_: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::Identity)
}

/// Dropout drops nothing at inference; its mask output is all ones and is not computed.
pub(super) fn dropout(_: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::Identity)
}

/// Since operator set 15 a range of the axes can be asked for.
pub(super) fn shape(node: NodeView) -> Result<Reading, AttributeFault> {
    let (start, end) = (node.int_or("start", 0)?, node.int("end")?);
    if start == 0 && end.is_none() {
        return known(Op::Shape);
    }
    let mut nodes = Expansion::default();
    let shape = nodes.push(Op::Shape, [Source::Operand(0)]);
    let end = end.unwrap_or(i64::MAX);
    nodes.push(Op::Slice, [shape, Source::entries(&[start]), Source::entries(&[end])]);
    Ok(Reading::Several(nodes))
}

pub(super) fn cast(node: NodeView) -> Result<Reading, AttributeFault> {
    let number = node.int_or("to", 0)?;
    match tensor::dtype_from_number(number) {
        Some(to) => known(Op::Cast { to }),
        None => variant(format!("type number {number}")),
    }
}

pub(super) fn constant_of_shape(node: NodeView) -> Result<Reading, AttributeFault> {
    let Some(proto) = node.tensor("value")? else {
        let value = TensorData::F32(vec![0.0]);
        return known(Op::ConstantOfShape { value });
    };
    match tensor::constant(proto, &crate::error::Subject::Model) {
        Ok((_, value)) if value.len() == 1 => known(Op::ConstantOfShape { value }),
        Ok((_, value)) => Err(AttributeFault {
            found: format!("attribute `value` of {} elements", value.len()),
            expected: "one element".into(),
        }),
        Err(error) => Err(AttributeFault {
            found: format!("attribute `value` with {}", error.found),
            expected: error.expected,
        }),
    }
}

pub(super) fn gather(node: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::Gather {
        axis: node.int_or("axis", 0)?,
    })
}

pub(super) fn transpose(node: NodeView) -> Result<Reading, AttributeFault> {
    let Some(axes) = node.ints("perm")? else {
        return known(Op::Transpose { permutation: None });
    };
    let permutation = axes
        .iter()
        .map(|&axis| usize::try_from(axis).ok())
        .collect::<Option<Vec<_>>>();
    match permutation {
        Some(permutation) => known(Op::Transpose {
            permutation: Some(permutation),
        }),
        None => Err(AttributeFault {
            found: format!("attribute `perm` = {axes:?}"),
            expected: "each axis once, counted from 0".into(),
        }),
    }
}

//! Flatten, Reshape, Transpose, and the operators that do nothing at inference: Identity and Dropout.

use super::{Reading, known};
use crate::graph::Op;
use crate::onnx::attributes::{AttributeFault, Attributes};

pub(super) fn flatten(attributes: Attributes) -> Result<Reading, AttributeFault> {
    known(Op::Flatten {
        axis: attributes.int_or("axis", 1)?,
    })
}

pub(super) fn reshape(attributes: Attributes) -> Result<Reading, AttributeFault> {
    known(Op::Reshape {
        allow_zero: attributes.int_or("allowzero", 0)? != 0,
    })
}

pub(super) fn transpose(attributes: Attributes) -> Result<Reading, AttributeFault> {
    let Some(axes) = attributes.ints("perm")? else {
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

pub(super) fn identity(_: Attributes) -> Result<Reading, AttributeFault> {
    known(Op::Identity)
}

/// Dropout drops nothing at inference; its mask output is all ones and is not computed.
pub(super) fn dropout(_: Attributes) -> Result<Reading, AttributeFault> {
    known(Op::Identity)
}

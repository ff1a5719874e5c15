//! Relu and Clip.

use super::{Reading, known};
use crate::graph::Op;
use crate::onnx::attributes::{AttributeFault, Attributes};

pub(super) fn relu(_: Attributes) -> Result<Reading, AttributeFault> {
    known(Op::Relu)
}

/// Before operator set 11 the bounds were attributes; since then they are operands.
pub(super) fn clip(attributes: Attributes) -> Result<Reading, AttributeFault> {
    known(Op::Clip {
        min: attributes.float("min")?,
        max: attributes.float("max")?,
    })
}

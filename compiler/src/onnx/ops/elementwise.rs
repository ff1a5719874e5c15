//! Add and QLinearAdd.

use super::{Reading, known};
use crate::graph::Op;
use crate::onnx::attributes::{AttributeFault, Attributes};

pub(super) fn add(_: Attributes) -> Result<Reading, AttributeFault> {
    known(Op::Add)
}

pub(super) fn q_linear_add(_: Attributes) -> Result<Reading, AttributeFault> {
    known(Op::QLinearAdd)
}

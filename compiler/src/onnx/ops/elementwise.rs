//! Arithmetic of two operands with broadcasting, and sums and means of several.

use super::{Expansion, Reading, known};
use crate::graph::{Op, TensorData};
use crate::onnx::attributes::{AttributeFault, NodeView};

pub(super) fn add(_: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::Add)
}

pub(super) fn sub(_: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::Sub)
}

pub(super) fn mul(_: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::Mul)
}

pub(super) fn div(_: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::Div)
}

pub(super) fn pow(_: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::Pow)
}

pub(super) fn q_linear_add(_: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::QLinearAdd)
}

/// A chain of sums, the first operand at its beginning.
pub(super) fn sum(node: NodeView) -> Result<Reading, AttributeFault> {
    let mut nodes = Expansion::default();
    add_all(node, &mut nodes);
    Ok(Reading::Several(nodes))
}

pub(super) fn mean(node: NodeView) -> Result<Reading, AttributeFault> {
    let mut nodes = Expansion::default();
    let sum = add_all(node, &mut nodes);
    let share = TensorData::F32(vec![1.0 / node.n_operands() as f32]);
    nodes.push(Op::Mul, [sum, super::Source::constant(vec![], share)]);
    Ok(Reading::Several(nodes))
}

fn add_all(node: NodeView, nodes: &mut Expansion) -> super::Source {
    let first = nodes.push(Op::Identity, [super::Source::Operand(0)]);
    (1..node.n_operands()).fold(first, |sum, position| {
        nodes.push(Op::Add, [sum, super::Source::Operand(position)])
    })
}

//! Functions of one element, and the softmax.

use super::{Reading, known, variant};
use crate::graph::{Op, Unary};
use crate::onnx::attributes::{AttributeFault, NodeView};

pub(super) fn relu(_: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::Relu)
}

/// Before operator set 11 the bounds were attributes; since then they are operands.
pub(super) fn clip(node: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::Clip {
        min: node.float("min")?,
        max: node.float("max")?,
    })
}

pub(super) fn p_relu(_: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::PRelu)
}

/// The function with the attributes of the node; the operators of the table that have none share it.
pub(super) fn unary(node: NodeView) -> Result<Reading, AttributeFault> {
    let float = |name, default| Ok(node.float(name)?.unwrap_or(default));
    let function = match node.op_type() {
        "LeakyRelu" | "QLinearLeakyRelu" => Unary::LeakyRelu {
            alpha: float("alpha", 0.01)?,
        },
        "Sigmoid" | "QLinearSigmoid" => Unary::Sigmoid,
        "Tanh" => Unary::Tanh,
        "HardSigmoid" => Unary::HardSigmoid {
            alpha: float("alpha", 0.2)?,
            beta: float("beta", 0.5)?,
        },
        "HardSwish" => Unary::HardSwish,
        "Gelu" => match node.string("approximate")? {
            None | Some("none") => Unary::Gelu { approximate: false },
            Some("tanh") => Unary::Gelu { approximate: true },
            Some(other) => return variant(format!("approximate = `{other}`")),
        },
        "FastGelu" => Unary::Gelu { approximate: true },
        "Elu" => Unary::Elu {
            alpha: float("alpha", 1.0)?,
        },
        "Softplus" => Unary::Softplus,
        "Erf" => Unary::Erf,
        "Exp" => Unary::Exp,
        "Log" => Unary::Log,
        "Sqrt" => Unary::Sqrt,
        "Reciprocal" => Unary::Reciprocal,
        "Neg" => Unary::Neg,
        "Abs" => Unary::Abs,
        other => return variant(format!("the unknown function {other}")),
    };
    known(Op::Unary(function))
}

/// Before operator set 13 all axes from `axis` on were normalized together, and the default was 1.
pub(super) fn softmax(node: NodeView) -> Result<Reading, AttributeFault> {
    let is_old = node.opset() < 13;
    known(Op::Softmax {
        axis: node.int_or("axis", if is_old { 1 } else { -1 })?,
        coerce_to_matrix: is_old,
    })
}

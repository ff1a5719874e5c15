//! Gemm, MatMul, and their integer relatives.

use super::{Reading, known, variant};
use crate::graph::Op;
use crate::onnx::attributes::{AttributeFault, NodeView};

pub(super) fn gemm(node: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::Gemm {
        trans_a: node.int_or("transA", 0)? != 0,
        trans_b: node.int_or("transB", 0)? != 0,
        alpha: node.float("alpha")?.unwrap_or(1.0),
        beta: node.float("beta")?.unwrap_or(1.0),
    })
}

pub(super) fn q_gemm(node: NodeView) -> Result<Reading, AttributeFault> {
    let alpha = node.float("alpha")?.unwrap_or(1.0);
    if alpha != 1.0 {
        return variant(format!("alpha = {alpha}; only 1 is known"));
    }
    if node.int_or("transA", 0)? != 0 {
        return variant("a transposed first operand");
    }
    known(Op::QGemm {
        trans_b: node.int_or("transB", 0)? != 0,
    })
}

pub(super) fn mat_mul(_: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::MatMul)
}

pub(super) fn q_linear_mat_mul(_: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::QLinearMatMul)
}

pub(super) fn mat_mul_integer(_: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::MatMulInteger)
}

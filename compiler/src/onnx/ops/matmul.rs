//! Gemm, MatMul, QLinearMatMul and QGemm.

use super::{Reading, known, variant};
use crate::graph::Op;
use crate::onnx::attributes::{AttributeFault, Attributes};

pub(super) fn gemm(attributes: Attributes) -> Result<Reading, AttributeFault> {
    let beta = attributes.float("beta")?.unwrap_or(1.0);
    if beta != 1.0 {
        return variant(format!("beta = {beta}; only 1 is known"));
    }
    general(attributes, |trans_b| Op::Gemm {
        trans_a: false,
        trans_b,
        alpha: 1.0,
        beta: 1.0,
    })
}

pub(super) fn q_gemm(attributes: Attributes) -> Result<Reading, AttributeFault> {
    general(attributes, |trans_b| Op::QGemm { trans_b })
}

pub(super) fn mat_mul(_: Attributes) -> Result<Reading, AttributeFault> {
    known(Op::MatMul)
}

pub(super) fn q_linear_mat_mul(_: Attributes) -> Result<Reading, AttributeFault> {
    known(Op::QLinearMatMul)
}

fn general(attributes: Attributes, make: impl Fn(bool) -> Op) -> Result<Reading, AttributeFault> {
    let alpha = attributes.float("alpha")?.unwrap_or(1.0);
    if alpha != 1.0 {
        return variant(format!("alpha = {alpha}; only 1 is known"));
    }
    if attributes.int_or("transA", 0)? != 0 {
        return variant("a transposed first operand");
    }
    known(make(attributes.int_or("transB", 0)? != 0))
}

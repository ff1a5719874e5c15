//! The vector unit's arithmetic, one file per family of operations.

mod binary;
mod depthwise;
mod elementwise;
mod pool;
mod rows;
mod tables;

use super::{Memories, copy};
use crate::work::{VectorOp, VectorWork};

/// Performs an operation of the vector unit. Its operands have been checked.
pub(crate) fn vector(memories: &mut Memories, work: &VectorWork) {
    match &work.op {
        VectorOp::Requant { par, rounding } => elementwise::requantize(memories, work, par, *rounding),
        VectorOp::Prelu { par, rounding } => elementwise::prelu(memories, work, par, *rounding),
        VectorOp::Lut { table } => elementwise::look_up(memories, work, table),
        VectorOp::Add { b, par, rounding } => binary::add(memories, work, b, par, *rounding),
        VectorOp::Mul { b, par, rounding } => binary::multiply(memories, work, b, par, *rounding),
        VectorOp::MaxPool => pool::maximum(memories, work),
        VectorOp::AvgPool { par, divide, rounding } => pool::average(memories, work, par, *divide, *rounding),
        VectorOp::DwConv { w, mode } => depthwise::convolve(memories, work, w, *mode),
        VectorOp::Softmax { table } => rows::softmax(memories, work, table),
        VectorOp::LayerNorm { par } => rows::layer_norm(memories, work, par),
        VectorOp::ArgMax => rows::index_of_largest(memories, work),
        VectorOp::Mask => rows::mask(memories, work),
        VectorOp::Move => copy(memories, &work.dst, &work.src, work.m, work.n),
    }
}

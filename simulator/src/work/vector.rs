//! Work of the vector unit: operands resolved. What they have to satisfy is in [`operands`], what they cost in [`cost`], what they do
//! to values in [`crate::exec`].

mod cost;
mod operands;

use super::{Operands, bounded, count};
use crate::fault::FaultKind;
use systole_isa::operand::{Accumulate, Count, DescRef, Divide, Rounding};
use systole_isa::{Descriptor, Op};

pub(crate) use operands::Role;

/// An instruction of the vector unit: from `src` (for two inputs, `a`) to an `m` x `n` view `dst`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct VectorWork {
    pub(crate) m: u64,
    pub(crate) n: u64,
    pub(crate) dst: Descriptor,
    pub(crate) src: Descriptor,
    pub(crate) op: VectorOp,
}

/// What it does, with the operands that only it has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum VectorOp {
    Requant {
        par: Descriptor,
        rounding: Rounding,
    },
    Prelu {
        par: Descriptor,
        rounding: Rounding,
    },
    Lut {
        table: Descriptor,
    },
    Add {
        b: Descriptor,
        par: Descriptor,
        rounding: Rounding,
    },
    Mul {
        b: Descriptor,
        par: Descriptor,
        rounding: Rounding,
    },
    MaxPool,
    AvgPool {
        par: Descriptor,
        divide: Divide,
        rounding: Rounding,
    },
    DwConv {
        w: Descriptor,
        mode: Accumulate,
    },
    Softmax {
        table: Descriptor,
    },
    LayerNorm {
        par: Descriptor,
    },
    ArgMax,
    Move,
    Mask,
}

impl VectorWork {
    /// Elements of the window of `src`, where the operation has one.
    pub(crate) fn n_taps(&self) -> u64 {
        self.src.n_columns() / self.n.max(1)
    }

    /// Whether it adds to what it writes to, so that it reads it as well.
    pub(crate) fn accumulates(&self) -> bool {
        matches!(
            self.op,
            VectorOp::DwConv {
                mode: Accumulate::Add,
                ..
            }
        )
    }

    /// Whether the columns of `src` are window levels with the channel innermost.
    fn has_window(&self) -> bool {
        match self.op {
            VectorOp::MaxPool | VectorOp::AvgPool { .. } | VectorOp::DwConv { .. } => true,
            VectorOp::Requant { .. }
            | VectorOp::Prelu { .. }
            | VectorOp::Lut { .. }
            | VectorOp::Add { .. }
            | VectorOp::Mul { .. }
            | VectorOp::Softmax { .. }
            | VectorOp::LayerNorm { .. }
            | VectorOp::ArgMax
            | VectorOp::Move
            | VectorOp::Mask => false,
        }
    }

    /// Resolves the operands of an instruction of the vector unit.
    pub(crate) fn resolve(op: &Op, from: &Operands<'_>) -> Result<Self, FaultKind> {
        let shaped = |(m, n): (Count, Count), dst: DescRef, src: DescRef, op: VectorOp| {
            let (m, n) = (
                count(m.resolve(from.registers), "m")?,
                count(n.resolve(from.registers), "n")?,
            );
            // A side of no elements must not let the other one grow: tables have a row per column.
            bounded(m.max(1), n.max(1))?;
            let (dst, src) = (from.view(dst), from.view(src));
            let work = Self { m, n, dst, src, op };
            if work.has_window() {
                bounded(m.max(1), src.n_columns())?;
            }
            Ok(work)
        };
        match *op {
            Op::VxRequant {
                dst,
                src,
                par,
                m,
                n,
                rounding,
            } => {
                let par = from.view(par);
                shaped((m, n), dst, src, VectorOp::Requant { par, rounding })
            }
            Op::VxPrelu {
                dst,
                src,
                par,
                m,
                n,
                rounding,
            } => {
                let par = from.view(par);
                shaped((m, n), dst, src, VectorOp::Prelu { par, rounding })
            }
            Op::VxLut { dst, src, table, m, n } => {
                let table = from.view(table);
                shaped((m, n), dst, src, VectorOp::Lut { table })
            }
            Op::VxAdd {
                dst,
                a,
                b,
                par,
                m,
                n,
                rounding,
            } => {
                let (b, par) = (from.view(b), from.view(par));
                shaped((m, n), dst, a, VectorOp::Add { b, par, rounding })
            }
            Op::VxMul {
                dst,
                a,
                b,
                par,
                m,
                n,
                rounding,
            } => {
                let (b, par) = (from.view(b), from.view(par));
                shaped((m, n), dst, a, VectorOp::Mul { b, par, rounding })
            }
            Op::VxMaxPool { dst, src, m, n } => shaped((m, n), dst, src, VectorOp::MaxPool),
            Op::VxAvgPool {
                dst,
                src,
                par,
                m,
                n,
                divide,
                rounding,
            } => {
                let par = from.view(par);
                let op = VectorOp::AvgPool { par, divide, rounding };
                shaped((m, n), dst, src, op)
            }
            Op::VxDwConv {
                dst,
                src,
                w,
                m,
                n,
                mode,
            } => {
                let w = from.view(w);
                shaped((m, n), dst, src, VectorOp::DwConv { w, mode })
            }
            Op::VxSoftmax { dst, src, table, m, n } => {
                let table = from.view(table);
                shaped((m, n), dst, src, VectorOp::Softmax { table })
            }
            Op::VxLayerNorm { dst, src, par, m, n } => {
                let par = from.view(par);
                shaped((m, n), dst, src, VectorOp::LayerNorm { par })
            }
            Op::VxArgMax { dst, src, m, n } => shaped((m, n), dst, src, VectorOp::ArgMax),
            Op::VxMove { dst, src, m, n } => shaped((m, n), dst, src, VectorOp::Move),
            Op::VxMask { dst, src, m, n } => shaped((m, n), dst, src, VectorOp::Mask),
            ref other => {
                let why = format!("`{}` is no work for the vector unit", other.mnemonic());
                Err(FaultKind::BadOperand { why })
            }
        }
    }
}

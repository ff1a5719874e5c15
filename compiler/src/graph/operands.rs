//! How many operands an operator has, and which of them it cannot do without. The meaning of each position is documented at [`Op`].

use super::Op;

/// The operands of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operands {
    /// Positions that must be connected.
    pub(crate) required: &'static [usize],
    /// Number of operands at most.
    pub(crate) most: usize,
}

impl Op {
    /// The operands of the operator; `None` if nothing is known about it.
    pub(crate) const fn operands(&self) -> Option<Operands> {
        let (required, most): (&'static [usize], usize) = match self {
            Self::Unsupported { .. } => return None,
            Self::Concat { .. } => (&[0], usize::MAX),
            Self::Conv { .. } | Self::Gemm { .. } => (&[0, 1], 3),
            Self::MatMul
            | Self::PRelu
            | Self::Add
            | Self::Sub
            | Self::Mul
            | Self::Div
            | Self::Pow
            | Self::Reshape { .. }
            | Self::Gather { .. }
            | Self::QAdd { .. }
            | Self::QMul { .. }
            | Self::QPRelu { .. }
            | Self::QLut => (&[0, 1], 2),
            Self::MaxPool { .. }
            | Self::AveragePool { .. }
            | Self::GlobalAveragePool
            | Self::GlobalMaxPool
            | Self::Relu
            | Self::Unary(_)
            | Self::Softmax { .. }
            | Self::Lrn { .. }
            | Self::Flatten { .. }
            | Self::Transpose { .. }
            | Self::Shape
            | Self::Cast { .. }
            | Self::ConstantOfShape { .. }
            | Self::Quantize { .. }
            | Self::Dequantize
            | Self::QAveragePool { .. }
            | Self::QMean { .. }
            | Self::QSoftmax
            | Self::QRequant { .. }
            | Self::View => (&[0], 1),
            Self::ReduceMean { .. } | Self::Split { .. } | Self::Squeeze { .. } | Self::Unsqueeze { .. } => (&[0], 2),
            Self::BatchNormalization { .. } => (&[0, 1, 2, 3, 4], 5),
            Self::LayerNormalization { .. } => (&[0, 1], 3),
            // A dropout is read as an identity and keeps its operands.
            Self::Clip { .. } | Self::Identity => (&[0], 3),
            Self::Slice => (&[0, 1, 2], 5),
            Self::Pad => (&[0, 1], 4),
            Self::Resize { .. } => (&[0], 4),
            Self::QuantizeLinear { .. } | Self::DequantizeLinear { .. } => (&[0, 1], 3),
            Self::QLinearConv { .. } => (&[0, 1, 2, 3, 4, 5, 6, 7], 9),
            Self::QGemm { .. } => (&[0, 1, 3, 4], 9),
            Self::QLinearMatMul => (&[0, 1, 2, 3, 4, 5, 6, 7], 8),
            Self::QLinearAdd => (&[0, 1, 3, 4, 6], 8),
            Self::ConvInteger { .. } | Self::MatMulInteger => (&[0, 1], 4),
            Self::QConv { .. } | Self::QDense { .. } => (&[0, 1, 2], 3),
            Self::QLayerNorm { .. } => (&[0, 1, 2], 3),
        };
        Some(Operands { required, most })
    }
}

//! The operators of a graph and their attributes.
//!
//! Three families: operators of model files, the two border operators that stand for quantization once its
//! parameters are attached to tensors, and the machine-level operators that code generation accepts.

use super::data::{DType, TensorData};
use super::resize::ResizeMode;
use super::unary::Unary;
use super::window::WindowAttributes;
use serde::{Deserialize, Serialize};

/// The interval into which a machine-level operator clips its result, in output integers, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipRange {
    /// Smallest result.
    pub lo: i32,
    /// Largest result.
    pub hi: i32,
}

impl ClipRange {
    /// Everything that a type can hold; `None` if it is not a quantized type.
    pub fn of(dtype: DType) -> Option<Self> {
        dtype.range().map(|(lo, hi)| Self { lo, hi })
    }

    /// What is left of this interval after clipping into `then` as well. Never empty: an interval that lies
    /// entirely on one side collapses to the nearest end of `then`, as clipping twice does.
    pub fn then(self, then: Self) -> Self {
        let clip = |v: i32| v.max(then.lo).min(then.hi);
        Self {
            lo: clip(self.lo),
            hi: clip(self.hi),
        }
    }
}

/// What an attribute is if nobody states it, as in ONNX.
mod defaults {
    pub(super) const fn one() -> usize {
        1
    }
    pub(super) const fn one_f32() -> f32 {
        1.0
    }
    pub(super) const fn yes() -> bool {
        true
    }
    pub(super) const fn epsilon() -> f32 {
        1e-5
    }
    pub(super) const fn last() -> i64 {
        -1
    }
    pub(super) const fn second() -> i64 {
        1
    }
    pub(super) const fn lrn_alpha() -> f32 {
        1e-4
    }
    pub(super) const fn lrn_beta() -> f32 {
        0.75
    }
}

/// What a node computes. Lists in brackets are the input positions; those with a question mark may be absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Op {
    /// Convolution `[x, w, bias?]`, `x` NCHW, `w` OIHW.
    Conv {
        /// Window.
        #[serde(default)]
        window: WindowAttributes,
        /// Number of groups into which the channels are split.
        #[serde(default = "defaults::one")]
        group: usize,
    },
    /// Matrix product `[a, b, c?]`: `alpha a b + beta c`, either matrix transposed or not.
    Gemm {
        /// Whether `a` is given transposed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        trans_a: bool,
        /// Whether `b` is given transposed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        trans_b: bool,
        /// Factor of the product.
        #[serde(default = "defaults::one_f32")]
        alpha: f32,
        /// Factor of `c`.
        #[serde(default = "defaults::one_f32")]
        beta: f32,
    },
    /// Matrix product `[a, b]`.
    MatMul,
    /// Largest element of each window `[x]`; padding does not count.
    MaxPool {
        /// Window.
        #[serde(default)]
        window: WindowAttributes,
    },
    /// Average of each window `[x]`.
    AveragePool {
        /// Window.
        #[serde(default)]
        window: WindowAttributes,
        /// Whether elements in the padding count, as zeros.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        count_include_pad: bool,
    },
    /// Average over all pixels of each channel `[x]`.
    GlobalAveragePool,
    /// Largest element of all pixels of each channel `[x]`.
    GlobalMaxPool,
    /// Mean over some axes `[x, axes?]`; without axes over all of them.
    ReduceMean {
        /// The axes; negative ones count from the end. Operand 1 has them in newer models.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        axes: Option<Vec<i64>>,
        /// Whether the axes stay, with length one.
        #[serde(default = "defaults::yes")]
        keep_dims: bool,
    },
    /// `max(x, 0)` `[x]`.
    Relu,
    /// A function of each element `[x]`.
    Unary(Unary),
    /// `x` where it is not negative, `slope * x` elsewhere `[x, slope]`; the slope is broadcast.
    PRelu,
    /// `exp(x) / sum of exp(x)` along an axis `[x]`.
    Softmax {
        /// The axis; negative counts from the end.
        #[serde(default = "defaults::last")]
        axis: i64,
        /// Whether all axes from this one on are normalized together, as opsets below 13 demand.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        coerce_to_matrix: bool,
    },
    /// `(x - mean) / sqrt(variance + epsilon) * scale + shift` with constants per channel `[x, scale, shift, mean, variance]`.
    BatchNormalization {
        /// Added to the variance.
        #[serde(default = "defaults::epsilon")]
        epsilon: f32,
    },
    /// The same with mean and variance of the axes from `axis` on `[x, scale, shift?]`.
    LayerNormalization {
        /// The first normalized axis; negative counts from the end.
        #[serde(default = "defaults::last")]
        axis: i64,
        /// Added to the variance.
        #[serde(default = "defaults::epsilon")]
        epsilon: f32,
    },
    /// `x / (bias + alpha / size * sum of x^2 over size neighbouring channels)^beta` `[x]`.
    Lrn {
        /// Factor of the sum.
        #[serde(default = "defaults::lrn_alpha")]
        alpha: f32,
        /// Exponent.
        #[serde(default = "defaults::lrn_beta")]
        beta: f32,
        /// Summand.
        #[serde(default = "defaults::one_f32")]
        bias: f32,
        /// Number of channels.
        size: usize,
    },
    /// `min(max(x, lo), hi)` `[x, lo?, hi?]`.
    Clip {
        /// Lower bound; operand 1 has it in newer models.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<f32>,
        /// Upper bound; operand 2 has it in newer models.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<f32>,
    },
    /// `[x]` as a matrix: axes before `axis` are the rows.
    Flatten {
        /// The first axis of the columns; negative counts from the end.
        #[serde(default = "defaults::second")]
        axis: i64,
    },
    /// `[x, shape]`: the same elements in another shape.
    Reshape {
        /// Whether an entry 0 means length zero instead of "as in the input".
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        allow_zero: bool,
    },
    /// Axes of `[x]` reordered; no permutation means reversed.
    Transpose {
        /// New axis `i` is old axis `permutation[i]`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        permutation: Option<Vec<usize>>,
    },
    /// `[x]` itself.
    Identity,
    /// Elementwise sum `[a, b]` with broadcasting.
    Add,
    /// Elementwise difference `[a, b]` with broadcasting.
    Sub,
    /// Elementwise product `[a, b]` with broadcasting.
    Mul,
    /// Elementwise quotient `[a, b]` with broadcasting.
    Div,
    /// Elementwise power `[a, b]` with broadcasting.
    Pow,
    /// The operands one after the other along an axis `[a, b, ..]`.
    Concat {
        /// The axis; negative counts from the end.
        axis: i64,
    },
    /// Consecutive pieces of `[x, sizes?]` along an axis, one per output.
    Split {
        /// The axis; negative counts from the end.
        #[serde(default)]
        axis: i64,
        /// Lengths of the pieces; operand 1 has them in newer models, and without either they are equal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sizes: Option<Vec<usize>>,
    },
    /// Every `step`-th element from `start` to before `end` `[x, starts, ends, axes?, steps?]`, as in numpy.
    Slice,
    /// A constant around `[x, pads, value?, axes?]`; `pads` has all beginnings, then all ends, and may be negative.
    Pad,
    /// Nearest-neighbour scaling `[x, roi?, scales?, sizes?]`.
    Resize {
        /// How a coordinate of the result becomes one of the operand, and how that is rounded.
        #[serde(default)]
        mode: ResizeMode,
    },
    /// Elements of `[x, indices]` along an axis.
    Gather {
        /// The axis; negative counts from the end.
        #[serde(default)]
        axis: i64,
    },
    /// The lengths of the axes of `[x]`, as i64.
    Shape,
    /// `[x]` with axes of length one removed `[x, axes?]`.
    Squeeze {
        /// The axes; operand 1 has them in newer models, and without either all of length one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        axes: Option<Vec<i64>>,
    },
    /// `[x]` with axes of length one inserted `[x, axes?]`.
    Unsqueeze {
        /// The axes of the result; operand 1 has them in newer models.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        axes: Option<Vec<i64>>,
    },
    /// `[x]` in another type.
    Cast {
        /// Type of the result.
        to: DType,
    },
    /// A tensor of equal elements with the shape `[shape]`.
    ConstantOfShape {
        /// The element; f32 zero if the model gives none.
        value: TensorData,
    },
    /// `[x, scale, zero_point?]`: float to integer.
    QuantizeLinear {
        /// Axis of a scale with several elements.
        #[serde(default = "defaults::second")]
        axis: i64,
        /// Type of the result if there is no zero point to tell it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dtype: Option<DType>,
    },
    /// `[x, scale, zero_point?]`: integer to float.
    DequantizeLinear {
        /// Axis of a scale with several elements.
        #[serde(default = "defaults::second")]
        axis: i64,
    },
    /// `[x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias?]`.
    QLinearConv {
        /// Window.
        #[serde(default)]
        window: WindowAttributes,
        /// Number of groups.
        #[serde(default = "defaults::one")]
        group: usize,
    },
    /// `[a, a_scale, a_zero?, b, b_scale, b_zero?, bias?, y_scale?, y_zero?]`.
    QGemm {
        /// Whether `b` is given transposed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        trans_b: bool,
    },
    /// `[a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero]`.
    QLinearMatMul,
    /// `[a, a_scale, a_zero?, b, b_scale, b_zero?, y_scale, y_zero?]`.
    QLinearAdd,
    /// `[x, w, x_zero?, w_zero?]`: integer convolution with sums of 32 bits.
    ConvInteger {
        /// Window.
        #[serde(default)]
        window: WindowAttributes,
        /// Number of groups.
        #[serde(default = "defaults::one")]
        group: usize,
    },
    /// `[a, b, a_zero?, b_zero?]`: integer matrix product with sums of 32 bits.
    MatMulInteger,
    /// An operator the compiler does not know, kept so that the graph can still be shown.
    Unsupported {
        /// Domain, empty for the standard one.
        domain: String,
        /// Name of the operator.
        op_type: String,
        /// What about it is not supported, if it is not the whole operator.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },

    /// `[x]` float to integer with the quantization of the output tensor.
    Quantize {
        /// Type of the result.
        dtype: DType,
    },
    /// `[x]` integer to float with the quantization of the input tensor.
    Dequantize,

    /// Integer convolution `[x, w, bias]`. `w` is constant, OIHW, or `[kh * kw * ci, co]` in the machine layout;
    /// `bias` is an i32 constant of `co` elements in units of `x_scale * w_scale`.
    QConv {
        /// Window, resolved.
        #[serde(default)]
        window: WindowAttributes,
        /// Number of groups.
        #[serde(default = "defaults::one")]
        group: usize,
        /// Clipping of the result.
        clip: ClipRange,
    },
    /// Integer matrix product `[x, w, bias]`: `x` is `[.., k]`, `w` a constant `[k, n]`, `bias` an i32 constant `[n]`.
    QDense {
        /// Clipping of the result.
        clip: ClipRange,
    },
    /// Integer elementwise sum `[a, b]` of equal shapes.
    QAdd {
        /// Clipping of the result.
        clip: ClipRange,
    },
    /// Integer elementwise product `[a, b]` of shapes that are equal after broadcasting.
    QMul {
        /// Clipping of the result.
        clip: ClipRange,
    },
    /// Integer average of each window `[x]`.
    QAveragePool {
        /// Window, resolved.
        #[serde(default)]
        window: WindowAttributes,
        /// Whether elements in the padding count, as zeros.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        count_include_pad: bool,
        /// Clipping of the result.
        clip: ClipRange,
    },
    /// Integer average of all pixels of each channel `[x]`; with fixed-point rounding the sum is scaled by one multiplier that contains the division.
    QMean {
        /// Clipping of the result.
        clip: ClipRange,
    },
    /// `[x, slope]` with a constant slope per channel, or one for all: integer [`Op::PRelu`].
    QPRelu {
        /// Clipping of the result.
        clip: ClipRange,
    },
    /// `[x, table]`: element `x - lowest` of a constant table of 256 output integers, `lowest` being the smallest value of
    /// the type of `x`. Any function of one byte.
    QLut,
    /// Integer softmax along the last axis `[x]`.
    QSoftmax,
    /// Integer layer normalization along the last axis `[x, scale, shift]`; the f32 constants are quantized with the table.
    QLayerNorm {
        /// Added to the variance, in reals.
        #[serde(default = "defaults::epsilon")]
        epsilon: f32,
        /// Clipping of the result.
        clip: ClipRange,
    },
    /// `[x]` rescaled to the quantization of the output.
    QRequant {
        /// Clipping of the result.
        clip: ClipRange,
    },
    /// `[x]`: the same elements, in the same order, under the shape of the output.
    View,
}

impl Op {
    /// The name of the operator, as in the model file for those that come from one.
    pub fn name(&self) -> &str {
        match self {
            Self::Conv { .. } => "Conv",
            Self::Gemm { .. } => "Gemm",
            Self::MatMul => "MatMul",
            Self::MaxPool { .. } => "MaxPool",
            Self::AveragePool { .. } => "AveragePool",
            Self::GlobalAveragePool => "GlobalAveragePool",
            Self::GlobalMaxPool => "GlobalMaxPool",
            Self::ReduceMean { .. } => "ReduceMean",
            Self::Relu => "Relu",
            Self::Unary(function) => function.name(),
            Self::PRelu => "PRelu",
            Self::Softmax { .. } => "Softmax",
            Self::BatchNormalization { .. } => "BatchNormalization",
            Self::LayerNormalization { .. } => "LayerNormalization",
            Self::Lrn { .. } => "LRN",
            Self::Clip { .. } => "Clip",
            Self::Flatten { .. } => "Flatten",
            Self::Reshape { .. } => "Reshape",
            Self::Transpose { .. } => "Transpose",
            Self::Identity => "Identity",
            Self::Add => "Add",
            Self::Sub => "Sub",
            Self::Mul => "Mul",
            Self::Div => "Div",
            Self::Pow => "Pow",
            Self::Concat { .. } => "Concat",
            Self::Split { .. } => "Split",
            Self::Slice => "Slice",
            Self::Pad => "Pad",
            Self::Resize { .. } => "Resize",
            Self::Gather { .. } => "Gather",
            Self::Shape => "Shape",
            Self::Squeeze { .. } => "Squeeze",
            Self::Unsqueeze { .. } => "Unsqueeze",
            Self::Cast { .. } => "Cast",
            Self::ConstantOfShape { .. } => "ConstantOfShape",
            Self::QuantizeLinear { .. } => "QuantizeLinear",
            Self::DequantizeLinear { .. } => "DequantizeLinear",
            Self::QLinearConv { .. } => "QLinearConv",
            Self::QGemm { .. } => "QGemm",
            Self::QLinearMatMul => "QLinearMatMul",
            Self::QLinearAdd => "QLinearAdd",
            Self::ConvInteger { .. } => "ConvInteger",
            Self::MatMulInteger => "MatMulInteger",
            Self::Unsupported { op_type, .. } => op_type,
            Self::Quantize { .. } => "Quantize",
            Self::Dequantize => "Dequantize",
            Self::QConv { .. } => "QConv",
            Self::QDense { .. } => "QDense",
            Self::QAdd { .. } => "QAdd",
            Self::QMul { .. } => "QMul",
            Self::QAveragePool { .. } => "QAveragePool",
            Self::QMean { .. } => "QMean",
            Self::QPRelu { .. } => "QPRelu",
            Self::QLut => "QLut",
            Self::QSoftmax => "QSoftmax",
            Self::QLayerNorm { .. } => "QLayerNorm",
            Self::QRequant { .. } => "QRequant",
            Self::View => "View",
        }
    }

    /// Whether the operator only selects or moves elements, so that it means the same on integers and on the real
    /// numbers they stand for, as long as all its operands have one quantization.
    pub const fn is_movement(&self) -> bool {
        matches!(
            self,
            Self::MaxPool { .. }
                | Self::View
                | Self::Concat { .. }
                | Self::Split { .. }
                | Self::Slice
                | Self::Pad
                | Self::Resize { .. }
                | Self::Transpose { .. }
        )
    }

    /// The clipping of a machine-level operator that has one, to be narrowed.
    pub fn clip_mut(&mut self) -> Option<&mut ClipRange> {
        match self {
            Self::QConv { clip, .. }
            | Self::QDense { clip }
            | Self::QAdd { clip }
            | Self::QMul { clip }
            | Self::QAveragePool { clip, .. }
            | Self::QMean { clip }
            | Self::QPRelu { clip }
            | Self::QLayerNorm { clip, .. }
            | Self::QRequant { clip } => Some(clip),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_twice_never_gives_an_empty_interval() {
        let wide = ClipRange { lo: -128, hi: 127 };
        let high = ClipRange { lo: 100, hi: 127 };
        let low = ClipRange { lo: -128, hi: -100 };
        assert_eq!(wide.then(high), high);
        assert_eq!(high.then(low), ClipRange { lo: -100, hi: -100 });
    }
}

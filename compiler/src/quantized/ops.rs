//! The operators of a quantized graph.

use super::{ClipRange, TensorId, Window};
use systole_isa::numerics::{AddParameters, MulParameters, PreluParameters, Scale};
use systole_isa::operand::Divide;

/// Convolution of an NHWC image. In groups, output channel `j` sees the input channels of its group only: with `g` groups, `ci / g` from
/// `j / (co / g) * (ci / g)` on. As many groups as channels make a depthwise convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct QConv {
    /// Activations `[n, h, w, ci]`.
    pub input: TensorId,
    /// Constant `[kh * kw * ci / groups, co]`; row `(ky * kw + kx) * (ci / groups) + c`.
    pub weights: TensorId,
    /// Number of groups.
    pub groups: usize,
    /// Constant i32 `[co]`.
    pub bias: TensorId,
    /// Activations `[n, oh, ow, co]`.
    pub output: TensorId,
    /// The window; elements in the padding have the value of the input's zero point.
    pub window: Window,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Zero point per output channel, all 0 for symmetric weights.
    pub weight_zero_points: Vec<i32>,
    /// Requantization scale per output channel.
    pub scales: Vec<Scale>,
    /// Zero point of the output.
    pub output_zero_point: i32,
    /// Clipping of the result, activation included.
    pub clip: ClipRange,
}

/// Product of an activation matrix with constant weights.
#[derive(Clone, Debug, PartialEq)]
pub struct QDense {
    /// Activations `[.., k]`, a matrix `[m, k]` in memory.
    pub input: TensorId,
    /// Constant `[k, n]`.
    pub weights: TensorId,
    /// Constant i32 `[n]`.
    pub bias: TensorId,
    /// Activations `[.., n]`, a matrix `[m, n]` in memory.
    pub output: TensorId,
    /// Number of rows of the input and of the output.
    pub m: usize,
    /// Columns of the input, rows of the weights.
    pub k: usize,
    /// Columns of the weights and of the output.
    pub n: usize,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Zero point per column, all 0 for symmetric weights.
    pub weight_zero_points: Vec<i32>,
    /// Requantization scale per column.
    pub scales: Vec<Scale>,
    /// Zero point of the output.
    pub output_zero_point: i32,
    /// Clipping of the result, activation included.
    pub clip: ClipRange,
}

/// Largest element of each window of an NHWC image. Elements in the padding do not count; input and output have the
/// same scale and zero point.
#[derive(Clone, Debug, PartialEq)]
pub struct QMaxPool {
    /// Activations `[n, h, w, c]`.
    pub input: TensorId,
    /// Activations `[n, oh, ow, c]`.
    pub output: TensorId,
    /// The window. The last windows may reach beyond the padding (ceil mode).
    pub window: Window,
}

/// Average of each window of an NHWC image.
#[derive(Clone, Debug, PartialEq)]
pub struct QAvgPool {
    /// Activations `[n, h, w, c]`.
    pub input: TensorId,
    /// Activations `[n, oh, ow, c]`.
    pub output: TensorId,
    /// The window. The last windows may reach beyond the padding (ceil mode).
    pub window: Window,
    /// Whether sums are divided by the number of elements inside the image, or by that of the whole window.
    pub divide: Divide,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Input scale over output scale.
    pub scale: Scale,
    /// Zero point of the output.
    pub output_zero_point: i32,
    /// Clipping of the result.
    pub clip: ClipRange,
}

/// Elementwise sum. Operands have as many axes as the sum; an axis of length one is repeated. One of them may be a constant.
#[derive(Clone, Debug, PartialEq)]
pub struct QAdd {
    /// First operand.
    pub a: TensorId,
    /// Second operand.
    pub b: TensorId,
    /// Sum.
    pub output: TensorId,
    /// Zero points of the operands.
    pub zero_points: [i32; 2],
    /// Scales of the operands and of the sum.
    pub parameters: AddParameters,
    /// Zero point of the sum.
    pub output_zero_point: i32,
    /// Clipping of the result.
    pub clip: ClipRange,
}

/// Elementwise product of operands as those of [`QAdd`].
#[derive(Clone, Debug, PartialEq)]
pub struct QMul {
    /// First operand.
    pub a: TensorId,
    /// Second operand.
    pub b: TensorId,
    /// Product.
    pub output: TensorId,
    /// Zero points of the operands.
    pub zero_points: [i32; 2],
    /// Scales of the operands and of the product.
    pub parameters: MulParameters,
    /// Zero point of the product.
    pub output_zero_point: i32,
    /// Clipping of the result.
    pub clip: ClipRange,
}

/// A function of every element, as a table.
#[derive(Clone, Debug, PartialEq)]
pub struct QLut {
    /// Activations.
    pub input: TensorId,
    /// Activations of the same shape.
    pub output: TensorId,
    /// 256 output integers: the result for the lowest value of the input's type first.
    pub table: Vec<i32>,
}

/// A slope for negative values, one per channel (the last axis).
#[derive(Clone, Debug, PartialEq)]
pub struct QPrelu {
    /// Activations `[.., c]`.
    pub input: TensorId,
    /// Activations of the same shape.
    pub output: TensorId,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Per channel; biases are zero.
    pub parameters: Vec<PreluParameters>,
    /// Zero point of the output.
    pub output_zero_point: i32,
    /// Clipping of the result.
    pub clip: ClipRange,
}

/// Softmax along the last axis.
#[derive(Clone, Debug, PartialEq)]
pub struct QSoftmax {
    /// Activations `[.., n]`.
    pub input: TensorId,
    /// Activations of the same shape.
    pub output: TensorId,
    /// The 257 words of `vx.softmax`.
    pub table: Vec<i32>,
    /// Zero point of the output.
    pub output_zero_point: i32,
    /// Clipping of the result.
    pub clip: ClipRange,
}

/// Layer normalization along the last axis.
#[derive(Clone, Debug, PartialEq)]
pub struct QLayerNorm {
    /// Activations `[.., n]`.
    pub input: TensorId,
    /// Activations of the same shape.
    pub output: TensorId,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Gamma and beta of every column, both over the output scale and times 2^16.
    pub gamma_beta: Vec<[i32; 2]>,
    /// Epsilon over the square of the input scale and times 2^16.
    pub epsilon: i32,
    /// Zero point of the output.
    pub output_zero_point: i32,
    /// Clipping of the result.
    pub clip: ClipRange,
}

/// A box of elements moved from a tensor into another one.
#[derive(Clone, Debug, PartialEq)]
pub struct QPiece {
    /// Where the elements come from.
    pub input: TensorId,
    /// Index of the first element that is read.
    pub from: usize,
    /// Index of the first element that is written.
    pub to: usize,
    /// Nested axes, outermost first: how many elements, and the distance from one to the next in the input (zero repeats an element, negative runs
    /// backwards) and in the output.
    pub axes: Vec<QAxis>,
}

/// An axis of a [`QPiece`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QAxis {
    /// Number of elements.
    pub length: usize,
    /// Distance in the input.
    pub from_stride: isize,
    /// Distance in the output.
    pub to_stride: usize,
}

/// Elements in other places: concatenation, slices, transposition, padding, nearest-neighbour scaling. All tensors have one quantization. Every element
/// of the output is written by a piece or filled, and by one piece only.
#[derive(Clone, Debug, PartialEq)]
pub struct QMove {
    /// What is moved.
    pub pieces: Vec<QPiece>,
    /// Where to.
    pub output: TensorId,
    /// The integer of elements that no piece writes, if there are any.
    pub fill: Option<i32>,
}

/// Rescaling of every element, or only clipping if the scale is 1.
#[derive(Clone, Debug, PartialEq)]
pub struct QRequant {
    /// Activations.
    pub input: TensorId,
    /// Activations of the same shape.
    pub output: TensorId,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Input scale over output scale.
    pub scale: Scale,
    /// Zero point of the output.
    pub output_zero_point: i32,
    /// Clipping of the result.
    pub clip: ClipRange,
}

/// The same elements in the same order under another shape: nothing moves.
#[derive(Clone, Debug, PartialEq)]
pub struct QView {
    /// The tensor as it is.
    pub input: TensorId,
    /// The tensor as it is seen.
    pub output: TensorId,
}

/// An operator.
#[derive(Clone, Debug, PartialEq)]
pub enum QOp {
    /// Convolution.
    Conv(QConv),
    /// Matrix product.
    Dense(QDense),
    /// Maximum pooling.
    MaxPool(QMaxPool),
    /// Average pooling.
    AvgPool(QAvgPool),
    /// Elementwise sum.
    Add(QAdd),
    /// Elementwise product.
    Mul(QMul),
    /// Rescaling.
    Requant(QRequant),
    /// Table lookup.
    Lut(QLut),
    /// Slope for negative values.
    Prelu(QPrelu),
    /// Softmax.
    Softmax(QSoftmax),
    /// Layer normalization.
    LayerNorm(QLayerNorm),
    /// Elements in other places.
    Move(QMove),
    /// Other shape.
    View(QView),
}

impl QOp {
    /// The activations it reads; constant weights and biases are not among them.
    pub fn activations(&self) -> Vec<TensorId> {
        match self {
            Self::Conv(op) => vec![op.input],
            Self::Dense(op) => vec![op.input],
            Self::MaxPool(op) => vec![op.input],
            Self::AvgPool(op) => vec![op.input],
            Self::Add(op) => vec![op.a, op.b],
            Self::Mul(op) => vec![op.a, op.b],
            Self::Requant(op) => vec![op.input],
            Self::Lut(op) => vec![op.input],
            Self::Prelu(op) => vec![op.input],
            Self::Softmax(op) => vec![op.input],
            Self::LayerNorm(op) => vec![op.input],
            Self::Move(op) => op.pieces.iter().map(|piece| piece.input).collect(),
            Self::View(op) => vec![op.input],
        }
    }

    /// Its constant weights, if it has any.
    pub const fn weights(&self) -> Option<TensorId> {
        match self {
            Self::Conv(op) => Some(op.weights),
            Self::Dense(op) => Some(op.weights),
            _ => None,
        }
    }

    /// The tensor it writes.
    pub const fn output(&self) -> TensorId {
        match self {
            Self::Conv(op) => op.output,
            Self::Dense(op) => op.output,
            Self::MaxPool(op) => op.output,
            Self::AvgPool(op) => op.output,
            Self::Add(op) => op.output,
            Self::Mul(op) => op.output,
            Self::Requant(op) => op.output,
            Self::Lut(op) => op.output,
            Self::Prelu(op) => op.output,
            Self::Softmax(op) => op.output,
            Self::LayerNorm(op) => op.output,
            Self::Move(op) => op.output,
            Self::View(op) => op.output,
        }
    }

    /// Its name in dumps.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Conv(_) => "QConv",
            Self::Dense(_) => "QDense",
            Self::MaxPool(_) => "QMaxPool",
            Self::AvgPool(_) => "QAvgPool",
            Self::Add(_) => "QAdd",
            Self::Mul(_) => "QMul",
            Self::Requant(_) => "QRequant",
            Self::Lut(_) => "QLut",
            Self::Prelu(_) => "QPrelu",
            Self::Softmax(_) => "QSoftmax",
            Self::LayerNorm(_) => "QLayerNorm",
            Self::Move(_) => "QMove",
            Self::View(_) => "View",
        }
    }
}

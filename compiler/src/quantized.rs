//! A model as integer operators with every parameter resolved: what the reference executor runs and what code
//! generation translates.
//!
//! # Numbers
//! An activation is a tensor of u8 or i8 with one scale and zero point. All operators requantize alike:
//! `y = clamp(round_half_even(f32(acc) * scale) + y_zero_point, lo, hi)` with binary32 arithmetic, where
//!
//! - [`QConv`] and [`QDense`]: `acc = bias[j] + sum over k of (x - x_zero_point) * (w - w_zero_points[j])` in i32, which
//!   cannot overflow (checked when the graph is built), and `scale[j] = (x_scale * w_scale[j]) / y_scale`;
//! - [`QRequant`]: `acc = x - x_zero_point`, `scale = x_scale / y_scale`;
//! - [`QAdd`]: `y = clamp(round_half_even((f32(a - a_zero) * a_scale + f32(b - b_zero) * b_scale) / y_scale) + y_zero)`.
//!
//! # Memory
//! Images are `[n, h, w, c]`, weights are `[k, n]`, everything is row-major. [`IoTensor`] says how the user's arrays
//! map to that.

mod build;
mod io;

pub use crate::graph::{ClipRange, DType, Pads, TensorData, TensorId, Window};
pub use io::IoTensor;

use crate::error::CompileError;
use crate::graph::Graph;

/// A tensor of a quantized graph.
#[derive(Clone, Debug, PartialEq)]
pub struct QTensor {
    /// Name in the model, or one derived from it.
    pub name: String,
    /// Lengths of the axes in memory order, outermost first.
    pub shape: Vec<usize>,
    /// u8 or i8 for activations and weights, i32 for biases.
    pub dtype: DType,
    /// Scale and zero point, where one pair holds for the whole tensor. Weights with a scale per column have none
    /// here; their operator has all of them.
    pub quantization: Option<(f32, i32)>,
    /// The elements of a constant, in memory order.
    pub data: Option<TensorData>,
}

impl QTensor {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Convolution of an NHWC image.
#[derive(Clone, Debug, PartialEq)]
pub struct QConv {
    /// Activations `[n, h, w, ci]`.
    pub input: TensorId,
    /// Constant `[kh * kw * ci, co]`; row `(ky * kw + kx) * ci + c`.
    pub weights: TensorId,
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
    pub scales: Vec<f32>,
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
    pub scales: Vec<f32>,
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

/// Elementwise sum of two tensors of the same shape and order. One of them may be a constant.
#[derive(Clone, Debug, PartialEq)]
pub struct QAdd {
    /// First operand.
    pub a: TensorId,
    /// Second operand.
    pub b: TensorId,
    /// Sum.
    pub output: TensorId,
    /// Scale and zero point of the first operand.
    pub a_quantization: (f32, i32),
    /// Scale and zero point of the second operand.
    pub b_quantization: (f32, i32),
    /// Scale and zero point of the sum.
    pub output_quantization: (f32, i32),
    /// Clipping of the result.
    pub clip: ClipRange,
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
    pub scale: f32,
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
    /// Elementwise sum.
    Add(QAdd),
    /// Rescaling.
    Requant(QRequant),
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
            Self::Add(op) => vec![op.a, op.b],
            Self::Requant(op) => vec![op.input],
            Self::View(op) => vec![op.input],
        }
    }

    /// The tensor it writes.
    pub const fn output(&self) -> TensorId {
        match self {
            Self::Conv(op) => op.output,
            Self::Dense(op) => op.output,
            Self::MaxPool(op) => op.output,
            Self::Add(op) => op.output,
            Self::Requant(op) => op.output,
            Self::View(op) => op.output,
        }
    }

    /// Its name in dumps.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Conv(_) => "QConv",
            Self::Dense(_) => "QDense",
            Self::MaxPool(_) => "QMaxPool",
            Self::Add(_) => "QAdd",
            Self::Requant(_) => "QRequant",
            Self::View(_) => "View",
        }
    }
}

/// An operator under its name in the model.
#[derive(Clone, Debug, PartialEq)]
pub struct QNode {
    /// Name of the node of the model that it comes from.
    pub name: String,
    /// The operator.
    pub op: QOp,
}

/// A model in integers.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedGraph {
    /// Name of the model.
    pub name: String,
    /// All tensors; [`TensorId`] is the index.
    pub tensors: Vec<QTensor>,
    /// All operators in an order in which they can be executed.
    pub nodes: Vec<QNode>,
    /// What the host provides.
    pub inputs: Vec<IoTensor>,
    /// What the host reads.
    pub outputs: Vec<IoTensor>,
}

impl QuantizedGraph {
    /// Resolves all parameters of a graph that has gone through all passes.
    ///
    /// # Errors
    /// What keeps the graph from being computed in integers: operators that are not machine-level, missing scales,
    /// accumulators that could overflow.
    pub fn from_graph(graph: &Graph) -> Result<Self, Vec<CompileError>> {
        build::build(graph)
    }

    /// The tensor with this index.
    ///
    /// # Panics
    /// If the id is not of this graph.
    pub fn tensor(&self, id: TensorId) -> &QTensor {
        &self.tensors[id.index()]
    }

    /// Multiplications of weights with activations in one inference, padding included.
    pub fn n_macs(&self) -> u64 {
        let macs = |node: &QNode| match &node.op {
            QOp::Conv(op) => self.tensor(op.output).len() as u64 * self.tensor(op.weights).shape[0] as u64,
            QOp::Dense(op) => op.m as u64 * op.k as u64 * op.n as u64,
            QOp::MaxPool(_) | QOp::Add(_) | QOp::Requant(_) | QOp::View(_) => 0,
        };
        self.nodes.iter().map(macs).sum()
    }
}

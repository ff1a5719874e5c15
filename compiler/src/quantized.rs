//! A model as integer operators with every parameter resolved: what the reference executor runs and what code
//! generation translates.
//!
//! # Numbers
//! An activation is a tensor of u8 or i8 with one scale and zero point. `clip(v) = clamp(v + y_zero_point, lo, hi)`. A graph rounds in one of two
//! ways, [`QuantizedGraph::rounding`]: `float` as ONNX does, `round_half_even` of products in binary32, or `fixed` as TensorFlow Lite's integer
//! kernels do, with a 31-bit multiplier and a rounding shift. `rescale(v)` is `round_half_even(f32(v) * scale)` or
//! `multiply_by_quantized_multiplier(v, multiplier, shift)`. Then
//!
//! - [`QConv`] and [`QDense`]: `y = clip(rescale[j](bias[j] + sum over k of (x - x_zero_point) * (w - w_zero_points[j])))`, summed in i32, which
//!   cannot overflow (checked when the graph is built), with `scale[j] = (x_scale * w_scale[j]) / y_scale`;
//! - [`QRequant`]: `y = clip(rescale(x - x_zero_point))`, `scale = x_scale / y_scale`;
//! - [`QAdd`], [`QMul`]: as the parameters of `vx.add` and `vx.mul` say ([`systole_isa::numerics`]);
//! - [`QAvgPool`]: `float`: `y = clip(round_half_even((f32(sum) * scale) / count))`; `fixed`: `y = clip(rescale(sum / count))`, the quotient rounded
//!   half away from zero; `sum` is of `x - x_zero_point` and `count` of the elements inside the image, or of all of the window;
//! - [`QPrelu`]: as the parameters of `vx.prelu` say; [`QSoftmax`], [`QLayerNorm`]: as `vx.softmax` and `vx.layernorm` do;
//! - [`QLut`], [`QMaxPool`], [`QMove`]: integers are looked up, compared and moved as they are.
//!
//! # Memory
//! Images are `[n, h, w, c]`, weights are `[k, n]`, everything is row-major. [`IoTensor`] says how the user's arrays
//! map to that.

mod batch;
mod build;
mod io;
mod ops;
mod scale;

pub use crate::graph::{ClipRange, DType, Pads, TensorData, TensorId, Window};
pub use io::IoTensor;
pub use ops::*;
pub use scale::fixed_scale;

use crate::error::CompileError;
use crate::graph::Graph;
pub use systole_isa::operand::Rounding;

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
    /// How sums become integers.
    pub rounding: Rounding,
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
        self.nodes.iter().map(|node| self.macs_of(&node.op)).sum()
    }

    /// Multiplications of weights with activations in one operator, padding included.
    pub fn macs_of(&self, op: &QOp) -> u64 {
        match op {
            QOp::Conv(op) => self.tensor(op.output).len() as u64 * self.tensor(op.weights).shape[0] as u64,
            QOp::Dense(op) => op.m as u64 * op.k as u64 * op.n as u64,
            _ => 0,
        }
    }
}

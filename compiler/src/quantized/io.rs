//! How the arrays of the user map to tensors of a quantized graph.

use crate::error::{CompileError, CompileErrorKind, Subject};
use crate::graph::data::transposed_indices;
use crate::graph::{DType, Graph, GraphIo, Layout, TensorId};
use crate::reference::arith::{dequantize_f32, quantize_f32};

/// An input or output of a quantized graph.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct IoTensor {
    /// Name in the model.
    pub name: String,
    /// Shape as the user sees it, for instance `[1, 1, 28, 28]` in NCHW.
    pub shape: Vec<usize>,
    /// Element type as the user sees it: f32 where the host has to quantize or dequantize, or the integer type.
    pub dtype: DType,
    /// The integer tensor that carries it.
    pub tensor: TensorId,
    /// Type of the integers.
    pub integer_dtype: DType,
    /// `real = scale * (integer - zero_point)`.
    pub scale: f32,
    /// See `scale`.
    pub zero_point: i32,
    /// The user's elements, row-major, seen under this shape (equal to `shape` unless an image was flattened) ...
    pub view_shape: Vec<usize>,
    /// ... and with these axes, outermost first, lie in the order of the machine: machine axis `i` is view axis
    /// `permutation[i]`.
    pub permutation: Vec<usize>,
}

impl IoTensor {
    pub(super) fn new(graph: &Graph, io: &GraphIo) -> Result<Self, CompileError> {
        let tensor = graph.tensor(io.tensor);
        let error = |kind, found: &str, expected: &str, help: &str| {
            Err(CompileError::new(
                kind,
                Subject::tensor(&io.name),
                found,
                expected,
                help,
            ))
        };
        let (Some(shape), Some(dtype), Some(integer_dtype)) = (&io.shape, io.dtype, tensor.dtype) else {
            let help = "run all passes before resolving the graph";
            return error(CompileErrorKind::Shape, "an unknown shape or type", "both known", help);
        };
        if !integer_dtype.is_byte() {
            return error(
                CompileErrorKind::NotQuantized,
                &format!("a model input or output of {integer_dtype}"),
                "u8 or i8 inside the model",
                "quantize the model so that QuantizeLinear follows its inputs and DequantizeLinear precedes its outputs",
            );
        }
        let Some((scale, zero_point)) = tensor.quantization.as_ref().and_then(|q| q.single()) else {
            let help = "connect it to a quantized operator, or put DequantizeLinear behind it";
            return error(
                CompileErrorKind::Quantization,
                "no scale",
                "one scale and zero point",
                help,
            );
        };
        let (view_shape, permutation) = match (tensor.layout, shape.as_slice()) {
            (Layout::Nhwc, &[_, _, _, _]) if !graph.channels_last => (shape.clone(), vec![0, 2, 3, 1]),
            (Layout::FlattenedNhwc { c, h, w }, &[n, _]) => (vec![n, c, h, w], vec![0, 2, 3, 1]),
            _ => (shape.clone(), (0..shape.len()).collect()),
        };
        Ok(Self {
            name: io.name.clone(),
            shape: shape.clone(),
            dtype,
            tensor: io.tensor,
            integer_dtype,
            scale,
            zero_point,
            view_shape,
            permutation,
        })
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For every element in the machine's order, the index of the user's element.
    pub fn user_indices(&self) -> Vec<usize> {
        transposed_indices(&self.view_shape, &self.permutation)
    }

    /// Quantizes the user's elements into the machine's order. `None` if their number is wrong.
    pub fn quantize_input(&self, user: &[f32]) -> Option<Vec<i32>> {
        let (lo, hi) = self.integer_dtype.range()?;
        let quantize = |i: usize| quantize_f32(user[i], self.scale, self.zero_point, lo, hi);
        (user.len() == self.len()).then(|| self.user_indices().into_iter().map(quantize).collect())
    }

    /// Real numbers, in the user's order, of integers in the machine's. `None` if their number is wrong.
    pub fn dequantize_output(&self, machine: &[i32]) -> Option<Vec<f32>> {
        let integers = self.integers_from_machine(machine)?;
        Some(
            integers
                .iter()
                .map(|&v| dequantize_f32(v, self.scale, self.zero_point))
                .collect(),
        )
    }

    /// Integers of the user in the machine's order. `None` if their number is wrong.
    pub fn integers_to_machine(&self, user: &[i32]) -> Option<Vec<i32>> {
        (user.len() == self.len()).then(|| self.user_indices().iter().map(|&i| user[i]).collect())
    }

    /// Integers of the machine in the user's order. `None` if their number is wrong.
    pub fn integers_from_machine(&self, machine: &[i32]) -> Option<Vec<i32>> {
        (machine.len() == self.len()).then(|| {
            let mut user = vec![0; machine.len()];
            for (&index, &value) in self.user_indices().iter().zip(machine) {
                user[index] = value;
            }
            user
        })
    }
}

//! The reference executors, knowing nothing of any machine: [`execute()`] runs a quantized graph in integers, [`mod@float`] the graph of a
//! model in real numbers.
//!
//! Whatever a compiled program computes must equal what the integer executor computes, for every tensor of the graph.

pub mod arith;
pub mod float;
mod kernels;

pub use float::{FloatError, FloatValues, Value, ValueRef, execute_float, observe_float};

use crate::quantized::{QuantizedGraph, TensorId};
use thiserror::Error;

/// Why a graph could not be executed on these inputs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExecuteError {
    /// Too few or too many inputs.
    #[error("found {found} inputs, expected {expected}; give one array per model input, in their order")]
    InputCount {
        /// Number of arrays given.
        found: usize,
        /// Number of model inputs.
        expected: usize,
    },
    /// An input of the wrong length.
    #[error("input `{name}`: found {found} elements, expected {expected}; give one inference at a time")]
    InputLength {
        /// Name of the model input.
        name: String,
        /// Number of elements given.
        found: usize,
        /// Number of elements of the tensor.
        expected: usize,
    },
    /// An input element that its type cannot hold.
    #[error("input `{name}`: found {value} at {index}, expected values of {dtype}; quantize the input first")]
    InputRange {
        /// Name of the model input.
        name: String,
        /// The element.
        value: i32,
        /// Its index.
        index: usize,
        /// Type of the tensor.
        dtype: &'static str,
    },
}

/// The elements of all tensors after one inference, in memory order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    tensors: Vec<Vec<i32>>,
}

impl Values {
    /// The elements of a tensor.
    ///
    /// # Panics
    /// If the id is not of the executed graph.
    pub fn of(&self, id: TensorId) -> &[i32] {
        &self.tensors[id.index()]
    }
}

/// Executes one inference. `inputs` are integers in the machine's order, one array per graph input; see
/// [`IoTensor::quantize_input`](crate::quantized::IoTensor::quantize_input).
///
/// # Errors
/// Inputs that do not fit the graph.
pub fn execute(graph: &QuantizedGraph, inputs: &[Vec<i32>]) -> Result<Values, ExecuteError> {
    check_inputs(graph, inputs)?;
    let constant =
        |tensor: &crate::quantized::QTensor| tensor.data.as_ref().and_then(|data| data.to_i32()).unwrap_or_default();
    let mut tensors: Vec<Vec<i32>> = graph.tensors.iter().map(constant).collect();
    for (io, values) in graph.inputs.iter().zip(inputs) {
        tensors[io.tensor.index()].clone_from(values);
    }
    for node in &graph.nodes {
        let result = kernels::run(graph, &node.op, &tensors);
        tensors[node.op.output().index()] = result;
    }
    Ok(Values { tensors })
}

fn check_inputs(graph: &QuantizedGraph, inputs: &[Vec<i32>]) -> Result<(), ExecuteError> {
    if inputs.len() != graph.inputs.len() {
        return Err(ExecuteError::InputCount {
            found: inputs.len(),
            expected: graph.inputs.len(),
        });
    }
    for (io, values) in graph.inputs.iter().zip(inputs) {
        let (found, expected, name) = (values.len(), io.len(), io.name.clone());
        if found != expected {
            return Err(ExecuteError::InputLength { name, found, expected });
        }
        let (lo, hi) = io.integer_dtype.range().unwrap_or((i32::MIN, i32::MAX));
        if let Some(index) = values.iter().position(|v| !(lo..=hi).contains(v)) {
            let (value, dtype) = (values[index], io.integer_dtype.name());
            return Err(ExecuteError::InputRange {
                name,
                value,
                index,
                dtype,
            });
        }
    }
    Ok(())
}

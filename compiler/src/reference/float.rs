//! The float reference executor: a graph as it comes out of the pass `infer-shapes`, or of any pass before quantization is resolved, node
//! by node in plain loops.
//!
//! It knows every operator of model files, integer and quantized ones included, and is the oracle of the passes, the source of
//! ranges for quantization, and what computes constants. Machine-level operators are executed by [`execute`](super::execute()).
//! Sums of products run in one order, so results do not depend on the number of threads.

mod conv;
mod elementwise;
mod matrix;
mod movement;
mod normalize;
mod pool;
mod quantize;
mod value;

pub use value::{Value, ValueRef};

use crate::error::{CompileError, CompileErrorKind, Subject};
use crate::graph::infer::infer;
use crate::graph::{DType, Graph, Layout, Node, Op, TensorData, TensorId};
use matrix::{Matrix, product};
use thiserror::Error;
use value::{Call, expanded};

/// Why a graph could not be executed on these inputs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FloatError {
    /// Too few or too many inputs.
    #[error("found {found} inputs, expected {expected}; give one array per model input, in their order")]
    InputCount {
        /// Number of arrays given.
        found: usize,
        /// Number of model inputs.
        expected: usize,
    },
    /// An input of another shape or type.
    #[error("input `{name}`: found {found}, expected {expected}; give one inference at a time")]
    Input {
        /// Name of the model input.
        name: String,
        /// Type and shape of the array.
        found: String,
        /// Type and shape of the model input.
        expected: String,
    },
    /// A node that cannot be computed.
    #[error(transparent)]
    Node(#[from] CompileError),
}

/// The values of all tensors after one inference.
#[derive(Debug)]
pub struct FloatValues<'g> {
    graph: &'g Graph,
    computed: Vec<Option<Value>>,
}

impl FloatValues<'_> {
    /// The value of a tensor; `None` if nothing produces it.
    ///
    /// # Panics
    /// If the id is not of the executed graph.
    pub fn of(&self, id: TensorId) -> Option<ValueRef<'_>> {
        value_of(self.graph, &self.computed, id)
    }

    /// The f32 elements of a tensor that has some.
    ///
    /// # Panics
    /// If the id is not of the executed graph.
    pub fn floats(&self, id: TensorId) -> Option<&[f32]> {
        self.of(id).and_then(|value| value.data.as_f32())
    }
}

fn value_of<'a>(graph: &'a Graph, computed: &'a [Option<Value>], id: TensorId) -> Option<ValueRef<'a>> {
    if let Some(value) = &computed[id.index()] {
        return Some(value.view());
    }
    let tensor = graph.tensor(id);
    Some(ValueRef {
        shape: tensor.shape.as_deref()?,
        data: tensor.data.as_ref()?,
    })
}

/// Executes one inference and keeps the values of all tensors.
///
/// # Errors
/// Inputs that do not fit the graph, and the first node that cannot be computed.
pub fn execute_float<'g>(graph: &'g Graph, inputs: &[Value]) -> Result<FloatValues<'g>, FloatError> {
    let computed = run(graph, inputs, &mut |_, _| {}, false)?;
    Ok(FloatValues { graph, computed })
}

/// Executes one inference and lets `observe` see every input and every result of a node. Values are dropped after their last use.
/// Returns the outputs of the graph, in order.
///
/// # Errors
/// As [`execute_float`].
pub fn observe_float(
    graph: &Graph,
    inputs: &[Value],
    observe: &mut dyn FnMut(TensorId, ValueRef<'_>),
) -> Result<Vec<Value>, FloatError> {
    let computed = run(graph, inputs, observe, true)?;
    let output = |io: &crate::graph::GraphIo| {
        let value = value_of(graph, &computed, io.tensor).ok_or_else(|| missing(graph, io.tensor, &io.name))?;
        Ok(Value {
            shape: value.shape.to_vec(),
            data: value.data.clone(),
        })
    };
    graph.outputs.iter().map(output).collect()
}

fn run(
    graph: &Graph,
    inputs: &[Value],
    observe: &mut dyn FnMut(TensorId, ValueRef<'_>),
    drops: bool,
) -> Result<Vec<Option<Value>>, FloatError> {
    check_inputs(graph, inputs)?;
    let mut computed: Vec<Option<Value>> = vec![None; graph.tensors.len()];
    for (io, value) in graph.inputs.iter().zip(inputs) {
        observe(io.tensor, value.view());
        computed[io.tensor.index()] = Some(value.clone());
    }
    let last_use = last_uses(graph);
    for (index, node) in graph.nodes.iter().enumerate() {
        let results = evaluate(graph, node, |id| value_of(graph, &computed, id))?;
        for (&output, data) in node.outputs.iter().zip(results) {
            let shape = graph.tensor(output).shape.clone().unwrap_or_default();
            let value = Value { shape, data };
            observe(output, value.view());
            computed[output.index()] = Some(value);
        }
        if drops {
            let is_over = |id: &&TensorId| last_use[id.index()] <= index;
            for id in node.inputs.iter().flatten().chain(&node.outputs).filter(is_over) {
                computed[id.index()] = None;
            }
        }
    }
    Ok(computed)
}

fn check_inputs(graph: &Graph, inputs: &[Value]) -> Result<(), FloatError> {
    if inputs.len() != graph.inputs.len() {
        return Err(FloatError::InputCount {
            found: inputs.len(),
            expected: graph.inputs.len(),
        });
    }
    for (io, value) in graph.inputs.iter().zip(inputs) {
        let tensor = graph.tensor(io.tensor);
        let fits = tensor.shape.as_ref() == Some(&value.shape)
            && tensor.dtype == Some(value.data.dtype())
            && value.data.len() == value.shape.iter().product::<usize>();
        if !fits {
            let dtype = tensor.dtype.map_or("?", DType::name);
            return Err(FloatError::Input {
                name: io.name.clone(),
                found: format!(
                    "{} elements of {} in {:?}",
                    value.data.len(),
                    value.data.dtype(),
                    value.shape
                ),
                expected: format!("{dtype} in {:?}", tensor.shape.as_deref().unwrap_or_default()),
            });
        }
    }
    Ok(())
}

/// For every tensor the index of the last node that reads it; outputs of the graph are read after all nodes.
fn last_uses(graph: &Graph) -> Vec<usize> {
    let mut last = vec![0; graph.tensors.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        for id in node.inputs.iter().flatten() {
            last[id.index()] = index;
        }
    }
    for io in &graph.outputs {
        last[io.tensor.index()] = usize::MAX;
    }
    last
}

fn missing(graph: &Graph, id: TensorId, reader: &str) -> CompileError {
    CompileError::new(
        CompileErrorKind::BrokenGraph,
        Subject::node(reader),
        format!("`{}` without a value", graph.tensor(id).name),
        "a value that an earlier node computes",
        "run the pass `infer-shapes` before the graph is executed",
    )
}

/// Computes one node from the values of its operands.
///
/// # Errors
/// A node that contradicts its operands, or that is not one of model files.
pub(crate) fn evaluate<'v>(
    graph: &Graph,
    node: &Node,
    value: impl Fn(TensorId) -> Option<ValueRef<'v>>,
) -> Result<Vec<TensorData>, CompileError> {
    let shapes = checked_shapes(graph, node)?;
    let operand = |id: &Option<TensorId>| match id {
        None => Ok(None),
        Some(id) => value(*id).map(Some).ok_or_else(|| missing(graph, *id, &node.name)),
    };
    let operands = node.inputs.iter().map(operand).collect::<Result<Vec<_>, _>>()?;
    let call = Call {
        node,
        operands,
        results: shapes.iter().map(Vec::as_slice).collect(),
    };
    if let Op::Split { axis, sizes } = &node.op {
        return movement::split(graph, &call, *axis, sizes.as_deref());
    }
    let result = evaluate_one(graph, &call)?;
    let n_elements: usize = call.result().iter().product();
    if result.len() != n_elements {
        return Err(call.fault(
            format!("a result of {} elements", result.len()),
            &format!("{n_elements}"),
        ));
    }
    Ok(vec![result])
}

/// The shapes of a node's results. The kernels rely on shapes that fit, so they are inferred again.
fn checked_shapes(graph: &Graph, node: &Node) -> Result<Vec<Vec<usize>>, CompileError> {
    let fault = |found: String, expected: &str| crate::graph::movement::shape_error(node, found, expected);
    let mut shapes = Vec::with_capacity(node.outputs.len());
    for (inferred, &output) in infer(graph, node)?.into_iter().zip(&node.outputs) {
        let stated = &graph.tensor(output).shape;
        match inferred.shape {
            Some(shape) if stated.as_ref() == Some(&shape) => shapes.push(shape),
            Some(shape) => return Err(fault(format!("a result of shape {stated:?}"), &format!("{shape:?}"))),
            None if shapes.is_empty() => {
                let found = format!("{} with a result of unknown shape", node.op.name());
                return Err(fault(found, "operands of known shapes"));
            }
            None => break,
        }
    }
    let ids = node.inputs.iter().flatten().chain(&node.outputs);
    if let Some(tensor) = ids.map(|&id| graph.tensor(id)).find(|t| t.layout != Layout::Logical) {
        return Err(fault(
            format!("`{}` in layout {:?}", tensor.name, tensor.layout),
            "the layout of the model",
        ));
    }
    Ok(shapes)
}

fn evaluate_one(graph: &Graph, call: &Call) -> Result<TensorData, CompileError> {
    let node = call.node;
    let floats = |values| Ok(TensorData::F32(values));
    match &node.op {
        Op::Conv { window, group } => {
            let shape = conv::Shape::new(call, [0, 1], window, *group)?;
            floats(conv::conv(
                &shape,
                call.floats(0)?,
                call.floats(1)?,
                call.optional_floats(2)?,
            ))
        }
        Op::Gemm { .. } => floats(gemm(call)?),
        Op::MatMul => floats(mat_mul(call)?),
        Op::MaxPool { window } => max_pool(call, &pool::Shape::new(call, window)?),
        Op::AveragePool {
            window,
            count_include_pad,
        } => {
            let shape = pool::Shape::new(call, window)?;
            floats(pool::average_pool(&shape, call.floats(0)?, *count_include_pad))
        }
        Op::GlobalAveragePool => floats(pool::reduce_rows(call.floats(0)?, image_len(call)?, pool::mean)),
        Op::GlobalMaxPool => global_max_pool(call),
        Op::ReduceMean { axes, .. } => {
            let shape = call.operand(0)?.shape;
            let axes = crate::graph::movement::resolve_axes(graph, node, axes.as_deref(), shape.len())?
                .filter(|axes| !axes.is_empty());
            let is_reduced = |axis| axes.as_ref().is_none_or(|axes| axes.contains(&axis));
            let flags: Vec<bool> = (0..shape.len()).map(is_reduced).collect();
            floats(pool::reduce_mean(call.floats(0)?, shape, &flags))
        }
        Op::Relu => elementwise::relu(call),
        Op::Unary(function) => floats(call.floats(0)?.iter().map(|&x| function.apply(x)).collect()),
        Op::PRelu => elementwise::p_relu(call),
        Op::Softmax { axis, coerce_to_matrix } => floats(normalize::softmax(call, *axis, *coerce_to_matrix)?),
        Op::BatchNormalization { epsilon } => floats(normalize::batch_normalization(call, *epsilon)?),
        Op::LayerNormalization { axis, epsilon } => floats(normalize::layer_normalization(call, *axis, *epsilon)?),
        &Op::Lrn {
            alpha,
            beta,
            bias,
            size,
        } => {
            let constants = normalize::Lrn {
                alpha,
                beta,
                bias,
                size,
            };
            floats(normalize::lrn(call, &constants)?)
        }
        Op::Clip { min, max } => elementwise::clip(call, *min, *max),
        Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Pow => elementwise::arithmetic(call),
        _ => evaluate_movement(graph, call),
    }
}

fn evaluate_movement(graph: &Graph, call: &Call) -> Result<TensorData, CompileError> {
    match &call.node.op {
        Op::Flatten { .. }
        | Op::Reshape { .. }
        | Op::Squeeze { .. }
        | Op::Unsqueeze { .. }
        | Op::Identity
        | Op::View => Ok(call.operand(0)?.data.clone()),
        Op::Transpose { permutation } => movement::transpose(call, permutation.as_deref()),
        Op::Concat { axis } => movement::concat(call, *axis),
        Op::Slice => movement::slice(graph, call),
        Op::Pad => movement::pad(graph, call),
        Op::Resize { mode } => movement::resize(graph, call, *mode),
        Op::Gather { axis } => movement::gather(call, *axis),
        Op::Shape => {
            let lengths = call.operand(0)?.shape.iter();
            Ok(TensorData::I64(lengths.map(|&length| length as i64).collect()))
        }
        Op::Cast { to } => Ok(elementwise::cast(call.operand(0)?.data, *to)),
        Op::ConstantOfShape { value } => Ok(movement::filled(value, call.result().iter().product())),
        _ => evaluate_quantized(graph, call),
    }
}

fn evaluate_quantized(graph: &Graph, call: &Call) -> Result<TensorData, CompileError> {
    let dtype = || graph.tensor(call.node.outputs[0]).dtype.unwrap_or(DType::U8);
    let quantization = |id: Option<TensorId>| {
        id.and_then(|id| graph.tensor(id).quantization.as_ref())
            .ok_or_else(|| call.fault("an integer tensor without a scale".into(), "a scale and a zero point"))
    };
    match &call.node.op {
        Op::QuantizeLinear { axis, .. } => quantize::quantize_linear(call, *axis, dtype()),
        Op::DequantizeLinear { axis } => quantize::dequantize_linear(call, *axis),
        Op::Quantize { dtype } => {
            quantize::quantize_attached(call, quantization(call.node.outputs.first().copied())?, *dtype)
        }
        Op::Dequantize => quantize::dequantize_attached(call, quantization(call.node.input(0))?),
        Op::ConvInteger { window, group } => quantize::convolve(call, window, *group),
        Op::MatMulInteger => quantize::multiply(call),
        Op::QLinearConv { window, group } => quantize::q_linear_conv(call, window, *group),
        Op::QLinearMatMul => quantize::q_linear_mat_mul(call),
        Op::QGemm { trans_b } => quantize::q_gemm(call, *trans_b),
        Op::QLinearAdd => quantize::q_linear_add(call),
        other => Err(CompileError::new(
            CompileErrorKind::UnsupportedOperator,
            Subject::node(&call.node.name),
            format!("{}, which is not executed on real numbers", other.name()),
            "an operator of model files that the compiler knows",
            "execute the graph before it is lowered to the machine's operators",
        )),
    }
}

fn gemm(call: &Call) -> Result<Vec<f32>, CompileError> {
    let Op::Gemm {
        trans_a,
        trans_b,
        alpha,
        beta,
    } = call.node.op
    else {
        return Err(call.fault(call.node.op.name().into(), "Gemm"));
    };
    let (a_shape, to) = (call.operand(0)?.shape, call.result());
    let n = to.last().copied().unwrap_or(0);
    let m: usize = to[..to.len() - 1].iter().product();
    let k = if trans_a {
        a_shape[0]
    } else {
        a_shape[a_shape.len() - 1]
    };
    let a = Matrix::new(call.floats(0)?, m, k, trans_a);
    let b = Matrix::new(call.floats(1)?, k, n, trans_b);
    let mut result = product(a, b, [m, k, n]);
    if alpha != 1.0 {
        result.iter_mut().for_each(|value| *value *= alpha);
    }
    if let Some(c) = call.optional_floats(2)? {
        let c = expanded(c, call.operand(2)?.shape, to);
        result
            .iter_mut()
            .zip(c.iter())
            .for_each(|(value, c)| *value += beta * c);
    }
    Ok(result)
}

fn mat_mul(call: &Call) -> Result<Vec<f32>, CompileError> {
    let (a, b) = (call.floats(0)?, call.floats(1)?);
    let (a_shape, b_shape, to) = (call.operand(0)?.shape, call.operand(1)?.shape, call.result());
    let n = to.last().copied().unwrap_or(0);
    let k = a_shape.last().copied().unwrap_or(0);
    if b_shape.len() == 2 {
        let m = to[..to.len() - 1].iter().product();
        return Ok(product(
            Matrix::new(a, m, k, false),
            Matrix::new(b, k, n, false),
            [m, k, n],
        ));
    }
    let m = to[to.len() - 2];
    let with_batches = |rows, columns| [&to[..to.len() - 2], &[rows, columns]].concat();
    let a = expanded(a, a_shape, &with_batches(m, k));
    let b = expanded(b, b_shape, &with_batches(k, n));
    let batches = a.chunks((m * k).max(1)).zip(b.chunks((k * n).max(1)));
    Ok(batches
        .flat_map(|(a, b)| product(Matrix::new(a, m, k, false), Matrix::new(b, k, n, false), [m, k, n]))
        .collect())
}

fn image_len(call: &Call) -> Result<usize, CompileError> {
    match call.operand(0)?.shape {
        &[_, _, ref pixels @ ..] => Ok(pixels.iter().product()),
        other => Err(call.fault(format!("shape {other:?}"), "a batch axis and channels")),
    }
}

fn max_pool(call: &Call, shape: &pool::Shape) -> Result<TensorData, CompileError> {
    Ok(match call.operand(0)?.data {
        TensorData::F32(x) => TensorData::F32(pool::max_pool(shape, x, f32::NEG_INFINITY)),
        TensorData::U8(x) => TensorData::U8(pool::max_pool(shape, x, u8::MIN)),
        TensorData::I8(x) => TensorData::I8(pool::max_pool(shape, x, i8::MIN)),
        other => return Err(call.type_fault(0, other.dtype(), "f32, u8 or i8")),
    })
}

fn global_max_pool(call: &Call) -> Result<TensorData, CompileError> {
    let inner = image_len(call)?;
    fn highest<T: Copy + Ord + Default>(values: &[T]) -> T {
        values.iter().copied().max().unwrap_or_default()
    }
    Ok(match call.operand(0)?.data {
        TensorData::F32(x) => {
            let highest = |values: &[f32]| values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            TensorData::F32(pool::reduce_rows(x, inner, highest))
        }
        TensorData::U8(x) => TensorData::U8(pool::reduce_rows(x, inner, highest)),
        TensorData::I8(x) => TensorData::I8(pool::reduce_rows(x, inner, highest)),
        other => return Err(call.type_fault(0, other.dtype(), "f32, u8 or i8")),
    })
}

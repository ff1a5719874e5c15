//! The shape and element type of a node's result, from those of its operands.
//!
//! This is the one place that knows shapes: a pass writes what it says into the graph, the verifier compares.

mod movement;
mod product;
mod shape;
mod window;

use super::data::DType;
use super::movement::{operand, resolve_axis, shape_error};
use super::op::Op;
use super::{Graph, Node, Tensor, element_count};
use crate::error::{CompileError, CompileErrorKind, Subject};

/// What can be said about a result; `None` where the operands do not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inferred {
    /// Shape, in the layout of the output tensor.
    pub shape: Option<Vec<usize>>,
    /// Element type.
    pub dtype: Option<DType>,
}

impl Inferred {
    fn like(tensor: &Tensor) -> Self {
        Self {
            shape: tensor.shape.clone(),
            dtype: tensor.dtype,
        }
    }

    fn shaped(shape: Option<Vec<usize>>, dtype: Option<DType>) -> Self {
        Self { shape, dtype }
    }
}

/// Shape and type of every output of a node.
///
/// # Errors
/// Operands that are missing or do not fit together, and shapes that depend on what is not constant.
pub fn infer(graph: &Graph, node: &Node) -> Result<Vec<Inferred>, CompileError> {
    let mut inferred = match &node.op {
        Op::Split { axis, sizes } => {
            let x = operand(graph, node, 0)?;
            let shapes = movement::split(graph, node, x, *axis, sizes.as_deref())?;
            shapes
                .into_iter()
                .map(|shape| Inferred::shaped(shape, x.dtype))
                .collect()
        }
        _ => vec![infer_first(graph, node)?],
    };
    inferred.resize(node.outputs.len().max(1), Inferred::default());
    inferred.iter().try_for_each(|result| within_limits(node, result))?;
    Ok(inferred)
}

fn infer_first(graph: &Graph, node: &Node) -> Result<Inferred, CompileError> {
    let tensor = |position| operand(graph, node, position);
    Ok(match &node.op {
        Op::Unsupported { .. } | Op::Split { .. } => Inferred::default(),
        Op::Conv { .. }
        | Op::ConvInteger { .. }
        | Op::QConv { .. }
        | Op::QLinearConv { .. }
        | Op::MaxPool { .. }
        | Op::AveragePool { .. }
        | Op::QAveragePool { .. }
        | Op::QMean { .. }
        | Op::GlobalAveragePool
        | Op::GlobalMaxPool => of_windows(graph, node)?,
        Op::Gemm { .. } | Op::MatMul | Op::MatMulInteger | Op::QDense { .. } | Op::QGemm { .. } | Op::QLinearMatMul => {
            of_products(graph, node)?
        }
        Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Pow => Inferred::shaped(
            shape::broadcast(node, tensor(0)?, tensor(1)?)?,
            arithmetic(graph, node)?,
        ),
        Op::QLinearAdd => {
            let dtype = node.input(7).map_or(tensor(0)?.dtype, |zero| graph.tensor(zero).dtype);
            Inferred::shaped(shape::broadcast(node, tensor(0)?, tensor(3)?)?, dtype)
        }
        Op::QAdd { .. } | Op::QMul { .. } => Inferred::shaped(shape::broadcast(node, tensor(0)?, tensor(1)?)?, None),
        Op::Relu | Op::Clip { .. } | Op::Identity => Inferred::like(tensor(0)?),
        Op::Unary(_)
        | Op::PRelu
        | Op::Softmax { .. }
        | Op::BatchNormalization { .. }
        | Op::LayerNormalization { .. }
        | Op::Lrn { .. }
        | Op::ReduceMean { .. } => Inferred::shaped(of_float_functions(graph, node)?, Some(DType::F32)),
        Op::QuantizeLinear { dtype, .. } => {
            float(graph, node, 0)?;
            let zero = node.input(2).and_then(|zero| graph.tensor(zero).dtype);
            Inferred::shaped(tensor(0)?.shape.clone(), zero.or(*dtype).or(Some(DType::U8)))
        }
        Op::Quantize { dtype } => Inferred::shaped(tensor(0)?.shape.clone(), Some(*dtype)),
        Op::DequantizeLinear { .. } | Op::Dequantize => Inferred::shaped(tensor(0)?.shape.clone(), Some(DType::F32)),
        Op::QRequant { .. } | Op::QPRelu { .. } | Op::QLut | Op::QSoftmax | Op::QLayerNorm { .. } => {
            Inferred::shaped(tensor(0)?.shape.clone(), None)
        }
        Op::Cast { to } => Inferred::shaped(tensor(0)?.shape.clone(), Some(*to)),
        Op::Shape => {
            let rank = tensor(0)?.shape.as_ref().map(|shape| vec![shape.len()]);
            Inferred::shaped(rank, Some(DType::I64))
        }
        Op::ConstantOfShape { value } => {
            Inferred::shaped(Some(shape::constant_of_shape(graph, node)?), Some(value.dtype()))
        }
        Op::Flatten { .. }
        | Op::Reshape { .. }
        | Op::Transpose { .. }
        | Op::Squeeze { .. }
        | Op::Unsqueeze { .. }
        | Op::View
        | Op::Concat { .. }
        | Op::Slice
        | Op::Pad
        | Op::Resize { .. }
        | Op::Gather { .. } => Inferred::shaped(of_movement(graph, node)?, tensor(0)?.dtype),
    })
}

fn of_windows(graph: &Graph, node: &Node) -> Result<Inferred, CompileError> {
    let tensor = |position| operand(graph, node, position);
    let x = tensor(0)?;
    Ok(match &node.op {
        Op::Conv { window, group } => {
            float(graph, node, 0)?;
            float(graph, node, 1)?;
            let shape = window::conv(node, x, tensor(1)?, window, *group)?;
            window::check_bias(graph, node, tensor(1)?)?;
            Inferred::shaped(shape, Some(DType::F32))
        }
        Op::ConvInteger { window, group } => {
            Inferred::shaped(window::conv(node, x, tensor(1)?, window, *group)?, Some(DType::I32))
        }
        Op::QConv { window, group, .. } => Inferred::shaped(window::conv(node, x, tensor(1)?, window, *group)?, None),
        Op::QLinearConv { window, group } => {
            let shape = window::conv(node, x, tensor(3)?, window, *group)?;
            Inferred::shaped(shape, tensor(7)?.dtype)
        }
        Op::MaxPool { window } => Inferred::shaped(window::pool(node, x, window)?, x.dtype),
        Op::AveragePool { window, .. } => {
            float(graph, node, 0)?;
            Inferred::shaped(window::pool(node, x, window)?, Some(DType::F32))
        }
        Op::QAveragePool { window, .. } => Inferred::shaped(window::pool(node, x, window)?, None),
        Op::GlobalAveragePool => {
            float(graph, node, 0)?;
            Inferred::shaped(window::global_pool(node, x)?, Some(DType::F32))
        }
        Op::QMean { .. } => Inferred::shaped(window::global_pool(node, x)?, None),
        Op::GlobalMaxPool => Inferred::shaped(window::global_pool(node, x)?, x.dtype),
        _ => Inferred::default(),
    })
}

fn of_products(graph: &Graph, node: &Node) -> Result<Inferred, CompileError> {
    let tensor = |position| operand(graph, node, position);
    let a = tensor(0)?;
    Ok(match &node.op {
        Op::Gemm { trans_a, trans_b, .. } => {
            float(graph, node, 0)?;
            float(graph, node, 1)?;
            let c = node.input(2).map(|id| graph.tensor(id));
            let shape = product::gemm(node, [a, tensor(1)?], c, [*trans_a, *trans_b])?;
            Inferred::shaped(shape, Some(DType::F32))
        }
        Op::MatMul => {
            float(graph, node, 0)?;
            float(graph, node, 1)?;
            Inferred::shaped(product::mat_mul(node, a, tensor(1)?)?, Some(DType::F32))
        }
        Op::MatMulInteger => Inferred::shaped(product::mat_mul(node, a, tensor(1)?)?, Some(DType::I32)),
        Op::QDense { .. } => Inferred::shaped(product::product(node, a, tensor(1)?, false)?, None),
        Op::QGemm { trans_b } => {
            let shape = product::product(node, a, tensor(3)?, *trans_b)?;
            Inferred::shaped(shape, q_gemm_dtype(graph, node))
        }
        Op::QLinearMatMul => {
            let shape = product::product(node, a, tensor(3)?, false)?;
            Inferred::shaped(shape, tensor(7)?.dtype)
        }
        _ => Inferred::default(),
    })
}

fn of_float_functions(graph: &Graph, node: &Node) -> Result<Option<Vec<usize>>, CompileError> {
    let x = operand(graph, node, 0)?;
    float(graph, node, 0)?;
    let rank = x.shape.as_ref().map(Vec::len);
    match &node.op {
        Op::PRelu => {
            operand(graph, node, 1)?;
            shape::broadcast_into(graph, node, x, 1)
        }
        Op::Softmax { axis, .. } => {
            rank.map(|rank| resolve_axis(node, *axis, rank)).transpose()?;
            Ok(x.shape.clone())
        }
        Op::BatchNormalization { .. } => {
            operand(graph, node, 4)?;
            shape::per_channel(graph, node, x, 1..5)
        }
        Op::LayerNormalization { axis, .. } => {
            rank.map(|rank| resolve_axis(node, *axis, rank)).transpose()?;
            operand(graph, node, 1)?;
            shape::broadcast_into(graph, node, x, 1)?;
            shape::broadcast_into(graph, node, x, 2)
        }
        Op::Lrn { .. } => shape::per_channel(graph, node, x, 0..0),
        Op::ReduceMean { axes, keep_dims } => shape::reduce(graph, node, x, axes.as_deref(), *keep_dims),
        _ => Ok(x.shape.clone()),
    }
}

fn of_movement(graph: &Graph, node: &Node) -> Result<Option<Vec<usize>>, CompileError> {
    let x = operand(graph, node, 0)?;
    match &node.op {
        Op::Flatten { axis } => shape::flatten(node, x, *axis),
        Op::Reshape { allow_zero } => shape::reshape(graph, node, x, *allow_zero),
        Op::Transpose { permutation } => shape::transpose(node, x, permutation.as_deref()),
        Op::Squeeze { axes } => shape::squeeze(graph, node, x, axes.as_deref()),
        Op::Unsqueeze { axes } => shape::unsqueeze(graph, node, x, axes.as_deref()),
        Op::View => shape::view(graph, node, x),
        Op::Concat { axis } => movement::concat(graph, node, *axis),
        Op::Slice => movement::slice(graph, node, x),
        Op::Pad => movement::pad(graph, node, x),
        Op::Resize { .. } => movement::resize(graph, node, x),
        Op::Gather { axis } => movement::gather(node, x, operand(graph, node, 1)?, *axis),
        _ => Ok(None),
    }
}

/// The type of a result of arithmetic: that of both operands, which is f32, or an integer of 32 or 64 bits in computations
/// of shapes.
fn arithmetic(graph: &Graph, node: &Node) -> Result<Option<DType>, CompileError> {
    let (a, b) = (operand(graph, node, 0)?, operand(graph, node, 1)?);
    let wide = |dtype: Option<DType>| matches!(dtype, Some(DType::I32 | DType::I64));
    if !wide(a.dtype) || matches!(node.op, Op::Pow) {
        float(graph, node, 0)?;
        float(graph, node, 1)?;
        return Ok(Some(DType::F32));
    }
    match b.dtype {
        Some(dtype) if Some(dtype) != a.dtype => {
            let found = format!("`{}` of {:?} and `{}` of {dtype}", a.name, a.dtype, b.name);
            Err(shape_error(node, found, "one type"))
        }
        _ => Ok(a.dtype),
    }
}

fn float(graph: &Graph, node: &Node, position: usize) -> Result<(), CompileError> {
    let tensor = operand(graph, node, position)?;
    match tensor.dtype {
        None | Some(DType::F32) => Ok(()),
        Some(dtype) => Err(CompileError::new(
            CompileErrorKind::ElementType,
            Subject::node(&node.name),
            format!("{} on the {dtype} tensor `{}`", node.op.name(), tensor.name),
            "f32",
            "use the integer operator (QLinearConv, QLinearMatMul, ..) or DequantizeLinear before it",
        )),
    }
}

fn within_limits(node: &Node, inferred: &Inferred) -> Result<(), CompileError> {
    match &inferred.shape {
        Some(shape) if element_count(shape).is_none() => Err(shape_error(
            node,
            format!("a result of shape {shape:?}"),
            "at most 2^28 elements in a tensor",
        )),
        _ => Ok(()),
    }
}

fn q_gemm_dtype(graph: &Graph, node: &Node) -> Option<DType> {
    match (node.input(7), node.input(8)) {
        (_, Some(zero)) => graph.tensor(zero).dtype,
        (Some(_), None) => node.input(0).and_then(|a| graph.tensor(a).dtype),
        (None, None) => Some(DType::F32),
    }
}

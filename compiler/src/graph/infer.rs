//! The shape and element type of a node's result, from those of its operands.
//!
//! This is the one place that knows shapes: a pass writes what it says into the graph, the verifier compares.

use super::data::DType;
use super::op::Op;
use super::{Graph, Layout, Node, Tensor, TensorId, WindowAttributes, element_count};
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

/// Shape and type of the first output of a node.
///
/// # Errors
/// Operands that are missing or do not fit together.
pub fn infer(graph: &Graph, node: &Node) -> Result<Inferred, CompileError> {
    let tensor = |position| operand(graph, node, position);
    let inferred = match &node.op {
        Op::Conv { window, group } => {
            float(graph, node, 0)?;
            Inferred::shaped(conv(node, tensor(0)?, tensor(1)?, window, *group)?, Some(DType::F32))
        }
        Op::QConv { window, group, .. } => Inferred::shaped(conv(node, tensor(0)?, tensor(1)?, window, *group)?, None),
        Op::QLinearConv { window, group } => {
            let shape = conv(node, tensor(0)?, tensor(3)?, window, *group)?;
            Inferred::shaped(shape, tensor(7)?.dtype)
        }
        Op::Gemm { trans_b, .. } => {
            float(graph, node, 0)?;
            Inferred::shaped(product(node, tensor(0)?, tensor(1)?, *trans_b)?, Some(DType::F32))
        }
        Op::MatMul => {
            float(graph, node, 0)?;
            Inferred::shaped(product(node, tensor(0)?, tensor(1)?, false)?, Some(DType::F32))
        }
        Op::QDense { .. } => Inferred::shaped(product(node, tensor(0)?, tensor(1)?, false)?, None),
        Op::QGemm { trans_b } => {
            let shape = product(node, tensor(0)?, tensor(3)?, *trans_b)?;
            Inferred::shaped(shape, q_gemm_dtype(graph, node))
        }
        Op::QLinearMatMul => Inferred::shaped(product(node, tensor(0)?, tensor(3)?, false)?, tensor(7)?.dtype),
        Op::MaxPool { window } => Inferred::shaped(max_pool(node, tensor(0)?, window)?, tensor(0)?.dtype),
        Op::QAveragePool { window, .. } => Inferred::shaped(max_pool(node, tensor(0)?, window)?, None),
        Op::QMean { .. } => {
            let axes = image(node, tensor(0)?)?;
            let mean = axes.map(|[n, c, _, _]| image_shape(graph.tensor(node.outputs[0]).layout, [n, c, 1, 1]));
            Inferred::shaped(mean, None)
        }
        Op::QMul { .. } => Inferred::shaped(broadcast(node, tensor(0)?, tensor(1)?)?, None),
        Op::QLut | Op::QSoftmax | Op::QPRelu { .. } | Op::QLayerNorm { .. } => {
            Inferred::shaped(tensor(0)?.shape.clone(), None)
        }
        Op::Relu | Op::Clip { .. } | Op::Identity => Inferred::like(tensor(0)?),
        Op::Flatten { axis } => Inferred::shaped(flatten(node, tensor(0)?, *axis)?, tensor(0)?.dtype),
        Op::Reshape { allow_zero } => {
            Inferred::shaped(reshape(node, tensor(0)?, tensor(1)?, *allow_zero)?, tensor(0)?.dtype)
        }
        Op::Transpose { permutation } => {
            Inferred::shaped(transpose(node, tensor(0)?, permutation.as_deref())?, tensor(0)?.dtype)
        }
        Op::Add => {
            float(graph, node, 0)?;
            Inferred::shaped(broadcast(node, tensor(0)?, tensor(1)?)?, Some(DType::F32))
        }
        Op::QLinearAdd => {
            let dtype = node.input(7).map_or(tensor(0)?.dtype, |zero| graph.tensor(zero).dtype);
            Inferred::shaped(broadcast(node, tensor(0)?, tensor(3)?)?, dtype)
        }
        Op::QAdd { .. } => Inferred::shaped(broadcast(node, tensor(0)?, tensor(1)?)?, None),
        Op::QuantizeLinear { dtype, .. } => {
            let zero = node.input(2).and_then(|zero| graph.tensor(zero).dtype);
            Inferred::shaped(tensor(0)?.shape.clone(), zero.or(*dtype).or(Some(DType::U8)))
        }
        Op::Quantize { dtype } => Inferred::shaped(tensor(0)?.shape.clone(), Some(*dtype)),
        Op::DequantizeLinear { .. } | Op::Dequantize => Inferred::shaped(tensor(0)?.shape.clone(), Some(DType::F32)),
        Op::QRequant { .. } => Inferred::shaped(tensor(0)?.shape.clone(), None),
        Op::View => Inferred::shaped(view(graph, node, tensor(0)?)?, tensor(0)?.dtype),
        _ => Inferred::default(),
    };
    within_limits(node, &inferred)?;
    Ok(inferred)
}

fn shape_error(node: &Node, found: String, expected: &str) -> CompileError {
    CompileError::new(
        CompileErrorKind::Shape,
        Subject::node(&node.name),
        found,
        expected,
        "correct the shapes in the model",
    )
}

fn operand<'g>(graph: &'g Graph, node: &Node, position: usize) -> Result<&'g Tensor, CompileError> {
    let id: TensorId = node.input(position).ok_or_else(|| {
        shape_error(
            node,
            format!("no operand {position} of {}", node.op.name()),
            "an operand there",
        )
    })?;
    Ok(graph.tensor(id))
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

/// The image axes of an operand, or an error if its rank is known and is not 4.
fn image(node: &Node, tensor: &Tensor) -> Result<Option<[usize; 4]>, CompileError> {
    match (&tensor.shape, tensor.image_axes()) {
        (None, _) => Ok(None),
        (Some(_), Some(axes)) => Ok(Some(axes)),
        (Some(shape), None) => Err(shape_error(
            node,
            format!("operand `{}` of shape {shape:?}", tensor.name),
            "an image of 4 axes (batch, channels, height, width)",
        )),
    }
}

fn image_shape(layout: Layout, [n, c, h, w]: [usize; 4]) -> Vec<usize> {
    match layout {
        Layout::Nhwc => vec![n, h, w, c],
        Layout::Logical | Layout::FlattenedNhwc { .. } => vec![n, c, h, w],
    }
}

/// Lengths and steps of zero have no meaning and would divide by zero further on.
fn check_window(node: &Node, window: &WindowAttributes) -> Result<(), CompileError> {
    let kernel = window.kernel.unwrap_or([1, 1]);
    if [kernel, window.strides, window.dilations].as_flattened().contains(&0) {
        return Err(shape_error(
            node,
            format!("{window:?}"),
            "kernel, strides and dilations of at least 1",
        ));
    }
    Ok(())
}

fn conv(
    node: &Node,
    x: &Tensor,
    w: &Tensor,
    attributes: &WindowAttributes,
    group: usize,
) -> Result<Option<Vec<usize>>, CompileError> {
    let (Some([n, channels, height, width]), Some(weights)) = (image(node, x)?, &w.shape) else {
        return Ok(None);
    };
    check_window(node, attributes)?;
    let mismatch = |found: String, expected: &str| Err(shape_error(node, found, expected));
    let (co, ci, kernel) = match (weights.as_slice(), attributes.kernel) {
        (&[co, ci, kh, kw], _) => (co, ci, [kh, kw]),
        (&[rows, co], Some(kernel)) => (co, rows / (kernel[0] * kernel[1]), kernel),
        _ => {
            return mismatch(
                format!("weights of shape {weights:?}"),
                "4 axes (out, in, height, width)",
            );
        }
    };
    if attributes.kernel.is_some_and(|stated| stated != kernel) || kernel.contains(&0) {
        let stated = attributes.kernel;
        return mismatch(
            format!("kernel_shape {stated:?} and weights of shape {weights:?}"),
            "the same non-zero kernel in both",
        );
    }
    if ci.checked_mul(group) != Some(channels) || co.checked_rem(group) != Some(0) {
        return mismatch(
            format!(
                "{channels} channels in `{}`, weights of shape {weights:?}, {group} groups",
                x.name
            ),
            "channels = groups x input channels of the weights, output channels a multiple of groups",
        );
    }
    let window = attributes.resolve(kernel, [height, width]);
    match window.output([height, width], attributes.ceil_mode) {
        Some([oh, ow]) => Ok(Some(image_shape(x.layout, [n, co, oh, ow]))),
        None => mismatch(
            format!("an image of {height} x {width} and {window:?}"),
            "a window that fits into the padded image",
        ),
    }
}

fn max_pool(node: &Node, x: &Tensor, attributes: &WindowAttributes) -> Result<Option<Vec<usize>>, CompileError> {
    let Some([n, c, height, width]) = image(node, x)? else {
        return Ok(None);
    };
    check_window(node, attributes)?;
    let window = attributes.resolve([1, 1], [height, width]);
    match window.output([height, width], attributes.ceil_mode) {
        Some([oh, ow]) => Ok(Some(image_shape(x.layout, [n, c, oh, ow]))),
        None => Err(shape_error(
            node,
            format!("an image of {height} x {width} and {window:?}"),
            "a window that fits into the padded image",
        )),
    }
}

fn product(node: &Node, a: &Tensor, b: &Tensor, trans_b: bool) -> Result<Option<Vec<usize>>, CompileError> {
    let (Some(left), Some(right)) = (&a.shape, &b.shape) else {
        return Ok(None);
    };
    let &[rows, columns] = right.as_slice() else {
        return Err(shape_error(
            node,
            format!("second operand `{}` of shape {right:?}", b.name),
            "a matrix (batched products of two activations are not supported)",
        ));
    };
    let (k, n) = if trans_b { (columns, rows) } else { (rows, columns) };
    match left.split_last() {
        Some((&depth, outer)) if depth == k && !outer.is_empty() => {
            Ok(Some(outer.iter().copied().chain([n]).collect()))
        }
        _ => Err(shape_error(
            node,
            format!("operands `{}` of shape {left:?} and `{}` of {k} x {n}", a.name, b.name),
            "as many columns on the left as rows on the right",
        )),
    }
}

fn flatten(node: &Node, x: &Tensor, axis: i64) -> Result<Option<Vec<usize>>, CompileError> {
    let Some(shape) = &x.shape else { return Ok(None) };
    let rank = shape.len() as i64;
    let split = if axis < 0 { axis + rank } else { axis };
    if !(0..=rank).contains(&split) {
        let found = format!("axis {axis} for `{}` of shape {shape:?}", x.name);
        return Err(shape_error(node, found, "an axis of the operand"));
    }
    let (rows, columns) = shape.split_at(split as usize);
    Ok(Some(vec![rows.iter().product(), columns.iter().product()]))
}

fn reshape(node: &Node, x: &Tensor, target: &Tensor, allow_zero: bool) -> Result<Option<Vec<usize>>, CompileError> {
    let Some(shape) = &x.shape else { return Ok(None) };
    let Some(entries) = target.data.as_ref().and_then(|data| data.to_i64()) else {
        return Err(CompileError::new(
            CompileErrorKind::NotConstant,
            Subject::node(&node.name),
            format!("a new shape `{}` that is computed", target.name),
            "a constant",
            "fold the shape computation into a constant when exporting the model",
        ));
    };
    let wrong = || {
        let found = format!("`{}` of shape {shape:?} and the new shape {entries:?}", x.name);
        shape_error(node, found, "the same number of elements")
    };
    let mut result = Vec::with_capacity(entries.len());
    let mut open = None;
    for (axis, &entry) in entries.iter().enumerate() {
        result.push(match entry {
            -1 if open.is_none() => {
                open = Some(axis);
                1
            }
            0 if !allow_zero => *shape.get(axis).ok_or_else(wrong)?,
            _ => usize::try_from(entry).map_err(|_| wrong())?,
        });
    }
    let total: usize = shape.iter().product();
    let known = element_count(&result).ok_or_else(wrong)?;
    if let Some(axis) = open {
        if known == 0 || !total.is_multiple_of(known) {
            return Err(wrong());
        }
        result[axis] = total / known;
    } else if known != total {
        return Err(wrong());
    }
    Ok(Some(result))
}

fn transpose(node: &Node, x: &Tensor, permutation: Option<&[usize]>) -> Result<Option<Vec<usize>>, CompileError> {
    let Some(shape) = &x.shape else { return Ok(None) };
    let reversed: Vec<usize> = (0..shape.len()).rev().collect();
    let axes = permutation.unwrap_or(&reversed);
    let mut sorted = axes.to_vec();
    sorted.sort_unstable();
    if sorted != (0..shape.len()).collect::<Vec<_>>() {
        let found = format!("axes {axes:?} for `{}` of shape {shape:?}", x.name);
        return Err(shape_error(node, found, "each axis once"));
    }
    Ok(Some(axes.iter().map(|&axis| shape[axis]).collect()))
}

fn broadcast(node: &Node, a: &Tensor, b: &Tensor) -> Result<Option<Vec<usize>>, CompileError> {
    let (Some(left), Some(right)) = (&a.shape, &b.shape) else {
        return Ok(None);
    };
    let rank = left.len().max(right.len());
    let length = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |own| shape[own]);
    (0..rank)
        .map(|axis| match (length(left, axis), length(right, axis)) {
            (l, r) if l == r || r == 1 => Ok(l),
            (1, r) => Ok(r),
            _ => Err(shape_error(
                node,
                format!("`{}` of shape {left:?} and `{}` of shape {right:?}", a.name, b.name),
                "equal lengths, or 1, along every axis",
            )),
        })
        .collect::<Result<Vec<_>, _>>()
        .map(Some)
}

/// A view has the shape its output states; only the number of elements can be wrong.
fn view(graph: &Graph, node: &Node, x: &Tensor) -> Result<Option<Vec<usize>>, CompileError> {
    let stated = node.outputs.first().and_then(|&y| graph.tensor(y).shape.as_ref());
    let (Some(from), Some(to)) = (&x.shape, stated) else {
        return Ok(stated.cloned());
    };
    if element_count(from) == element_count(to) {
        return Ok(Some(to.clone()));
    }
    let found = format!("`{}` of shape {from:?} seen as {to:?}", x.name);
    Err(shape_error(node, found, "the same number of elements"))
}

//! Brings tensors into the machine's order: images with channels last, weights as `k x n` matrices.
//!
//! Convolution weights OIHW become `[kh * kw * ci, co]`. Where an image is flattened, the rows of the result run over
//! (h, w, c) instead of (c, h, w), and the matrix product that reads it gets its weights' rows in the same order.

use super::Graph;
use super::support::constant;
use crate::error::{CompileError, CompileErrorKind, Subject};
use crate::graph::data::transposed_indices;
use crate::graph::{Layout, Node, Op, Tensor, TensorId};

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    if graph.channels_last {
        return Ok(());
    }
    let mut errors = Vec::new();
    for index in 0..graph.inputs.len() {
        let id = graph.inputs[index].tensor;
        if shape_of(graph, id).len() == 4 {
            make_nhwc(graph, id);
        }
    }
    let mut nodes = std::mem::take(&mut graph.nodes);
    for node in &mut nodes {
        if let Err(error) = lay_out(graph, node) {
            errors.push(error);
        }
    }
    graph.nodes = nodes;
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn lay_out(graph: &mut Graph, node: &mut Node) -> Result<(), CompileError> {
    let (Some(x), y) = (node.input(0), node.outputs[0]) else {
        return Ok(());
    };
    match node.op {
        Op::QConv { .. } => {
            expect_layout(graph, node, x, Layout::Nhwc)?;
            let weights = conv_weights(graph, node)?;
            node.inputs[1] = Some(weights);
            make_nhwc(graph, y);
        }
        Op::MaxPool { .. } => {
            expect_layout(graph, node, x, Layout::Nhwc)?;
            make_nhwc(graph, y);
        }
        Op::QRequant { .. } => follow(graph, x, y),
        Op::QAdd { .. } => {
            let b = node.input(1).unwrap_or(x);
            let model = if graph.tensor(x).data.is_some() { b } else { x };
            for position in 0..2 {
                let laid_out = operand_like(graph, node, position, model)?;
                node.inputs[position] = Some(laid_out);
            }
            follow(graph, model, y);
        }
        Op::QDense { .. } => {
            let weights = dense_weights(graph, node, x)?;
            node.inputs[1] = weights;
        }
        Op::View => {
            let layout = view_layout(graph, node, x, y)?;
            match layout {
                Layout::Nhwc => make_nhwc(graph, y),
                other => graph.tensor_mut(y).layout = other,
            }
        }
        _ => {}
    }
    Ok(())
}

fn shape_of(graph: &Graph, id: TensorId) -> Vec<usize> {
    graph.tensor(id).shape.clone().unwrap_or_default()
}

/// Gives an image that is still in the model's order its new shape.
fn make_nhwc(graph: &mut Graph, id: TensorId) {
    let tensor = graph.tensor_mut(id);
    if let (Some([n, c, h, w]), Layout::Logical) = (tensor.image_axes(), tensor.layout) {
        tensor.shape = Some(vec![n, h, w, c]);
        tensor.layout = Layout::Nhwc;
    }
}

fn follow(graph: &mut Graph, model: TensorId, id: TensorId) {
    match graph.tensor(model).layout {
        Layout::Nhwc => make_nhwc(graph, id),
        other => graph.tensor_mut(id).layout = other,
    }
}

fn layout_error(graph: &Graph, node: &Node, id: TensorId, expected: &str) -> CompileError {
    let tensor = graph.tensor(id);
    let found = format!(
        "`{}` of shape {:?} in layout {:?}",
        tensor.name,
        shape_of(graph, id),
        tensor.layout
    );
    let help = "the compiler cannot reorder this activation; restructure the reshapes of the model around this node";
    CompileError::new(
        CompileErrorKind::Layout,
        Subject::node(&node.name),
        found,
        expected,
        help,
    )
}

fn expect_layout(graph: &Graph, node: &Node, id: TensorId, expected: Layout) -> Result<(), CompileError> {
    if graph.tensor(id).layout == expected {
        return Ok(());
    }
    Err(layout_error(graph, node, id, &format!("layout {expected:?}")))
}

fn conv_weights(graph: &mut Graph, node: &Node) -> Result<TensorId, CompileError> {
    let id = node
        .input(1)
        .ok_or_else(|| layout_error(graph, node, node.outputs[0], "weights"))?;
    let data = constant(graph, node, id, "weights")?;
    let shape = shape_of(graph, id);
    let &[co, ci, kh, kw] = shape.as_slice() else {
        return Err(layout_error(graph, node, id, "weights of 4 axes"));
    };
    let data = data.gather(&transposed_indices(&shape, &[2, 3, 1, 0]));
    let tensor = graph.tensor(id);
    let mut weights = Tensor::constant(format!("{}.kxn", tensor.name), vec![kh * kw * ci, co], data);
    weights.quantization = tensor.quantization.clone().map(|q| q.along(1));
    Ok(graph.add_tensor(weights))
}

/// An operand of an elementwise sum in the order of the other: constants are reordered, activations must agree.
fn operand_like(graph: &mut Graph, node: &Node, position: usize, model: TensorId) -> Result<TensorId, CompileError> {
    let id = node
        .input(position)
        .ok_or_else(|| layout_error(graph, node, model, "an operand"))?;
    let (layout, tensor) = (graph.tensor(model).layout, graph.tensor(id));
    if tensor.layout == layout {
        return Ok(id);
    }
    let (Some(data), Layout::Logical) = (&tensor.data, tensor.layout) else {
        return Err(layout_error(
            graph,
            node,
            id,
            &format!("layout {layout:?}, as the other operand"),
        ));
    };
    let shape = shape_of(graph, id);
    let indices = match (layout, shape.as_slice()) {
        (Layout::Nhwc, &[_, _, _, _]) => transposed_indices(&shape, &[0, 2, 3, 1]),
        (Layout::FlattenedNhwc { c, h, w }, &[n, _]) => transposed_indices(&[n, c, h, w], &[0, 2, 3, 1]),
        _ => return Err(layout_error(graph, node, id, &format!("layout {layout:?}"))),
    };
    let mut reordered = tensor.clone();
    reordered.data = Some(data.gather(&indices));
    reordered.name = format!("{}.nhwc", tensor.name);
    reordered.layout = layout;
    reordered.shape = graph.tensor(model).shape.clone();
    Ok(graph.add_tensor(reordered))
}

/// The weights of a matrix product with their rows in the order of its operand's columns.
fn dense_weights(graph: &mut Graph, node: &Node, x: TensorId) -> Result<Option<TensorId>, CompileError> {
    let (c, h, w) = match graph.tensor(x).layout {
        Layout::Logical => return Ok(node.input(1)),
        Layout::Nhwc => return Err(layout_error(graph, node, x, "a matrix (flatten the image first)")),
        Layout::FlattenedNhwc { c, h, w } => (c, h, w),
    };
    let Some(id) = node.input(1) else { return Ok(None) };
    let data = constant(graph, node, id, "weights")?;
    let n = shape_of(graph, id).last().copied().unwrap_or(0);
    let mut weights = graph.tensor(id).clone();
    weights.data = Some(data.gather(&transposed_indices(&[c, h, w, n], &[1, 2, 0, 3])));
    weights.name = format!("{}.hwc", weights.name);
    Ok(Some(graph.add_tensor(weights)))
}

/// The layout of a view, if the elements can stay where they are.
fn view_layout(graph: &Graph, node: &Node, x: TensorId, y: TensorId) -> Result<Layout, CompileError> {
    let (from, to) = (shape_of(graph, x), shape_of(graph, y));
    // The image behind the operand, if its order matters.
    let image = match (graph.tensor(x).layout, from.as_slice()) {
        (Layout::Nhwc, &[n, h, w, c]) => Some([n, c, h, w]),
        (Layout::FlattenedNhwc { c, h, w }, &[n, _]) => Some([n, c, h, w]),
        _ => None,
    };
    let image = image.filter(|&[_, c, h, w]| c > 1 && h * w > 1);
    match (image, to.as_slice()) {
        (Some(image), &[_, _, _, _]) if to == image => Ok(Layout::Nhwc),
        (Some([n, c, h, w]), &[rows, columns]) if rows == n && columns == c * h * w => {
            Ok(Layout::FlattenedNhwc { c, h, w })
        }
        (None, &[_, c, h, w]) if c == 1 || h * w == 1 => Ok(Layout::Nhwc),
        (None, &[_, _, _, _]) => Err(layout_error(graph, node, y, "an image of one channel or one pixel")),
        (None, _) => Ok(Layout::Logical),
        (Some(_), _) => Err(layout_error(graph, node, x, "a view that keeps or flattens the image")),
    }
}

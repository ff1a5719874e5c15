//! Brings tensors into the machine's order: images with channels last, weights as `k x n` matrices.
//!
//! Convolution weights OIHW become `[kh * kw * ci, co]`. Where an image is flattened, the rows of the result run over (h, w, c) instead of
//! (c, h, w), and the matrix product that reads it gets its weights' rows in the same order. Axes of operators that move elements are those of the
//! memory afterwards. What cannot stay in place is moved by an explicit Transpose; a Transpose that only undoes a layout becomes a View.

mod convert;
mod movement;
mod view;

use super::Graph;
use super::support::{constant, shape_of};
use crate::error::CompileError;
use crate::graph::{Layout, Node, Op, Tensor, TensorId};
use convert::Converter;
use std::collections::BTreeSet;

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    // A graph that came with the machine's layout, as those of TensorFlow Lite do, keeps it.
    if graph.channels_last {
        return Ok(());
    }
    lay_out_inputs(graph);
    let windowed = read_by_windows(graph);
    let nodes = std::mem::take(&mut graph.nodes);
    let mut converter = Converter::new(graph, windowed);
    let mut errors = Vec::new();
    for node in nodes {
        if let Err(error) = lay_out(&mut converter, node) {
            errors.push(error);
        }
    }
    graph.nodes = converter.nodes;
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The host brings images into the machine's order, unless the model itself reorders them first.
fn lay_out_inputs(graph: &mut Graph) {
    for index in 0..graph.inputs.len() {
        let id = graph.inputs[index].tensor;
        let mut readers = graph.nodes.iter().filter(|node| node.inputs.contains(&Some(id)));
        let is_reordered = readers.any(|node| matches!(node.op, Op::Transpose { .. }));
        if shape_of(graph, id).len() == 4 && !is_reordered {
            make_nhwc(graph, id);
        }
    }
}

/// The tensors that windows slide over, which have to be images.
fn read_by_windows(graph: &Graph) -> BTreeSet<TensorId> {
    let slides = |op: &Op| {
        matches!(
            op,
            Op::QConv { .. } | Op::MaxPool { .. } | Op::QAveragePool { .. } | Op::Resize { .. }
        )
    };
    let nodes = graph.nodes.iter().filter(|node| slides(&node.op));
    nodes.filter_map(|node| node.input(0)).collect()
}

fn lay_out(c: &mut Converter<'_>, mut node: Node) -> Result<(), CompileError> {
    let (Some(x), y) = (node.input(0), node.outputs[0]) else {
        c.nodes.push(node);
        return Ok(());
    };
    match &node.op {
        Op::QConv { .. } => {
            node.inputs[0] = Some(c.nhwc_copy(&node, x)?);
            node.inputs[1] = Some(conv_weights(c.graph, &node)?);
            make_nhwc(c.graph, y);
        }
        Op::MaxPool { .. } | Op::QAveragePool { .. } => {
            node.inputs[0] = Some(c.nhwc_copy(&node, x)?);
            make_nhwc(c.graph, y);
        }
        Op::QRequant { .. } | Op::QLut => follow(c.graph, x, y),
        Op::QAdd { .. } | Op::QMul { .. } => elementwise(c, &mut node)?,
        Op::QDense { .. } => dense(c, &mut node, x)?,
        Op::QSoftmax => {
            let is_image = c.graph.tensor(x).layout == Layout::Nhwc;
            let x = if is_image { c.logical_copy(&node, x)? } else { x };
            node.inputs[0] = Some(x);
            follow(c.graph, x, y);
        }
        Op::QPRelu { .. } => {
            let n_slopes: usize = node.input(1).map_or(1, |id| shape_of(c.graph, id).iter().product());
            let x = if n_slopes == 1 { x } else { c.logical_copy(&node, x)? };
            node.inputs[0] = Some(x);
            follow(c.graph, x, y);
        }
        Op::QLayerNorm { .. } => node.inputs[0] = Some(c.logical_copy(&node, x)?),
        Op::View => view::lay_out(c, &mut node, x)?,
        Op::Transpose { .. } => movement::transpose(c, &mut node, x)?,
        Op::Concat { .. } | Op::Split { .. } | Op::Slice | Op::Pad | Op::Resize { .. } => {
            movement::lay_out(c, &mut node)?;
        }
        _ => {}
    }
    c.nodes.push(node);
    Ok(())
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

fn conv_weights(graph: &mut Graph, node: &Node) -> Result<TensorId, CompileError> {
    let no_weights = || convert::layout_error(graph, node, node.outputs[0], "weights of 4 axes");
    let id = node.input(1).ok_or_else(no_weights)?;
    let data = constant(graph, node, id, "weights")?;
    let shape = shape_of(graph, id);
    let &[co, ci, kh, kw] = shape.as_slice() else {
        return Err(no_weights());
    };
    let data = data.transposed(&shape, &[2, 3, 1, 0]);
    let tensor = graph.tensor(id);
    let mut weights = Tensor::constant(format!("{}.kxn", tensor.name), vec![kh * kw * ci, co], data);
    weights.quantization = tensor.quantization.clone().map(|q| q.along(1));
    Ok(graph.add_tensor(weights))
}

/// Elementwise operators need their operands and result in one layout. Constants take any; activations are brought into that of an image, if one of
/// them is an image.
fn elementwise(c: &mut Converter<'_>, node: &mut Node) -> Result<(), CompileError> {
    let y = node.outputs[0];
    let operands: Vec<TensorId> = node.inputs.iter().flatten().copied().collect();
    let activations = operands.iter().filter(|&&id| c.graph.tensor(id).data.is_none());
    let layouts: Vec<Layout> = activations.map(|&id| c.graph.tensor(id).layout).collect();
    let shape = shape_of(c.graph, y);
    let first = layouts.first().copied().unwrap_or_default();
    let keeps_flat = |id: &TensorId| c.graph.tensor(*id).data.is_some() || shape_of(c.graph, *id) == shape;
    let target = if layouts.contains(&Layout::Nhwc) {
        Layout::Nhwc
    } else if layouts.iter().all(|&layout| layout == first) && operands.iter().all(keeps_flat) {
        first
    } else {
        Layout::Logical
    };
    for (input, id) in operands.into_iter().enumerate() {
        let placed = match (c.graph.tensor(id).data.is_some(), target) {
            (true, _) => c.constant_in(node, id, target)?,
            (false, Layout::Nhwc) => c.nhwc_copy(node, id)?,
            (false, Layout::Logical) => c.logical_copy(node, id)?,
            (false, Layout::FlattenedNhwc { .. }) => id,
        };
        node.inputs[input] = Some(placed);
    }
    match target {
        Layout::Nhwc => make_nhwc(c.graph, y),
        other => c.graph.tensor_mut(y).layout = other,
    }
    Ok(())
}

/// The weights of a matrix product get their rows in the order of its operand's columns.
fn dense(c: &mut Converter<'_>, node: &mut Node, x: TensorId) -> Result<(), CompileError> {
    let Layout::FlattenedNhwc { c: channels, h, w } = c.graph.tensor(x).layout else {
        node.inputs[0] = Some(c.logical_copy(node, x)?);
        return Ok(());
    };
    let Some(id) = node.input(1) else { return Ok(()) };
    let data = constant(c.graph, node, id, "weights")?;
    let n = shape_of(c.graph, id).last().copied().unwrap_or(0);
    let data = data.transposed(&[channels, h, w, n], &[1, 2, 0, 3]);
    let tensor = c.graph.tensor(id);
    let mut weights = Tensor::constant(format!("{}.hwc", tensor.name), shape_of(c.graph, id), data);
    weights.quantization = tensor.quantization.clone();
    node.inputs[1] = Some(c.graph.add_tensor(weights));
    Ok(())
}

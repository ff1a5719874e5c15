//! Brings operators that have several spellings into one, so that later passes know fewer of them.
//!
//! Poolings over whole images become windowed ones, what renames axes becomes a view, subtracting or dividing by a constant becomes
//! adding or multiplying by one, which then stands second, and what changes nothing disappears.

use super::Graph;
use crate::error::CompileError;
use crate::graph::edit::{add_sibling, remove_aliases, remove_dead_nodes, rewrite_nodes};
use crate::graph::movement::{pad_amounts, resize_scales, resolve_axes, slice_ranges};
use crate::graph::{Node, Op, Padding, Pads, Tensor, TensorData, TensorId, Unary, WindowAttributes};

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    let mut aliases: Vec<(TensorId, TensorId)> = Vec::new();
    rewrite_nodes(graph, |graph, mut node| {
        if !matches!(node.op, Op::Split { .. }) {
            node.outputs.truncate(1);
        }
        let Some(x) = node.input(0) else { return Ok(vec![node]) };
        if changes_nothing(graph, &node)? {
            aliases.push((node.outputs[0], x));
            return Ok(vec![]);
        }
        rewrite(graph, node)
    })?;
    remove_aliases(graph, aliases);
    remove_dead_nodes(graph);
    Ok(())
}

fn shape_of(graph: &Graph, id: TensorId) -> &[usize] {
    graph.tensor(id).shape.as_deref().unwrap_or_default()
}

/// Whether the result is the first operand itself.
fn changes_nothing(graph: &Graph, node: &Node) -> Result<bool, CompileError> {
    let (Some(x), y) = (node.input(0), node.outputs[0]) else {
        return Ok(false);
    };
    let (from, to) = (shape_of(graph, x), shape_of(graph, y));
    if from != to {
        return Ok(false);
    }
    Ok(match &node.op {
        Op::Identity | Op::View | Op::Flatten { .. } | Op::Reshape { .. } => true,
        Op::Squeeze { .. } | Op::Unsqueeze { .. } => true,
        Op::Cast { to } => graph.tensor(x).dtype == Some(*to),
        Op::Concat { .. } => node.inputs.len() == 1,
        Op::Split { .. } => node.outputs.len() == 1,
        Op::Transpose {
            permutation: Some(axes),
        } => axes.is_sorted(),
        Op::Resize { .. } => resize_scales(graph, node, from)?.iter().all(|axis| axis.scale == 1.0),
        Op::Slice => slice_ranges(graph, node, from)?.iter().all(|range| range.step > 0),
        Op::Pad => pad_amounts(graph, node, from)?
            .iter()
            .all(|pad| (pad.before, pad.after) == (0, 0)),
        _ => false,
    })
}

fn rewrite(graph: &mut Graph, mut node: Node) -> Result<Vec<Node>, CompileError> {
    let (Some(x), y) = (node.input(0), node.outputs[0]) else {
        return Ok(vec![node]);
    };
    match &node.op {
        Op::Squeeze { .. } | Op::Unsqueeze { .. } | Op::Flatten { .. } | Op::Reshape { .. } => view(&mut node),
        Op::Transpose { permutation } => {
            let shape = shape_of(graph, x);
            let reversed = || (0..shape.len()).rev().collect();
            let axes: Vec<usize> = permutation.clone().unwrap_or_else(reversed);
            if axes.iter().filter(|&&axis| shape[axis] != 1).is_sorted() {
                view(&mut node);
            }
        }
        Op::GlobalAveragePool | Op::GlobalMaxPool | Op::ReduceMean { .. } => {
            let rank = shape_of(graph, x).len();
            let axes = match &node.op {
                Op::ReduceMean { axes, .. } => resolve_axes(graph, &node, axes.as_deref(), rank)?,
                _ => Some((2..rank).collect()),
            };
            if let Some(nodes) = image_pool(graph, &node, x, y, axes.as_deref()) {
                return Ok(nodes);
            }
        }
        Op::Sub => with_constant(graph, &mut node, Op::Add, |v| -v),
        Op::Div => with_constant(graph, &mut node, Op::Mul, |v| 1.0 / v),
        Op::Add | Op::Mul if graph.tensor(x).data.is_some() => node.inputs.reverse(),
        Op::PRelu => {
            let slope = node.input(1).and_then(|id| graph.tensor(id).data.as_ref());
            if let Some(TensorData::F32(values)) = slope
                && let &[alpha] = values.as_slice()
            {
                node.op = Op::Unary(Unary::LeakyRelu { alpha });
                node.inputs.truncate(1);
            }
        }
        Op::Clip {
            min: Some(0.0),
            max: None | Some(f32::INFINITY),
        } if node.inputs.len() == 1 => node.op = Op::Relu,
        _ => {}
    }
    Ok(vec![node])
}

fn view(node: &mut Node) {
    node.op = Op::View;
    node.inputs.truncate(1);
}

/// A window as large as the image.
fn whole(h: usize, w: usize) -> WindowAttributes {
    WindowAttributes {
        kernel: Some([h, w]),
        strides: [1, 1],
        dilations: [1, 1],
        padding: Padding::Explicit(Pads::default()),
        ceil_mode: false,
    }
}

/// A pooling over the pixels of an image `[n, c, h, w]` or of a line `[n, c, l]` as a windowed one between views.
fn image_pool(graph: &mut Graph, node: &Node, x: TensorId, y: TensorId, axes: Option<&[usize]>) -> Option<Vec<Node>> {
    let (image, is_line) = match (shape_of(graph, x), axes) {
        (&[n, c, h, w], Some([2, 3])) => ([n, c, h, w], false),
        (&[n, c, l], Some([2])) => ([n, c, 1, l], true),
        _ => return None,
    };
    let [n, c, h, w] = image;
    if h * w == 0 {
        return None;
    }
    let window = whole(h, w);
    let op = match node.op {
        Op::GlobalMaxPool => Op::MaxPool { window },
        _ => Op::AveragePool {
            window,
            count_include_pad: false,
        },
    };
    let mut nodes = Vec::new();
    let mut source = x;
    if is_line {
        source = add_sibling(graph, x, "image", Some(image.to_vec()));
        nodes.push(Node::new(format!("{}.image", node.name), Op::View, &[x], source));
    }
    let pooled_shape = vec![n, c, 1, 1];
    if shape_of(graph, y) == pooled_shape {
        nodes.push(Node::new(&node.name, op, &[source], y));
        return Some(nodes);
    }
    let pooled = add_sibling(graph, y, "pooled", Some(pooled_shape));
    nodes.push(Node::new(&node.name, op, &[source], pooled));
    nodes.push(Node::new(format!("{}.view", node.name), Op::View, &[pooled], y));
    Some(nodes)
}

/// `x op c` as `x other f(c)`, if the second operand is an f32 constant.
fn with_constant(graph: &mut Graph, node: &mut Node, other: Op, f: impl Fn(f32) -> f32) {
    let Some(id) = node.input(1) else { return };
    let tensor = graph.tensor(id);
    let Some(values) = tensor.data.as_ref().and_then(|data| data.as_f32()) else {
        return;
    };
    let data = TensorData::F32(values.iter().map(|&v| f(v)).collect());
    let shape = tensor.shape.clone().unwrap_or_default();
    let name = format!("{}.{}", tensor.name, other.name().to_lowercase());
    let constant = graph.add_tensor(Tensor::constant(name, shape, data));
    node.inputs[1] = Some(constant);
    node.op = other;
}

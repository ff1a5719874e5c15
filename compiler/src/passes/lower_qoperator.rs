//! Turns the quantized operators of model files into machine-level ones.

use super::Graph;
use super::support::{add_view, dense_weights, full_range, integer_bias, n_columns, operand, quantization, shape_of};
use crate::error::CompileError;
use crate::graph::edit::{remove_dead_nodes, rewrite_nodes};
use crate::graph::{ClipRange, DType, Node, Op, TensorId, WindowAttributes};

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    rewrite_nodes(graph, |graph, node| {
        let lowered = match node.op {
            Op::QLinearConv { window, group } => conv(graph, &node, window, group)?,
            Op::QGemm { trans_b } => dense(graph, &node, trans_b, node.input(6))?,
            Op::QLinearMatMul => dense(graph, &node, false, None)?,
            Op::QLinearAdd => add(graph, &node)?,
            Op::Relu if is_integer(graph, &node) => relu(graph, &node)?,
            _ => node,
        };
        Ok(vec![lowered])
    })?;
    remove_dead_nodes(graph);
    Ok(())
}

fn is_integer(graph: &Graph, node: &Node) -> bool {
    node.input(0)
        .is_some_and(|x| graph.tensor(x).dtype.is_some_and(|t| t != DType::F32))
}

fn conv(graph: &mut Graph, node: &Node, window: WindowAttributes, group: usize) -> Result<Node, CompileError> {
    let (x, w, y) = (operand(node, 0)?, operand(node, 3)?, node.outputs[0]);
    let n = graph
        .tensor(w)
        .shape
        .as_deref()
        .and_then(<[usize]>::first)
        .copied()
        .unwrap_or(0);
    let bias = integer_bias(graph, node, node.input(8), n)?;
    let clip = full_range(graph, node, y)?;
    Ok(Node::new(
        &node.name,
        Op::QConv { window, group, clip },
        &[x, w, bias],
        y,
    ))
}

fn dense(graph: &mut Graph, node: &Node, trans_b: bool, bias: Option<TensorId>) -> Result<Node, CompileError> {
    let (x, y) = (operand(node, 0)?, node.outputs[0]);
    let weights = dense_weights(graph, node, operand(node, 3)?, trans_b)?;
    let bias = integer_bias(graph, node, bias, n_columns(graph, weights))?;
    let clip = full_range(graph, node, y)?;
    Ok(Node::new(&node.name, Op::QDense { clip }, &[x, weights, bias], y))
}

fn add(graph: &mut Graph, node: &Node) -> Result<Node, CompileError> {
    let (a, b, y) = (operand(node, 0)?, operand(node, 3)?, node.outputs[0]);
    let clip = full_range(graph, node, y)?;
    let rank = graph.tensor(y).shape.as_ref().map_or(0, Vec::len);
    let [a, b] = [a, b].map(|id| {
        let mut shape = shape_of(graph, id);
        if graph.tensor(id).data.is_some() {
            shape.splice(0..0, vec![1; rank.saturating_sub(shape.len())]);
        }
        add_view(graph, id, "broadcast", shape)
    });
    Ok(Node::new(&node.name, Op::QAdd { clip }, &[a, b], y))
}

/// On integers, Relu compares with the integer zero, whatever the zero point.
fn relu(graph: &mut Graph, node: &Node) -> Result<Node, CompileError> {
    let (x, y) = (operand(node, 0)?, node.outputs[0]);
    quantization(graph, node, x)?;
    let range = full_range(graph, node, y)?;
    let clip = range.then(ClipRange { lo: 0, hi: range.hi });
    Ok(Node::new(&node.name, Op::QRequant { clip }, &[x], y))
}

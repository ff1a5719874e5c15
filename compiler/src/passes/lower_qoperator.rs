//! Turns the quantized operators of model files into machine-level ones.

use super::Graph;
use super::support::{dense_weights, full_range, integer_bias, n_columns, operand, quantization};
use crate::error::{CompileError, CompileErrorKind, Subject};
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
    sum(graph, node, a, b, y, clip)
}

/// A sum of two integer tensors. A constant of another shape is repeated to the shape of the result.
pub(super) fn sum(
    graph: &mut Graph,
    node: &Node,
    a: TensorId,
    b: TensorId,
    y: TensorId,
    clip: ClipRange,
) -> Result<Node, CompileError> {
    let shape = graph.tensor(y).shape.clone().unwrap_or_default();
    let a = spread(graph, node, a, &shape)?;
    let b = spread(graph, node, b, &shape)?;
    Ok(Node::new(&node.name, Op::QAdd { clip }, &[a, b], y))
}

fn spread(graph: &mut Graph, node: &Node, id: TensorId, to: &[usize]) -> Result<TensorId, CompileError> {
    let tensor = graph.tensor(id);
    let from = tensor.shape.clone().unwrap_or_default();
    if from == to {
        return Ok(id);
    }
    let Some(data) = &tensor.data else {
        return Err(CompileError::new(
            CompileErrorKind::Shape,
            Subject::node(&node.name),
            format!("activation `{}` of shape {from:?} added into shape {to:?}", tensor.name),
            "activations of equal shapes (only constants are broadcast)",
            "expand the activation in the model",
        ));
    };
    let mut indices = vec![0];
    for (axis, &len) in to.iter().enumerate() {
        let own = (axis + from.len()).checked_sub(to.len()).map_or(1, |own| from[own]);
        indices = indices
            .iter()
            .flat_map(|base| (0..len).map(move |i| base * own + if own == 1 { 0 } else { i }))
            .collect();
    }
    let mut spread = tensor.clone();
    spread.name = format!("{}.spread", tensor.name);
    spread.data = Some(data.gather(&indices));
    spread.shape = Some(to.to_vec());
    Ok(graph.add_tensor(spread))
}

/// On integers, Relu compares with the integer zero, whatever the zero point.
fn relu(graph: &mut Graph, node: &Node) -> Result<Node, CompileError> {
    let (x, y) = (operand(node, 0)?, node.outputs[0]);
    quantization(graph, node, x)?;
    let range = full_range(graph, node, y)?;
    let clip = range.then(ClipRange { lo: 0, hi: range.hi });
    Ok(Node::new(&node.name, Op::QRequant { clip }, &[x], y))
}

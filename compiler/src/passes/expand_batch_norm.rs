//! Turns a BatchNormalization with constants into a product and a sum with one constant per channel.

use super::Graph;
use crate::error::CompileError;
use crate::graph::edit::{add_sibling, rewrite_nodes};
use crate::graph::{Node, Op, Tensor, TensorData};

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    rewrite_nodes(graph, |graph, node| {
        let Op::BatchNormalization { epsilon } = node.op else {
            return Ok(vec![node]);
        };
        Ok(expanded(graph, &node, epsilon).unwrap_or_else(|| vec![node]))
    })
}

fn expanded(graph: &mut Graph, node: &Node, epsilon: f32) -> Option<Vec<Node>> {
    let (x, y) = (node.input(0)?, node.outputs[0]);
    let list = |position: usize| graph.tensor(node.input(position)?).data.as_ref()?.as_f32();
    let (scale, shift, mean, variance) = (list(1)?, list(2)?, list(3)?, list(4)?);
    let factors: Vec<f32> = scale
        .iter()
        .zip(variance)
        .map(|(scale, variance)| scale / (variance + epsilon).sqrt())
        .collect();
    let summands: Vec<f32> = (0..factors.len()).map(|c| shift[c] - mean[c] * factors[c]).collect();
    let rank = graph.tensor(x).shape.as_ref()?.len();
    // One element per index of axis 1, aligned at the last axes.
    let mut shape = vec![1; rank - 1];
    shape[0] = factors.len();
    let mut constant = |role: &str, values| {
        let name = format!("{}.{role}", node.name);
        graph.add_tensor(Tensor::constant(name, shape.clone(), TensorData::F32(values)))
    };
    let (factors, summands) = (constant("factors", factors), constant("summands", summands));
    let to = graph.tensor(y).shape.clone();
    let product = add_sibling(graph, y, "scaled", to);
    Some(vec![
        Node::new(format!("{}.scaled", node.name), Op::Mul, &[x, factors], product),
        Node::new(&node.name, Op::Add, &[product, summands], y),
    ])
}

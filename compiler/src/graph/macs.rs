//! How much a graph multiplies.

use super::{Graph, Node, Op};

/// Multiply-accumulates of all convolutions and matrix products for one inference; those with elements in the padding count, as in
/// published figures. Nodes whose shapes are not known count nothing.
pub fn n_macs(graph: &Graph) -> u64 {
    graph.nodes.iter().map(|node| of_node(graph, node).unwrap_or(0)).sum()
}

fn of_node(graph: &Graph, node: &Node) -> Option<u64> {
    let shape = |position: usize| graph.tensor(node.input(position)?).shape.as_deref();
    let product = |lengths: &[usize]| lengths.iter().map(|&length| length as u64).product::<u64>();
    let result = graph.tensor(*node.outputs.first()?).shape.as_deref()?;
    let depth = match node.op {
        Op::Conv { .. } | Op::ConvInteger { .. } | Op::QConv { .. } => weights_depth(shape(1)?),
        Op::QLinearConv { .. } => weights_depth(shape(3)?),
        Op::Gemm { trans_a: true, .. } => product(&shape(0)?[..1]),
        Op::Gemm { .. } | Op::MatMul | Op::MatMulInteger | Op::QDense { .. } | Op::QGemm { .. } | Op::QLinearMatMul => {
            *shape(0)?.last()? as u64
        }
        _ => return None,
    };
    Some(product(result) * depth)
}

/// Products per result: everything behind the output channel, or before it in the machine's layout.
fn weights_depth(shape: &[usize]) -> u64 {
    match shape {
        &[rows, _] => rows as u64,
        _ => shape.iter().skip(1).map(|&length| length as u64).product(),
    }
}

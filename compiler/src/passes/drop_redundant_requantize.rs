//! Removes rescaling between equal scales that clips nothing: its result is its operand.

use super::Graph;
use crate::error::CompileError;
use crate::graph::edit::{redirect, remove_dead_nodes};
use crate::graph::{ClipRange, Node, Op};

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    for index in 0..graph.nodes.len() {
        let node = &graph.nodes[index];
        if let (Some(x), true) = (node.input(0), is_redundant(graph, node)) {
            let y = node.outputs[0];
            redirect(graph, y, x);
        }
    }
    remove_dead_nodes(graph);
    Ok(())
}

fn is_redundant(graph: &Graph, node: &Node) -> bool {
    let (Op::QRequant { clip }, Some(x)) = (&node.op, node.input(0)) else {
        return false;
    };
    let (x, y) = (graph.tensor(x), graph.tensor(node.outputs[0]));
    x.quantization.is_some()
        && x.quantization == y.quantization
        && x.dtype == y.dtype
        && y.dtype.and_then(ClipRange::of) == Some(*clip)
}

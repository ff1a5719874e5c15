//! Moves Dequantize below, and Quantize above, operators that only move elements.
//!
//! Choosing the largest element or renaming elements gives the same result before and after a monotone map of
//! elements, and quantization is one. What is left around arithmetic are the patterns that `fuse-qdq` knows.

use super::Graph;
use super::support::{dequantized_from, producer};
use crate::error::CompileError;
use crate::graph::edit::{add_sibling, remove_dead_nodes};
use crate::graph::{Node, NodeId, Op, TensorId};

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    sink_dequantize(graph);
    hoist_quantize(graph);
    remove_dead_nodes(graph);
    Ok(())
}

/// `Dequantize -> move` becomes `move -> Dequantize`, in order of execution so that chains sink to their end.
fn sink_dequantize(graph: &mut Graph) {
    let mut nodes: Vec<Node> = Vec::with_capacity(graph.nodes.len());
    let mut producers: Vec<Option<NodeId>> = vec![None; graph.tensors.len()];
    for node in std::mem::take(&mut graph.nodes) {
        let source = node.input(0).filter(|_| node.op.is_movement());
        let new = match source.and_then(|x| dequantized_from(&nodes, &producers, x)) {
            None => vec![node],
            Some(integers) => {
                let y = node.outputs[0];
                let shape = graph.tensor(y).shape.clone();
                let moved = add_sibling(graph, integers, &node.name, shape);
                let dequantize = Node::new(format!("{}.dequantize", node.name), Op::Dequantize, &[moved], y);
                vec![Node::new(&node.name, node.op, &[integers], moved), dequantize]
            }
        };
        producers.resize(graph.tensors.len(), None);
        for node in new {
            node.outputs
                .iter()
                .for_each(|y| producers[y.index()] = Some(NodeId(nodes.len() as u32)));
            nodes.push(node);
        }
    }
    graph.nodes = nodes;
}

/// `move -> Quantize` becomes `Quantize -> move`, from the end, so that the walk meets a risen Quantize again and lets
/// it rise through a whole chain.
fn hoist_quantize(graph: &mut Graph) {
    let mut index = graph.nodes.len();
    while index > 0 {
        index -= 1;
        let Some((mover_index, x)) = movement_before(graph, index) else {
            continue;
        };
        let mover = graph.nodes[mover_index].clone();
        let quantize = graph.nodes.remove(index);
        let y = quantize.outputs[0];
        let shape = graph.tensor(x).shape.clone();
        let before = add_sibling(graph, y, &format!("before.{}", mover.name), shape);
        graph.nodes[mover_index] = Node::new(&mover.name, mover.op, &[before], y);
        let hoisted = Node::new(&quantize.name, quantize.op, &[x], before);
        graph.nodes.insert(mover_index, hoisted);
    }
}

/// If the node is a Quantize and the only reader of an operator that moves elements: that operator and its operand.
fn movement_before(graph: &Graph, index: usize) -> Option<(usize, TensorId)> {
    let node = &graph.nodes[index];
    let (Op::Quantize { .. }, Some(moved)) = (&node.op, node.input(0)) else {
        return None;
    };
    let is_shared = graph.consumers()[moved.index()].len() > 1 || graph.is_output(moved);
    let producers = graph.producers();
    let mover = producer(&graph.nodes, &producers, moved).filter(|n| n.op.is_movement() && !is_shared)?;
    Some((producers[moved.index()]?.index(), mover.input(0)?))
}

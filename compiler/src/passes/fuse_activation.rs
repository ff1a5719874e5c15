//! Lets the producer of a tensor do the clipping of a rescaling after it.
//!
//! A rescaling between equal scales only clips. If nothing else reads the tensor between the two, the producer can
//! clip in its place.

use super::Graph;
use crate::error::CompileError;
use crate::graph::{ClipRange, Op, TensorId};

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    let mut index = 0;
    while index < graph.nodes.len() {
        match fusible(graph, index) {
            Some((producer, clip)) => {
                let removed = graph.nodes.remove(index);
                let producer = &mut graph.nodes[producer];
                producer.outputs = removed.outputs;
                if let Some(own) = producer.op.clip_mut() {
                    *own = own.then(clip);
                }
            }
            None => index += 1,
        }
    }
    Ok(())
}

/// The index of the producer that can clip in place of a node, and the node's clipping.
fn fusible(graph: &Graph, index: usize) -> Option<(usize, ClipRange)> {
    let node = &graph.nodes[index];
    let (Op::QRequant { clip }, Some(between)) = (&node.op, node.input(0)) else {
        return None;
    };
    let (x, y) = (graph.tensor(between), graph.tensor(node.outputs[0]));
    let only_clips = x.quantization.is_some() && x.quantization == y.quantization && x.dtype == y.dtype;
    if !only_clips || is_shared(graph, between) {
        return None;
    }
    let producer = graph.nodes.iter().position(|n| n.outputs.contains(&between))?;
    graph.nodes[producer].op.clone().clip_mut()?;
    Some((producer, *clip))
}

fn is_shared(graph: &Graph, tensor: TensorId) -> bool {
    graph.is_output(tensor) || graph.consumers()[tensor.index()].len() != 1
}

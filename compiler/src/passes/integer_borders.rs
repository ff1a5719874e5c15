//! Leaves quantization of inputs and dequantization of outputs to the host.
//!
//! A graph input that is only quantized is replaced by the integers; a graph output that is a Dequantize is replaced
//! by what it reads. Name, shape and type as the user knows them stay with the input or output.

use super::Graph;
use super::support::quantization_error;
use crate::error::CompileError;
use crate::graph::edit::{redirect, remove_dead_nodes};
use crate::graph::{DType, Op, TensorId};

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    let errors: Vec<_> = (0..graph.inputs.len()).filter_map(|i| input(graph, i).err()).collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    for index in 0..graph.outputs.len() {
        output(graph, index);
    }
    remove_dead_nodes(graph);
    Ok(())
}

/// Inputs that anything but a Quantize reads stay float; `check-machine-level` reports their readers.
fn input(graph: &mut Graph, index: usize) -> Result<(), CompileError> {
    let x = graph.inputs[index].tensor;
    if graph.tensor(x).dtype != Some(DType::F32) || graph.is_output(x) {
        return Ok(());
    }
    let mut readers = graph.nodes.iter().filter(|node| node.inputs.contains(&Some(x)));
    let quantizers: Vec<TensorId> = readers
        .by_ref()
        .map_while(|node| matches!(node.op, Op::Quantize { .. }).then(|| node.outputs[0]))
        .collect();
    let Some((&first, others)) = quantizers.split_first() else {
        return Ok(());
    };
    let all_quantize = graph.nodes.iter().filter(|node| node.inputs.contains(&Some(x))).count() == quantizers.len();
    if !all_quantize {
        return Ok(());
    }
    for &other in others {
        let same = graph.tensor(other).quantization == graph.tensor(first).quantization
            && graph.tensor(other).dtype == graph.tensor(first).dtype;
        if !same {
            let node = graph.nodes.iter().find(|node| node.outputs[0] == other);
            let node = node.expect("the tensor was found as the output of a node");
            let found = format!("a second quantization of the input `{}`", graph.inputs[index].name);
            return Err(quantization_error(
                node,
                found,
                "one scale and zero point per model input",
            ));
        }
    }
    graph
        .nodes
        .retain(|node| !node.outputs.iter().any(|y| quantizers.contains(y)));
    others.iter().for_each(|&other| redirect(graph, other, first));
    graph.inputs[index].tensor = first;
    Ok(())
}

fn output(graph: &mut Graph, index: usize) {
    let y = graph.outputs[index].tensor;
    let dequantize = graph
        .nodes
        .iter()
        .find(|node| node.outputs[0] == y && node.op == Op::Dequantize);
    if let Some(integers) = dequantize.and_then(|node| node.input(0)) {
        graph.outputs[index].tensor = integers;
    }
}

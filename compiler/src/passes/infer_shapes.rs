//! Gives every tensor its shape and type, and writes out kernels and padding.
//!
//! Shapes may depend on small computations with shapes, so nodes with small constant operands are computed on the way.

use super::Graph;
use super::fold_constants::{computed, set_constants};
use crate::error::CompileError;
use crate::graph::infer::infer;
use crate::graph::{Op, WindowAttributes};

/// The most elements of a result that is computed on the way. Shapes have a handful; weights are folded later.
const MAX_COMPUTED: usize = 1024;

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    let mut errors = Vec::new();
    let mut is_computed = vec![false; graph.nodes.len()];
    for (index, is_computed) in is_computed.iter_mut().enumerate() {
        match infer(graph, &graph.nodes[index]) {
            Ok(inferred) => {
                let outputs = graph.nodes[index].outputs.clone();
                for (output, inferred) in outputs.into_iter().zip(inferred) {
                    let tensor = graph.tensor_mut(output);
                    tensor.shape = inferred.shape.or(tensor.shape.take());
                    tensor.dtype = inferred.dtype.or(tensor.dtype);
                }
                resolve_window(graph, index);
                match computed(graph, &graph.nodes[index], MAX_COMPUTED) {
                    Ok(Some(results)) => {
                        let outputs = graph.nodes[index].outputs.clone();
                        set_constants(graph, &outputs, results);
                        *is_computed = true;
                    }
                    Ok(None) => {}
                    Err(error) => errors.push(error),
                }
            }
            Err(error) => errors.push(error),
        }
    }
    let mut is_computed = is_computed.into_iter();
    graph.nodes.retain(|_| !is_computed.next().expect("one flag per node"));
    for index in 0..graph.inputs.len() + graph.outputs.len() {
        let n_inputs = graph.inputs.len();
        let is_input = index < n_inputs;
        let id = if is_input {
            graph.inputs[index].tensor
        } else {
            graph.outputs[index - n_inputs].tensor
        };
        let (shape, dtype) = (graph.tensor(id).shape.clone(), graph.tensor(id).dtype);
        let io = if is_input {
            &mut graph.inputs[index]
        } else {
            &mut graph.outputs[index - n_inputs]
        };
        (io.shape, io.dtype) = (shape, dtype);
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Kernels that weights imply and padding that depends on the image become explicit.
fn resolve_window(graph: &mut Graph, index: usize) {
    let node = &graph.nodes[index];
    let shape = |position: usize| node.input(position).and_then(|id| graph.tensor(id).shape.clone());
    let weights = match node.op {
        Op::Conv { .. } | Op::ConvInteger { .. } => shape(1),
        Op::QLinearConv { .. } => shape(3),
        _ => None,
    };
    let kernel = match weights.as_deref() {
        Some(&[_, _, kh, kw]) => [kh, kw],
        _ => [1, 1],
    };
    let image = node.input(0).and_then(|id| graph.tensor(id).image_axes());
    let Some([_, _, h, w]) = image else { return };
    if let Some(window) = window_mut(&mut graph.nodes[index].op) {
        *window = window.resolved(kernel, [h, w]);
    }
}

fn window_mut(op: &mut Op) -> Option<&mut WindowAttributes> {
    match op {
        Op::Conv { window, .. }
        | Op::ConvInteger { window, .. }
        | Op::QLinearConv { window, .. }
        | Op::QConv { window, .. }
        | Op::AveragePool { window, .. }
        | Op::MaxPool { window } => Some(window),
        _ => None,
    }
}

//! Moves Dequantize below, and Quantize above, operators that only move elements.
//!
//! Choosing the largest element, renaming, joining or picking elements gives the same result before and after a monotone map of elements, and
//! quantization is one. What is left around arithmetic are the patterns that `fuse-qdq` knows.

use super::Graph;
use super::support::{add_quantized, shape_of};
use crate::error::CompileError;
use crate::graph::edit::{add_sibling, remove_dead_nodes};
use crate::graph::{DType, Node, Op, Quantization, Tensor, TensorData, TensorId};

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    sink_dequantize(graph);
    hoist_quantize(graph);
    remove_dead_nodes(graph);
    Ok(())
}

/// Number of operands whose elements the operator moves; those behind say how.
fn n_moved(node: &Node) -> usize {
    match node.op {
        Op::Concat { .. } => node.inputs.len(),
        _ => usize::from(node.op.is_movement()),
    }
}

/// `Dequantize -> move` becomes `move -> Dequantize`, in order of execution so that chains sink to their end.
fn sink_dequantize(graph: &mut Graph) {
    let mut nodes: Vec<Node> = Vec::with_capacity(graph.nodes.len());
    // For every tensor the integers it was dequantized from.
    let mut integers: Vec<Option<TensorId>> = vec![None; graph.tensors.len()];
    for node in std::mem::take(&mut graph.nodes) {
        let new = sunk(graph, &integers, &node).unwrap_or_else(|| vec![node]);
        integers.resize(graph.tensors.len(), None);
        for node in new {
            if node.op == Op::Dequantize {
                integers[node.outputs[0].index()] = node.input(0);
            }
            nodes.push(node);
        }
    }
    graph.nodes = nodes;
}

/// The nodes in place of a movement of dequantized elements.
fn sunk(graph: &mut Graph, integers: &[Option<TensorId>], node: &Node) -> Option<Vec<Node>> {
    let n_operands = n_moved(node);
    let operands: Vec<TensorId> = node.inputs.iter().take(n_operands).copied().collect::<Option<_>>()?;
    let behind = |id: TensorId| integers.get(id.index()).copied().flatten();
    let model = operands.iter().find_map(|&id| behind(id))?;
    let quantization = graph.tensor(model).quantization.clone()?;
    if let Some(constant) = moved_constant(graph, node, model) {
        let dequantize = Node::new(&node.name, Op::Dequantize, &[constant], node.outputs[0]);
        return Some(vec![dequantize]);
    }
    let (scale, zero_point) = quantization.single()?;
    let dtype = graph.tensor(model).dtype?;
    let mut moved = Vec::with_capacity(n_operands);
    for id in operands {
        moved.push(Some(match behind(id) {
            Some(own) => {
                let tensor = graph.tensor(own);
                let is_same = tensor.quantization.as_ref() == Some(&quantization) && tensor.dtype == Some(dtype);
                is_same.then_some(own)?
            }
            None => add_quantized(graph, id, dtype, scale, zero_point)?,
        }));
    }
    moved.extend(node.inputs.iter().skip(n_operands).copied());
    quantize_fill(graph, &node.op, &mut moved, dtype, (scale, zero_point))?;
    let (mut outputs, mut dequantized) = (Vec::new(), Vec::new());
    for &y in &node.outputs {
        let shape = graph.tensor(y).shape.clone();
        let sibling = add_sibling(graph, model, &node.name, shape);
        outputs.push(sibling);
        dequantized.push(Node::new(
            format!("{}.dequantize", node.name),
            Op::Dequantize,
            &[sibling],
            y,
        ));
    }
    let mut nodes = vec![Node {
        name: node.name.clone(),
        op: node.op.clone(),
        inputs: moved,
        outputs,
    }];
    nodes.extend(dequantized);
    Some(nodes)
}

/// The value around a padded tensor as an integer; absent it is the zero point. `None` if it is computed.
fn quantize_fill(
    graph: &mut Graph,
    op: &Op,
    inputs: &mut [Option<TensorId>],
    dtype: DType,
    (scale, zero_point): (f32, i32),
) -> Option<()> {
    if let (Op::Pad, Some(Some(value))) = (op, inputs.get(2).copied()) {
        inputs[2] = Some(add_quantized(graph, value, dtype, scale, zero_point)?);
    }
    Some(())
}

/// A quantized constant after a transposition or under another shape, such as weights that a model keeps transposed.
fn moved_constant(graph: &mut Graph, node: &Node, id: TensorId) -> Option<TensorId> {
    let tensor = graph.tensor(id);
    let (data, from, old) = (tensor.data.as_ref()?, shape_of(graph, id), tensor.quantization.clone()?);
    let shape = shape_of(graph, node.outputs[0]);
    let (data, quantization) = match &node.op {
        Op::Transpose { permutation } => {
            let axes = permutation.clone().unwrap_or_else(|| (0..from.len()).rev().collect());
            let axis = old.axis().and_then(|old| axes.iter().position(|&axis| axis == old));
            let new = axis.map_or(old.clone(), |axis| old.along(axis));
            (data.transposed(&from, &axes), new)
        }
        Op::View if old.axis().is_none() => (data.clone(), old),
        _ => return None,
    };
    let name = format!("{}.{}", tensor.name, node.name);
    Some(graph.add_tensor(Tensor::constant(name, shape, data).with_quantization(quantization)))
}

/// `move -> Quantize` becomes `Quantize -> move`, from the end, so that the walk meets a risen Quantize again and lets
/// it rise through a whole chain.
fn hoist_quantize(graph: &mut Graph) {
    let mut index = graph.nodes.len();
    while index > 0 {
        index -= 1;
        let Some(mover_index) = movement_before(graph, index) else {
            continue;
        };
        let quantize = graph.nodes[index].clone();
        let Some(risen) = risen(graph, mover_index, &quantize) else {
            continue;
        };
        graph.nodes.remove(index);
        let n_new = risen.len();
        graph.nodes.splice(mover_index..=mover_index, risen);
        // The walk goes on behind the last of the risen ones; what was between has moved with the splice.
        index = (index + n_new - 1).min(graph.nodes.len());
    }
}

/// If the node is a Quantize and the only reader of an operator that moves elements: the index of that operator.
fn movement_before(graph: &Graph, index: usize) -> Option<usize> {
    let node = &graph.nodes[index];
    let (Op::Quantize { .. }, Some(moved)) = (&node.op, node.input(0)) else {
        return None;
    };
    let is_float = |id: &TensorId| graph.tensor(*id).dtype == Some(DType::F32);
    let producer = graph.nodes[..index]
        .iter()
        .position(|node| node.outputs.contains(&moved))?;
    let mover = &graph.nodes[producer];
    let n_readers = graph.nodes.iter().flat_map(|node| node.inputs.iter().flatten());
    let is_shared = n_readers.filter(|&&id| id == moved).count() > 1 || graph.is_output(moved);
    let moves = mover.op.is_movement() && mover.outputs.len() == 1 && mover.inputs.iter().flatten().any(is_float);
    (moves && !is_shared).then_some(producer)
}

/// The movement of quantized elements, with a Quantize for every operand before it.
fn risen(graph: &mut Graph, mover_index: usize, quantize: &Node) -> Option<Vec<Node>> {
    let mover = graph.nodes[mover_index].clone();
    let y = quantize.outputs[0];
    let n_operands = n_moved(&mover);
    let parameters = graph.tensor(y).quantization.as_ref().and_then(Quantization::single)?;
    let dtype = graph.tensor(y).dtype?;
    let mut inputs = mover.inputs.clone();
    quantize_fill(graph, &mover.op, &mut inputs, dtype, parameters)?;
    let mut nodes = Vec::with_capacity(n_operands + 1);
    for input in inputs.iter_mut().take(n_operands) {
        let x = (*input)?;
        if let Some(TensorData::F32(_)) = graph.tensor(x).data {
            *input = Some(add_quantized(graph, x, dtype, parameters.0, parameters.1)?);
            continue;
        }
        let shape = graph.tensor(x).shape.clone();
        let before = add_sibling(graph, y, &format!("before.{}", mover.name), shape);
        *input = Some(before);
        nodes.push(Node::new(&quantize.name, quantize.op.clone(), &[x], before));
    }
    nodes.push(Node {
        name: mover.name,
        op: mover.op,
        inputs,
        outputs: vec![y],
    });
    Some(nodes)
}

//! Moves scales and zero points from the operands of nodes to the integer tensors they describe.
//!
//! QuantizeLinear and DequantizeLinear become Quantize and Dequantize, whose parameters are those of their integer
//! tensor. Where an operator only moves elements, its result means the same as its operand.

use super::Graph;
use super::support::{constant, operand, quantization_error};
use crate::error::CompileError;
use crate::graph::edit::rewrite_nodes;
use crate::graph::{DType, Node, Op, Quantization, TensorId};

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    rewrite_nodes(graph, |graph, mut node| {
        attach(graph, &mut node)?;
        Ok(vec![node])
    })?;
    propagate(graph)
}

fn attach(graph: &mut Graph, node: &mut Node) -> Result<(), CompileError> {
    let rank = |graph: &Graph, id: TensorId| graph.tensor(id).shape.as_ref().map_or(0, Vec::len);
    match node.op {
        Op::QuantizeLinear { axis, .. } => {
            let y = node.outputs[0];
            let parameters = parameters(graph, node, [1, 2], axis, rank(graph, y))?;
            set(graph, node, y, parameters)?;
            let dtype = graph.tensor(y).dtype.unwrap_or(DType::U8);
            node.op = Op::Quantize { dtype };
            node.inputs.truncate(1);
        }
        Op::DequantizeLinear { axis } => {
            let x = operand(node, 0)?;
            let parameters = parameters(graph, node, [1, 2], axis, rank(graph, x))?;
            set(graph, node, x, parameters)?;
            node.op = Op::Dequantize;
            node.inputs.truncate(1);
        }
        Op::QLinearConv { .. } => attach_three(graph, node, [6, 7], 0)?,
        Op::QGemm { trans_b } => attach_three(graph, node, [7, 8], if trans_b { 0 } else { 1 })?,
        Op::QLinearMatMul => attach_three(graph, node, [6, 7], 1)?,
        Op::QLinearAdd => attach_three(graph, node, [6, 7], 1)?,
        _ => {}
    }
    Ok(())
}

/// `[a, a_scale, a_zero, b, b_scale, b_zero, ..]` with the parameters of the result at positions `result`.
fn attach_three(graph: &mut Graph, node: &Node, result: [usize; 2], b_axis: i64) -> Result<(), CompileError> {
    let b = operand(node, 3)?;
    let b_rank = graph.tensor(b).shape.as_ref().map_or(0, Vec::len);
    let a_parameters = parameters(graph, node, [1, 2], 0, 1)?;
    let b_parameters = parameters(graph, node, [4, 5], b_axis, b_rank)?;
    if node.input(result[0]).is_none() {
        let found = format!("{} with a float result", node.op.name());
        return Err(quantization_error(node, found, "a scale for the result"));
    }
    let y_parameters = parameters(graph, node, result, 0, 1)?;
    set(graph, node, operand(node, 0)?, a_parameters)?;
    set(graph, node, b, b_parameters)?;
    set(graph, node, node.outputs[0], y_parameters)
}

/// Reads constant scales and zero points from the operands at two positions.
pub(super) fn parameters(
    graph: &Graph,
    node: &Node,
    [scale, zero_point]: [usize; 2],
    axis: i64,
    rank: usize,
) -> Result<Quantization, CompileError> {
    let scales = constant(graph, node, operand(node, scale)?, "scale")?;
    let Some(scales) = scales.as_f32().map(<[f32]>::to_vec) else {
        return Err(quantization_error(
            node,
            format!("a scale of {}", scales.dtype()),
            "f32",
        ));
    };
    if let Some(bad) = scales.iter().find(|scale| !(scale.is_finite() && **scale > 0.0)) {
        return Err(quantization_error(
            node,
            format!("a scale of {bad}"),
            "finite scales above zero",
        ));
    }
    let zero_points = match node.input(zero_point) {
        None => vec![0; scales.len()],
        Some(id) => {
            let data = constant(graph, node, id, "zero point")?;
            data.to_i32()
                .ok_or_else(|| quantization_error(node, format!("a zero point of {}", data.dtype()), "an integer"))?
        }
    };
    let found = || format!("{} scales, {} zero points", scales.len(), zero_points.len());
    match (scales.as_slice(), zero_points.as_slice()) {
        ([], _) => Err(quantization_error(node, found(), "at least one")),
        (&[scale], &[zero_point]) => Ok(Quantization::per_tensor(scale, zero_point)),
        _ => {
            let axis = if axis < 0 { axis + rank as i64 } else { axis };
            let error = quantization_error(node, found(), "as many zero points as scales, along an axis");
            let axis = usize::try_from(axis).ok().filter(|&a| a < rank).ok_or(error.clone())?;
            Quantization::per_axis(scales, zero_points, axis).ok_or(error)
        }
    }
}

/// Gives a tensor its quantization; it must not have another one already.
fn set(graph: &mut Graph, node: &Node, id: TensorId, new: Quantization) -> Result<(), CompileError> {
    let tensor = graph.tensor_mut(id);
    if let Some(axis) = new.axis() {
        let len = tensor.shape.as_ref().and_then(|shape| shape.get(axis).copied());
        if len != Some(new.scales().len()) {
            let found = format!(
                "{} scales along axis {axis} of `{}`, shape {:?}",
                new.scales().len(),
                tensor.name,
                tensor.shape.as_deref().unwrap_or_default()
            );
            return Err(quantization_error(node, found, "one scale per index along the axis"));
        }
    }
    let range = tensor.dtype.and_then(DType::range);
    let is_outside = |zero: &&i32| range.is_some_and(|(lo, hi)| !(lo..=hi).contains(*zero));
    if let Some(zero) = new.zero_points().iter().find(is_outside) {
        let found = format!("zero point {zero} for `{}`", tensor.name);
        let expected = format!("a value of its type {}", tensor.dtype.map_or("unknown", DType::name));
        return Err(quantization_error(node, found, &expected));
    }
    match &tensor.quantization {
        Some(old) if *old != new => {
            let text = |q: &Quantization| match q.single() {
                Some((scale, zero_point)) => format!("scale {scale:e} and zero point {zero_point}"),
                None => format!("{} scales", q.scales().len()),
            };
            let found = format!("{} for `{}`, elsewhere {}", text(&new), tensor.name, text(old));
            Err(quantization_error(node, found, "one meaning per integer tensor"))
        }
        Some(_) => Ok(()),
        None => {
            tensor.quantization = Some(new);
            Ok(())
        }
    }
}

/// Carries quantization across integer operators that keep the meaning of elements: first to results, then, for
/// graph inputs that nothing describes, back to operands.
fn propagate(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    let mut errors = Vec::new();
    let n = graph.nodes.len();
    for index in (0..n).chain((0..n).rev()) {
        let node = graph.nodes[index].clone();
        let keeps = node.op.is_movement() || matches!(node.op, Op::Relu);
        let Some(x) = node.input(0) else { continue };
        if !keeps || graph.tensor(x).dtype == Some(DType::F32) {
            continue;
        }
        let n_operands = match node.op {
            Op::Concat { .. } => node.inputs.len(),
            _ => 1,
        };
        let moved = node.inputs.iter().take(n_operands).flatten().chain(&node.outputs);
        let known = moved.clone().find_map(|&id| graph.tensor(id).quantization.clone());
        let Some(quantization) = known else { continue };
        for &id in moved {
            errors.extend(set(graph, &node, id, quantization.clone()).err());
        }
    }
    errors.dedup();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

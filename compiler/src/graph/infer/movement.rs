//! Shapes of what moves elements: Concat, Split, Slice, Pad, Resize and Gather.

use super::super::movement::{
    operand, pad_amounts, resize_scales, resolve_axis, shape_error, slice_ranges, split_lengths,
};
use crate::error::CompileError;
use crate::graph::{Graph, Node, Tensor};

type Shape = Option<Vec<usize>>;

pub(super) fn concat(graph: &Graph, node: &Node, axis: i64) -> Result<Shape, CompileError> {
    let mut result = match &operand(graph, node, 0)?.shape {
        Some(shape) => shape.clone(),
        None => return Ok(None),
    };
    let axis = resolve_axis(node, axis, result.len())?;
    for position in 1..node.inputs.len() {
        let tensor = operand(graph, node, position)?;
        let Some(shape) = &tensor.shape else { return Ok(None) };
        let is_equal = |other: usize| other == axis || shape[other] == result[other];
        if shape.len() != result.len() || !(0..shape.len()).all(is_equal) {
            let found = format!("`{}` of shape {shape:?} behind {result:?}", tensor.name);
            return Err(shape_error(node, found, "the same lengths along all other axes"));
        }
        result[axis] = result[axis].saturating_add(shape[axis]);
    }
    Ok(Some(result))
}

/// One shape per output.
pub(super) fn split(
    graph: &Graph,
    node: &Node,
    x: &Tensor,
    axis: i64,
    sizes: Option<&[usize]>,
) -> Result<Vec<Shape>, CompileError> {
    let Some(shape) = &x.shape else {
        return Ok(vec![None; node.outputs.len()]);
    };
    let axis = resolve_axis(node, axis, shape.len())?;
    let piece = |length| {
        let mut piece = shape.clone();
        piece[axis] = length;
        Some(piece)
    };
    let lengths = split_lengths(graph, node, sizes, shape[axis])?;
    Ok(lengths.into_iter().map(piece).collect())
}

pub(super) fn slice(graph: &Graph, node: &Node, x: &Tensor) -> Result<Shape, CompileError> {
    let Some(shape) = &x.shape else { return Ok(None) };
    let ranges = slice_ranges(graph, node, shape)?;
    Ok(Some(ranges.iter().map(|range| range.length).collect()))
}

pub(super) fn pad(graph: &Graph, node: &Node, x: &Tensor) -> Result<Shape, CompileError> {
    let Some(shape) = &x.shape else { return Ok(None) };
    if let Some(value) = node.input(2).map(|id| graph.tensor(id))
        && value.dtype.is_some()
        && x.dtype.is_some()
        && value.dtype != x.dtype
    {
        let found = format!("`{}` padded with `{}` of another type", x.name, value.name);
        return Err(shape_error(node, found, "one type"));
    }
    let pads = pad_amounts(graph, node, shape)?;
    let padded = |(&length, pad): (&usize, &super::super::movement::AxisPad)| {
        (length as i128 + i128::from(pad.before) + i128::from(pad.after)) as usize
    };
    Ok(Some(shape.iter().zip(&pads).map(padded).collect()))
}

pub(super) fn resize(graph: &Graph, node: &Node, x: &Tensor) -> Result<Shape, CompileError> {
    let Some(shape) = &x.shape else { return Ok(None) };
    let scales = resize_scales(graph, node, shape)?;
    Ok(Some(scales.iter().map(|axis| axis.length).collect()))
}

pub(super) fn gather(node: &Node, x: &Tensor, indices: &Tensor, axis: i64) -> Result<Shape, CompileError> {
    let (Some(shape), Some(picked)) = (&x.shape, &indices.shape) else {
        return Ok(None);
    };
    let axis = resolve_axis(node, axis, shape.len())?;
    let length = shape[axis] as i64;
    if let Some(values) = indices.data.as_ref().and_then(|data| data.to_i64())
        && let Some(bad) = values.iter().find(|&&i| i < -length || i >= length)
    {
        let found = format!("index {bad} into axis {axis} of `{}` of shape {shape:?}", x.name);
        return Err(shape_error(node, found, "an index within the axis"));
    }
    Ok(Some([&shape[..axis], picked, &shape[axis + 1..]].concat()))
}

//! Operators that move elements, with their axes counted in memory.

use super::convert::{Converter, NHWC, layout_error, stays_in_place};
use super::make_nhwc;
use crate::error::CompileError;
use crate::graph::{Layout, Node, Op, Tensor, TensorData, TensorId};
use crate::passes::support::{constant, shape_of};

/// Concat, Split, Slice, Pad and Resize: all operands and results are images, or all are in the order of the model.
pub(super) fn lay_out(c: &mut Converter<'_>, node: &mut Node) -> Result<(), CompileError> {
    let n_moved = match node.op {
        Op::Concat { .. } => node.inputs.len(),
        _ => 1,
    };
    let moved: Vec<TensorId> = node.inputs.iter().take(n_moved).flatten().copied().collect();
    let is_image = moved.iter().any(|&id| c.graph.tensor(id).layout == Layout::Nhwc);
    for (position, id) in moved.into_iter().enumerate() {
        let placed = match (c.graph.tensor(id).data.is_some(), is_image) {
            (true, true) => c.constant_in(node, id, Layout::Nhwc)?,
            (true, false) => id,
            (false, true) => c.nhwc_copy(node, id)?,
            (false, false) => c.logical_copy(node, id)?,
        };
        node.inputs[position] = Some(placed);
    }
    if is_image {
        in_memory_axes(c, node)?;
        node.outputs.iter().for_each(|&y| make_nhwc(c.graph, y));
    }
    Ok(())
}

/// The axis in memory of an axis of an image in the model.
fn memory_axis(axis: i64) -> i64 {
    let from_start = if axis < 0 { axis + 4 } else { axis };
    usize::try_from(from_start).map_or(axis, inverse)
}

fn inverse(axis: usize) -> i64 {
    NHWC.iter().position(|&a| a == axis).unwrap_or(axis) as i64
}

fn in_memory_axes(c: &mut Converter<'_>, node: &mut Node) -> Result<(), CompileError> {
    match &mut node.op {
        Op::Concat { axis } | Op::Split { axis, .. } => *axis = memory_axis(*axis),
        Op::Slice => {
            let n = integers(c, node, 1)?.map_or(0, |starts| starts.len());
            let axes = integers(c, node, 3)?.unwrap_or_else(|| (0..n as i64).collect());
            replace(c, node, 3, axes.into_iter().map(memory_axis).collect());
        }
        Op::Pad => {
            if let Some(axes) = integers(c, node, 3)? {
                replace(c, node, 3, axes.into_iter().map(memory_axis).collect());
            } else if let Some(pads) = integers(c, node, 1)? {
                if pads.len() != 8 {
                    return Err(layout_error(c.graph, node, node.outputs[0], "pads for 4 axes"));
                }
                let ends = NHWC.iter().map(|axis| pads[axis + 4]);
                replace(c, node, 1, NHWC.iter().map(|&axis| pads[axis]).chain(ends).collect());
            }
        }
        Op::Resize { .. } => {
            for position in [2, 3] {
                reorder_lengths(c, node, position)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Scales or sizes, one per axis.
fn reorder_lengths(c: &mut Converter<'_>, node: &mut Node, position: usize) -> Result<(), CompileError> {
    let Some(id) = node.input(position) else { return Ok(()) };
    let data = constant(c.graph, node, id, "scales or sizes")?;
    if data.len() == 4 {
        let data = data.gather(&NHWC);
        let name = format!("{}.nhwc", c.graph.tensor(id).name);
        node.inputs[position] = Some(c.graph.add_tensor(Tensor::constant(name, vec![4], data)));
    }
    Ok(())
}

fn integers(c: &Converter<'_>, node: &Node, position: usize) -> Result<Option<Vec<i64>>, CompileError> {
    let Some(id) = node.input(position) else {
        return Ok(None);
    };
    Ok(constant(c.graph, node, id, "axes or lengths")?.to_i64())
}

fn replace(c: &mut Converter<'_>, node: &mut Node, position: usize, values: Vec<i64>) {
    let name = format!("{}.operand{position}", node.name);
    let data = TensorData::I64(values);
    let id = c.graph.add_tensor(Tensor::constant(name, vec![data.len()], data));
    if node.inputs.len() <= position {
        node.inputs.resize(position + 1, None);
    }
    node.inputs[position] = Some(id);
}

/// A reordering of the model's axes as one of memory axes, into the layout in which the least has to move.
pub(super) fn transpose(c: &mut Converter<'_>, node: &mut Node, x: TensorId) -> Result<(), CompileError> {
    let y = node.outputs[0];
    let x = match c.graph.tensor(x).layout {
        Layout::FlattenedNhwc { .. } => c.logical_copy(node, x)?,
        _ => x,
    };
    node.inputs[0] = Some(x);
    let shape = shape_of(c.graph, x);
    let Op::Transpose { permutation } = &node.op else {
        return Ok(());
    };
    let logical: Vec<usize> = permutation.clone().unwrap_or_else(|| (0..shape.len()).rev().collect());
    // The memory axis of the operand that axis `axis` of its shape in the model is.
    let place = |axis: usize| match c.graph.tensor(x).layout {
        Layout::Nhwc => inverse(axis) as usize,
        _ => axis,
    };
    let plain: Vec<usize> = logical.iter().map(|&axis| place(axis)).collect();
    let image: Option<Vec<usize>> = (shape.len() == 4).then(|| NHWC.iter().map(|&axis| place(logical[axis])).collect());
    let wants_image = c.windowed.contains(&y);
    let (axes, is_image) = match image {
        Some(axes) if stays_in_place(&shape, &axes) => (axes, true),
        Some(axes) if wants_image && !stays_in_place(&shape, &plain) => (axes, true),
        _ => (plain, false),
    };
    if is_image {
        make_nhwc(c.graph, y);
    }
    node.op = if stays_in_place(&shape, &axes) {
        Op::View
    } else {
        Op::Transpose {
            permutation: Some(axes),
        }
    };
    Ok(())
}

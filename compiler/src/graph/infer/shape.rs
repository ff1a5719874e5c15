//! Shapes of what renames or reorders axes, and of broadcasting.

use super::super::movement::{entries, resolve_axes, shape_error};
use crate::error::CompileError;
use crate::graph::{Graph, Node, Tensor, element_count};

pub(super) fn flatten(node: &Node, x: &Tensor, axis: i64) -> Result<Option<Vec<usize>>, CompileError> {
    let Some(shape) = &x.shape else { return Ok(None) };
    let rank = shape.len() as i64;
    let split = if axis < 0 { axis + rank } else { axis };
    if !(0..=rank).contains(&split) {
        let found = format!("axis {axis} for `{}` of shape {shape:?}", x.name);
        return Err(shape_error(node, found, "an axis of the operand"));
    }
    let (rows, columns) = shape.split_at(split as usize);
    Ok(Some(vec![rows.iter().product(), columns.iter().product()]))
}

pub(super) fn reshape(
    graph: &Graph,
    node: &Node,
    x: &Tensor,
    allow_zero: bool,
) -> Result<Option<Vec<usize>>, CompileError> {
    let Some(shape) = &x.shape else { return Ok(None) };
    let entries = entries(graph, node, 1, "a new shape")?.unwrap_or_default();
    let wrong = || {
        let found = format!("`{}` of shape {shape:?} and the new shape {entries:?}", x.name);
        shape_error(node, found, "the same number of elements")
    };
    let mut result = Vec::with_capacity(entries.len());
    let mut open = None;
    for (axis, &entry) in entries.iter().enumerate() {
        result.push(match entry {
            -1 if open.is_none() => {
                open = Some(axis);
                1
            }
            0 if !allow_zero => *shape.get(axis).ok_or_else(wrong)?,
            _ => usize::try_from(entry).map_err(|_| wrong())?,
        });
    }
    let total: usize = shape.iter().product();
    let known = element_count(&result).ok_or_else(wrong)?;
    if let Some(axis) = open {
        if known == 0 || !total.is_multiple_of(known) {
            return Err(wrong());
        }
        result[axis] = total / known;
    } else if known != total {
        return Err(wrong());
    }
    Ok(Some(result))
}

pub(super) fn transpose(
    node: &Node,
    x: &Tensor,
    permutation: Option<&[usize]>,
) -> Result<Option<Vec<usize>>, CompileError> {
    let Some(shape) = &x.shape else { return Ok(None) };
    let reversed: Vec<usize> = (0..shape.len()).rev().collect();
    let axes = permutation.unwrap_or(&reversed);
    let mut sorted = axes.to_vec();
    sorted.sort_unstable();
    if sorted != (0..shape.len()).collect::<Vec<_>>() {
        let found = format!("axes {axes:?} for `{}` of shape {shape:?}", x.name);
        return Err(shape_error(node, found, "each axis once"));
    }
    Ok(Some(axes.iter().map(|&axis| shape[axis]).collect()))
}

pub(super) fn broadcast(node: &Node, a: &Tensor, b: &Tensor) -> Result<Option<Vec<usize>>, CompileError> {
    let (Some(left), Some(right)) = (&a.shape, &b.shape) else {
        return Ok(None);
    };
    broadcast_shapes(left, right).map(Some).ok_or_else(|| {
        shape_error(
            node,
            format!("`{}` of shape {left:?} and `{}` of shape {right:?}", a.name, b.name),
            "equal lengths, or 1, along every axis",
        )
    })
}

/// The shape of a result of two operands, aligned at their last axes; `None` if they do not fit.
pub(super) fn broadcast_shapes(left: &[usize], right: &[usize]) -> Option<Vec<usize>> {
    let rank = left.len().max(right.len());
    let length = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |own| shape[own]);
    (0..rank)
        .map(|axis| match (length(left, axis), length(right, axis)) {
            (l, r) if l == r || r == 1 => Some(l),
            (1, r) => Some(r),
            _ => None,
        })
        .collect()
}

/// The shape of the first operand, into which the one at `position` has to be broadcast.
pub(super) fn broadcast_into(
    graph: &Graph,
    node: &Node,
    x: &Tensor,
    position: usize,
) -> Result<Option<Vec<usize>>, CompileError> {
    let Some(other) = node.input(position).map(|id| graph.tensor(id)) else {
        return Ok(x.shape.clone());
    };
    let shape = broadcast(node, x, other)?;
    if shape.is_some() && shape != x.shape {
        let found = format!("`{}` of shape {:?} for shape {:?}", other.name, other.shape, x.shape);
        return Err(shape_error(
            node,
            found,
            "a shape that can be broadcast to that of the first operand",
        ));
    }
    Ok(shape)
}

/// Lists of one element per index of axis 1 at the given positions.
pub(super) fn per_channel(
    graph: &Graph,
    node: &Node,
    x: &Tensor,
    positions: std::ops::Range<usize>,
) -> Result<Option<Vec<usize>>, CompileError> {
    let Some(shape) = &x.shape else { return Ok(None) };
    let &[_, channels, ..] = shape.as_slice() else {
        return Err(shape_error(
            node,
            format!("`{}` of shape {shape:?}", x.name),
            "a batch axis and channels",
        ));
    };
    for id in positions.filter_map(|position| node.input(position)) {
        let list = graph.tensor(id);
        if list.shape.as_ref().is_some_and(|shape| *shape != [channels]) {
            let found = format!("`{}` of shape {:?}", list.name, list.shape);
            return Err(shape_error(
                node,
                found,
                &format!("[{channels}], one element per channel"),
            ));
        }
    }
    Ok(Some(shape.clone()))
}

pub(super) fn squeeze(
    graph: &Graph,
    node: &Node,
    x: &Tensor,
    axes: Option<&[i64]>,
) -> Result<Option<Vec<usize>>, CompileError> {
    let Some(shape) = &x.shape else { return Ok(None) };
    let axes = resolve_axes(graph, node, axes, shape.len())?
        .unwrap_or_else(|| (0..shape.len()).filter(|&axis| shape[axis] == 1).collect());
    if axes.iter().any(|&axis| shape[axis] != 1) {
        let found = format!("axes {axes:?} of `{}` of shape {shape:?}", x.name);
        return Err(shape_error(node, found, "axes of length 1"));
    }
    let kept = (0..shape.len()).filter(|axis| !axes.contains(axis));
    Ok(Some(kept.map(|axis| shape[axis]).collect()))
}

pub(super) fn unsqueeze(
    graph: &Graph,
    node: &Node,
    x: &Tensor,
    axes: Option<&[i64]>,
) -> Result<Option<Vec<usize>>, CompileError> {
    let Some(shape) = &x.shape else { return Ok(None) };
    let n_new = match axes {
        Some(axes) => axes.len(),
        None => entries(graph, node, 1, "axes")?.map_or(0, |axes| axes.len()),
    };
    let rank = shape.len() + n_new;
    let axes = resolve_axes(graph, node, axes, rank)?.unwrap_or_default();
    let mut old = shape.iter();
    let length = |axis| {
        if axes.contains(&axis) {
            Some(1)
        } else {
            old.next().copied()
        }
    };
    Ok((0..rank).map(length).collect())
}

pub(super) fn reduce(
    graph: &Graph,
    node: &Node,
    x: &Tensor,
    axes: Option<&[i64]>,
    keep_dims: bool,
) -> Result<Option<Vec<usize>>, CompileError> {
    let Some(shape) = &x.shape else { return Ok(None) };
    let axes = resolve_axes(graph, node, axes, shape.len())?.filter(|axes| !axes.is_empty());
    let is_reduced = |axis: usize| axes.as_ref().is_none_or(|axes| axes.contains(&axis));
    let length = |axis| match (is_reduced(axis), keep_dims) {
        (false, _) => Some(shape[axis]),
        (true, true) => Some(1),
        (true, false) => None,
    };
    Ok(Some((0..shape.len()).filter_map(length).collect()))
}

pub(super) fn constant_of_shape(graph: &Graph, node: &Node) -> Result<Vec<usize>, CompileError> {
    let entries = entries(graph, node, 0, "a shape")?.unwrap_or_default();
    let shape = entries.iter().map(|&v| usize::try_from(v).ok()).collect::<Option<_>>();
    shape.ok_or_else(|| shape_error(node, format!("lengths {entries:?}"), "at least 0"))
}

/// A view has the shape its output states; only the number of elements can be wrong.
pub(super) fn view(graph: &Graph, node: &Node, x: &Tensor) -> Result<Option<Vec<usize>>, CompileError> {
    let stated = node.outputs.first().and_then(|&y| graph.tensor(y).shape.as_ref());
    let (Some(from), Some(to)) = (&x.shape, stated) else {
        return Ok(stated.cloned());
    };
    if element_count(from) == element_count(to) {
        return Ok(Some(to.clone()));
    }
    let found = format!("`{}` of shape {from:?} seen as {to:?}", x.name);
    Err(shape_error(node, found, "the same number of elements"))
}

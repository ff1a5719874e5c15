//! Which elements the operators that move elements take from where: axes, pieces, ranges and borders, resolved and checked.
//!
//! Bounds that a model gives as operands have to be constant; the functions here say so, with the node's name, where they are not.

use super::{Graph, Node, Tensor};
use crate::error::{CompileError, CompileErrorKind, Subject};

/// The range of one axis that a [`Slice`](super::Op::Slice) takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxisRange {
    /// First element.
    pub start: usize,
    /// Steps between elements, negative for backwards.
    pub step: i64,
    /// Number of elements.
    pub length: usize,
}

impl AxisRange {
    /// The element of the operand that element `index` of the result is.
    pub fn source(self, index: usize) -> usize {
        (self.start as i64 + index as i64 * self.step) as usize
    }
}

/// How much a [`Pad`](super::Op::Pad) adds along one axis; negative amounts cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AxisPad {
    /// At the beginning.
    pub before: i64,
    /// At the end.
    pub after: i64,
}

/// The result of a [`Resize`](super::Op::Resize) along one axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AxisScale {
    /// Length of the result.
    pub length: usize,
    /// How much longer the result is, in the model's words.
    pub scale: f64,
}

pub(crate) fn shape_error(node: &Node, found: String, expected: &str) -> CompileError {
    let help = "correct the shapes in the model";
    CompileError::new(
        CompileErrorKind::Shape,
        Subject::node(&node.name),
        found,
        expected,
        help,
    )
}

/// The operand at a position, which must be there.
pub(crate) fn operand<'g>(graph: &'g Graph, node: &Node, position: usize) -> Result<&'g Tensor, CompileError> {
    let id = node.input(position).ok_or_else(|| {
        let found = format!("no operand {position} of {}", node.op.name());
        shape_error(node, found, "an operand there")
    })?;
    Ok(graph.tensor(id))
}

/// An axis counted from the beginning.
///
/// # Errors
/// An axis that is not one of `rank`.
pub fn resolve_axis(node: &Node, axis: i64, rank: usize) -> Result<usize, CompileError> {
    let resolved = if axis < 0 {
        axis.checked_add(rank as i64)
    } else {
        Some(axis)
    };
    resolved
        .and_then(|axis| usize::try_from(axis).ok())
        .filter(|&axis| axis < rank)
        .ok_or_else(|| shape_error(node, format!("axis {axis} of {rank} axes"), "an axis of the operand"))
}

/// The integers of an optional operand.
///
/// # Errors
/// An operand that is computed, or not a list of integers.
pub fn entries(graph: &Graph, node: &Node, position: usize, role: &str) -> Result<Option<Vec<i64>>, CompileError> {
    let Some(id) = node.input(position) else {
        return Ok(None);
    };
    let tensor = graph.tensor(id);
    let Some(data) = &tensor.data else {
        return Err(CompileError::new(
            CompileErrorKind::NotConstant,
            Subject::node(&node.name),
            format!("{role} `{}` that is computed or comes from the host", tensor.name),
            "a constant",
            "fold the computation of shapes into constants when exporting the model; only the batch axis may be symbolic",
        ));
    };
    data.to_i64().map(Some).ok_or_else(|| {
        let found = format!("{role} `{}` of {}", tensor.name, data.dtype());
        shape_error(node, found, "integers of 32 or 64 bits")
    })
}

/// Axes from an attribute, or from operand 1 if there is none, each once; `None` if neither states any.
///
/// # Errors
/// Axes that are computed, repeated, or not there.
pub fn resolve_axes(
    graph: &Graph,
    node: &Node,
    attribute: Option<&[i64]>,
    rank: usize,
) -> Result<Option<Vec<usize>>, CompileError> {
    let stated = match attribute {
        Some(axes) => Some(axes.to_vec()),
        None => entries(graph, node, 1, "axes")?,
    };
    let Some(stated) = stated else { return Ok(None) };
    let mut axes = stated
        .iter()
        .map(|&axis| resolve_axis(node, axis, rank))
        .collect::<Result<Vec<_>, _>>()?;
    axes.sort_unstable();
    if axes.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(shape_error(node, format!("axes {stated:?}"), "each axis once"));
    }
    Ok(Some(axes))
}

/// Lengths of the pieces of a [`Split`](super::Op::Split) of an axis of `length`.
///
/// # Errors
/// Pieces that do not make up the axis.
pub fn split_lengths(
    graph: &Graph,
    node: &Node,
    attribute: Option<&[usize]>,
    length: usize,
) -> Result<Vec<usize>, CompileError> {
    let n_pieces = node.outputs.len();
    let wrong = |found: String| {
        shape_error(
            node,
            found,
            &format!("{n_pieces} pieces that make up {length} elements"),
        )
    };
    let stated = match attribute {
        Some(sizes) => Some(sizes.to_vec()),
        None => match entries(graph, node, 1, "lengths")? {
            Some(values) => {
                let sizes: Option<Vec<usize>> = values.iter().map(|&v| usize::try_from(v).ok()).collect();
                Some(sizes.ok_or_else(|| wrong(format!("pieces of {values:?}")))?)
            }
            None => None,
        },
    };
    let sizes = stated.unwrap_or_else(|| {
        // The last piece is the shorter one.
        let size = length.div_ceil(n_pieces.max(1));
        let rest = |piece: usize| length.saturating_sub(piece * size).min(size);
        (0..n_pieces).map(rest).collect()
    });
    let total = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
    if sizes.len() != n_pieces || total != Some(length) {
        return Err(wrong(format!("pieces of {sizes:?}")));
    }
    Ok(sizes)
}

/// What a [`Slice`](super::Op::Slice) takes along each axis of `shape`.
///
/// # Errors
/// Bounds that are computed or do not fit together.
pub fn slice_ranges(graph: &Graph, node: &Node, shape: &[usize]) -> Result<Vec<AxisRange>, CompileError> {
    let list = |position, role| entries(graph, node, position, role);
    let needed = |list: Option<Vec<i64>>| list.ok_or_else(|| shape_error(node, "no bounds".into(), "starts and ends"));
    let (starts, ends) = (needed(list(1, "starts")?)?, needed(list(2, "ends")?)?);
    let n = starts.len();
    let axes = list(3, "axes")?.unwrap_or_else(|| (0..n as i64).collect());
    let steps = list(4, "steps")?.unwrap_or_else(|| vec![1; n]);
    if [ends.len(), axes.len(), steps.len()] != [n; 3] || steps.contains(&0) {
        let found = format!("starts {starts:?}, ends {ends:?}, axes {axes:?}, steps {steps:?}");
        return Err(shape_error(node, found, "lists of one length, steps other than 0"));
    }
    let whole = |&length: &usize| AxisRange {
        start: 0,
        step: 1,
        length,
    };
    let mut ranges: Vec<AxisRange> = shape.iter().map(whole).collect();
    for i in 0..n {
        let axis = resolve_axis(node, axes[i], shape.len())?;
        ranges[axis] = range(shape[axis], starts[i], ends[i], steps[i]);
    }
    Ok(ranges)
}

fn range(length: usize, start: i64, end: i64, step: i64) -> AxisRange {
    let len = length as i128;
    let (lowest, highest) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let clip = |bound: i64| {
        let bound = i128::from(bound);
        let from_beginning = if bound < 0 { bound + len } else { bound };
        from_beginning.clamp(lowest, highest.max(lowest))
    };
    let (first, last) = (clip(start), clip(end));
    let (distance, step_length) = if step > 0 {
        (last - first, step)
    } else {
        (first - last, step)
    };
    let n = distance.max(0) as u128;
    let length = n.div_ceil(u128::from(step_length.unsigned_abs())) as usize;
    AxisRange {
        start: first.max(0) as usize,
        step,
        length,
    }
}

/// What a [`Pad`](super::Op::Pad) adds along each axis of `shape`.
///
/// # Errors
/// Amounts that are computed or cut off more than there is.
pub fn pad_amounts(graph: &Graph, node: &Node, shape: &[usize]) -> Result<Vec<AxisPad>, CompileError> {
    let rank = shape.len();
    let pads = entries(graph, node, 1, "pads")?.unwrap_or_default();
    let axes: Vec<usize> = match entries(graph, node, 3, "axes")? {
        None => (0..rank).collect(),
        Some(axes) => axes
            .iter()
            .map(|&a| resolve_axis(node, a, rank))
            .collect::<Result<_, _>>()?,
    };
    if pads.len() != 2 * axes.len() {
        let found = format!("{} pads for {} axes", pads.len(), axes.len());
        return Err(shape_error(node, found, "a beginning and an end per axis"));
    }
    let mut amounts = vec![AxisPad::default(); rank];
    for (i, &axis) in axes.iter().enumerate() {
        let pad = AxisPad {
            before: pads[i],
            after: pads[i + axes.len()],
        };
        let rest = shape[axis] as i128 + i128::from(pad.before) + i128::from(pad.after);
        let kept = shape[axis] as i128 + i128::from(pad.before.min(0)) + i128::from(pad.after.min(0));
        if kept < 0 || usize::try_from(rest).is_err() {
            let found = format!("{pad:?} around {} elements of axis {axis}", shape[axis]);
            return Err(shape_error(node, found, "a length of at least 0"));
        }
        amounts[axis] = pad;
    }
    Ok(amounts)
}

/// The result of a [`Resize`](super::Op::Resize) along each axis of `shape`.
///
/// # Errors
/// Scales or sizes that are computed or impossible.
pub fn resize_scales(graph: &Graph, node: &Node, shape: &[usize]) -> Result<Vec<AxisScale>, CompileError> {
    let is_stated = |position| {
        node.input(position)
            .is_some_and(|id| graph.tensor(id).shape.as_deref() != Some(&[0]))
    };
    let scales = if is_stated(3) {
        let sizes = entries(graph, node, 3, "sizes")?.unwrap_or_default();
        if sizes.len() != shape.len() {
            return Err(shape_error(node, format!("sizes {sizes:?}"), "one per axis"));
        }
        let of = |(&size, &length): (&i64, &usize)| AxisScale {
            length: usize::try_from(size).unwrap_or(0),
            scale: size as f64 / length as f64,
        };
        sizes.iter().zip(shape).map(of).collect()
    } else {
        let scales = float_entries(graph, node, 2)?;
        if scales.len() != shape.len() {
            return Err(shape_error(node, format!("scales {scales:?}"), "one per axis"));
        }
        let of = |(&scale, &length): (&f32, &usize)| AxisScale {
            length: (length as f64 * f64::from(scale)).floor() as usize,
            scale: scale.into(),
        };
        scales.iter().zip(shape).map(of).collect::<Vec<_>>()
    };
    let is_possible = |axis: &AxisScale| axis.scale.is_finite() && axis.scale > 0.0 && axis.length > 0;
    if !scales.iter().all(is_possible) {
        let found = format!("{scales:?} for shape {shape:?}");
        return Err(shape_error(node, found, "scales above zero and lengths of at least 1"));
    }
    Ok(scales)
}

fn float_entries(graph: &Graph, node: &Node, position: usize) -> Result<Vec<f32>, CompileError> {
    let tensor = operand(graph, node, position)?;
    match tensor.data.as_ref().map(|data| data.as_f32()) {
        Some(Some(values)) => Ok(values.to_vec()),
        Some(None) => Err(shape_error(node, format!("`{}` of integers", tensor.name), "f32")),
        None => Err(CompileError::new(
            CompileErrorKind::NotConstant,
            Subject::node(&node.name),
            format!("scales `{}` that are computed or come from the host", tensor.name),
            "a constant",
            "turn them into an initializer of the model",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_numpy() {
        let elements = |length, start, end, step| {
            let range = range(length, start, end, step);
            (0..range.length).map(|i| range.source(i)).collect::<Vec<_>>()
        };
        assert_eq!(elements(5, 1, 4, 2), [1, 3]);
        assert_eq!(elements(5, -2, i64::MAX, 1), [3, 4]);
        assert_eq!(elements(5, i64::MAX, i64::MIN, -2), [4, 2, 0]);
        assert_eq!(elements(5, 3, 1, 1), [0usize; 0]);
        assert_eq!(elements(0, 0, i64::MIN, -1), [0usize; 0]);
        assert_eq!(elements(3, i64::MIN, i64::MAX, i64::MAX), [0]);
    }
}

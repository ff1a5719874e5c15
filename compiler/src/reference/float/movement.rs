//! Operators that select and move elements of any type.

use super::value::Call;
use crate::error::CompileError;
use crate::graph::data::transposed_indices;
use crate::graph::movement::{pad_amounts, resize_scales, resolve_axis, slice_ranges, split_lengths};
use crate::graph::{Graph, ResizeMode, TensorData};

/// Flat indices of the elements whose position along each axis is one of a list, row-major in the lists.
fn selected(shape: &[usize], positions: &[Vec<usize>]) -> Vec<usize> {
    let mut indices = vec![0];
    for (&length, positions) in shape.iter().zip(positions) {
        indices = indices
            .iter()
            .flat_map(|base| positions.iter().map(move |position| base * length + position))
            .collect();
    }
    indices
}

fn whole(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().map(|&length| (0..length).collect()).collect()
}

pub(super) fn transpose(call: &Call, permutation: Option<&[usize]>) -> Result<TensorData, CompileError> {
    let x = call.operand(0)?;
    let reversed: Vec<usize> = (0..x.shape.len()).rev().collect();
    Ok(x.data
        .gather(&transposed_indices(x.shape, permutation.unwrap_or(&reversed))))
}

pub(super) fn concat(call: &Call, axis: i64) -> Result<TensorData, CompileError> {
    let shape = call.result();
    let axis = resolve_axis(call.node, axis, shape.len())?;
    let operands = (0..call.operands.len())
        .map(|i| call.operand(i))
        .collect::<Result<Vec<_>, _>>()?;
    let chunk = |shape: &[usize]| shape[axis..].iter().product::<usize>();
    let n_outer: usize = shape[..axis].iter().product();
    macro_rules! joined {
        ($variant:ident) => {{
            let mut result = Vec::with_capacity(shape.iter().product());
            for outer in 0..n_outer {
                for operand in &operands {
                    let TensorData::$variant(values) = operand.data else {
                        return Err(call.type_fault(0, operand.data.dtype(), "operands of one type"));
                    };
                    let n = chunk(operand.shape);
                    result.extend_from_slice(&values[outer * n..][..n]);
                }
            }
            TensorData::$variant(result)
        }};
    }
    Ok(match call.operand(0)?.data {
        TensorData::F32(_) => joined!(F32),
        TensorData::U8(_) => joined!(U8),
        TensorData::I8(_) => joined!(I8),
        TensorData::U16(_) => joined!(U16),
        TensorData::I16(_) => joined!(I16),
        TensorData::I32(_) => joined!(I32),
        TensorData::I64(_) => joined!(I64),
        TensorData::Bool(_) => joined!(Bool),
    })
}

pub(super) fn split(
    graph: &Graph,
    call: &Call,
    axis: i64,
    sizes: Option<&[usize]>,
) -> Result<Vec<TensorData>, CompileError> {
    let x = call.operand(0)?;
    let axis = resolve_axis(call.node, axis, x.shape.len())?;
    let lengths = split_lengths(graph, call.node, sizes, x.shape[axis])?;
    let mut first = 0;
    let piece = |length: usize| {
        let mut positions = whole(x.shape);
        positions[axis] = (first..first + length).collect();
        first += length;
        x.data.gather(&selected(x.shape, &positions))
    };
    Ok(lengths.into_iter().map(piece).collect())
}

pub(super) fn slice(graph: &Graph, call: &Call) -> Result<TensorData, CompileError> {
    let x = call.operand(0)?;
    let ranges = slice_ranges(graph, call.node, x.shape)?;
    let positions: Vec<Vec<usize>> = ranges
        .iter()
        .map(|range| (0..range.length).map(|i| range.source(i)).collect())
        .collect();
    Ok(x.data.gather(&selected(x.shape, &positions)))
}

pub(super) fn resize(graph: &Graph, call: &Call, mode: ResizeMode) -> Result<TensorData, CompileError> {
    let x = call.operand(0)?;
    let scales = resize_scales(graph, call.node, x.shape)?;
    let line = |(axis, &length): (&crate::graph::movement::AxisScale, &usize)| {
        (0..axis.length)
            .map(|i| mode.source(i, length, axis.length, axis.scale))
            .collect()
    };
    let positions: Vec<Vec<usize>> = scales.iter().zip(x.shape).map(line).collect();
    Ok(x.data.gather(&selected(x.shape, &positions)))
}

/// The border is an element behind the last one, to which all places outside of the operand point.
pub(super) fn pad(graph: &Graph, call: &Call) -> Result<TensorData, CompileError> {
    let x = call.operand(0)?;
    let pads = pad_amounts(graph, call.node, x.shape)?;
    let border = x.data.len();
    let mut indices = vec![0];
    for ((&length, &to), pad) in x.shape.iter().zip(call.result()).zip(&pads) {
        let source = |i: usize| usize::try_from(i as i64 - pad.before).ok().filter(|&i| i < length);
        let positions: Vec<Option<usize>> = (0..to).map(source).collect();
        let below = |base: usize| {
            let index = move |position: &Option<usize>| match position {
                Some(position) if base != usize::MAX => base * length + position,
                _ => usize::MAX,
            };
            positions.iter().map(index)
        };
        indices = indices.iter().flat_map(|&base| below(base)).collect();
    }
    indices.iter_mut().for_each(|index| *index = (*index).min(border));
    let value = call.optional(2).map(|value| value.data);
    let mut data = x.data.clone();
    macro_rules! with_border {
        ($($variant:ident: $zero:expr),*) => {
            match (&mut data, value) {
                $((TensorData::$variant(values), Some(TensorData::$variant(border))) => {
                    values.push(border.first().copied().unwrap_or($zero));
                })*
                $((TensorData::$variant(values), None) => values.push($zero),)*
                (_, Some(other)) => return Err(call.type_fault(2, other.dtype(), "the type of operand 0")),
            }
        };
    }
    with_border!(F32: 0.0, U8: 0, I8: 0, U16: 0, I16: 0, I32: 0, I64: 0, Bool: false);
    Ok(data.gather(&indices))
}

pub(super) fn gather(call: &Call, axis: i64) -> Result<TensorData, CompileError> {
    let (x, picked) = (call.operand(0)?, call.operand(1)?);
    let axis = resolve_axis(call.node, axis, x.shape.len())?;
    let length = x.shape[axis];
    let picked = picked
        .data
        .to_i64()
        .ok_or_else(|| call.type_fault(1, picked.data.dtype(), "integers of 32 or 64 bits"))?;
    let position = |&index: &i64| {
        let from_beginning = if index < 0 {
            index.saturating_add(length as i64)
        } else {
            index
        };
        usize::try_from(from_beginning)
            .ok()
            .filter(|&i| i < length)
            .ok_or_else(|| {
                call.fault(
                    format!("index {index} into {length} elements"),
                    "an index within the axis",
                )
            })
    };
    let mut positions = whole(x.shape);
    positions[axis] = picked.iter().map(position).collect::<Result<_, _>>()?;
    Ok(x.data.gather(&selected(x.shape, &positions)))
}

/// Equal elements.
pub(super) fn filled(value: &TensorData, n: usize) -> TensorData {
    macro_rules! fill {
        ($($variant:ident),*) => {
            match value {
                $(TensorData::$variant(values) => {
                    TensorData::$variant(vec![values.first().copied().unwrap_or_default(); n])
                })*
            }
        };
    }
    fill!(F32, U8, I8, U16, I16, I32, I64, Bool)
}

//! Operators that move elements or see them under another shape.

use super::super::builder::{Problem, Site};
use super::{Activation, Translated, range};
use crate::graph::{CoordinateTransform, NearestRounding, Node, Op, ResizeMode, Tensor, TensorId};

/// Moving does not rescale: operand and result have one scale and type.
fn check_equal(site: &Site<'_, '_>, x: TensorId, y: TensorId) -> Translated {
    let dtype = |id: TensorId| site.graph.tensor(id).dtype;
    if site.quantization(x) == site.quantization(y) && dtype(x) == dtype(y) {
        return Ok(());
    }
    Err("operand and result of different scales or types".into())
}

pub(super) fn reshape(site: &mut Site<'_, '_>) -> Translated {
    let (x, output) = (site.activation(0)?, site.output()?);
    check_equal(site, x, output)?;
    site.emit(Op::View, &[x], output);
    Ok(())
}

/// An axis counted from the end, if negative.
fn axis(site: &Site<'_, '_>, id: TensorId, axis: i64) -> Result<usize, Problem> {
    let rank = site.shape(id).len();
    let counted = if axis < 0 {
        axis.saturating_add(rank as i64)
    } else {
        axis
    };
    let axis = usize::try_from(counted).ok().filter(|&counted| counted < rank);
    axis.ok_or_else(|| format!("axis {counted} of a tensor of {rank} axes").into())
}

pub(super) fn concatenation(site: &mut Site<'_, '_>) -> Translated {
    let output = site.output()?;
    if Activation::of_option(site, 1)? != Activation::None {
        return Err("a fused activation".into());
    }
    let along = axis(site, output, site.option(0, 0i32)?.into())?;
    let mut inputs = Vec::with_capacity(site.inputs.len());
    for position in 0..site.inputs.len() {
        let x = site.activation(position)?;
        inputs.push(if check_equal(site, x, output).is_ok() {
            x
        } else {
            rescaled(site, x, output)
        });
    }
    site.emit(Op::Concat { axis: along as i64 }, &inputs, output);
    Ok(())
}

/// The operand of a concatenation with the scale of its result.
fn rescaled(site: &mut Site<'_, '_>, x: TensorId, output: TensorId) -> TensorId {
    let (operand, result) = (site.graph.tensor(x), site.graph.tensor(output));
    let rescaled = Tensor {
        name: format!("{}.rescaled{}", operand.name, site.graph.tensors.len()),
        data: None,
        quantization: result.quantization.clone(),
        dtype: result.dtype,
        ..operand.clone()
    };
    let clip = range(site, output);
    let rescaled = site.graph.add_tensor(rescaled);
    let name = format!("{}.rescale{}", site.name, site.graph.nodes.len());
    site.graph
        .add_node(Node::new(name, Op::QRequant { clip }, &[x], rescaled));
    rescaled
}

/// Splits operand `x` along the axis in operand `axis_at`, or along that in operand 2 into the sizes in operand `sizes_at`.
pub(super) fn split(site: &mut Site<'_, '_>, x: usize, sizes_at: Option<usize>) -> Translated {
    let x = site.activation(x)?;
    let axis_at = if sizes_at.is_some() { 2 } else { 0 };
    let along = match site.integers(axis_at)?.as_slice() {
        &[along] => axis(site, x, along)?,
        other => return Err(format!("axes {other:?}").into()),
    };
    let mut sizes = Vec::with_capacity(site.outputs.len());
    for &output in &site.outputs {
        site.check_quantized(output)?;
        check_equal(site, x, output)?;
        sizes.push(
            site.shape(output)
                .get(along)
                .copied()
                .ok_or("a result without the axis")?,
        );
    }
    let op = Op::Split {
        axis: along as i64,
        sizes: Some(sizes),
    };
    let (name, outputs) = (site.name.clone(), site.outputs.clone());
    site.graph.add_node(Node {
        name,
        op,
        inputs: vec![Some(x)],
        outputs,
    });
    Ok(())
}

pub(super) fn pad(site: &mut Site<'_, '_>) -> Translated {
    let (x, output) = (site.activation(0)?, site.output()?);
    check_equal(site, x, output)?;
    let pairs = site.integers(1)?;
    let (before, after): (Vec<i64>, Vec<i64>) = pairs.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip();
    let pads = site.indices("pads", [before, after].concat());
    let mut inputs = vec![x, pads];
    if site.inputs.len() > 2 {
        inputs.push(site.operand(2)?);
    }
    site.emit(Op::Pad, &inputs, output);
    Ok(())
}

pub(super) fn transpose(site: &mut Site<'_, '_>) -> Translated {
    let (x, output) = (site.activation(0)?, site.output()?);
    check_equal(site, x, output)?;
    let permutation = site.integers(1)?;
    let permutation = permutation
        .iter()
        .map(|&along| axis(site, x, along))
        .collect::<Result<_, _>>()?;
    let op = Op::Transpose {
        permutation: Some(permutation),
    };
    site.emit(op, &[x], output);
    Ok(())
}

pub(super) fn resize_nearest(site: &mut Site<'_, '_>) -> Translated {
    let (x, output) = (site.activation(0)?, site.output()?);
    check_equal(site, x, output)?;
    let (align_corners, half_pixel) = (site.option(0, 0u8)? != 0, site.option(1, 0u8)? != 0);
    let mode = match (align_corners, half_pixel) {
        (false, false) => ResizeMode {
            transform: CoordinateTransform::Asymmetric,
            rounding: NearestRounding::Floor,
        },
        (true, _) => ResizeMode {
            transform: CoordinateTransform::AlignCorners,
            rounding: NearestRounding::RoundPreferCeil,
        },
        (false, true) => ResizeMode {
            transform: CoordinateTransform::HalfPixel,
            rounding: NearestRounding::RoundPreferCeil,
        },
    };
    let shape = site.shape(output).iter().map(|&length| length as i64).collect();
    let sizes = site.indices("sizes", shape);
    let name = site.name.clone();
    site.graph.add_node(Node {
        name,
        op: Op::Resize { mode },
        inputs: vec![Some(x), None, None, Some(sizes)],
        outputs: vec![output],
    });
    Ok(())
}

/// Emits a slice of all axes; the result may have fewer, where those of length one are dropped.
fn emit_slice(site: &mut Site<'_, '_>, [starts, ends, steps]: [Vec<i64>; 3], shape: Vec<usize>) -> Translated {
    let (x, output) = (site.activation(0)?, site.output()?);
    check_equal(site, x, output)?;
    let axes = (0..starts.len() as i64).collect();
    let operands = [
        x,
        site.indices("starts", starts),
        site.indices("ends", ends),
        site.indices("axes", axes),
        site.indices("steps", steps),
    ];
    let inner = site.like_output(output, shape);
    site.emit(Op::Slice, &operands, inner);
    site.finish_view(inner, output);
    Ok(())
}

pub(super) fn slice(site: &mut Site<'_, '_>) -> Translated {
    let (starts, sizes) = (site.integers(1)?, site.integers(2)?);
    let end = |(&start, &size): (&i64, &i64)| if size < 0 { i64::MAX } else { start.saturating_add(size) };
    let ends = starts.iter().zip(&sizes).map(end).collect();
    let steps = vec![1; starts.len()];
    let shape = site.shape(site.output()?);
    emit_slice(site, [starts, ends, steps], shape)
}

pub(super) fn strided_slice(site: &mut Site<'_, '_>) -> Translated {
    let x = site.activation(0)?;
    let mask = |number| site.option(number, 0i32);
    let (begin_mask, end_mask, shrink_mask) = (mask(0)?, mask(1)?, mask(4)?);
    if mask(2)? != 0 || mask(3)? != 0 {
        return Err("an ellipsis or a new axis".into());
    }
    let (mut starts, mut ends, mut steps) = (site.integers(1)?, site.integers(2)?, site.integers(3)?);
    let shape = site.shape(x);
    if [starts.len(), ends.len(), steps.len()]
        .iter()
        .any(|&n| n != starts.len() || n > shape.len())
        || steps.contains(&0)
    {
        return Err(format!("{starts:?}..{ends:?} by {steps:?} of a tensor of shape {shape:?}").into());
    }
    let mut sliced = shape.clone();
    for axis in 0..starts.len() {
        let has = |mask: i32| mask >> axis & 1 == 1;
        if has(shrink_mask) {
            let start = if starts[axis] < 0 {
                starts[axis] + shape[axis] as i64
            } else {
                starts[axis]
            };
            (starts[axis], ends[axis], steps[axis]) = (start, start.saturating_add(1), 1);
        } else {
            if has(begin_mask) {
                starts[axis] = if steps[axis] > 0 { 0 } else { i64::MAX };
            }
            if has(end_mask) {
                ends[axis] = if steps[axis] > 0 { i64::MAX } else { i64::MIN };
            }
        }
        sliced[axis] = crate::graph::data::sliced(shape[axis], starts[axis], ends[axis], steps[axis]).0;
    }
    emit_slice(site, [starts, ends, steps], sliced)
}

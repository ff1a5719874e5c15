//! Convolution, pooling and mean.

use super::super::builder::{Problem, Site};
use super::{Activation, Translated};
use crate::graph::{Op, Padding, Pads, Tensor, TensorData, TensorId, WindowAttributes};

/// Height, width and channels of an image operand, after its batch.
fn image(site: &Site<'_, '_>, id: TensorId) -> Result<[usize; 4], Problem> {
    let shape = site.shape(id);
    <[usize; 4]>::try_from(shape.as_slice())
        .map_err(|_| format!("an operand of shape {shape:?} instead of an image").into())
}

fn positive(site: &Site<'_, '_>, number: usize, absent: i32) -> Result<usize, Problem> {
    let value = site.option(number, absent)?;
    usize::try_from(value)
        .ok()
        .filter(|&v| (1..=1 << 16).contains(&v))
        .ok_or_else(|| format!("a step or size of {value}").into())
}

/// The window, padding resolved. `dilations` is the number of the option with the horizontal one.
fn window(
    site: &Site<'_, '_>,
    x: TensorId,
    kernel: [usize; 2],
    dilations: Option<usize>,
) -> Result<WindowAttributes, Problem> {
    let [_, height, width, _] = image(site, x)?;
    let padding = match site.option(0, 0i8)? {
        0 => Padding::SameUpper,
        1 => Padding::Explicit(Pads::default()),
        other => return Err(format!("padding number {other}").into()),
    };
    let dilations = match dilations {
        Some(number) => [positive(site, number + 1, 1)?, positive(site, number, 1)?],
        None => [1, 1],
    };
    let attributes = WindowAttributes {
        kernel: Some(kernel),
        strides: [positive(site, 2, 0)?, positive(site, 1, 0)?],
        dilations,
        padding,
        ceil_mode: false,
    };
    Ok(attributes.resolved(kernel, [height, width]))
}

/// The weights of a convolution as a matrix with one column per output channel, from constant `[.., kh, kw, ..]` weights whose axes are taken in the order `axes`.
fn matrix(site: &mut Site<'_, '_>, axes: [usize; 4], columns_axis: usize) -> Result<TensorId, Problem> {
    let id = site.operand(1)?;
    let shape = image(site, id)?;
    let tensor = site.graph.tensor(id);
    let Some(data) = tensor.data.as_ref().filter(|data| data.dtype().is_byte()) else {
        return Err(format!("weights `{}` that are no constant bytes", tensor.name).into());
    };
    let columns = shape[columns_axis];
    let rows = shape.iter().product::<usize>() / columns;
    let data = data.transposed(&shape, &axes);
    let mut weights = Tensor::constant(format!("{}.kxn", tensor.name), vec![rows, columns], data);
    weights.quantization = match &tensor.quantization {
        None => return Err(format!("weights `{}` without a scale", tensor.name).into()),
        Some(q) if q.axis().is_some_and(|axis| axis != columns_axis) => {
            return Err(format!("weights `{}` with scales along axis {:?}", tensor.name, q.axis()).into());
        }
        Some(q) => Some(q.clone().along(1)),
    };
    Ok(site.graph.add_tensor(weights))
}

/// The i32 biases, zeros if there are none.
pub(super) fn bias(site: &mut Site<'_, '_>, n: usize) -> Result<TensorId, Problem> {
    let Some(id) = site.inputs.get(2).copied().flatten() else {
        let name = format!("{}.bias", site.name);
        let zeros = Tensor::constant(name, vec![n], TensorData::I32(vec![0; n]));
        return Ok(site.graph.add_tensor(zeros));
    };
    let tensor = site.graph.tensor(id);
    match &tensor.data {
        Some(TensorData::I32(values)) if values.len() == n => Ok(site.reshaped(id, vec![n])),
        _ => Err(format!("a bias `{}` that is not {n} constants of i32", tensor.name).into()),
    }
}

pub(super) fn conv(site: &mut Site<'_, '_>) -> Translated {
    let (x, output) = (site.activation(0)?, site.output()?);
    let [_, _, _, channels] = image(site, x)?;
    let [co, kh, kw, ci] = image(site, site.operand(1)?)?;
    let group = channels / ci;
    if group * ci != channels || !co.is_multiple_of(group) {
        return Err(format!("{channels} channels, weights of {ci} input and {co} output channels").into());
    }
    let window = window(site, x, [kh, kw], Some(4))?;
    let clip = Activation::of_option(site, 3)?.clip(site, output);
    let (weights, bias) = (matrix(site, [1, 2, 3, 0], 0)?, bias(site, co)?);
    site.emit(Op::QConv { window, group, clip }, &[x, weights, bias], output);
    Ok(())
}

pub(super) fn depthwise_conv(site: &mut Site<'_, '_>) -> Translated {
    let (x, output) = (site.activation(0)?, site.output()?);
    let [_, _, _, group] = image(site, x)?;
    let [one, kh, kw, co] = image(site, site.operand(1)?)?;
    if one != 1 || !co.is_multiple_of(group) {
        return Err(format!("{group} channels, weights of shape {:?}", [one, kh, kw, co]).into());
    }
    let window = window(site, x, [kh, kw], Some(5))?;
    let clip = Activation::of_option(site, 4)?.clip(site, output);
    let (weights, bias) = (matrix(site, [0, 1, 2, 3], 3)?, bias(site, co)?);
    site.emit(Op::QConv { window, group, clip }, &[x, weights, bias], output);
    Ok(())
}

/// Window and activation of a pooling operator.
fn pool(
    site: &Site<'_, '_>,
    x: TensorId,
    output: TensorId,
) -> Result<(WindowAttributes, crate::graph::ClipRange), Problem> {
    let kernel = [positive(site, 4, 0)?, positive(site, 3, 0)?];
    Ok((
        window(site, x, kernel, None)?,
        Activation::of_option(site, 5)?.clip(site, output),
    ))
}

pub(super) fn average_pool(site: &mut Site<'_, '_>) -> Translated {
    let (x, output) = (site.activation(0)?, site.output()?);
    let (window, clip) = pool(site, x, output)?;
    let op = Op::QAveragePool {
        window,
        count_include_pad: false,
        clip,
    };
    site.emit(op, &[x], output);
    Ok(())
}

pub(super) fn max_pool(site: &mut Site<'_, '_>) -> Translated {
    let (x, output) = (site.activation(0)?, site.output()?);
    let (window, clip) = pool(site, x, output)?;
    if site.quantization(x) != site.quantization(output) {
        return Err("operand and result of different scales".into());
    }
    if clip == super::range(site, output) {
        site.emit(Op::MaxPool { window }, &[x], output);
        return Ok(());
    }
    let shape = site.shape(output);
    let largest = Tensor {
        name: format!("{}.largest", site.name),
        shape: Some(shape),
        ..site.graph.tensor(output).clone()
    };
    let largest = site.graph.add_tensor(largest);
    site.emit(Op::MaxPool { window }, &[x], largest);
    site.emit(Op::QRequant { clip }, &[largest], output);
    Ok(())
}

pub(super) fn mean(site: &mut Site<'_, '_>) -> Translated {
    let (x, output) = (site.activation(0)?, site.output()?);
    let [n, _, _, c] = image(site, x)?;
    let mut axes: Vec<i64> = site
        .integers(1)?
        .iter()
        .map(|&axis| if axis < 0 { axis + 4 } else { axis })
        .collect();
    axes.sort_unstable();
    if axes != [1, 2] {
        return Err(format!("axes {axes:?}; only the mean over height and width is known").into());
    }
    let clip = super::range(site, output);
    let inner = site.like_output(output, vec![n, 1, 1, c]);
    site.emit(Op::QMean { clip }, &[x], inner);
    site.finish_view(inner, output);
    Ok(())
}

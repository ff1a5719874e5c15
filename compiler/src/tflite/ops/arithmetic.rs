//! Products, sums, functions of one byte, softmax, and the borders to real numbers.

use super::super::builder::{Problem, Site};
use super::super::tables::Bytes;
use super::windows::bias;
use super::{Activation, Translated, range};
use crate::graph::{ClipRange, DType, Op, Tensor, TensorData, TensorId, Unary};

pub(super) fn fully_connected(site: &mut Site<'_, '_>) -> Translated {
    let (x, output) = (site.activation(0)?, site.output()?);
    if site.option(1, 0i8)? != 0 {
        return Err("shuffled weights".into());
    }
    let clip = Activation::of_option(site, 0)?.clip(site, output);
    let (weights, [k, n]) = weights(site)?;
    let total: usize = site.shape(x).iter().product();
    if !total.is_multiple_of(k) {
        return Err(format!("{total} elements for weights of {k} rows").into());
    }
    let x = site.reshaped(x, vec![total / k, k]);
    let inner = site.like_output(output, vec![total / k, n]);
    let bias = bias(site, n)?;
    site.emit(Op::QDense { clip }, &[x, weights, bias], inner);
    site.finish_view(inner, output);
    Ok(())
}

/// Constant weights `[n, k]` as `[k, n]`.
fn weights(site: &mut Site<'_, '_>) -> Result<(TensorId, [usize; 2]), Problem> {
    let tensor = site.graph.tensor(site.operand(1)?);
    let shape = tensor.shape.clone().unwrap_or_default();
    let (Some(data), &[n, k]) = (
        tensor.data.as_ref().filter(|data| data.dtype().is_byte()),
        shape.as_slice(),
    ) else {
        return Err(format!(
            "weights `{}` of shape {shape:?} that are no constant matrix of bytes",
            tensor.name
        )
        .into());
    };
    let data = data.transposed(&shape, &[1, 0]);
    let mut weights = Tensor::constant(format!("{}.kxn", tensor.name), vec![k, n], data);
    weights.quantization = match &tensor.quantization {
        Some(q) if q.axis().is_none_or(|axis| axis == 0) => Some(q.clone().along(1)),
        _ => return Err(format!("weights `{}` without a scale, or one per row", tensor.name).into()),
    };
    Ok((site.graph.add_tensor(weights), [k, n]))
}

/// Operands of an elementwise operator, with as many axes as the result.
fn pair(site: &mut Site<'_, '_>) -> Result<([TensorId; 2], TensorId), Problem> {
    let (a, b, output) = (site.activation(0)?, site.activation(1)?, site.output()?);
    let rank = site.shape(output).len();
    let mut ranked = |id: TensorId| {
        let shape = site.shape(id);
        let missing = rank
            .checked_sub(shape.len())
            .ok_or("an operand with more axes than the result")?;
        let shape = std::iter::repeat_n(1, missing).chain(shape).collect();
        Ok::<_, Problem>(site.reshaped(id, shape))
    };
    Ok(([ranked(a)?, ranked(b)?], output))
}

pub(super) fn sum(site: &mut Site<'_, '_>) -> Translated {
    let (operands, output) = pair(site)?;
    let clip = Activation::of_option(site, 0)?.clip(site, output);
    site.emit(Op::QAdd { clip }, &operands, output);
    Ok(())
}

pub(super) fn product(site: &mut Site<'_, '_>) -> Translated {
    let (operands, output) = pair(site)?;
    let clip = Activation::of_option(site, 0)?.clip(site, output);
    site.emit(Op::QMul { clip }, &operands, output);
    Ok(())
}

pub(super) fn softmax(site: &mut Site<'_, '_>) -> Translated {
    let (x, output) = (site.activation(0)?, site.output()?);
    let beta: f32 = site.option(0, 0.0)?;
    if beta != 1.0 {
        return Err(format!("beta {beta} instead of 1").into());
    }
    site.emit(Op::QSoftmax, &[x], output);
    Ok(())
}

/// Emits a table lookup.
fn look_up(site: &mut Site<'_, '_>, table: impl FnOnce(Bytes) -> Vec<i32>) -> Translated {
    let (x, output) = (site.activation(0)?, site.output()?);
    let table = table(Bytes {
        input: site.quantization(x),
        input_range: range(site, x),
        output: site.quantization(output),
        output_range: range(site, output),
    });
    let dtype = site.graph.tensor(output).dtype.unwrap_or(DType::I8);
    let data = TensorData::from_i32(&table, dtype).ok_or("a result that is not of 8 bits")?;
    let table = Tensor::constant(format!("{}.table", site.name), vec![data.len()], data);
    let table = site.graph.add_tensor(table);
    site.emit(Op::QLut, &[x, table], output);
    Ok(())
}

pub(super) fn function(site: &mut Site<'_, '_>, function: Unary) -> Translated {
    look_up(site, |bytes| bytes.function(|x| function.apply(x)))
}

pub(super) fn hard_swish(site: &mut Site<'_, '_>) -> Translated {
    look_up(site, Bytes::hard_swish)
}

pub(super) fn leaky_relu(site: &mut Site<'_, '_>) -> Translated {
    let alpha: f32 = site.option(0, 0.0)?;
    if !alpha.is_finite() || alpha <= 0.0 {
        return Err(format!("slope {alpha}").into());
    }
    look_up(site, |bytes| bytes.slopes(alpha, bytes.output_range))
}

/// An activation of its own. Between equal scales it is a clipping, which a producer can do.
pub(super) fn activation(site: &mut Site<'_, '_>, activation: Activation) -> Translated {
    let (x, output) = (site.activation(0)?, site.output()?);
    let clip = activation.clip(site, output);
    if site.quantization(x) == site.quantization(output)
        && site.graph.tensor(x).dtype == site.graph.tensor(output).dtype
    {
        site.emit(Op::QRequant { clip }, &[x], output);
        return Ok(());
    }
    look_up(site, |bytes| bytes.slopes(1.0, clip))
}

pub(super) fn prelu(site: &mut Site<'_, '_>) -> Translated {
    let (x, slope, output) = (site.activation(0)?, site.activation(1)?, site.output()?);
    let shape = site.shape(slope);
    let channels = site.shape(x).last().copied().unwrap_or(1);
    let n: usize = shape.iter().product();
    if site.graph.tensor(slope).data.is_none() || (n != 1 && (n != channels || shape.last() != Some(&n))) {
        return Err(format!("slopes of shape {shape:?} that are no constants per channel").into());
    }
    let slope = site.reshaped(slope, vec![n]);
    let clip = range(site, output);
    site.emit(Op::QPRelu { clip }, &[x, slope], output);
    Ok(())
}

/// Real numbers to integers, or a rescaling.
pub(super) fn quantize(site: &mut Site<'_, '_>) -> Translated {
    let output = site.output()?;
    let x = site.operand(0)?;
    let tensor = site.graph.tensor(output);
    match (site.graph.tensor(x).dtype, tensor.dtype) {
        (Some(DType::F32), Some(dtype)) => site.emit(Op::Quantize { dtype }, &[x], output),
        _ => {
            let (x, clip): (TensorId, ClipRange) = (site.activation(0)?, range(site, output));
            site.emit(Op::QRequant { clip }, &[x], output);
        }
    }
    Ok(())
}

pub(super) fn dequantize(site: &mut Site<'_, '_>) -> Translated {
    let (x, output) = (site.activation(0)?, site.outputs[0]);
    match site.graph.tensor(output).dtype {
        Some(DType::F32) => site.emit(Op::Dequantize, &[x], output),
        other => return Err(format!("a result of type {other:?}").into()),
    }
    Ok(())
}

//! Functions of one or two elements at the same place.

use super::value::{Call, expanded};
use crate::error::CompileError;
use crate::graph::{DType, Op, TensorData};

/// Arithmetic of two operands with broadcasting. Integers are those of shapes: they wrap, and a division by zero gives zero.
pub(super) fn arithmetic(call: &Call) -> Result<TensorData, CompileError> {
    let (a, b) = (call.operand(0)?, call.operand(1)?);
    let to = call.result();
    macro_rules! zip {
        ($x:expr, $y:expr, $f:expr) => {{
            let (x, y) = (expanded($x, a.shape, to), expanded($y, b.shape, to));
            x.iter().zip(y.iter()).map(|(&x, &y)| $f(x, y)).collect()
        }};
    }
    macro_rules! integers {
        ($x:expr, $y:expr, $t:ty) => {
            match call.node.op {
                Op::Add => zip!($x, $y, <$t>::wrapping_add),
                Op::Sub => zip!($x, $y, <$t>::wrapping_sub),
                Op::Mul => zip!($x, $y, <$t>::wrapping_mul),
                Op::Div => zip!($x, $y, |x: $t, y: $t| x.checked_div(y).unwrap_or(0)),
                _ => return Err(call.type_fault(0, a.data.dtype(), "f32")),
            }
        };
    }
    Ok(match (a.data, b.data) {
        (TensorData::I64(x), TensorData::I64(y)) => TensorData::I64(integers!(x, y, i64)),
        (TensorData::I32(x), TensorData::I32(y)) => TensorData::I32(integers!(x, y, i32)),
        _ => {
            let (x, y) = (call.floats(0)?, call.floats(1)?);
            TensorData::F32(match call.node.op {
                Op::Add => zip!(x, y, |x, y| x + y),
                Op::Sub => zip!(x, y, |x, y| x - y),
                Op::Mul => zip!(x, y, |x, y| x * y),
                Op::Div => zip!(x, y, |x, y| x / y),
                _ => zip!(x, y, f32::powf),
            })
        }
    })
}

pub(super) fn p_relu(call: &Call) -> Result<TensorData, CompileError> {
    let (x, slope) = (call.floats(0)?, call.floats(1)?);
    let slope = expanded(slope, call.operand(1)?.shape, call.result());
    let result = x
        .iter()
        .zip(slope.iter())
        .map(|(&x, &slope)| if x < 0.0 { slope * x } else { x });
    Ok(TensorData::F32(result.collect()))
}

/// On integers, Relu compares with the integer zero.
pub(super) fn relu(call: &Call) -> Result<TensorData, CompileError> {
    let data = call.operand(0)?.data;
    if let TensorData::F32(values) = data {
        return Ok(TensorData::F32(values.iter().map(|x| x.max(0.0)).collect()));
    }
    let values: Vec<i32> = call.integers(0)?.iter().map(|&x| x.max(0)).collect();
    TensorData::from_i32(&values, data.dtype()).ok_or_else(|| call.type_fault(0, data.dtype(), "a numeric type"))
}

pub(super) fn clip(call: &Call, min: Option<f32>, max: Option<f32>) -> Result<TensorData, CompileError> {
    let data = call.operand(0)?.data;
    if let TensorData::F32(values) = data {
        let bound = |position| Ok(call.optional_floats(position)?.and_then(|v| v.first().copied()));
        let lo = bound(1)?.or(min).unwrap_or(f32::NEG_INFINITY);
        let hi = bound(2)?.or(max).unwrap_or(f32::INFINITY);
        return Ok(TensorData::F32(values.iter().map(|x| x.max(lo).min(hi)).collect()));
    }
    let bound = |position, default: i32| match call.optional(position) {
        Some(_) => Ok(call.integers(position)?.first().copied().unwrap_or(default)),
        None => Ok(default),
    };
    let (lo, hi) = (bound(1, i32::MIN)?, bound(2, i32::MAX)?);
    let values: Vec<i32> = call.integers(0)?.iter().map(|&x| x.max(lo).min(hi)).collect();
    TensorData::from_i32(&values, data.dtype()).ok_or_else(|| call.type_fault(0, data.dtype(), "a numeric type"))
}

/// Conversion as in Rust: floats are truncated and clipped to integers, wider integers lose their high bits.
pub(super) fn cast(data: &TensorData, to: DType) -> TensorData {
    macro_rules! into {
        ($values:expr) => {
            match to {
                DType::F32 => TensorData::F32($values.iter().map(|&v| v as f32).collect()),
                DType::U8 => TensorData::U8($values.iter().map(|&v| v as u8).collect()),
                DType::I8 => TensorData::I8($values.iter().map(|&v| v as i8).collect()),
                DType::U16 => TensorData::U16($values.iter().map(|&v| v as u16).collect()),
                DType::I16 => TensorData::I16($values.iter().map(|&v| v as i16).collect()),
                DType::I32 => TensorData::I32($values.iter().map(|&v| v as i32).collect()),
                DType::I64 => TensorData::I64($values.iter().map(|&v| v as i64).collect()),
                DType::Bool => TensorData::Bool($values.iter().map(|&v| v as f64 != 0.0).collect()),
            }
        };
    }
    match data {
        TensorData::F32(values) => into!(values),
        TensorData::U8(values) => into!(values),
        TensorData::I8(values) => into!(values),
        TensorData::U16(values) => into!(values),
        TensorData::I16(values) => into!(values),
        TensorData::I32(values) => into!(values),
        TensorData::I64(values) => into!(values),
        TensorData::Bool(values) => {
            let values: Vec<u8> = values.iter().map(|&v| u8::from(v)).collect();
            into!(values)
        }
    }
}

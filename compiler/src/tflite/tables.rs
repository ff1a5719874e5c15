//! Functions of one byte as tables, with the numbers that TensorFlow Lite's kernels give.

use crate::quantized::{ClipRange, fixed_scale};
use crate::reference::arith::{place, rescale};
use systole_isa::operand::Rounding;

/// What a table is made from: scale and zero point of operand and result, and the ranges of their types.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes {
    pub(super) input: (f32, i32),
    pub(super) input_range: ClipRange,
    pub(super) output: (f32, i32),
    pub(super) output_range: ClipRange,
}

impl Bytes {
    /// Operand values without zero point, the lowest first.
    fn values(self) -> impl Iterator<Item = i32> {
        (self.input_range.lo..=self.input_range.hi).map(move |value| value - self.input.1)
    }

    /// A function of real numbers: binary32 all the way, halves rounded away from zero.
    pub(super) fn function(self, function: impl Fn(f32) -> f32) -> Vec<i32> {
        let ((input_scale, _), (output_scale, zero_point)) = (self.input, self.output);
        let inverse = 1.0 / output_scale;
        let quantize = |value: i32| {
            let real = function(input_scale * value as f32);
            place((real * inverse).round() as i64, zero_point, self.output_range)
        };
        self.values().map(quantize).collect()
    }

    /// A rescaling with one factor for values from zero on, and another one for those below, clipped.
    pub(super) fn slopes(self, below: f32, clip: ClipRange) -> Vec<i32> {
        let ((input_scale, _), (output_scale, zero_point)) = (self.input, self.output);
        let above = fixed_scale(f64::from(input_scale / output_scale));
        let of_below = fixed_scale(f64::from(input_scale * below / output_scale));
        let scaled = |value: i32| match value {
            0.. => rescale(value, above, Rounding::Fixed),
            _ => rescale(value, of_below, Rounding::Fixed),
        };
        self.values()
            .map(|value| place(scaled(value), zero_point, clip))
            .collect()
    }

    /// `x min(max(x / 6 + 1 / 2, 0), 1)` in 16-bit fixed point.
    pub(super) fn hard_swish(self) -> Vec<i32> {
        let ((input_scale, _), (output_scale, zero_point)) = (self.input, self.output);
        let high_resolution = (1.0f32 / 128.0) * input_scale;
        let gate = Multiplier16::new(f64::from(high_resolution / (3.0 / 32768.0f32)));
        let product = Multiplier16::new(f64::from(high_resolution / output_scale));
        let of = |value: i32| {
            let value = saturate(value << 7);
            let unshifted = rounding_high_product(value, product.fraction);
            let mut sigmoid = value;
            if gate.exponent > 0 {
                sigmoid = saturate(sigmoid << (gate.exponent - 1).min(15));
            }
            sigmoid = rounding_high_product(sigmoid, gate.fraction);
            if gate.exponent > 0 {
                sigmoid = saturate(sigmoid << 1);
            }
            if gate.exponent < 0 {
                sigmoid = rounding_shift(sigmoid, -gate.exponent);
            }
            let sigmoid = (sigmoid + (1 << 15)) >> 1;
            let result = (sigmoid * unshifted) / (1 << 15);
            place(
                rounding_shift(result, -product.exponent).into(),
                zero_point,
                self.output_range,
            )
        };
        self.values().map(of).collect()
    }
}

/// A positive real number as a fraction of 15 bits and an exponent.
#[derive(Clone, Copy, Debug)]
struct Multiplier16 {
    fraction: i32,
    exponent: i32,
}

impl Multiplier16 {
    fn new(real: f64) -> Self {
        let scale = fixed_scale(real);
        let high = (i64::from(scale.multiplier) + (1 << 15)) >> 16;
        Self {
            fraction: high.min(i16::MAX.into()) as i32,
            exponent: -scale.shift,
        }
    }
}

/// Into 16 bits.
fn saturate(value: i32) -> i32 {
    value.clamp(i16::MIN.into(), i16::MAX.into())
}

/// The high half of twice the product of 16-bit numbers, rounded to nearest with ties upwards.
fn rounding_high_product(a: i32, b: i32) -> i32 {
    saturate((a * b + (1 << 14)) >> 15)
}

/// A right shift with rounding to nearest, ties away from zero; a negative one shifts left.
fn rounding_shift(value: i32, shift: i32) -> i32 {
    if shift <= 0 {
        return saturate(value << (-shift).min(15));
    }
    let shift = shift.min(30);
    value.signum() * ((value.abs() + (1 << (shift - 1))) >> shift)
}

//! The arithmetic of quantized numbers, with the same bits on every host.

use crate::graph::ClipRange;
use systole_isa::numerics::{AddParameters, MulParameters, PreluParameters, Scale};
use systole_isa::operand::Rounding;

/// Rounds to the nearest integer, ties to even, adds the zero point and clips. NaN counts as zero.
fn round_and_clip(value: f32, zero_point: i32, lo: i32, hi: i32) -> i32 {
    let integer = (value.round_ties_even() as i64).saturating_add(i64::from(zero_point));
    integer.max(i64::from(lo)).min(i64::from(hi)) as i32
}

/// The accumulator times a scale, as an integer: `round_half_even(f32(acc) * scale)`, or TensorFlow Lite's fixed-point product.
pub fn rescale(acc: i32, scale: Scale, rounding: Rounding) -> i64 {
    match rounding {
        Rounding::Float => (acc as f32 * f32::from_bits(scale.multiplier as u32)).round_ties_even() as i64,
        Rounding::Fixed => {
            let shifted = (i64::from(acc) << (-scale.shift).max(0)) as i32;
            let product = i64::from(shifted) * i64::from(scale.multiplier);
            // The high half of twice the product, halves up; then a right shift, halves away from zero.
            let high = (product + (1 << 30)) >> 31;
            let right = scale.shift.max(0);
            let half = if right > 0 { 1 << (right - 1) } else { 0 };
            high.signum() * ((high.abs() + half) >> right)
        }
    }
}

/// `clamp(value + zero_point, lo, hi)`.
pub fn place(value: i64, zero_point: i32, clip: ClipRange) -> i32 {
    let integer = value.saturating_add(i64::from(zero_point));
    integer.max(i64::from(clip.lo)).min(i64::from(clip.hi)) as i32
}

/// `clamp(rescale(acc) + zero_point, lo, hi)`.
pub fn requantize(acc: i32, scale: Scale, rounding: Rounding, zero_point: i32, clip: ClipRange) -> i32 {
    place(rescale(acc, scale, rounding), zero_point, clip)
}

/// `clamp(round_half_even(value / scale) + zero_point, lo, hi)`, divided in binary32, as QuantizeLinear does.
pub fn quantize_f32(value: f32, scale: f32, zero_point: i32, lo: i32, hi: i32) -> i32 {
    round_and_clip(value / scale, zero_point, lo, hi)
}

/// `(integer - zero_point) * scale`, as DequantizeLinear does.
pub fn dequantize_f32(integer: i32, scale: f32, zero_point: i32) -> f32 {
    integer.saturating_sub(zero_point) as f32 * scale
}

/// The sum of two integers that have lost their zero points, in units of the result.
pub fn add(a: i32, b: i32, parameters: &AddParameters) -> i64 {
    match *parameters {
        AddParameters::Float([a_scale, b_scale, y_scale]) => {
            ((a as f32 * a_scale + b as f32 * b_scale) / y_scale).round_ties_even() as i64
        }
        AddParameters::Fixed { left_shift, sides, sum } => {
            let side = |v: i32, scale| rescale(v << left_shift, scale, Rounding::Fixed) as i32;
            rescale(side(a, sides[0]) + side(b, sides[1]), sum, Rounding::Fixed)
        }
    }
}

/// The product of two integers that have lost their zero points, in units of the result.
pub fn mul(a: i32, b: i32, parameters: &MulParameters) -> i64 {
    match *parameters {
        MulParameters::Float([a_scale, b_scale, y_scale]) => {
            ((a as f32 * a_scale) * (b as f32 * b_scale) / y_scale).round_ties_even() as i64
        }
        MulParameters::Fixed(scale) => rescale(a * b, scale, Rounding::Fixed),
    }
}

/// A value that has lost its zero point, scaled by one number if it is not negative and by another one, times alpha, if it is.
pub fn prelu(value: i32, parameters: &PreluParameters, rounding: Rounding) -> i64 {
    let biased = value + parameters.bias;
    if biased < 0 {
        rescale(biased * parameters.alpha, parameters.negative, rounding)
    } else {
        rescale(biased, parameters.positive, rounding)
    }
}

/// The quotient rounded to the nearest integer, halves away from zero. The divisor is positive.
pub fn divide_half_away(value: i128, divisor: i128) -> i128 {
    let (quotient, remainder) = (value.div_euclid(divisor), value.rem_euclid(divisor));
    // The remainder says how far the value is above the quotient; a half goes up for positive values only.
    let up = if value >= 0 {
        2 * remainder >= divisor
    } else {
        2 * remainder > divisor
    };
    quotient + i128::from(up)
}

/// The average of `count` elements with this sum, scaled; `None` scales the sum itself, and the average of no elements is zero.
pub fn average(sum: i32, count: Option<usize>, scale: Scale, rounding: Rounding) -> i64 {
    match (count, rounding) {
        (Some(0), _) => 0,
        (None, _) => rescale(sum, scale, rounding),
        (Some(count), Rounding::Float) => {
            let scaled = sum as f32 * f32::from_bits(scale.multiplier as u32);
            (scaled / count as f32).round_ties_even() as i64
        }
        (Some(count), Rounding::Fixed) => {
            rescale(divide_half_away(i128::from(sum), count as i128) as i32, scale, rounding)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_even_neighbour() {
        let byte = ClipRange { lo: -128, hi: 127 };
        let half = Scale::from_real(0.5);
        let halves = [-5, -3, -1, 1, 3, 5].map(|v| requantize(v, half, Rounding::Float, 0, byte));
        assert_eq!(halves, [-2, -2, 0, 0, 2, 2]);
        assert_eq!(quantize_f32(2.5, 1.0, 1, 0, 255), 3);
    }

    #[test]
    fn fixed_products_round_halves_away_from_zero_at_the_end() {
        let half = Scale {
            multiplier: 1 << 30,
            shift: 0,
        };
        // The doubling product rounds halves up, as gemmlowp does ...
        assert_eq!([1, 3, -1, -3].map(|v| rescale(v, half, Rounding::Fixed)), [1, 2, 0, -1]);
        // ... the shift after it away from zero.
        let eighth = Scale { shift: 2, ..half };
        assert_eq!(
            [4, -4, 12, 5].map(|v| rescale(v, eighth, Rounding::Fixed)),
            [1, -1, 2, 1]
        );
    }

    #[test]
    fn extremes_saturate() {
        let (byte, huge) = (ClipRange { lo: -128, hi: 127 }, Scale::from_real(f32::MAX));
        assert_eq!(requantize(i32::MAX, huge, Rounding::Float, i32::MAX, byte), 127);
        assert_eq!(requantize(i32::MIN, huge, Rounding::Float, i32::MIN, byte), -128);
        assert_eq!(quantize_f32(f32::NEG_INFINITY, 1.0, 3, 0, 255), 0);
        assert_eq!(quantize_f32(f32::NAN, 1.0, 3, 0, 255), 3);
        assert_eq!(dequantize_f32(-128, 0.5, 127), -127.5);
    }
}

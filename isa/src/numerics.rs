//! Arithmetic that must give the same bits on every host: requantization in both modes, saturation, and the vector unit's operations.
//!
//! Only integers and the basic operations of IEEE binary32, which every host rounds alike, are used.

use crate::operand::Rounding;

mod elementwise;
mod rows;

pub use elementwise::{AddParameters, MulParameters, PreluParameters, average};
pub use rows::{
    LAYER_NORM_FRACTION_BITS, LayerNormParameters, SOFTMAX_FRACTION_BITS, SOFTMAX_TABLE_WORDS, first_largest,
    layer_norm, softmax,
};

/// Clips a wide integer into `lo..=hi`.
pub const fn clip(value: i64, lo: i32, hi: i32) -> i32 {
    if value < lo as i64 {
        lo
    } else if value > hi as i64 {
        hi
    } else {
        value as i32
    }
}

/// Rounds to the nearest integer, ties to even; saturates at the ends of `i64`, and NaN gives zero.
pub fn round_half_even(value: f32) -> i64 {
    value.round_ties_even() as i64
}

/// The high 32 bits of twice the product, rounded to nearest with ties upwards (-0.5 gives 0), as gemmlowp's saturating rounding
/// doubling high multiplication defines it. The one overflowing case, both operands -2^31, saturates.
pub const fn doubling_high_multiply(a: i32, b: i32) -> i32 {
    if a == i32::MIN && b == i32::MIN {
        return i32::MAX;
    }
    let product = a as i64 * b as i64;
    let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    ((product + nudge) / (1 << 31)) as i32
}

/// Divides by a power of two with rounding to nearest, ties away from zero. `exponent` lies in `0..=31`.
pub const fn rounding_divide_by_power_of_two(value: i32, exponent: u32) -> i32 {
    let mask = (1i64 << exponent) - 1;
    let remainder = value as i64 & mask;
    let threshold = (mask >> 1) + if value < 0 { 1 } else { 0 };
    (value >> exponent) + if remainder > threshold { 1 } else { 0 }
}

/// Divides with rounding to nearest, ties away from zero. `divisor` is positive, and the sum of both magnitudes fits.
pub const fn divide_rounding_half_away(value: i128, divisor: i128) -> i128 {
    let magnitude = (value.abs() + divisor / 2) / divisor;
    if value < 0 { -magnitude } else { magnitude }
}

/// Multiplies by `multiplier * 2^-31 * 2^-shift` as TensorFlow Lite's reference kernels do; a negative `shift` shifts left first.
pub const fn multiply_by_quantized_multiplier(value: i32, multiplier: i32, shift: i32) -> i32 {
    let (left, right) = if shift < 0 {
        (shift.unsigned_abs(), 0)
    } else {
        (0, shift as u32)
    };
    let left = if left > 31 { 31 } else { left };
    let right = if right > 31 { 31 } else { right };
    rounding_divide_by_power_of_two(doubling_high_multiply(value.wrapping_shl(left), multiplier), right)
}

/// How a value is scaled: two words of a parameter table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scale {
    /// The fixed-point multiplier, or the bits of a binary32 scale.
    pub multiplier: i32,
    /// Right shift of the fixed-point mode; unused by the other.
    pub shift: i32,
}

impl Scale {
    /// A scale of the floating mode.
    pub const fn from_real(scale: f32) -> Self {
        Self {
            multiplier: scale.to_bits() as i32,
            shift: 0,
        }
    }

    /// The value times the scale, rounded to an integer.
    pub fn apply(self, value: i32, rounding: Rounding) -> i64 {
        match rounding {
            Rounding::Fixed => i64::from(multiply_by_quantized_multiplier(value, self.multiplier, self.shift)),
            Rounding::Float => round_half_even(value as f32 * self.real()),
        }
    }

    /// The scale of the floating mode.
    pub fn real(self) -> f32 {
        f32::from_bits(self.multiplier as u32)
    }
}

/// Adds the zero point and clips.
pub(crate) fn placed(scaled: i64, zero_point: i32, (lo, hi): (i32, i32)) -> i32 {
    clip(scaled.saturating_add(i64::from(zero_point)), lo, hi)
}

/// How one column is requantized: a row of a parameter table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequantParameters {
    /// Added to the accumulator first.
    pub bias: i32,
    /// The fixed-point multiplier, or the bits of a binary32 scale.
    pub multiplier: i32,
    /// Right shift of the fixed-point mode; unused by the other.
    pub shift: i32,
}

impl RequantParameters {
    /// Parameters of the floating mode.
    pub const fn from_scale(bias: i32, scale: f32) -> Self {
        Self::new(bias, Scale::from_real(scale))
    }

    /// Parameters of either mode.
    pub const fn new(bias: i32, Scale { multiplier, shift }: Scale) -> Self {
        Self {
            bias,
            multiplier,
            shift,
        }
    }

    /// `clip(round(scale * (accumulator + bias)) + zero_point)`; the addition of the bias wraps.
    pub fn apply(&self, accumulator: i32, zero_point: i32, limits: (i32, i32), rounding: Rounding) -> i32 {
        let scale = Scale {
            multiplier: self.multiplier,
            shift: self.shift,
        };
        placed(
            scale.apply(accumulator.wrapping_add(self.bias), rounding),
            zero_point,
            limits,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_go_to_even_in_the_floating_mode() {
        let half = RequantParameters::from_scale(0, 0.5);
        let round = |v| half.apply(v, 0, (-128, 127), Rounding::Float);
        assert_eq!([1, 3, 5, -1, -3].map(round), [0, 2, 2, 0, -2]);
        assert_eq!(half.apply(1000, 0, (-128, 127), Rounding::Float), 127);
    }

    #[test]
    fn the_fixed_mode_rounds_as_gemmlowp_does() {
        // 2^30 * 2^-31 = 0.5
        let half = RequantParameters {
            bias: 0,
            multiplier: 1 << 30,
            shift: 0,
        };
        let round = |v| half.apply(v, 0, (-128, 127), Rounding::Fixed);
        assert_eq!([1, 3, 5, -2, -4].map(round), [1, 2, 3, -1, -2]);
        assert_eq!(doubling_high_multiply(i32::MIN, i32::MIN), i32::MAX);
        assert_eq!(rounding_divide_by_power_of_two(-5, 1), -3);
        assert_eq!(rounding_divide_by_power_of_two(5, 1), 3);
    }

    proptest! {
        #[test]
        fn the_fixed_mode_is_within_one_of_the_real_product(value in -(1i32 << 24)..1 << 24, multiplier in 1i32 << 30..i32::MAX, shift in 0i32..16) {
            let real = f64::from(value) * f64::from(multiplier) / 2f64.powi(31 + shift);
            let fixed = f64::from(multiply_by_quantized_multiplier(value, multiplier, shift));
            prop_assert!((real - fixed).abs() <= 1.0, "{real} {fixed}");
        }
    }
}

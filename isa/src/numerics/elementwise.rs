//! Element-wise operations with rescaling: addition, multiplication, leaky activation, and the division of an average.
//!
//! Operands have lost their zero points. The fixed modes are TensorFlow Lite's integer kernels bit for bit, with right shifts
//! counted positive; the floating modes work in binary32, one rounding per operation.

use super::{Scale, divide_rounding_half_away, multiply_by_quantized_multiplier, placed, round_half_even};
use crate::operand::Rounding;

fn real(word: i32) -> f32 {
    f32::from_bits(word as u32)
}

/// How two values are added: a row of words in a parameter table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AddParameters {
    /// Both sides are shifted left, scaled, added and scaled again.
    Fixed {
        /// Left shift that gives the sides room for fractions: 20 for 8-bit operands.
        left_shift: i32,
        /// Multiplier and right shift of each side.
        sides: [Scale; 2],
        /// Multiplier and right shift of the sum.
        sum: Scale,
    },
    /// `(a * scale_a + b * scale_b) / scale_dst`.
    Float([f32; 3]),
}

impl AddParameters {
    /// Words of the table row.
    pub const fn n_words(rounding: Rounding) -> usize {
        match rounding {
            Rounding::Fixed => 7,
            Rounding::Float => 3,
        }
    }

    /// The parameters in a table row; words that are missing are zero.
    pub fn from_words(words: &[i32], rounding: Rounding) -> Self {
        let word = |i: usize| words.get(i).copied().unwrap_or(0);
        let scale = |i: usize| Scale {
            multiplier: word(i),
            shift: word(i + 1),
        };
        match rounding {
            Rounding::Fixed => Self::Fixed {
                left_shift: word(0),
                sides: [scale(1), scale(3)],
                sum: scale(5),
            },
            Rounding::Float => Self::Float([word(0), word(1), word(2)].map(real)),
        }
    }

    /// The table row.
    pub fn words(&self) -> Vec<i32> {
        match self {
            Self::Fixed { left_shift, sides, sum } => {
                let scales = sides.iter().chain([sum]);
                [*left_shift]
                    .into_iter()
                    .chain(scales.flat_map(|scale| [scale.multiplier, scale.shift]))
                    .collect()
            }
            Self::Float(scales) => scales.iter().map(|scale| scale.to_bits() as i32).collect(),
        }
    }

    /// The sum of two values, placed at the zero point and clipped. Where 32 bits do not hold an intermediate value, it wraps.
    pub fn apply(&self, a: i32, b: i32, zero_point: i32, limits: (i32, i32)) -> i32 {
        let scaled = match *self {
            Self::Fixed { left_shift, sides, sum } => {
                let side = |value: i32, scale: Scale| {
                    let shifted = value.wrapping_shl(left_shift.clamp(0, 31) as u32);
                    multiply_by_quantized_multiplier(shifted, scale.multiplier, scale.shift)
                };
                let raw = side(a, sides[0]).wrapping_add(side(b, sides[1]));
                sum.apply(raw, Rounding::Fixed)
            }
            Self::Float([scale_a, scale_b, scale_dst]) => {
                round_half_even((a as f32 * scale_a + b as f32 * scale_b) / scale_dst)
            }
        };
        placed(scaled, zero_point, limits)
    }
}

/// How two values are multiplied: a row of words in a parameter table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MulParameters {
    /// The product, which wraps at 32 bits, is scaled.
    Fixed(Scale),
    /// `(a * scale_a) * (b * scale_b) / scale_dst`.
    Float([f32; 3]),
}

impl MulParameters {
    /// Words of the table row.
    pub const fn n_words(rounding: Rounding) -> usize {
        match rounding {
            Rounding::Fixed => 2,
            Rounding::Float => 3,
        }
    }

    /// The parameters in a table row; words that are missing are zero.
    pub fn from_words(words: &[i32], rounding: Rounding) -> Self {
        let word = |i: usize| words.get(i).copied().unwrap_or(0);
        match rounding {
            Rounding::Fixed => Self::Fixed(Scale {
                multiplier: word(0),
                shift: word(1),
            }),
            Rounding::Float => Self::Float([word(0), word(1), word(2)].map(real)),
        }
    }

    /// The table row.
    pub fn words(&self) -> Vec<i32> {
        match self {
            Self::Fixed(scale) => vec![scale.multiplier, scale.shift],
            Self::Float(scales) => scales.iter().map(|scale| scale.to_bits() as i32).collect(),
        }
    }

    /// The product of two values, placed at the zero point and clipped.
    pub fn apply(&self, a: i32, b: i32, zero_point: i32, limits: (i32, i32)) -> i32 {
        let scaled = match *self {
            Self::Fixed(scale) => scale.apply(a.wrapping_mul(b), Rounding::Fixed),
            Self::Float([scale_a, scale_b, scale_dst]) => {
                round_half_even((a as f32 * scale_a) * (b as f32 * scale_b) / scale_dst)
            }
        };
        placed(scaled, zero_point, limits)
    }
}

/// How one column is requantized with a slope for negative values: a row of a parameter table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PreluParameters {
    /// Added to the value first.
    pub bias: i32,
    /// Scale of values that are not negative.
    pub positive: Scale,
    /// Slope of negative values, less its zero point.
    pub alpha: i32,
    /// Scale of negative values times alpha.
    pub negative: Scale,
}

impl PreluParameters {
    /// Words of the table row.
    pub const N_WORDS: usize = 6;

    /// The parameters in a table row.
    pub const fn from_words([bias, m0, s0, alpha, m1, s1]: [i32; Self::N_WORDS]) -> Self {
        Self {
            bias,
            positive: Scale {
                multiplier: m0,
                shift: s0,
            },
            alpha,
            negative: Scale {
                multiplier: m1,
                shift: s1,
            },
        }
    }

    /// The activation of a value, placed at the zero point and clipped. The sum with the bias and the product with alpha wrap.
    pub fn apply(&self, value: i32, zero_point: i32, limits: (i32, i32), rounding: Rounding) -> i32 {
        let biased = value.wrapping_add(self.bias);
        let scaled = if biased >= 0 {
            self.positive.apply(biased, rounding)
        } else {
            self.negative.apply(biased.wrapping_mul(self.alpha), rounding)
        };
        placed(scaled, zero_point, limits)
    }
}

/// The scaled average of `count` elements with this sum, placed at the zero point and clipped; the average of none is zero.
///
/// The fixed mode divides first, rounding half away from zero, then scales, as TensorFlow Lite's average pooling does. The floating
/// mode rounds once, at the end.
pub fn average(sum: i32, count: u64, scale: Scale, rounding: Rounding, zero_point: i32, limits: (i32, i32)) -> i32 {
    let scaled = match rounding {
        _ if count == 0 => 0,
        Rounding::Fixed => {
            let quotient = divide_rounding_half_away(i128::from(sum), i128::from(count));
            scale.apply(quotient as i32, Rounding::Fixed)
        }
        Rounding::Float => round_half_even(sum as f32 * scale.real() / count as f32),
    };
    placed(scaled, zero_point, limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_rounds_its_quotient_before_it_scales() {
        // 2^30 * 2^-31 * 2 = 1
        let (one, int8) = (
            Scale {
                multiplier: 1 << 30,
                shift: -1,
            },
            (-128, 127),
        );
        let average = |sum, count| average(sum, count, one, Rounding::Fixed, 0, int8);
        assert_eq!(
            [average(5, 2), average(-5, 2), average(4, 3), average(-5, 3)],
            [3, -3, 1, -2]
        );
        assert_eq!(average(100, 0), 0);
    }

    #[test]
    fn a_slope_applies_to_negative_values_alone() {
        let quarter = 0.25f32.to_bits() as i32;
        let one = 1f32.to_bits() as i32;
        let prelu = PreluParameters::from_words([1, one, 0, 2, quarter, 0]);
        let apply = |value| prelu.apply(value, 10, (-128, 127), Rounding::Float);
        assert_eq!([5, -1, -2, -4, -5].map(apply), [16, 10, 10, 8, 8]);
    }

    #[test]
    fn extreme_words_wrap_instead_of_panicking() {
        let words = [i32::MIN; 7];
        for rounding in [Rounding::Fixed, Rounding::Float] {
            for value in [i32::MIN, -1, 0, i32::MAX] {
                let all = (i32::MIN, i32::MAX);
                AddParameters::from_words(&words, rounding).apply(value, value, value, all);
                MulParameters::from_words(&words, rounding).apply(value, value, value, all);
                PreluParameters::from_words([i32::MIN; 6]).apply(value, value, all, rounding);
            }
        }
    }
}

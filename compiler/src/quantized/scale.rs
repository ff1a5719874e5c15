//! Real numbers as the scales of both ways of rounding.

use systole_isa::numerics::{AddParameters, MulParameters, Scale};
use systole_isa::operand::Rounding;

/// A positive real number as a 31-bit multiplier and a shift, as TensorFlow Lite's kernels prepare it: the multiplier has its highest bit set. Numbers too
/// small for the shift become zero, those too large the largest there is.
pub fn fixed_scale(real: f64) -> Scale {
    // real = fraction * 2^exponent with a fraction of at least one half and below one.
    let bits = real.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i32 - 1022;
    let fraction = f64::from_bits((bits & ((1 << 52) - 1)) | (1022 << 52));
    let mut multiplier = (fraction * f64::from(1u32 << 31)).round() as i64;
    if multiplier == 1 << 31 {
        multiplier /= 2;
        exponent += 1;
    }
    match exponent {
        ..-31 => Scale {
            multiplier: 0,
            shift: 0,
        },
        31.. => Scale {
            multiplier: i32::MAX,
            shift: -30,
        },
        _ => Scale {
            multiplier: multiplier as i32,
            shift: -exponent,
        },
    }
}

/// Exactly one.
pub(super) fn one(rounding: Rounding) -> Scale {
    match rounding {
        Rounding::Float => Scale::from_real(1.0),
        Rounding::Fixed => fixed_scale(1.0),
    }
}

/// `a / b`.
pub(super) fn ratio(a: f32, b: f32, rounding: Rounding) -> Scale {
    match rounding {
        Rounding::Float => Scale::from_real(a / b),
        Rounding::Fixed => fixed_scale(f64::from(a) / f64::from(b)),
    }
}

/// `a * b / c` of a convolution or of a matrix product with a scale per column.
pub(super) fn product(a: f32, b: f32, c: f32, rounding: Rounding) -> Scale {
    match rounding {
        Rounding::Float => Scale::from_real((a * b) / c),
        Rounding::Fixed => fixed_scale(f64::from(a) * f64::from(b) / f64::from(c)),
    }
}

/// The largest right shift that [`rounded_once`] moves into the multiplier.
const MAX_MERGED_SHIFT: i32 = 11;

/// `a * b / c` of a matrix product with one scale for all weights: TensorFlow Lite multiplies those in binary32.
pub(super) fn product_per_tensor(a: f32, b: f32, c: f32, rounding: Rounding) -> Scale {
    match rounding {
        Rounding::Float => Scale::from_real((a * b) / c),
        Rounding::Fixed => rounded_once(fixed_scale(f64::from(a * b) / f64::from(c))),
    }
}

/// The same scale without a right shift, so that products are rounded once. That is how TensorFlow Lite's reference kernel rounds matrix products with one scale
/// for all weights, and only those; rounding twice gives another integer for one sum in 2^(shift + 1). The multiplier loses as many bits as the shift had, which
/// matters to one 8-bit result in 2^(25 - shift): beyond a shift of 11 rounding twice is nearer.
fn rounded_once(scale: Scale) -> Scale {
    match scale.shift {
        shift @ 1..=MAX_MERGED_SHIFT => Scale {
            multiplier: (scale.multiplier + (1 << (shift - 1))) >> shift,
            shift: 0,
        },
        _ => scale,
    }
}

/// `a * b / c` of elementwise operators: TensorFlow Lite computes it in binary32 altogether.
pub(super) fn product_in_binary32(a: f32, b: f32, c: f32, rounding: Rounding) -> Scale {
    match rounding {
        Rounding::Float => Scale::from_real((a * b) / c),
        Rounding::Fixed => fixed_scale(f64::from(a * b / c)),
    }
}

/// Left shift of the operands of a sum, which leaves 8-bit numbers room for fractions.
const ADD_LEFT_SHIFT: i32 = 20;

/// How numbers of scales `a` and `b` are added to one of scale `sum`; `None` if the fixed-point sum would need a left shift.
pub(super) fn add_parameters([a, b, sum]: [f32; 3], rounding: Rounding) -> Option<AddParameters> {
    if rounding == Rounding::Float {
        return Some(AddParameters::Float([a, b, sum]));
    }
    let twice_max = 2.0 * f64::from(a.max(b));
    let of_sum = twice_max / (f64::from(1 << ADD_LEFT_SHIFT) * f64::from(sum));
    (of_sum <= 1.0).then(|| AddParameters::Fixed {
        left_shift: ADD_LEFT_SHIFT,
        sides: [a, b].map(|side| fixed_scale(f64::from(side) / twice_max)),
        sum: fixed_scale(of_sum),
    })
}

/// How numbers of scales `a` and `b` are multiplied to one of scale `product`.
pub(super) fn mul_parameters([a, b, product]: [f32; 3], rounding: Rounding) -> MulParameters {
    match rounding {
        Rounding::Float => MulParameters::Float([a, b, product]),
        Rounding::Fixed => MulParameters::Fixed(product_in_binary32(a, b, product, rounding)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::arith::rescale;
    use proptest::prelude::*;

    #[test]
    fn powers_of_two_have_the_least_multiplier() {
        let of = |real| fixed_scale(real);
        let scale = |multiplier, shift| Scale { multiplier, shift };
        assert_eq!(of(0.5), scale(1 << 30, 0));
        assert_eq!(of(1.0), scale(1 << 30, -1));
        assert_eq!(of(0.75), scale(3 << 29, 0));
        // Rounds up to the next power of two.
        assert_eq!(of(1.0 - f64::EPSILON), scale(1 << 30, -1));
        assert_eq!(of(2f64.powi(-40)), scale(0, 0));
        assert_eq!(of(0.0), scale(0, 0));
        assert_eq!(of(1e20), scale(i32::MAX, -30));
    }

    #[test]
    fn a_matrix_product_with_one_scale_rounds_once() {
        let twice = fixed_scale(0.25);
        let once = rounded_once(twice);
        assert_eq!((twice.shift, once.shift), (1, 0));
        let round = |scale, v| rescale(v, scale, Rounding::Fixed);
        // 1.25 becomes 1, or by way of 2.5 halves, which are rounded to 3, it becomes 2.
        assert_eq!([round(twice, 5), round(once, 5)], [2, 1]);
        // Minus one half: up to zero, or away from zero in the second rounding.
        assert_eq!([round(twice, -2), round(once, -2)], [-1, 0]);
        assert_eq!(rounded_once(fixed_scale(2.0)), fixed_scale(2.0));
    }

    proptest! {
        #[test]
        fn one_changes_nothing(value in any::<i32>().prop_map(|v| v / 2)) {
            prop_assert_eq!(rescale(value, fixed_scale(1.0), Rounding::Fixed), i64::from(value));
        }

        #[test]
        fn a_multiplier_is_the_real_number_to_31_bits(real in 1e-6f64..1e6) {
            let Scale { multiplier, shift } = fixed_scale(real);
            let back = f64::from(multiplier) * 2f64.powi(-31 - shift);
            prop_assert!(multiplier >= 1 << 30 && (back / real - 1.0).abs() <= 2f64.powi(-31));
        }
    }
}

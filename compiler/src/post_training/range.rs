//! Intervals of real numbers and the scales that cover them.

use crate::graph::DType;

/// The smallest scale, 2^-60: products of two scales stay normal numbers of binary32.
const MIN_SCALE: f64 = 1.0 / (1u64 << 60) as f64;

/// An interval of real numbers; without any values its ends are infinite and in the wrong order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Lower end.
    pub lo: f32,
    /// Upper end.
    pub hi: f32,
}

impl Range {
    /// Of no values.
    pub const EMPTY: Self = Self {
        lo: f32::INFINITY,
        hi: f32::NEG_INFINITY,
    };

    /// From the smallest to the largest of some values.
    pub fn of(values: &[f32]) -> Self {
        // Several running extremes let the compiler use vector instructions.
        let (mut lo, mut hi) = ([f32::INFINITY; 8], [f32::NEG_INFINITY; 8]);
        let mut chunks = values.chunks_exact(8);
        for chunk in &mut chunks {
            for lane in 0..8 {
                lo[lane] = lo[lane].min(chunk[lane]);
                hi[lane] = hi[lane].max(chunk[lane]);
            }
        }
        let rest = chunks.remainder();
        Self {
            lo: lo.iter().chain(rest).fold(f32::INFINITY, |a, &b| a.min(b)),
            hi: hi.iter().chain(rest).fold(f32::NEG_INFINITY, |a, &b| a.max(b)),
        }
    }

    /// The smallest interval that holds both.
    pub fn union(self, other: Self) -> Self {
        Self {
            lo: self.lo.min(other.lo),
            hi: self.hi.max(other.hi),
        }
    }

    /// Length of the interval with zero, which every quantized range holds.
    pub fn span(self) -> f64 {
        f64::from(self.hi.max(0.0)) - f64::from(self.lo.min(0.0))
    }

    /// Whether both ends are numbers, or there are none.
    pub fn is_usable(self) -> bool {
        self == Self::EMPTY || (self.lo.is_finite() && self.hi.is_finite())
    }

    /// Scale and zero point with which the integers of a type of one byte cover the interval and zero, which has an integer of its own. A range
    /// without length gets the scale of an interval of length 1.
    pub fn parameters(self, dtype: DType) -> (f32, i32) {
        let (lowest, highest) = dtype.range().unwrap_or((-128, 127));
        let steps = f64::from(highest) - f64::from(lowest);
        let span = if self.span().is_finite() && self.span() > 0.0 {
            self.span()
        } else {
            1.0
        };
        let scale = (span / steps).max(MIN_SCALE) as f32;
        let zero_point = f64::from(lowest) - f64::from(self.lo.min(0.0)) / f64::from(scale);
        (scale, (zero_point.round_ties_even() as i32).clamp(lowest, highest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::arith::{dequantize_f32, quantize_f32};
    use proptest::prelude::*;

    #[test]
    fn ranges_without_length_have_a_scale() {
        for range in [Range::EMPTY, Range::of(&[0.0; 3]), Range { lo: -0.0, hi: 0.0 }] {
            assert_eq!(range.parameters(DType::U8), (1.0 / 255.0, 0), "{range:?}");
        }
        assert_eq!(Range::of(&[2.55]).parameters(DType::I8), (0.01, -128));
        assert_eq!(Range::of(&[-2.55]).parameters(DType::I8), (0.01, 127));
        assert!(!Range::of(&[f32::INFINITY]).is_usable() && Range::EMPTY.is_usable());
    }

    #[test]
    fn the_range_of_values_is_from_the_least_to_the_largest() {
        let values: Vec<f32> = (0..37).map(|i| ((i * 29) % 37) as f32 - 11.0).collect();
        assert_eq!(Range::of(&values), Range { lo: -11.0, hi: 25.0 });
        assert_eq!(Range::of(&[]), Range::EMPTY);
    }

    proptest! {
        #[test]
        fn both_ends_and_zero_are_at_most_half_a_step_off(lo in -1e6f32..1e6, length in 1e-3f32..1e6, is_signed: bool) {
            let dtype = if is_signed { DType::I8 } else { DType::U8 };
            let range = Range { lo, hi: lo + length };
            let (scale, zero_point) = range.parameters(dtype);
            let (lowest, highest) = dtype.range().unwrap();
            for value in [lo, lo + length, 0.0, lo + length / 3.0] {
                let integer = quantize_f32(value, scale, zero_point, lowest, highest);
                let back = dequantize_f32(integer, scale, zero_point);
                prop_assert!((back - value).abs() <= scale * 1.01, "{value} became {back}, scale {scale}");
            }
            prop_assert_eq!(dequantize_f32(zero_point, scale, zero_point), 0.0);
        }
    }
}

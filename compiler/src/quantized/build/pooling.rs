//! Windows that keep their channels apart.

use super::super::{QAvgPool, QMaxPool, scale};
use super::Resolver;
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::{ClipRange, DType, Padding, Pads, WindowAttributes};
use systole_isa::numerics::Scale;
use systole_isa::operand::{Divide, Rounding};

impl Resolver<'_> {
    pub(super) fn max_pool(self, window: &WindowAttributes) -> Result<QMaxPool, CompileError> {
        let (input, output) = (self.operand(0)?, self.output());
        self.same_quantization(input, output)?;
        Ok(QMaxPool {
            input,
            output,
            window: self.window(window),
        })
    }

    pub(super) fn average_pool(
        self,
        window: &WindowAttributes,
        count_include_pad: bool,
        clip: ClipRange,
    ) -> Result<QAvgPool, CompileError> {
        let (input, output) = (self.operand(0)?, self.output());
        let (input_scale, input_zero_point) = self.quantization(input)?;
        let (output_scale, output_zero_point) = self.quantization(output)?;
        self.check_scales(&[input_scale / output_scale])?;
        let rounding = self.graph.rounding;
        let window = self.window(window);
        self.check_sums(window.kernel, input_zero_point, self.graph.tensor(input).dtype)?;
        let mut pool = QAvgPool {
            input,
            output,
            window,
            divide: if count_include_pad { Divide::All } else { Divide::Valid },
            input_zero_point,
            scale: scale::ratio(input_scale, output_scale, rounding),
            output_zero_point,
            clip,
        };
        let is_same = (input_scale, input_zero_point) == (output_scale, output_zero_point);
        if rounding == Rounding::Fixed && is_same && !count_include_pad {
            // TensorFlow Lite averages the integers as they are: halves are rounded away from the integer zero, not from the zero point.
            pool.input_zero_point = 0;
            pool.output_zero_point = 0;
            pool.scale = scale::one(rounding);
        }
        Ok(pool)
    }

    pub(super) fn mean(self, clip: ClipRange) -> Result<QAvgPool, CompileError> {
        let input = self.operand(0)?;
        let [_, _, h, w] = self.graph.tensor(input).image_axes().unwrap_or([1; 4]);
        let whole = WindowAttributes {
            kernel: Some([h, w]),
            strides: [1, 1],
            dilations: [1, 1],
            padding: Padding::Explicit(Pads::default()),
            ceil_mode: false,
        };
        let mut pool = self.average_pool(&whole, true, clip)?;
        if self.graph.rounding == Rounding::Fixed {
            pool.divide = Divide::None;
            pool.scale = divided(pool.scale, h * w);
        }
        Ok(pool)
    }

    fn check_sums(self, [kh, kw]: [usize; 2], zero_point: i32, dtype: Option<DType>) -> Result<(), CompileError> {
        let (lo, hi) = dtype.and_then(DType::range).unwrap_or((i32::MIN, i32::MAX));
        let distance = |bound: i32| (i64::from(bound) - i64::from(zero_point)).unsigned_abs();
        let largest = distance(lo)
            .max(distance(hi))
            .max(lo.unsigned_abs().into())
            .max(hi.unsigned_abs().into());
        let sum = u128::from(largest) * kh as u128 * kw as u128;
        if sum <= i32::MAX as u128 {
            return Ok(());
        }
        Err(self.error(
            CompileErrorKind::Overflow,
            format!("sums of up to {sum} in windows of {kh} x {kw}"),
            "at most 2147483647, the largest accumulator",
            "average in two steps, over smaller windows",
        ))
    }
}

/// A scale divided by a number of elements, as TensorFlow Lite does: the multiplier is shifted left as far as the divisor makes room, and rounded down.
fn divided(scale: Scale, count: usize) -> Scale {
    let room = 63 - (count as u64).leading_zeros() as i32;
    let shift = room.min(32).min(31 - scale.shift).max(0);
    Scale {
        multiplier: ((i64::from(scale.multiplier) << shift) / count as i64) as i32,
        shift: scale.shift + shift,
    }
}

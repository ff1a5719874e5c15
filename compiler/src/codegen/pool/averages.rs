//! Averages without a pooling instruction: sums by a depthwise convolution with weights of one, and a scale that divides.
//!
//! A division has no multiplier that is right for every sum. But the sums of a window of bytes are few, so a multiplier is tried on all of
//! them, and only one that gives the same bits for each is taken.

use super::super::stage::{ConvStage, GroupedStage, PoolStage, Pooling};
use systole_isa::ElementFormat;
use systole_isa::numerics::{RequantParameters, Scale, average};
use systole_isa::operand::{Divide, Rounding};

/// Windows with more sums than this are not tried.
const MAX_SUMS: i64 = 1 << 22;
/// Neighbours of the quotient of scale and count that are tried on either side.
const NEIGHBOURS: i32 = 8;

/// The convolution that computes an average, if there is one.
pub(super) fn as_sums(stage: &PoolStage, rounding: Rounding) -> Option<GroupedStage> {
    let Pooling::Average { divide, scale } = stage.pooling else {
        return None;
    };
    let (x, y, s) = (&stage.x, &stage.y, &stage.sliding);
    let reaches_beyond = s.pads != [0, 0] || s.span(0, y.height) > x.height || s.span(1, y.width) > x.width;
    if divide == Divide::Valid && reaches_beyond {
        return None;
    }
    let n_taps = s.kernel[0] * s.kernel[1];
    let parameters = parameters(stage, scale, n_taps, rounding)?;
    let channels = x.channels;
    Some(GroupedStage {
        conv: ConvStage {
            x: *x,
            y: *y,
            sliding: *s,
            weights: vec![1; (n_taps * channels) as usize],
            weight_format: ElementFormat::I8,
            weight_zero_point: 0,
            parameters: vec![parameters; channels as usize],
            clip: stage.clip,
            residual: None,
        },
        groups: channels,
    })
}

/// The parameters that requantize every sum to the average.
fn parameters(stage: &PoolStage, scale: Scale, count: u64, rounding: Rounding) -> Option<RequantParameters> {
    let (lo, hi) = stage.x.format.range();
    let zero_point = i64::from(stage.x.zero_point);
    let [lowest, highest] = [lo, hi].map(|end| (i64::from(end) - zero_point) * count as i64);
    if highest - lowest > MAX_SUMS {
        return None;
    }
    let (lowest, highest) = (i32::try_from(lowest).ok()?, i32::try_from(highest).ok()?);
    let guess = divided(scale, count, rounding)?;
    let places = |parameters: &RequantParameters| {
        (lowest..=highest).all(|sum| {
            parameters.apply(sum, stage.y.zero_point, stage.clip, rounding)
                == average(sum, count, scale, rounding, stage.y.zero_point, stage.clip)
        })
    };
    (0..=NEIGHBOURS)
        .flat_map(|distance| [distance, -distance])
        .map(|distance| Scale {
            multiplier: guess.multiplier.saturating_add(distance),
            ..guess
        })
        .map(|scale| RequantParameters::new(0, scale))
        .find(places)
}

/// The scale over the count, nearly.
fn divided(scale: Scale, count: u64, rounding: Rounding) -> Option<Scale> {
    match rounding {
        Rounding::Float => Some(Scale::from_real(scale.real() / count as f32)),
        Rounding::Fixed => {
            // The quotient gets its highest bit back by a smaller left shift.
            let up = 64 - count.leading_zeros();
            let quotient = (i64::from(scale.multiplier) << up) / count as i64;
            let (quotient, up) = if quotient > i64::from(i32::MAX) {
                (quotient / 2, up - 1)
            } else {
                (quotient, up)
            };
            Some(Scale {
                multiplier: i32::try_from(quotient).ok()?,
                shift: scale.shift + up as i32,
            })
        }
    }
}

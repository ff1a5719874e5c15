//! The largest element and the average of every window.

use super::{Context, pixels, taps};
use crate::quantized::{QAvgPool, QMaxPool};
use crate::reference::arith::{self, place};
use systole_isa::operand::Divide;

pub(super) fn maximum(context: Context<'_>, op: &QMaxPool) -> Vec<i32> {
    let [n, height, width, channels] = context.image(op.input);
    let [_, oh, ow, _] = context.image(op.output);
    let x = context.elements(op.input);
    // A window that lies in the padding altogether gives the smallest value of the type.
    let dtype = context.graph.tensor(op.output).dtype;
    let smallest = dtype.range().map_or(i32::MIN, |(lo, _)| lo);
    let mut y = Vec::with_capacity(n * oh * ow * channels);
    for (batch, oy, ox) in pixels(n, oh, ow) {
        let start = y.len();
        y.resize(start + channels, smallest);
        for (_, [iy, ix]) in taps(&op.window, [height, width], [oy, ox]) {
            let pixel = ((batch * height + iy) * width + ix) * channels;
            for (best, value) in y[start..].iter_mut().zip(&x[pixel..pixel + channels]) {
                *best = (*best).max(*value);
            }
        }
    }
    y
}

pub(super) fn average(context: Context<'_>, op: &QAvgPool) -> Vec<i32> {
    let [n, height, width, channels] = context.image(op.input);
    let [_, oh, ow, _] = context.image(op.output);
    let x = context.elements(op.input);
    let mut y = Vec::with_capacity(n * oh * ow * channels);
    let mut sums = vec![0; channels];
    for (batch, oy, ox) in pixels(n, oh, ow) {
        sums.fill(0);
        let mut inside = 0;
        for (_, [iy, ix]) in taps(&op.window, [height, width], [oy, ox]) {
            inside += 1;
            let pixel = ((batch * height + iy) * width + ix) * channels;
            for (sum, value) in sums.iter_mut().zip(&x[pixel..pixel + channels]) {
                *sum += value - op.input_zero_point;
            }
        }
        let count = match op.divide {
            Divide::Valid => Some(inside),
            Divide::All => Some(op.window.kernel.iter().product()),
            Divide::None => None,
        };
        let scaled = |&sum: &i32| arith::average(sum, count, op.scale, context.graph.rounding);
        y.extend(sums.iter().map(|sum| place(scaled(sum), op.output_zero_point, op.clip)));
    }
    y
}

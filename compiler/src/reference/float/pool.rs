//! Poolings of images.

use super::value::Call;
use crate::error::CompileError;
use crate::graph::{Window, WindowAttributes};
use rayon::prelude::*;
use std::ops::Range;

/// Sizes of a pooling.
pub(super) struct Shape {
    image: [usize; 2],
    result: [usize; 2],
    window: Window,
}

/// The taps of one window along one axis.
struct Taps {
    /// First row or column of the image that a tap sees.
    first: usize,
    /// Taps inside the image, and those inside image and padding.
    n_inside: usize,
    n_padded: usize,
}

impl Shape {
    pub(super) fn new(call: &Call, attributes: &WindowAttributes) -> Result<Self, CompileError> {
        let x = call.operand(0)?.shape;
        let (&[_, _, h, w], &[_, _, oh, ow]) = (x, call.result()) else {
            return Err(call.fault(format!("shape {x:?}"), "an image of 4 axes"));
        };
        Ok(Self {
            image: [h, w],
            result: [oh, ow],
            window: attributes.resolve([1, 1], [h, w]),
        })
    }

    fn taps(&self, axis: usize, output: usize) -> Taps {
        let pads = self.window.pads;
        let [before, after] = [[pads.top, pads.bottom], [pads.left, pads.right]][axis];
        let (step, kernel, length) = (self.window.dilations[axis], self.window.kernel[axis], self.image[axis]);
        let start = output * self.window.strides[axis];
        let n_below = |limit: usize| limit.saturating_sub(start).div_ceil(step).min(kernel);
        let n_before = n_below(before);
        Taps {
            first: (start + n_before * step).saturating_sub(before),
            n_inside: n_below(before + length) - n_before,
            n_padded: n_below(before + length + after),
        }
    }

    fn lines(&self, axis: usize, taps: &Taps) -> impl Iterator<Item = usize> + use<> {
        let (first, step) = (taps.first, self.window.dilations[axis]);
        (0..taps.n_inside).map(move |i| first + i * step)
    }

    /// One result per window of every plane; `reduce` gets the elements inside the image and the number of those in image and padding.
    fn planes<T: Copy + Send + Sync + Default>(
        &self,
        x: &[T],
        reduce: impl Fn(&mut dyn Iterator<Item = T>, usize) -> T + Sync,
    ) -> Vec<T> {
        let [h, w] = self.image;
        let [oh, ow] = self.result;
        let n_planes = x.len() / (h * w).max(1);
        let columns: Vec<Taps> = (0..ow).map(|ox| self.taps(1, ox)).collect();
        let mut result = vec![T::default(); n_planes * oh * ow];
        let plane_len = (oh * ow).max(1);
        result
            .par_chunks_mut(plane_len)
            .zip(x.par_chunks((h * w).max(1)))
            .for_each(|(result, plane)| {
                for (oy, row) in result.chunks_mut(ow).enumerate() {
                    let rows = self.taps(0, oy);
                    for (value, columns) in row.iter_mut().zip(&columns) {
                        let lines = self.lines(0, &rows).map(|y| &plane[y * w..][..w]);
                        let mut elements = lines.flat_map(|line| self.lines(1, columns).map(move |x| line[x]));
                        *value = reduce(&mut elements, rows.n_padded * columns.n_padded);
                    }
                }
            });
        result
    }
}

/// Largest element of every window; `lowest` where a window lies in the padding.
pub(super) fn max_pool<T: Copy + PartialOrd + Send + Sync + Default>(shape: &Shape, x: &[T], lowest: T) -> Vec<T> {
    shape.planes(x, |elements, _| elements.fold(lowest, |a, b| if b > a { b } else { a }))
}

/// Average of every window. Elements in the padding count as zeros if `count_include_pad`; what a last window sees beyond the
/// padding never counts.
pub(super) fn average_pool(shape: &Shape, x: &[f32], count_include_pad: bool) -> Vec<f32> {
    shape.planes(x, |elements, n_padded| {
        let (sum, n) = elements.fold((0.0f64, 0usize), |(sum, n), value| (sum + f64::from(value), n + 1));
        let n = if count_include_pad { n_padded } else { n };
        if n == 0 { 0.0 } else { (sum / n as f64) as f32 }
    })
}

/// Reduces ranges of `inner` consecutive elements.
pub(super) fn reduce_rows<T: Copy>(x: &[T], inner: usize, reduce: impl Fn(&[T]) -> T) -> Vec<T> {
    let rows: Range<usize> = 0..x.len() / inner.max(1);
    rows.map(|row| reduce(&x[row * inner..][..inner])).collect()
}

/// The mean, summed in f64.
pub(super) fn mean(values: &[f32]) -> f32 {
    (values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64) as f32
}

/// Mean over the axes along which the result, of the same rank, has length one.
pub(super) fn reduce_mean(x: &[f32], shape: &[usize], is_reduced: &[bool]) -> Vec<f32> {
    let kept: Vec<usize> = shape
        .iter()
        .zip(is_reduced)
        .map(|(&len, &r)| if r { 1 } else { len })
        .collect();
    let n_results: usize = kept.iter().product();
    let mut sums = vec![0.0f64; n_results];
    for (index, &value) in x.iter().enumerate() {
        let (mut rest, mut target, mut stride) = (index, 0, 1);
        for axis in (0..shape.len()).rev() {
            let position = rest % shape[axis];
            rest /= shape[axis];
            if !is_reduced[axis] {
                target += position * stride;
                stride *= shape[axis];
            }
        }
        sums[target] += f64::from(value);
    }
    let n = x.len() as f64 / n_results.max(1) as f64;
    sums.iter().map(|sum| (sum / n) as f32).collect()
}

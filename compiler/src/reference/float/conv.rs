//! Convolutions: of f32 as matrix products on packed image columns, depthwise ones directly; of integers in plain loops.

use super::matrix::{COLUMNS, Matrix, multiply, packed_rows};
use super::value::Call;
use crate::error::CompileError;
use crate::graph::{Pads, Window, WindowAttributes};
use rayon::prelude::*;

/// Elements of packed image columns that are held at a time.
const MAX_PACKED: usize = 1 << 22;

/// Sizes of a convolution. An image is `[channels, height, width]`.
pub(super) struct Shape {
    n_images: usize,
    channels: usize,
    image: [usize; 2],
    co: usize,
    /// Input channels of a group.
    ci: usize,
    group: usize,
    result: [usize; 2],
    window: Window,
}

impl Shape {
    pub(super) fn new(
        call: &Call,
        [x, w]: [usize; 2],
        attributes: &WindowAttributes,
        group: usize,
    ) -> Result<Self, CompileError> {
        let (x, w) = (call.operand(x)?.shape, call.operand(w)?.shape);
        let (&[n, channels, h, width], &[co, ci, kh, kw], &[_, _, oh, ow]) = (x, w, call.result()) else {
            return Err(call.fault(format!("shapes {x:?} and {w:?}"), "images and weights of 4 axes"));
        };
        Ok(Self {
            n_images: n,
            channels,
            image: [h, width],
            co,
            ci,
            group,
            result: [oh, ow],
            window: attributes.resolve([kh, kw], [h, width]),
        })
    }

    fn n_taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    /// Products per result.
    fn depth(&self) -> usize {
        self.ci * self.n_taps()
    }

    fn n_pixels(&self) -> usize {
        self.result[0] * self.result[1]
    }

    fn image_len(&self) -> usize {
        self.image[0] * self.image[1]
    }

    /// Whether every result sees the pixel at its own place.
    fn is_pointwise(&self) -> bool {
        let window = self.window;
        (window.kernel, window.strides, window.pads) == ([1, 1], [1, 1], Pads::default())
    }

    /// The row or column of the image that a tap sees, if it is not in the padding.
    fn source(&self, axis: usize, output: usize, tap: usize) -> Option<usize> {
        let pads = self.window.pads;
        let before = [pads.top, pads.left][axis];
        let position = output * self.window.strides[axis] + tap * self.window.dilations[axis];
        position
            .checked_sub(before)
            .filter(|&position| position < self.image[axis])
    }
}

/// Convolution of f32; `bias` has one element per output channel, or one for all.
pub(super) fn conv(shape: &Shape, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let (n_pixels, depth) = (shape.n_pixels(), shape.depth());
    let mut result = vec![0.0; shape.n_images * shape.co * n_pixels];
    if result.is_empty() {
        return result;
    }
    let image_len = shape.channels * shape.image_len();
    let co = shape.co / shape.group;
    let n_images = if depth == 0 { 0 } else { shape.n_images };
    for (image, result) in result.chunks_mut(shape.co * n_pixels).take(n_images).enumerate() {
        let x = &x[image * image_len..][..image_len];
        if shape.ci == 1 && shape.group > 1 {
            depthwise(shape, x, w, result);
        } else {
            for (group, result) in result.chunks_mut(co * n_pixels).enumerate() {
                let x = &x[group * shape.ci * shape.image_len()..];
                group_product(shape, x, &w[group * co * depth..][..co * depth], result);
            }
        }
    }
    if let Some(bias) = bias {
        for (channel, plane) in result.chunks_mut(n_pixels).enumerate() {
            let bias = if bias.len() == 1 {
                bias[0]
            } else {
                bias[channel % shape.co]
            };
            plane.iter_mut().for_each(|value| *value += bias);
        }
    }
    result
}

/// Weights `[co, depth]` times image columns `[depth, pixels]`, block of pixels by block of pixels.
fn group_product(shape: &Shape, x: &[f32], w: &[f32], result: &mut [f32]) {
    let (n_pixels, depth) = (shape.n_pixels(), shape.depth());
    let co = w.len() / depth.max(1);
    let left = packed_rows(Matrix::new(w, co, depth, false), co, depth);
    let panels_per_block = (MAX_PACKED / (COLUMNS * depth)).max(1);
    let n_panels = n_pixels.div_ceil(COLUMNS);
    for first in (0..n_panels).step_by(panels_per_block) {
        let n = panels_per_block.min(n_panels - first);
        let mut right = vec![0.0; n * COLUMNS * depth];
        right
            .par_chunks_mut(COLUMNS * depth)
            .enumerate()
            .for_each(|(panel, values)| pack_columns(shape, x, (first + panel) * COLUMNS, values));
        multiply(&left, &right, depth, result, n_pixels, first * COLUMNS);
    }
}

/// The image columns of [`COLUMNS`] pixels from `first` on, as `[depth][COLUMNS]`; what lies in the padding stays zero.
fn pack_columns(shape: &Shape, x: &[f32], first: usize, values: &mut [f32]) {
    let [kh, kw] = shape.window.kernel;
    let ow = shape.result[1];
    let pixels: Vec<[usize; 2]> = (first..shape.n_pixels())
        .take(COLUMNS)
        .map(|pixel| [pixel / ow, pixel % ow])
        .collect();
    let is_row = pixels[0][0] == pixels[pixels.len() - 1][0] && shape.window.strides[1] == 1;
    let is_contiguous = pixels.len() == COLUMNS && (is_row || shape.is_pointwise());
    for (row, values) in values.chunks_mut(COLUMNS).enumerate() {
        let (channel, ky, kx) = (row / (kh * kw), row / kw % kh, row % kw);
        let plane = &x[channel * shape.image_len()..][..shape.image_len()];
        let at = |[oy, ox]: [usize; 2]| {
            let (y, x) = (shape.source(0, oy, ky)?, shape.source(1, ox, kx)?);
            Some(y * shape.image[1] + x)
        };
        if is_contiguous && let (Some(begin), Some(end)) = (at(pixels[0]), at(pixels[COLUMNS - 1])) {
            values.copy_from_slice(&plane[begin..=end]);
            continue;
        }
        for (value, &pixel) in values.iter_mut().zip(&pixels) {
            *value = at(pixel).map_or(0.0, |index| plane[index]);
        }
    }
}

/// One input channel per group: sums of shifted rows.
fn depthwise(shape: &Shape, x: &[f32], w: &[f32], result: &mut [f32]) {
    let [kh, kw] = shape.window.kernel;
    let [_, ow] = shape.result;
    let per_group = shape.co / shape.group;
    result
        .par_chunks_mut(shape.n_pixels())
        .enumerate()
        .for_each(|(channel, result)| {
            let plane = &x[channel / per_group * shape.image_len()..][..shape.image_len()];
            let w = &w[channel * kh * kw..][..kh * kw];
            for (oy, row) in result.chunks_mut(ow).enumerate() {
                for (tap, factor) in w.iter().enumerate() {
                    let Some(y) = shape.source(0, oy, tap / kw) else {
                        continue;
                    };
                    let source = &plane[y * shape.image[1]..][..shape.image[1]];
                    for (ox, sum) in row.iter_mut().enumerate() {
                        if let Some(x) = shape.source(1, ox, tap % kw) {
                            *sum += factor * source[x];
                        }
                    }
                }
            }
        });
}

/// Sums of 32 bits of operands that have lost their zero points; padding is zero.
pub(super) fn conv_integer(shape: &Shape, x: &[i32], w: &[i32]) -> Vec<i32> {
    let (n_pixels, depth) = (shape.n_pixels(), shape.depth());
    let (co, [kh, kw]) = (shape.co / shape.group, shape.window.kernel);
    let mut result = vec![0; shape.n_images * shape.co * n_pixels];
    if result.is_empty() || depth == 0 {
        return result;
    }
    let plane_len = shape.image_len();
    for (index, result) in result.chunks_mut(co * n_pixels).enumerate() {
        let group = index % shape.group;
        let x = &x[index * shape.ci * plane_len..][..shape.ci * plane_len];
        let w = &w[group * co * depth..][..co * depth];
        let mut columns = vec![0; n_pixels * depth];
        for (pixel, column) in columns.chunks_mut(depth).enumerate() {
            let (oy, ox) = (pixel / shape.result[1], pixel % shape.result[1]);
            for (row, value) in column.iter_mut().enumerate() {
                let (channel, ky, kx) = (row / (kh * kw), row / kw % kh, row % kw);
                if let (Some(iy), Some(ix)) = (shape.source(0, oy, ky), shape.source(1, ox, kx)) {
                    *value = x[channel * plane_len + iy * shape.image[1] + ix];
                }
            }
        }
        result
            .par_chunks_mut(n_pixels)
            .zip(w.par_chunks(depth))
            .for_each(|(result, w)| {
                for (sum, column) in result.iter_mut().zip(columns.chunks(depth)) {
                    *sum = w
                        .iter()
                        .zip(column)
                        .fold(0i32, |sum, (w, x)| sum.wrapping_add(w.wrapping_mul(*x)));
                }
            });
    }
    result
}

//! Descriptors: address generators that show a memory as a matrix.
//!
//! A descriptor nests up to five levels, each with a count and a stride in elements. The levels before `split` unflatten
//! the row index of the matrix, the others the column index; so one descriptor presents the sliding windows of a padded, strided,
//! dilated convolution (levels oy, ox | ky, kx, channel) as its im2col matrix without a copy of it.

use crate::format::ElementFormat;
use crate::operand::{Axis, Space};

/// Number of nested levels.
pub const N_LEVELS: usize = 5;

/// One level of the nest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Level {
    /// How often it counts; at least 1 for a usable descriptor.
    pub count: u32,
    /// Elements that one step moves.
    pub stride: i64,
}

/// Bounds on a coordinate that is linear in two level indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Index of the first contributing level.
    pub outer: u8,
    /// What one step of it adds to the coordinate.
    pub outer_step: i32,
    /// Index of the second contributing level.
    pub inner: u8,
    /// What one step of it adds to the coordinate.
    pub inner_step: i32,
    /// The coordinate at index zero; negative by the padding.
    pub origin: i64,
    /// The coordinate must be below this, and not negative.
    pub extent: i64,
}

impl Window {
    fn admits(&self, index: &[u32; N_LEVELS]) -> bool {
        let outer = i64::from(self.outer_step) * i64::from(index[usize::from(self.outer)]);
        let inner = i64::from(self.inner_step) * i64::from(index[usize::from(self.inner)]);
        // At either end of the range of `i64` a coordinate is outside, so saturation does not change the answer.
        let coordinate = self.origin.saturating_add(outer.saturating_add(inner));
        (0..self.extent).contains(&coordinate)
    }
}

/// An address generator; architectural state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Descriptor {
    /// The memory.
    pub space: Space,
    /// Format of the elements.
    pub format: ElementFormat,
    /// Byte address of the element with all indices zero.
    pub base: i64,
    /// Subtracted on reading into an arithmetic unit, added on writing from one; the value of elements outside a window.
    pub zero_point: i32,
    /// Levels before this one form the row index, the others the column index.
    pub split: u8,
    /// The nest, outermost first.
    pub levels: [Level; N_LEVELS],
    /// Bounds per [`Axis`].
    pub windows: [Option<Window>; 2],
    /// Values written are clipped to this range.
    pub clip: (i32, i32),
}

impl Default for Descriptor {
    fn default() -> Self {
        Self::new(Space::Spm, ElementFormat::I8, 0, 0, 0)
    }
}

/// A run of elements at consecutive addresses, or a run of elements outside a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Bit address of the first element; `None` outside a window.
    pub bit_address: Option<i64>,
    /// Number of elements.
    pub n_elements: u32,
}

impl Descriptor {
    /// A descriptor whose levels all count once, without windows, clipping to the format's range.
    pub const fn new(space: Space, format: ElementFormat, base: i64, zero_point: i32, split: u8) -> Self {
        let levels = [Level { count: 1, stride: 0 }; N_LEVELS];
        Self {
            space,
            format,
            base,
            zero_point,
            split,
            levels,
            windows: [None, None],
            clip: format.range(),
        }
    }

    /// The same descriptor displaced by a number of bytes.
    pub const fn displaced(mut self, bytes: i64) -> Self {
        self.base = self.base.wrapping_add(bytes);
        self
    }

    /// Number of rows of the matrix view, at most `u64::MAX`.
    #[inline]
    pub fn n_rows(&self) -> u64 {
        product_of_counts(&self.levels[..usize::from(self.split)])
    }

    /// Number of columns of the matrix view, at most `u64::MAX`.
    #[inline]
    pub fn n_columns(&self) -> u64 {
        product_of_counts(&self.levels[usize::from(self.split)..])
    }

    /// Bounds on this axis.
    pub fn window(&self, axis: Axis) -> Option<&Window> {
        self.windows[axis as usize].as_ref()
    }

    /// Sets the bounds on an axis.
    pub fn set_window(&mut self, axis: Axis, window: Window) {
        self.windows[axis as usize] = Some(window);
    }

    fn index_from_position(&self, row: u64, column: u64) -> [u32; N_LEVELS] {
        let mut index = [0; N_LEVELS];
        let split = usize::from(self.split);
        for (mut rest, levels) in [(row, 0..split), (column, split..N_LEVELS)] {
            for level in levels.rev() {
                let count = u64::from(self.levels[level].count.max(1));
                // Most positions lie within the innermost level that counts, and a division is slow.
                if rest < count {
                    index[level] = rest as u32;
                    break;
                }
                index[level] = (rest % count) as u32;
                rest /= count;
            }
        }
        index
    }

    fn bit_address_at(&self, index: &[u32; N_LEVELS]) -> i64 {
        let elements = self.levels.iter().zip(index).fold(0i64, |sum, (level, &i)| {
            sum.wrapping_add(level.stride.wrapping_mul(i64::from(i)))
        });
        self.base
            .wrapping_mul(8)
            .wrapping_add(elements.wrapping_mul(i64::from(self.format.bits())))
    }

    fn admits(&self, index: &[u32; N_LEVELS]) -> bool {
        self.windows.iter().flatten().all(|window| window.admits(index))
    }

    /// Bit address of one element of the matrix view; `None` if it lies outside a window.
    pub fn locate(&self, row: u64, column: u64) -> Option<i64> {
        let index = self.index_from_position(row, column);
        self.admits(&index).then(|| self.bit_address_at(&index))
    }

    /// Calls `visit` with the runs of columns `column..column + n` of one row, in order.
    pub fn for_each_run(&self, row: u64, column: u64, n: u64, mut visit: impl FnMut(Run)) {
        let mut index = self.index_from_position(row, column);
        let mut left = n;
        let last = N_LEVELS - 1;
        let innermost = &self.levels[last];
        let windowed_innermost = self
            .windows
            .iter()
            .flatten()
            .any(|w| usize::from(w.outer) == last || usize::from(w.inner) == last);
        let run_limit = if windowed_innermost || innermost.stride != 1 || usize::from(self.split) > last {
            1
        } else {
            u64::MAX
        };
        let mut pending: Option<Run> = None;
        while left > 0 {
            let in_level = if usize::from(self.split) > last {
                1
            } else {
                u64::from(innermost.count.max(1) - index[last])
            };
            let n_elements = in_level.min(left).min(run_limit) as u32;
            let bit_address = self.admits(&index).then(|| self.bit_address_at(&index));
            let run = Run {
                bit_address,
                n_elements,
            };
            pending = Some(match pending.take() {
                Some(before) => match self.joined(before, run) {
                    Some(joined) => joined,
                    None => {
                        visit(before);
                        run
                    }
                },
                None => run,
            });
            left -= u64::from(n_elements);
            self.advance_column(&mut index, n_elements);
        }
        if let Some(run) = pending {
            visit(run);
        }
    }

    fn joined(&self, before: Run, after: Run) -> Option<Run> {
        let contiguous = match (before.bit_address, after.bit_address) {
            (Some(first), Some(second)) => {
                first.wrapping_add(i64::from(before.n_elements) * i64::from(self.format.bits())) == second
            }
            (None, None) => true,
            _ => false,
        };
        contiguous.then(|| Run {
            n_elements: before.n_elements + after.n_elements,
            ..before
        })
    }

    fn advance_column(&self, index: &mut [u32; N_LEVELS], n: u32) {
        let mut carry = n;
        for level in (usize::from(self.split)..N_LEVELS).rev() {
            index[level] += carry;
            let count = self.levels[level].count.max(1);
            if index[level] < count {
                return;
            }
            index[level] = 0;
            carry = 1;
        }
    }

    /// Bytes that the elements inside the windows of an `m` x `n` view occupy, starting at row `m0` and column `k0`; sub-byte runs
    /// are rounded up to whole bytes each.
    pub fn bytes_touched(&self, m0: u64, m: u64, k0: u64, n: u64) -> u64 {
        let mut bytes = 0;
        for row in m0..m0 + m {
            self.for_each_run(row, k0, n, |run| {
                if run.bit_address.is_some() {
                    bytes += self.format.bytes_from_elements(u64::from(run.n_elements));
                }
            });
        }
        bytes
    }

    /// The lowest and one past the highest byte that an `m` x `n` view can touch, windows ignored; `None` for an empty view. Bytes beyond
    /// the range of `i64` count as its end: nothing wraps around.
    pub fn byte_span(&self, m0: u64, m: u64, k0: u64, n: u64) -> Option<(i64, i64)> {
        if m == 0 || n == 0 {
            return None;
        }
        let split = usize::from(self.split);
        let (mut lo, mut hi) = (0i128, 0i128);
        for (first, count, levels) in [(m0, m, 0..split), (k0, n, split..N_LEVELS)] {
            let (mut a, mut b) = (first, first + count - 1);
            for level in levels.rev() {
                let level_count = u64::from(self.levels[level].count.max(1));
                if level_count == 1 {
                    continue;
                }
                let stride = i128::from(self.levels[level].stride);
                if b < level_count {
                    // The levels around it stay at their first index.
                    let (x, y) = (stride * i128::from(a), stride * i128::from(b));
                    lo += x.min(y);
                    hi += x.max(y);
                    break;
                }
                let (i0, i1) = if a / level_count == b / level_count {
                    (a % level_count, b % level_count)
                } else {
                    (0, level_count - 1)
                };
                let (x, y) = (stride * i128::from(i0), stride * i128::from(i1));
                lo += x.min(y);
                hi += x.max(y);
                a /= level_count;
                b /= level_count;
            }
        }
        let (bits, base) = (i128::from(self.format.bits()), i128::from(self.base) * 8);
        let clamp = |byte: i128| byte.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
        Some((
            clamp((base + lo * bits).div_euclid(8)),
            clamp((base + (hi + 1) * bits - 1).div_euclid(8) + 1),
        ))
    }
}

#[inline]
fn product_of_counts(levels: &[Level]) -> u64 {
    levels
        .iter()
        .fold(1, |product: u64, level| product.saturating_mul(u64::from(level.count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 3x3 convolution with padding 1 over a 4x4 image of 2 channels.
    fn convolution() -> Descriptor {
        let mut d = Descriptor::new(Space::Spm, ElementFormat::I8, 100, 0, 2);
        d.levels = [(4, 8), (4, 2), (3, 8), (3, 2), (2, 1)].map(|(count, stride)| Level { count, stride });
        d.base -= 8 + 2;
        d.set_window(
            Axis::Y,
            Window {
                outer: 0,
                outer_step: 1,
                inner: 2,
                inner_step: 1,
                origin: -1,
                extent: 4,
            },
        );
        d.set_window(
            Axis::X,
            Window {
                outer: 1,
                outer_step: 1,
                inner: 3,
                inner_step: 1,
                origin: -1,
                extent: 4,
            },
        );
        d
    }

    #[test]
    fn runs_agree_with_single_elements() {
        let d = convolution();
        assert_eq!((d.n_rows(), d.n_columns()), (16, 18));
        for row in 0..16 {
            for k0 in 0..18 {
                for n in 0..=18 - k0 {
                    let mut column = k0;
                    d.for_each_run(row, k0, n, |run| {
                        for i in 0..u64::from(run.n_elements) {
                            let expected = run.bit_address.map(|bit| bit + 8 * i as i64);
                            assert_eq!(d.locate(row, column), expected);
                            column += 1;
                        }
                    });
                    assert_eq!(column, k0 + n);
                }
            }
        }
    }

    #[test]
    fn padding_is_outside_and_the_image_inside() {
        let d = convolution();
        assert_eq!(d.locate(0, 0), None);
        assert_eq!(d.locate(0, 8), Some(800));
        assert_eq!(d.bytes_touched(0, 1, 0, 18), 8);
    }

    #[test]
    fn the_span_holds_every_element() {
        let mut d = convolution();
        d.windows = [None, None];
        for m0 in 0..16 {
            for k0 in 0..18 {
                let (lo, hi) = d.byte_span(m0, 16 - m0, k0, 18 - k0).unwrap();
                for row in m0..16 {
                    for column in k0..18 {
                        let byte = d.locate(row, column).unwrap() / 8;
                        assert!((lo..hi).contains(&byte));
                    }
                }
            }
        }
    }
}

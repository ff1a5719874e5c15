//! The vector unit's arithmetic.

use super::Memories;
use crate::access::{read_row, write_row};
use systole_isa::Descriptor;
use systole_isa::numerics::{self, RequantParameters};
use systole_isa::operand::Rounding;

fn parameters(memories: &Memories, par: &Descriptor, n: u64) -> Vec<RequantParameters> {
    let mut row = Vec::new();
    (0..n)
        .map(|column| {
            read_row(memories.of(par.space), par, column, 0, 3, &mut row);
            RequantParameters {
                bias: row[0],
                multiplier: row[1],
                shift: row[2],
            }
        })
        .collect()
}

/// Requantizes an `m` x `n` view with one parameter row per column.
pub(crate) fn requantize(
    memories: &mut Memories,
    [dst, src, par]: [&Descriptor; 3],
    (m, n): (u64, u64),
    rounding: Rounding,
) {
    let parameters = parameters(memories, par, n);
    let mut row = Vec::new();
    for row_idx in 0..m {
        read_row(memories.of(src.space), src, row_idx, 0, n, &mut row);
        for (value, parameters) in row.iter_mut().zip(&parameters) {
            *value = parameters.apply(value.wrapping_sub(src.zero_point), dst.zero_point, dst.clip, rounding);
        }
        write_row(memories.of_mut(dst.space), dst, row_idx, &row);
    }
}

/// For each of `m` rows and `n` channels the maximum over the window levels of `src`; the lowest value of its format where the whole
/// window lies outside.
pub(crate) fn max_pool(memories: &mut Memories, dst: &Descriptor, src: &Descriptor, m: u64, n: u64) {
    let n_taps = src.n_columns() / n.max(1);
    let lowest = src.format.range().0;
    let mut values = Vec::new();
    let mut maxima = Vec::new();
    for row_idx in 0..m {
        maxima.clear();
        maxima.resize(n as usize, lowest);
        for tap in 0..n_taps {
            // Windows bound spatial levels, which the channels of one tap share.
            if src.locate(row_idx, tap * n).is_none() {
                continue;
            }
            read_row(memories.of(src.space), src, row_idx, tap * n, n, &mut values);
            maxima
                .iter_mut()
                .zip(&values)
                .for_each(|(max, &value)| *max = value.max(*max));
        }
        write_row(memories.of_mut(dst.space), dst, row_idx, &maxima);
    }
}

/// Adds two views with rescaling.
pub(crate) fn add_rescaled(memories: &mut Memories, [dst, a, b, par]: [&Descriptor; 4], (m, n): (u64, u64)) {
    let mut scales = Vec::new();
    read_row(memories.of(par.space), par, 0, 0, 3, &mut scales);
    let scales = [scales[0], scales[1], scales[2]].map(|bits| f32::from_bits(bits as u32));
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for row_idx in 0..m {
        read_row(memories.of(a.space), a, row_idx, 0, n, &mut left);
        read_row(memories.of(b.space), b, row_idx, 0, n, &mut right);
        for (left, right) in left.iter_mut().zip(&right) {
            let (x, y) = (left.wrapping_sub(a.zero_point), right.wrapping_sub(b.zero_point));
            *left = numerics::add_rescaled(x, y, scales, dst.zero_point, dst.clip);
        }
        write_row(memories.of_mut(dst.space), dst, row_idx, &left);
    }
}

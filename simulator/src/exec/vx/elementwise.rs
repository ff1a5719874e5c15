//! One input, one result per element: requantization, leaky activation, lookup.

use super::tables::{list, words_per_row};
use crate::access::{read_row, write_row};
use crate::exec::Memories;
use crate::work::VectorWork;
use systole_isa::Descriptor;
use systole_isa::numerics::{PreluParameters, RequantParameters};
use systole_isa::operand::Rounding;

/// Replaces each element by a function of itself and its column, row after row.
fn map(memories: &mut Memories, work: &VectorWork, function: impl Fn(usize, i32) -> i32) {
    let mut row = Vec::new();
    for row_idx in 0..work.m {
        read_row(memories.of(work.src.space), &work.src, row_idx, 0, work.n, &mut row);
        for (column, value) in row.iter_mut().enumerate() {
            *value = function(column, *value);
        }
        write_row(memories.of_mut(work.dst.space), &work.dst, row_idx, &row);
    }
}

/// Requantizes with one parameter row per column.
pub(super) fn requantize(memories: &mut Memories, work: &VectorWork, par: &Descriptor, rounding: Rounding) {
    let parameters: Vec<RequantParameters> = words_per_row(memories, par, work.n)
        .into_iter()
        .map(|[bias, multiplier, shift]| RequantParameters {
            bias,
            multiplier,
            shift,
        })
        .collect();
    let (zero_point, dst) = (work.src.zero_point, &work.dst);
    map(memories, work, |column, value| {
        let value = value.wrapping_sub(zero_point);
        parameters[column].apply(value, dst.zero_point, dst.clip, rounding)
    });
}

/// Requantizes with a slope for negative values, with one parameter row per column.
pub(super) fn prelu(memories: &mut Memories, work: &VectorWork, par: &Descriptor, rounding: Rounding) {
    let parameters: Vec<PreluParameters> = words_per_row(memories, par, work.n)
        .into_iter()
        .map(PreluParameters::from_words)
        .collect();
    let (zero_point, dst) = (work.src.zero_point, &work.dst);
    map(memories, work, |column, value| {
        let value = value.wrapping_sub(zero_point);
        parameters[column].apply(value, dst.zero_point, dst.clip, rounding)
    });
}

/// Looks each element up.
pub(super) fn look_up(memories: &mut Memories, work: &VectorWork, table: &Descriptor) {
    let entries = list(memories, table, work.n_entries());
    let format = work.src.format;
    // Elements outside a window read as the zero point, which need not be a value of the format.
    let (lo, hi) = format.range();
    map(memories, work, |_, value| {
        entries[format.ordinal(value.clamp(lo, hi)) as usize]
    });
}

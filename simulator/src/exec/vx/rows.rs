//! Operations that look at a whole row: softmax, layer normalization, index of the largest, mask.

use super::tables::{list, words_per_row};
use crate::access::{read_row, write_row};
use crate::exec::Memories;
use crate::work::VectorWork;
use systole_isa::Descriptor;
use systole_isa::numerics::{self, LayerNormParameters, SOFTMAX_TABLE_WORDS};

/// Replaces each row by a function of the row.
fn map_rows(memories: &mut Memories, work: &VectorWork, function: impl Fn(&mut Vec<i32>)) {
    let mut row = Vec::new();
    for row_idx in 0..work.m {
        read_row(memories.of(work.src.space), &work.src, row_idx, 0, work.n, &mut row);
        function(&mut row);
        write_row(memories.of_mut(work.dst.space), &work.dst, row_idx, &row);
    }
}

/// Softmax of each row.
pub(super) fn softmax(memories: &mut Memories, work: &VectorWork, table: &Descriptor) {
    let table = list(memories, table, SOFTMAX_TABLE_WORDS);
    let dst = &work.dst;
    // Elements outside a window read as the zero point, which need not be a value of the format.
    let (lo, hi) = work.src.format.range();
    map_rows(memories, work, |row| {
        row.iter_mut().for_each(|value| *value = (*value).clamp(lo, hi));
        numerics::softmax(row, &table, dst.zero_point, dst.clip);
    });
}

/// Layer normalization of each row.
pub(super) fn layer_norm(memories: &mut Memories, work: &VectorWork, par: &Descriptor) {
    let mut columns = words_per_row(memories, par, work.n + 1);
    let [epsilon, _] = columns.pop().unwrap_or_default();
    let parameters = LayerNormParameters { columns, epsilon };
    let dst = &work.dst;
    map_rows(memories, work, |row| {
        numerics::layer_norm(row, &parameters, dst.zero_point, dst.clip);
    });
}

/// Index of the first of the largest elements of each row.
pub(super) fn index_of_largest(memories: &mut Memories, work: &VectorWork) {
    map_rows(memories, work, |row| {
        let index = numerics::first_largest(row) as i32;
        row.clear();
        row.push(index);
    });
}

/// Whether any element of each row differs from the zero point, as +1 or -1.
pub(super) fn mask(memories: &mut Memories, work: &VectorWork) {
    let zero_point = work.src.zero_point;
    map_rows(memories, work, |row| {
        let is_live = row.iter().any(|&value| value != zero_point);
        row.clear();
        row.push(if is_live { 1 } else { -1 });
    });
}

//! Reading parameter tables.

use crate::access::read_row;
use crate::exec::Memories;
use systole_isa::Descriptor;

/// The first `N` words of each of `n_rows` rows.
pub(super) fn words_per_row<const N: usize>(memories: &Memories, par: &Descriptor, n_rows: u64) -> Vec<[i32; N]> {
    let mut row = Vec::new();
    (0..n_rows)
        .map(|row_idx| {
            read_row(memories.of(par.space), par, row_idx, 0, N as u64, &mut row);
            std::array::from_fn(|i| row[i])
        })
        .collect()
}

/// The first words of row 0.
pub(super) fn first_row(memories: &Memories, par: &Descriptor, n_words: usize) -> Vec<i32> {
    let mut row = Vec::new();
    read_row(memories.of(par.space), par, 0, 0, n_words as u64, &mut row);
    row
}

/// The first `n_elements` of a view, row after row.
pub(super) fn list(memories: &Memories, view: &Descriptor, n_elements: u64) -> Vec<i32> {
    let (mut all, mut row) = (Vec::new(), Vec::new());
    let n_columns = view.n_columns().max(1);
    for row_idx in 0..n_elements.div_ceil(n_columns) {
        let n = n_columns.min(n_elements - all.len() as u64);
        read_row(memories.of(view.space), view, row_idx, 0, n, &mut row);
        all.append(&mut row);
    }
    all
}

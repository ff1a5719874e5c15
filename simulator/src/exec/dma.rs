//! Copies between memories.

use super::Memories;
use crate::access::{read_row, write_row};
use systole_isa::Descriptor;

/// Copies an `m` x `n` view, converting the format; elements outside a window of `src` are filled with its zero point.
pub(crate) fn copy(memories: &mut Memories, dst: &Descriptor, src: &Descriptor, m: u64, n: u64) {
    let mut row = Vec::new();
    for row_idx in 0..m {
        read_row(memories.of(src.space), src, row_idx, 0, n, &mut row);
        write_row(memories.of_mut(dst.space), dst, row_idx, &row);
    }
}

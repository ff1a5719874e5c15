//! Depthwise convolution: one sum of products per channel from the elements of a window.

use super::pool::for_each_tap;
use crate::access::{read_row, write_row};
use crate::exec::Memories;
use crate::work::VectorWork;
use systole_isa::Descriptor;
use systole_isa::operand::Accumulate;

/// Sums of products over the window, which wrap at 32 bits.
pub(super) fn convolve(memories: &mut Memories, work: &VectorWork, w: &Descriptor, mode: Accumulate) {
    let n = work.n;
    let mut row = Vec::new();
    let mut weights = Vec::new();
    for tap in 0..work.n_taps() {
        read_row(memories.of(w.space), w, tap, 0, n, &mut row);
        weights.push(row.iter().map(|v| v.wrapping_sub(w.zero_point)).collect::<Vec<i32>>());
    }
    let (zero_point, dst) = (work.src.zero_point, &work.dst);
    let (mut values, mut sums) = (Vec::new(), Vec::new());
    for row_idx in 0..work.m {
        match mode {
            Accumulate::Over => {
                sums.clear();
                sums.resize(n as usize, 0);
            }
            Accumulate::Add => read_row(memories.of(dst.space), dst, row_idx, 0, n, &mut sums),
        }
        for_each_tap(memories, work, row_idx, &mut values, |tap, values| {
            for ((sum, value), weight) in sums.iter_mut().zip(values).zip(&weights[tap]) {
                let product = value.wrapping_sub(zero_point).wrapping_mul(*weight);
                *sum = sum.wrapping_add(product);
            }
        });
        write_row(memories.of_mut(dst.space), dst, row_idx, &sums);
    }
}

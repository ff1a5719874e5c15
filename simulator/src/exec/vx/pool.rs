//! Pooling: one result per channel from the elements of a window.

use super::tables::first_row;
use crate::access::{read_row, write_row};
use crate::exec::Memories;
use crate::work::VectorWork;
use systole_isa::Descriptor;
use systole_isa::numerics::{self, Scale};
use systole_isa::operand::{Divide, Rounding};

/// Calls `visit` with the channels of every tap of a row of `src` that lies inside the windows, in order, and the tap's index.
pub(super) fn for_each_tap(
    memories: &Memories,
    work: &VectorWork,
    row_idx: u64,
    values: &mut Vec<i32>,
    mut visit: impl FnMut(usize, &[i32]),
) {
    let (src, n) = (&work.src, work.n);
    for tap in 0..work.n_taps() {
        // Windows bound the levels of the taps, so the channels of a tap share their fate.
        if src.locate(row_idx, tap * n).is_some() {
            read_row(memories.of(src.space), src, row_idx, tap * n, n, values);
            visit(tap as usize, values);
        }
    }
}

/// The maximum over the window; the lowest value of the format of `src` where the whole window lies outside.
pub(super) fn maximum(memories: &mut Memories, work: &VectorWork) {
    let lowest = work.src.format.range().0;
    let (mut values, mut maxima) = (Vec::new(), Vec::new());
    for row_idx in 0..work.m {
        maxima.clear();
        maxima.resize(work.n as usize, lowest);
        for_each_tap(memories, work, row_idx, &mut values, |_, values| {
            maxima
                .iter_mut()
                .zip(values)
                .for_each(|(max, &value)| *max = value.max(*max));
        });
        write_row(memories.of_mut(work.dst.space), &work.dst, row_idx, &maxima);
    }
}

/// The average over the window.
pub(super) fn average(
    memories: &mut Memories,
    work: &VectorWork,
    par: &Descriptor,
    divide: Divide,
    rounding: Rounding,
) {
    let words = first_row(memories, par, 2);
    let scale = Scale {
        multiplier: words[0],
        shift: words[1],
    };
    let (zero_point, dst) = (work.src.zero_point, &work.dst);
    let (mut values, mut sums) = (Vec::new(), Vec::new());
    for row_idx in 0..work.m {
        sums.clear();
        sums.resize(work.n as usize, 0i32);
        let mut n_inside = 0;
        for_each_tap(memories, work, row_idx, &mut values, |_, values| {
            n_inside += 1;
            sums.iter_mut()
                .zip(values)
                .for_each(|(sum, value)| *sum = sum.wrapping_add(value.wrapping_sub(zero_point)));
        });
        let count = match divide {
            Divide::Valid => n_inside,
            Divide::All => work.n_taps(),
            Divide::None => 1,
        };
        for sum in &mut sums {
            *sum = numerics::average(*sum, count, scale, rounding, dst.zero_point, dst.clip);
        }
        write_row(memories.of_mut(dst.space), dst, row_idx, &sums);
    }
}

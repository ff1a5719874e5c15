//! Two inputs, one result per element: addition and multiplication.

use super::tables::first_row;
use crate::access::{read_row, write_row};
use crate::exec::Memories;
use crate::work::VectorWork;
use systole_isa::Descriptor;
use systole_isa::numerics::{AddParameters, MulParameters};
use systole_isa::operand::Rounding;

/// Combines elements of both inputs, less their zero points, row after row.
fn zip(memories: &mut Memories, work: &VectorWork, b: &Descriptor, function: impl Fn(i32, i32) -> i32) {
    let a = &work.src;
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for row_idx in 0..work.m {
        read_row(memories.of(a.space), a, row_idx, 0, work.n, &mut left);
        read_row(memories.of(b.space), b, row_idx, 0, work.n, &mut right);
        for (left, right) in left.iter_mut().zip(&right) {
            *left = function(left.wrapping_sub(a.zero_point), right.wrapping_sub(b.zero_point));
        }
        write_row(memories.of_mut(work.dst.space), &work.dst, row_idx, &left);
    }
}

/// Adds with rescaling.
pub(super) fn add(memories: &mut Memories, work: &VectorWork, b: &Descriptor, par: &Descriptor, rounding: Rounding) {
    let words = first_row(memories, par, AddParameters::n_words(rounding));
    let parameters = AddParameters::from_words(&words, rounding);
    let dst = &work.dst;
    zip(memories, work, b, |x, y| {
        parameters.apply(x, y, dst.zero_point, dst.clip)
    });
}

/// Multiplies with rescaling.
pub(super) fn multiply(
    memories: &mut Memories,
    work: &VectorWork,
    b: &Descriptor,
    par: &Descriptor,
    rounding: Rounding,
) {
    let words = first_row(memories, par, MulParameters::n_words(rounding));
    let parameters = MulParameters::from_words(&words, rounding);
    let dst = &work.dst;
    zip(memories, work, b, |x, y| {
        parameters.apply(x, y, dst.zero_point, dst.clip)
    });
}

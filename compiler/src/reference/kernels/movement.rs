//! Elements in other places.

use super::Context;
use crate::quantized::{QAxis, QMove};

pub(super) fn rearrange(context: Context<'_>, op: &QMove) -> Vec<i32> {
    let mut y = vec![op.fill.unwrap_or(0); context.graph.tensor(op.output).len()];
    for piece in &op.pieces {
        let x = context.elements(piece.input);
        walk(&piece.axes, piece.from as isize, piece.to, &mut |from, to| {
            y[to] = x[from as usize];
        });
    }
    y
}

/// Visits every element of a box: its index in the input and in the output.
fn walk(axes: &[QAxis], from: isize, to: usize, visit: &mut impl FnMut(isize, usize)) {
    let Some((axis, inner)) = axes.split_first() else {
        visit(from, to);
        return;
    };
    for i in 0..axis.length {
        let from = from + i as isize * axis.from_stride;
        walk(inner, from, to + i * axis.to_stride, visit);
    }
}

//! Elements in other places.

use super::{Builder, MAX_ELEMENTS, Step};
use systole_compiler::quantized::{QAxis, QMove, QOp, QPiece, TensorId};

/// Distances of neighbours along the axes of a tensor without gaps.
fn strides(shape: [usize; 4]) -> [usize; 4] {
    let [_, h, w, c] = shape;
    [h * w * c, w * c, c, 1]
}

/// A box of `shape` from `from` with some strides to `to` with others.
fn piece(
    input: TensorId,
    shape: [usize; 4],
    (from, from_strides): (usize, [isize; 4]),
    (to, to_strides): (usize, [usize; 4]),
) -> QPiece {
    let axes = (0..4).map(|axis| QAxis {
        length: shape[axis],
        from_stride: from_strides[axis],
        to_stride: to_strides[axis],
    });
    QPiece {
        input,
        from,
        to,
        axes: axes.collect(),
    }
}

fn signed(strides: [usize; 4]) -> [isize; 4] {
    strides.map(|stride| stride as isize)
}

impl Builder {
    fn moved(&mut self, pieces: Vec<QPiece>, shape: &[usize], fill: Option<i32>) {
        let output = self.activation(shape);
        self.node(QOp::Move(QMove { pieces, output, fill }));
    }

    /// The present tensor and up to two others of its size along an axis.
    pub(super) fn concat(&mut self, input: TensorId, step: &Step) {
        // Mostly along the channels.
        let axis = [3, 3, 3, 2, 1, 0][step.variant % 6];
        let shape = self.shape(input);
        let fits = |other: [usize; 4]| (0..4).all(|i| i == axis || other[i] == shape[i]);
        let others = [self.other(step.other), self.other(step.other + 1)];
        let mut parts = vec![input];
        parts.extend(others.into_iter().filter(|&id| fits(self.shape(id))));
        if step.variant.is_multiple_of(2) {
            parts.reverse();
        }
        let length: usize = parts.iter().map(|&id| self.shape(id)[axis]).sum();
        let mut whole = shape;
        whole[axis] = length;
        if whole.iter().product::<usize>() > MAX_ELEMENTS {
            return;
        }
        let mut at = 0;
        let mut pieces = Vec::new();
        for id in parts {
            let part = self.shape(id);
            let to = (at * strides(whole)[axis], strides(whole));
            pieces.push(piece(id, part, (0, signed(strides(part))), to));
            at += part[axis];
        }
        self.moved(pieces, &whole, None);
    }

    /// A slice along an axis, now and then with a step or backwards.
    pub(super) fn split(&mut self, input: TensorId, step: &Step) {
        let axis = [3, 3, 3, 2, 1, 0][step.variant % 6];
        let shape = self.shape(input);
        let length = shape[axis];
        let n = 1 + step.size % length;
        let first = step.other % (length - n + 1);
        let mut taken = shape;
        taken[axis] = n;
        let mut from = (first * strides(shape)[axis], signed(strides(shape)));
        if step.variant % 4 == 3 {
            from.0 += (n - 1) * strides(shape)[axis];
            from.1[axis] = -from.1[axis];
        }
        self.moved(vec![piece(input, taken, from, (0, strides(taken)))], &taken, None);
    }

    pub(super) fn transpose(&mut self, input: TensorId, step: &Step) {
        const ORDERS: [[usize; 4]; 6] = [
            [0, 1, 3, 2],
            [0, 3, 1, 2],
            [0, 2, 3, 1],
            [0, 2, 1, 3],
            [3, 2, 1, 0],
            [1, 0, 3, 2],
        ];
        let order = ORDERS[step.variant % ORDERS.len()];
        let shape = self.shape(input);
        let turned = order.map(|axis| shape[axis]);
        let from = order.map(|axis| strides(shape)[axis] as isize);
        self.moved(
            vec![piece(input, turned, (0, from), (0, strides(turned)))],
            &turned,
            None,
        );
    }

    pub(super) fn pad(&mut self, input: TensorId, step: &Step) {
        let shape = self.shape(input);
        let [top, left, bottom, right] = step.pads;
        let after = step.variant % 2;
        let padded = [
            shape[0],
            shape[1] + top + bottom,
            shape[2] + left + right,
            shape[3] + after,
        ];
        if padded.iter().product::<usize>() > MAX_ELEMENTS {
            return;
        }
        let to = strides(padded);
        let first = top * to[1] + left * to[2];
        let fill = self.zero_point();
        let pieces = vec![piece(input, shape, (0, signed(strides(shape))), (first, to))];
        self.moved(pieces, &padded, Some(fill));
    }

    /// Nearest neighbours, by whole factors.
    pub(super) fn resize(&mut self, input: TensorId, step: &Step) {
        let [n, h, w, c] = self.shape(input);
        let [fy, fx] = [1 + step.variant % 3, 1 + step.size % 3];
        let whole = [n, h * fy, w * fx, c];
        if whole.iter().product::<usize>() > MAX_ELEMENTS {
            return;
        }
        let (from, to) = (strides([n, h, w, c]), strides(whole));
        let axis = |length, from_stride: usize, to_stride| QAxis {
            length,
            from_stride: from_stride as isize,
            to_stride,
        };
        let axes = vec![
            axis(n, from[0], to[0]),
            axis(h, from[1], to[1] * fy),
            axis(fy, 0, to[1]),
            axis(w, from[2], to[2] * fx),
            axis(fx, 0, to[2]),
            axis(c, 1, 1),
        ];
        let piece = QPiece {
            input,
            from: 0,
            to: 0,
            axes,
        };
        self.moved(vec![piece], &whole, None);
    }
}

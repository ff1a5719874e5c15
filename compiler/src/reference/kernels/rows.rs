//! Operators that look at all elements along the last axis.

use super::Context;
use crate::quantized::{QLayerNorm, QSoftmax, TensorId};
use crate::reference::arith::{divide_half_away, place};

/// One, in numbers with 16 fraction bits.
const ONE: i128 = 1 << 16;

fn rows(context: Context<'_>, id: TensorId) -> impl Iterator<Item = &[i32]> {
    let length = context.shape(id).last().copied().unwrap_or(1);
    context.elements(id).chunks(length.max(1))
}

pub(super) fn softmax(context: Context<'_>, op: &QSoftmax) -> Vec<i32> {
    let mut y = Vec::with_capacity(context.elements(op.input).len());
    for row in rows(context, op.input) {
        let maximum = row.iter().copied().max().unwrap_or(0);
        let exponentials: Vec<i128> = row.iter().map(|x| op.table[(maximum - x) as usize].into()).collect();
        let sum: i128 = exponentials.iter().sum();
        let one = i128::from(op.table[256]);
        y.extend(exponentials.iter().map(|e| {
            let share = if sum > 0 { divide_half_away(e * one, sum) } else { 0 };
            place(share as i64, op.output_zero_point, op.clip)
        }));
    }
    y
}

pub(super) fn layer_norm(context: Context<'_>, op: &QLayerNorm) -> Vec<i32> {
    let mut y = Vec::with_capacity(context.elements(op.input).len());
    for row in rows(context, op.input) {
        let n = row.len() as i128;
        let centred: Vec<i128> = row.iter().map(|x| i128::from(x - op.input_zero_point)).collect();
        let sum: i128 = centred.iter().sum();
        // n times the distance of each element from the mean; the sum of their squares is n times (n q - s^2), without remainder.
        let distances: Vec<i128> = centred.iter().map(|x| n * x - sum).collect();
        let squares: i128 = distances.iter().map(|d| d * d).sum::<i128>() / n;
        let radicand = squares * ONE * ONE + n * n * i128::from(op.epsilon) * ONE;
        let deviation = radicand.max(0).isqrt();
        y.extend(distances.iter().zip(&op.gamma_beta).map(|(distance, &[gamma, beta])| {
            let (gamma, beta) = (i128::from(gamma), i128::from(beta));
            let normal = match deviation {
                0 => divide_half_away(beta, ONE),
                r => divide_half_away(distance * ONE * gamma + r * beta, ONE * r),
            };
            place(normal as i64, op.output_zero_point, op.clip)
        }));
    }
    y
}

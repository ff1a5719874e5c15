//! Sums that stay in the PEs while both operands move, and leave by the drain chain.

use super::{Columns, PeState, PeView, dot};
use crate::exec::{self, Tile};
use crate::machine::{Machine, Mode};
use crate::work::matrix::OutputStationary;
use systole_isa::throughput::Rate;

/// An output-stationary product with its operands among the view's values.
struct Operands {
    /// Live rows of K by output columns, one per part of the weights' bits.
    weights: Vec<Columns>,
    /// Live columns of K by output rows, one per part of the activations' bits.
    activations: Vec<Columns>,
    /// Bits of one part of each.
    part_bits: (u32, u32),
    n_live: usize,
    rate: Rate,
}

impl Machine {
    pub(super) fn show_output_stationary(&self, view: &mut PeView, product: &OutputStationary, local: u64) {
        let operands = self.operands(view, product);
        let has_values = self.mode() == Mode::Full;
        let gates = self.description().sparsity.zero_gating;
        let n_chunks = operands.n_live.div_ceil(operands.rate.packing() as usize).max(1);
        let steps = n_chunks * operands.rate.passes() as usize;
        let (m, n) = (product.m as usize, product.w.shape.n as usize);
        for (r, c) in view.shown().filter(|&(_, c)| c < n) {
            let Some(since) = local.checked_sub((r + c) as u64).map(|since| since as usize) else {
                continue;
            };
            let has_sum = has_values && operands.n_live > 0 && view.detail.sums.contains(r, c);
            if r < m && since < steps {
                view.cells[r * view.n_cols + c].row = Some(product.m0 + r as u64);
                operands.show_step(view, (r, c), since, (has_sum, gates));
            }
            if let Some(from) = drained(r, c, local as usize, steps, view.n_rows).filter(|from| *from < m) {
                let sum = has_sum.then(|| operands.sum(view, (from, c), n_chunks, 0));
                let cell = &mut view.cells[r * view.n_cols + c];
                cell.drain = sum;
                if cell.state == PeState::Idle {
                    cell.state = PeState::Passing;
                }
            }
        }
    }

    fn operands(&self, view: &mut PeView, product: &OutputStationary) -> Operands {
        let pair = product.w.shape.pair(product.a.format);
        let rate = product.rate(self.description());
        let packing = rate.packing() as usize;
        let (weight_parts, activation_parts) = pair.digits(rate.passes());
        let (w_bits, a_bits) = (pair.weights.bits(), pair.activations.bits());
        let (mut weights, mut rows) = (Tile::without_values(product.w.shape.clone()), Vec::new());
        if self.mode() == Mode::Full {
            weights = exec::load_tile(&self.state.memories, &product.w);
            let mut row = Vec::new();
            for row_idx in 0..product.m {
                exec::moving_row(&self.state.memories, &product.as_product(), &weights, row_idx, &mut row);
                rows.push(row.clone());
            }
        }
        let n_live = product.w.shape.live.count() as usize;
        let weights = (0..weight_parts)
            .map(|part| view.store_columns_with(&weights, packing, |w| exec::digit(w, part, weight_parts, w_bits)))
            .collect();
        let mut activations = Vec::new();
        for part in 0..activation_parts {
            let columns = Columns {
                first: view.values.len(),
                n_rows: if rows.is_empty() { 0 } else { n_live },
                n_cols: rows.len(),
                packing,
            };
            let values = rows.iter().flatten();
            view.values
                .extend(values.map(|&a| exec::digit(a, part, activation_parts, a_bits)));
            activations.push(columns);
        }
        Operands {
            weights,
            activations,
            part_bits: (w_bits / weight_parts as u32, a_bits / activation_parts as u32),
            n_live,
            rate,
        }
    }
}

impl Operands {
    /// Parts of (weights, activations) that meet in a pass, and how far their products are shifted.
    fn pass(&self, pass: usize) -> (usize, usize, u32) {
        let n = self.activations.len();
        let (w, a) = (pass / n, pass % n);
        (w, a, w as u32 * self.part_bits.0 + a as u32 * self.part_bits.1)
    }

    fn show_step(&self, view: &mut PeView, (r, c): (usize, usize), step: usize, (has_sum, gates): (bool, bool)) {
        let passes = self.rate.passes() as usize;
        let (chunk, pass) = (step / passes, step % passes);
        let (w, a, _) = self.pass(pass);
        let (weights, activations) = (self.weights[w].pack(chunk, c), self.activations[a].pack(chunk, r));
        let state = view.multiplying(weights, activations, gates);
        let sum = has_sum.then(|| self.sum(view, (r, c), chunk, pass + 1));
        let (weight, activation) = (view.first(weights), view.first(activations));
        let cell = &mut view.cells[r * view.n_cols + c];
        (cell.weight, cell.weights) = (weight, weights);
        (cell.activation, cell.activations) = (activation, activations);
        cell.partial_sum = sum;
        cell.state = if self.n_live > 0 { state } else { PeState::Idle };
    }

    /// The sum in PE `(r, c)` after `n_chunks` packs and `n_passes` passes of the next one.
    fn sum(&self, view: &PeView, (r, c): (usize, usize), n_chunks: usize, n_passes: usize) -> i64 {
        let passes = self.rate.passes() as usize;
        (0..passes)
            .map(|pass| {
                let (w, a, shift) = self.pass(pass);
                let n_chunks = n_chunks + usize::from(pass < n_passes);
                let n = (n_chunks * self.rate.packing() as usize).min(self.n_live);
                let weights = &view.values[self.weights[w].column(c, n)];
                dot(weights, &view.values[self.activations[a].column(r, n)]) << shift
            })
            .sum()
    }
}

/// The row whose sum stands in place `r` of the drain chain of column `c`, `local` cycles after the start.
fn drained(r: usize, c: usize, local: usize, steps: usize, n_rows: usize) -> Option<usize> {
    let since = local.checked_sub(steps + c)?;
    // Sums wait until that of the last row has entered the chain.
    let shifts = since.saturating_sub(n_rows - 1);
    if since < n_rows - 1 && since < r {
        None
    } else {
        r.checked_sub(shifts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_wait_for_the_last_row_and_then_move_down() {
        // Three rows, two steps, column 1: the sums are complete after cycles 2, 3 and 4 and in the chain one cycle later.
        let places = |local| [0, 1, 2].map(|r| drained(r, 1, local, 2, 3));
        assert_eq!(places(2), [None; 3]);
        assert_eq!(places(3), [Some(0), None, None]);
        assert_eq!(places(4), [Some(0), Some(1), None]);
        assert_eq!(places(5), [Some(0), Some(1), Some(2)]);
        assert_eq!(places(6), [None, Some(0), Some(1)]);
        assert_eq!(places(7), [None, None, Some(0)]);
        assert_eq!(places(8), [None; 3]);
    }
}

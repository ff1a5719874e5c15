//! What every PE holds and does in a cycle: a pure function of the array instructions under way and the cycle, so that no PE register
//! lives in the machine's state.
//!
//! A matrix product that started in cycle `s` has PE `(r, c)` multiply activation row `i` in cycle `s + i + r + c`: activations enter
//! row `r` skewed by `r` cycles and move one column per cycle, partial sums move down one row per cycle.

use crate::access::read_row;
use crate::exec::SharedTile;
use crate::machine::Machine;
use crate::mx::MxInFlight;
use crate::work::Work;

/// What a PE does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PeState {
    /// Nothing.
    #[default]
    Idle,
    /// It takes over a weight of the next tile and multiplies nothing.
    Loading,
    /// It multiplies two operands that are not zero.
    Active,
    /// One operand is zero: the multiplier is gated.
    Gated,
    /// The partial sum passes a PE that holds no weight of the tile.
    Passing,
}

/// One PE in one cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PeCell {
    /// What it does.
    pub state: PeState,
    /// The weight that it multiplies with, zero point removed; `None` if it holds none.
    pub weight: Option<i32>,
    /// The weight of the next tile in its shadow register.
    pub shadow: Option<i32>,
    /// The activation that it multiplies, zero point removed.
    pub activation: Option<i32>,
    /// The partial sum that it hands down.
    pub partial_sum: Option<i64>,
    /// Row of the activation view that the activation belongs to.
    pub row: Option<u64>,
}

/// The array in one cycle, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeView {
    /// Rows of the array.
    pub n_rows: usize,
    /// Columns of the array.
    pub n_cols: usize,
    /// The cycle shown: the last one that has happened.
    pub cycle: u64,
    /// `n_rows * n_cols` cells.
    pub cells: Vec<PeCell>,
}

impl Machine {
    /// What every PE did in the last cycle. In timing-only runs cells have states but no values.
    pub fn pe_view(&self) -> PeView {
        let (n_rows, n_cols) = (self.description().rows as usize, self.description().cols as usize);
        let mut view = PeView {
            n_rows,
            n_cols,
            cycle: self.now().saturating_sub(1),
            cells: vec![PeCell::default(); n_rows * n_cols],
        };
        if self.now() == 0 {
            return view;
        }
        view.hold(&self.state.mx.active, |cell, weight| cell.weight = weight);
        for in_flight in &self.state.mx.in_flight {
            let local = view.cycle - in_flight.started_at;
            match &*in_flight.dispatched.work {
                Work::MatMul { .. } => self.show_product(&mut view, in_flight, local),
                Work::WeightLoad { w, k, n } => {
                    let tile = crate::exec::load_weights(&self.state.memories, w, *k, *n);
                    view.show_load(&tile.weights, *k as usize, *n as usize, local);
                }
                _ => {}
            }
        }
        if let crate::mx::Shadow::Loaded(tile) = &self.state.mx.shadow {
            view.hold(tile, |cell, weight| cell.shadow = weight);
        }
        view
    }

    fn show_product(&self, view: &mut PeView, product: &MxInFlight, local: u64) {
        let Work::MatMul { a, m0, m, k0, .. } = &*product.dispatched.work else {
            return;
        };
        let tile = &product.tile;
        let (k, n) = (tile.k as usize, tile.n as usize);
        // Rows of `a` that are anywhere in the array now.
        let first = local.saturating_sub((view.n_rows + view.n_cols - 2) as u64);
        let last = local.min(m.saturating_sub(1));
        if first > last {
            return;
        }
        let mut rows = Vec::new();
        let memory = self.memory(a.space);
        for row_idx in first..=last {
            let mut row = Vec::new();
            read_row(memory, a, m0 + row_idx, *k0, tile.k, &mut row);
            row.iter_mut().for_each(|value| *value -= a.zero_point);
            rows.push(row);
        }
        for c in 0..n {
            for r in 0..view.n_rows {
                let Some(i) = local.checked_sub((r + c) as u64).filter(|i| i < m) else {
                    continue;
                };
                let activations = &rows[(i - first) as usize];
                let weight = |r: usize| tile.weights.get(r * n + c).copied();
                let cell = &mut view.cells[r * view.n_cols + c];
                cell.row = Some(m0 + i);
                let sums = (0..k.min(r + 1)).map(|x| Some(i64::from(activations[x]) * i64::from(weight(x)?)));
                cell.partial_sum = sums.sum();
                if r >= k {
                    cell.state = PeState::Passing;
                    continue;
                }
                cell.activation = Some(activations[r]);
                cell.weight = weight(r);
                cell.state = if activations[r] == 0 || weight(r) == Some(0) {
                    PeState::Gated
                } else {
                    PeState::Active
                };
            }
        }
    }
}

impl PeView {
    /// The cell in a row and column.
    pub fn cell(&self, row: usize, col: usize) -> &PeCell {
        &self.cells[row * self.n_cols + col]
    }

    fn hold(&mut self, tile: &SharedTile, set: impl Fn(&mut PeCell, Option<i32>)) {
        let n = tile.n as usize;
        for (i, &weight) in tile.weights.iter().enumerate() {
            set(&mut self.cells[i / n * self.n_cols + i % n], Some(weight));
        }
    }

    /// Weights enter from the top, last row first, and move down one row per cycle: after `local + 1` shifts row `r` holds the weight
    /// that will end `k - 1 - local` rows further down.
    fn show_load(&mut self, weights: &[i32], k: usize, n: usize, local: u64) {
        for r in 0..k.min(local as usize + 1).min(self.n_rows) {
            let remaining = k.saturating_sub(1 + local as usize);
            for c in 0..n {
                let cell = &mut self.cells[r * self.n_cols + c];
                cell.shadow = weights.get((r + remaining) * n + c).copied();
                if cell.state == PeState::Idle {
                    cell.state = PeState::Loading;
                }
            }
        }
    }
}

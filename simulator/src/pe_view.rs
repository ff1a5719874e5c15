//! What every PE holds and does in a cycle: a pure function of the array instructions under way and the cycle, so that no PE register
//! lives in the machine's state.
//!
//! A matrix product that started in cycle `s` has PE `(r, c)` multiply activation row `i` in cycle `s + i + r + c`: activations enter
//! row `r` skewed by `r` cycles and move one column per cycle, partial sums move down one row per cycle. Weights shift down the columns,
//! column `c` skewed by `c` cycles, and the swap travels with the first activation row; without that skew the next tile, which may load
//! from cycle `s` on, would overwrite shadow registers that the swap has not reached.

use crate::access::read_row;
use crate::exec::{self, SharedTile, WeightTile};
use crate::machine::{Machine, Mode};
use crate::mx::{MxInFlight, Resident};
use crate::work::Work;
use systole_isa::latency;

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
        for resident in &self.state.mx.residents {
            if let Some(tile) = resident.tile.clone().or_else(|| self.tile_being_loaded()) {
                let n_shifts = latency::weight_load(self.description(), tile.k).0;
                view.show_resident(resident, &tile, n_shifts);
            }
        }
        for product in &self.state.mx.in_flight {
            // In the cycle of a fault, products may have started that the view does not show yet.
            if let Some(local) = view.cycle.checked_sub(product.started_at) {
                self.show_product(&mut view, product, local);
            }
        }
        view
    }

    /// The tile of the load under way.
    fn tile_being_loaded(&self) -> Option<SharedTile> {
        self.state
            .mx
            .in_flight
            .iter()
            .find_map(|load| match &*load.dispatched.work {
                Work::WeightLoad { w, k, n } if self.mode() == Mode::Full => {
                    Some(exec::load_weights(&self.state.memories, w, *k, *n).into())
                }
                Work::WeightLoad { k, n, .. } => Some(
                    WeightTile {
                        k: *k,
                        n: *n,
                        weights: Vec::new(),
                    }
                    .into(),
                ),
                _ => None,
            })
    }

    fn show_product(&self, view: &mut PeView, product: &MxInFlight, local: u64) {
        let Work::MatMul { a, m0, m, k0, .. } = &*product.dispatched.work else {
            return;
        };
        let (tile, has_values) = (&product.tile, self.mode() == Mode::Full);
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
                cell.activation = has_values.then_some(activations[r]);
                cell.state = if has_values && activations[r] == 0 || weight(r) == Some(0) {
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

    /// Shows a tile in shadow and active registers. `n_shifts` rows enter the top of each column, tile row 0 last; those before the
    /// tile's own are empty.
    fn show_resident(&mut self, resident: &Resident, tile: &WeightTile, n_shifts: u64) {
        let (cycle, n) = (self.cycle, tile.n as usize);
        let weight = |r: usize, c: usize| {
            if c < n {
                tile.weights.get(r * n + c).copied()
            } else {
                None
            }
        };
        for (i, cell) in self.cells.iter_mut().enumerate() {
            let (r, c) = (i / self.n_cols, i % self.n_cols);
            let since = |from: u64| cycle.checked_sub(from + (r + c) as u64);
            if resident.active_from.and_then(since).is_some() {
                (cell.weight, cell.shadow) = (weight(r, c), None);
            } else if let Some(n_seen) = since(resident.loads_from)
                && let Some(last) = n_shifts.checked_sub(1 + r as u64)
            {
                cell.shadow = weight((n_shifts - 1 - n_seen.min(last)) as usize, c);
                if n_seen <= last && c < n {
                    cell.state = PeState::Loading;
                }
            }
        }
    }
}

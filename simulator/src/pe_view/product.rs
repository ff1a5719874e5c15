//! Rows of the moving operand among the PEs of a tile.

use super::{Columns, Pack, PeState, PeView, dot};
use crate::exec::{self, Tile};
use crate::machine::{Machine, Mode};
use crate::work::matrix::{Product, Stationary};
use systole_isa::latency::banks::BankUse;

/// One pass of one row that is somewhere in the array.
struct Wave {
    /// Row of the view.
    row: u64,
    /// Part of the stationary operand's bits that it meets.
    part: usize,
    /// Its values, as PEs without a pattern take them, lie from here on among the view's values.
    first: usize,
}

impl Machine {
    pub(super) fn show_product(
        &self,
        view: &mut PeView,
        (product, tile): (&Product, &Tile),
        banks: BankUse,
        local: u64,
    ) {
        let shape = &tile.shape;
        let pair = shape.pair(product.a.format);
        let passes = self.description().rate(pair).passes();
        let (weight_parts, activation_parts) = pair.digits(passes);
        let (held_parts, moving_parts) = match shape.operand {
            Stationary::Weights => (weight_parts, activation_parts),
            Stationary::Activations => (activation_parts, weight_parts),
        };
        let has_values = self.mode() == Mode::Full;
        let rows = match has_values {
            true => exec::live_rows(&self.state.memories, product),
            false => (0..product.m).collect(),
        };
        // Passes that are anywhere in the array now, and gaps where the scratchpad is slower than the passes of a row.
        let interval = passes.max(banks.interval);
        let n_waves = rows.len() as u64 * interval;
        let first = local.saturating_sub((view.n_rows + view.n_cols - 2) as u64);
        if first >= n_waves || n_waves == 0 {
            return;
        }
        let last = local.min(n_waves - 1);
        let packing = self.packing(tile);
        let held: Vec<Columns> = (0..held_parts)
            .map(|part| {
                let bits = shape.format.bits();
                view.store_columns_with(tile, packing, |value| exec::digit(value, part, held_parts, bits))
            })
            .collect();
        let mut row = Vec::new();
        let waves: Vec<Option<Wave>> = (first..=last)
            .map(|wave| {
                let (row_idx, pass) = (rows[(wave / interval) as usize], wave % interval);
                if pass >= passes {
                    return None;
                }
                if has_values {
                    exec::moving_row(&self.state.memories, product, tile, row_idx, &mut row);
                }
                let (part, bits) = (pass % moving_parts, product.a.format.bits());
                row.iter_mut()
                    .for_each(|value| *value = exec::digit(*value, part, moving_parts, bits));
                Some(Wave {
                    row: product.m0 + row_idx,
                    part: (pass / moving_parts) as usize,
                    first: view.store(&row),
                })
            })
            .collect();
        let gates = self.description().sparsity.zero_gating;
        for r in 0..view.n_rows {
            for c in 0..shape.n as usize {
                let wave = local
                    .checked_sub((r + c) as u64)
                    .and_then(|wave| wave.checked_sub(first));
                if let Some(Some(wave)) = wave.and_then(|wave| waves.get(wave as usize)) {
                    let held = &held[wave.part];
                    show(view, tile, held, wave, (r, c), (has_values, gates, packing));
                }
            }
        }
    }
}

/// Shows a wave in the PE at `(r, c)`.
fn show(
    view: &mut PeView,
    tile: &Tile,
    held: &Columns,
    wave: &Wave,
    (r, c): (usize, usize),
    (has_values, gates, packing): (bool, bool, usize),
) {
    let n_rows = tile.shape.n_rows() as usize;
    let n_above = n_rows.min((r + 1) * packing);
    let weights = held.pack(r, c);
    let selected = match tile.shape.pattern {
        // Each PE selects what its weights need.
        Some(_) if has_values => select(view, tile, wave, c, n_above),
        _ => wave.first,
    };
    let cell = r * view.n_cols + c;
    view.cells[cell].row = Some(wave.row);
    if has_values && n_above > 0 {
        let column = held.column(c, n_above);
        let sum = dot(&view.values[selected..selected + n_above], &view.values[column]);
        view.cells[cell].partial_sum = Some(sum);
    }
    if r * packing >= n_rows {
        view.cells[cell].state = PeState::Passing;
        return;
    }
    let activations = match has_values {
        true => Pack {
            first: (selected + r * packing) as u32,
            n: weights.n,
        },
        false => Pack::default(),
    };
    let (state, first) = (view.multiplying(weights, activations, gates), view.first(activations));
    let cell = &mut view.cells[cell];
    (cell.activation, cell.activations) = (first, activations);
    cell.state = state;
}

/// Stores what the first `n` held weights of column `c` select from a wave.
fn select(view: &mut PeView, tile: &Tile, wave: &Wave, c: usize, n: usize) -> usize {
    let (group, kept) = tile
        .shape
        .pattern
        .map_or((1, 1), |p| (p.group() as usize, p.kept() as usize));
    let first = view.values.len();
    for row in 0..n {
        let position = usize::from(tile.positions[row * tile.shape.n as usize + c]);
        let value = view.values[wave.first + row / kept * group + position];
        view.values.push(value);
    }
    first
}

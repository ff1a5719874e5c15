//! Rows of the moving operand among the PEs of a tile.

use super::{Columns, Pack, PeState, PeView, Region, dot};
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

/// How rows follow each other into the array: `passes` waves each, one part of the operands' bits at a time, and gaps where the
/// scratchpad is slower than the passes of a row.
pub(super) struct Stream {
    /// Rows that are streamed, counted from the product's first.
    rows: Vec<u64>,
    pub(super) passes: u64,
    interval: u64,
    held_parts: u64,
    moving_parts: u64,
}

impl Stream {
    pub(super) fn of(machine: &Machine, product: &Product, tile: &Tile, banks: BankUse) -> Self {
        let pair = tile.shape.pair(product.a.format);
        let passes = machine.description().rate(pair).passes();
        let (weight_parts, activation_parts) = pair.digits(passes);
        let (held_parts, moving_parts) = match tile.shape.operand {
            Stationary::Weights => (weight_parts, activation_parts),
            Stationary::Activations => (activation_parts, weight_parts),
        };
        let rows = match machine.mode() {
            Mode::Full => exec::live_rows(&machine.state.memories, product),
            Mode::TimingOnly => (0..product.m).collect(),
        };
        Self {
            rows,
            passes,
            interval: passes.max(banks.interval),
            held_parts,
            moving_parts,
        }
    }

    fn n_waves(&self) -> u64 {
        self.rows.len() as u64 * self.interval
    }

    /// Row and pass of a wave; `None` for a gap.
    pub(super) fn wave(&self, wave: u64) -> Option<(u64, u64)> {
        let row = *self.rows.get((wave / self.interval) as usize)?;
        Some((row, wave % self.interval)).filter(|(_, pass)| *pass < self.passes)
    }
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
        let has_values = self.mode() == Mode::Full;
        let stream = Stream::of(self, product, tile, banks);
        // Waves that are anywhere in the part of the array that is shown.
        let Region { rows, cols } = view.detail.cells.clone();
        let (Some(last_row), Some(last_col)) = (rows.end.checked_sub(1), cols.end.checked_sub(1)) else {
            return;
        };
        let Some(last) = local.checked_sub((rows.start + cols.start) as u64) else {
            return;
        };
        let first = local.saturating_sub((last_row + last_col) as u64);
        if first >= stream.n_waves() {
            return;
        }
        let last = last.min(stream.n_waves() - 1);
        let packing = self.packing(tile);
        let held: Vec<Columns> = (0..stream.held_parts)
            .map(|part| {
                let bits = shape.format.bits();
                view.store_columns_with(tile, packing, |value| exec::digit(value, part, stream.held_parts, bits))
            })
            .collect();
        let mut row = Vec::new();
        let waves: Vec<Option<Wave>> = (first..=last)
            .map(|wave| {
                let (row_idx, pass) = stream.wave(wave)?;
                if has_values {
                    exec::moving_row(&self.state.memories, product, tile, row_idx, &mut row);
                }
                let (part, bits) = (pass % stream.moving_parts, product.a.format.bits());
                row.iter_mut()
                    .for_each(|value| *value = exec::digit(*value, part, stream.moving_parts, bits));
                Some(Wave {
                    row: product.m0 + row_idx,
                    part: (pass / stream.moving_parts) as usize,
                    first: view.store(&row),
                })
            })
            .collect();
        let gates = self.description().sparsity.zero_gating;
        for (r, c) in view.shown().filter(|&(_, c)| c < shape.n as usize) {
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
    let (n_before, n_above) = (n_rows.min(r * packing), n_rows.min((r + 1) * packing));
    let weights = held.pack(r, c);
    let has_sum = has_values && n_above > 0 && view.detail.sums.contains(r, c);
    // Each PE selects what its weights need; a sum also needs what those above have selected.
    let first_needed = if has_sum { 0 } else { n_before };
    let selected = match tile.shape.pattern {
        Some(_) if has_values => select(view, tile, wave, c, first_needed..n_above),
        _ => wave.first + first_needed,
    };
    let cell = r * view.n_cols + c;
    view.cells[cell].row = Some(wave.row);
    if has_sum {
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
            first: (selected + n_before - first_needed) as u32,
            n: weights.n,
        },
        false => Pack::default(),
    };
    let (state, first) = (view.multiplying(weights, activations, gates), view.first(activations));
    let cell = &mut view.cells[cell];
    (cell.activation, cell.activations) = (first, activations);
    cell.state = state;
}

/// Stores what some held weights of column `c` select from a wave.
fn select(view: &mut PeView, tile: &Tile, wave: &Wave, c: usize, rows: std::ops::Range<usize>) -> usize {
    let (group, kept) = tile
        .shape
        .pattern
        .map_or((1, 1), |p| (p.group() as usize, p.kept() as usize));
    let first = view.values.len();
    for row in rows {
        let position = usize::from(tile.positions[row * tile.shape.n as usize + c]);
        let value = view.values[wave.first + row / kept * group + position];
        view.values.push(value);
    }
    first
}

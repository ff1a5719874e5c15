//! What every PE holds and does in a cycle: a pure function of the array instructions under way and the cycle, so that no PE register
//! lives in the machine's state.
//!
//! Row `i` of a product that started in cycle `s` meets PE `(r, c)` in cycle `s + i + r + c`: the moving operand enters row `r` skewed by
//! `r` cycles and moves one column per cycle, partial sums move down one row per cycle. Tiles shift down the columns, column `c`
//! skewed by `c` cycles, and the swap travels with the first row; without that skew the next tile, which may load
//! from cycle `s` on, would overwrite shadow registers that the swap has not reached.
//!
//! Operands narrower than a PE's multiplier share it: neighbours along K, a *pack*. Wider ones pass several times, each time with another
//! part of their bits; the partial sums shown are those of the part, joined at the foot of the column.
//!
//! Step `i` of an output-stationary product meets PE `(r, c)` in the same cycle `s + i + r + c`, both operands moving. One cycle after
//! the last step the sum enters the drain chain, waits for the last PE of its column and then moves down one row per cycle.

mod origin;
mod output_stationary;
mod product;

pub use origin::{Origin, PeOrigins, SumOrigin};

use crate::exec::{self, SharedTile, Tile};
use crate::machine::{Machine, Mode};
use crate::mx::Resident;
use crate::work::Work;
use std::ops::Range;
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
    /// One operand of each multiplication is zero, and the multiplier works nevertheless.
    Zero,
    /// One operand of each multiplication is zero: the multiplier is gated.
    Gated,
    /// A sum passes a PE that multiplies nothing.
    Passing,
}

/// Values that share a PE; see [`PeView::pack`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pack {
    first: u32,
    n: u32,
}

/// One PE in one cycle. Where several values share the PE, the plain fields show the first of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PeCell {
    /// What it does.
    pub state: PeState,
    /// The value of the stationary tile that it multiplies with, zero point removed; `None` if it holds none. In an output-stationary product the
    /// weight that passes.
    pub weight: Option<i32>,
    /// The value of the next tile in its shadow register.
    pub shadow: Option<i32>,
    /// The value of the moving operand that it multiplies, zero point removed.
    pub activation: Option<i32>,
    /// The partial sum that it hands down, or keeps in an output-stationary product.
    pub partial_sum: Option<i64>,
    /// The finished sum in its place of the drain chain.
    pub drain: Option<i64>,
    /// Row of the moving operand's view that the activation belongs to.
    pub row: Option<u64>,
    /// All values that `weight` is the first of.
    pub weights: Pack,
    /// All values that `shadow` is the first of.
    pub shadows: Pack,
    /// All values that `activation` is the first of.
    pub activations: Pack,
}

/// A rectangle of PEs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    /// Rows of the array.
    pub rows: Range<usize>,
    /// Columns of the array.
    pub cols: Range<usize>,
}

impl Region {
    /// No PE.
    pub const NOTHING: Self = Self { rows: 0..0, cols: 0..0 };

    /// The PE in a row and column.
    pub fn of_cell(row: usize, col: usize) -> Self {
        Self {
            rows: row..row + 1,
            cols: col..col + 1,
        }
    }

    /// Whether a PE lies inside.
    pub fn contains(&self, row: usize, col: usize) -> bool {
        self.rows.contains(&row) && self.cols.contains(&col)
    }

    /// The part inside an array of `n_rows` by `n_cols`.
    fn within(&self, n_rows: usize, n_cols: usize) -> Self {
        let cut = |range: &Range<usize>, n: usize| range.start.min(n)..range.end.min(n);
        Self {
            rows: cut(&self.rows, n_rows),
            cols: cut(&self.cols, n_cols),
        }
    }
}

/// Which PEs a view shows, and of which it shows partial sums as well: a sum costs as many steps as there are PEs above it, all else
/// is one step per PE.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Detail {
    /// PEs that are shown; the others appear idle.
    pub cells: Region,
    /// PEs whose partial sums are shown.
    pub sums: Region,
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
    /// Values that packs refer to.
    values: Vec<i32>,
    detail: Detail,
}

impl Machine {
    /// What every PE did in the last cycle. In timing-only runs cells have states but no values.
    pub fn pe_view(&self) -> PeView {
        let everything = Region {
            rows: 0..usize::MAX,
            cols: 0..usize::MAX,
        };
        self.pe_view_of(&Detail {
            cells: everything.clone(),
            sums: everything,
        })
    }

    /// The same for some PEs, with the partial sums of some.
    pub fn pe_view_of(&self, detail: &Detail) -> PeView {
        let (n_rows, n_cols) = (self.description().rows as usize, self.description().cols as usize);
        let mut view = PeView {
            n_rows,
            n_cols,
            cycle: self.now().saturating_sub(1),
            cells: vec![PeCell::default(); n_rows * n_cols],
            values: Vec::new(),
            detail: Detail {
                cells: detail.cells.within(n_rows, n_cols),
                sums: detail.sums.within(n_rows, n_cols),
            },
        };
        if self.now() == 0 {
            return view;
        }
        for resident in &self.state.mx.residents {
            match resident.tile.clone().or_else(|| self.tile_being_loaded(resident)) {
                Some(tile) => self.show_resident(&mut view, resident, &tile),
                None => view.show_pushed_out(resident),
            }
        }
        for under_way in &self.state.mx.in_flight {
            // In the cycle of a fault, products may have started that the view does not show yet.
            let Some(local) = view.cycle.checked_sub(under_way.started_at) else {
                continue;
            };
            match (&*under_way.dispatched.work, &under_way.tile) {
                (Work::Product(product), Some(tile)) => {
                    self.show_product(&mut view, (product, tile), under_way.banks, local);
                }
                (Work::OutputStationary(product), _) => self.show_output_stationary(&mut view, product, local),
                _ => {}
            }
        }
        view
    }

    /// The tile of the load under way, which belongs to the shadow registers.
    fn tile_being_loaded(&self, resident: &Resident) -> Option<SharedTile> {
        if resident.active_from.is_some() {
            return None;
        }
        self.state
            .mx
            .in_flight
            .iter()
            .find_map(|load| match &*load.dispatched.work {
                Work::TileLoad(load) if self.mode() == Mode::Full => {
                    Some(exec::load_tile(&self.state.memories, load).into())
                }
                Work::TileLoad(load) => Some(Tile::without_values(load.shape.clone()).into()),
                _ => None,
            })
    }

    /// Shows a tile in shadow and active registers. As many packs as the load takes cycles enter the top of each column, that of row 0
    /// last; those before the tile's own are empty.
    fn show_resident(&self, view: &mut PeView, resident: &Resident, tile: &Tile) {
        let held = view.store_columns(tile, self.packing(tile));
        let n_shifts = latency::weight_load(self.description(), tile.shape.n_rows()).0;
        let (cycle, n) = (view.cycle, tile.shape.n as usize);
        for (r, c) in view.shown() {
            let i = r * view.n_cols + c;
            let since = |from: u64| cycle.checked_sub(from + (r + c) as u64);
            if resident.active_from.and_then(since).is_some() {
                let pack = held.pack(r, c);
                let weight = view.first(pack);
                let cell = &mut view.cells[i];
                (cell.weight, cell.weights) = (weight, pack);
                (cell.shadow, cell.shadows) = (None, Pack::default());
            } else if let Some(n_seen) = since(resident.loads_from).map(|n| n / resident.load_interval)
                && let Some(last) = n_shifts.checked_sub(1 + r as u64)
            {
                let pack = held.pack((n_shifts - 1 - n_seen.min(last)) as usize, c);
                let shadow = view.first(pack);
                let cell = &mut view.cells[i];
                (cell.shadow, cell.shadows) = (shadow, pack);
                if n_seen <= last && c < n {
                    cell.state = PeState::Loading;
                }
            }
        }
    }

    /// Rows of a tile that share a PE.
    fn packing(&self, tile: &Tile) -> usize {
        latency::packing(self.description(), tile.shape.n_rows()) as usize
    }
}

/// Where the columns of a tile lie among a view's values: each column's rows side by side.
#[derive(Clone, Copy, Debug)]
struct Columns {
    first: usize,
    n_rows: usize,
    n_cols: usize,
    packing: usize,
}

impl Columns {
    /// The values that PE `(r, c)` holds.
    fn pack(&self, r: usize, c: usize) -> Pack {
        let (from, until) = (r * self.packing, ((r + 1) * self.packing).min(self.n_rows));
        if c >= self.n_cols || from >= until {
            return Pack::default();
        }
        Pack {
            first: (self.first + c * self.n_rows + from) as u32,
            n: (until - from) as u32,
        }
    }

    /// Indices of the first `n` values of column `c`.
    fn column(&self, c: usize, n: usize) -> Range<usize> {
        let first = self.first + c * self.n_rows;
        first..first + n.min(self.n_rows)
    }
}

/// Sum of products without overflow.
fn dot(a: &[i32], b: &[i32]) -> i64 {
    a.iter().zip(b).map(|(&a, &b)| i64::from(a) * i64::from(b)).sum()
}

impl PeView {
    /// The cell in a row and column.
    pub fn cell(&self, row: usize, col: usize) -> &PeCell {
        &self.cells[row * self.n_cols + col]
    }

    /// The values of a pack of one of this view's cells: neighbours along K that share the PE. Empty if there are none.
    pub fn pack(&self, pack: Pack) -> &[i32] {
        &self.values[pack.first as usize..][..pack.n as usize]
    }

    fn first(&self, pack: Pack) -> Option<i32> {
        self.pack(pack).first().copied()
    }

    /// Adds values for packs to refer to; returns the place of the first.
    fn store(&mut self, values: &[i32]) -> usize {
        let first = self.values.len();
        self.values.extend_from_slice(values);
        first
    }

    /// Stores what a tile holds, column by column. A tile without values has no rows here.
    fn store_columns(&mut self, tile: &Tile, packing: usize) -> Columns {
        self.store_columns_with(tile, packing, |value| value)
    }

    fn store_columns_with(&mut self, tile: &Tile, packing: usize, part: impl Fn(i32) -> i32) -> Columns {
        let n_cols = tile.shape.n as usize;
        let (first, n_rows) = (self.values.len(), tile.held.len() / n_cols.max(1));
        for c in 0..n_cols {
            let column = tile.held.iter().skip(c).step_by(n_cols);
            self.values.extend(column.map(|&value| part(value)));
        }
        Columns {
            first,
            n_rows,
            n_cols,
            packing,
        }
    }

    /// Rows and columns of the PEs that are shown.
    fn shown(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let Region { rows, cols } = self.detail.cells.clone();
        rows.flat_map(move |r| cols.clone().map(move |c| (r, c)))
    }

    /// Active, or what a PE is whose operands are zero, from the values that meet.
    fn multiplying(&self, weights: Pack, activations: Pack, gates: bool) -> PeState {
        let mut pairs = self.pack(weights).iter().zip(self.pack(activations));
        match weights.n > 0 && pairs.all(|(&w, &a)| w == 0 || a == 0) {
            false => PeState::Active,
            true if gates => PeState::Gated,
            true => PeState::Zero,
        }
    }

    /// Shows that an output-stationary product has pushed the tile out of the active registers.
    fn show_pushed_out(&mut self, resident: &Resident) {
        let Some(from) = resident.active_from else { return };
        for (r, c) in self.shown() {
            let i = r * self.n_cols + c;
            if self.cycle >= from + (r + c) as u64 {
                let cell = &mut self.cells[i];
                (cell.weight, cell.weights) = (None, Pack::default());
            }
        }
    }
}

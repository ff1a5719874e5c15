//! Where the operands of one PE came from and what its sum should be: a pure function of the running instruction, its descriptors and
//! the local cycle. Sums are formed element by element from the memories, without the array's arithmetic, so that the two can be compared.

use super::product::Stream;
use crate::exec::{Memories, Tile};
use crate::machine::{Machine, Mode};
use crate::memory::PagedMemory;
use crate::mx::{MxInFlight, TileSource};
use crate::work::Work;
use crate::work::matrix::{OutputStationary, Product, TileShape};
use std::sync::Arc;
use systole_isa::operand::Space;
use systole_isa::{Descriptor, ElementFormat};

/// One operand of a PE: an element of a descriptor's matrix view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The instruction that brought it into the array.
    pub pc: u32,
    /// The memory it was read from.
    pub space: Space,
    /// Format in that memory.
    pub format: ElementFormat,
    /// Row of the view.
    pub row: u64,
    /// Column of the view.
    pub column: u64,
    /// Its address in bits; `None` in the padding.
    pub bit_address: Option<u64>,
    /// The value that is multiplied, zero point removed; `None` in timing-only runs.
    pub value: Option<i32>,
}

/// The sum that a PE works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SumOrigin {
    /// The product.
    pub pc: u32,
    /// Row of the result's view.
    pub row: u64,
    /// Column of the result's view.
    pub column: u64,
    /// Byte address of the accumulator that it will be added to or written to.
    pub address: u64,
    /// Number of products in the sum behind this PE.
    pub n_terms: u64,
    /// What the sum behind this PE should be; `None` in timing-only runs and where operands pass in parts.
    pub expected: Option<i64>,
    /// Number of parts in which operands wider than the multiplier pass.
    pub n_passes: u64,
}

/// Where everything that a PE holds in a cycle came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PeOrigins {
    /// The stationary operand's pack; of an output-stationary product the weights.
    pub weights: Vec<Origin>,
    /// The moving operand's pack.
    pub activations: Vec<Origin>,
    /// The sum; `None` while the PE multiplies nothing and hands nothing down.
    pub sum: Option<SumOrigin>,
}

impl Machine {
    /// Where what the PE in a row and column held in the last cycle came from. Empty outside the array.
    pub fn pe_origins(&self, row: usize, col: usize) -> PeOrigins {
        let is_inside = row < self.description().rows as usize && col < self.description().cols as usize;
        let Some(cycle) = self.now().checked_sub(1).filter(|_| is_inside) else {
            return PeOrigins::default();
        };
        for under_way in &self.state.mx.in_flight {
            let since = cycle.checked_sub(under_way.started_at + (row + col) as u64);
            let origins = since.and_then(|since| match (&*under_way.dispatched.work, &under_way.tile) {
                (Work::Product(product), Some(tile)) => {
                    self.product_origins(under_way, (product, tile), (row, col), since)
                }
                (Work::OutputStationary(product), _) => {
                    self.output_stationary_origins(under_way.dispatched.pc, product, (row, col), since)
                }
                _ => None,
            });
            if let Some(origins) = origins {
                return origins;
            }
        }
        self.resting_weights((row, col), cycle)
    }

    fn product_origins(
        &self,
        under_way: &MxInFlight,
        (product, tile): (&Product, &Arc<Tile>),
        (r, c): (usize, usize),
        since: u64,
    ) -> Option<PeOrigins> {
        let stream = Stream::of(self, product, tile, under_way.banks);
        let (row_idx, _) = stream.wave(since)?;
        let (n_rows, packing) = (tile.shape.n_rows() as usize, self.packing(tile));
        if c >= tile.shape.n as usize {
            return None;
        }
        let source = self.state.mx.residents.iter();
        let source = source
            .filter(|resident| resident.tile.as_ref().is_some_and(|held| Arc::ptr_eq(held, tile)))
            .find_map(|resident| resident.source);
        let held = |held_row: usize| source.map(|source| held_origin(&source, tile, (held_row, c)));
        let moving = |held_row: usize| {
            let k = k_of(tile, held_row, c);
            let column = product.k0 + nth_live(&tile.shape, k);
            self.origin(under_way.dispatched.pc, &product.a, product.m0 + row_idx, column)
        };
        let n_terms = n_rows.min((r + 1) * packing);
        let pack = n_rows.min(r * packing)..n_terms;
        let expected = (self.mode() == Mode::Full && stream.passes == 1).then(|| {
            let products = (0..n_terms).map(|held_row| {
                let weight = tile.held[held_row * tile.shape.n as usize + c];
                i64::from(weight) * i64::from(moving(held_row).value.unwrap_or(0))
            });
            products.sum()
        });
        let sum = SumOrigin {
            pc: under_way.dispatched.pc,
            row: row_idx,
            column: c as u64,
            address: byte_address(&product.c, row_idx, c as u64),
            n_terms: n_terms as u64,
            expected,
            n_passes: stream.passes,
        };
        Some(PeOrigins {
            weights: pack.clone().filter_map(held).collect(),
            activations: pack.map(moving).collect(),
            sum: Some(sum),
        })
    }

    fn output_stationary_origins(
        &self,
        pc: u32,
        product: &OutputStationary,
        (r, c): (usize, usize),
        since: u64,
    ) -> Option<PeOrigins> {
        let shape = &product.w.shape;
        let rate = product.rate(self.description());
        let (passes, packing, n_live) = (rate.passes(), rate.packing(), shape.live.count());
        let chunk = since / passes;
        if r as u64 >= product.m || c as u64 >= shape.n || chunk * packing >= n_live {
            return None;
        }
        let weight = |k: u64| self.origin(pc, &product.w.source, nth_live(shape, k), c as u64);
        let activation = |k: u64| self.origin(pc, &product.a, product.m0 + r as u64, nth_live(shape, k));
        let n_terms = n_live.min((chunk + 1) * packing);
        let expected = (self.mode() == Mode::Full && passes == 1).then(|| {
            let value = |origin: Origin| i64::from(origin.value.unwrap_or(0));
            (0..n_terms).map(|k| value(weight(k)) * value(activation(k))).sum()
        });
        let pack = chunk * packing..n_terms;
        Some(PeOrigins {
            weights: pack.clone().map(weight).collect(),
            activations: pack.map(activation).collect(),
            sum: Some(SumOrigin {
                pc,
                row: r as u64,
                column: c as u64,
                address: byte_address(&product.c, r as u64, c as u64),
                n_terms,
                expected,
                n_passes: passes,
            }),
        })
    }

    /// Weights that wait in the active registers of a PE that no row passes now.
    fn resting_weights(&self, (r, c): (usize, usize), cycle: u64) -> PeOrigins {
        let reached = |from: u64| from + (r + c) as u64 <= cycle;
        let residents = self.state.mx.residents.iter().rev();
        let active = residents
            .filter(|resident| resident.active_from.is_some_and(reached))
            .find_map(|resident| resident.tile.as_ref().zip(resident.source));
        let Some((tile, source)) = active.filter(|(tile, _)| c < tile.shape.n as usize) else {
            return PeOrigins::default();
        };
        let (n_rows, packing) = (tile.shape.n_rows() as usize, self.packing(tile));
        let pack = n_rows.min(r * packing)..n_rows.min((r + 1) * packing);
        PeOrigins {
            weights: pack.map(|row| held_origin(&source, tile, (row, c))).collect(),
            ..PeOrigins::default()
        }
    }

    /// The element of a view, read by itself.
    fn origin(&self, pc: u32, view: &Descriptor, row: u64, column: u64) -> Origin {
        let bit_address = view.locate(row, column).map(|bit| bit as u64);
        let value = |memories: &Memories| {
            let stored = bit_address.map_or(view.zero_point, |bit| {
                element(memories.of(view.space), view.format, bit)
            });
            stored.wrapping_sub(view.zero_point)
        };
        Origin {
            pc,
            space: view.space,
            format: view.format,
            row,
            column,
            bit_address,
            value: (self.mode() == Mode::Full).then(|| value(&self.state.memories)),
        }
    }
}

/// Element of K, among those that the moving operand brings, that meets a held row in column `c`.
fn k_of(tile: &Tile, held_row: usize, c: usize) -> u64 {
    let position = tile.positions.get(held_row * tile.shape.n as usize + c);
    match (tile.shape.pattern, position) {
        (Some(pattern), Some(&position)) => held_row as u64 / pattern.kept() * pattern.group() + u64::from(position),
        _ => held_row as u64,
    }
}

/// Row of K of the `k`-th one that takes part.
fn nth_live(shape: &TileShape, mut k: u64) -> u64 {
    for (first, n) in shape.live.ranges() {
        if k < n {
            return first + k;
        }
        k -= n;
    }
    shape.k
}

/// What a tile holds in a row and column. Its value is that at the time of the load: the memory may hold another one by now.
fn held_origin(source: &TileSource, tile: &Tile, (held_row, c): (usize, usize)) -> Origin {
    let row = match tile.shape.pattern {
        Some(_) => held_row as u64,
        None => nth_live(&tile.shape, held_row as u64),
    };
    Origin {
        pc: source.pc,
        space: source.view.space,
        format: source.view.format,
        row,
        column: c as u64,
        bit_address: source.view.locate(row, c as u64).map(|bit| bit as u64),
        value: tile.held.get(held_row * tile.shape.n as usize + c).copied(),
    }
}

fn byte_address(view: &Descriptor, row: u64, column: u64) -> u64 {
    view.locate(row, column).unwrap_or(0) as u64 / 8
}

/// One element at a bit address, of at most 32 bits.
fn element(memory: &PagedMemory, format: ElementFormat, bit: u64) -> i32 {
    let n_bytes = (bit % 8 + u64::from(format.bits())).div_ceil(8);
    let bytes = (0..n_bytes).map(|i| u64::from(memory.byte(bit / 8 + i)) << (8 * i));
    let pattern = bytes.fold(0, |pattern, byte| pattern | byte) >> (bit % 8);
    format.decode((pattern & ((1 << format.bits()) - 1)) as u32)
}

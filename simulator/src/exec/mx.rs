//! The array's arithmetic.
//!
//! Where a sum stays and which operand moves makes no difference to values: every dataflow is rows of one operand times a tile of the other.

use super::{Memories, Tile};
use crate::access::{read_row, write_row};
use crate::work::matrix::{OutputStationary, Product, TileLoad};
use systole_isa::Descriptor;
use systole_isa::operand::Accumulate;

/// What a product did besides its sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Multiplied {
    /// Multiply-accumulates with a zero operand.
    pub(crate) n_zero: u64,
    /// Accumulators that left their 32 bits and wrapped.
    pub(crate) n_overflows: u64,
    /// Byte address of the first of them.
    pub(crate) first_overflow: Option<i64>,
}

/// Part `index` of `n_digits` of a value, lowest first, where `bits` is the width of the whole: all but the highest are unsigned. An
/// operand wider than a PE's multiplier passes in such parts.
pub(crate) fn digit(value: i32, index: u64, n_digits: u64, bits: u32) -> i32 {
    let digit_bits = bits / n_digits as u32;
    let shifted = value >> (digit_bits * index as u32);
    if index + 1 == n_digits {
        shifted
    } else {
        shifted & ((1 << digit_bits) - 1)
    }
}

/// Reads the live rows of a tile and takes the zero point off.
pub(crate) fn load_tile(memories: &Memories, load: &TileLoad) -> Tile {
    let (shape, source) = (load.shape.clone(), &load.source);
    let memory = memories.of(source.space);
    let rows: Vec<u64> = match shape.pattern {
        Some(_) => (0..shape.n_rows()).collect(),
        None => shape.live.ranges().flat_map(|(first, n)| first..first + n).collect(),
    };
    let mut tile = Tile::without_values(shape);
    let mut row = Vec::new();
    for &row_idx in &rows {
        read_row(memory, source, row_idx, 0, tile.shape.n, &mut row);
        tile.held.extend(row.iter().map(|v| v.wrapping_sub(source.zero_point)));
    }
    if let Some((index, pattern)) = load.index.as_ref().zip(tile.shape.pattern) {
        let (n, group, kept) = (tile.shape.n as usize, pattern.group(), pattern.kept());
        tile.expanded = vec![0; tile.shape.k as usize * n];
        for &row_idx in &rows {
            read_row(memories.of(index.space), index, row_idx, 0, tile.shape.n, &mut row);
            for (column, &position) in row.iter().enumerate() {
                // Bits that no position needs are not wired.
                let position = position as u64 & (group - 1);
                let at = (row_idx / kept * group + position) as usize;
                tile.expanded[at * n + column] += tile.held[row_idx as usize * n + column];
                tile.positions.push(position as u8);
            }
        }
    }
    tile
}

/// The rows that a product streams, as indices from 0: all, or those whose bit is set.
pub(crate) fn live_rows(memories: &Memories, product: &Product) -> Vec<u64> {
    let Some(bitmap) = &product.rows else {
        return (0..product.m).collect();
    };
    let mut bit = Vec::new();
    (0..product.m)
        .filter(|row_idx| {
            read_row(memories.of(bitmap.space), bitmap, product.m0 + row_idx, 0, 1, &mut bit);
            bit[0] > 0
        })
        .collect()
}

/// Reads the live elements of one row and takes the zero point off.
pub(crate) fn moving_row(memories: &Memories, product: &Product, tile: &Tile, row_idx: u64, out: &mut Vec<i32>) {
    let a = &product.a;
    let (memory, row_idx) = (memories.of(a.space), product.m0 + row_idx);
    let mut ranges = tile.shape.live.ranges();
    let (first, n) = ranges.next().unwrap_or((0, 0));
    read_row(memory, a, row_idx, product.k0 + first, n, out);
    let mut part = Vec::new();
    for (first, n) in ranges {
        read_row(memory, a, row_idx, product.k0 + first, n, &mut part);
        out.append(&mut part);
    }
    out.iter_mut().for_each(|v| *v = v.wrapping_sub(a.zero_point));
}

/// Multiplies rows with the tile into `c`.
pub(crate) fn multiply(memories: &mut Memories, tile: &Tile, product: &Product) -> Multiplied {
    let n = tile.shape.n as usize;
    let rows = Rows::of(tile);
    let (mut row, mut sums) = (Vec::new(), Sums::new(n));
    let mut done = Multiplied::default();
    let live = live_rows(memories, product);
    for &row_idx in &live {
        moving_row(memories, product, tile, row_idx, &mut row);
        done.n_zero += rows.n_zero(&row);
        rows.multiply(&row, &mut sums.narrow, &mut sums.wide);
        accumulate(memories, product, row_idx, &mut sums, &mut done);
    }
    if product.mode == Accumulate::Over && live.len() as u64 != product.m {
        let mut live = live.iter().peekable();
        for row_idx in (0..product.m).filter(|row_idx| live.next_if_eq(&row_idx).is_none()) {
            write_row(memories.of_mut(product.c.space), &product.c, row_idx, &vec![0; n]);
        }
    }
    done
}

/// Multiplies with sums that stay in the PEs.
pub(crate) fn output_stationary(memories: &mut Memories, product: &OutputStationary) -> Multiplied {
    let tile = load_tile(memories, &product.w);
    multiply(memories, &tile, &product.as_product())
}

/// One row of sums, and what it is added to.
struct Sums {
    narrow: Vec<i32>,
    wide: Vec<i64>,
    old: Vec<i32>,
}

impl Sums {
    fn new(n: usize) -> Self {
        Self {
            narrow: vec![0; n],
            wide: vec![0; n],
            old: Vec::with_capacity(n),
        }
    }
}

/// Adds one row of sums to `c`, or writes it; sums wrap.
fn accumulate(memories: &mut Memories, product: &Product, row_idx: u64, sums: &mut Sums, done: &mut Multiplied) {
    let c: &Descriptor = &product.c;
    let Sums { narrow, wide, old } = sums;
    if product.mode == Accumulate::Add {
        read_row(memories.of(c.space), c, row_idx, 0, wide.len() as u64, old);
        wide.iter_mut()
            .zip(&*old)
            .for_each(|(sum, &old)| *sum += i64::from(old));
    }
    narrow
        .iter_mut()
        .zip(&*wide)
        .for_each(|(narrow, &sum)| *narrow = sum as i32);
    for (column, (&sum, &narrow)) in wide.iter().zip(&*narrow).enumerate() {
        if i64::from(narrow) != sum {
            done.n_overflows += 1;
            let address = || c.locate(row_idx, column as u64).unwrap_or(0) / 8;
            done.first_overflow.get_or_insert_with(address);
        }
    }
    write_row(memories.of_mut(c.space), c, row_idx, narrow);
}

/// A tile as rows to multiply with, and what is known about them beforehand.
struct Rows<'a> {
    tile: &'a Tile,
    /// Weights that are not zero, per element of the moving row.
    n_nonzero: Vec<u64>,
    largest: u64,
}

fn largest(values: &[i32]) -> u64 {
    values.iter().map(|v| u64::from(v.unsigned_abs())).max().unwrap_or(0)
}

impl<'a> Rows<'a> {
    fn of(tile: &'a Tile) -> Self {
        let shape = &tile.shape;
        let mut n_nonzero = vec![0; shape.live.count() as usize];
        for (i, _) in tile.held.iter().enumerate().filter(|&(_, &w)| w != 0) {
            let row = i as u64 / shape.n;
            let element = shape.pattern.map_or(row, |pattern| {
                row / pattern.kept() * pattern.group() + u64::from(tile.positions[i])
            });
            n_nonzero[element as usize] += 1;
        }
        Self {
            tile,
            n_nonzero,
            largest: largest(&tile.held),
        }
    }

    /// Multiply-accumulates of a row that have a zero operand.
    fn n_zero(&self, row: &[i32]) -> u64 {
        let nonzero = row.iter().zip(&self.n_nonzero).filter(|(a, _)| **a != 0);
        self.tile.held.len() as u64 - nonzero.map(|(_, n)| n).sum::<u64>()
    }

    /// One row times the tile, into `wide`. Sums in 32 bits, with `narrow` as scratch, where no sum can exceed them.
    fn multiply(&self, row: &[i32], narrow: &mut [i32], wide: &mut [i64]) {
        let weights = self.tile.multiplicands().chunks(narrow.len().max(1));
        // With a pattern, up to four held weights may add up in one place.
        let bound = largest(row) * self.largest * self.tile.shape.n_rows();
        if bound <= i32::MAX as u64 {
            narrow.fill(0);
            for (&a, weights) in row.iter().zip(weights).filter(|(a, _)| **a != 0) {
                narrow.iter_mut().zip(weights).for_each(|(sum, &w)| *sum += a * w);
            }
            wide.iter_mut()
                .zip(narrow)
                .for_each(|(wide, narrow)| *wide = i64::from(*narrow));
        } else {
            wide.fill(0);
            for (&a, weights) in row.iter().zip(weights) {
                wide.iter_mut()
                    .zip(weights)
                    .for_each(|(sum, &w)| *sum += i64::from(a) * i64::from(w));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::PagedMemory;
    use crate::work::matrix::{LiveRows, Stationary, TileShape};
    use proptest::prelude::*;
    use systole_isa::ElementFormat;
    use systole_isa::descriptor::Level;
    use systole_isa::operand::Space;
    use systole_isa::operand::{Pattern, Weights};

    fn view(space: Space, format: ElementFormat, m: u32, n: u32, zero_point: i32) -> Descriptor {
        let mut view = Descriptor::new(space, format, 0, zero_point, 4);
        view.levels[3] = Level {
            count: m,
            stride: i64::from(n),
        };
        view.levels[4] = Level { count: n, stride: 1 };
        view
    }

    fn memories() -> Memories {
        Memories {
            spm: PagedMemory::new(1 << 16),
            acc: PagedMemory::new(1 << 14),
            dram: PagedMemory::new(0),
        }
    }

    fn load(source: &Descriptor, k: u64, n: u64) -> TileLoad {
        TileLoad {
            source: *source,
            index: None,
            shape: TileShape {
                operand: Stationary::Weights,
                format: source.format,
                k,
                n,
                live: LiveRows::all(k),
                pattern: None,
            },
            needs: None,
        }
    }

    fn product(c: &Descriptor, a: &Descriptor, m: u64) -> Product {
        Product {
            c: *c,
            a: *a,
            m0: 0,
            m,
            k0: 0,
            mode: Accumulate::Over,
            weights: Weights::Swap,
            rows: None,
        }
    }

    proptest! {
        #[test]
        fn products_equal_the_schoolbook(
            (m, k, n) in (1u32..6, 1u32..9, 1u32..9),
            values in prop::collection::vec(any::<i16>(), 200),
            bits8 in any::<bool>(),
            zero_point in -128i32..128,
        ) {
            let format = if bits8 { ElementFormat::I8 } else { ElementFormat::I16 };
            let cut = |v: i16| if bits8 { i32::from(v as i8) } else { i32::from(v) / 8 };
            let mut memories = memories();
            let a = view(Space::Spm, format, m, k, zero_point);
            let w = Descriptor { base: 4096, ..view(Space::Spm, format, k, n, 0) };
            let c = view(Space::Acc, ElementFormat::I32, m, n, 0);
            let (av, wv): (Vec<i32>, Vec<i32>) = (values[..100].iter().map(|&v| cut(v)).collect(), values[100..].iter().map(|&v| cut(v)).collect());
            for row in 0..m { write_row(&mut memories.spm, &a, row.into(), &av[(row * k) as usize..][..k as usize]); }
            for row in 0..k { write_row(&mut memories.spm, &w, row.into(), &wv[(row * n) as usize..][..n as usize]); }
            let tile = load_tile(&memories, &load(&w, k.into(), n.into()));
            let mut op = product(&c, &a, m.into());
            let done = multiply(&mut memories, &tile, &op);
            op.mode = Accumulate::Add;
            prop_assert_eq!(multiply(&mut memories, &tile, &op).n_zero, done.n_zero);
            let (mut zero_pairs, mut row) = (0, Vec::new());
            for i in 0..m as usize {
                read_row(&memories.acc, &c, i as u64, 0, n.into(), &mut row);
                for j in 0..n as usize {
                    let products = (0..k as usize).map(|x| (av[i * k as usize + x] - zero_point) * wv[x * n as usize + j]);
                    zero_pairs += products.clone().filter(|&p| p == 0).count() as u64;
                    prop_assert_eq!(row[j], 2 * products.sum::<i32>());
                }
            }
            prop_assert_eq!(done.n_zero, zero_pairs);
        }

        #[test]
        fn parts_of_a_value_make_it_up_again(value in -70_000i32..70_000, log in 0u32..4) {
            let n = 1u64 << log;
            let sum: i64 = (0..n).map(|i| i64::from(digit(value, i, n, 16)) << (16 / n * i)).sum();
            prop_assert_eq!(sum, i64::from(value));
        }
    }

    #[test]
    fn an_overflow_wraps_and_is_located() {
        let mut memories = memories();
        let (a, w) = (
            view(Space::Spm, ElementFormat::I32, 1, 1, 0),
            view(Space::Spm, ElementFormat::I32, 1, 2, 0),
        );
        let c = view(Space::Acc, ElementFormat::I32, 1, 2, 0);
        memories.spm.write(0, &i32::MAX.to_le_bytes());
        memories.spm.write(4, &3i32.to_le_bytes());
        let tile = load_tile(&memories, &load(&w, 1, 2));
        let done = multiply(&mut memories, &tile, &product(&c, &Descriptor { base: 4, ..a }, 1));
        assert_eq!((done.n_overflows, done.first_overflow), (1, Some(0)));
        let mut row = Vec::new();
        read_row(&memories.acc, &c, 0, 0, 2, &mut row);
        assert_eq!(row, [i32::MAX.wrapping_mul(3), 9]);
    }

    #[test]
    fn a_compressed_tile_has_its_weights_at_their_positions() {
        let mut memories = memories();
        let w = view(Space::Spm, ElementFormat::I8, 2, 1, 0);
        let index = Descriptor {
            base: 64,
            ..view(Space::Spm, ElementFormat::U2, 2, 1, 0)
        };
        write_row(&mut memories.spm, &w, 0, &[5]);
        write_row(&mut memories.spm, &w, 1, &[7]);
        write_row(&mut memories.spm, &index, 0, &[3]);
        write_row(&mut memories.spm, &index, 1, &[1]);
        let mut load = load(&w, 4, 1);
        load.shape.pattern = Some(Pattern::TwoOf4);
        load.index = Some(Box::new(index));
        let tile = load_tile(&memories, &load);
        assert_eq!((&tile.held[..], &tile.positions[..]), (&[5, 7][..], &[3, 1][..]));
        assert_eq!(tile.multiplicands(), [0, 7, 0, 5]);
    }
}

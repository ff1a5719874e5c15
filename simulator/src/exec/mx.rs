//! The array's arithmetic.

use super::{Memories, WeightTile};
use crate::access::{read_row, write_row};
use systole_isa::Descriptor;
use systole_isa::operand::Accumulate;

/// An accumulator that left its 32 bits.
pub(crate) struct Overflow {
    /// Byte address of the accumulator.
    pub(crate) address: i64,
}

/// Reads a weight tile and takes its zero point off.
pub(crate) fn load_weights(memories: &Memories, w: &Descriptor, k: u64, n: u64) -> WeightTile {
    let memory = memories.of(w.space);
    let mut weights = Vec::with_capacity((k * n) as usize);
    let mut row = Vec::new();
    for row_idx in 0..k {
        read_row(memory, w, row_idx, 0, n, &mut row);
        weights.extend(row.iter().map(|&v| v - w.zero_point));
    }
    WeightTile { k, n, weights }
}

/// The operands of a matrix product, resolved.
pub(crate) struct MatMul<'a> {
    pub(crate) c: &'a Descriptor,
    pub(crate) a: &'a Descriptor,
    pub(crate) m0: u64,
    pub(crate) m: u64,
    pub(crate) k0: u64,
    pub(crate) mode: Accumulate,
}

/// Multiplies rows of `a` with the tile into `c`. Returns the number of gated multiply-accumulates: those with a zero operand.
pub(crate) fn matmul(memories: &mut Memories, tile: &WeightTile, op: &MatMul<'_>) -> Result<u64, Overflow> {
    let n = tile.n as usize;
    let nonzero_per_row: Vec<u64> = tile
        .weights
        .chunks(n.max(1))
        .map(|row| row.iter().filter(|&&w| w != 0).count() as u64)
        .collect();
    let largest_weight = tile
        .weights
        .iter()
        .map(|w| u64::from(w.unsigned_abs()))
        .max()
        .unwrap_or(0);
    let (mut activations, mut old) = (Vec::new(), Vec::new());
    let (mut wide, mut narrow) = (vec![0i64; n], vec![0i32; n]);
    let mut effective = 0;
    for row_idx in 0..op.m {
        read_row(
            memories.of(op.a.space),
            op.a,
            op.m0 + row_idx,
            op.k0,
            tile.k,
            &mut activations,
        );
        activations.iter_mut().for_each(|a| *a -= op.a.zero_point);
        effective += activations
            .iter()
            .zip(&nonzero_per_row)
            .filter(|(a, _)| **a != 0)
            .map(|(_, n)| n)
            .sum::<u64>();
        multiply_row(&activations, tile, largest_weight, &mut narrow, &mut wide);
        if op.mode == Accumulate::Add {
            read_row(memories.of(op.c.space), op.c, row_idx, 0, tile.n, &mut old);
            wide.iter_mut().zip(&old).for_each(|(sum, &old)| *sum += i64::from(old));
        }
        for (column, (&sum, narrow)) in wide.iter().zip(&mut narrow).enumerate() {
            *narrow = i32::try_from(sum).map_err(|_| Overflow {
                address: op.c.locate(row_idx, column as u64).unwrap_or(0) / 8,
            })?;
        }
        write_row(memories.of_mut(op.c.space), op.c, row_idx, &narrow);
    }
    Ok(op.m * tile.k * tile.n - effective)
}

/// One row times the tile, into `wide`. Sums in 32 bits, with `narrow` as scratch, where no sum can exceed them.
fn multiply_row(activations: &[i32], tile: &WeightTile, largest_weight: u64, narrow: &mut [i32], wide: &mut [i64]) {
    let largest_activation = activations
        .iter()
        .map(|a| u64::from(a.unsigned_abs()))
        .max()
        .unwrap_or(0);
    let rows = tile.weights.chunks(narrow.len().max(1));
    if largest_activation * largest_weight * tile.k <= i32::MAX as u64 {
        narrow.fill(0);
        for (&activation, weights) in activations.iter().zip(rows).filter(|(a, _)| **a != 0) {
            narrow
                .iter_mut()
                .zip(weights)
                .for_each(|(sum, &weight)| *sum += activation * weight);
        }
        wide.iter_mut()
            .zip(narrow)
            .for_each(|(wide, narrow)| *wide = i64::from(*narrow));
    } else {
        wide.fill(0);
        for (&activation, weights) in activations.iter().zip(rows) {
            wide.iter_mut()
                .zip(weights)
                .for_each(|(sum, &weight)| *sum += i64::from(activation) * i64::from(weight));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::PagedMemory;
    use proptest::prelude::*;
    use systole_isa::ElementFormat;
    use systole_isa::descriptor::Level;
    use systole_isa::operand::Space;

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
            let tile = load_weights(&memories, &w, k.into(), n.into());
            let mut op = MatMul { c: &c, a: &a, m0: 0, m: m.into(), k0: 0, mode: Accumulate::Over };
            let gated = matmul(&mut memories, &tile, &op).ok().unwrap();
            op.mode = Accumulate::Add;
            prop_assert_eq!(matmul(&mut memories, &tile, &op).ok(), Some(gated));
            let (mut zero_pairs, mut row) = (0, Vec::new());
            for i in 0..m as usize {
                read_row(&memories.acc, &c, i as u64, 0, n.into(), &mut row);
                for j in 0..n as usize {
                    let products = (0..k as usize).map(|x| (av[i * k as usize + x] - zero_point) * wv[x * n as usize + j]);
                    zero_pairs += products.clone().filter(|&p| p == 0).count() as u64;
                    prop_assert_eq!(row[j], 2 * products.sum::<i32>());
                }
            }
            prop_assert_eq!(gated, zero_pairs);
        }
    }

    #[test]
    fn an_overflow_is_located() {
        let mut memories = memories();
        let (a, w) = (
            view(Space::Spm, ElementFormat::I32, 1, 1, 0),
            view(Space::Spm, ElementFormat::I32, 1, 2, 0),
        );
        let c = view(Space::Acc, ElementFormat::I32, 1, 2, 0);
        memories.spm.write(0, &i32::MAX.to_le_bytes());
        memories.spm.write(4, &3i32.to_le_bytes());
        let tile = load_weights(&memories, &Descriptor { base: 0, ..w }, 1, 2);
        let op = MatMul {
            c: &c,
            a: &Descriptor { base: 4, ..a },
            m0: 0,
            m: 1,
            k0: 0,
            mode: Accumulate::Over,
        };
        assert_eq!(matmul(&mut memories, &tile, &op).err().unwrap().address, 0);
    }
}

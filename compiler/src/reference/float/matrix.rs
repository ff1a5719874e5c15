//! Matrix products of f32 in blocks that stay in registers and caches.
//!
//! The left operand is packed in panels of [`ROWS`] rows, the right one in panels of [`COLUMNS`] columns; one panel times another is
//! [`tile`]. Every sum runs over `k` in order, so the result does not depend on the number of threads.

use rayon::prelude::*;

/// Rows of a panel of the left operand.
const ROWS: usize = 4;
/// Columns of a panel of the right operand.
pub(super) const COLUMNS: usize = 8;
/// Rows that share one walk over the panels of the right operand.
const ROWS_PER_TASK: usize = 32;
/// Products with at most this many rows read the right operand where it lies.
const N_THIN_ROWS: usize = 3;

/// A matrix as it lies in memory.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) values: &'a [f32],
    /// Distance of rows.
    pub(super) row_stride: usize,
    /// Distance of columns.
    pub(super) column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix of `columns` columns, or the transpose of one of `rows` columns.
    pub(super) fn new(values: &'a [f32], rows: usize, columns: usize, is_transposed: bool) -> Self {
        let (row_stride, column_stride) = if is_transposed { (1, rows) } else { (columns, 1) };
        Self {
            values,
            row_stride,
            column_stride,
        }
    }

    fn at(&self, row: usize, column: usize) -> f32 {
        self.values[row * self.row_stride + column * self.column_stride]
    }
}

/// `a b`, of `m x k` and `k x n`, row-major.
pub(super) fn product(a: Matrix, b: Matrix, [m, k, n]: [usize; 3]) -> Vec<f32> {
    let mut result = vec![0.0; m * n];
    if result.is_empty() || k == 0 {
        return result;
    }
    if m <= N_THIN_ROWS {
        for (row, result) in result.chunks_mut(n).enumerate() {
            let a: Vec<f32> = (0..k).map(|column| a.at(row, column)).collect();
            thin_product(&a, b, result);
        }
        return result;
    }
    let left = packed_rows(a, m, k);
    let mut right = vec![0.0; n.div_ceil(COLUMNS) * COLUMNS * k];
    right
        .par_chunks_mut(COLUMNS * k)
        .enumerate()
        .for_each(|(panel, values)| {
            let first = panel * COLUMNS;
            for (row, values) in values.chunks_mut(COLUMNS).enumerate() {
                for (column, value) in values.iter_mut().take(n - first).enumerate() {
                    *value = b.at(row, first + column);
                }
            }
        });
    multiply(&left, &right, k, &mut result, n, 0);
    result
}

/// One row of a product.
fn thin_product(a: &[f32], b: Matrix, result: &mut [f32]) {
    if b.row_stride == 1 {
        let k = a.len();
        let dot = |(column, value): (usize, &mut f32)| *value = dot(a, &b.values[column * b.column_stride..][..k]);
        result.par_iter_mut().enumerate().for_each(dot);
        return;
    }
    const CHUNK: usize = 512;
    result.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, result)| {
        for (row, factor) in a.iter().enumerate() {
            let values = &b.values[row * b.row_stride + chunk * CHUNK..][..result.len()];
            result
                .iter_mut()
                .zip(values)
                .for_each(|(sum, value)| *sum += factor * value);
        }
    });
}

/// The sum of products, in eight interleaved sums that vectorize.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// The left operand in panels of rows, each of them `[k][ROWS]`; missing rows are zero.
pub(super) fn packed_rows(a: Matrix, m: usize, k: usize) -> Vec<f32> {
    let mut packed = vec![0.0; m.div_ceil(ROWS) * ROWS * k];
    for (panel, values) in packed.chunks_mut(ROWS * k).enumerate() {
        for row in (panel * ROWS..m).take(ROWS) {
            for column in 0..k {
                values[column * ROWS + row % ROWS] = a.at(row, column);
            }
        }
    }
    packed
}

/// Writes the product of packed operands into the columns of `result` from `first_column` on; `n` is the length of its rows.
pub(super) fn multiply(left: &[f32], right: &[f32], k: usize, result: &mut [f32], n: usize, first_column: usize) {
    let panels_per_task = ROWS_PER_TASK / ROWS;
    result
        .par_chunks_mut(ROWS_PER_TASK * n)
        .zip(left.par_chunks(panels_per_task * ROWS * k))
        .for_each(|(result, left)| {
            for (index, right) in right.chunks_exact(COLUMNS * k).enumerate() {
                let column = first_column + index * COLUMNS;
                let width = COLUMNS.min(n - column);
                for (rows, left) in result.chunks_mut(ROWS * n).zip(left.chunks_exact(ROWS * k)) {
                    let sums = tile(left, right);
                    for (row, sums) in rows.chunks_mut(n).zip(&sums) {
                        row[column..column + width].copy_from_slice(&sums[..width]);
                    }
                }
            }
        });
}

/// A panel of rows times a panel of columns; the sums stay in vector registers.
fn tile(left: &[f32], right: &[f32]) -> [[f32; COLUMNS]; ROWS] {
    let mut sums = [[0.0f32; COLUMNS]; ROWS];
    let (left, right) = (left.as_chunks::<ROWS>().0, right.as_chunks::<COLUMNS>().0);
    for (left, right) in left.iter().zip(right) {
        for (sums, factor) in sums.iter_mut().zip(left) {
            for (sum, value) in sums.iter_mut().zip(right) {
                *sum += factor * value;
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_shapes_and_orders_give_the_plain_sums() {
        for [m, k, n] in [[1, 5, 9], [2, 7, 3], [4, 8, 8], [5, 3, 17], [37, 11, 19], [40, 1, 8]] {
            for (trans_a, trans_b) in [(false, false), (true, false), (false, true), (true, true)] {
                let a: Vec<f32> = (0..m * k).map(|i| (i * 7 % 13) as f32 - 6.0).collect();
                let b: Vec<f32> = (0..k * n).map(|i| (i * 5 % 11) as f32 - 5.0).collect();
                let (a, b) = (Matrix::new(&a, m, k, trans_a), Matrix::new(&b, k, n, trans_b));
                let wanted: Vec<f32> = (0..m * n)
                    .map(|i| (0..k).map(|j| a.at(i / n, j) * b.at(j, i % n)).sum())
                    .collect();
                assert_eq!(product(a, b, [m, k, n]), wanted, "{m} {k} {n} {trans_a} {trans_b}");
            }
        }
    }
}

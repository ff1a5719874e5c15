//! Operations that look at whole rows: softmax, layer normalization, index of the largest.

use super::{divide_rounding_half_away, placed};

/// Fraction bits of the exponentials in the table of a softmax.
pub const SOFTMAX_FRACTION_BITS: u32 = 23;
/// Words in the table of a softmax: an exponential for each distance below the maximum of a row, then the reciprocal of the
/// output's scale.
pub const SOFTMAX_TABLE_WORDS: u64 = 257;
/// Fraction bits of gamma, beta and epsilon of a layer normalization.
pub const LAYER_NORM_FRACTION_BITS: u32 = 16;

/// Replaces a row of values, at most 255 apart, by its softmax in fixed point; see the instruction for the table and the formula.
/// Missing words of the table are zero.
pub fn softmax(row: &mut [i32], table: &[i32], zero_point: i32, limits: (i32, i32)) {
    let Some(&maximum) = row.iter().max() else { return };
    let word = |i: usize| i128::from(table.get(i).copied().unwrap_or(0));
    let exponential = |value: i32| word(maximum.wrapping_sub(value) as usize);
    let sum: i128 = row.iter().map(|&value| exponential(value)).sum();
    let reciprocal = word(SOFTMAX_TABLE_WORDS as usize - 1);
    for value in row {
        let (numerator, sign) = (exponential(*value) * reciprocal, sum.signum());
        let quotient = match sum {
            0 => 0,
            _ => divide_rounding_half_away(numerator * sign, sum * sign),
        };
        *value = placed(quotient as i64, zero_point, limits);
    }
}

/// Gamma and beta per column, and epsilon, each with [`LAYER_NORM_FRACTION_BITS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerNormParameters {
    /// Gamma and beta of each column.
    pub columns: Vec<[i32; 2]>,
    /// Added to the variance.
    pub epsilon: i32,
}

/// Replaces a row of values of at most 17 bits by its layer normalization; see the instruction for the formula. Every step is exact
/// up to the one rounding at the end, except that the standard deviation is rounded down to a multiple of 2^-16 / n.
pub fn layer_norm(row: &mut [i32], parameters: &LayerNormParameters, zero_point: i32, limits: (i32, i32)) {
    const ONE: i128 = 1 << LAYER_NORM_FRACTION_BITS;
    let n = row.len() as i128;
    let sum: i128 = row.iter().map(|&x| i128::from(x)).sum();
    let squares: i128 = row.iter().map(|&x| i128::from(x) * i128::from(x)).sum();
    let variance = (n * squares - sum * sum) * ONE * ONE + n * n * i128::from(parameters.epsilon) * ONE;
    let deviation = variance.max(0).isqrt();
    for (x, &[gamma, beta]) in row.iter_mut().zip(&parameters.columns) {
        let distance = n * i128::from(*x) - sum;
        let (numerator, denominator) = match deviation {
            0 => (i128::from(beta), ONE),
            _ => (
                distance * ONE * i128::from(gamma) + deviation * i128::from(beta),
                deviation * ONE,
            ),
        };
        *x = placed(
            divide_rounding_half_away(numerator, denominator) as i64,
            zero_point,
            limits,
        );
    }
}

/// Index of the first of the largest values; 0 for an empty row.
pub fn first_largest(row: &[i32]) -> usize {
    let largest = row.iter().max();
    row.iter().position(|value| Some(value) == largest).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of a softmax whose input steps by `scale` and whose output steps by 1/256.
    fn table(scale: f64) -> Vec<i32> {
        let exponentials =
            (0..256).map(|d| ((-f64::from(d) * scale).exp() * f64::from(1 << SOFTMAX_FRACTION_BITS)).round() as i32);
        exponentials.chain([256]).collect()
    }

    #[test]
    fn a_softmax_of_equals_is_even_and_of_a_far_maximum_is_one() {
        let mut row = [7; 4];
        softmax(&mut row, &table(0.1), -128, (-128, 127));
        assert_eq!(row, [-64; 4]);
        let mut row = [-128, 127, -128];
        softmax(&mut row, &table(0.1), -128, (-128, 127));
        assert_eq!(row, [-128, 127, -128], "1.0 is clipped to 255/256");
    }

    #[test]
    fn a_normalized_row_has_mean_zero_and_deviation_one() {
        let parameters = LayerNormParameters {
            columns: vec![[100 << 16, 0]; 4],
            epsilon: 0,
        };
        let mut row = [1, 3, 1, 3];
        layer_norm(&mut row, &parameters, 0, (-128, 127));
        assert_eq!(row, [-100, 100, -100, 100]);
        let mut constant = [5; 4];
        layer_norm(&mut constant, &parameters, 3, (-128, 127));
        assert_eq!(constant, [3; 4], "a row without variance gives beta");
    }

    #[test]
    fn the_first_of_equals_is_the_largest() {
        assert_eq!(first_largest(&[-3, 5, 1, 5]), 1);
        assert_eq!(first_largest(&[i32::MIN]), 0);
    }

    #[test]
    fn extreme_rows_do_not_overflow() {
        let parameters = LayerNormParameters {
            columns: vec![[i32::MIN, i32::MAX]; 1000],
            epsilon: i32::MAX,
        };
        let mut row: Vec<i32> = (0..1000).map(|i| if i % 2 == 0 { -65_536 } else { 65_535 }).collect();
        layer_norm(&mut row, &parameters, i32::MIN, (i32::MIN, i32::MAX));
        let mut row = [0, 255];
        softmax(&mut row, &[i32::MIN; 257], i32::MAX, (i32::MIN, i32::MAX));
    }
}

//! Softmax, layer normalization, index of the largest, and mask.

use super::bench::*;
use proptest::prelude::*;
use systole_isa::operand::Space;
use systole_isa::{ElementFormat, Op};
use systole_testkit::build::{Matrix, count, whole};

/// Rows of equal length with the format that they are stored in.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub(super) format: ElementFormat,
    pub(super) n: usize,
    pub(super) values: Vec<i32>,
}

fn rows(formats: &'static [ElementFormat]) -> impl Strategy<Value = Rows> {
    (prop::sample::select(formats), 1usize..4, 1usize..12).prop_flat_map(|(format, m, n)| {
        let (lo, hi) = format.range();
        let value = prop_oneof![3 => lo..=hi, 3 => lo.max(-9)..=hi.min(9), 1 => Just(lo), 1 => Just(hi)];
        prop::collection::vec(value, m * n).prop_map(move |values| Rows { format, n, values })
    })
}

/// Runs an instruction with d0 = rows, d1 = table, d2 = result of `n_out` columns.
fn run(
    rows: &Rows,
    (shape, words): ((usize, usize), &[i32]),
    (to, zero_point, n_out): (ElementFormat, i32, usize),
    op: impl Fn(u64, u64) -> Op,
) -> Vec<i32> {
    let (m, n) = (rows.values.len() / rows.n, rows.n as u64);
    let mut bench = Bench::new();
    let x = Matrix::dense(Space::Spm, rows.format, 0, m as u64, n);
    bench.matrix(0, Matrix { zero_point: 5, ..x }, &rows.values);
    bench.table(1, 1024, shape, words);
    let y = Matrix::dense(Space::Acc, to, 256, m as u64, n_out as u64);
    bench.b.matrix(2, Matrix { zero_point, ..y });
    let machine = bench.run(op(m as u64, n));
    unpack(&machine, Space::Acc, to, 256, m * n_out)
}

/// Softmax into i8.
pub(super) fn softmax(rows: &Rows, table: &[i32], zero_point: i32) -> Vec<i32> {
    run(
        rows,
        ((1, 257), table),
        (ElementFormat::I8, zero_point, rows.n),
        |m, n| Op::VxSoftmax {
            dst: whole(2),
            src: whole(0),
            table: whole(1),
            m: count(m),
            n: count(n),
        },
    )
}

/// The table of a softmax whose input steps by `scale` and whose output steps by 1/256.
fn softmax_table(scale: f64) -> Vec<i32> {
    let exponentials = (0..256).map(|d| ((-f64::from(d) * scale).exp() * 8_388_608.0).round() as i32);
    exponentials.chain([256]).collect()
}

fn softmax_reference(rows: &Rows, table: &[i32], zero_point: i32, round: Round) -> Vec<i32> {
    let mut all = Vec::new();
    for row in rows.values.chunks(rows.n) {
        let largest = row.iter().fold(i32::MIN, |a, &b| a.max(b));
        let e: Vec<i128> = row.iter().map(|x| table[(largest - x) as usize].into()).collect();
        let sum: i128 = e.iter().sum();
        all.extend(
            e.iter()
                .map(|e| placed(round(e * i128::from(table[256]), sum), zero_point, INT8)),
        );
    }
    all
}

fn layer_norm(rows: &Rows, par: &[i32], zero_point: i32) -> Vec<i32> {
    let to = (ElementFormat::I16, zero_point, rows.n);
    run(rows, ((rows.n + 1, 2), par), to, |m, n| Op::VxLayerNorm {
        dst: whole(2),
        src: whole(0),
        par: whole(1),
        m: count(m),
        n: count(n),
    })
}

/// The largest integer whose square is not above `x`, by bisection.
fn root(x: i128) -> i128 {
    let (mut lo, mut hi) = (0i128, 1i128 << 62);
    while lo < hi {
        let middle = (lo + hi + 1) / 2;
        if middle * middle <= x {
            lo = middle;
        } else {
            hi = middle - 1;
        }
    }
    lo
}

fn layer_norm_reference(rows: &Rows, par: &[i32], zero_point: i32, round: Round) -> Vec<i32> {
    let mut all = Vec::new();
    for row in rows.values.chunks(rows.n) {
        let n = row.len() as i128;
        let x: Vec<i128> = row.iter().map(|&x| x.into()).collect();
        let s: i128 = x.iter().sum();
        // The sum of squared distances between all pairs is n times the sum of squares less the square of the sum.
        let pairs: i128 = x
            .iter()
            .flat_map(|a| x.iter().map(move |b| (a - b) * (a - b)))
            .sum::<i128>()
            / 2;
        let r = root((pairs << 32) + n * n * (i128::from(par[2 * rows.n]) << 16));
        for (j, x) in x.iter().enumerate() {
            let (gamma, beta) = (i128::from(par[2 * j]), i128::from(par[2 * j + 1]));
            let value = match r {
                0 => round(beta, 65_536),
                _ => round((n * x - s) * 65_536 * gamma + r * beta, 65_536 * r),
            };
            all.push(placed(value, zero_point, (-32_768, 32_767)));
        }
    }
    all
}

fn argmax(rows: &Rows) -> Vec<i32> {
    run(rows, ((1, 1), &[0]), (ElementFormat::U8, 9, 1), |m, n| Op::VxArgMax {
        dst: whole(2),
        src: whole(0),
        m: count(m),
        n: count(n),
    })
}

fn mask(rows: &Rows) -> Vec<i32> {
    run(rows, ((1, 1), &[0]), (ElementFormat::B1, 0, 1), |m, n| Op::VxMask {
        dst: whole(2),
        src: whole(0),
        m: count(m),
        n: count(n),
    })
}

const NARROW: &[ElementFormat] = &[
    ElementFormat::I8,
    ElementFormat::U8,
    ElementFormat::I4,
    ElementFormat::U2,
];
const UP_TO_16: &[ElementFormat] = &[
    ElementFormat::I8,
    ElementFormat::U8,
    ElementFormat::I16,
    ElementFormat::U16,
];
const ANY: &[ElementFormat] = &[
    ElementFormat::I2,
    ElementFormat::I4,
    ElementFormat::U8,
    ElementFormat::I16,
    ElementFormat::I32,
];

fn layer_norm_words(n: usize) -> impl Strategy<Value = Vec<i32>> {
    let words = prop::collection::vec(-6_000_000i32..6_000_000, 2 * n + 2);
    (words, prop_oneof![Just(0), 1i32..1_000_000]).prop_map(move |(mut words, epsilon)| {
        words[2 * n] = epsilon;
        words
    })
}

proptest! {
    #[test]
    fn softmax_equals_its_definition_and_is_near_the_real_one(rows in rows(NARROW), scale in 0.005f64..0.5, zero_point in -128i32..0) {
        let table = softmax_table(scale);
        let got = softmax(&rows, &table, zero_point);
        prop_assert_eq!(&got, &softmax_reference(&rows, &table, zero_point, half_away));
        for (row, got) in rows.values.chunks(rows.n).zip(got.chunks(rows.n)) {
            let sum: f64 = row.iter().map(|&x| (f64::from(x) * scale).exp()).sum();
            for (&x, &got) in row.iter().zip(got) {
                let real = ((f64::from(x) * scale).exp() / sum * 256.0 + f64::from(zero_point)).min(127.0);
                prop_assert!((f64::from(got) - real).abs() <= 0.51, "{got} {real}");
            }
        }
    }

    #[test]
    fn softmax_of_any_table(rows in rows(NARROW), table in prop::collection::vec(0i32..=i32::MAX, 257)) {
        prop_assume!(table.iter().any(|&e| e > 0));
        let sums = rows.values.chunks(rows.n).all(|row| row.iter().any(|x| table[(row.iter().max().unwrap() - x) as usize] > 0));
        prop_assume!(sums);
        prop_assert_eq!(softmax(&rows, &table, 0), softmax_reference(&rows, &table, 0, half_away));
    }

    #[test]
    fn layer_norm_equals_its_definition_and_is_near_the_real_one((rows, par) in rows(UP_TO_16).prop_flat_map(|rows| { let n = rows.n; (Just(rows), layer_norm_words(n)) }), zero_point in -100i32..100) {
        let got = layer_norm(&rows, &par, zero_point);
        prop_assert_eq!(&got, &layer_norm_reference(&rows, &par, zero_point, half_away));
        for (row, got) in rows.values.chunks(rows.n).zip(got.chunks(rows.n)) {
            let n = row.len() as f64;
            let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
            let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
            let deviation = (variance + f64::from(par[2 * rows.n]) / 65_536.0).sqrt();
            for (j, (&x, &got)) in row.iter().zip(got).enumerate() {
                let normal = if deviation == 0.0 { 0.0 } else { (f64::from(x) - mean) / deviation };
                let real = (normal * f64::from(par[2 * j]) + f64::from(par[2 * j + 1])) / 65_536.0 + f64::from(zero_point);
                // A very small deviation is rounded to steps of 2^-16 / n.
                let tolerance = 0.51 + if deviation == 0.0 { 0.0 } else { real.abs() / (65_536.0 * n * deviation) };
                prop_assert!((f64::from(got) - real.clamp(-32_768.0, 32_767.0)).abs() <= tolerance, "{got} {real}");
            }
        }
    }

    #[test]
    fn the_first_largest_and_live_rows_are_found(rows in rows(ANY)) {
        let (mut largest, mut live) = (Vec::new(), Vec::new());
        for row in rows.values.chunks(rows.n) {
            let mut best = 0;
            for i in 1..row.len() {
                if row[i] > row[best] {
                    best = i;
                }
            }
            largest.push(best as i32);
            live.push(if row.iter().all(|&x| x == 5) { -1 } else { 1 });
        }
        prop_assert_eq!(argmax(&rows), largest);
        prop_assert_eq!(mask(&rows), live);
    }
}

#[test]
fn rows_at_the_zero_point_are_masked() {
    let rows = Rows {
        format: ElementFormat::I8,
        n: 2,
        values: vec![5, 5, 5, 0, 0, 0, 4, 5, 5, 5],
    };
    assert_eq!(mask(&rows), [-1, 1, 1, 1, -1]);
    assert_ne!(mask(&rows), [1, 1, -1, 1, 1], "zero is not the zero point");
}

#[test]
fn a_reference_with_another_rule_is_caught() {
    let rows = Rows {
        format: ElementFormat::I8,
        n: 4,
        values: vec![0, 3, 5, 9, -4, 3, 3, 1],
    };
    let table = softmax_table(0.1);
    let got = softmax(&rows, &table, -128);
    assert_eq!(got, softmax_reference(&rows, &table, -128, half_away));
    assert_ne!(got, softmax_reference(&rows, &table, -128, floor));
    assert_ne!(got, softmax_reference(&rows, &softmax_table(0.11), -128, half_away));
    let par = [1 << 20, 7, 3 << 20, -7, 1 << 18, 9, -(1 << 20), 90_000, 70_000, 0];
    let got = layer_norm(&rows, &par, 3);
    assert_eq!(got, layer_norm_reference(&rows, &par, 3, half_away));
    assert_ne!(got, layer_norm_reference(&rows, &par, 3, floor));
    let without_epsilon = par.map(|word| if word == 70_000 { 0 } else { word });
    assert_ne!(got, layer_norm_reference(&rows, &without_epsilon, 3, half_away));
    let ties = Rows {
        n: 3,
        values: vec![1, 7, 7],
        ..rows
    };
    assert_eq!(argmax(&ties), [1]);
    assert_ne!(argmax(&ties), [2], "the last of equals is wrong");
}

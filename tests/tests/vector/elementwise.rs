//! Addition, multiplication and leaky activation with rescaling, and lookup.

use super::bench::*;
use proptest::prelude::*;
use systole_isa::operand::{Rounding, Space};
use systole_isa::{ElementFormat, Op};
use systole_testkit::build::{Matrix, count, whole};

/// Two i8 inputs of `m` x `n` with zero points, and the limits of the result.
#[derive(Clone, Debug)]
struct Job {
    n: usize,
    a: Vec<i32>,
    b: Vec<i32>,
    zero_points: [i32; 3],
    limits: (i32, i32),
}

fn job() -> impl Strategy<Value = Job> {
    (1usize..5, 1usize..6).prop_flat_map(|(m, n)| {
        let values = || prop::collection::vec(prop_oneof![4 => -128i32..128, 1 => Just(-128), 1 => Just(127)], m * n);
        let limits = prop_oneof![Just(INT8), (-128i32..0, 0i32..128)];
        (values(), values(), [-128i32..128, -128..128, -128..128], limits).prop_map(
            move |(a, b, zero_points, limits)| Job {
                n,
                a,
                b,
                zero_points,
                limits,
            },
        )
    })
}

/// A job whose results are halves before they are rounded.
fn halves() -> Job {
    Job {
        n: 10,
        a: (-10..10).collect(),
        b: vec![1; 20],
        zero_points: [0; 3],
        limits: INT8,
    }
}

/// Runs an instruction with d0 = a, d1 = b, d2 = table, d3 = result.
fn run(job: &Job, (rows, words): (usize, &[i32]), op: impl Fn(u64, u64) -> Op) -> Vec<i32> {
    let (m, n) = ((job.a.len() / job.n) as u64, job.n as u64);
    let mut bench = Bench::new();
    let matrix = |base, zero_point| Matrix {
        zero_point,
        ..Matrix::dense(Space::Spm, ElementFormat::I8, base, m, n)
    };
    bench.matrix(0, matrix(0, job.zero_points[0]), &job.a);
    bench.matrix(1, matrix(64, job.zero_points[1]), &job.b);
    bench.table(2, 256, (rows, words.len() / rows), words);
    bench.b.matrix(3, matrix(128, job.zero_points[2]));
    bench.clip(3, job.limits);
    let machine = bench.run(op(m, n));
    unpack(&machine, Space::Spm, ElementFormat::I8, 128, job.a.len())
}

fn add(rounding: Rounding) -> impl Fn(u64, u64) -> Op {
    move |m, n| Op::VxAdd {
        dst: whole(3),
        a: whole(0),
        b: whole(1),
        par: whole(2),
        m: count(m),
        n: count(n),
        rounding,
    }
}

fn mul(rounding: Rounding) -> impl Fn(u64, u64) -> Op {
    move |m, n| Op::VxMul {
        dst: whole(3),
        a: whole(0),
        b: whole(1),
        par: whole(2),
        m: count(m),
        n: count(n),
        rounding,
    }
}

fn prelu(rounding: Rounding) -> impl Fn(u64, u64) -> Op {
    move |m, n| Op::VxPrelu {
        dst: whole(3),
        src: whole(0),
        par: whole(2),
        m: count(m),
        n: count(n),
        rounding,
    }
}

/// Each pair of elements, less the zero points, through `result`, placed and clipped.
fn pairs(job: &Job, result: impl Fn(i32, i32) -> i128) -> Vec<i32> {
    let [za, zb, zy] = job.zero_points;
    let pairs = job.a.iter().zip(&job.b);
    pairs
        .map(|(a, b)| placed(result(a - za, b - zb), zy, job.limits))
        .collect()
}

fn add_fixed(job: &Job, par: &[i32], round: Round) -> Vec<i32> {
    pairs(job, |a, b| {
        let side = |value: i32, i: usize| scaled(i128::from(value) << par[0], [par[i], par[i + 1]], round);
        scaled(side(a, 1) + side(b, 3), [par[5], par[6]], round)
    })
}

fn mul_fixed(job: &Job, par: [i32; 2], round: Round) -> Vec<i32> {
    pairs(job, |a, b| scaled(i128::from(a * b), par, round))
}

fn mul_float(job: &Job, scales: [f32; 3], round: RoundReal) -> Vec<i32> {
    let [sa, sb, sy] = scales.map(f64::from);
    pairs(job, |a, b| {
        let (a, b) = (single(f64::from(a) * sa), single(f64::from(b) * sb));
        round(single(single(a * b) / sy))
    })
}

/// Rows of bias, scale, alpha, scale, each scale as its two words.
fn prelu_of(job: &Job, rows: &[[i32; 6]], scale: impl Fn(i128, [i32; 2]) -> i128) -> Vec<i32> {
    let [zero_point, _, zy] = job.zero_points;
    let result = |(i, &value): (usize, &i32)| {
        let [bias, m0, s0, alpha, m1, s1] = rows[i % job.n];
        let value = i128::from(value - zero_point + bias);
        let scaled = match value >= 0 {
            true => scale(value, [m0, s0]),
            false => scale(value * i128::from(alpha), [m1, s1]),
        };
        placed(scaled, zy, job.limits)
    };
    job.a.iter().enumerate().map(result).collect()
}

fn prelu_float(job: &Job, rows: &[[i32; 6]], round: RoundReal) -> Vec<i32> {
    prelu_of(job, rows, |value, [bits, _]| {
        round(single(value as f64 * f64::from(f32::from_bits(bits as u32))))
    })
}

fn words(scales: [f32; 3]) -> [i32; 3] {
    scales.map(|scale| scale.to_bits() as i32)
}

fn multiplier() -> impl Strategy<Value = i32> {
    (1i32 << 30)..=i32::MAX
}

proptest! {
    #[test]
    fn fixed_addition(job in job(), left_shift in 0i32..=20, m in [multiplier(), multiplier(), multiplier()], shifts in [0i32..8, 0i32..8, 0i32..25]) {
        let par = [left_shift, m[0], shifts[0], m[1], shifts[1], m[2], shifts[2]];
        prop_assert_eq!(run(&job, (1, &par), add(Rounding::Fixed)), add_fixed(&job, &par, half_away));
    }

    #[test]
    fn fixed_multiplication(job in job(), par in (multiplier(), -2i32..20)) {
        let par = [par.0, par.1];
        prop_assert_eq!(run(&job, (1, &par), mul(Rounding::Fixed)), mul_fixed(&job, par, half_away));
    }

    #[test]
    fn floating_multiplication(job in job(), scales in [0.001f32..2.0, 0.001f32..2.0, 0.001f32..2.0]) {
        let got = run(&job, (1, &words(scales)), mul(Rounding::Float));
        prop_assert_eq!(got, mul_float(&job, scales, nearest_even));
    }

    #[test]
    fn leaky_activation(
        job in job(),
        fixed in prop::collection::vec((-300i32..300, multiplier(), -2i32..10, -255i32..256, multiplier(), -2i32..16), 6),
        floating in prop::collection::vec((-300i32..300, 0.001f32..2.0, -255i32..256, 0.0001f32..0.1), 6),
    ) {
        let fixed: Vec<[i32; 6]> = fixed.into_iter().map(|r| [r.0, r.1, r.2, r.3, r.4, r.5]).collect();
        let expected = prelu_of(&job, &fixed, |value, scale| scaled(value, scale, half_away));
        prop_assert_eq!(run(&job, (6, fixed.as_flattened()), prelu(Rounding::Fixed)), expected);
        let float = |r: (i32, f32, i32, f32)| [r.0, r.1.to_bits() as i32, 0, r.2, r.3.to_bits() as i32, 0];
        let floating: Vec<[i32; 6]> = floating.into_iter().map(float).collect();
        let got = run(&job, (6, floating.as_flattened()), prelu(Rounding::Float));
        prop_assert_eq!(got, prelu_float(&job, &floating, nearest_even));
    }

    #[test]
    fn lookup_in_every_narrow_format(
        format in prop::sample::select(ElementFormat::ALL.iter().copied().filter(|f| f.bits() <= 8).collect::<Vec<_>>()),
        table in prop::collection::vec(-40_000i32..40_000, 256),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..30),
        square in any::<bool>(),
    ) {
        let (entries, got) = looked_up(format, &table, &picks, square);
        let expected: Vec<i32> = picks.iter().map(|pick| table[pick.index(entries)].clamp(-32_768, 32_767)).collect();
        prop_assert_eq!(got, expected);
    }
}

/// Looks up the values of `format` that are `picks`-th from the lowest; returns the size of the table and the results.
fn looked_up(format: ElementFormat, table: &[i32], picks: &[prop::sample::Index], square: bool) -> (usize, Vec<i32>) {
    let (lo, hi) = format.range();
    let values: Vec<i32> = (lo..=hi).filter(|&v| format != ElementFormat::B1 || v != 0).collect();
    let entries = values.len();
    let n = picks.len() as u64;
    let x: Vec<i32> = picks.iter().map(|pick| values[pick.index(entries)]).collect();
    let mut bench = Bench::new();
    bench.matrix(
        0,
        Matrix {
            zero_point: 3,
            ..Matrix::dense(Space::Spm, format, 0, 1, n)
        },
        &x,
    );
    let shape = if square { (2, entries / 2) } else { (1, entries) };
    bench.table(1, 1024, shape, &table[..entries]);
    bench.b.matrix(
        2,
        Matrix {
            zero_point: -7,
            ..Matrix::dense(Space::Acc, ElementFormat::I16, 64, 1, n)
        },
    );
    let machine = bench.run(Op::VxLut {
        dst: whole(2),
        src: whole(0),
        table: whole(1),
        m: count(1),
        n: count(n),
    });
    (entries, unpack(&machine, Space::Acc, ElementFormat::I16, 64, x.len()))
}

#[test]
fn a_reference_with_another_rounding_is_caught() {
    let job = halves();
    // 2^-1 as a whole: left shift 1, then both sides and the sum by one half.
    let par = [1, 1 << 30, 0, 1 << 30, 0, 1 << 30, 0];
    let got = run(&job, (1, &par), add(Rounding::Fixed));
    assert_eq!(got, add_fixed(&job, &par, half_away));
    let par = [0, 1 << 30, 0, 1 << 30, 1, 1 << 30, 1];
    assert_ne!(run(&job, (1, &par), add(Rounding::Fixed)), add_fixed(&job, &par, floor));
    let half = [1 << 30, 1];
    assert_eq!(
        run(&job, (1, &half), mul(Rounding::Fixed)),
        mul_fixed(&job, half, half_away)
    );
    assert_ne!(
        run(&job, (1, &half), mul(Rounding::Fixed)),
        mul_fixed(&job, half, half_up)
    );
    let scales = [0.5, 1.0, 1.0];
    assert_eq!(
        run(&job, (1, &words(scales)), mul(Rounding::Float)),
        mul_float(&job, scales, nearest_even)
    );
    assert_ne!(
        run(&job, (1, &words(scales)), mul(Rounding::Float)),
        mul_float(&job, scales, nearest_up)
    );
    let rows = [[0, half[0], half[1], 2, half[0], half[1] + 1]; 10];
    let got = run(&job, (10, rows.as_flattened()), prelu(Rounding::Fixed));
    let with = |round: Round| prelu_of(&job, &rows, |value, scale| scaled(value, scale, round));
    assert_eq!(got, with(half_away));
    assert_ne!(got, with(half_up));
    let half = 0.5f32.to_bits() as i32;
    let rows = [[0, half, 0, 1, half, 0]; 10];
    let got = run(&job, (10, rows.as_flattened()), prelu(Rounding::Float));
    assert_ne!(got, prelu_float(&job, &rows, nearest_up));
}

#[test]
fn a_table_read_from_another_end_is_caught() {
    let mut bench = Bench::new();
    bench.matrix(
        0,
        Matrix::dense(Space::Spm, ElementFormat::I2, 0, 1, 4),
        &[-2, -1, 0, 1],
    );
    bench.table(1, 64, (1, 4), &[10, 20, 30, 40]);
    bench
        .b
        .matrix(2, Matrix::dense(Space::Spm, ElementFormat::I8, 128, 1, 4));
    let op = Op::VxLut {
        dst: whole(2),
        src: whole(0),
        table: whole(1),
        m: count(1),
        n: count(4),
    };
    let got = unpack(&bench.run(op), Space::Spm, ElementFormat::I8, 128, 4);
    assert_eq!(got, [10, 20, 30, 40]);
    // By bit pattern instead of by value, negative values would come last.
    assert_ne!(got, [30, 40, 10, 20]);
}

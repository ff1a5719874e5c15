//! Requantization in both modes and addition in floating point, against exact arithmetic.

use proptest::prelude::*;
use systole_isa::operand::{Desc, Imm, Rounding, Space};
use systole_isa::{ElementFormat, Op, Tokens};
use systole_simulator::Status;
use systole_testkit::build::{Builder, Matrix, count, read_values, whole};
use systole_testkit::small::end_of;

/// An `m` x `n` job of the vector unit.
#[derive(Clone, Debug)]
struct VectorJob {
    n: usize,
    values: Vec<i32>,
    zero_points: [i32; 2],
    clip: (i32, i32),
}

impl VectorJob {
    fn size(&self) -> (u64, u64) {
        ((self.values.len() / self.n) as u64, self.n as u64)
    }
}

fn vector_job(lo: i32, hi: i32) -> impl Strategy<Value = VectorJob> {
    (1usize..6, 1usize..6).prop_flat_map(move |(m, n)| {
        let value =
            prop_oneof![3 => lo..=hi, 2 => (lo / 1000).min(-20)..=(hi / 1000).max(20), 1 => Just(lo), 1 => Just(hi)];
        let clip = prop_oneof![Just((-128, 127)), (-128i32..0, 0i32..128)];
        (
            Just(n),
            prop::collection::vec(value, m * n),
            [-128i32..128, -128i32..128],
            clip,
        )
            .prop_map(|(n, values, zero_points, clip)| VectorJob {
                n,
                values,
                zero_points,
                clip,
            })
    })
}

/// Puts inputs (i32 in the accumulators: `x` from 0, `y` from 1024) and a parameter table (32 words at 0 of the scratchpad) in place,
/// lets the vector unit write i8 to 512 of the scratchpad, and reads that.
fn run_vector(job: &VectorJob, inputs: [&[i32]; 2], table: &[i32], op: Op) -> Vec<i32> {
    let (m, n) = job.size();
    let mut b = Builder::new(8192);
    let parts = [
        (0, inputs[0], Space::Acc, 0),
        (1, inputs[1], Space::Acc, 1024),
        (2, table, Space::Spm, 0),
    ];
    for (d, values, space, base) in parts {
        let (address, len) = (2048 * i64::from(d), values.len() as u64);
        b.values(address as u64, ElementFormat::I32, values);
        b.matrix(10, Matrix::dense(Space::Dram, ElementFormat::I32, address, 1, len));
        b.matrix(11, Matrix::dense(space, ElementFormat::I32, base, 1, len));
        b.ld(11, 10, (1, len), Tokens::NONE);
    }
    let x = Matrix {
        zero_point: job.zero_points[0],
        ..Matrix::dense(Space::Acc, ElementFormat::I32, 0, m, n)
    };
    b.matrix(0, x);
    b.matrix(1, Matrix { base: 1024, ..x });
    b.matrix(2, Matrix::dense(Space::Spm, ElementFormat::I32, 0, 10, 3));
    b.matrix(
        3,
        Matrix {
            zero_point: job.zero_points[1],
            ..Matrix::dense(Space::Spm, ElementFormat::I8, 512, m, n)
        },
    );
    b.op(Op::Clip {
        d: Desc::at(3),
        lo: Imm(job.clip.0.into()),
        hi: Imm(job.clip.1.into()),
    });
    b.op(Op::Fence {});
    b.op(op);
    let (status, machine) = end_of(b.halt());
    assert_eq!(status, Status::Halted);
    read_values(&machine, Space::Spm, ElementFormat::I8, 512, job.values.len())
}

fn clip(value: i128, (lo, hi): (i32, i32)) -> i32 {
    value.clamp(lo.into(), hi.into()) as i32
}

/// The nearest integer to `numerator / 2^places`; ties go up, or away from zero.
fn round_quotient(numerator: i128, places: u32, away_from_zero: bool) -> i128 {
    let half = if places == 0 { 0 } else { 1i128 << (places - 1) };
    match away_from_zero && numerator < 0 {
        true => -((-numerator + half) >> places),
        false => (numerator + half) >> places,
    }
}

/// The nearest integer to a real number, ties to even.
fn nearest_even(x: f64) -> i128 {
    let floor = x.floor();
    let up = match x - floor {
        0.5 => (floor as i128).rem_euclid(2) == 1,
        rest => rest > 0.5,
    };
    floor as i128 + i128::from(up)
}

fn requant(rounding: Rounding, (m, n): (u64, u64)) -> Op {
    Op::VxRequant {
        dst: whole(3),
        src: whole(0),
        par: whole(2),
        m: count(m),
        n: count(n),
        rounding,
    }
}

proptest! {
    #[test]
    fn fixed_point_requantization_equals_exact_arithmetic(
        job in vector_job(-1_000_000_000, 1_000_000_000),
        columns in prop::collection::vec((-1_000_000i32..1_000_000, (1i32 << 30)..=i32::MAX, -1i32..32), 6),
    ) {
        let table: Vec<i32> = columns.iter().flat_map(|&(bias, multiplier, shift)| [bias, multiplier, shift]).collect();
        let got = run_vector(&job, [&job.values, &job.values], &table, requant(Rounding::Fixed, job.size()));
        let expected = job.values.iter().enumerate().map(|(i, &v)| {
            let (bias, multiplier, shift) = columns[i % job.n];
            let sum = i64::from(v) - i64::from(job.zero_points[0]) + i64::from(bias);
            let value = (sum << (-shift).max(0)) as i32;
            let high = round_quotient(i128::from(value) * i128::from(multiplier), 31, false);
            clip(round_quotient(high, shift.max(0) as u32, true) + i128::from(job.zero_points[1]), job.clip)
        });
        prop_assert_eq!(got, expected.collect::<Vec<_>>());
    }

    #[test]
    fn floating_requantization_rounds_half_to_even(
        job in vector_job(-1_000_000, 1_000_000),
        columns in prop::collection::vec((-1000i32..1000, prop_oneof![Just(0.5f32), Just(0.25), 1e-6f32..2.0]), 6),
    ) {
        let table: Vec<i32> = columns.iter().flat_map(|&(bias, scale)| [bias, scale.to_bits() as i32, 0]).collect();
        let got = run_vector(&job, [&job.values, &job.values], &table, requant(Rounding::Float, job.size()));
        let expected = job.values.iter().enumerate().map(|(i, &v)| {
            let (bias, scale) = columns[i % job.n];
            // The product of two binary32 numbers is exact in binary64; one rounding to binary32 follows.
            let product = f64::from((v - job.zero_points[0] + bias) as f32) * f64::from(scale);
            clip(nearest_even(f64::from(product as f32)) + i128::from(job.zero_points[1]), job.clip)
        });
        prop_assert_eq!(got, expected.collect::<Vec<_>>());
    }

    #[test]
    fn addition_rescales_both_sides(job in vector_job(-128, 127), scales in [0.001f32..2.0, 0.001f32..2.0, 0.001f32..2.0]) {
        let table: Vec<i32> = scales.iter().map(|s| s.to_bits() as i32).collect();
        let mirrored: Vec<i32> = job.values.iter().rev().copied().collect();
        let (m, n) = job.size();
        let op = Op::VxAdd { dst: whole(3), a: whole(0), b: whole(1), par: whole(2), m: count(m), n: count(n), rounding: Rounding::Float };
        let got = run_vector(&job, [&job.values, &mirrored], &table, op);
        // Sums, products and quotients of binary32 numbers computed in binary64 and rounded once are the binary32 results.
        let round = |x: f64| f64::from(x as f32);
        let side = |v: i32, scale: f32| round(f64::from(v - job.zero_points[0]) * f64::from(scale));
        let expected = job.values.iter().zip(&mirrored).map(|(&a, &b)| {
            let sum = round(side(a, scales[0]) + side(b, scales[1]));
            clip(nearest_even(round(sum / f64::from(scales[2]))) + i128::from(job.zero_points[1]), job.clip)
        });
        prop_assert_eq!(got, expected.collect::<Vec<_>>());
    }
}

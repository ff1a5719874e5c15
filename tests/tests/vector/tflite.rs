//! The fixed-point modes against the results of LiteRT's reference kernels, which `tests/data/tflite_vectors.py` collects.

use super::bench::*;
use super::rows::{self, Rows};
use super::windows;
use std::collections::BTreeMap;
use systole_isa::operand::{Accumulate, Divide, Rounding, Space};
use systole_isa::{ElementFormat, Op};
use systole_testkit::build::{Matrix, count, whole};

const VECTORS: &str = include_str!("../../data/tflite_vectors.txt");

/// One operation with its tensors by name.
struct Vector {
    op: String,
    lists: BTreeMap<String, Vec<i32>>,
}

impl Vector {
    fn list(&self, name: &str) -> &[i32] {
        &self.lists[name]
    }

    fn image(&self) -> Image {
        let shape: Vec<usize> = self.list("shape").iter().map(|&v| v as usize).collect();
        let [h, w, c, side, stride, pad, out] = shape[..] else {
            panic!("{shape:?}")
        };
        Image {
            h,
            w,
            c,
            side,
            stride,
            pad,
            out: Some(out),
        }
    }
}

fn vectors() -> Vec<Vector> {
    let blocks = VECTORS.trim().split("\n\n").map(|block| {
        let (head, lines) = block.split_once('\n').unwrap();
        let list = |line: &str| {
            let (name, values) = line.split_once(':').unwrap();
            let values = values.split_whitespace().map(|v| v.parse().unwrap());
            (name.to_owned(), values.collect())
        };
        Vector {
            op: head.trim_matches(['[', ']']).to_owned(),
            lists: lines.lines().map(list).collect(),
        }
    });
    blocks.collect()
}

/// An element-wise instruction on i8: d0 and d1 inputs, d2 parameters, d3 result.
fn elementwise(
    v: &Vector,
    inputs: &[&str],
    (m, n): (usize, usize),
    rows: usize,
    op: impl Fn(u64, u64) -> Op,
) -> Vec<i32> {
    let (zero_points, par) = (v.list("zero_points"), v.list("par"));
    let mut bench = Bench::new();
    let matrix = |d: usize| Matrix {
        zero_point: zero_points[d],
        ..Matrix::dense(Space::Spm, ElementFormat::I8, 64 * d as i64, m as u64, n as u64)
    };
    for (d, name) in inputs.iter().enumerate() {
        bench.matrix(d as u8, matrix(d), v.list(name));
    }
    bench.table(2, 512, (rows, par.len() / rows), par);
    let y = zero_points.len() - 1;
    bench.b.matrix(3, Matrix { base: 256, ..matrix(y) });
    let machine = bench.run(op(m as u64, n as u64));
    unpack(&machine, Space::Spm, ElementFormat::I8, 256, m * n)
}

/// Depthwise convolution into the accumulators, then requantization, as two instructions.
fn depthwise(v: &Vector) -> Vec<i32> {
    let (image, zero_points, par) = (v.image(), v.list("zero_points"), v.list("par"));
    let sums = windows::convolve(
        (image, v.list("x")),
        (v.list("w"), [zero_points[0], 0]),
        &vec![0; image.n_pixels_out() * image.c],
        Accumulate::Over,
    );
    let (m, n) = (image.n_pixels_out() as u64, image.c as u64);
    let mut bench = Bench::new();
    bench.matrix(0, Matrix::dense(Space::Acc, ElementFormat::I32, 0, m, n), &sums);
    bench.table(1, 512, (image.c, 3), par);
    let y = Matrix::dense(Space::Spm, ElementFormat::I8, 0, m, n);
    bench.b.matrix(
        2,
        Matrix {
            zero_point: zero_points[1],
            ..y
        },
    );
    let machine = bench.run(Op::VxRequant {
        dst: whole(2),
        src: whole(0),
        par: whole(1),
        m: count(m),
        n: count(n),
        rounding: Rounding::Fixed,
    });
    unpack(&machine, Space::Spm, ElementFormat::I8, 0, sums.len())
}

/// What this machine makes of the inputs.
fn result(v: &Vector) -> Vec<i32> {
    let (dst, a, b, par) = (whole(3), whole(0), whole(1), whole(2));
    let rounding = Rounding::Fixed;
    match v.op.as_str() {
        "add" => elementwise(v, &["a", "b"], (1, v.list("a").len()), 1, |m, n| {
            let (m, n) = (count(m), count(n));
            Op::VxAdd {
                dst,
                a,
                b,
                par,
                m,
                n,
                rounding,
            }
        }),
        "mul" => elementwise(v, &["a", "b"], (1, v.list("a").len()), 1, |m, n| {
            let (m, n) = (count(m), count(n));
            Op::VxMul {
                dst,
                a,
                b,
                par,
                m,
                n,
                rounding,
            }
        }),
        "prelu" => {
            let [m, n] = [0, 1].map(|i| v.list("shape")[i] as usize);
            elementwise(v, &["x"], (m, n), n, |m, n| {
                let (m, n, src) = (count(m), count(n), a);
                Op::VxPrelu {
                    dst,
                    src,
                    par,
                    m,
                    n,
                    rounding,
                }
            })
        }
        // Both sides have one quantization: the average is of stored values, whatever their zero point, and is not scaled.
        "avgpool" => windows::average(v.image(), v.list("x"), [0, 0], [1 << 30, -1], Divide::Valid, rounding),
        "dwconv" => depthwise(v),
        "softmax" => {
            let (n, format) = (v.list("shape")[1] as usize, ElementFormat::I8);
            let values = v.list("x").to_vec();
            rows::softmax(&Rows { format, n, values }, v.list("table"), -128)
        }
        other => panic!("{other}"),
    }
}

#[test]
fn every_result_is_that_of_the_reference_kernels() {
    let vectors = vectors();
    let mut n_elements = 0;
    for (i, v) in vectors.iter().enumerate() {
        assert_eq!(result(v), v.list("y"), "vector {i}, {}", v.op);
        n_elements += v.list("y").len();
    }
    assert!(
        vectors.len() >= 17 && n_elements >= 600,
        "{} {n_elements}",
        vectors.len()
    );
}

#[test]
fn other_parameters_give_other_results() {
    for (i, v) in vectors().iter_mut().enumerate() {
        let table = if v.lists.contains_key("par") { "par" } else { "table" };
        match v.lists.get_mut(table) {
            // One percent more scale or exponential.
            Some(words) => words
                .iter_mut()
                .filter(|w| **w > 1 << 20)
                .take(3)
                .for_each(|w| *w -= *w / 50),
            None => v
                .lists
                .get_mut("x")
                .unwrap()
                .iter_mut()
                .for_each(|x| *x = (*x + 1).min(127)),
        }
        assert_ne!(result(v), v.list("y"), "vector {i}, {}", v.op);
    }
}

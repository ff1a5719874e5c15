//! The kernels of the float executor against the definitions of their operators, in nested loops and f64.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use systole_compiler::graph::{DType, Graph, Node, Op, Padding, Pads, Tensor, TensorData, TensorId, WindowAttributes};
use systole_compiler::passes::find_pass;
use systole_compiler::reference::{Value, execute_float};

/// Numbers of -1..=1 in steps of 1/8 that follow from a seed.
fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed | 1;
    (0..n)
        .map(|_| {
            state = state
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(0x1405_7b7e_f767_814f);
            ((state >> 40) % 17) as f32 / 8.0 - 1.0
        })
        .collect()
}

/// The result of one node of `x` and constants; `None` if its shapes do not fit.
fn run(op: Op, x: &Value, constants: &[Value]) -> Option<(Vec<usize>, Vec<f32>)> {
    let mut graph = Graph::default();
    let mut ids = vec![graph.add_tensor(Tensor::value("x", DType::F32, x.shape.clone()))];
    graph.add_input(ids[0]);
    for constant in constants {
        ids.push(graph.add_tensor(Tensor::constant("c", constant.shape.clone(), constant.data.clone())));
    }
    let y: TensorId = graph.add_tensor(Tensor::named("y"));
    graph.add_node(Node::new("node", op, &ids, y));
    graph.add_output(y);
    find_pass("infer-shapes").unwrap().run(&mut graph).ok()?;
    let values = execute_float(&graph, std::slice::from_ref(x)).unwrap();
    Some((values.of(y).unwrap().shape.to_vec(), values.floats(y).unwrap().to_vec()))
}

fn close(found: &[f32], wanted: &[f64]) -> bool {
    found.len() == wanted.len() && found.iter().zip(wanted).all(|(f, w)| (f64::from(*f) - w).abs() <= 1e-5)
}

#[derive(Clone, Debug)]
struct Case {
    /// Images, groups, input and output channels of a group.
    sizes: [usize; 4],
    image: [usize; 2],
    window: WindowAttributes,
    seed: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let pair = |range: std::ops::RangeInclusive<usize>| [range.clone(), range];
    let sizes = [1usize..=2, 1..=3, 1..=5, 1..=6];
    let pads = [0usize..=2, 0..=2, 0..=2, 0..=2];
    (
        sizes,
        pair(1..=13),
        pair(1..=4),
        pair(1..=3),
        pair(1..=2),
        pads,
        any::<u64>(),
    )
        .prop_map(
            |(sizes, image, kernel, strides, dilations, [top, left, bottom, right], seed)| Case {
                sizes,
                image,
                window: WindowAttributes {
                    kernel: Some(kernel),
                    strides,
                    dilations,
                    padding: Padding::Explicit(Pads {
                        top,
                        left,
                        bottom,
                        right,
                    }),
                    ceil_mode: seed % 2 == 0,
                },
                seed,
            },
        )
}

/// Row and column of the image that a tap sees; `None` in the padding, and whether even beyond that.
fn position(case: &Case, axis: usize, output: usize, tap: usize) -> (Option<usize>, bool) {
    let Padding::Explicit(pads) = case.window.padding else {
        unreachable!("the cases have explicit padding")
    };
    let [before, after] = [[pads.top, pads.bottom], [pads.left, pads.right]][axis];
    let at = (output * case.window.strides[axis] + tap * case.window.dilations[axis]) as i64 - before as i64;
    let length = case.image[axis] as i64;
    let inside = (0..length).contains(&at).then_some(at as usize);
    (inside, at >= length + after as i64)
}

fn conv_by_definition(case: &Case, x: &[f32], w: &[f32], bias: &[f32], [oh, ow]: [usize; 2]) -> Vec<f64> {
    let [n, group, ci, co] = case.sizes;
    let ([h, width], [kh, kw]) = (case.image, case.window.kernel.unwrap());
    let mut result = Vec::new();
    for (image, channel) in (0..n).flat_map(|i| (0..group * co).map(move |c| (i, c))) {
        for (oy, ox) in (0..oh).flat_map(|y| (0..ow).map(move |x| (y, x))) {
            let mut sum = f64::from(bias[channel]);
            for (c, ky, kx) in (0..ci * kh * kw).map(|i| (i / (kh * kw), i / kw % kh, i % kw)) {
                if let (Some(y), Some(column)) = (position(case, 0, oy, ky).0, position(case, 1, ox, kx).0) {
                    let from = channel / co * ci + c;
                    let pixel = x[((image * group * ci + from) * h + y) * width + column];
                    sum += f64::from(pixel) * f64::from(w[((channel * ci + c) * kh + ky) * kw + kx]);
                }
            }
            result.push(sum);
        }
    }
    result
}

/// Elements of each window inside the image, and the number of those that are not beyond the padding.
fn windows(case: &Case, x: &[f32], n_planes: usize, [oh, ow]: [usize; 2]) -> Vec<(Vec<f64>, usize)> {
    let ([h, w], [kh, kw]) = (case.image, case.window.kernel.unwrap());
    let window = |(plane, oy, ox): (usize, usize, usize)| {
        let mut elements = Vec::new();
        let mut n_padded = 0;
        for (ky, kx) in (0..kh * kw).map(|i| (i / kw, i % kw)) {
            let ((y, y_beyond), (column, x_beyond)) = (position(case, 0, oy, ky), position(case, 1, ox, kx));
            n_padded += usize::from(!y_beyond && !x_beyond);
            if let (Some(y), Some(column)) = (y, column) {
                elements.push(f64::from(x[(plane * h + y) * w + column]));
            }
        }
        (elements, n_padded)
    };
    (0..n_planes * oh * ow)
        .map(|i| window((i / (oh * ow), i / ow % oh, i % ow)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn convolutions_are_sums_over_windows(case in cases()) {
        let [n, group, ci, co] = case.sizes;
        let ([h, w], [kh, kw]) = (case.image, case.window.kernel.unwrap());
        let mut case = case.clone();
        case.window.ceil_mode = false;
        let x = Value::floats(vec![n, group * ci, h, w], numbers(n * group * ci * h * w, case.seed));
        let weights = numbers(group * co * ci * kh * kw, case.seed ^ 1);
        let bias = numbers(group * co, case.seed ^ 2);
        let constants = [
            Value::floats(vec![group * co, ci, kh, kw], weights.clone()),
            Value::floats(vec![group * co], bias.clone()),
        ];
        let Some((shape, found)) = run(Op::Conv { window: case.window, group }, &x, &constants) else {
            return Ok(());
        };
        let wanted = conv_by_definition(&case, x.data.as_f32().unwrap(), &weights, &bias, [shape[2], shape[3]]);
        prop_assert!(close(&found, &wanted), "{found:?} for {wanted:?}");
        let mut wrong = wanted;
        *wrong.last_mut().unwrap() += 1.0 / 64.0;
        prop_assert!(!close(&found, &wrong));
    }

    #[test]
    fn poolings_reduce_windows(case in cases(), count_include_pad in any::<bool>()) {
        let ([n, c, _, _], [h, w]) = (case.sizes, case.image);
        let values = numbers(n * c * h * w, case.seed);
        let x = Value::floats(vec![n, c, h, w], values.clone());
        let average = Op::AveragePool { window: case.window, count_include_pad };
        let Some((shape, found)) = run(average, &x, &[]) else { return Ok(()) };
        let windows = windows(&case, &values, n * c, [shape[2], shape[3]]);
        let mean = |(elements, n_padded): &(Vec<f64>, usize)| {
            let n = if count_include_pad { *n_padded } else { elements.len() };
            if n == 0 { 0.0 } else { elements.iter().sum::<f64>() / n as f64 }
        };
        let wanted: Vec<f64> = windows.iter().map(mean).collect();
        prop_assert!(close(&found, &wanted), "{found:?} for {wanted:?}");
        let (_, found) = run(Op::MaxPool { window: case.window }, &x, &[]).unwrap();
        for (found, (elements, _)) in found.iter().zip(&windows) {
            prop_assert_eq!(f64::from(*found), elements.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        }
    }

    #[test]
    fn products_are_sums_over_the_depth(
        sizes in [1usize..=40, 1usize..=40, 1usize..=40],
        transposed in [any::<bool>(), any::<bool>()],
        seed in any::<u64>(),
    ) {
        let ([m, k, n], [trans_a, trans_b]) = (sizes, transposed);
        let (a, b, c) = (numbers(m * k, seed), numbers(k * n, seed ^ 1), numbers(n, seed ^ 2));
        let order = |flag: bool, shape: [usize; 2]| if flag { vec![shape[1], shape[0]] } else { shape.to_vec() };
        let x = Value::floats(order(trans_a, [m, k]), a.clone());
        let constants = [Value::floats(order(trans_b, [k, n]), b.clone()), Value::floats(vec![n], c.clone())];
        let op = Op::Gemm { trans_a, trans_b, alpha: 0.5, beta: 2.0 };
        let (_, found) = run(op, &x, &constants).unwrap();
        let at_a = |i: usize, j: usize| f64::from(a[if trans_a { j * m + i } else { i * k + j }]);
        let at_b = |i: usize, j: usize| f64::from(b[if trans_b { j * k + i } else { i * n + j }]);
        let element = |i: usize, j: usize| {
            0.5 * (0..k).map(|d| at_a(i, d) * at_b(d, j)).sum::<f64>() + 2.0 * f64::from(c[j])
        };
        let wanted: Vec<f64> = (0..m * n).map(|i| element(i / n, i % n)).collect();
        prop_assert!(close(&found, &wanted));
    }
}

#[test]
fn batches_of_products_are_broadcast() {
    let a = Value::floats(vec![2, 1, 3, 2], numbers(12, 5));
    let b = Value::floats(vec![3, 2, 4], numbers(24, 6));
    let (shape, found) = run(Op::MatMul, &a, std::slice::from_ref(&b)).unwrap();
    assert_eq!(shape, [2, 3, 3, 4]);
    let (TensorData::F32(a), TensorData::F32(b)) = (&a.data, &b.data) else {
        unreachable!("both are f32")
    };
    let element = |i: usize| {
        let (outer, batch, row, column) = (i / 36, i / 12 % 3, i / 4 % 3, i % 4);
        let product = |d: usize| f64::from(a[outer * 6 + row * 2 + d]) * f64::from(b[batch * 8 + d * 4 + column]);
        product(0) + product(1)
    };
    assert!(close(&found, &(0..72).map(element).collect::<Vec<_>>()));
}

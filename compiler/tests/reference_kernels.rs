//! The reference executor against the machine's arithmetic, which is written independently of it, and against results worked out by hand.
#![allow(clippy::unwrap_used, reason = "a test says why it fails")]

use proptest::prelude::*;
use systole_compiler::graph::ClipRange;
use systole_compiler::quantized::*;
use systole_compiler::reference::{arith, execute};
use systole_isa::numerics::{
    self, AddParameters, LayerNormParameters, MulParameters, PreluParameters, RequantParameters, Scale,
};
use systole_isa::operand::Divide;

const BYTE: ClipRange = ClipRange { lo: -128, hi: 127 };

/// A graph of activations named by their place, `[shape]` and data of constants, all i8 but biases.
struct Small {
    graph: QuantizedGraph,
}

impl Small {
    fn new(rounding: Rounding) -> Self {
        Self {
            graph: QuantizedGraph {
                name: "small".into(),
                rounding,
                tensors: vec![],
                nodes: vec![],
                inputs: vec![],
                outputs: vec![],
            },
        }
    }

    fn tensor(&mut self, shape: &[usize], data: Option<TensorData>) -> TensorId {
        let id = TensorId(self.graph.tensors.len() as u32);
        self.graph.tensors.push(QTensor {
            name: id.to_string(),
            shape: shape.to_vec(),
            dtype: data.as_ref().map_or(DType::I8, TensorData::dtype),
            quantization: Some((1.0, 0)),
            data,
        });
        id
    }

    fn values(&mut self, shape: &[usize], data: &[i32]) -> TensorId {
        self.tensor(shape, TensorData::from_i32(data, DType::I8))
    }

    /// The elements of the one node's result.
    fn run(mut self, op: QOp) -> Vec<i32> {
        let output = op.output();
        self.graph.nodes.push(QNode {
            name: "node".into(),
            op,
        });
        execute(&self.graph, &[]).unwrap().of(output).to_vec()
    }
}

fn rounding() -> impl Strategy<Value = Rounding> {
    prop_oneof![Just(Rounding::Fixed), Just(Rounding::Float)]
}

/// A scale that both modes know: what a real number between 2^-20 and 2^10 becomes.
fn scale(rounding: Rounding) -> BoxedStrategy<Scale> {
    match rounding {
        Rounding::Float => (1e-6f32..1000.0).prop_map(Scale::from_real).boxed(),
        Rounding::Fixed => (1 << 30..=i32::MAX, -10i32..=31)
            .prop_map(|(multiplier, shift)| Scale { multiplier, shift })
            .boxed(),
    }
}

fn byte() -> impl Strategy<Value = i32> {
    prop_oneof![Just(-128), Just(127), Just(0), -128i32..=127]
}

/// Operands without zero points: up to the 255 steps that a byte can lie from its zero point.
fn difference() -> impl Strategy<Value = i32> {
    prop_oneof![Just(-255), Just(255), Just(0), -255i32..=255]
}

fn limits(clip: ClipRange) -> (i32, i32) {
    (clip.lo, clip.hi)
}

proptest! {
    #[test]
    fn requantization_is_that_of_the_machine(
        (rounding, scale) in rounding().prop_flat_map(|r| (Just(r), scale(r))),
        acc in prop_oneof![Just(i32::MIN), Just(i32::MAX), any::<i32>(), -1000i32..1000],
        zero in byte(),
    ) {
        let machine = RequantParameters::new(0, scale).apply(acc, zero, limits(BYTE), rounding);
        prop_assert_eq!(arith::requantize(acc, scale, rounding, zero, BYTE), machine);
    }

    #[test]
    fn sums_are_those_of_the_machine(a in difference(), b in difference(), zero in byte(), scales in [1e-4f32..10.0, 1e-4f32..10.0, 1e-4f32..10.0],
        fixed in [scale(Rounding::Fixed), scale(Rounding::Fixed), scale(Rounding::Fixed)]) {
        let right = |s: Scale| Scale { shift: s.shift.max(0), ..s };
        let [x, y, z] = fixed.map(right);
        for parameters in [AddParameters::Float(scales), AddParameters::Fixed { left_shift: 20, sides: [x, y], sum: z }] {
            let own = arith::place(arith::add(a, b, &parameters), zero, BYTE);
            prop_assert_eq!(own, parameters.apply(a, b, zero, limits(BYTE)));
        }
    }

    #[test]
    fn products_are_those_of_the_machine(a in difference(), b in difference(), zero in byte(), scales in [1e-4f32..10.0, 1e-4f32..10.0, 1e-4f32..10.0],
        fixed in scale(Rounding::Fixed)) {
        for parameters in [MulParameters::Float(scales), MulParameters::Fixed(fixed)] {
            let own = arith::place(arith::mul(a, b, &parameters), zero, BYTE);
            prop_assert_eq!(own, parameters.apply(a, b, zero, limits(BYTE)));
        }
    }

    #[test]
    fn slopes_are_those_of_the_machine((rounding, positive, negative) in rounding().prop_flat_map(|r| (Just(r), scale(r), scale(r))),
        value in difference(), alpha in difference(), zero in byte()) {
        let parameters = PreluParameters { bias: 0, positive, alpha, negative };
        let own = arith::place(arith::prelu(value, &parameters, rounding), zero, BYTE);
        prop_assert_eq!(own, parameters.apply(value, zero, limits(BYTE), rounding));
    }

    #[test]
    fn averages_are_those_of_the_machine((rounding, scale) in rounding().prop_flat_map(|r| (Just(r), scale(r))),
        sum in prop_oneof![-10_000i32..10_000, any::<i32>()], count in prop_oneof![Just(0usize), 1usize..5, 1usize..10_000], zero in byte()) {
        let own = arith::place(arith::average(sum, Some(count), scale, rounding), zero, BYTE);
        prop_assert_eq!(own, numerics::average(sum, count as u64, scale, rounding, zero, limits(BYTE)));
    }

    #[test]
    fn softmax_is_that_of_the_machine(rows in prop::collection::vec(byte(), 1..40), step in 0.001f64..1.0, zero in byte(), empty in prop::bool::weighted(0.05)) {
        let exponential = |d: i32| ((-f64::from(d) * step).exp() * f64::from(1 << 23)).round() as i32;
        let table: Vec<i32> = if empty { vec![0; 257] } else { (0..256).map(exponential).chain([256]).collect() };
        let mut small = Small::new(Rounding::Fixed);
        let (input, output) = (small.values(&[2, rows.len()], &[rows.clone(), rows.clone()].concat()), small.tensor(&[2, rows.len()], None));
        let own = small.run(QOp::Softmax(QSoftmax { input, output, table: table.clone(), output_zero_point: zero, clip: BYTE }));
        let mut machine = rows;
        numerics::softmax(&mut machine, &table, zero, limits(BYTE));
        prop_assert_eq!(own, [machine.clone(), machine].concat());
    }

    #[test]
    fn layer_normalization_is_that_of_the_machine(row in prop::collection::vec(byte(), 1..40), seed in any::<[i32; 2]>(), input_zero in byte(),
        zero in byte(), epsilon in prop_oneof![Just(0), Just(-1), 0i32..1 << 20]) {
        let n = row.len();
        let gamma_beta: Vec<[i32; 2]> = (0..n as i32).map(|i| seed.map(|s| s.rotate_left(i as u32) >> 8)).collect();
        let mut small = Small::new(Rounding::Fixed);
        let (input, output) = (small.values(&[1, n], &row), small.tensor(&[1, n], None));
        let own = small.run(QOp::LayerNorm(QLayerNorm { input, output, input_zero_point: input_zero, gamma_beta: gamma_beta.clone(), epsilon,
            output_zero_point: zero, clip: BYTE }));
        let mut machine: Vec<i32> = row.iter().map(|x| x - input_zero).collect();
        numerics::layer_norm(&mut machine, &LayerNormParameters { columns: gamma_beta, epsilon }, zero, limits(BYTE));
        prop_assert_eq!(own, machine);
    }

    /// A grouped convolution is the concatenation of one convolution per group.
    #[test]
    fn groups_are_convolutions_side_by_side(groups in 1usize..4, ci in 1usize..3, co in 1usize..4, stride in 1usize..3, pad in 0usize..2, seed in any::<u32>()) {
        let mut state = seed;
        let mut bytes = |n: usize| -> Vec<i32> { (0..n).map(|_| { state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223); (state >> 24) as i32 - 128 }).collect() };
        let (side, kernel) = (4, 3);
        let window = Window { kernel: [kernel; 2], strides: [stride; 2], dilations: [1; 2], pads: Pads { top: pad, left: pad, bottom: pad, right: pad } };
        let [oh, ow] = window.output([side; 2], false).unwrap();
        let (x, w, b) = (bytes(side * side * ci * groups), bytes(kernel * kernel * ci * co * groups), bytes(co * groups));
        let convolve = |groups: usize, x: &[i32], w: &[i32], b: &[i32]| {
            let mut small = Small::new(Rounding::Float);
            let n = b.len();
            let input = small.values(&[1, side, side, x.len() / (side * side)], x);
            let weights = small.values(&[w.len() / n, n], w);
            let bias = small.tensor(&[n], TensorData::from_i32(b, DType::I32));
            let output = small.tensor(&[1, oh, ow, n], None);
            small.run(QOp::Conv(QConv { input, weights, groups, bias, output, window, input_zero_point: 3, weight_zero_points: vec![1; n],
                scales: vec![Scale::from_real(0.003); n], output_zero_point: -5, clip: BYTE }))
        };
        let columns = |values: &[i32], of: usize, group: usize| -> Vec<i32> {
            let width = of / groups;
            values.chunks(of).flat_map(|row| row[group * width..(group + 1) * width].to_vec()).collect()
        };
        let whole = convolve(groups, &x, &w, &b);
        for group in 0..groups {
            let part = convolve(1, &columns(&x, ci * groups, group), &columns(&w, co * groups, group), &columns(&b, co * groups, group));
            prop_assert_eq!(columns(&whole, co * groups, group), part);
        }
    }
}

#[test]
fn operands_are_repeated_along_axes_of_length_one() {
    let mut small = Small::new(Rounding::Float);
    let a = small.values(&[2, 1, 2], &[1, 2, 3, 4]);
    let b = small.values(&[1, 3, 1], &[10, 20, 30]);
    let output = small.tensor(&[2, 3, 2], None);
    let sum = small.run(QOp::Add(QAdd {
        a,
        b,
        output,
        zero_points: [0, 0],
        parameters: AddParameters::Float([1.0; 3]),
        output_zero_point: 0,
        clip: BYTE,
    }));
    assert_eq!(sum, [11, 12, 21, 22, 31, 32, 13, 14, 23, 24, 33, 34]);
}

#[test]
fn products_take_zero_points_off_and_clip() {
    let mut small = Small::new(Rounding::Float);
    let (a, b) = (small.values(&[3], &[3, 5, 127]), small.values(&[1], &[4]));
    let output = small.tensor(&[3], None);
    let product = small.run(QOp::Mul(QMul {
        a,
        b,
        output,
        zero_points: [1, 2],
        parameters: MulParameters::Float([0.5, 1.0, 1.0]),
        output_zero_point: -10,
        clip: ClipRange { lo: -8, hi: 100 },
    }));
    assert_eq!(product, [-8, -6, 100]);
}

#[test]
fn a_table_starts_with_the_lowest_value() {
    let mut small = Small::new(Rounding::Fixed);
    let (input, output) = (small.values(&[3], &[-128, 0, 127]), small.tensor(&[3], None));
    let table = (0..256).map(|i| i / 2).collect();
    assert_eq!(small.run(QOp::Lut(QLut { input, output, table })), [0, 64, 127]);
}

#[test]
fn an_average_counts_what_it_is_told_to() {
    let average = |divide, rounding| {
        let mut small = Small::new(rounding);
        let input = small.values(&[1, 2, 2, 1], &[10, 20, 30, 45]);
        let output = small.tensor(&[1, 2, 2, 1], None);
        let window = Window {
            kernel: [2, 2],
            strides: [1, 1],
            dilations: [1, 1],
            pads: Pads {
                bottom: 1,
                right: 1,
                ..Pads::default()
            },
        };
        let scale = match rounding {
            Rounding::Float => Scale::from_real(1.0),
            Rounding::Fixed => Scale {
                multiplier: 1 << 30,
                shift: -1,
            },
        };
        small.run(QOp::AvgPool(QAvgPool {
            input,
            output,
            window,
            divide,
            input_zero_point: 0,
            scale,
            output_zero_point: 1,
            clip: BYTE,
        }))
    };
    // Windows hold {10, 20, 30, 45}, {20, 45}, {30, 45} and {45}.
    assert_eq!(average(Divide::Valid, Rounding::Fixed), [27, 34, 39, 46]);
    assert_eq!(average(Divide::Valid, Rounding::Float), [27, 33, 39, 46]);
    assert_eq!(average(Divide::All, Rounding::Fixed), [27, 17, 20, 12]);
    assert_eq!(average(Divide::None, Rounding::Fixed), [106, 66, 76, 46]);
}

#[test]
fn pieces_are_copied_repeated_and_reversed_into_what_is_filled() {
    let mut small = Small::new(Rounding::Fixed);
    let (a, b) = (small.values(&[2, 2], &[1, 2, 3, 4]), small.values(&[1], &[9]));
    let output = small.tensor(&[3, 3], None);
    let axis = |length, from_stride, to_stride| QAxis {
        length,
        from_stride,
        to_stride,
    };
    let transposed = QPiece {
        input: a,
        from: 0,
        to: 0,
        axes: vec![axis(2, 1, 3), axis(2, 2, 1)],
    };
    let repeated = QPiece {
        input: b,
        from: 0,
        to: 6,
        axes: vec![axis(2, 0, 1)],
    };
    let reversed = QPiece {
        input: a,
        from: 3,
        to: 2,
        axes: vec![axis(2, -1, 3)],
    };
    let moved = small.run(QOp::Move(QMove {
        pieces: vec![transposed, repeated, reversed],
        output,
        fill: Some(-7),
    }));
    assert_eq!(moved, [1, 3, 4, 2, 4, 3, 9, 9, -7]);
}

//! Small models against numbers worked out by hand or by independent loops.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says why it fails or is skipped"
)]

mod support;

use rten_onnx::onnx::DataType;
use support::{ModelWriter, int, ints};
use systole_compiler::quantized::{ClipRange, QOp};
use systole_compiler::reference::{ExecuteError, execute};
use systole_compiler::{QuantizedGraph, import_onnx, lower};
use systole_isa::numerics::Scale;

fn compile(bytes: &[u8]) -> QuantizedGraph {
    lower(import_onnx(bytes).unwrap()).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn names(graph: &QuantizedGraph) -> Vec<&'static str> {
    graph.nodes.iter().map(|node| node.op.name()).collect()
}

/// Integers of the first output, in the user's order, for integer inputs in the user's order.
fn run(graph: &QuantizedGraph, inputs: &[&[i32]]) -> Vec<i32> {
    let machine: Vec<Vec<i32>> = graph
        .inputs
        .iter()
        .zip(inputs)
        .map(|(io, v)| io.integers_to_machine(v).unwrap())
        .collect();
    let values = execute(graph, &machine).unwrap();
    let output = &graph.outputs[0];
    output.integers_from_machine(values.of(output.tensor)).unwrap()
}

/// Scales 1, 1/2, 1/4 and some zero points under short names.
fn writer() -> ModelWriter {
    ModelWriter::default()
        .floats("one", &[], &[1.0])
        .floats("half", &[], &[0.5])
        .floats("quarter", &[], &[0.25])
        .bytes_i8("zero", &[], &[0])
        .bytes_i8("three", &[], &[3])
        .bytes_i8("minus", &[], &[-1])
        .bytes_i8("ten", &[], &[10])
}

#[test]
fn add_rescales_both_operands() {
    let bytes = writer()
        .input("a", DataType::FLOAT, &[1, 4])
        .input("b", DataType::FLOAT, &[1, 4])
        .node("QuantizeLinear", &["a", "half", "zero"], "qa")
        .node("DequantizeLinear", &["qa", "half", "zero"], "da")
        .node("QuantizeLinear", &["b", "quarter", "three"], "qb")
        .node("DequantizeLinear", &["qb", "quarter", "three"], "db")
        .node("Add", &["da", "db"], "sum")
        .node("QuantizeLinear", &["sum", "one", "minus"], "qs")
        .node("DequantizeLinear", &["qs", "one", "minus"], "y")
        .output("y")
        .bytes();
    let graph = compile(&bytes);
    assert_eq!(names(&graph), ["QAdd"]);
    // Sums 1, -1, 94.5 and -0.5, rounded half to even, minus 1.
    assert_eq!(run(&graph, &[&[2, -3, 127, 1], &[3, 5, 127, -1]]), [0, -2, 93, -1]);
}

#[test]
fn microsoft_add_with_a_broadcast_constant() {
    let bytes = writer()
        .input("a", DataType::INT8, &[1, 2, 1, 2])
        .bytes_i8("b", &[2, 1, 1], &[4, -8])
        .node(
            "com.microsoft:QLinearAdd",
            &["a", "half", "zero", "b", "quarter", "zero", "one", "ten"],
            "y",
        )
        .output("y")
        .bytes();
    let graph = compile(&bytes);
    // Channel 0: (2, 5) / 2 + 1 = 2, 3.5 -> 4. Channel 1: (-3, 0) / 2 - 2 = -3.5 -> -4, -2. Plus 10.
    assert_eq!(run(&graph, &[&[2, 5, -3, 0]]), [12, 14, 6, 8]);
}

#[test]
fn a_lone_relu_becomes_a_clipped_rescaling() {
    let bytes = writer()
        .input("x", DataType::FLOAT, &[1, 4])
        .node("QuantizeLinear", &["x", "half", "zero"], "q")
        .node("DequantizeLinear", &["q", "half", "zero"], "d")
        .node("Relu", &["d"], "r")
        .node("QuantizeLinear", &["r", "one", "ten"], "qr")
        .node("DequantizeLinear", &["qr", "one", "ten"], "y")
        .output("y")
        .bytes();
    let graph = compile(&bytes);
    assert_eq!(names(&graph), ["QRequant"]);
    // Reals -2, 1.5, 2.5, 3.5.
    assert_eq!(run(&graph, &[&[-4, 3, 5, 7]]), [10, 12, 12, 14]);
    let io = &graph.inputs[0];
    assert_eq!(io.quantize_input(&[-2.0, 1.5, 2.26, 1e9]), Some(vec![-4, 3, 5, 127]));
    assert_eq!(io.quantize_input(&[0.0]), None);
    assert_eq!(
        graph.outputs[0].dequantize_output(&[10, 12, 12, 14]),
        Some(vec![0.0, 2.0, 2.0, 4.0])
    );
}

/// `x -> 1x1 convolution by 2 -> ..` up to the point where the callers differ.
fn convolution() -> ModelWriter {
    writer()
        .input("x", DataType::FLOAT, &[1, 1, 2, 2])
        .bytes_i8("w", &[1, 1, 1, 1], &[2])
        .floats("bias", &[1], &[-3.0])
        .node("QuantizeLinear", &["x", "one", "zero"], "q")
        .node("DequantizeLinear", &["q", "one", "zero"], "d")
        .node("DequantizeLinear", &["w", "one", "zero"], "dw")
        .node("Conv", &["d", "dw", "bias"], "c")
}

fn clip_of(graph: &QuantizedGraph) -> ClipRange {
    match &graph.nodes[0].op {
        QOp::Conv(conv) => conv.clip,
        other => panic!("{other:?}"),
    }
}

#[test]
fn activations_join_the_convolution() {
    let before_quantization = convolution()
        .floats("six", &[], &[6.0])
        .node("Relu", &["c"], "r")
        .node("Clip", &["r", "", "six"], "k")
        .node("QuantizeLinear", &["k", "half", "ten"], "qk")
        .node("DequantizeLinear", &["qk", "half", "ten"], "y")
        .output("y");
    let graph = compile(&before_quantization.bytes());
    assert_eq!(
        (names(&graph).as_slice(), clip_of(&graph)),
        (&["QConv"][..], ClipRange { lo: 10, hi: 22 })
    );
    // 2 x - 3, clipped into 0..6, in halves, plus 10.
    assert_eq!(run(&graph, &[&[1, 2, 4, 9]]), [10, 12, 20, 22]);

    let between_equal_scales = convolution()
        .node("QuantizeLinear", &["c", "half", "ten"], "qc")
        .node("DequantizeLinear", &["qc", "half", "ten"], "dc")
        .node("Relu", &["dc"], "r")
        .node("QuantizeLinear", &["r", "half", "ten"], "qr")
        .node("DequantizeLinear", &["qr", "half", "ten"], "y")
        .output("y");
    let graph = compile(&between_equal_scales.bytes());
    assert_eq!(
        (names(&graph).as_slice(), clip_of(&graph)),
        (&["QConv"][..], ClipRange { lo: 10, hi: 127 })
    );

    // Rescaling after the first rounding is a second rounding and must stay.
    let between_other_scales = convolution()
        .node("QuantizeLinear", &["c", "one", "zero"], "qc")
        .node("DequantizeLinear", &["qc", "one", "zero"], "dc")
        .node("Relu", &["dc"], "r")
        .node("QuantizeLinear", &["r", "half", "ten"], "qr")
        .node("DequantizeLinear", &["qr", "half", "ten"], "y")
        .output("y");
    assert_eq!(names(&compile(&between_other_scales.bytes())), ["QConv", "QRequant"]);
}

#[test]
fn an_activation_stays_where_someone_else_reads_its_operand() {
    let bytes = convolution()
        .node("QuantizeLinear", &["c", "half", "ten"], "qc")
        .node("DequantizeLinear", &["qc", "half", "ten"], "dc")
        .node("Relu", &["dc"], "r")
        .node("QuantizeLinear", &["r", "half", "ten"], "qr")
        .node("DequantizeLinear", &["qr", "half", "ten"], "y")
        .output("y")
        .output("dc")
        .bytes();
    let graph = compile(&bytes);
    assert_eq!(names(&graph), ["QConv", "QRequant"]);
    assert_eq!(clip_of(&graph), ClipRange { lo: -128, hi: 127 });
    assert_eq!(graph.outputs.len(), 2);
}

#[test]
fn quantization_moves_across_pooling_and_flattening() {
    let bytes = convolution()
        .node("Relu", &["c"], "r")
        .node_with("MaxPool", &["r"], "p", vec![ints("kernel_shape", &[2, 1])])
        .node("Flatten", &["p"], "f")
        .node("QuantizeLinear", &["f", "half", "ten"], "qf")
        .node("DequantizeLinear", &["qf", "half", "ten"], "y")
        .output("y")
        .bytes();
    let graph = compile(&bytes);
    assert_eq!(names(&graph), ["QConv", "QMaxPool", "View"]);
    // 2 x - 3 = (-1, 1; 5, -9), at least 0; the larger of each column; in halves, plus 10.
    assert_eq!(run(&graph, &[&[1, 2, 4, -3]]), [20, 12]);
}

#[test]
fn rescaling_to_another_scale_stays() {
    let bytes = writer()
        .input("x", DataType::FLOAT, &[1, 1, 2, 2])
        .node("QuantizeLinear", &["x", "half", "zero"], "q")
        .node("DequantizeLinear", &["q", "half", "zero"], "d")
        .node_with("MaxPool", &["d"], "p", vec![ints("kernel_shape", &[1, 2])])
        .node("QuantizeLinear", &["p", "one", "ten"], "qp")
        .node("DequantizeLinear", &["qp", "one", "ten"], "y")
        .output("y")
        .bytes();
    let graph = compile(&bytes);
    assert_eq!(names(&graph), ["QMaxPool", "QRequant"]);
    // Maxima 7 and -3 in halves: 3.5 rounds to 4, -1.5 to -2; plus 10.
    assert_eq!(run(&graph, &[&[7, 2, -4, -3]]), [14, 8]);
}

#[test]
fn a_flattened_image_keeps_the_order_of_the_user() {
    let head = || {
        writer()
            .input("x", DataType::FLOAT, &[1, 2, 2, 2])
            .node("QuantizeLinear", &["x", "one", "zero"], "q")
            .node("DequantizeLinear", &["q", "one", "zero"], "d")
            .node("Flatten", &["d"], "f")
    };
    let x = [1, 2, 3, 4, 5, 6, 7, 8];
    let as_output = compile(&head().output("f").bytes());
    assert_eq!(names(&as_output), ["View"]);
    assert_eq!(run(&as_output, &[&x]), x);
    assert_eq!(as_output.outputs[0].view_shape, [1, 2, 2, 2]);

    let weights = [1, -1, 2, -2, 3, -3, 4, -4];
    let product = |writer: ModelWriter, op: &str, transposed: i64| {
        let bytes = writer
            .node("DequantizeLinear", &["w", "one", "zero"], "dw")
            .node_with(op, &["f", "dw"], "g", vec![int("transB", transposed)])
            .node("QuantizeLinear", &["g", "one", "zero"], "qg")
            .node("DequantizeLinear", &["qg", "one", "zero"], "y")
            .output("y")
            .bytes();
        run(&compile(&bytes), &[&x])
    };
    // 1 - 2 + 6 - 8 + 15 - 18 + 28 - 32 = -10.
    assert_eq!(product(head().bytes_i8("w", &[8, 1], &weights), "Gemm", 0), [-10]);
    assert_eq!(product(head().bytes_i8("w", &[1, 8], &weights), "Gemm", 1), [-10]);
    assert_eq!(product(head().bytes_i8("w", &[8, 1], &weights), "MatMul", 0), [-10]);
}

#[test]
fn weights_quantized_inside_the_model_are_folded() {
    let bytes = writer()
        .input("x", DataType::FLOAT, &[1, 2])
        .floats("w", &[2, 2], &[0.5, 1.3, -0.7, 9.0])
        .floats("per_row", &[2], &[0.5, 0.25])
        .bytes_i8("zeros", &[2], &[0, 0])
        .node("QuantizeLinear", &["x", "one", "zero"], "q")
        .node("DequantizeLinear", &["q", "one", "zero"], "d")
        .node_with("QuantizeLinear", &["w", "per_row", "zeros"], "qw", vec![int("axis", 0)])
        .node_with(
            "DequantizeLinear",
            &["qw", "per_row", "zeros"],
            "dw",
            vec![int("axis", 0)],
        )
        .node("Identity", &["dw"], "iw")
        .node_with("Gemm", &["d", "iw"], "g", vec![int("transB", 1)])
        .node("QuantizeLinear", &["g", "quarter", "zero"], "qg")
        .node("DequantizeLinear", &["qg", "quarter", "zero"], "y")
        .output("y")
        .bytes();
    let graph = compile(&bytes);
    let QOp::Dense(dense) = &graph.nodes[0].op else {
        panic!("{:?}", graph.nodes)
    };
    // Rows (0.5, 1.3) / 0.5 = (1, 3) and (-0.7, 9) / 0.25 = (-3, 36), transposed.
    assert_eq!(
        graph.tensor(dense.weights).data.as_ref().unwrap().to_i32(),
        Some(vec![1, -3, 3, 36])
    );
    assert_eq!(dense.scales, [2.0, 1.0].map(Scale::from_real));
    assert_eq!(run(&graph, &[&[1, 2]]), [14, 69]);
}

#[test]
fn inputs_that_do_not_fit_are_named() {
    let graph = compile(
        &convolution()
            .node("QuantizeLinear", &["c", "one", "zero"], "y")
            .output("y")
            .bytes(),
    );
    assert_eq!(
        execute(&graph, &[]),
        Err(ExecuteError::InputCount { found: 0, expected: 1 })
    );
    let short = execute(&graph, &[vec![1]]).unwrap_err();
    assert!(
        short.to_string().contains("input `x`: found 1 elements, expected 4"),
        "{short}"
    );
    let wide = execute(&graph, &[vec![1, 2, 128, 0]]).unwrap_err();
    assert!(
        wide.to_string().contains("found 128 at 2, expected values of i8"),
        "{wide}"
    );
}

/// One QLinearConv with everything unusual at once, against loops over the model's own NCHW and OIHW order.
#[test]
fn a_strided_dilated_padded_convolution_with_zero_points_per_channel() {
    let (channels, height, width, co, kernel) = (3usize, 9usize, 8usize, 4usize, [3usize, 2usize]);
    let (strides, dilations, pads) = ([2usize, 3usize], [2usize, 1usize], [1usize, 2, 3, 0]);
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as i32
    };
    let x: Vec<i32> = (0..channels * height * width).map(|_| random()).collect();
    let w: Vec<i32> = (0..co * channels * 6).map(|_| random() - 128).collect();
    let bias: Vec<i32> = (0..co).map(|_| (random() - 128) * 300).collect();
    let (x_zero, w_zeros, y_zero) = (77, [0, 5, -9, 127], 31);
    let (x_scale, w_scales, y_scale) = (0.013_f32, [0.02_f32, 0.007, 0.011, 0.0003], 0.21_f32);
    let signed = |values: &[i32]| values.iter().map(|&v| v as i8).collect::<Vec<_>>();
    let i64s = |values: &[usize]| values.iter().map(|&v| v as i64).collect::<Vec<_>>();
    let bytes = ModelWriter::default()
        .input("x", DataType::UINT8, &[1, 3, 9, 8])
        .floats("xs", &[], &[x_scale])
        .bytes_u8("xz", &[], &[x_zero as u8])
        .bytes_i8("w", &[4, 3, 3, 2], &signed(&w))
        .floats("ws", &[4], &w_scales)
        .bytes_i8("wz", &[4], &signed(&w_zeros))
        .floats("ys", &[], &[y_scale])
        .bytes_u8("yz", &[], &[y_zero as u8])
        .ints_i32("b", &[4], &bias)
        .node_with(
            "QLinearConv",
            &["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"],
            "y",
            vec![
                ints("strides", &i64s(&strides)),
                ints("dilations", &i64s(&dilations)),
                ints("pads", &i64s(&pads)),
            ],
        )
        .output("y")
        .bytes();
    let graph = compile(&bytes);
    // (9 + 1 + 3 - 5) / 2 + 1 rows, (8 + 2 + 0 - 2) / 3 + 1 columns.
    let (rows, columns) = (5, 3);
    assert_eq!(graph.outputs[0].shape, [1, 4, rows, columns]);
    let mut expected = Vec::new();
    for o in 0..co {
        for (oy, ox) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
            let mut acc = i64::from(bias[o]);
            for c in 0..channels {
                for (ky, kx) in (0..kernel[0]).flat_map(|y| (0..kernel[1]).map(move |x| (y, x))) {
                    let iy = (oy * strides[0] + ky * dilations[0]) as i64 - pads[0] as i64;
                    let ix = (ox * strides[1] + kx * dilations[1]) as i64 - pads[1] as i64;
                    if (0..height as i64).contains(&iy) && (0..width as i64).contains(&ix) {
                        let x = x[(c * height + iy as usize) * width + ix as usize] - x_zero;
                        let w = w[((o * channels + c) * kernel[0] + ky) * kernel[1] + kx] - w_zeros[o];
                        acc += i64::from(x) * i64::from(w);
                    }
                }
            }
            let real = (acc as f32) * ((x_scale * w_scales[o]) / y_scale);
            expected.push((real.round_ties_even() as i32 + y_zero).clamp(0, 255));
        }
    }
    assert!(
        expected.iter().filter(|&&v| v > 0 && v < 255).count() > 20,
        "{expected:?}"
    );
    assert_eq!(run(&graph, &[&x]), expected);
}

#[test]
fn pooling_skips_padding_and_rounds_sizes_up_on_request() {
    let bytes = writer()
        .input("x", DataType::INT8, &[1, 1, 3, 3])
        .node_with(
            "MaxPool",
            &["x"],
            "p",
            vec![
                ints("kernel_shape", &[2, 2]),
                ints("strides", &[2, 2]),
                ints("pads", &[0, 1, 0, 0]),
                int("ceil_mode", 1),
            ],
        )
        .node("DequantizeLinear", &["p", "one", "ten"], "y")
        .output("y")
        .bytes();
    let graph = compile(&bytes);
    assert_eq!(graph.outputs[0].shape, [1, 1, 2, 2]);
    // Columns (pad, 0), (1, 2); rows (0, 1), (2).
    assert_eq!(run(&graph, &[&[-5, -6, -7, -4, -8, -9, -3, -2, -1]]), [-4, -6, -3, -1]);
}

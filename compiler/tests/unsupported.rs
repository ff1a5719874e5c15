//! What cannot be compiled is named, all of it, and can still be shown.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says why it fails or is skipped"
)]

mod support;

use rten_onnx::onnx::DataType;
use std::ops::ControlFlow;
use support::{ModelWriter, int, ints, string};
use systole_compiler::{CompileErrorKind, check_supported, import_onnx, lower, run_passes};

#[test]
fn every_unknown_operator_is_listed_with_its_node() {
    let bytes = ModelWriter::default()
        .input("x", DataType::FLOAT, &[1, 2, 4, 4])
        .floats("pads", &[8], &[0.0; 8])
        .node("GridSample", &["x"], "a")
        .node_with("Pad", &["a", "pads"], "b", vec![string("mode", "reflect")])
        .node("com.example:Fancy", &["b"], "c")
        .node_with("MaxPool", &["c"], "d", vec![ints("kernel_shape", &[2, 2, 2])])
        .node_with("Resize", &["d", "", "pads"], "e", vec![string("mode", "linear")])
        .node_with("Cast", &["e"], "f", vec![int("to", 10)])
        .output("f")
        .bytes();
    let graph = import_onnx(&bytes).unwrap();
    let errors = check_supported(&graph);
    let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), 6, "{text:#?}");
    assert!(errors.iter().all(|e| e.kind == CompileErrorKind::UnsupportedOperator));
    for (text, wanted) in text.iter().zip([
        "node `make_a`: found operator GridSample",
        "node `make_b`: found operator Pad with mode `reflect`",
        "node `make_c`: found operator com.example.Fancy",
        "node `make_d`: found operator MaxPool with a pooling over 3 spatial axes",
        "node `make_e`: found operator Resize with mode `linear`",
        "node `make_f`: found operator Cast with type number 10",
    ]) {
        assert!(text.contains(wanted), "{text}");
    }
    assert!(
        graph
            .to_string()
            .contains("= Fancy(%3) unsupported, domain com.example"),
        "{graph}"
    );
    assert_eq!(lower(graph.clone()).unwrap_err(), errors);
    // With the shapes that follow without knowing those operators.
    let shown = run_passes(graph, &mut |_, _| ControlFlow::Break(()))
        .unwrap()
        .to_string();
    assert!(
        shown.contains("`a` ?[?] = GridSample(%1) unsupported, domain ai.onnx"),
        "{shown}"
    );
}

/// A float model gets scales; one that brings some of its own has to bring all of them.
#[test]
fn a_half_quantized_model_is_told_which_nodes_compute_in_float() {
    let bytes = ModelWriter::default()
        .input("x", DataType::FLOAT, &[1, 2, 4, 4])
        .floats("s", &[], &[0.5])
        .bytes_i8("z", &[], &[0])
        .floats("w", &[2, 2, 1, 1], &[1.0, 2.0, 3.0, 4.0])
        .node("QuantizeLinear", &["x", "s", "z"], "q")
        .node("DequantizeLinear", &["q", "s", "z"], "d")
        .node("Conv", &["d", "w"], "c")
        .node_with("LRN", &["c"], "l", vec![int("size", 3)])
        .output("l")
        .bytes();
    let errors = lower(import_onnx(&bytes).unwrap()).unwrap_err();
    assert!(
        errors.iter().all(|e| e.kind == CompileErrorKind::NotQuantized),
        "{errors:#?}"
    );
    for wanted in [
        "node `make_c`: found Conv between",
        "node `make_l`: found LRN between",
        "quantize the model",
    ] {
        assert!(
            errors.iter().any(|e| e.to_string().contains(wanted)),
            "no `{wanted}` in {errors:#?}"
        );
    }
}

#[test]
fn real_models_with_other_operators_are_read_and_shown() {
    for (path, wanted) in [
        ("onnx_light/resnet50/model.onnx", &["BatchNormalization", "Softmax"][..]),
        ("onnx_light/squeezenet/model.onnx", &["Concat"][..]),
        ("onnx_node/test_hardswish/model.onnx", &["HardSwish"][..]),
        ("onnx_node/test_lrn/model.onnx", &["LRN"][..]),
        (
            "onnx_node/test_convinteger_with_padding/model.onnx",
            &["ConvInteger"][..],
        ),
    ] {
        let Some(bytes) = support::model_bytes(path) else {
            return;
        };
        let graph = import_onnx(&bytes).unwrap();
        assert_eq!(check_supported(&graph), []);
        for op_type in wanted {
            assert!(graph.to_string().contains(&format!("= {op_type}(")), "{path}");
        }
    }
}

#[test]
fn dynamic_scales_and_weights_are_named() {
    let bytes = ModelWriter::default()
        .input("x", DataType::UINT8, &[1, 4])
        .input("w", DataType::INT8, &[4, 2])
        .input("s", DataType::FLOAT, &[])
        .floats("one", &[], &[1.0])
        .bytes_u8("z", &[], &[0])
        .bytes_i8("zw", &[], &[0])
        .node("QLinearMatMul", &["x", "s", "z", "w", "one", "zw", "one", "z"], "y")
        .output("y")
        .bytes();
    let errors = lower(import_onnx(&bytes).unwrap()).unwrap_err();
    assert_eq!(errors[0].kind, CompileErrorKind::NotConstant);
    assert!(
        errors[0].to_string().contains("node `make_y`: found scale `s`"),
        "{}",
        errors[0]
    );
}

#[test]
fn an_accumulator_that_could_overflow_is_refused() {
    // 255 * 128 * 70,000 is above 2^31.
    let n = 70_000;
    let model = |value: i8| {
        ModelWriter::default()
            .input("x", DataType::UINT8, &[1, n])
            .bytes_i8("w", &[n, 1], &vec![value; n as usize])
            .floats("one", &[], &[1.0])
            .bytes_u8("z", &[], &[0])
            .bytes_i8("zw", &[], &[0])
            .node("QLinearMatMul", &["x", "one", "z", "w", "one", "zw", "one", "z"], "y")
            .output("y")
            .bytes()
    };
    let errors = lower(import_onnx(&model(-128)).unwrap()).unwrap_err();
    assert_eq!(errors[0].kind, CompileErrorKind::Overflow);
    assert!(errors[0].found.contains("2284800000"), "{}", errors[0]);
    assert!(lower(import_onnx(&model(100)).unwrap()).is_ok());
}

#[test]
fn an_input_quantized_in_two_ways_is_refused() {
    let bytes = ModelWriter::default()
        .input("x", DataType::FLOAT, &[1, 4])
        .floats("s", &[], &[1.0])
        .floats("t", &[], &[2.0])
        .bytes_i8("z", &[], &[0])
        .node("QuantizeLinear", &["x", "s", "z"], "a")
        .node("QuantizeLinear", &["x", "t", "z"], "b")
        .node("DequantizeLinear", &["a", "s", "z"], "c")
        .node("DequantizeLinear", &["b", "t", "z"], "d")
        .output("c")
        .output("d")
        .bytes();
    let errors = lower(import_onnx(&bytes).unwrap()).unwrap_err();
    assert!(
        errors[0].found.contains("a second quantization of the input `x`"),
        "{}",
        errors[0]
    );
}

//! Damaged files give errors and never a panic.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says why it fails or is skipped"
)]

mod support;

use proptest::prelude::*;
use rten_onnx::onnx::DataType;
use support::ModelWriter;
use systole_compiler::reference::{Value, execute_float};
use systole_compiler::{ImportErrorKind, import_onnx, lower};

const MODELS: [&str; 2] = ["digits/digits_int8_qdq.onnx", "digits/digits_int8_qoperator.onnx"];

/// A small model with every kind of message that the reader knows.
fn small_model() -> Vec<u8> {
    ModelWriter::default()
        .input("x", DataType::FLOAT, &[-1, 2, 3, 3])
        .floats("s", &[], &[0.5])
        .bytes_i8("z", &[], &[0])
        .bytes_i8("w", &[1, 2, 2, 2], &[1, 2, 3, 4, 5, 6, 7, 8])
        .node("QuantizeLinear", &["x", "s", "z"], "q")
        .node("DequantizeLinear", &["q", "s", "z"], "d")
        .node("DequantizeLinear", &["w", "s", "z"], "dw")
        .node_with("Conv", &["d", "dw"], "c", vec![support::ints("kernel_shape", &[2, 2])])
        .node("QuantizeLinear", &["c", "s", "z"], "qc")
        .node("DequantizeLinear", &["qc", "s", "z"], "y")
        .output("y")
        .bytes()
}

#[test]
fn the_small_model_compiles() {
    assert!(lower(import_onnx(&small_model()).unwrap()).is_ok());
}

proptest! {
    #[test]
    fn random_bytes_are_no_model(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let errors = import_onnx(&bytes).unwrap_err();
        prop_assert!(!errors.is_empty());
        for error in errors {
            prop_assert!(error.to_string().starts_with("[M000"), "{error}");
        }
    }

    #[test]
    fn changed_bytes_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = small_model();
        for (index, value) in &changes {
            let index = index.index(bytes.len());
            bytes[index] = *value;
        }
        if let Ok(graph) = import_onnx(&bytes) {
            let _ = graph.to_string();
            let _ = lower(graph);
        }
    }

    #[test]
    fn changed_bytes_of_real_models_never_panic(
        which in 0usize..2,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
    ) {
        let Some(mut bytes) = support::model_bytes(MODELS[which]) else { return Ok(()) };
        // The tail has the nodes' attributes, names and types, where a change is most likely to matter.
        let tail = bytes.len().saturating_sub(6000);
        for (index, value) in &changes {
            let index = tail + index.index(bytes.len() - tail);
            bytes[index] = *value;
        }
        if let Ok(graph) = import_onnx(&bytes) {
            let _ = lower(graph);
        }
    }
}

/// A model with operators whose shapes depend on constants, small enough for its bytes to be changed anywhere.
fn shapes_model() -> Vec<u8> {
    let list = |model: ModelWriter, name: &str, values: &[i64]| {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        model.raw(name, DataType::INT64, &[values.len() as i64], raw)
    };
    let mut model = ModelWriter::default().input("x", DataType::FLOAT, &[1, 4, 4, 4]);
    for (name, values) in [
        ("pads", &[0, 0, 1, 1, 0, 0, 1, 1][..]),
        ("starts", &[1, 0]),
        ("ends", &[9, 3]),
        ("axes", &[2, 3]),
        ("steps", &[2, 1]),
        ("target", &[1, -1]),
        ("wshape", &[4, 2, 3, 3]),
        ("index", &[2, -1]),
    ] {
        model = list(model, name, values);
    }
    model
        .floats("scales", &[4], &[1.0, 1.0, 2.0, 1.5])
        .floats("four", &[4], &[1.0; 4])
        .node("ConstantOfShape", &["wshape"], "w")
        .node("Pad", &["x", "pads"], "p")
        .node_with("Conv", &["p", "w"], "c", vec![support::int("group", 2)])
        .node("BatchNormalization", &["c", "four", "four", "four", "four"], "n")
        .node("Resize", &["n", "", "scales"], "r")
        .node("Slice", &["r", "starts", "ends", "axes", "steps"], "s")
        .node_with("AveragePool", &["s"], "a", vec![support::ints("kernel_shape", &[2, 2])])
        .node_with_outputs("Split", &["a"], &["u", "v"], vec![support::int("axis", 1)])
        .node_with("Concat", &["v", "u"], "t", vec![support::int("axis", 1)])
        .node_with("LRN", &["t"], "l", vec![support::int("size", 3)])
        .node_with("Gather", &["l", "index"], "g", vec![support::int("axis", 1)])
        .node_with("Transpose", &["g"], "m", vec![support::ints("perm", &[0, 2, 3, 1])])
        .node("Reshape", &["m", "target"], "f")
        .node_with("Softmax", &["f"], "y", vec![support::int("axis", -1)])
        .output("y")
        .bytes()
}

#[test]
fn damaged_shapes_never_panic() {
    let whole = shapes_model();
    let run = |bytes: &[u8]| {
        let mut graph = import_onnx(bytes).ok()?;
        for name in [
            "infer-shapes",
            "fold-constants",
            "canonicalize",
            "merge-pads",
            "expand-batch-norm",
            "fold-affine",
        ] {
            systole_compiler::passes::find_pass(name)
                .unwrap()
                .run(&mut graph)
                .ok()?;
            let shapes = graph.inputs.iter().map(|io| graph.tensor(io.tensor).shape.clone());
            let inputs = shapes.map(|shape| {
                let shape = shape?;
                let n = shape.iter().product::<usize>();
                (n <= 4096).then(|| Value::floats(shape, vec![0.5; n]))
            });
            // Small damage can ask for images of millions of pixels; those are not computed.
            let is_small = |t: &systole_compiler::graph::Tensor| {
                t.shape
                    .as_ref()
                    .is_none_or(|shape| shape.iter().product::<usize>() <= 1 << 16)
            };
            if graph.tensors.iter().all(is_small) {
                execute_float(&graph, &inputs.collect::<Option<Vec<_>>>()?).ok()?;
            }
        }
        Some(())
    };
    assert!(run(&whole).is_some());
    let mut bytes = whole.clone();
    for index in 0..whole.len() {
        for value in [0, 1, 2, 5, 127, 255, whole[index] ^ 1, whole[index].wrapping_add(1)] {
            bytes[index] = value;
            let _ = run(&bytes);
        }
        bytes[index] = whole[index];
    }
}

#[test]
fn a_cut_file_is_an_error_or_has_lost_nothing() {
    let whole = small_model();
    let graph = import_onnx(&whole).unwrap();
    for len in 0..whole.len() {
        if let Ok(cut) = import_onnx(&whole[..len]) {
            assert_eq!(cut, graph, "cut after {len} bytes");
        }
    }
    for path in MODELS {
        let Some(whole) = support::model_bytes(path) else {
            return;
        };
        let graph = import_onnx(&whole).unwrap();
        for len in (0..whole.len()).step_by(997).chain(whole.len() - 500..whole.len()) {
            match import_onnx(&whole[..len]) {
                Ok(cut) => assert_eq!(cut, graph, "cut after {len} bytes"),
                Err(errors) => assert!(errors[0].to_string().contains("completely") || len > whole.len() - 500),
            }
        }
    }
}

#[test]
fn lengths_that_lie_are_refused_before_anything_is_allocated() {
    // `graph` of 2^63 bytes, and a skipped field of 2^64 - 10 bytes.
    for tag in [0x3a, 0x7a] {
        let bytes = [tag, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        let errors = import_onnx(&bytes).unwrap_err();
        assert_eq!(errors[0].kind, ImportErrorKind::Malformed);
        assert!(errors[0].found.contains("longer than what is left"), "{}", errors[0]);
    }
}

#[test]
fn all_faults_of_a_file_are_reported_at_once() {
    let bytes = ModelWriter::default()
        .input("x", DataType::FLOAT, &[1, -1])
        .input("h", DataType::FLOAT16, &[1, 4])
        .floats("short", &[3], &[1.0])
        .raw("negative", DataType::INT8, &[-2], vec![])
        .node("Relu", &["nobody"], "a")
        .node("Relu", &["b"], "c")
        .node("Relu", &["x"], "b")
        .node("Relu", &["x"], "b")
        .node("Gemm", &["x"], "g")
        .node_with("MaxPool", &["x"], "p", vec![support::ints("kernel_shape", &[0, 2])])
        .node_with("Conv", &["x", "x"], "k", vec![support::string("auto_pad", "SOME")])
        .node_with("Conv", &["x", "x"], "l", vec![support::int("group", 0)])
        .output("nothing")
        .bytes();
    let errors = import_onnx(&bytes).unwrap_err();
    let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let expected = [
        "tensor `x`: found symbolic length `N` of axis 1",
        "tensor `h`: found element type FLOAT16",
        "tensor `short`: found 1 elements of data, expected 3",
        "tensor `negative`: found shape [-2]",
        "node `make_a`: found operand `nobody` that does not exist yet, expected a graph input",
        "node `make_c`: found operand `b` that does not exist yet, expected nodes in an order",
        "tensor `b`: found a second definition",
        "node `make_g`: found operands [true] of Gemm",
        "node `make_p`: found attribute `kernel_shape` = [0, 2]",
        "node `make_k`: found attribute `auto_pad` = `SOME`",
        "node `make_l`: found attribute `group` = 0",
        "tensor `nothing`: found a graph output that nothing produces",
    ];
    for (wanted, index) in expected.iter().zip(0..) {
        assert!(
            text.iter().any(|t| t.contains(wanted)),
            "{index}: no `{wanted}` in {text:#?}"
        );
    }
    assert_eq!(errors.len(), expected.len(), "{text:#?}");
}

#[test]
fn external_weights_are_refused() {
    use rten_onnx::onnx::{DataLocation, GraphProto, ModelProto, OperatorSetIdProto, TensorProto, ValueInfoProto};
    let weights = TensorProto {
        name: Some("w".into()),
        dims: vec![2],
        data_type: Some(DataType::FLOAT),
        data_location: Some(DataLocation::EXTERNAL),
        ..TensorProto::default()
    };
    let output = ValueInfoProto {
        name: Some("w".into()),
        r#type: None,
    };
    let model = ModelProto {
        graph: Some(GraphProto {
            initializer: vec![weights],
            output: vec![output],
            ..GraphProto::default()
        }),
        opset_import: vec![OperatorSetIdProto {
            domain: None,
            version: Some(17),
        }],
        ..ModelProto::default()
    };
    let errors = import_onnx(&model.write_buf().unwrap()).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0]
            .to_string()
            .contains("tensor `w`: found data in an external file"),
        "{}",
        errors[0]
    );
}

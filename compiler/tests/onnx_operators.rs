//! Spellings of operators in different operator sets, against results worked out by hand.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says why it fails or is skipped"
)]

mod support;

use rten_onnx::onnx::{AttributeProto, DataType};
use support::{ModelWriter, int, ints, string};
use systole_compiler::graph::{Graph, TensorData};
use systole_compiler::passes::{check_supported, find_pass};
use systole_compiler::reference::{Value, execute_float};
use systole_compiler::{CompileErrorKind, import_onnx};

fn floats(name: &str, values: &[f32]) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        floats: values.to_vec(),
        ..AttributeProto::default()
    }
}

fn inferred(model: ModelWriter, opset: i64) -> Graph {
    let mut graph = import_onnx(&model.bytes_of_opset(opset)).unwrap();
    assert_eq!(check_supported(&graph), []);
    find_pass("infer-shapes").unwrap().run(&mut graph).unwrap();
    graph
}

/// Shape and elements of the output `y` for `x` = 0, 1, 2, .. in a shape.
fn run(model: ModelWriter, opset: i64, shape: &[i64]) -> (Vec<usize>, Vec<f32>) {
    let graph = inferred(model.input("x", DataType::FLOAT, shape).output("y"), opset);
    let lengths: Vec<usize> = shape.iter().map(|&length| length as usize).collect();
    let n = lengths.iter().product::<usize>();
    let x = Value::floats(lengths, (0..n).map(|i| i as f32).collect());
    let values = execute_float(&graph, &[x]).unwrap();
    let id = graph.outputs[0].tensor;
    (
        values.of(id).unwrap().shape.to_vec(),
        values.floats(id).unwrap().to_vec(),
    )
}

fn list(model: ModelWriter, name: &str, values: &[i64]) -> ModelWriter {
    let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    model.raw(name, DataType::INT64, &[values.len() as i64], raw)
}

fn new() -> ModelWriter {
    ModelWriter::default()
}

#[test]
fn attributes_of_old_operator_sets_mean_what_operands_mean_today() {
    let old = new().node_with(
        "Slice",
        &["x"],
        "y",
        vec![ints("axes", &[1]), ints("starts", &[1]), ints("ends", &[3])],
    );
    let today = list(list(list(new(), "s", &[1]), "e", &[3]), "a", &[1]).node("Slice", &["x", "s", "e", "a"], "y");
    let wanted = (vec![2, 2], vec![1.0, 2.0, 5.0, 6.0]);
    assert_eq!(run(old, 9, &[2, 4]), wanted);
    assert_eq!(run(today, 13, &[2, 4]), wanted);

    let value = AttributeProto {
        name: Some("value".into()),
        f: Some(9.0),
        ..AttributeProto::default()
    };
    let old = new().node_with("Pad", &["x"], "y", vec![ints("pads", &[0, 1, 0, -1]), value]);
    let today = list(new(), "p", &[0, 1, 0, -1])
        .floats("v", &[], &[9.0])
        .node("Pad", &["x", "p", "v"], "y");
    let wanted = (vec![2, 3], vec![9.0, 0.0, 1.0, 9.0, 3.0, 4.0]);
    assert_eq!(run(old, 10, &[2, 3]), wanted);
    assert_eq!(run(today, 13, &[2, 3]), wanted);

    for (opset, old, today) in [(9, "Squeeze", "Squeeze"), (9, "Unsqueeze", "Unsqueeze")] {
        let old = new().node_with(old, &["x"], "y", vec![ints("axes", &[0])]);
        let today = list(new(), "a", &[0]).node(today, &["x", "a"], "y");
        assert_eq!(run(old, opset, &[1, 2]), run(today, 13, &[1, 2]));
    }
    let old = new().node_with("ReduceMean", &["x"], "y", vec![ints("axes", &[1]), int("keepdims", 0)]);
    let today = list(new(), "a", &[-1]).node_with("ReduceMean", &["x", "a"], "y", vec![int("keepdims", 0)]);
    assert_eq!(run(old, 13, &[2, 3]), (vec![2], vec![1.0, 4.0]));
    assert_eq!(run(today, 18, &[2, 3]), (vec![2], vec![1.0, 4.0]));
}

#[test]
fn softmax_changed_its_meaning_in_operator_set_13() {
    let model = || new().node("Softmax", &["x"], "y");
    let (_, old) = run(model(), 12, &[1, 2, 2]);
    let (_, today) = run(model(), 13, &[1, 2, 2]);
    let sum: f32 = (0..4).map(|i| (i as f32).exp()).sum();
    assert!((old[3] - 3f32.exp() / sum).abs() < 1e-6, "{old:?}");
    assert!((today[3] - 1.0 / (1.0 + (-1f32).exp())).abs() < 1e-6, "{today:?}");
}

#[test]
fn lists_of_any_length_become_chains() {
    let sum = new()
        .floats("c", &[2], &[10.0, 20.0])
        .node("Sum", &["x", "c", "x"], "y");
    assert_eq!(run(sum, 8, &[1, 2]).1, [10.0, 22.0]);
    let mean = new().floats("c", &[2], &[10.0, 20.0]).node("Mean", &["x", "c"], "y");
    assert_eq!(run(mean, 8, &[1, 2]).1, [5.0, 10.5]);
    let single = new().node("Sum", &["x"], "y");
    assert_eq!(run(single, 8, &[1, 2]).1, [0.0, 1.0]);
}

#[test]
fn casts_and_dropout_keep_values() {
    let dropout = |opset| {
        let model = new().node("Dropout", &["x"], "y");
        run(model, opset, &[2, 3])
    };
    let wanted = (vec![2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(dropout(7), wanted);
    assert_eq!(dropout(13), wanted);
    // Towards zero to an integer, and back.
    let to = |data_type: DataType| vec![int("to", i64::from(data_type.0))];
    let cast = new()
        .floats("c", &[], &[-1.75])
        .node("Add", &["x", "c"], "moved")
        .node_with("Cast", &["moved"], "whole", to(DataType::INT64))
        .node_with("Cast", &["whole"], "y", to(DataType::FLOAT));
    assert_eq!(run(cast, 13, &[4]), (vec![4], vec![-1.0, 0.0, 0.0, 1.0]));
}

#[test]
fn every_output_of_a_split_has_its_piece() {
    let halves = |sizes: Option<&[i64]>, opset| {
        let mut model = new();
        let attributes = match sizes {
            Some(sizes) => vec![int("axis", 1), ints("split", sizes)],
            None => vec![int("axis", 1)],
        };
        model = model.node_with_outputs("Split", &["x"], &["a", "b"], attributes);
        run(model.node("Sub", &["b", "a"], "y"), opset, &[2, 4])
    };
    assert_eq!(halves(None, 9), (vec![2, 2], vec![2.0; 4]));
    let uneven = new()
        .node_with_outputs(
            "Split",
            &["x"],
            &["a", "b"],
            vec![int("axis", 1), ints("split", &[1, 3])],
        )
        .node("Identity", &["b"], "y");
    assert_eq!(run(uneven, 9, &[1, 4]), (vec![1, 3], vec![1.0, 2.0, 3.0]));
    assert_eq!(halves(Some(&[2, 2]), 11), (vec![2, 2], vec![2.0; 4]));
}

#[test]
fn images_grow_by_either_operator() {
    let wanted = (vec![1, 1, 2, 4], vec![0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    let scales = [1.0, 1.0, 1.0, 2.0];
    let old = new().node_with(
        "Upsample",
        &["x"],
        "y",
        vec![floats("scales", &scales), string("mode", "nearest")],
    );
    assert_eq!(run(old, 8, &[1, 1, 2, 2]), wanted);
    let operand = new().floats("s", &[4], &scales).node("Upsample", &["x", "s"], "y");
    assert_eq!(run(operand, 9, &[1, 1, 2, 2]), wanted);
    let resize = list(new(), "sizes", &[1, 1, 2, 4]).node("Resize", &["x", "", "", "sizes"], "y");
    assert_eq!(run(resize, 13, &[1, 1, 2, 2]), wanted);
}

#[test]
fn shapes_are_computed_before_they_are_needed() {
    // A flattening as exporters write it: [Shape(x)[0], -1].
    let model = list(list(new(), "zero", &[0]), "rest", &[-1])
        .node("Shape", &["x"], "shape")
        .node_with("Gather", &["shape", "zero"], "batch", vec![int("axis", 0)])
        .node_with("Concat", &["batch", "rest"], "target", vec![int("axis", 0)])
        .node("Reshape", &["x", "target"], "y");
    assert_eq!(run(model, 13, &[2, 3, 2]).0, [2, 6]);
    let ranged = new()
        .node_with("Shape", &["x"], "shape", vec![int("start", 1)])
        .node_with("ConstantOfShape", &["shape"], "zeros", vec![])
        .node("Add", &["x", "zeros"], "y");
    assert_eq!(run(ranged, 15, &[2, 3, 2]).0, [2, 3, 2]);
}

#[test]
fn one_spatial_axis_is_an_image_of_one_row() {
    let window = || vec![ints("kernel_shape", &[2]), ints("strides", &[2]), ints("pads", &[1, 0])];
    let conv = new()
        .floats("w", &[1, 2, 2], &[1.0, 10.0, 100.0, 1000.0])
        .floats("b", &[1], &[0.5])
        .node_with("Conv", &["x", "w", "b"], "y", window());
    // Rows 0, 1, 2 and 3, 4, 5, a zero before each.
    assert_eq!(run(conv, 13, &[1, 2, 3]), (vec![1, 1, 2], vec![3000.5, 5421.5]));
    let pool = new().node_with("MaxPool", &["x"], "y", window());
    assert_eq!(run(pool, 13, &[1, 2, 3]), (vec![1, 2, 2], vec![0.0, 2.0, 3.0, 5.0]));
    let pool = new().node("GlobalAveragePool", &["x"], "y");
    assert_eq!(run(pool, 13, &[1, 2, 3]), (vec![1, 2, 1], vec![1.0, 4.0]));
}

#[test]
fn operator_sets_of_another_meaning_are_refused() {
    let model = || {
        new()
            .input("x", DataType::FLOAT, &[1, 4])
            .node("Relu", &["x"], "y")
            .output("y")
    };
    assert!(import_onnx(&model().bytes_of_opset(7)).is_ok());
    let errors = import_onnx(&model().bytes_of_opset(6)).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0]
            .to_string()
            .contains("model: found operator set 6, expected operator set 7"),
        "{}",
        errors[0]
    );
}

#[test]
fn a_second_output_is_an_error_only_if_something_reads_it() {
    let pool = |output: &str| {
        let window = vec![ints("kernel_shape", &[2, 2])];
        let model = new().input("x", DataType::FLOAT, &[1, 1, 2, 2]);
        let model = model.node_with_outputs("MaxPool", &["x"], &["y", "indices"], window);
        check_supported(&import_onnx(&model.output(output).bytes()).unwrap())
    };
    assert_eq!(pool("y"), []);
    let errors = pool("indices");
    assert!(
        errors[0].found.contains("MaxPool of which a second output is read"),
        "{}",
        errors[0]
    );
}

#[test]
fn a_shape_that_the_host_decides_is_an_error_with_its_node() {
    let model = new()
        .input("x", DataType::FLOAT, &[1, 4])
        .input("target", DataType::INT64, &[2])
        .node("Reshape", &["x", "target"], "y")
        .output("y");
    let mut graph = import_onnx(&model.bytes()).unwrap();
    let errors = find_pass("infer-shapes").unwrap().run(&mut graph).unwrap_err();
    assert_eq!(errors[0].kind, CompileErrorKind::NotConstant);
    let text = errors[0].to_string();
    assert!(
        text.contains("node `make_y`: found a new shape `target` that is computed"),
        "{text}"
    );
}

#[test]
fn quantized_operators_of_microsoft_are_float_ones_between_quantizations() {
    let base = || {
        new()
            .input("x", DataType::UINT8, &[1, 1, 2, 2])
            .floats("half", &[], &[0.5])
            .floats("quarter", &[], &[0.25])
            .bytes_u8("one", &[], &[1])
            .bytes_u8("b", &[1], &[5])
            .output("y")
    };
    let run = |model: ModelWriter| {
        let graph = inferred(model, 17);
        let x = Value {
            shape: vec![1, 1, 2, 2],
            data: TensorData::U8(vec![1, 3, 5, 9]),
        };
        let values = execute_float(&graph, &[x]).unwrap();
        values.of(graph.outputs[0].tensor).unwrap().data.to_i32().unwrap()
    };
    // x is 0, 1, 2, 4 and b is 2.
    let operands = ["x", "half", "one", "b", "half", "one", "quarter", "one"];
    assert_eq!(
        run(base().node("com.microsoft:QLinearMul", &operands, "y")),
        [1, 9, 17, 33]
    );
    let operands = ["x", "half", "one", "quarter", "one"];
    let pooled = base().node("com.microsoft:QLinearGlobalAveragePool", &operands, "y");
    assert_eq!(run(pooled), [8]);
    let pool = vec![ints("kernel_shape", &[1, 2])];
    let pooled = base().node_with("com.microsoft:QLinearAveragePool", &operands, "y", pool);
    assert_eq!(run(pooled), [3, 13]);
    let sigmoid = base().node("com.microsoft:QLinearSigmoid", &operands, "y");
    assert_eq!(run(sigmoid), [3, 4, 5, 5]);
    let operands = ["quarter", "one", "x", "half", "one", "x", "quarter", "one"];
    let joined = base().node_with("com.microsoft:QLinearConcat", &operands, "y", vec![int("axis", 3)]);
    assert_eq!(run(joined), [1, 5, 1, 3, 9, 17, 5, 9]);
}

//! Graphs as text: what is printed reads back as the same graph, at every stage; damaged texts are refused and never panic.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use std::ops::ControlFlow;
use systole_compiler::graph::{Graph, Op, TensorData};
use systole_compiler::{Context, ImportErrorKind, LowerOptions, ModelFormat, graph_file, import, lower, run_passes_in};
use systole_testkit::models::models;
use systole_testkit::random_graphs::{Kind, Recipe, recipes};

fn context(recipe: &Recipe) -> Context {
    Context::new(LowerOptions {
        calibration: vec![vec![recipe.input_values(0)]],
        ..LowerOptions::default()
    })
}

/// The graph as it is read, and after each pass.
fn stages(graph: Graph, mut context: Context) -> Vec<(&'static str, Graph)> {
    let mut stages = vec![("import", graph.clone())];
    let outcome = run_passes_in(graph, &mut context, &mut |pass, graph| {
        stages.push((pass.name, graph.clone()));
        ControlFlow::Continue(())
    });
    outcome.unwrap();
    stages
}

fn read(text: &str) -> Graph {
    assert_eq!(ModelFormat::of_text(text), Some(ModelFormat::Graph));
    import(text.as_bytes()).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_reads_back_as_the_same_graph(recipe in recipes(6)) {
        for (stage, graph) in stages(recipe.graph(), context(&recipe)) {
            let text = graph_file::write(&graph);
            prop_assert_eq!(&read(&text), &graph, "{}\n{}", stage, text);
        }
    }

    /// Characters that are replaced or missing give errors or other graphs, whose passes may fail but end.
    #[test]
    fn damaged_texts_never_panic(recipe in recipes(4), late: bool, at in any::<prop::sample::Index>(), by in "[-0-9a-z\"(),:]{0,3}", n in 0usize..4) {
        let stages = stages(recipe.graph(), context(&recipe));
        let graph = if late { &stages.last().unwrap().1 } else { &stages[0].1 };
        let mut text: Vec<char> = graph_file::write(graph).chars().collect();
        let at = at.index(text.len());
        let end = (at + n).min(text.len());
        text.splice(at..end, by.chars());
        let text: String = text.into_iter().collect();
        if let Ok(graph) = graph_file::read(&text) {
            let _ = lower(graph);
        }
    }
}

/// Real models of every front end, one of them with operators nobody knows.
#[test]
fn real_models_read_back_as_the_same_graph() {
    let Some(folder) = models("") else { return };
    for path in [
        "digits/digits_fp32.onnx",
        "digits/digits_int8_qdq.onnx",
        "digits/digits_int8_qoperator.onnx",
        "qonnx/tfc_1w1a/model.onnx",
        "onnx_light/squeezenet/model.onnx",
        "tflite/resnet8_cifar10/model.tflite",
        "tflite/ds_cnn_kws/model.tflite",
    ] {
        let graph = import(&std::fs::read(folder.join(path)).unwrap()).unwrap();
        let text = graph_file::write(&graph);
        assert_eq!(read(&text), graph, "{path}");
        // The comparison sees a single weight.
        let mut changed = graph.clone();
        let data = changed.tensors.iter_mut().filter_map(|t| t.data.as_mut());
        let floats = data.filter_map(|data| match data {
            TensorData::F32(values) => values.last_mut(),
            _ => None,
        });
        if let Some(value) = floats.last() {
            *value = f32::from_bits(value.to_bits() ^ 1);
            assert_ne!(read(&graph_file::write(&changed)), graph, "{path}");
        }
    }
}

/// A text as a person writes it: no shapes of results, defaults, a constant of equal elements, noise.
const BY_HAND: &str = r#"
// A small network.
Graph(
    inputs: [(tensor: "image", dtype: f32, shape: [1, 2, 6, 6])],
    tensors: [
        (name: "w", dtype: f32, shape: [4, 2, 3, 3], noise: (seed: 1, largest: 0.5)),
        (name: "b", shape: [4], values: f32([0.25])),
    ],
    nodes: [
        (op: Conv(window: (padding: Explicit((top: 1, left: 1)), strides: (2, 2))), inputs: ["image", "w", "b"], outputs: ["c"]),
        (name: "act", op: Unary(HardSwish), inputs: ["c"], outputs: ["a"]),
        (op: Clip(min: 0, max: 6), inputs: ["a", "", ""], outputs: ["y"]),
    ],
    outputs: [(tensor: "y")],
)
"#;

#[test]
fn a_graph_can_be_written_by_hand() {
    let graph = read(BY_HAND);
    assert_eq!(graph.nodes[0].name, "Conv_0");
    assert_eq!(
        graph.nodes[2].op,
        Op::Clip {
            min: Some(0.0),
            max: Some(6.0)
        }
    );
    assert_eq!(graph.tensors[1].data, Some(TensorData::F32(vec![0.25; 4])));
    let Some(TensorData::F32(noise)) = &graph.tensors[0].data else {
        panic!("noise is data")
    };
    assert!(noise.len() == 72 && noise.iter().all(|v| v.abs() <= 0.5) && noise.iter().any(|&v| v < -0.3));
    let quantized = lower(graph).unwrap();
    assert_eq!(quantized.outputs[0].shape, [1, 4, 3, 3]);
}

#[test]
fn wrong_texts_say_what_is_wrong() {
    let with = |from: &str, to: &str| {
        assert!(BY_HAND.contains(from), "{from}");
        graph_file::read(&BY_HAND.replace(from, to)).unwrap_err()
    };
    for (from, to, kind, says) in [
        ("strides", "stride", ImportErrorKind::Malformed, "line 10"),
        (
            "strides: (2, 2)",
            "strides: (0, 2)",
            ImportErrorKind::Attribute,
            "1..=65536",
        ),
        ("\"w\", \"b\"]", "\"v\", \"b\"]", ImportErrorKind::Wiring, "`v`"),
        (
            "inputs: [\"image\", \"w\", \"b\"]",
            "inputs: [\"image\"]",
            ImportErrorKind::Wiring,
            "[true]",
        ),
        (
            "outputs: [\"a\"]",
            "outputs: [\"a\", \"c\"]",
            ImportErrorKind::Wiring,
            "second producer",
        ),
        (
            "inputs: [\"c\"]",
            "inputs: [\"y\"]",
            ImportErrorKind::Wiring,
            "nothing has produced",
        ),
        (
            "outputs: [(tensor: \"y\")]",
            "outputs: [(tensor: \"z\")]",
            ImportErrorKind::Wiring,
            "`z`",
        ),
        ("f32([0.25])", "f32([0.25, 1.0])", ImportErrorKind::Data, "2 elements"),
        ("shape: [4]", "shape: [400000, 400000]", ImportErrorKind::Shape, "2^28"),
        (
            "(name: \"b\",",
            "(name: \"w\",",
            ImportErrorKind::Wiring,
            "second tensor",
        ),
        ("largest: 0.5", "largest: inf", ImportErrorKind::Data, "finite"),
        (
            "dtype: f32, shape: [4, 2, 3, 3]",
            "dtype: i64, shape: [4, 2, 3, 3]",
            ImportErrorKind::Data,
            "i64",
        ),
    ] {
        let errors = with(from, to);
        let found = errors.iter().find(|error| error.kind == kind);
        assert!(
            found.is_some_and(|error| error.to_string().contains(says)),
            "{from} -> {to}: {errors:#?}"
        );
    }
}

/// The page for users names every operator, and its example compiles.
#[test]
fn the_page_is_right() {
    let page = include_str!("../../docs/graph.md");
    let example = page.split("```ron\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(lower(read(example)).unwrap().outputs[0].shape, [1, 4, 6, 6]);
    let words: Vec<&str> = page.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let spelled = |name: &'static str| if name == "LRN" { "Lrn" } else { name };
    let missing: Vec<&str> = Kind::operators()
        .map(spelled)
        .filter(|name| !words.contains(name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

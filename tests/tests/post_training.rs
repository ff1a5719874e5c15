//! Quantization after training on random graphs: the integers are those of the graph with Quantize and Dequantize in it, and close to the real numbers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::ops::ControlFlow;
use systole_compiler::graph::Graph;
use systole_compiler::quantized::QuantizedGraph;
use systole_compiler::reference::{Value, execute, execute_float};
use systole_compiler::{Context, LowerOptions, lower_in, run_passes_in};
use systole_testkit::random_graphs::{Recipe, recipes};

/// Inferences whose ranges are observed, and which are compared then.
const N_SAMPLES: u64 = 4;

fn context(recipe: &Recipe) -> Context {
    Context::new(LowerOptions {
        calibration: (0..N_SAMPLES).map(|i| vec![recipe.input_values(i)]).collect(),
        ..LowerOptions::default()
    })
}

/// The graph after the pass of a name.
fn after(recipe: &Recipe, name: &str) -> Graph {
    let mut observe = |pass: &systole_compiler::passes::Pass, _: &Graph| {
        if pass.name == name {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    run_passes_in(recipe.graph(), &mut context(recipe), &mut observe).unwrap()
}

fn lowered(recipe: &Recipe) -> QuantizedGraph {
    lower_in(recipe.graph(), &mut context(recipe)).unwrap_or_else(|errors| panic!("{}\n{}", errors[0], recipe.graph()))
}

/// Results of a float graph, one list per output.
fn real_results(graph: &Graph, recipe: &Recipe, sample: u64) -> Vec<Vec<f32>> {
    let input = Value::floats(recipe.input.clone(), recipe.input_values(sample));
    let values = execute_float(graph, &[input]).unwrap();
    let outputs = graph.outputs.iter();
    outputs.map(|io| values.floats(io.tensor).unwrap().to_vec()).collect()
}

fn integer_results(graph: &QuantizedGraph, recipe: &Recipe, sample: u64) -> Vec<Vec<f32>> {
    let input = graph.inputs[0].quantize_input(&recipe.input_values(sample)).unwrap();
    let values = execute(graph, &[input]).unwrap();
    let outputs = graph.outputs.iter();
    outputs
        .map(|io| io.dequantize_output(values.of(io.tensor)).unwrap())
        .collect()
}

/// What the integers of an output are away from real numbers.
#[derive(Debug, Default)]
struct Distance {
    /// Steps of the largest difference.
    most_steps: f32,
    /// Root of the mean square of the difference, in spans of the real numbers.
    relative: f64,
}

fn distance(integers: &[f32], reals: &[f32], scale: f32) -> Distance {
    assert_eq!(integers.len(), reals.len());
    let steps = |(a, b): (&f32, &f32)| ((a - b) / scale).abs();
    let all: Vec<f32> = integers.iter().zip(reals).map(steps).collect();
    let n = all.len() as f64;
    let squares: f64 = integers.iter().zip(reals).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    // The range that the scale was made for; a single inference may use little of it.
    let span = f64::from(scale) * 255.0;
    Distance {
        most_steps: all.iter().copied().fold(0.0, f32::max),
        relative: (squares / n).sqrt() / span,
    }
}

/// The distances of all outputs on all samples, to the graph with Quantize and Dequantize nodes and to the float graph.
fn distances(recipe: &Recipe, graph: &QuantizedGraph) -> (Vec<Distance>, Vec<Distance>) {
    let (float, simulated) = (after(recipe, "infer-shapes"), after(recipe, "quantize-floats"));
    let (mut to_simulated, mut to_float) = (Vec::new(), Vec::new());
    for sample in 0..N_SAMPLES {
        let integers = integer_results(graph, recipe, sample);
        let simulated = real_results(&simulated, recipe, sample);
        let reals = real_results(&float, recipe, sample);
        for (i, io) in graph.outputs.iter().enumerate() {
            to_simulated.push(distance(&integers[i], &simulated[i], io.scale));
            to_float.push(distance(&integers[i], &reals[i], io.scale));
        }
    }
    (to_simulated, to_float)
}

/// Where two ways of rounding differ by one step, what follows may make more of it: a difference of nearly equal numbers, a normalization.
/// So a few graphs may be farther away than the others, and the graphs are the same in every run.
#[test]
fn integers_are_close_to_real_numbers() {
    let mut runner = TestRunner::deterministic();
    let (mut n_outputs, mut n_near) = (0_usize, 0_usize);
    for _ in 0..300 {
        let recipe = recipes(6).new_tree(&mut runner).unwrap().current();
        let (to_simulated, to_float) = distances(&recipe, &lowered(&recipe));
        n_outputs += to_simulated.len();
        n_near += to_simulated.iter().filter(|d| d.most_steps <= 4.0).count();
        for d in &to_simulated {
            assert!(d.relative <= 0.03, "simulated {d:?}\n{}", recipe.graph());
        }
        for d in &to_float {
            assert!(d.relative <= 0.10, "float {d:?}\n{}", recipe.graph());
        }
    }
    assert!(
        100 * n_near >= 99 * n_outputs,
        "{n_near} of {n_outputs} outputs are within 4 steps"
    );
}

//! Random TensorFlow Lite models: read from their file, compiled and run, against loops that share nothing with the compiler.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use systole_compiler::{QuantizedGraph, check_supported, import, lower};
use systole_isa::machine::preset;
use systole_testkit::execution::{machine_outputs, reference_outputs};
use systole_testkit::random_tflite::{Kind, Model, Recipe, recipes};

fn lowered(model: &Model) -> QuantizedGraph {
    let graph = import(&model.file()).unwrap_or_else(|errors| panic!("{errors:#?}"));
    assert_eq!(check_supported(&graph), []);
    lower(graph).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// Steps by which two results may differ: a softmax rounds in another way.
fn tolerance(model: &Model) -> i32 {
    i32::from(model.kinds().any(|kind| kind == Kind::Softmax))
}

fn differ(found: &[i32], expected: &[i32], tolerance: i32) -> bool {
    found.len() != expected.len() || found.iter().zip(expected).any(|(f, e)| (f - e).abs() > tolerance)
}

fn check(recipe: &Recipe, machine: &str) -> Result<(), TestCaseError> {
    let model = Model::new(recipe);
    let graph = lowered(&model);
    let inputs = [vec![model.input_values(0)], vec![model.input_values(1)]];
    let by_reference = reference_outputs(&graph, &inputs);
    for (inputs, found) in inputs.iter().zip(&by_reference) {
        let expected = model.execute(&inputs[0]);
        prop_assert!(
            !differ(&found[0], &expected, tolerance(&model)),
            "{:?} for {expected:?} of {:?}",
            found[0],
            model.kinds().collect::<Vec<_>>()
        );
    }
    prop_assert_eq!(
        machine_outputs(&graph, &preset(machine).unwrap(), &inputs),
        by_reference
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn models_give_the_integers_of_their_definition(recipe in recipes(6), large: bool) {
        check(&recipe, if large { "edge16x16" } else { "tiny4x4" })?;
    }
}

/// Every operator occurs, and another input gives another result of most models.
#[test]
fn the_comparison_notices_another_input() {
    let mut runner = TestRunner::deterministic();
    let (mut n_noticed, mut seen) = (0, Vec::new());
    for _ in 0..100 {
        let model = Model::new(&recipes(6).new_tree(&mut runner).unwrap().current());
        let found = reference_outputs(&lowered(&model), &[vec![model.input_values(0)]]);
        let other = model.execute(&model.input_values(1));
        n_noticed += usize::from(differ(&found[0][0], &other, tolerance(&model)));
        seen.extend(model.kinds());
    }
    assert!(n_noticed > 70, "{n_noticed}");
    assert!(Kind::ALL.iter().all(|kind| seen.contains(kind)));
}

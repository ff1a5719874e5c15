//! The machine panel as a user meets it: form, text, errors, what a change costs, and the comparison of two runs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;
#[path = "support/waiting.rs"]
mod waiting;
#[path = "support/window.rs"]
mod window;

use egui_kittest::kittest::{NodeT, Queryable};
use systole_gui::bench::{Progress, Rig};
use systole_gui::frame::RunState;
use systole_gui::launch::engine_loader;
use systole_isa::machine::preset;
use waiting::{click, wait_for};
use window::{Window, frame, window};

fn panel() -> Window {
    let mut harness = window(
        || engine_loader(Box::new(|_| Err("there are no files here".to_owned()))),
        true,
    );
    harness.run_steps(2);
    click(&mut harness, "Machine");
    wait_for(&mut harness, "Cycles, change: same");
    harness
}

fn label_starting_with(harness: &Window, start: &str) -> String {
    harness.get_by_label_contains(start).accesskit_node().value().unwrap()
}

/// Replaces the whole text of the description.
fn write_description(harness: &mut Window, text: &str) {
    click(harness, "Description: Text");
    harness.get_by_label("Machine description as text").focus();
    harness.run_steps(2);
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
    harness.run_steps(1);
    harness.get_by_label("Machine description as text").type_text(text);
    harness.run_steps(3);
}

fn wider() -> String {
    let mut machine = preset("tiny4x4").unwrap();
    (machine.name, machine.cols) = ("wide4x8".to_owned(), 8);
    machine.to_ron()
}

fn cost(machine: &str) -> systole_gui::bench::RunSummary {
    let source = support::sample_source("tiny4x4", 12);
    source
        .recipe
        .run(&preset(machine).unwrap(), &Progress::default())
        .unwrap()
}

#[test]
fn the_own_machine_costs_what_its_rig_says() {
    let harness = panel();
    let cycles = label_starting_with(&harness, "Cycles, reference: ");
    let expected = cost("tiny4x4").cycles;
    assert_eq!(cycles.replace(',', ""), format!("Cycles reference: {expected} cycles"));
    // Nothing differs, so nothing can be used, taken back or made again.
    for label in ["Use this machine", "Undo machine edit", "Redo machine edit"] {
        assert!(harness.get_by_label(label).accesskit_node().is_disabled(), "{label}");
    }
}

#[test]
fn a_changed_description_runs_at_once_and_can_be_taken_back() {
    let mut harness = panel();
    write_description(&mut harness, &wider());
    wait_for(&mut harness, "sample on wide4x8");
    let change = label_starting_with(&harness, "Area, change: ");
    assert!(change.contains('+'), "{change}");
    click(&mut harness, "Undo machine edit");
    wait_for(&mut harness, "Area, change: same");
    click(&mut harness, "Redo machine edit");
    wait_for(&mut harness, &change);

    click(&mut harness, "Use this machine");
    let frame = frame(&harness).clone();
    let program = frame.program.as_ref().unwrap();
    assert_eq!((program.machine.name.as_str(), program.machine.n_cols), ("wide4x8", 8));
    assert_eq!((frame.now.cycle, frame.run_state.clone()), (0, RunState::Paused));
}

#[test]
fn every_error_of_a_description_is_shown_and_nothing_runs() {
    let mut harness = panel();
    write_description(
        &mut harness,
        &wider().replace("rows: 4", "rows: 0").replace("cols: 8", "cols: 5000"),
    );
    harness.get_by_label_contains("`rows` is 0");
    harness.get_by_label_contains("`cols` is 5000");
    harness.get_by_label_contains("there is nothing to run");
    assert!(harness.get_by_label("Use this machine").accesskit_node().is_disabled());
    // What was typed is still there.
    let text = harness
        .get_by_label("Machine description as text")
        .accesskit_node()
        .value()
        .unwrap();
    assert!(text.contains("cols: 5000"), "{text}");
}

#[test]
fn a_kept_run_stays_the_reference_on_another_machine() {
    let mut harness = panel();
    click(&mut harness, "Keep as reference");
    write_description(&mut harness, &wider());
    wait_for(&mut harness, "sample on wide4x8");
    click(&mut harness, "Use this machine");
    wait_for(&mut harness, "Cycles, reference: ");
    let before = cost("tiny4x4").cycles;
    let label = label_starting_with(&harness, "Cycles, reference: ");
    assert_eq!(label.replace(',', ""), format!("Cycles reference: {before} cycles"));
    assert!(label_starting_with(&harness, "Area, change: ").contains('+'));
    click(&mut harness, "Forget reference");
    wait_for(&mut harness, "Area, change: same");
}

#[test]
fn a_run_that_nobody_wants_stops() {
    let source = support::sample_source("tiny4x4", 12);
    let progress = std::sync::Arc::new(Progress::default());
    let machine = preset("tiny4x4").unwrap();
    assert!(source.recipe.run(&machine, &progress).is_ok());
    assert!(progress.reach(0));
    progress.cancel();
    assert!(!progress.reach(0));
    assert_eq!(source.recipe.run(&machine, &progress), Err("cancelled".to_owned()));
}

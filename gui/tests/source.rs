//! The source panel as a user meets it: typing, mistakes, assembling, writing, breakpoints, and what no failure may lose.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;
#[path = "support/waiting.rs"]
mod waiting;

use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use systole_gui::app::Dashboard;
use systole_gui::frame::{Frame, RunState};
use systole_gui::launch::{engine, engine_loader};
use systole_gui::worker::SynchronousWorker;
use systole_gui::{Recipe, Source, SourceText};
use systole_isa::machine::preset;
use systole_simulator::Mode;
use waiting::{click, wait_for};

type Window = Harness<'static, Option<Dashboard>>;

/// Four instructions of the sequencer.
const TEXT: &str = "; counts\n    li r1, 10\nagain:\n    add r2, r2, 3\n    nop\n    halt\n";

/// Opens assembly texts on the smallest machine.
fn load(path: &Path) -> Result<Source, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let source = SourceText::of_file(path, &text);
    let program = systole_assembler::assemble(&text, &source.file).map_err(|errors| errors[0].to_string())?;
    let recipe = Recipe::same_program(Arc::new(program));
    Ok(Source {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        machine: recipe.make(&preset("tiny4x4").unwrap(), Mode::Full)?,
        recipe,
        text: Some(source),
    })
}

fn window(source: Source) -> Window {
    let mut source = Some(source);
    let app = move |ui: &mut egui::Ui, dashboard: &mut Option<Dashboard>| {
        let ctx = ui.ctx().clone();
        let dashboard = dashboard.get_or_insert_with(|| {
            let worker = SynchronousWorker::new(engine_loader(Box::new(load)), source.take().map(engine));
            Dashboard::new(Box::new(worker), &ctx)
        });
        dashboard.dashboard_ui(ui);
    };
    let mut harness = Harness::builder()
        .with_max_steps(400)
        .with_size([1_600.0, 1_000.0])
        .build_ui_state(app, None);
    harness.run_steps(2);
    click(&mut harness, "Source");
    wait_for(&mut harness, "Assembled");
    harness
}

/// A window with a text that lies in a file of a folder of its own.
fn with_file(text: &str) -> (Window, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.sasm");
    std::fs::write(&path, text).unwrap();
    (window(load(&path).unwrap()), folder)
}

fn is_there(harness: &Window, label: &str) -> bool {
    harness.query_all_by_label_contains(label).next().is_some()
}

fn has_breakpoint_strip(harness: &Window, line: u32) -> bool {
    let label = format!("Breakpoint at line {line}");
    harness.query_by_label(&label).is_some()
}

fn text(harness: &Window) -> String {
    harness.get_by_label("Source text").accesskit_node().value().unwrap()
}

fn frame(harness: &Window) -> Arc<Frame> {
    harness.state().as_ref().unwrap().frame().clone()
}

/// Types a text in the place of the present one.
fn write(harness: &mut Window, text: &str) {
    harness.get_by_label("Source text").focus();
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run_steps(1);
    harness.get_by_label("Source text").type_text(text);
    harness.run_steps(3);
}

fn press(harness: &mut Window, modifiers: Modifiers, key: Key) {
    harness.key_press_modifiers(modifiers, key);
    harness.run_steps(3);
}

/// Opens a file by its path.
fn open(harness: &mut Window, path: &Path) {
    click(harness, "Open");
    harness.get_by_label("Path of the file").focus();
    harness.run_steps(2);
    let path = path.display().to_string();
    harness.get_by_label("Path of the file").type_text(&path);
    harness.run_steps(3);
    click(harness, "Open file");
}

fn end_of_run(harness: &mut Window) -> u64 {
    click(harness, "Run to end");
    let frame = frame(harness);
    assert_eq!(frame.run_state, RunState::Halted);
    frame.now.cycle
}

#[test]
fn a_mistake_is_shown_with_its_line_and_mended_it_runs() {
    let (mut window, folder) = with_file(TEXT);
    assert_eq!(text(&window), TEXT);
    let before = end_of_run(&mut window);

    write(&mut window, &TEXT.replace("nop", "nopp").replace("li r1", "li r77"));
    wait_for(&mut window, "2 errors");
    window.get_by_label_contains("Line 2: ");
    window.get_by_label_contains("Line 5: ");
    assert!(is_there(&window, "`nop`"), "the word that was meant is proposed");
    // The old program stays, and so does what was typed.
    press(&mut window, Modifiers::COMMAND, Key::S);
    wait_for(&mut window, "2 errors, the first in line 2");
    assert_eq!(frame(&window).now.cycle, before);
    assert!(text(&window).contains("nopp"));

    write(&mut window, &TEXT.replace("nop", "nop\n    nop\n    nop"));
    wait_for(&mut window, "No errors, not assembled yet");
    press(&mut window, Modifiers::COMMAND, Key::S);
    wait_for(&mut window, "Assembled");
    assert_eq!(
        (frame(&window).now.cycle, frame(&window).run_state.clone()),
        (0, RunState::Paused)
    );
    assert_eq!(end_of_run(&mut window), before + 2);
    let written = std::fs::read_to_string(folder.path().join("text.sasm")).unwrap();
    assert_eq!(written, text(&window));
    assert!(!is_there(&window, "(unsaved)"));
}

#[test]
fn a_click_on_a_mistake_goes_there() {
    let (mut window, _folder) = with_file(TEXT);
    write(&mut window, &TEXT.replace("nop", "nopp"));
    wait_for(&mut window, "1 error");
    // The list takes its place.
    window.run_steps(20);
    let label = window
        .get_by_label_contains("Line 5: ")
        .accesskit_node()
        .label()
        .unwrap();
    click(&mut window, &label);
    window.get_by_label("Source text").type_text("nop;");
    window.run_steps(3);
    assert!(text(&window).contains("    nop;nopp\n"), "{}", text(&window));
    wait_for(&mut window, "No errors");
}

#[test]
fn a_text_that_cannot_be_written_stays_and_says_why() {
    let (mut window, folder) = with_file(TEXT);
    let edited = TEXT.replace("nop", "fence");
    write(&mut window, &edited);
    wait_for(&mut window, "(unsaved)");
    drop(folder);
    press(&mut window, Modifiers::COMMAND, Key::S);
    wait_for(&mut window, "Cannot write");
    assert!(is_there(&window, "Choose a folder that exists"));
    assert!(is_there(&window, "(unsaved)"));
    assert_eq!(text(&window), edited);

    // Written elsewhere, it is safe.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rescued.sasm");
    click(&mut window, "Save source as");
    window.get_by_label("Path of the new file").focus();
    window.run_steps(2);
    press(&mut window, Modifiers::COMMAND, Key::A);
    window
        .get_by_label("Path of the new file")
        .type_text(&path.display().to_string());
    window.run_steps(3);
    click(&mut window, "Write file");
    wait_for(&mut window, "rescued.sasm");
    for _ in 0..200 {
        window.run_steps(1);
        if !is_there(&window, "(unsaved)") {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!is_there(&window, "(unsaved)"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), edited);
}

#[test]
fn another_file_is_opened_only_when_the_user_has_decided() {
    let (mut window, folder) = with_file(TEXT);
    let other = folder.path().join("other.sasm");
    std::fs::write(&other, "    halt\n").unwrap();
    let edited = TEXT.replace("nop", "fence");
    write(&mut window, &edited);
    open(&mut window, &other);
    window.get_by_label("Unsaved text");
    click(&mut window, "Cancel");
    assert_eq!(text(&window), edited);
    assert_eq!(frame(&window).program.as_ref().unwrap().name, "text");

    open(&mut window, &other);
    click(&mut window, "Save changes");
    wait_for(&mut window, "other.sasm");
    assert_eq!(text(&window), "    halt\n");
    assert_eq!(
        std::fs::read_to_string(folder.path().join("text.sasm")).unwrap(),
        edited
    );

    write(&mut window, "    nop\n    halt\n");
    open(&mut window, &other);
    click(&mut window, "Discard changes");
    assert_eq!(text(&window), "    halt\n");
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "    halt\n");
}

#[test]
fn a_file_with_a_mistake_is_shown_to_be_mended() {
    let (mut window, folder) = with_file(TEXT);
    let wrong = folder.path().join("wrong.sasm");
    std::fs::write(&wrong, "    nopp\n    halt\n").unwrap();
    open(&mut window, &wrong);
    wait_for(&mut window, "Cannot open");
    wait_for(&mut window, "1 error");
    assert_eq!(text(&window), "    nopp\n    halt\n");
    assert!(is_there(&window, "This text is not the program that is loaded"));
    assert_eq!(frame(&window).program.as_ref().unwrap().name, "text");
    write(&mut window, "    nop\n    halt\n");
    wait_for(&mut window, "No errors");
    press(&mut window, Modifiers::COMMAND, Key::S);
    wait_for(&mut window, "Assembled");
    assert_eq!(frame(&window).program.as_ref().unwrap().name, "wrong");
    end_of_run(&mut window);
    assert_eq!(std::fs::read_to_string(&wrong).unwrap(), "    nop\n    halt\n");
}

#[test]
fn a_breakpoint_of_the_margin_stops_the_run_and_stays_with_its_line() {
    let (mut window, _folder) = with_file(TEXT);
    click(&mut window, "Breakpoint at line 5");
    assert_eq!(frame(&window).breakpoints.iter().copied().collect::<Vec<_>>(), [2]);
    write(&mut window, &format!("; a new first line\n    nop\n{TEXT}"));
    wait_for(&mut window, "No errors");
    // It moves with what is typed above it, and with the program.
    let is_set = |window: &Window, line: u32| {
        let label = format!("Breakpoint at line {line}");
        let node = window.get_by_label(&label).accesskit_node().toggled();
        node == Some(egui::accesskit::Toggled::True)
    };
    assert!(is_set(&window, 7));
    press(&mut window, Modifiers::COMMAND, Key::S);
    wait_for(&mut window, "Assembled");
    assert!(is_set(&window, 7));
    assert_eq!(frame(&window).breakpoints.iter().copied().collect::<Vec<_>>(), [3]);
    // What would be taken back was a breakpoint of the program before.
    press(&mut window, Modifiers::NONE, Key::Escape);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(frame(&window).breakpoints.len(), 1);
    click(&mut window, "Run");
    for _ in 0..600 {
        window.run_steps(1);
        if frame(&window).run_state == RunState::Paused {
            break;
        }
    }
    assert_eq!(frame(&window).run_state, RunState::Paused);
    window.get_by_label("SEQ is at line 7");
    click(&mut window, "Breakpoint at line 7");
    assert!(frame(&window).breakpoints.is_empty());
}

#[test]
fn what_was_typed_is_taken_back_without_touching_breakpoints() {
    let (mut window, _folder) = with_file(TEXT);
    click(&mut window, "Breakpoint at line 5");
    write(&mut window, &TEXT.replace("nop", "fence"));
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(text(&window), TEXT);
    assert_eq!(frame(&window).breakpoints.len(), 1);
    press(&mut window, Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::Z);
    assert!(text(&window).contains("fence"));
    // Outside of the text the same keys take the breakpoint back.
    press(&mut window, Modifiers::NONE, Key::Escape);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert!(frame(&window).breakpoints.is_empty());
}

#[test]
fn lines_and_instructions_lead_to_each_other_and_say_what_they_cost() {
    let (mut window, _folder) = with_file(TEXT);
    end_of_run(&mut window);
    click(&mut window, "Show cycles and energy of each line");
    window.get_by_label_contains("Cost of line 4: 1 cycle in 1 execution");
    window.get_by_label("Column: energy (source)");
    // The cursor comes from the end of the text to the line of the second instruction.
    window.get_by_label("Source text").focus();
    window.run_steps(2);
    for _ in 0..3 {
        press(&mut window, Modifiers::NONE, Key::ArrowUp);
    }
    click(&mut window, "Program");
    let row = window.get_by_label_contains("Instruction 1: add").accesskit_node();
    assert!(
        row.value().unwrap().starts_with("1 cycle in 1 execution"),
        "{:?}",
        row.value()
    );
    window.get_by_label("Column: cycles (program)");
    // A breakpoint by command is at the selected instruction.
    press(&mut window, Modifiers::COMMAND, Key::B);
    assert_eq!(frame(&window).breakpoints.iter().copied().collect::<Vec<_>>(), [1]);
}

#[test]
fn an_instruction_that_is_selected_elsewhere_brings_its_line_into_sight() {
    let text = format!("    li r1, 10\n{}    fence\n    halt\n", "; a line\n".repeat(500));
    let (mut window, _folder) = with_file(&text);
    assert!(has_breakpoint_strip(&window, 1));
    assert!(!has_breakpoint_strip(&window, 502));
    click(&mut window, "Program");
    click(&mut window, "Instruction 1: fence ");
    click(&mut window, "Source");
    window.run_steps(5);
    assert!(has_breakpoint_strip(&window, 502));
    assert!(!has_breakpoint_strip(&window, 1));
}

#[test]
fn a_disassembly_can_be_changed_and_assembled() {
    let mut window = window(support::sample_source("tiny4x4", 12));
    assert!(text(&window).contains("mx.wload"));
    assert!(is_there(&window, "Disassembly of a compiled program"));
    let before = end_of_run(&mut window);
    // The fence waits for memory; what comes behind it, for the end of the stores.
    let edited = text(&window).replacen("fence", &format!("fence{}", "\n    nop".repeat(100)), 1);
    write(&mut window, &edited);
    wait_for(&mut window, "No errors");
    press(&mut window, Modifiers::COMMAND, Key::S);
    wait_for(&mut window, "Assembled");
    let after = end_of_run(&mut window);
    assert!(
        (before + 90..=before + 100).contains(&after),
        "{before} and {after} cycles"
    );
    // There is no file to write it into, so it stays unsaved.
    assert!(is_there(&window, "(unsaved)"));
}

//! The dashboard as a user meets it: driven by accessible label and key on a synchronous worker.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;
#[path = "support/window.rs"]
mod window;

use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use std::path::Path;
use systole_gui::command::{COMMANDS, Command, Menu};
use systole_gui::engine::EngineLoader;
use systole_gui::frame::RunState;
use systole_gui::launch::engine_loader;
use window::{Window, frame, window};

fn loader() -> EngineLoader {
    engine_loader(Box::new(|path: &Path| match path.to_str() {
        Some("sample.elf") => Ok(support::sample_source("tiny4x4", 12)),
        _ => Err("no such file".to_owned()),
    }))
}

fn dashboard(is_loaded: bool) -> Window {
    let mut harness = window(loader, is_loaded);
    harness.run();
    harness
}

fn click(harness: &mut Window, label: &str) {
    harness.get_by_label(label).click();
    harness.run();
}

fn cycle(harness: &Window) -> u64 {
    frame(harness).now.cycle
}

fn run_state(harness: &Window) -> RunState {
    frame(harness).run_state.clone()
}

#[test]
fn load_step_back_and_run_to_the_end() {
    let mut harness = dashboard(false);
    assert_eq!(run_state(&harness), RunState::Empty);
    click(&mut harness, "Choose a file");
    harness.get_by_label("Path of the file").focus();
    harness.run();
    harness.get_by_label("Path of the file").type_text("sample.elf");
    harness.run();
    click(&mut harness, "Open file");
    assert_eq!(run_state(&harness), RunState::Paused);

    click(&mut harness, "Step 10");
    assert_eq!(cycle(&harness), 10);
    click(&mut harness, "Step back 5");
    assert_eq!(cycle(&harness), 5);
    harness.get_by_label("Cycle 5");
    click(&mut harness, "Step");
    click(&mut harness, "Step back");
    assert_eq!(cycle(&harness), 5);
    click(&mut harness, "Run to end");
    assert_eq!(run_state(&harness), RunState::Halted);
    let end = cycle(&harness);
    assert!(end > 100, "the sample takes some time, not {end} cycles");
    harness.get_by_label("Halted");
    click(&mut harness, "Restart");
    assert_eq!((cycle(&harness), run_state(&harness)), (0, RunState::Paused));
}

#[test]
fn going_back_shows_what_was_shown_before() {
    let mut harness = dashboard(true);
    for _ in 0..9 {
        click(&mut harness, "Step 10");
    }
    let before = frame(&harness).clone();
    for _ in 0..2 {
        click(&mut harness, "Step 10");
    }
    for _ in 0..4 {
        click(&mut harness, "Step back 5");
    }
    let after = frame(&harness).clone();
    assert_eq!(before.now.cycle, after.now.cycle);
    assert_eq!(before.now.array.cells, after.now.array.cells);
    assert_eq!(before.now.counters, after.now.counters);
    for (a, b) in before.now.units.iter().zip(&after.now.units) {
        assert_eq!(
            (a.activity, a.pc, a.busy_cycles, a.stall_cycles),
            (b.activity, b.pc, b.busy_cycles, b.stall_cycles)
        );
    }
    let lanes = |frame: &systole_gui::frame::Frame| format!("{:?}", frame.now.timeline.lanes);
    assert_eq!(lanes(&before), lanes(&after));
}

#[test]
fn a_file_that_cannot_be_opened_changes_nothing() {
    let mut harness = dashboard(true);
    click(&mut harness, "Step 10");
    click(&mut harness, "Open");
    harness.get_by_label("Path of the file").focus();
    harness.run();
    harness.get_by_label("Path of the file").type_text("missing.onnx");
    harness.run();
    click(&mut harness, "Open file");
    harness.get_by_label_contains("Cannot open missing.onnx: no such file");
    assert_eq!(cycle(&harness), 10);
    click(&mut harness, "Dismiss");
    assert!(harness.query_by_label_contains("Cannot open").is_none());
}

#[test]
fn every_command_stands_in_its_menu_under_its_label() {
    let mut harness = dashboard(true);
    for menu in Menu::ALL {
        click(&mut harness, menu.accessible_label());
        for info in COMMANDS.iter().filter(|info| info.menu == menu) {
            let n_found = harness.get_all_by_label(info.label).count();
            let is_button_shown = info.button.is_some() && info.command != Command::Pause;
            assert_eq!(n_found, 1 + usize::from(is_button_shown), "{}", info.label);
        }
        harness.key_press(Key::Escape);
        harness.run();
    }
}

#[test]
fn every_shortcut_triggers_its_command() {
    let mut harness = dashboard(true);
    for _ in 0..3 {
        press(&mut harness, Command::Step10);
    }
    assert_eq!(cycle(&harness), 30);
    press(&mut harness, Command::StepBack5);
    press(&mut harness, Command::StepBack);
    press(&mut harness, Command::Step);
    assert_eq!(cycle(&harness), 25);
    let before = cycle(&harness);
    press(&mut harness, Command::StepInstruction);
    assert!(cycle(&harness) > before);
    for command in [Command::ZoomIn, Command::ZoomOut, Command::ZoomFit, Command::FollowTime] {
        press(&mut harness, command);
    }
    let theme = harness.ctx.theme();
    press(&mut harness, Command::ToggleTheme);
    assert_ne!(harness.ctx.theme(), theme);
    press(&mut harness, Command::RunToEnd);
    assert_eq!(run_state(&harness), RunState::Halted);
    press(&mut harness, Command::Restart);
    assert_eq!(cycle(&harness), 0);
    press(&mut harness, Command::Open);
    harness.get_by_label("Path of the file");
}

fn press(harness: &mut Window, command: Command) {
    let shortcut = command.info().shortcuts.first().unwrap();
    let modifiers = if shortcut.modifiers.command {
        Modifiers {
            shift: shortcut.modifiers.shift,
            ..Modifiers::CTRL | Modifiers::COMMAND
        }
    } else {
        shortcut.modifiers
    };
    harness.key_press_modifiers(modifiers, shortcut.logical_key);
    harness.run();
}

#[test]
fn run_and_pause_share_a_button_and_time_passes() {
    let mut harness = dashboard(true);
    harness.get_by_label("Run").click();
    harness.step();
    harness.step();
    assert_eq!(run_state(&harness), RunState::Running);
    let mut last_sequence = 0;
    for _ in 0..60 {
        harness.step();
        let sequence = frame(&harness).sequence;
        assert!(sequence >= last_sequence, "frames go forwards");
        last_sequence = sequence;
    }
    // Sixty frames are one second, at ten cycles per second.
    assert!((8..=12).contains(&cycle(&harness)), "{} cycles", cycle(&harness));
    harness.get_by_label("Pause").click();
    harness.run();
    assert_eq!(run_state(&harness), RunState::Paused);
}

#[test]
fn a_breakpoint_stops_a_run_where_the_unit_starts_the_instruction() {
    let mut harness = dashboard(true);
    let program = frame(&harness).program.clone().unwrap();
    let pc = program
        .lines
        .iter()
        .position(|line| line.mnemonic == "li" || line.mnemonic == "level")
        .unwrap() as u32;
    click(&mut harness, &format!("Breakpoint at instruction {pc}"));
    harness.get_by_label("Run").click();
    for _ in 0..120 {
        harness.step();
    }
    assert_eq!(run_state(&harness), RunState::Paused);
    assert_eq!(frame(&harness).now.units[0].pc, Some(pc));
}

#[test]
fn the_array_is_described_and_its_wavefront_is_seen() {
    let mut harness = dashboard(true);
    let mut n_active_seen = Vec::new();
    while run_state(&harness) == RunState::Paused {
        click(&mut harness, "Step");
        let array = frame(&harness).now.array.clone();
        let n_active = array.n_computing();
        harness.get_by_label(&format!("PE array, 4 rows by 4 columns, {n_active} computing"));
        n_active_seen.push(n_active);
    }
    // The wavefront of a 4 x 4 array enters by 1, 3, 6, 10 PEs before it is full at its corner.
    let wave = [0, 1, 3, 6, 10];
    assert!(
        n_active_seen.windows(wave.len()).any(|window| window == wave),
        "{n_active_seen:?}"
    );
}

#[test]
fn units_are_described_with_their_shares() {
    let mut harness = dashboard(true);
    click(&mut harness, "Run to end");
    for name in ["SEQ", "LD", "ST", "MX", "VX"] {
        let prefix = format!("{name}: busy");
        let node = harness.get_by_label_contains(&prefix);
        // A text's words are its value for assistive technology.
        let label = node.accesskit_node().value().unwrap_or_default();
        assert!(label.contains('%') && !label.contains("busy 0.0 %"), "{label}");
    }
}

#[test]
fn an_instruction_under_the_pointer_is_explained_in_the_words_of_the_table() {
    let mut harness = dashboard(true);
    let help = systole_assembler::service::instruction_help("desc").unwrap();
    assert!(harness.query_by_label(&help.title).is_none());
    harness.get_by_label_contains("Instruction 1: desc").hover();
    // A tooltip waits until the pointer has rested for a while.
    for _ in 0..60 {
        harness.step();
    }
    harness.get_by_label(&help.title);
    harness.get_by_label(&help.paragraphs[0].replace('`', ""));
    harness.get_by_label(&help.rows[0].value.replace('`', ""));
}

#[test]
fn every_panel_can_be_hidden_and_shown_again() {
    let mut harness = dashboard(true);
    let array = "PE array, 4 rows by 4 columns, 0 computing";
    assert!(harness.query_by_label(array).is_some());
    for is_shown in [false, true] {
        click(&mut harness, "View menu");
        click(&mut harness, "Panel: PE array");
        harness.key_press(Key::Escape);
        harness.run();
        assert_eq!(harness.query_by_label(array).is_some(), is_shown);
    }
}

#[test]
fn an_export_writes_what_is_shown() {
    let mut harness = dashboard(true);
    click(&mut harness, "Run to end");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("counters.csv");
    click(&mut harness, "File menu");
    click(&mut harness, "Export Counters");
    click(&mut harness, "Export: Counters as CSV");
    harness.get_by_label("Path of the new file").focus();
    harness.run();
    harness.key_press_modifiers(Modifiers::CTRL | Modifiers::COMMAND, Key::A);
    harness
        .get_by_label("Path of the new file")
        .type_text(path.to_str().unwrap());
    harness.run();
    click(&mut harness, "Write file");
    // The file is written on a thread of its own.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while harness.query_by_label_contains("counters.csv is written.").is_none() {
        assert!(std::time::Instant::now() < deadline, "nothing was written");
        harness.step();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with("group,counter,value\n") && text.contains("\"Work\",\"Instructions\","),
        "{text}"
    );
}

fn now(harness: &Window) -> std::sync::Arc<systole_gui::frame::Frame> {
    frame(harness).clone()
}

#[test]
fn every_landmark_is_reached_forwards_and_again_backwards() {
    let pairs = [
        (Command::StepInstruction, Command::StepInstructionBack),
        (Command::StepTile, Command::StepTileBack),
        (Command::StepLayer, Command::StepLayerBack),
        (Command::RunToStall, Command::BackToStall),
    ];
    for (forwards, backwards) in pairs {
        let mut harness = dashboard(true);
        let mut stops = Vec::new();
        while !run_state(&harness).has_ended() {
            press(&mut harness, forwards);
            stops.push(cycle(&harness));
        }
        assert!(
            stops.windows(2).all(|pair| pair[0] < pair[1]),
            "{forwards:?}: {stops:?}"
        );
        let end = stops.pop().unwrap();
        assert!(!stops.is_empty(), "{forwards:?} finds something before cycle {end}");
        let mut back = Vec::new();
        while cycle(&harness) > 0 {
            press(&mut harness, backwards);
            back.push(cycle(&harness));
        }
        assert_eq!(back.pop(), Some(0), "behind the first landmark is the beginning");
        back.reverse();
        assert_eq!(back, stops, "{backwards:?}");
    }
}

#[test]
fn a_landmark_is_where_single_steps_see_it() {
    let mut harness = dashboard(true);
    let mut stalled_since = Vec::new();
    let mut before = now(&harness);
    while !run_state(&harness).has_ended() {
        press(&mut harness, Command::Step);
        let after = now(&harness);
        let is_new = |idx: usize| {
            let (a, b) = (&before.now.units[idx], &after.now.units[idx]);
            b.stall_cycles >= a.stall_cycles
                && a.activity != b.activity
                && after.program.as_ref().is_some_and(|program| {
                    let info = &program.activities[usize::from(b.activity.0)];
                    info.class == systole_gui::frame::ActivityClass::Stalled
                })
        };
        if (1..5).any(is_new) && !run_state(&harness).has_ended() {
            stalled_since.push(after.now.cycle);
        }
        before = after;
    }
    press(&mut harness, Command::Restart);
    for expected in stalled_since {
        press(&mut harness, Command::RunToStall);
        while cycle(&harness) < expected {
            // Two instructions that wait one after the other look like one wait in the activities.
            press(&mut harness, Command::RunToStall);
        }
        assert_eq!(cycle(&harness), expected);
    }
}

#[test]
fn what_instructions_cost_is_the_same_after_going_back() {
    let mut harness = dashboard(true);
    press(&mut harness, Command::RunToEnd);
    let straight = now(&harness).now.line_totals.clone();
    assert!(
        straight
            .iter()
            .any(|line| line.energy_fj > 0 && line.cycles > line.n_executed)
    );
    for _ in 0..3 {
        for _ in 0..7 {
            press(&mut harness, Command::BackToStall);
        }
        press(&mut harness, Command::StepBack5);
        press(&mut harness, Command::RunToEnd);
    }
    assert_eq!(now(&harness).now.line_totals, straight);
    press(&mut harness, Command::Restart);
    assert!(now(&harness).now.line_totals.iter().all(|line| line.n_executed == 0));
}

#[test]
fn the_palette_runs_a_command_by_a_few_letters_from_the_keyboard_alone() {
    let mut harness = dashboard(true);
    press(&mut harness, Command::Palette);
    harness.get_by_label("Find command").type_text("rte");
    harness.run();
    harness.key_press(Key::Enter);
    harness.run();
    assert_eq!(run_state(&harness), RunState::Halted);
    assert!(harness.query_by_label("Find command").is_none());
    press(&mut harness, Command::Palette);
    harness.key_press(Key::Escape);
    harness.run();
    assert!(harness.query_by_label("Find command").is_none());
}

#[test]
fn a_breakpoint_is_undone_and_made_again() {
    let mut harness = dashboard(true);
    click(&mut harness, "Breakpoint at instruction 2");
    assert_eq!(now(&harness).breakpoints.len(), 1);
    press(&mut harness, Command::Undo);
    assert_eq!(now(&harness).breakpoints.len(), 0);
    press(&mut harness, Command::Redo);
    assert!(now(&harness).breakpoints.contains(&2));
}

#[test]
fn the_cursor_is_reached_and_the_theme_goes_round() {
    let mut harness = dashboard(true);
    let program = now(&harness).program.clone().unwrap();
    let pc = program.lines.iter().position(|line| line.mnemonic == "mx.mm").unwrap();
    press(&mut harness, Command::RunToCursor);
    harness.get_by_label_contains("Select an instruction in the program first");
    let row = format!("Instruction {pc}: ");
    harness.get_by_label_contains("Find instruction").focus();
    harness.run();
    harness.get_by_label_contains("Find instruction").type_text("mm");
    harness.run();
    harness.key_press(Key::Enter);
    harness.run();
    harness.get_by_label_contains(&row);
    press(&mut harness, Command::RunToCursor);
    assert_eq!(now(&harness).now.units[3].pc, Some(pc as u32));
}

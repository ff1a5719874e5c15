//! The close-up panels as a user meets them: array, memory and model graph, driven by accessible label on a synchronous worker.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;
#[path = "support/window.rs"]
mod window;

use egui::Key;
use egui_kittest::kittest::{NodeT, Queryable};
use systole_gui::frame::RunState;
use systole_gui::inspect::{Bound, MemorySpace};
use systole_gui::launch::engine_loader;
use window::{Window, frame, window};

fn dashboard() -> Window {
    let mut harness = window(|| engine_loader(Box::new(|_| Err("nothing to open".to_owned()))), true);
    harness.run();
    harness
}

fn click(harness: &mut Window, label: &str) {
    harness.get_by_label(label).click();
    harness.run();
}

/// Steps until the array multiplies in its corner.
fn run_into_product(harness: &mut Window) {
    while frame(harness).now.array.n_computing() < 16 {
        assert_eq!(frame(harness).run_state, RunState::Paused);
        click(harness, "Step");
    }
}

fn type_into(harness: &mut Window, label: &str, text: &str) {
    harness.get_by_label(label).focus();
    harness.run();
    harness.get_by_label(label).type_text(text);
    harness.run();
}

fn select_pe(harness: &mut Window) {
    let rect = harness.get_by_label_contains("PE array, 4 rows").rect();
    // The middle of the third cell of the second row.
    let pos = rect.min + rect.size() * egui::vec2(2.5 / 4.0, 1.5 / 4.0);
    harness.event(egui::Event::PointerMoved(pos));
    for pressed in [true, false] {
        harness.event(egui::Event::PointerButton {
            pos,
            button: egui::PointerButton::Primary,
            pressed,
            modifiers: egui::Modifiers::NONE,
        });
    }
    harness.run();
}

fn has_text(harness: &Window, text: &str) -> bool {
    harness.query_all_by_label_contains(text).next().is_some()
}

#[test]
fn a_pe_shows_its_past_its_operands_and_agrees_with_the_reference() {
    let mut harness = dashboard();
    run_into_product(&mut harness);
    select_pe(&mut harness);
    let pe = frame(&harness).now.close_up.pe.clone().unwrap();
    assert_eq!((pe.row_idx, pe.col_idx), (1, 2));
    let sum = pe.sum.unwrap();
    assert_eq!(sum.expected, sum.actual);
    assert!(sum.expected.is_some());
    assert!(has_text(&harness, "agrees") && !has_text(&harness, "differs"));
    for text in [
        "PE (1, 2)",
        "weights",
        "activations",
        "Stays in the PE",
        "Moves through",
        "Last cycles",
    ] {
        assert!(has_text(&harness, text), "{text}");
    }
    let array = &frame(&harness).now.array;
    let cell = array.cell(1, 2).unwrap();
    assert_eq!(cell.partial_sum, sum.actual);
    assert_eq!(pe.activations[0].value, cell.activation);
    assert_eq!(pe.activations[0].tensor.as_deref(), Some("activations"));
    assert_eq!(pe.weights[0].tensor.as_deref(), Some("weights"));

    // What it shows of the past is what was shown in the past.
    let n_before = 6;
    let mut seen = Vec::new();
    for _ in 0..n_before {
        click(&mut harness, "Step");
        let moment = frame(&harness)
            .now
            .close_up
            .pe
            .as_ref()
            .unwrap()
            .history
            .last()
            .unwrap()
            .clone();
        seen.push(moment);
    }
    let history = frame(&harness).now.close_up.pe.as_ref().unwrap().history.clone();
    assert!(history.len() > n_before, "{}", history.len());
    assert_eq!(history[history.len() - n_before..], seen);
    assert!(seen.windows(2).all(|pair| pair[0].cycle + 1 == pair[1].cycle));
    assert!(seen.iter().any(|moment| moment.activations != seen[0].activations));
}

#[test]
fn a_click_in_the_details_leads_to_memory_instruction_and_cycle() {
    let mut harness = dashboard();
    run_into_product(&mut harness);
    select_pe(&mut harness);
    let pe = frame(&harness).now.close_up.pe.clone().unwrap();
    let address = pe.activations[0].address.unwrap();
    let link = format!("SPM 0x{address:x}");
    harness.get_by_label(&link).click();
    harness.run();
    let memory = &frame(&harness).now.close_up.memory;
    assert_eq!(memory.window.space, MemorySpace::Spm);
    let offset = (address - memory.window.address) as usize;
    assert_eq!(memory.bytes[offset], pe.activations[0].value.unwrap() as u8);
    assert!(has_text(&harness, &format!("SPM 0x{address:x}: activations")));
    let moment = pe.history[pe.history.len() - 3].cycle + 1;
    click(&mut harness, &format!("Go to cycle {moment}"));
    assert_eq!(frame(&harness).now.cycle, moment);
    click(&mut harness, "Close PE details");
    assert!(!has_text(&harness, "Last cycles"));
}

#[test]
fn numbers_are_written_in_any_radix_and_the_array_enlarges() {
    let mut harness = dashboard();
    run_into_product(&mut harness);
    select_pe(&mut harness);
    let sum = frame(&harness)
        .now
        .close_up
        .pe
        .as_ref()
        .unwrap()
        .sum
        .clone()
        .unwrap()
        .actual
        .unwrap();
    assert!(has_text(&harness, &format!("PE holds {sum}")));
    click(&mut harness, "Numbers: bin");
    let binary = format!("{:08b}", sum as u8);
    assert!(has_text(&harness, &format!("PE holds {binary}")), "{sum}");
    click(&mut harness, "Numbers: hex");
    assert!(has_text(&harness, &format!("PE holds {:02x}", sum as u8)));
    let before = harness.get_by_label_contains("PE array, 4 rows").rect();
    for _ in 0..3 {
        click(&mut harness, "Enlarge the array");
    }
    click(&mut harness, "Show the whole array");
    assert_eq!(harness.get_by_label_contains("PE array, 4 rows").rect(), before);
}

#[test]
fn memory_is_read_changed_and_taken_back() {
    let mut harness = dashboard();
    click(&mut harness, "Memory");
    click(&mut harness, "Memory: DRAM");
    assert!(has_text(&harness, "Map of DRAM"));
    type_into(&mut harness, "Go to address", "weights");
    harness.key_press(Key::Enter);
    harness.run();
    let content = &frame(&harness).now.close_up.memory;
    let address = content
        .pieces
        .iter()
        .find(|piece| &*piece.name == "weights")
        .unwrap()
        .start;
    let offset = (address - content.window.address) as usize;
    let before = content.bytes.clone();
    type_into(&mut harness, "New value", "-77");
    click(&mut harness, "Write memory");
    let after = frame(&harness).now.close_up.memory.bytes.clone();
    assert_eq!(after[offset] as i8, -77);
    let n_changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
    assert_eq!(n_changed, 1);

    // The program computes with it, and going back to before the change undoes it.
    for _ in 0..4 {
        click(&mut harness, "Step 10");
    }
    type_into(&mut harness, "New value", "300");
    assert!(has_text(&harness, "at most 8 bits"));
    assert_eq!(frame(&harness).now.close_up.memory.bytes[offset] as i8, -77);
    click(&mut harness, "Restart");
    assert_eq!(
        frame(&harness).now.close_up.memory.bytes[offset] as i8,
        -77,
        "changed in cycle 0"
    );
}

#[test]
fn a_change_at_a_later_cycle_is_undone_by_going_back() {
    let mut harness = dashboard();
    click(&mut harness, "Step 10");
    click(&mut harness, "Memory");
    let before = frame(&harness).now.close_up.memory.bytes.clone();
    type_into(&mut harness, "Go to address", "0x20");
    harness.key_press(Key::Enter);
    harness.run();
    type_into(&mut harness, "New value", "0x5a");
    click(&mut harness, "Write memory");
    assert!(frame(&harness).now.close_up.memory.bytes.contains(&0x5a));
    click(&mut harness, "Step");
    click(&mut harness, "Step back");
    assert!(frame(&harness).now.close_up.memory.bytes.contains(&0x5a));
    click(&mut harness, "Step back");
    let after = &frame(&harness).now.close_up.memory;
    assert!(!after.bytes.contains(&0x5a));
    assert_eq!(after.bytes.len(), before.len());
}

#[test]
fn a_watched_byte_pauses_the_run_when_it_changes() {
    let mut harness = dashboard();
    click(&mut harness, "Memory");
    type_into(&mut harness, "Go to address", "0x1");
    harness.key_press(Key::Enter);
    harness.run();
    click(&mut harness, "Watch SPM 0x1");
    assert_eq!(frame(&harness).watchpoints, [(MemorySpace::Spm, 1, 1)]);
    let before = frame(&harness).now.close_up.memory.bytes[1];
    harness
        .get_by_role_and_label(egui::accesskit::Role::ComboBox, "Speed")
        .click();
    harness.run();
    click(&mut harness, "As fast as possible");
    harness.get_by_label("Run").click();
    for _ in 0..200 {
        harness.step();
    }
    assert_eq!(frame(&harness).run_state, RunState::Paused);
    let paused_at = frame(&harness).now.cycle;
    assert!(paused_at > 0);
    assert_ne!(frame(&harness).now.close_up.memory.bytes[1], before);
    click(&mut harness, "Step back");
    assert_eq!(
        frame(&harness).now.close_up.memory.bytes[1],
        before,
        "it changed in the last cycle"
    );
}

#[test]
fn the_map_names_what_transfers_brought_and_banks_have_open_rows() {
    let mut harness = dashboard();
    run_into_product(&mut harness);
    click(&mut harness, "Memory");
    let pieces = frame(&harness).now.close_up.memory.pieces.clone();
    let names: Vec<&str> = pieces.iter().map(|piece| &*piece.name).collect();
    assert!(
        ["activations", "weights", "parameters"]
            .iter()
            .all(|name| names.contains(name)),
        "{names:?}"
    );
    assert!(
        pieces
            .iter()
            .all(|piece| piece.since.is_some_and(|(cycle, _)| cycle <= frame(&harness).now.cycle))
    );
    click(&mut harness, "Restart");
    assert!(frame(&harness).now.close_up.memory.pieces.is_empty());
    for _ in 0..12 {
        click(&mut harness, "Step 10");
    }
    click(&mut harness, "Memory: DRAM");
    let n_open: usize = frame(&harness)
        .now
        .close_up
        .channels
        .iter()
        .map(|channel| channel.open_rows.iter().flatten().count())
        .sum();
    assert!(n_open > 0);
    assert!(has_text(&harness, "Channel 0, bank 0"));
}

#[test]
fn the_graph_has_the_layers_and_what_bounds_them() {
    let mut harness = dashboard();
    click(&mut harness, "Model graph");
    assert!(has_text(&harness, "Layer product, gemm: not run yet"));
    click(&mut harness, "Run to end");
    let layers = frame(&harness).now.close_up.layers.clone();
    assert_eq!(layers.len(), 2);
    assert!(layers.iter().all(|layer| layer.bound.is_some() && layer.cycles > 0));
    for layer in &layers {
        let [_, ld, st, mx, vx] = layer.busy_cycles;
        let longest = [ld, st, mx, vx].into_iter().max().unwrap();
        let expected = match 2 * longest {
            twice if twice < layer.cycles => Bound::Control,
            _ if longest == mx => Bound::Compute,
            _ if longest == vx => Bound::Vector,
            _ => Bound::Bandwidth,
        };
        assert_eq!(layer.bound, Some(expected), "{layer:?}");
    }
    let graph = &frame(&harness).program.as_ref().unwrap().graph;
    assert!(graph.layers[0].reads.iter().any(|name| &**name == "weights"));
    let product = harness.get_by_label_contains("Layer product, gemm");
    let label = product.accesskit_node().label().unwrap_or_default();
    assert!(label.contains("cycles") && !label.contains("not run yet"), "{label}");
    let first_pc = graph.layers[1].first_pc;
    product.click();
    harness.run();
    assert!(has_text(&harness, &format!("Instruction {first_pc}:")));
}

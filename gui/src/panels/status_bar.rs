//! The status bar: what the worker does, in which layer the machine is, and which machine it is.

use crate::format;
use crate::frame::{Frame, RunState};
use crate::theme::{self, Palette};
use egui::{Align, Layout, RichText, Sense, Ui, vec2};

/// Draws the bar.
pub(crate) fn status_bar_ui(ui: &mut Ui, frame: &Frame) {
    let palette = Palette::of(ui.visuals());
    ui.horizontal(|ui| {
        let (word, color) = match &frame.run_state {
            RunState::Empty => ("No program", palette.weak_text),
            RunState::Paused => ("Paused", palette.weak_text),
            RunState::Running => ("Running", palette.accent),
            RunState::GoingBack(_) => ("Going back", palette.accent),
            RunState::Halted => ("Halted", palette.text),
            RunState::Faulted(_) => ("Faulted", palette.error),
        };
        let (dot, _) = ui.allocate_exact_size(vec2(8.0, 8.0), Sense::hover());
        ui.painter().circle_filled(dot.center(), 4.0, color);
        ui.label(RichText::new(word).color(palette.text));
        match &frame.run_state {
            RunState::Faulted(reason) => {
                ui.add(egui::Label::new(RichText::new(&**reason).color(palette.error)).truncate());
            }
            RunState::GoingBack(cycle) => {
                ui.spinner();
                ui.weak(format!("to cycle {}", format::grouped(*cycle)));
            }
            RunState::Empty | RunState::Paused | RunState::Running | RunState::Halted => place_ui(ui, frame),
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| machine_ui(ui, frame));
    });
}

/// Layer, program counter and simulated time.
fn place_ui(ui: &mut Ui, frame: &Frame) {
    let Some(program) = &frame.program else { return };
    if let Some(layer) = frame.now.layer_idx.and_then(|idx| program.layers.get(idx)) {
        ui.separator();
        ui.label(format!("layer {layer}"));
    }
    if program.machine.clock_mhz > 0.0 {
        ui.separator();
        let seconds = frame.now.cycle as f64 / (program.machine.clock_mhz * 1e6);
        let text = format::quantity(format::Quantity::Seconds(seconds));
        ui.weak(format!("{text} of machine time"));
    }
}

fn machine_ui(ui: &mut Ui, frame: &Frame) {
    let Some(program) = &frame.program else { return };
    let machine = &program.machine;
    let mut facts = vec![
        machine.name.clone(),
        format!("{} x {} PEs", machine.n_rows, machine.n_cols),
    ];
    facts.push(format!("{} MHz", machine.clock_mhz));
    facts.extend(machine.notes.iter().cloned());
    ui.spacing_mut().item_spacing.x = theme::GAP;
    ui.add(egui::Label::new(RichText::new(facts.join("  |  ")).weak()).truncate());
}

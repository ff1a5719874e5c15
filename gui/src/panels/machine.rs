//! The machine panel: the description as a form or as text, everything that is wrong with it, and what the loaded program
//! would cost on it.

use super::machine_compare::comparison_ui;
use super::widgets::switch_ui;
use crate::machine_bench::{BenchAction, MachineBench};
use crate::machine_draft::{CHOICES, Choice, FIELDS, Field, shipped};
use crate::theme::{self, Palette};
use crate::view::{Action, View};
use egui::{ComboBox, CornerRadius, DragValue, Grid, Margin, RichText, ScrollArea, TextEdit, TextStyle, Ui};
use systole_isa::{Diagnostic, MachineDescription};

/// Width of the description's column, in points.
const EDITOR_WIDTH: f32 = 340.0;

/// Draws the panel.
pub(crate) fn machine_ui(ui: &mut Ui, bench: &MachineBench, view: &View, actions: &mut Vec<Action>) {
    if matches!(bench.own(), crate::bench::Trial::None) {
        actions.push(Action::Bench(BenchAction::Start));
    }
    let height = ui.available_height();
    ui.horizontal_top(|ui| {
        ui.vertical(|ui| {
            ui.set_width(EDITOR_WIDTH.min(ui.available_width() / 2.0));
            ui.set_height(height);
            header_ui(ui, bench, view, actions);
            ScrollArea::vertical()
                .id_salt("machine-description")
                .auto_shrink(false)
                .show(ui, |ui| {
                    match bench.draft().description() {
                        Some(machine) if !view.is_machine_text => form_ui(ui, bench, machine, actions),
                        _ => text_ui(ui, bench, actions),
                    }
                    for problem in bench.draft().problems() {
                        problem_ui(ui, problem);
                    }
                });
        });
        ui.separator();
        ui.vertical(|ui| {
            ui.set_height(height);
            ScrollArea::vertical()
                .id_salt("machine-comparison")
                .auto_shrink(false)
                .show(ui, |ui| comparison_ui(ui, bench, actions));
        });
    });
}

fn header_ui(ui: &mut Ui, bench: &MachineBench, view: &View, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        let combo = ComboBox::from_id_salt("shipped-machines")
            .width(150.0)
            .selected_text("Start from");
        let response = combo.show_ui(ui, |ui| {
            for (name, text) in shipped() {
                if ui.selectable_label(false, name).clicked() {
                    actions.push(Action::Bench(BenchAction::Edit(text.to_owned())));
                }
            }
        });
        response.response.accessible_name("Start from a shipped machine");
        let chosen = usize::from(view.is_machine_text);
        if let Some(idx) = switch_ui(ui, &["Form", "Text"], Some(chosen), "Description") {
            actions.push(Action::SetMachineAsText(idx == 1));
        }
    });
    ui.horizontal(|ui| {
        let (can_undo, can_redo) = bench.can_undo_and_redo();
        for (is_enabled, text, label, action) in [
            (can_undo, "Undo", "Undo machine edit", BenchAction::Undo),
            (can_redo, "Redo", "Redo machine edit", BenchAction::Redo),
        ] {
            let response = ui.add_enabled(is_enabled, egui::Button::new(text));
            if response.accessible_name(label).clicked() {
                actions.push(Action::Bench(action));
            }
        }
        let is_usable = bench.is_edited() && bench.draft().description().is_some();
        let response = ui.add_enabled(is_usable, egui::Button::new("Use this machine"));
        if response
            .on_hover_text("Load the program on this machine, at cycle 0")
            .clicked()
        {
            actions.push(Action::UseMachine);
        }
    });
    ui.separator();
}

fn form_ui(ui: &mut Ui, bench: &MachineBench, machine: &MachineDescription, actions: &mut Vec<Action>) {
    let mut edit = |change: &dyn Fn(&mut MachineDescription)| {
        let text = bench.draft().with(change);
        actions.extend(text.map(|text| Action::Bench(BenchAction::Edit(text))));
    };
    Grid::new("machine-form")
        .num_columns(3)
        .spacing([14.0, 7.0])
        .show(ui, |ui| {
            ui.label("Name");
            let mut name = machine.name.clone();
            let response = ui.add(TextEdit::singleline(&mut name).desired_width(120.0));
            if response.accessible_name("Name of the machine").changed() {
                edit(&|machine| machine.name.clone_from(&name));
            }
            ui.end_row();
            for choice in &CHOICES {
                if let Some(idx) = choice_ui(ui, choice, machine) {
                    edit(&|machine| (choice.set)(machine, idx));
                }
                ui.end_row();
            }
            for field in &FIELDS {
                if let Some(value) = field_ui(ui, field, machine) {
                    edit(&|machine| *(field.place)(machine) = value);
                }
                ui.end_row();
            }
        });
    ui.add_space(theme::GAP);
    ui.weak("Text shows every field, also those that the form leaves out.");
}

/// A named choice; returns the newly chosen position.
fn choice_ui(ui: &mut Ui, choice: &Choice, machine: &MachineDescription) -> Option<usize> {
    let names = (choice.names)();
    let present = (choice.get)(machine);
    let mut chosen = None;
    ui.label(choice.label);
    let combo = ComboBox::from_id_salt(choice.label)
        .width(120.0)
        .selected_text(names[present].as_str());
    let response = combo.show_ui(ui, |ui| {
        for (idx, name) in names.iter().enumerate() {
            if ui.selectable_label(idx == present, name).clicked() && idx != present {
                chosen = Some(idx);
            }
        }
    });
    response.response.accessible_name(choice.label);
    chosen
}

/// A number; returns its new value.
fn field_ui(ui: &mut Ui, field: &Field, machine: &MachineDescription) -> Option<u32> {
    let present = *(field.place)(&mut machine.clone());
    let mut value = present;
    ui.label(field.label).on_hover_text(field.help);
    let response = ui.add(DragValue::new(&mut value).range(field.range.clone()).speed(0.25));
    response.accessible_name(field.label).on_hover_text(field.help);
    ui.weak(field.unit);
    (value != present).then_some(value)
}

fn text_ui(ui: &mut Ui, bench: &MachineBench, actions: &mut Vec<Action>) {
    let mut text = bench.draft().text().to_owned();
    let editor = TextEdit::multiline(&mut text)
        .font(TextStyle::Monospace)
        .desired_width(f32::INFINITY)
        .desired_rows(20);
    if ui.add(editor).accessible_name("Machine description as text").changed() {
        actions.push(Action::Bench(BenchAction::Edit(text)));
    }
}

fn problem_ui(ui: &mut Ui, problem: &Diagnostic) {
    let palette = Palette::of(ui.visuals());
    let frame = egui::Frame::new()
        .fill(palette.error.gamma_multiply(0.14))
        .corner_radius(CornerRadius::same(theme::RADIUS))
        .inner_margin(Margin::symmetric(8, 5))
        .outer_margin(Margin::symmetric(0, 3));
    frame.show(ui, |ui| {
        let place = problem
            .place
            .as_ref()
            .map_or(String::new(), |place| format!("Line {}: ", place.line));
        ui.label(RichText::new(format!("{place}{}", problem.message)).color(palette.text));
        if let Some(help) = &problem.help {
            ui.weak(help);
        }
    });
}

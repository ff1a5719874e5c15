//! What is shown while no program is loaded: a file to choose, the lessons, the examples.

use super::catalog::{example_label, lessons_ui};
use super::recent_files::recent_files_ui;
use crate::command::{Command, Icon};
use crate::course::Course;
use crate::examples::examples;
use crate::frame::Frame;
use crate::icons::paint_icon;
use crate::theme::{self, Palette};
use crate::view::{Action, View};
use egui::{Button, Grid, Label, RichText, ScrollArea, Sense, Ui, Vec2};

/// Width of the lists of lessons and examples, in points.
const LIST_WIDTH: f32 = 1_000.0;

/// Draws the panel.
pub(crate) fn welcome_ui(ui: &mut Ui, frame: &Frame, view: &View, course: &Course, actions: &mut Vec<Action>) {
    let palette = Palette::of(ui.visuals());
    ui.vertical_centered(|ui| {
        ui.add_space((ui.available_height() * 0.05).max(theme::GAP));
        let (rect, _) = ui.allocate_exact_size(Vec2::splat(44.0), Sense::hover());
        paint_icon(ui.painter(), rect, Icon::Folder, palette.weak_text);
        ui.add_space(6.0);
        ui.heading("Nothing is loaded yet");
        ui.weak("Open a program (.sasm, .elf) or a model (.onnx, .tflite, .csv, .ron), or drop one here, to step through it cycle by cycle.");
        ui.add_space(14.0);
        if frame.loading.is_some() {
            ui.spinner();
            return;
        }
        let text = RichText::new("Choose a file").color(palette.on_accent);
        if ui
            .add(Button::new(text).fill(palette.accent).min_size(Vec2::new(150.0, 34.0)))
            .clicked()
        {
            actions.push(Action::Command(Command::Open));
        }
        ui.add_space(4.0);
        let shortcut = Command::Open
            .info()
            .shortcuts
            .first()
            .map(|shortcut| ui.ctx().format_shortcut(shortcut));
        ui.weak(shortcut.unwrap_or_default());
        if view.recent.iter().next().is_some() {
            ui.add_space(14.0);
            ui.weak("Opened last");
            recent_files_ui(ui, &view.recent, actions);
        }
    });
    ui.add_space(theme::GAP);
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        let margin = ((ui.available_width() - LIST_WIDTH) / 2.0).max(0.0);
        ui.horizontal_top(|ui| {
            ui.add_space(margin);
            ui.vertical(|ui| {
                ui.strong("Learn");
                lessons_ui(ui, course, actions);
            });
            ui.add_space(24.0);
            ui.vertical(|ui| {
                ui.strong("Examples");
                examples_grid_ui(ui, actions);
            });
        });
    });
}

/// The examples with what each of them is.
fn examples_grid_ui(ui: &mut Ui, actions: &mut Vec<Action>) {
    Grid::new("examples")
        .num_columns(2)
        .spacing([10.0, 3.0])
        .show(ui, |ui| {
            for info in examples() {
                let response = ui.button(info.name).accessible_name(example_label(info.name));
                if response.on_hover_text(info.summary).clicked() {
                    actions.push(Action::OpenExample(info.name));
                }
                ui.add(Label::new(RichText::new(info.summary).weak()).truncate());
                ui.end_row();
            }
        });
}

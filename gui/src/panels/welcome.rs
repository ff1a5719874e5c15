//! What is shown while no program is loaded.

use super::recent_files::recent_files_ui;
use crate::command::{Command, Icon};
use crate::frame::Frame;
use crate::icons::paint_icon;
use crate::theme::Palette;
use crate::view::{Action, View};
use egui::{Button, RichText, Sense, Ui, Vec2};

/// Draws the panel.
pub(crate) fn welcome_ui(ui: &mut Ui, frame: &Frame, view: &View, actions: &mut Vec<Action>) {
    let palette = Palette::of(ui.visuals());
    ui.vertical_centered(|ui| {
        ui.add_space((ui.available_height() * 0.24).max(24.0));
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
}

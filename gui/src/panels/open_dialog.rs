//! The dialog that opens a file. It has a path field of its own, because the system's file chooser is not always there.

use crate::theme;
use crate::view::Action;
use egui::{Align, Button, Id, Key, Layout, Modal, TextEdit, Ui};
use std::path::PathBuf;

/// Draws the dialog with the path typed so far.
pub(crate) fn open_dialog_ui(ui: &Ui, path: &str, is_browsing: bool, actions: &mut Vec<Action>) {
    let response = Modal::new(Id::unique("open-dialog")).show(ui.ctx(), |ui| {
        ui.set_width(520.0);
        ui.heading("Open");
        ui.weak("A program (assembly text or ELF) or a model (ONNX).");
        ui.add_space(theme::GAP);
        let mut text = path.to_owned();
        let edit = TextEdit::singleline(&mut text)
            .hint_text("Path of the file")
            .desired_width(f32::INFINITY);
        let response = ui
            .add(edit.margin(egui::Margin::symmetric(8, 6)))
            .accessible_name("Path of the file");
        let is_confirmed = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        if response.changed() {
            actions.push(Action::EditDialog(text.clone()));
        }
        if !response.has_focus() && !response.lost_focus() && ui.memory(|memory| memory.focused().is_none()) {
            response.request_focus();
        }
        ui.add_space(theme::GAP);
        let is_complete = !text.trim().is_empty();
        let mut is_accepted = is_confirmed && is_complete;
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            is_accepted |= ui.add_enabled(is_complete, Button::new("Open file")).clicked();
            if ui.button("Cancel").clicked() {
                actions.push(Action::CloseDialog);
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                if ui.add_enabled(!is_browsing, Button::new("Browse")).clicked() {
                    actions.push(Action::Browse);
                }
            });
        });
        if is_accepted {
            actions.push(Action::OpenPath(PathBuf::from(text.trim())));
        }
    });
    if response.should_close() {
        actions.push(Action::CloseDialog);
    }
}

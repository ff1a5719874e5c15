//! The dialogs that ask for a path: of a file to open, of an export to write. They have a path field of their own, because the system's file chooser is not always there.

use crate::export::Export;
use crate::source_editor::SourceAction;
use crate::theme;
use crate::view::Action;
use egui::{Align, Button, Id, Key, Layout, Modal, TextEdit, Ui};
use std::path::PathBuf;

/// What a dialog asks for.
struct Question<'a> {
    id: &'static str,
    heading: &'a str,
    explanation: &'static str,
    /// Label of the path field.
    field: &'static str,
    /// Label of the button that accepts the path.
    accept: &'static str,
    /// What an accepted path asks the dashboard to do.
    action: fn(PathBuf) -> Action,
}

/// Draws the dialog that opens a file, with the path typed so far.
pub(crate) fn open_dialog_ui(ui: &Ui, path: &str, is_browsing: bool, actions: &mut Vec<Action>) {
    let question = Question {
        id: "open-dialog",
        heading: "Open",
        explanation: "A program (assembly text or ELF), a model (ONNX, TensorFlow Lite, SCALE-Sim table, graph text) or a machine description (RON).",
        field: "Path of the file",
        accept: "Open file",
        action: Action::OpenPath,
    };
    path_dialog_ui(ui, &question, path, is_browsing, actions);
}

/// Draws the dialog that asks where to write an export, with the path typed so far.
pub(crate) fn export_dialog_ui(ui: &Ui, export: &Export, path: &str, is_browsing: bool, actions: &mut Vec<Action>) {
    let question = Question {
        id: "export-dialog",
        heading: export.label,
        explanation: "",
        field: "Path of the new file",
        accept: "Write file",
        action: Action::Export,
    };
    path_dialog_ui(ui, &question, path, is_browsing, actions);
}

/// Draws the dialog that asks where to write the text of the program, with the path typed so far.
pub(crate) fn save_dialog_ui(ui: &Ui, path: &str, is_browsing: bool, actions: &mut Vec<Action>) {
    let question = Question {
        id: "save-dialog",
        heading: "Save source as",
        explanation: "Assembly text (.sasm).",
        field: "Path of the new file",
        accept: "Write file",
        action: |path| Action::Source(SourceAction::SaveTo(path)),
    };
    path_dialog_ui(ui, &question, path, is_browsing, actions);
}

fn path_dialog_ui(ui: &Ui, question: &Question<'_>, path: &str, is_browsing: bool, actions: &mut Vec<Action>) {
    let response = Modal::new(Id::unique(question.id)).show(ui.ctx(), |ui| {
        ui.set_width(520.0);
        ui.heading(question.heading);
        if !question.explanation.is_empty() {
            ui.weak(question.explanation);
        }
        ui.add_space(theme::GAP);
        let mut text = path.to_owned();
        let edit = TextEdit::singleline(&mut text)
            .hint_text(question.field)
            .desired_width(f32::INFINITY);
        let response = ui
            .add(edit.margin(egui::Margin::symmetric(8, 6)))
            .accessible_name(question.field);
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
            is_accepted |= ui.add_enabled(is_complete, Button::new(question.accept)).clicked();
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
            actions.push((question.action)(PathBuf::from(text.trim())));
        }
    });
    if response.should_close() {
        actions.push(Action::CloseDialog);
    }
}

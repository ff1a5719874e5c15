//! The dialog that asks what becomes of a text that is not written yet.

use crate::source_editor::{SourceAction, SourceEditor};
use crate::theme;
use crate::view::Action;
use egui::{Align, Id, Layout, Modal, Ui};

/// Draws the dialog.
pub(crate) fn unsaved_dialog_ui(ui: &Ui, editor: &SourceEditor, actions: &mut Vec<Action>) {
    let response = Modal::new(Id::unique("unsaved-dialog")).show(ui.ctx(), |ui| {
        ui.set_width(420.0);
        ui.heading("Unsaved text");
        let name = editor.source().map_or("the program", |source| source.file.as_str());
        ui.label(format!("The changes to {name} are not written into a file yet."));
        ui.add_space(theme::GAP);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            for (text, action) in [
                ("Save changes", SourceAction::SaveFirst),
                ("Discard changes", SourceAction::Discard),
                ("Cancel", SourceAction::Cancel),
            ] {
                if ui.button(text).clicked() {
                    actions.push(Action::Source(action));
                }
            }
        });
    });
    if response.should_close() {
        actions.push(Action::Source(SourceAction::Cancel));
    }
}

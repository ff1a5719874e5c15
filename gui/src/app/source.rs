//! What the dashboard does with the text of the program: assembling, writing, and asking before a text is lost.

use super::Dashboard;
use crate::background::Saving;
use crate::driver::Request;
use crate::edits::Edits;
use crate::frame::Frame;
use crate::source_editor::{HeldBack, SourceAction};
use crate::view::Dialog;
use egui::ViewportCommand;
use std::path::PathBuf;
use std::sync::Arc;

impl Dashboard {
    /// Sends a request that replaces the program; if that would take an edited text away, the user is asked first.
    pub(super) fn send_replacing(&mut self, request: Request) {
        if self.source.is_edited() {
            self.hold_back(HeldBack::Request(request));
        } else {
            self.worker.send(request);
        }
    }

    /// Forgets what names instructions of a program that is not loaded any more.
    pub(super) fn leave(&mut self, before: &Frame) {
        let text = |frame: &Frame| {
            let program = frame.program.as_ref()?;
            Some(Arc::clone(&program.source.as_ref()?.text))
        };
        if text(before).is_some_and(|before| Some(before) != text(&self.frame)) {
            self.edits = Edits::default();
            self.view.selected_pc = None;
            self.view.selected_span = None;
        }
    }

    fn hold_back(&mut self, what: HeldBack) {
        self.source.hold_back(what);
        self.view.dialog = Some(Dialog::Unsaved);
    }

    /// Keeps the window open while a text is not written and the user has not said that it may be lost.
    pub(super) fn guard_close(&mut self, ctx: &egui::Context) {
        if ctx.input(|input| input.viewport().close_requested()) && self.source.is_edited() {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            self.hold_back(HeldBack::Close);
        }
    }

    pub(super) fn update_source(&mut self, ctx: &egui::Context, action: SourceAction) {
        match action {
            SourceAction::Edit(text) => self.source.edit(text),
            SourceAction::SaveTo(path) => {
                self.view.dialog = None;
                self.save_to(ctx, path);
            }
            SourceAction::SaveFirst => match self.source.path().map(ToOwned::to_owned) {
                Some(path) => {
                    self.view.dialog = None;
                    self.save_to(ctx, path);
                }
                None => self.ask_where_to_save(),
            },
            SourceAction::Discard => {
                self.view.dialog = None;
                self.source.discard();
                self.release(ctx);
            }
            SourceAction::Cancel => {
                self.view.dialog = None;
                self.source.take_held_back();
            }
            SourceAction::ShowLoaded => self.source.show_loaded(),
            SourceAction::ShowCosts(has_costs) => self.source.show_costs(has_costs),
        }
    }

    /// Asks for the file to write the text into.
    pub(super) fn ask_where_to_save(&mut self) {
        self.view.dialog = Some(Dialog::SaveSource(self.source.proposed_file()));
    }

    /// Writes the text into its file, if it has one, and runs its program.
    pub(super) fn assemble(&mut self, ctx: &egui::Context) {
        let Some(text) = self.source.current() else { return };
        if let Some(path) = self.source.path().filter(|_| self.source.is_edited()) {
            self.save_to(ctx, path.to_owned());
        }
        self.worker.send(Request::Assemble(Arc::new(text)));
    }

    fn save_to(&mut self, ctx: &egui::Context, path: PathBuf) {
        if let Some(text) = self.source.current() {
            let arrays = text.arrays_beside(&path);
            let saving = Saving {
                path,
                text: text.text,
                arrays,
            };
            self.background.save(ctx, saving);
        }
    }

    /// Takes note of a text that was written, or could not be.
    pub(super) fn source_saved(&mut self, ctx: &egui::Context, saving: &Saving, result: Result<(), String>) {
        match result {
            Ok(()) => {
                self.source.saved(&saving.path, &saving.text);
                self.notice = None;
                self.release(ctx);
            }
            Err(reason) => {
                self.source.take_held_back();
                self.notice = Some(format!(
                    "{reason} The text is kept here; \u{201c}Save source as\u{201d} writes it elsewhere."
                ));
            }
        }
    }

    /// Does what was held back.
    fn release(&mut self, ctx: &egui::Context) {
        match self.source.take_held_back() {
            None => {}
            Some(HeldBack::Request(request)) => self.worker.send(request),
            Some(HeldBack::Close) => ctx.send_viewport_cmd(ViewportCommand::Close),
        }
    }
}

//! The state of the source panel: the text that is being edited, what is known of it, and what of it is not written yet.
//!
//! An edited text is replaced only if the user says so: opening something else asks first, and whatever goes wrong while it is
//! written or assembled leaves it as it is.

use crate::driver::Request;
use crate::frame::ProgramInfo;
use crate::source_check::{Check, Marks};
use crate::source_text::{Origin, SourceText};
use crossbeam_channel::{Receiver, TryRecvError, bounded};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A change that the source panel or one of its dialogs asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SourceAction {
    /// Replace the text.
    Edit(String),
    /// Write the text into this file, which is its own from then on.
    SaveTo(PathBuf),
    /// Write the text, then do what was held back.
    SaveFirst,
    /// Do what was held back; the text is given up.
    Discard,
    /// Do not do what was held back.
    Cancel,
    /// Give the text up and show that of the loaded program.
    ShowLoaded,
    /// Show what each line cost, or no longer.
    ShowCosts(bool),
}

/// What waits until the user has said what becomes of an edited text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HeldBack {
    /// Something that replaces the program.
    Request(Request),
    /// Closing the window.
    Close,
}

/// What the source panel shows.
#[derive(Debug)]
pub(crate) struct SourceEditor {
    program: Option<Arc<ProgramInfo>>,
    /// The text that runs.
    running: Option<Arc<SourceText>>,
    /// Name, origin and files of the text that is edited; its text is what was read or written last.
    source: Option<Arc<SourceText>>,
    text: Arc<str>,
    /// The text that could not be opened last.
    rejected: Option<Arc<SourceText>>,
    /// Counts texts that took the place of another.
    document_number: u64,
    /// Whether the text has nothing to do with the loaded program.
    is_apart: bool,
    check: Option<Arc<Check>>,
    under_way: Option<Receiver<Check>>,
    marks: Marks,
    /// Counts changes of text and marks.
    version: u64,
    has_costs: bool,
    held_back: Option<HeldBack>,
}

impl Default for SourceEditor {
    fn default() -> Self {
        Self {
            program: None,
            running: None,
            source: None,
            text: Arc::from(""),
            rejected: None,
            document_number: 0,
            is_apart: false,
            check: None,
            under_way: None,
            marks: Marks::default(),
            version: 0,
            has_costs: false,
            held_back: None,
        }
    }
}

impl SourceEditor {
    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Name and origin of the text; `None` if there is none.
    pub(crate) fn source(&self) -> Option<&SourceText> {
        self.source.as_deref()
    }

    /// A number that changes when another text takes the place of this one.
    pub(crate) fn document_number(&self) -> u64 {
        self.document_number
    }

    /// A number that changes with the text and with what is marked in it.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// What is marked in the text.
    pub(crate) fn marks(&self) -> &Marks {
        &self.marks
    }

    /// What is known of exactly this text; `None` while it is being read.
    pub(crate) fn check(&self) -> Option<&Check> {
        self.check.as_deref().filter(|check| *check.text == *self.text)
    }

    /// Whether the text differs from what was read or written last.
    pub(crate) fn is_edited(&self) -> bool {
        self.source.as_ref().is_some_and(|source| *source.text != *self.text)
    }

    /// Whether the program that is loaded is exactly this text.
    pub(crate) fn is_running(&self) -> bool {
        self.running.as_ref().is_some_and(|running| *running.text == *self.text)
    }

    /// Whether the text has nothing to do with the loaded program.
    pub(crate) fn is_apart(&self) -> bool {
        self.is_apart
    }

    /// Whether lines show what they cost.
    pub(crate) fn has_costs(&self) -> bool {
        self.has_costs
    }

    /// The file of the text.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.source.as_ref().and_then(|source| source.path())
    }

    /// The file name to propose for a text without a file.
    pub(crate) fn proposed_file(&self) -> String {
        match self.source.as_ref() {
            Some(source) if source.path().is_some() => source.file.clone(),
            Some(source) => format!("{}.sasm", source.file.replace(['/', '\\'], "_")),
            None => String::new(),
        }
    }

    /// The text as it is now, to be written or assembled.
    pub(crate) fn current(&self) -> Option<SourceText> {
        Some(self.source.as_ref()?.with_text(Arc::clone(&self.text)))
    }

    /// Takes over another program, or a text that was to be opened and is none, and what is known of the text by now; `wake` is
    /// called when more is known.
    pub(crate) fn update(
        &mut self,
        program: Option<&Arc<ProgramInfo>>,
        rejected: Option<&Arc<SourceText>>,
        wake: impl Fn() + Send + 'static,
    ) {
        let is_same = match (&self.program, program) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        if !is_same {
            self.program = program.cloned();
            self.take_over(program.and_then(|program| program.source.clone()));
        }
        self.show_rejected(rejected);
        self.poll();
        self.start_check(wake);
    }

    /// Shows a text that could not be opened, once, so that it can be mended.
    fn show_rejected(&mut self, rejected: Option<&Arc<SourceText>>) {
        let is_known = match (&self.rejected, rejected) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (_, rejected) => rejected.is_none(),
        };
        if let Some(text) = rejected.filter(|_| !is_known && !self.is_edited()) {
            self.load(Arc::clone(text));
            self.is_apart = true;
        }
        self.rejected = rejected.cloned();
    }

    /// Decides whether the text of a program that has been loaded takes the place of the present one.
    fn take_over(&mut self, loaded: Option<Arc<SourceText>>) {
        let before = std::mem::replace(&mut self.running, loaded);
        let Some(loaded) = self.running.clone() else { return };
        let is_same_file = before.as_ref().is_some_and(|before| before.file == loaded.file);
        let is_loaded_again = is_same_file && before.is_some_and(|before| before.text == loaded.text);
        if loaded.text == self.text {
            self.is_apart = false;
            if !is_same_file && !self.is_edited() {
                self.source = Some(loaded);
            }
        } else if is_loaded_again {
            // On another machine, or from its beginning.
        } else if self.is_edited() {
            self.is_apart = true;
        } else {
            self.load(loaded);
        }
    }

    fn load(&mut self, source: Arc<SourceText>) {
        self.text = Arc::clone(&source.text);
        self.source = Some(source);
        self.is_apart = false;
        self.document_number += 1;
        self.version += 1;
        self.check = None;
        self.marks = Marks::default();
    }

    fn poll(&mut self) {
        let Some(receiver) = &self.under_way else { return };
        match receiver.try_recv() {
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => self.under_way = None,
            Ok(check) => {
                self.under_way = None;
                self.check = Some(Arc::new(check));
                self.carry_over();
            }
        }
    }

    /// Carries what is known over to the present text.
    fn carry_over(&mut self) {
        self.version += 1;
        if let Some(check) = &self.check {
            self.marks = check.marks_in(&self.text);
        }
        if self.is_apart {
            (self.marks.lines, self.marks.instructions) = (Vec::new(), Vec::new());
        }
    }

    /// Reads the text on a thread, unless one is at it or it is known already.
    fn start_check(&mut self, wake: impl Fn() + Send + 'static) {
        let (Some(source), Some(running), None) = (&self.source, &self.running, &self.under_way) else {
            return;
        };
        let is_known = |check: &Arc<Check>| check.text == self.text && check.is_against(running);
        if self.check.as_ref().is_some_and(is_known) {
            return;
        }
        let (sender, receiver) = bounded(1);
        let (text, source, running) = (Arc::clone(&self.text), Arc::clone(source), Arc::clone(running));
        let thread = std::thread::Builder::new()
            .name("systole-source-check".to_owned())
            .spawn(move || {
                // The dashboard may have been closed in the meantime.
                let _ = sender.send(Check::new(text, &source, &running));
                wake();
            });
        // Without a thread the text stays without marks; the next change tries again.
        self.under_way = thread.is_ok().then_some(receiver);
    }

    /// Replaces the text by what was typed.
    pub(crate) fn edit(&mut self, text: String) {
        if *self.text != *text {
            self.text = Arc::from(text);
            self.carry_over();
        }
    }

    /// Notes that a text was written into a file.
    pub(crate) fn saved(&mut self, path: &Path, text: &Arc<str>) {
        self.source = self.source.as_ref().map(|source| {
            let source = if source.path() == Some(path) {
                SourceText::clone(source)
            } else {
                source.moved_to(path)
            };
            Arc::new(source.with_text(Arc::clone(text)))
        });
    }

    /// Gives the text up and shows that of the loaded program.
    pub(crate) fn show_loaded(&mut self) {
        if let Some(running) = self.running.clone() {
            self.load(running);
        }
    }

    /// Shows what each line cost, or no longer.
    pub(crate) fn show_costs(&mut self, has_costs: bool) {
        self.has_costs = has_costs;
    }

    /// Keeps something back until the user has said what becomes of the text.
    pub(crate) fn hold_back(&mut self, what: HeldBack) {
        self.held_back = Some(what);
    }

    /// What was held back.
    pub(crate) fn take_held_back(&mut self) -> Option<HeldBack> {
        self.held_back.take()
    }

    /// Gives up what was not written.
    pub(crate) fn discard(&mut self) {
        if let Some(source) = self.source.clone() {
            self.load(source);
        }
    }

    /// Why the text looks as it does, in one sentence; empty if that needs no word.
    pub(crate) fn explanation(&self) -> &'static str {
        match self.source.as_ref().map(|source| &source.origin) {
            _ if self.is_apart => "This text is not the program that is loaded; assembling it replaces that one.",
            Some(Origin::Disassembly) => {
                "Disassembly of a compiled program. It can be changed and assembled; long constants stay in arrays."
            }
            Some(Origin::Example) => {
                "A shipped example. It can be changed and assembled; \u{201c}Save source as\u{201d} keeps a copy."
            }
            Some(Origin::File(_)) | None => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(text: &str) -> Arc<ProgramInfo> {
        Arc::new(ProgramInfo {
            source: Some(Arc::new(SourceText::of_example("t", text))),
            ..ProgramInfo::default()
        })
    }

    fn editor(text: &str) -> SourceEditor {
        let mut editor = SourceEditor::default();
        editor.update(Some(&program(text)), None, || {});
        editor
    }

    #[test]
    fn an_edited_text_is_replaced_only_if_the_user_says_so() {
        let mut editor = editor("halt\n");
        editor.edit("nop\nhalt\n".to_owned());
        assert!(editor.is_edited());
        editor.update(Some(&program("fence\nhalt\n")), None, || {});
        assert_eq!((editor.text(), editor.is_apart()), ("nop\nhalt\n", true));
        editor.discard();
        assert_eq!(editor.text(), "halt\n");
        editor.update(Some(&program("li r1, 1\nhalt\n")), None, || {});
        assert_eq!((editor.text(), editor.is_apart()), ("li r1, 1\nhalt\n", false));
        assert!(!editor.is_edited());
    }

    #[test]
    fn the_same_program_on_another_machine_leaves_the_text_alone() {
        let mut editor = editor("halt\n");
        editor.edit("nop\nhalt\n".to_owned());
        editor.saved(Path::new("t.sasm"), &Arc::from("nop\nhalt\n"));
        assert!(!editor.is_edited() && editor.path() == Some(Path::new("t.sasm")));
        editor.update(Some(&program("halt\n")), None, || {});
        assert_eq!((editor.text(), editor.is_apart()), ("nop\nhalt\n", false));
    }

    #[test]
    fn what_runs_is_still_not_what_is_written() {
        let mut editor = editor("halt\n");
        editor.edit("nop\nhalt\n".to_owned());
        editor.update(Some(&program("nop\nhalt\n")), None, || {});
        assert!(editor.is_running() && editor.is_edited());
    }
}

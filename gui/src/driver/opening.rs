//! What the worker does with programs that are opened on a thread: follows them, and takes them when they are there.

use super::{Driver, expected_cycles};
use crate::engine::{Engine, Opened};
use crate::frame::OpenedFile;
use crate::loading::{Load, Origin};
use crate::source_text::SourceText;
use std::sync::Arc;

impl Driver {
    /// Follows a thread that opens something, instead of the one before.
    pub(super) fn begin(&mut self, load: Result<Load, String>) {
        self.end_load();
        match load {
            Ok(load) => self.load = Some(load),
            Err(reason) => self.notice = Some(Arc::from(reason)),
        }
    }

    /// Nothing is being opened any more.
    pub(super) fn end_load(&mut self) {
        self.load = None;
        self.ticket = self.late_ticket.take().unwrap_or(self.ticket);
    }

    /// Whether something is being opened.
    pub(crate) fn is_loading(&self) -> bool {
        self.load.is_some()
    }

    /// Takes what was being opened, if it is there.
    pub(crate) fn take_loaded(&mut self) {
        if let Some(result) = self.load.as_ref().and_then(Load::poll) {
            self.finish_load(result);
        }
    }

    /// Waits for what is being opened.
    pub(crate) fn wait_for_load(&mut self) {
        if let Some(result) = self.load.as_ref().map(Load::wait) {
            self.finish_load(result);
        }
    }

    fn finish_load(&mut self, result: Result<Opened, String>) {
        let Some(load) = self.load.take() else { return };
        self.end_load();
        let machine = match result {
            Err(reason) => {
                self.rejected = load.origin.path().and_then(SourceText::read).map(Arc::new);
                self.notice = Some(Arc::from(format!("{}: {reason}", load.origin.failure())));
                return;
            }
            Ok(Opened::Machine(machine)) => Some(machine),
            Ok(Opened::Program(engine)) => {
                self.take_engine(engine, load.origin == Origin::Machine);
                None
            }
        };
        self.notice = None;
        self.rejected = None;
        if let Some(path) = load.origin.path() {
            let number = self.opened.as_ref().map_or(0, |opened| opened.number) + 1;
            self.opened = Some(Arc::new(OpenedFile {
                number,
                path: path.to_owned(),
                machine,
            }));
        }
    }

    /// Another program, or the same one on another machine, whose breakpoints stay.
    fn take_engine(&mut self, mut engine: Box<dyn Engine>, is_same_program: bool) {
        engine.look_at(&self.focus);
        self.last_cycle = expected_cycles(engine.as_ref());
        self.engine = Some(engine);
        self.stop();
        if !is_same_program {
            self.watches.clear();
            self.breakpoints = Arc::default();
            self.selected_span = None;
        }
    }
}

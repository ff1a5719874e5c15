//! The state of the machine panel: the draft with its history, and the two runs that are compared.

use crate::bench::{Rig, RunSummary, Trial};
use crate::frame::ProgramInfo;
use crate::machine_draft::MachineDraft;
use std::sync::Arc;

/// Drafts that can be gone back to.
const MAX_UNDO: usize = 200;

/// A change that the machine panel asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BenchAction {
    /// Run the loaded program on its own machine, to have something to compare with.
    Start,
    /// Replace the draft's text.
    Edit(String),
    /// Take the last change of the draft back.
    Undo,
    /// Make it again.
    Redo,
    /// Stop the run that is under way.
    Cancel,
    /// Compare from now on with what the draft costs.
    KeepReference,
    /// Compare with the loaded machine again.
    ForgetReference,
}

/// What the machine panel shows.
#[derive(Debug, Default)]
pub(crate) struct MachineBench {
    program: Option<Arc<ProgramInfo>>,
    draft: MachineDraft,
    undo: Vec<String>,
    redo: Vec<String>,
    own: Trial,
    edited: Trial,
    kept: Option<Arc<RunSummary>>,
}

impl MachineBench {
    /// The description that is being written.
    pub(crate) fn draft(&self) -> &MachineDraft {
        &self.draft
    }

    /// Whether the draft differs from the machine that the program is loaded on.
    pub(crate) fn is_edited(&self) -> bool {
        self.program
            .as_ref()
            .is_some_and(|program| program.machine.ron != self.draft.text())
    }

    /// Whether there is a change to take back, and whether there is one to make again.
    pub(crate) fn can_undo_and_redo(&self) -> (bool, bool) {
        (!self.undo.is_empty(), !self.redo.is_empty())
    }

    /// The loaded program on its own machine.
    pub(crate) fn own(&self) -> &Trial {
        &self.own
    }

    /// The loaded program on the machine of the draft; the own run while the draft is not edited.
    pub(crate) fn edited(&self) -> &Trial {
        if self.is_edited() { &self.edited } else { &self.own }
    }

    /// The run that others are compared with: the one that was kept, else the own.
    pub(crate) fn reference(&self) -> Option<&Arc<RunSummary>> {
        self.kept.as_ref().or_else(|| self.own.summary())
    }

    /// Whether a run was kept as reference.
    pub(crate) fn has_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Takes over another program and the results that have arrived.
    pub(crate) fn update(&mut self, program: Option<&Arc<ProgramInfo>>) {
        let is_same = match (&self.program, program) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        if !is_same {
            self.program = program.cloned();
            (self.own, self.edited) = (Trial::None, Trial::None);
            let ron = program.map_or_else(String::new, |program| program.machine.ron.clone());
            if ron != self.draft.text() {
                (self.undo, self.redo) = (Vec::new(), Vec::new());
                self.draft = MachineDraft::new(ron);
            }
        }
        self.own.poll();
        self.edited.poll();
    }

    /// Applies an action; `wake` is called when a run that it starts is over.
    pub(crate) fn apply(&mut self, action: BenchAction, wake: impl Fn() + Send + 'static) {
        match action {
            BenchAction::Start => {
                let own = self
                    .program
                    .as_ref()
                    .map(|program| MachineDraft::new(program.machine.ron.clone()));
                if let (Some(rig), Some(machine)) = (self.rig(), own.as_ref().and_then(MachineDraft::description)) {
                    self.own = Trial::start(rig, machine.clone(), wake);
                }
            }
            BenchAction::Edit(text) => {
                if text != self.draft.text() {
                    self.undo.push(self.draft.text().to_owned());
                    if self.undo.len() > MAX_UNDO {
                        self.undo.remove(0);
                    }
                    self.redo.clear();
                    self.set_draft(text, wake);
                }
            }
            BenchAction::Undo => {
                if let Some(text) = self.undo.pop() {
                    self.redo.push(self.draft.text().to_owned());
                    self.set_draft(text, wake);
                }
            }
            BenchAction::Redo => {
                if let Some(text) = self.redo.pop() {
                    self.undo.push(self.draft.text().to_owned());
                    self.set_draft(text, wake);
                }
            }
            BenchAction::Cancel => {
                for trial in [&mut self.own, &mut self.edited] {
                    if trial.cycle().is_some() {
                        *trial = Trial::Done(Err("cancelled".to_owned()));
                    }
                }
            }
            BenchAction::KeepReference => self.kept = self.edited().summary().cloned(),
            BenchAction::ForgetReference => self.kept = None,
        }
    }

    fn rig(&self) -> Option<Arc<dyn Rig>> {
        self.program.as_ref()?.rig.clone()
    }

    /// Another draft; a run on its machine starts at once, and the one of the draft before is no longer wanted.
    fn set_draft(&mut self, text: String, wake: impl Fn() + Send + 'static) {
        self.draft = MachineDraft::new(text);
        self.edited = match (self.rig(), self.draft.description()) {
            (Some(rig), Some(machine)) if self.is_edited() => Trial::start(rig, machine.clone(), wake),
            _ => Trial::None,
        };
    }
}

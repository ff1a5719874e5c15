//! Opening files in the dashboard: those that were dropped onto the window, and what was opened.

use super::Dashboard;
use crate::machine_bench::BenchAction;
use crate::panels::panes::Pane;
use crate::view::Action;

impl Dashboard {
    /// Asks for the files that were dropped onto the window to be opened, one after the other.
    pub(super) fn take_dropped(&self, actions: &mut Vec<Action>) {
        let dropped = self.ctx.input(|input| input.raw.dropped_files.clone());
        let Some(file) = dropped.last() else { return };
        if dropped.len() > 1 {
            let text = "Several files were dropped; the last one is opened. Drop one at a time.";
            actions.push(Action::Tell(text.to_owned()));
        }
        actions.push(Action::OpenPath(file.path().to_owned()));
    }

    /// Notes a file that was opened; a machine description goes into the machine panel.
    pub(super) fn take_opened(&mut self) {
        let Some(opened) = self.frame.opened.clone() else {
            return;
        };
        if opened.number <= self.n_opened {
            return;
        }
        self.n_opened = opened.number;
        self.view.recent.add(opened.path.clone());
        let Some(machine) = &opened.machine else { return };
        if self.frame.program.is_none() {
            self.notice = Some(format!(
                "{} describes a machine. Open a program or a model first, then open it again.",
                opened.path.display()
            ));
            return;
        }
        let ctx = self.ctx.clone();
        self.bench
            .apply(BenchAction::Edit(machine.to_string()), move || ctx.request_repaint());
        self.show_pane(Pane::Machine, true);
    }
}

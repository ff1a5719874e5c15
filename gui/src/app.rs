//! The dashboard: takes frames from the worker, draws the panels, applies their actions. `Dashboard::update` is the only
//! place that changes what is shown or asks the worker for something.

use crate::command::{Command, pressed_commands};
use crate::driver::Request;
use crate::frame::{Frame, Observation, RunState, TimelineView};
use crate::panels::layout::{Pane, PanelMemory, Panels, default_tree};
use crate::panels::notice::notice_ui;
use crate::panels::open_dialog::open_dialog_ui;
use crate::panels::status_bar::status_bar_ui;
use crate::panels::timeline_scale::zoomed_view;
use crate::panels::toolbar::{menu_bar_ui, toolbar_ui};
use crate::panels::welcome::welcome_ui;
use crate::theme::{self, Palette};
use crate::view::{Action, View};
use crate::worker::Worker;
use crossbeam_channel::{Receiver, TryRecvError, bounded};
use egui::{CentralPanel, Margin, Panel, Theme, Ui};
use egui_tiles::Tree;
use std::path::PathBuf;
use std::sync::Arc;

/// The dashboard's window content.
pub struct Dashboard {
    worker: Box<dyn Worker>,
    frame: Arc<Frame>,
    view: View,
    tree: Tree<Pane>,
    memory: PanelMemory,
    /// The answer of the system's file chooser, while it is open.
    chooser: Option<Receiver<Option<PathBuf>>>,
    /// The last stretch and width that the worker was told.
    sent_timeline: (TimelineView, usize),
    timeline_width: usize,
}

impl Dashboard {
    /// A dashboard on a worker; sets the theme of the context that it will be drawn in.
    pub fn new(worker: Box<dyn Worker>, ctx: &egui::Context) -> Self {
        theme::apply(ctx);
        let frame = Frame {
            sequence: 0,
            run_state: RunState::Empty,
            program: None,
            now: Observation::default(),
            breakpoints: Arc::default(),
            notice: None,
            ticket: 0,
        };
        Self {
            worker,
            frame: Arc::new(frame),
            view: View::default(),
            tree: default_tree(),
            memory: PanelMemory::default(),
            chooser: None,
            sent_timeline: (TimelineView::Fit, 0),
            timeline_width: 1_000,
        }
    }

    /// The frame that is shown.
    pub fn frame(&self) -> &Arc<Frame> {
        &self.frame
    }

    /// Draws everything and applies what the user asked for.
    pub fn dashboard_ui(&mut self, ui: &mut Ui) {
        self.receive();
        let mut actions: Vec<Action> = pressed_commands(ui.ctx()).into_iter().map(Action::Command).collect();
        let palette = Palette::of(ui.visuals());
        let bar = egui::Frame::new()
            .fill(palette.backdrop)
            .inner_margin(Margin::symmetric(10, 5));
        Panel::top("menu").frame(bar).show_separator_line(false).show(ui, |ui| {
            menu_bar_ui(ui, &self.frame, &mut actions);
            ui.add_space(2.0);
            toolbar_ui(ui, &self.frame, &self.view, &mut actions);
            if let Some(notice) = &self.frame.notice {
                notice_ui(ui, notice, &mut actions);
            }
        });
        Panel::bottom("status")
            .frame(bar)
            .show_separator_line(false)
            .show(ui, |ui| status_bar_ui(ui, &self.frame));
        let body = egui::Frame::new()
            .fill(palette.backdrop)
            .inner_margin(Margin::symmetric(8, 0));
        CentralPanel::default().frame(body).show(ui, |ui| {
            if self.frame.program.is_none() {
                welcome_ui(ui, &self.frame, &mut actions);
            } else {
                let mut panels = Panels {
                    frame: &self.frame,
                    view: &self.view,
                    memory: &mut self.memory,
                    actions: &mut actions,
                };
                self.tree.ui(&mut panels, ui);
            }
        });
        if let Some(path) = &self.view.open_dialog {
            open_dialog_ui(ui, path, self.chooser.is_some(), &mut actions);
        }
        for action in actions {
            self.update(ui.ctx(), action);
        }
        self.send_timeline();
        self.receive_chosen_path(ui.ctx());
    }

    /// Takes the newest frame, unless it is older than the one that is shown.
    fn receive(&mut self) {
        if let Some(frame) = self.worker.poll()
            && frame.sequence > self.frame.sequence
        {
            self.frame = frame;
        }
        if !self.worker.is_alive() && self.frame.notice.is_none() {
            let frame = Arc::make_mut(&mut self.frame);
            frame.run_state = RunState::Faulted("the simulator stopped unexpectedly".into());
            frame.notice =
                Some("The simulator stopped unexpectedly. This is a bug in Systole; please report it.".into());
        }
    }

    /// Applies one action: the only place that changes the view or sends a request.
    fn update(&mut self, ctx: &egui::Context, action: Action) {
        match action {
            Action::Command(command) => self.run_command(ctx, command),
            Action::EditOpenPath(path) => self.view.open_dialog = Some(path),
            Action::OpenPath(path) => {
                self.view.open_dialog = None;
                self.worker.send(Request::Open(path));
            }
            Action::Browse => self.browse(ctx),
            Action::CloseDialog => self.view.open_dialog = None,
            Action::SetTimeline(timeline) => self.view.timeline = timeline,
            Action::SetTimelineWidth(n_pixels) if n_pixels == self.timeline_width => return,
            Action::SetTimelineWidth(n_pixels) => self.timeline_width = n_pixels,
            Action::GoTo(cycle) => self.worker.send(Request::GoTo(cycle)),
            Action::SelectInstruction(pc) => self.view.selected_pc = pc,
            Action::SelectPe(position) => self.view.selected_pe = position,
            Action::SetArrayValue(value) => self.view.array_value = value,
            Action::SetFollowedUnit(unit_idx) => self.view.followed_unit = unit_idx,
            Action::SetSearch(search) => self.view.search = search,
            Action::ToggleBreakpoint(pc) => self.worker.send(Request::ToggleBreakpoint(pc)),
            Action::SetSpeed(speed) => {
                self.view.speed = speed;
                self.worker.send(Request::SetSpeed(speed));
            }
            Action::DismissNotice => self.worker.send(Request::DismissNotice),
        }
        ctx.request_repaint();
    }

    fn run_command(&mut self, ctx: &egui::Context, command: Command) {
        if !command.is_enabled(&self.frame) {
            return;
        }
        let now = self.frame.now.cycle;
        match command {
            Command::Open => self.view.open_dialog = Some(String::new()),
            Command::Run => self.worker.send(Request::Run),
            Command::Pause => self.worker.send(Request::Pause),
            Command::Step => self.worker.send(Request::Step(1)),
            Command::Step10 => self.worker.send(Request::Step(10)),
            Command::StepBack => self.worker.send(Request::StepBack(1)),
            Command::StepBack5 => self.worker.send(Request::StepBack(5)),
            Command::StepInstruction => self.worker.send(Request::StepInstruction),
            Command::RunToEnd => self.worker.send(Request::RunToEnd),
            Command::Restart => self.worker.send(Request::Restart),
            Command::ZoomIn => self.view.timeline = zoomed_view(self.view.timeline, now, 2.0),
            Command::ZoomOut => self.view.timeline = zoomed_view(self.view.timeline, now, 0.5),
            Command::ZoomFit => self.view.timeline = TimelineView::Fit,
            Command::FollowTime => self.view.timeline = TimelineView::default(),
            Command::ToggleTheme => {
                ctx.set_theme(if ctx.theme() == Theme::Dark {
                    Theme::Light
                } else {
                    Theme::Dark
                });
            }
            Command::ResetLayout => self.tree = default_tree(),
        }
    }

    /// Tells the worker which stretch of time is visible, if that has changed.
    fn send_timeline(&mut self) {
        let timeline = (self.view.timeline, self.timeline_width);
        if self.sent_timeline != timeline {
            self.sent_timeline = timeline;
            self.worker.send(Request::SetTimeline(timeline.0, timeline.1));
        }
    }

    /// Shows the system's file chooser on a thread of its own, because it blocks until it is answered.
    fn browse(&mut self, ctx: &egui::Context) {
        if self.chooser.is_some() {
            return;
        }
        let (sender, receiver) = bounded(1);
        let ctx = ctx.clone();
        let thread = std::thread::Builder::new()
            .name("systole-file-chooser".to_owned())
            .spawn(move || {
                let chosen = rfd::FileDialog::new()
                    .set_title("Open a program or a model")
                    .pick_file();
                // The dashboard may have been closed in the meantime.
                let _ = sender.send(chosen);
                ctx.request_repaint();
            });
        self.chooser = thread.is_ok().then_some(receiver);
    }

    fn receive_chosen_path(&mut self, ctx: &egui::Context) {
        let Some(receiver) = &self.chooser else { return };
        match receiver.try_recv() {
            Err(TryRecvError::Empty) => {}
            Ok(Some(path)) => {
                self.chooser = None;
                self.update(ctx, Action::OpenPath(path));
            }
            Ok(None) | Err(TryRecvError::Disconnected) => self.chooser = None,
        }
    }
}

impl eframe::App for Dashboard {
    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.dashboard_ui(ui);
    }
}

//! The dashboard: takes frames from the worker, draws the panels, applies their actions. `Dashboard::update` is the only
//! place that changes what is shown or asks the worker for something.

mod keeping;
mod learning;
mod opening;
mod source;

use crate::background::{Background, Choice, Finished};
use crate::command::{Command, pressed_commands};
use crate::course::{Course, CourseAction};
use crate::driver::{Request, Speed};
use crate::edits::{Edit, Edits};
use crate::engine::Landmark;
use crate::export::{Shown, WINDOW};
use crate::frame::{Frame, Observation, RunState, TimelineView};
use crate::inspect::Focus;
use crate::machine_bench::MachineBench;
use crate::panels::layout::{PanelMemory, Panels, default_tree, set_shown, shown_panes};
use crate::panels::load_bar::{drop_hint_ui, load_bar_ui};
use crate::panels::notice::notice_ui;
use crate::panels::palette::palette_ui;
use crate::panels::panes::{Pane, exports};
use crate::panels::path_dialogs::{export_dialog_ui, open_dialog_ui, save_dialog_ui};
use crate::panels::source_dialogs::unsaved_dialog_ui;
use crate::panels::status_bar::status_bar_ui;
use crate::panels::timeline_scale::{around, centered, zoomed_view};
use crate::panels::toolbar::{menu_bar_ui, scrubber_ui, toolbar_ui};
use crate::source_editor::{SourceAction, SourceEditor};
use crate::theme::{self, Palette};
use crate::view::{Action, Dialog, View};
use crate::worker::Worker;
use egui::{CentralPanel, Margin, Panel, Ui};
use egui_tiles::Tree;
use std::path::PathBuf;
use std::sync::Arc;

/// The dashboard's window content.
pub struct Dashboard {
    ctx: egui::Context,
    worker: Box<dyn Worker>,
    frame: Arc<Frame>,
    view: View,
    tree: Tree<Pane>,
    memory: PanelMemory,
    bench: MachineBench,
    course: Course,
    source: SourceEditor,
    background: Background,
    edits: Edits,
    /// Number of the last opening that was noted.
    n_opened: u64,
    /// What the dashboard itself has to say; the worker's messages are in the frame.
    notice: Option<String>,
    /// The last stretch and width that the worker was told.
    sent_timeline: (TimelineView, usize),
    timeline_width: usize,
    /// What the worker was told to look at.
    sent_focus: Focus,
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
            last_cycle: 0,
            breakpoints: Arc::default(),
            watchpoints: Vec::new(),
            loading: None,
            opened: None,
            notice: None,
            rejected: None,
            ticket: 0,
            selected_span: None,
            found: None,
        };
        let tree = default_tree();
        let view = View {
            shown_panes: shown_panes(&tree),
            ..View::default()
        };
        Self {
            ctx: ctx.clone(),
            worker,
            frame: Arc::new(frame),
            view,
            tree,
            memory: PanelMemory::default(),
            bench: MachineBench::default(),
            course: Course::default(),
            source: SourceEditor::default(),
            background: Background::default(),
            edits: Edits::default(),
            n_opened: 0,
            notice: None,
            sent_timeline: (TimelineView::Fit, 0),
            sent_focus: Focus::default(),
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
        self.advance_course(ui.ctx());
        let ctx = ui.ctx().clone();
        let (program, rejected) = (self.frame.program.as_ref(), self.frame.rejected.as_ref());
        self.source.update(program, rejected, move || ctx.request_repaint());
        self.guard_close(ui.ctx());
        let mut actions: Vec<Action> = match self.view.dialog {
            Some(_) => Vec::new(),
            None => pressed_commands(ui.ctx()).into_iter().map(Action::Command).collect(),
        };
        let palette = Palette::of(ui.visuals());
        let bar = egui::Frame::new()
            .fill(palette.backdrop)
            .inner_margin(Margin::symmetric(10, 5));
        Panel::top("menu").frame(bar).show_separator_line(false).show(ui, |ui| {
            menu_bar_ui(ui, &self.frame, &self.view, &self.course, &mut actions);
            ui.add_space(2.0);
            toolbar_ui(ui, &self.frame, &self.view, &mut actions);
            scrubber_ui(ui, &self.frame, &mut actions);
            if let Some(loading) = &self.frame.loading {
                load_bar_ui(ui, loading, &mut actions);
            }
            for notice in self.notice.as_deref().into_iter().chain(self.frame.notice.as_deref()) {
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
                self.start_ui(ui, &mut actions);
            } else {
                let mut panels = Panels {
                    frame: &self.frame,
                    view: &self.view,
                    course: &self.course,
                    bench: &self.bench,
                    source: &self.source,
                    memory: &mut self.memory,
                    actions: &mut actions,
                };
                self.tree.ui(&mut panels, ui);
            }
        });
        drop_hint_ui(ui);
        self.take_dropped(&mut actions);
        self.dialog_ui(ui, &mut actions);
        self.view.cursor = actions.iter().find_map(|action| match action {
            Action::SetCursor(cycle) => Some(*cycle),
            _ => None,
        });
        for action in actions {
            self.update(ui.ctx(), action);
        }
        self.send_timeline();
        self.send_focus();
        while let Some(finished) = self.background.poll() {
            self.finish(ui.ctx(), finished);
        }
    }

    fn dialog_ui(&self, ui: &Ui, actions: &mut Vec<Action>) {
        let is_choosing = self.background.is_choosing();
        match &self.view.dialog {
            None => {}
            Some(Dialog::Open(path)) => open_dialog_ui(ui, path, is_choosing, actions),
            Some(Dialog::Palette(query, chosen)) => {
                palette_ui(ui, &self.frame, &self.view, query, *chosen, actions);
            }
            Some(Dialog::Export(export, path)) => export_dialog_ui(ui, export, path, is_choosing, actions),
            Some(Dialog::SaveSource(path)) => save_dialog_ui(ui, path, is_choosing, actions),
            Some(Dialog::Unsaved) => unsaved_dialog_ui(ui, &self.source, actions),
        }
    }

    /// Takes the newest frame, unless it is older than the one that is shown.
    fn receive(&mut self) {
        if let Some(frame) = self.worker.poll()
            && frame.sequence > self.frame.sequence
        {
            let before = std::mem::replace(&mut self.frame, frame);
            self.leave(&before);
            self.show_found();
            self.take_opened();
        }
        self.bench.update(self.frame.program.as_ref());
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
            Action::Course(action) => self.learn(ctx, action),
            Action::OpenExample(name) => self.send_replacing(Request::OpenExample {
                name: name.to_owned(),
                machine: None,
            }),
            Action::EditDialog(text) => match &mut self.view.dialog {
                None | Some(Dialog::Unsaved) => {}
                Some(Dialog::Open(typed) | Dialog::Export(_, typed) | Dialog::SaveSource(typed)) => *typed = text,
                Some(Dialog::Palette(typed, chosen)) => (*typed, *chosen) = (text, 0),
            },
            Action::OpenPath(path) => {
                self.view.dialog = None;
                self.send_replacing(Request::Open(path));
            }
            Action::CancelLoad => self.worker.send(Request::CancelLoad),
            Action::Tell(text) => self.notice = Some(text),
            Action::CheckRecent => return self.background.look_at(ctx, self.view.recent.paths().to_vec()),
            Action::Browse => match &self.view.dialog {
                Some(Dialog::Export(export, _)) => {
                    self.background.choose(ctx, Choice::Save(export.file_name.to_owned()))
                }
                Some(Dialog::SaveSource(_)) => {
                    self.background.choose(ctx, Choice::Save(self.source.proposed_file()));
                }
                _ => self.background.choose(ctx, Choice::Open),
            },
            Action::ChooseEntry(idx) => {
                if let Some(Dialog::Palette(_, chosen)) = &mut self.view.dialog {
                    *chosen = idx;
                }
            }
            Action::CloseDialog => self.update_source(ctx, SourceAction::Cancel),
            Action::Source(action) => self.update_source(ctx, action),
            Action::AskExport(label) => {
                let export = exports().chain([&WINDOW]).find(|export| export.label == label);
                self.view.dialog = export.map(|export| Dialog::Export(export, export.file_name.to_owned()));
            }
            Action::Export(path) => self.export(ctx, path),
            Action::ShowPane(pane, is_shown) => self.show_pane(pane, is_shown),
            Action::SetTimeline(timeline) => self.view.timeline = timeline,
            Action::SetTimelineWidth(n_pixels) if n_pixels == self.timeline_width => return,
            Action::SetTimelineWidth(n_pixels) => self.timeline_width = n_pixels,
            Action::GoTo(cycle) => self.worker.send(Request::GoTo(cycle)),
            Action::SelectInstruction(pc) => self.view.selected_pc = pc,
            Action::SelectPe(position) => self.view.selected_pe = position,
            Action::Look(action) => {
                if let Some(request) = self.view.look.apply(action) {
                    self.worker.send(request);
                }
            }
            Action::SetArrayValue(value) => self.view.array_value = value,
            Action::SetFollowedUnit(unit_idx) => self.view.followed_unit = unit_idx,
            Action::SetSearch(search) => self.view.search = search,
            Action::ToggleBreakpoint(pc) => {
                self.edits.push(Edit::Breakpoint(pc));
                self.worker.send(Request::ToggleBreakpoint(pc));
            }
            Action::SetSpeed(speed) => {
                self.view.speed = speed;
                self.worker.send(Request::SetSpeed(speed));
            }
            Action::SetCursor(_) => return,
            Action::SelectSpan(place) => {
                self.view.selected_span = place;
                self.worker.send(Request::SelectSpan(place));
            }
            Action::ShowDramLanes(is_shown) => self.view.has_dram_lanes = is_shown,
            Action::PinLane(lane_idx, is_pinned) => {
                self.view.pinned_lanes.retain(|pinned| *pinned != lane_idx);
                self.view.pinned_lanes.extend(is_pinned.then_some(lane_idx));
            }
            Action::SetLaneSearch(text) => self.view.lane_search = text,
            Action::FindSpan { is_forward } => self.find_span(is_forward),
            Action::ShowCycles(start, end) => self.view.timeline = around(start, end),
            Action::CenterOn(cycle) => {
                self.view.timeline = centered(self.view.timeline, self.frame.now.cycle, cycle);
            }
            Action::ShowLayer(layer_idx) => self.show_layer(layer_idx),
            Action::SetPlot(plot) => self.view.plot = plot,
            Action::SetEnergyByLayer(is_by_layer) => self.view.is_energy_by_layer = is_by_layer,
            Action::Bench(action) => {
                let ctx = ctx.clone();
                self.bench.apply(action, move || ctx.request_repaint());
            }
            Action::SetMachineAsText(is_text) => self.view.is_machine_text = is_text,
            Action::UseMachine => self
                .worker
                .send(Request::UseMachine(self.bench.draft().text().to_owned())),
            Action::DismissNotice => {
                self.notice = None;
                self.worker.send(Request::DismissNotice);
            }
        }
        ctx.request_repaint();
    }

    fn show_pane(&mut self, pane: Pane, is_shown: bool) {
        set_shown(&mut self.tree, pane, is_shown);
        self.view.shown_panes = shown_panes(&self.tree);
    }

    /// Asks for a match beside the selected span, or from the edge of what is shown.
    fn find_span(&mut self, is_forward: bool) {
        let (start, end) = self.view.timeline.window(self.frame.now.cycle);
        let edge = if is_forward { start } else { end };
        let from = self.view.selected_span.map_or(edge, |(_, cycle)| cycle);
        let text = self.view.lane_search.clone();
        self.worker.send(Request::Find { text, from, is_forward });
    }

    /// Shows the answer to a search, once.
    fn show_found(&mut self) {
        let Some(found) = self
            .frame
            .found
            .filter(|found| found.search_number > self.view.shown_search)
        else {
            return;
        };
        self.view.shown_search = found.search_number;
        match found.place {
            None => {
                self.notice = Some(format!(
                    "No further span matches \u{201c}{}\u{201d}.",
                    self.view.lane_search
                ))
            }
            Some((lane_idx, span)) => {
                self.notice = None;
                self.view.selected_pc = span.pc;
                self.view.selected_span = Some((lane_idx, span.start));
                self.worker.send(Request::SelectSpan(self.view.selected_span));
                self.view.timeline = match self.view.timeline {
                    TimelineView::Fit => around(span.start, span.end),
                    view => centered(view, self.frame.now.cycle, span.start),
                };
            }
        }
    }

    /// Runs to the selected instruction; to the beginning of the layer if a layer's mark is selected.
    fn run_to_cursor(&mut self) {
        let Some(pc) = self.view.selected_pc else {
            self.notice =
                Some("Select an instruction in the program first: a run to the cursor stops there.".to_owned());
            return;
        };
        let lines = self.frame.program.as_ref().map_or(&[][..], |program| &program.lines);
        let landmark = match lines.get(pc as usize) {
            Some(line) if line.is_mark && line.layer_idx.is_some() => line.layer_idx.map(Landmark::LayerOf),
            _ => None,
        };
        let landmark = landmark.unwrap_or_else(|| Landmark::Instructions(Arc::new([pc].into())));
        self.worker.send(Request::ToNext(landmark));
    }

    fn change_speed(&mut self, n_steps: isize) {
        let idx = Speed::ALL.iter().position(|speed| *speed == self.view.speed);
        let next = idx
            .unwrap_or(0)
            .saturating_add_signed(n_steps)
            .min(Speed::ALL.len() - 1);
        self.view.speed = Speed::ALL[next];
        self.worker.send(Request::SetSpeed(self.view.speed));
    }

    fn undo(&mut self) {
        match self.edits.undo() {
            None => {}
            Some(Edit::Breakpoint(pc)) => self.worker.send(Request::ToggleBreakpoint(pc)),
        }
    }

    fn redo(&mut self) {
        match self.edits.redo() {
            None => {}
            Some(Edit::Breakpoint(pc)) => self.worker.send(Request::ToggleBreakpoint(pc)),
        }
    }

    fn show_layer(&mut self, layer_idx: Option<usize>) {
        let layers = &self.frame.now.overview.layers;
        if let Some(layer) = layers.iter().find(|layer| layer.layer_idx == layer_idx) {
            self.view.timeline = around(layer.start, layer.end);
        }
        let lines = self.frame.program.as_ref().map_or(&[][..], |program| &program.lines);
        let first = lines.iter().position(|line| line.layer_idx == layer_idx);
        self.view.selected_pc = first.and_then(|pc| u32::try_from(pc).ok());
    }

    fn run_command(&mut self, ctx: &egui::Context, command: Command) {
        if !command.is_enabled(&self.frame) {
            return;
        }
        let now = self.frame.now.cycle;
        match command {
            Command::Open => self.view.dialog = Some(Dialog::Open(String::new())),
            Command::Assemble => self.assemble(ctx),
            Command::SaveSourceAs => self.ask_where_to_save(),
            Command::Run => self.worker.send(Request::Run),
            Command::Pause => self.worker.send(Request::Pause),
            Command::Step => self.worker.send(Request::Step(1)),
            Command::Step10 => self.worker.send(Request::Step(10)),
            Command::StepBack => self.worker.send(Request::StepBack(1)),
            Command::StepBack5 => self.worker.send(Request::StepBack(5)),
            Command::StepInstruction => self.worker.send(Request::ToNext(Landmark::Instruction)),
            Command::StepInstructionBack => self.worker.send(Request::ToPrevious(Landmark::Instruction)),
            Command::StepTile => self.worker.send(Request::ToNext(Landmark::Tile)),
            Command::StepTileBack => self.worker.send(Request::ToPrevious(Landmark::Tile)),
            Command::StepLayer => self.worker.send(Request::ToNext(Landmark::Layer)),
            Command::StepLayerBack => self.worker.send(Request::ToPrevious(Landmark::Layer)),
            Command::RunToStall => self.worker.send(Request::ToNext(Landmark::Stall(None))),
            Command::BackToStall => self.worker.send(Request::ToPrevious(Landmark::Stall(None))),
            Command::RunToCursor => self.run_to_cursor(),
            Command::ToggleBreakpoint => {
                if let Some(pc) = self.view.selected_pc {
                    self.update(ctx, Action::ToggleBreakpoint(pc));
                }
            }
            Command::Faster => self.change_speed(1),
            Command::Slower => self.change_speed(-1),
            Command::Palette => self.view.dialog = Some(Dialog::Palette(String::new(), 0)),
            Command::Undo => self.undo(),
            Command::Redo => self.redo(),
            Command::RunToEnd => self.worker.send(Request::RunToEnd),
            Command::Restart => self.worker.send(Request::Restart),
            Command::ZoomIn => self.view.timeline = zoomed_view(self.view.timeline, now, 2.0),
            Command::ZoomOut => self.view.timeline = zoomed_view(self.view.timeline, now, 0.5),
            Command::ZoomFit => self.view.timeline = TimelineView::Fit,
            Command::FollowTime => self.view.timeline = TimelineView::default(),
            Command::NextThing => self.learn(ctx, CourseAction::Next),
            Command::NextPage => self.learn(ctx, CourseAction::NextPage),
            Command::PreviousPage => self.learn(ctx, CourseAction::PreviousPage),
            Command::Hint => self.learn(ctx, CourseAction::Hint(None)),
            Command::ShowAnswer => self.learn(ctx, CourseAction::ShowAnswer(None)),
            Command::ToggleTheme => theme::use_look(ctx, theme::look(ctx).next()),
            Command::ResetLayout => {
                self.tree = default_tree();
                self.view.shown_panes = shown_panes(&self.tree);
            }
        }
    }

    /// Tells the worker what is looked at closely, if that has changed.
    fn send_focus(&mut self) {
        let focus = self.view.look.focus(self.view.selected_pe);
        if self.sent_focus != focus {
            self.worker.send(Request::LookAt(focus.clone()));
            self.sent_focus = focus;
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

    /// Writes the export of the dialog.
    fn export(&mut self, ctx: &egui::Context, path: PathBuf) {
        let Some(Dialog::Export(export, _)) = self.view.dialog.take() else {
            return;
        };
        if export.is_of_window() {
            return self.background.export_window(ctx, path);
        }
        let shown = Shown {
            frame: &self.frame,
            view: &self.view,
            bench: &self.bench,
        };
        match export.bytes(&shown) {
            Ok(content) => self.background.export(ctx, path, content),
            Err(reason) => self.notice = Some(format!("{} cannot be written: {reason}", export.label)),
        }
    }

    /// Takes what a thread came back with.
    fn finish(&mut self, ctx: &egui::Context, finished: Finished) {
        match finished {
            Finished::Chosen(None) => {}
            Finished::Chosen(Some(path)) if matches!(self.view.dialog, Some(Dialog::Export(..))) => {
                self.update(ctx, Action::Export(path));
            }
            Finished::Chosen(Some(path)) if matches!(self.view.dialog, Some(Dialog::SaveSource(_))) => {
                self.update_source(ctx, SourceAction::SaveTo(path));
            }
            Finished::Chosen(Some(path)) => self.update(ctx, Action::OpenPath(path)),
            Finished::Saved(saving, result) => self.source_saved(ctx, &saving, result),
            Finished::LookedAt(missing) => self.view.recent.set_missing(missing),
            Finished::Exported(Ok(path)) => self.notice = Some(format!("{} is written.", path.display())),
            Finished::Exported(Err(reason)) => self.notice = Some(reason),
        }
    }
}

impl eframe::App for Dashboard {
    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.dashboard_ui(ui);
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        self.keep(storage);
    }
}

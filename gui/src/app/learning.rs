//! What the dashboard does for the lesson that is being taken.

use super::Dashboard;
use crate::course::CourseAction;
use crate::frame::TimelineView;
use crate::lesson::Effect;
use crate::lesson::directive::{Coloring, Shown};
use crate::panels::lesson::lesson_ui;
use crate::panels::panes::Pane;
use crate::panels::welcome::welcome_ui;
use crate::theme::{self, Palette};
use crate::view::Action;
use egui::{Margin, Panel, Ui};

/// Share of the width that a lesson has while nothing is loaded.
const LESSON_SHARE: f32 = 0.3;

impl Dashboard {
    /// Applies a change of the course; the panel comes to the front with a lesson.
    pub(super) fn learn(&mut self, ctx: &egui::Context, action: CourseAction) {
        let is_opening = matches!(action, CourseAction::Open(_));
        match self.course.apply(action, &self.frame) {
            Err(reason) => self.notice = Some(reason),
            Ok(()) if is_opening => self.update(ctx, Action::ShowPane(Pane::Lesson, true)),
            Ok(()) => {}
        }
    }

    /// Does what the step under way asks for.
    pub(super) fn advance_course(&mut self, ctx: &egui::Context) {
        for effect in self.course.advance(&self.frame) {
            match effect {
                Effect::Request(request) => self.worker.send(request),
                Effect::Show(Shown(pane)) => self.update(ctx, Action::ShowPane(pane, true)),
                Effect::SelectPe(row_idx, col_idx) => {
                    self.update(ctx, Action::SelectPe(Some((row_idx, col_idx))));
                }
                Effect::Color(Coloring(value)) => self.update(ctx, Action::SetArrayValue(value)),
                Effect::FitTimeline => self.update(ctx, Action::SetTimeline(TimelineView::Fit)),
            }
            ctx.request_repaint();
        }
    }

    /// What is shown while nothing is loaded: where to begin, beside a lesson if one is open.
    pub(super) fn start_ui(&mut self, ui: &mut Ui, actions: &mut Vec<Action>) {
        if self.course.open().is_some() && self.view.shown_panes.contains(&Pane::Lesson) {
            let frame = egui::Frame::new()
                .fill(Palette::of(ui.visuals()).panel)
                .inner_margin(Margin::same(theme::PANEL_MARGIN));
            let panel = Panel::left("lesson").frame(frame).resizable(false);
            let panel = panel.exact_size(ui.available_width() * LESSON_SHARE);
            panel.show(ui, |ui| lesson_ui(ui, &self.course, &mut self.memory.lesson, actions));
        }
        welcome_ui(ui, &self.frame, &self.view, &self.course, actions);
    }
}

//! The timeline panel: five lanes over time, one per unit. Work fills a lane's height, stalls are low, idle time is empty.

use super::timeline_scale::{Scale, span_at};
use super::widgets::{legend_entry_ui, paint_clipped_text, paint_unit_tag, switch_ui};
use crate::format;
use crate::frame::{
    ActivityClass, ActivityId, ActivityInfo, Bins, Frame, Lane, ProgramInfo, Span, Timeline, TimelineView, UNIT_NAMES,
};
use crate::theme::{self, Palette};
use crate::view::{Action, View};
use egui::{
    Align, Align2, Color32, Layout, Mesh, Painter, Rangef, Rect, Response, Role, Sense, Shape, Stroke, Ui, WidgetInfo,
    pos2, vec2,
};

/// Height of the row of cycle numbers above the lanes, in points.
const AXIS_HEIGHT: f32 = 20.0;

/// Spans narrower than this have no text, in points.
const MIN_TEXT_WIDTH: f32 = 46.0;

/// Draws the panel.
pub(crate) fn timeline_ui(ui: &mut Ui, frame: &Frame, view: &View, actions: &mut Vec<Action>) {
    let Some(program) = &frame.program else { return };
    header_ui(ui, frame, program, view, actions);
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        let lanes_height = theme::LANE_HEIGHT * UNIT_NAMES.len() as f32;
        let height = (AXIS_HEIGHT + lanes_height).max(ui.available_height());
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click_and_drag());
        let (start, end) = view.timeline.window(frame.now.cycle);
        let x = Rangef::new(rect.min.x + theme::LANE_LABEL_WIDTH, rect.max.x);
        if x.span() < 1.0 {
            return;
        }
        let lanes = Lanes {
            rect,
            scale: Scale { x, start, end },
            frame,
            program,
            palette: Palette::of(ui.visuals()),
        };
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, describe(&lanes.scale)));
        lanes.paint(ui, view);
        lanes.interact(ui, &response, actions);
        actions.push(Action::SetTimelineWidth(
            (x.span() * ui.pixels_per_point()).round() as usize
        ));
    });
}

fn describe(scale: &Scale) -> String {
    format!(
        "Timeline, cycles {} to {}",
        format::grouped(scale.start),
        format::grouped(scale.end)
    )
}

fn header_ui(ui: &mut Ui, frame: &Frame, program: &ProgramInfo, view: &View, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        let chosen = match view.timeline {
            TimelineView::Fit => Some(0),
            TimelineView::Follow { .. } => Some(1),
            TimelineView::Range { .. } => None,
        };
        use crate::command::Command;
        if let Some(idx) = switch_ui(ui, &["Whole run", "Follow"], chosen, "Timeline") {
            actions.push(Action::Command([Command::ZoomFit, Command::FollowTime][idx]));
        }
        let (start, end) = view.timeline.window(frame.now.cycle);
        ui.weak(format::cycles(end - start));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add_space(theme::GAP * 2.0);
                legend_ui(ui, &frame.now.timeline, program);
            });
        });
    });
}

/// Names the stall reasons that are visible; the colours of work are named by the spans themselves.
fn legend_ui(ui: &mut Ui, timeline: &Timeline, program: &ProgramInfo) {
    let palette = Palette::of(ui.visuals());
    let visible = visible_activities(timeline, program.activities.len());
    for (idx, info) in program.activities.iter().enumerate() {
        if visible[idx] && info.class == ActivityClass::Stalled {
            let color = palette
                .activity(0, ActivityId(idx as u8), &program.activities)
                .unwrap_or(palette.weak_text);
            legend_entry_ui(ui, color, true, &info.title());
        }
    }
}

fn visible_activities(timeline: &Timeline, n_activities: usize) -> Vec<bool> {
    let mut visible = vec![false; n_activities];
    for lane in &timeline.lanes {
        match lane {
            Lane::Spans(spans) => {
                for span in spans {
                    if let Some(flag) = visible.get_mut(usize::from(span.activity.0)) {
                        *flag = true;
                    }
                }
            }
            Lane::Bins(bins) => {
                for (idx, cycles) in bins.cycles.iter().enumerate() {
                    visible[idx % n_activities.max(1)] |= *cycles > 0;
                }
            }
        }
    }
    visible
}

/// What is needed to draw the lanes and to find things in them.
struct Lanes<'a> {
    rect: Rect,
    scale: Scale,
    frame: &'a Frame,
    program: &'a ProgramInfo,
    palette: &'static Palette,
}

impl Lanes<'_> {
    fn lane_rect(&self, unit_idx: usize) -> Rect {
        let height = (self.rect.height() - AXIS_HEIGHT) / UNIT_NAMES.len() as f32;
        let min_y = self.rect.min.y + AXIS_HEIGHT + height * unit_idx as f32;
        Rect::from_x_y_ranges(
            self.scale.x,
            min_y + 2.0..=min_y + height.min(theme::LANE_HEIGHT * 1.8) - 2.0,
        )
    }

    fn paint(&self, ui: &Ui, view: &View) {
        let painter = ui.painter_at(self.rect);
        self.paint_axis(&painter);
        let lanes_painter =
            painter.with_clip_rect(painter.clip_rect().intersect(self.rect.with_min_x(self.scale.x.min)));
        for (unit_idx, lane) in self.frame.now.timeline.lanes.iter().enumerate() {
            let rect = self.lane_rect(unit_idx);
            paint_unit_tag(
                &painter,
                pos2(self.rect.min.x + 6.0, rect.center().y),
                unit_idx,
                self.palette,
            );
            lanes_painter.rect_filled(rect, 3.0, self.palette.raised.gamma_multiply(0.6));
            match lane {
                Lane::Spans(spans) => self.paint_spans(&lanes_painter, unit_idx, spans, view),
                Lane::Bins(bins) => self.paint_bins(&lanes_painter, unit_idx, bins),
            }
        }
        self.paint_forgotten(&lanes_painter);
        self.paint_now(&painter);
    }

    fn paint_axis(&self, painter: &Painter) {
        let tick_cycles = self.scale.tick_cycles(90.0);
        let mut cycle = self.scale.start.div_ceil(tick_cycles).saturating_mul(tick_cycles);
        while cycle < self.scale.end {
            let x = self.scale.x(cycle).round();
            painter.vline(
                x,
                self.rect.min.y + AXIS_HEIGHT - 5.0..=self.rect.max.y,
                Stroke::new(1.0, self.palette.line),
            );
            let label = painter.layout_no_wrap(format::grouped(cycle), theme::mono(10.5), self.palette.weak_text);
            let at = pos2(x + 4.0, self.rect.min.y + (AXIS_HEIGHT - label.size().y) / 2.0);
            if at.x + label.size().x <= self.rect.max.x {
                painter.galley(at, label, self.palette.weak_text);
            }
            cycle = cycle.saturating_add(tick_cycles);
        }
    }

    /// Draws each span; of several that fall on the same pixel only the first.
    fn paint_spans(&self, painter: &Painter, unit_idx: usize, spans: &[Span], view: &View) {
        let mut mesh = Mesh::default();
        let mut painted_to = f32::NEG_INFINITY;
        let pixel = 1.0 / painter.pixels_per_point();
        for span in spans {
            let rect = self.span_rect(unit_idx, span);
            let color = self.palette.activity(unit_idx, span.activity, &self.program.activities);
            let (Some(color), true) = (color, rect.max.x >= painted_to + pixel) else {
                continue;
            };
            painted_to = rect.max.x.max(rect.min.x + pixel);
            mesh.add_colored_rect(rect.with_max_x(painted_to), color);
        }
        painter.add(Shape::mesh(mesh));
        for span in spans.iter().filter(|span| span.end > span.start) {
            let rect = self.span_rect(unit_idx, span);
            if view.selected_pc.is_some() && span.pc == view.selected_pc && self.class(span) != ActivityClass::Idle {
                let outline = Stroke::new(1.5, self.palette.text);
                painter.rect_stroke(rect.expand(1.0), 2.0, outline, egui::StrokeKind::Outside);
            }
            self.paint_span_text(painter, unit_idx, span, rect);
        }
    }

    fn class(&self, span: &Span) -> ActivityClass {
        let info = self.program.activities.get(usize::from(span.activity.0));
        info.map_or(ActivityClass::Idle, |info| info.class)
    }

    /// Spans that are wide enough end a point early, so that equal neighbours can be told apart.
    fn span_rect(&self, unit_idx: usize, span: &Span) -> Rect {
        let lane = self.lane_rect(unit_idx);
        let (left, right) = (self.scale.x(span.start), self.scale.x(span.end));
        let gap = if right - left >= 4.0 { 1.0 } else { 0.0 };
        let rect = Rect::from_x_y_ranges(left..=right - gap, lane.y_range());
        if self.class(span) == ActivityClass::Stalled {
            rect.with_min_y(lane.max.y - lane.height() * 0.34)
        } else {
            rect
        }
    }

    fn paint_span_text(&self, painter: &Painter, unit_idx: usize, span: &Span, rect: Rect) {
        let visible = rect.intersect(Rect::from_x_y_ranges(self.scale.x, rect.y_range()));
        if self.class(span) != ActivityClass::Busy || visible.width() < MIN_TEXT_WIDTH {
            return;
        }
        let fill = self
            .palette
            .activity(unit_idx, span.activity, &self.program.activities)
            .unwrap_or(self.palette.raised);
        let text = self.span_title(span);
        let at = pos2(visible.min.x + 6.0, visible.center().y);
        paint_clipped_text(
            painter,
            at,
            visible.width() - 12.0,
            &text,
            theme::mono(11.0),
            self.palette.ink_on(fill),
        );
    }

    /// The instruction's mnemonic and what the unit does for it.
    fn span_title(&self, span: &Span) -> String {
        let activity = self.activity_name(span.activity);
        match span.pc.and_then(|pc| self.program.lines.get(pc as usize)) {
            Some(line) => format!("{}  {activity}", line.mnemonic),
            None => activity.to_owned(),
        }
    }

    fn activity_name(&self, id: ActivityId) -> &str {
        self.program
            .activities
            .get(usize::from(id.0))
            .map_or("", |info| info.name.as_str())
    }

    fn activity_title(&self, id: ActivityId) -> String {
        let info = self.program.activities.get(usize::from(id.0));
        info.map(ActivityInfo::title).unwrap_or_default()
    }

    /// Draws one quad per bin, in the average colour of what happens in it.
    fn paint_bins(&self, painter: &Painter, unit_idx: usize, bins: &Bins) {
        let timeline = &self.frame.now.timeline;
        let (lane, width) = (
            self.lane_rect(unit_idx),
            (timeline.end - timeline.start) as f64 / bins.n_bins.max(1) as f64,
        );
        let mut mesh = Mesh::default();
        for bin_idx in 0..bins.n_bins {
            let Some(color) = self.bin_color(unit_idx, bins.bin(bin_idx)) else {
                continue;
            };
            let at = |idx: usize| self.scale.x(timeline.start + (idx as f64 * width) as u64);
            let rect = Rect::from_x_y_ranges(at(bin_idx)..=at(bin_idx + 1), lane.y_range());
            mesh.add_colored_rect(rect, color);
        }
        painter.add(Shape::mesh(mesh));
    }

    fn bin_color(&self, unit_idx: usize, cycles: &[u64]) -> Option<Color32> {
        let total: u64 = cycles.iter().sum();
        if total == 0 {
            return None;
        }
        let mut mixed = egui::Rgba::TRANSPARENT;
        for (idx, n) in cycles.iter().enumerate().filter(|(_, n)| **n > 0) {
            let color = self
                .palette
                .activity(unit_idx, ActivityId(idx as u8), &self.program.activities);
            mixed = mixed + egui::Rgba::from(color.unwrap_or(self.palette.raised)) * (*n as f32 / total as f32);
        }
        Some(mixed.into())
    }

    fn paint_forgotten(&self, painter: &Painter) {
        let exact_from = self.frame.now.timeline.exact_from;
        if exact_from > self.scale.start {
            let x = self.scale.x.min..=self.scale.x(exact_from).min(self.scale.x.max);
            let rect = Rect::from_x_y_ranges(x, self.rect.min.y + AXIS_HEIGHT..=self.rect.max.y);
            painter.rect_filled(rect, 0.0, self.palette.backdrop.gamma_multiply(0.85));
            let color = self.palette.weak_text;
            painter.text(
                rect.center(),
                Align2::CENTER_CENTER,
                "no longer recorded",
                theme::mono(11.0),
                color,
            );
        }
    }

    fn paint_now(&self, painter: &Painter) {
        let now = self.frame.now.cycle;
        if now < self.scale.start || now > self.scale.end {
            return;
        }
        let x = self.scale.x(now).round();
        let color = self.palette.accent;
        painter.vline(x, self.rect.min.y + 2.0..=self.rect.max.y, Stroke::new(1.5, color));
        let top = pos2(x, self.rect.min.y + 8.0);
        let head = vec![top + vec2(-5.0, -7.0), top + vec2(5.0, -7.0), top];
        painter.add(Shape::convex_polygon(head, color, Stroke::NONE));
    }

    fn interact(&self, ui: &Ui, response: &Response, actions: &mut Vec<Action>) {
        if response.dragged() && response.drag_delta().x != 0.0 {
            actions.push(Action::SetTimeline(self.scale.panned(response.drag_delta().x)));
        }
        let Some(pointer) = response.hover_pos().filter(|pos| self.scale.x.contains(pos.x)) else {
            return;
        };
        let (scroll, zoom) = ui.input(|input| (input.smooth_scroll_delta(), input.zoom_delta()));
        let factor = f64::from(zoom) * f64::from(scroll.y / 160.0).exp();
        if factor != 1.0 {
            actions.push(Action::SetTimeline(self.scale.zoomed(pointer.x, factor)));
            // The wheel zooms here, so the panel around must not scroll as well.
            ui.input_mut(|input| input.smooth_scroll_delta.y = 0.0);
        } else if scroll.x != 0.0 {
            actions.push(Action::SetTimeline(self.scale.panned(scroll.x)));
        }
        let cycle = self.scale.cycle(pointer.x);
        let line = Stroke::new(1.0, self.palette.weak_text.gamma_multiply(0.6));
        ui.painter_at(self.rect)
            .vline(pointer.x.round(), self.rect.y_range(), line);
        let unit_idx = (0..UNIT_NAMES.len()).find(|idx| self.lane_rect(*idx).y_range().contains(pointer.y));
        response
            .clone()
            .on_hover_ui_at_pointer(|ui| self.tooltip_ui(ui, cycle, unit_idx));
        if response.double_clicked() {
            actions.push(Action::GoTo(cycle));
        } else if response.clicked() {
            let pc = unit_idx.and_then(|idx| self.span(idx, cycle)).and_then(|span| span.pc);
            actions.push(Action::SelectInstruction(pc));
        }
    }

    fn span(&self, unit_idx: usize, cycle: u64) -> Option<&Span> {
        match self.frame.now.timeline.lanes.get(unit_idx)? {
            Lane::Spans(spans) => span_at(spans, cycle),
            Lane::Bins(_) => None,
        }
    }

    fn tooltip_ui(&self, ui: &mut Ui, cycle: u64, unit_idx: Option<usize>) {
        ui.weak(format!("cycle {}", format::grouped(cycle)));
        let Some(unit_idx) = unit_idx else { return };
        if let Some(span) = self.span(unit_idx, cycle) {
            ui.strong(format!(
                "{}  {}",
                UNIT_NAMES[unit_idx],
                self.activity_title(span.activity)
            ));
            let n_cycles = format::cycles(span.end - span.start);
            ui.label(format!(
                "from {} to {}, {n_cycles}",
                format::grouped(span.start),
                format::grouped(span.end)
            ));
            if let Some((pc, line)) = span.pc.and_then(|pc| Some((pc, self.program.lines.get(pc as usize)?))) {
                ui.monospace(format!("{pc}  {} {}", line.mnemonic, line.operands));
            }
        } else if let Some(Lane::Bins(bins)) = self.frame.now.timeline.lanes.get(unit_idx) {
            self.bin_tooltip_ui(ui, unit_idx, bins, cycle);
        }
        ui.weak("Double-click to go to this cycle, drag to move, scroll to zoom.");
    }

    fn bin_tooltip_ui(&self, ui: &mut Ui, unit_idx: usize, bins: &Bins, cycle: u64) {
        let timeline = &self.frame.now.timeline;
        let Some(offset) = cycle.checked_sub(timeline.start) else {
            return;
        };
        let bin_idx = u128::from(offset) * bins.n_bins as u128 / u128::from((timeline.end - timeline.start).max(1));
        let cycles = bins.bin(usize::try_from(bin_idx).unwrap_or(usize::MAX));
        let total: u64 = cycles.iter().sum();
        ui.strong(format!("{}: {}", UNIT_NAMES[unit_idx], format::cycles(total)));
        for (idx, n) in cycles.iter().enumerate().filter(|(_, n)| **n > 0) {
            let share = format::share(*n as f64 / total as f64);
            ui.label(format!("{share}  {}", self.activity_title(ActivityId(idx as u8))));
        }
    }
}

//! Painting the lanes of the timeline: axis, layers, spans, shares, tokens, and the marks over all of them.

use super::timeline_density::{DensityTexture, LaneTextures, unit_layers};
use super::timeline_scale::{Scale, span_at};
use super::widgets::{UNIT_TAG_WIDTH, paint_clipped_text, paint_unit_tag};
use crate::dram_lanes::ChannelLanes;
use crate::format;
use crate::frame::{
    ActivityClass, ActivityId, ActivityInfo, Bins, Frame, Lane, ProgramInfo, Span, Timeline, UNIT_NAMES,
};
use crate::theme::{self, Palette};
use crate::token_log::TokenLink;
use crate::view::View;
use egui::{Color32, Mesh, Painter, Rect, Shape, Stroke, StrokeKind, Ui, pos2, vec2};

/// Height of the row of cycle numbers above the lanes, in points.
const AXIS_HEIGHT: f32 = 20.0;

/// Height of the row of layers below that, in points.
const LAYERS_HEIGHT: f32 = 18.0;

/// Spans narrower than this have no text, in points.
const MIN_TEXT_WIDTH: f32 = 46.0;

/// How much taller pinned lanes are.
const PINNED_HEIGHT: f32 = 1.7;

/// Which activities appear in a stretch of time.
pub(crate) fn visible_activities(timeline: &Timeline, n_activities: usize) -> Vec<bool> {
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
pub(crate) struct Lanes<'a> {
    pub(crate) rect: Rect,
    pub(crate) scale: Scale,
    pub(crate) frame: &'a Frame,
    pub(crate) program: &'a ProgramInfo,
    pub(crate) view: &'a View,
    pub(crate) palette: &'static Palette,
}

impl Lanes<'_> {
    /// The height that axis, layers and lanes need, in points.
    pub(crate) fn min_height(view: &View, n_channels: usize) -> f32 {
        AXIS_HEIGHT + LAYERS_HEIGHT + theme::MIN_LANE_HEIGHT * total_weight(view) + channels_height(view, n_channels)
    }

    /// The DRAM channels that are shown.
    pub(crate) fn channels(&self) -> &[ChannelLanes] {
        let channels = &self.frame.now.timeline.dram.channels;
        if self.view.has_dram_lanes { channels } else { &[] }
    }

    /// Where the two lanes of a channel are drawn, below those of the units.
    pub(crate) fn channel_rect(&self, channel_idx: usize) -> Rect {
        let height = channels_height(self.view, self.channels().len());
        let min_y = self.rect.max.y - height + theme::CHANNEL_HEIGHT * channel_idx as f32;
        Rect::from_x_y_ranges(self.scale.x, min_y + 2.0..=min_y + theme::CHANNEL_HEIGHT - 1.0)
    }

    /// Where a lane is drawn: pinned ones first.
    pub(crate) fn lane_rect(&self, lane_idx: usize) -> Rect {
        let below = channels_height(self.view, self.channels().len());
        let room = self.rect.height() - AXIS_HEIGHT - LAYERS_HEIGHT - below;
        let unit = room / total_weight(self.view);
        let is_before = |other: &usize| {
            let (theirs, own) = (!is_pinned(self.view, *other), !is_pinned(self.view, lane_idx));
            (theirs, *other) < (own, lane_idx)
        };
        let above: f32 = (0..UNIT_NAMES.len())
            .filter(is_before)
            .map(|idx| weight(self.view, idx))
            .sum();
        let min_y = self.rect.min.y + AXIS_HEIGHT + LAYERS_HEIGHT + unit * above;
        let height = (unit * weight(self.view, lane_idx)).min(theme::LANE_HEIGHT * 3.0);
        Rect::from_x_y_ranges(self.scale.x, min_y + 2.0..=min_y + height - 2.0)
    }

    /// Where a lane's name is drawn.
    pub(crate) fn tag_rect(&self, lane_idx: usize) -> Rect {
        let center = pos2(
            self.rect.min.x + 4.0 + UNIT_TAG_WIDTH / 2.0,
            self.lane_rect(lane_idx).center().y,
        );
        Rect::from_center_size(center, vec2(UNIT_TAG_WIDTH + 8.0, 20.0))
    }

    /// The lane at a height.
    pub(crate) fn lane_at(&self, y: f32) -> Option<usize> {
        (0..UNIT_NAMES.len()).find(|idx| self.lane_rect(*idx).y_range().contains(y))
    }

    /// Whether a height is in the row of layers.
    pub(crate) fn is_in_layers(&self, y: f32) -> bool {
        self.layers_rect().y_range().contains(y)
    }

    /// The exact span at a cycle of a lane.
    pub(crate) fn span(&self, lane_idx: usize, cycle: u64) -> Option<&Span> {
        match self.frame.now.timeline.lanes.get(lane_idx)? {
            Lane::Spans(spans) => span_at(spans, cycle),
            Lane::Bins(_) => None,
        }
    }

    /// The shares of a lane, where those are shown.
    pub(crate) fn bins(&self, lane_idx: usize) -> Option<&Bins> {
        match self.frame.now.timeline.lanes.get(lane_idx)? {
            Lane::Spans(_) => None,
            Lane::Bins(bins) => Some(bins),
        }
    }

    /// What an activity is called.
    pub(crate) fn activity_title(&self, id: ActivityId) -> String {
        let info = self.program.activities.get(usize::from(id.0));
        info.map(ActivityInfo::title).unwrap_or_default()
    }

    fn layers_rect(&self) -> Rect {
        let min_y = self.rect.min.y + AXIS_HEIGHT;
        Rect::from_x_y_ranges(self.scale.x, min_y..=min_y + LAYERS_HEIGHT - 3.0)
    }

    /// Draws everything.
    pub(crate) fn paint(&self, ui: &Ui, textures: &mut LaneTextures) {
        let painter = ui.painter_at(self.rect);
        self.paint_axis(&painter);
        let inner = painter.with_clip_rect(painter.clip_rect().intersect(self.rect.with_min_x(self.scale.x.min)));
        self.paint_layers(&inner);
        for lane_idx in 0..UNIT_NAMES.len() {
            let rect = self.lane_rect(lane_idx);
            let tag = pos2(self.rect.min.x + 6.0, rect.center().y);
            paint_unit_tag(&painter, tag, lane_idx, self.palette);
            if is_pinned(self.view, lane_idx) {
                painter.circle_filled(tag + vec2(UNIT_TAG_WIDTH + 6.0, 0.0), 2.5, self.palette.accent);
            }
            inner.rect_filled(rect, 3.0, self.palette.raised.gamma_multiply(0.6));
            match self.frame.now.timeline.lanes.get(lane_idx) {
                Some(Lane::Spans(spans)) => self.paint_spans(&inner, lane_idx, spans),
                Some(Lane::Bins(_)) => self.paint_bins(&inner, ui, lane_idx, &mut textures.units),
                None => {}
            }
        }
        for link in &self.frame.now.timeline.links {
            self.paint_link(&inner, link);
        }
        self.paint_channels(ui, &painter, &inner, &mut textures.channels);
        self.paint_merged(&inner);
        self.paint_marks(&painter);
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

    fn paint_layers(&self, painter: &Painter) {
        let row = self.layers_rect();
        let selected = self.view.selected_pc.and_then(|pc| self.program.lines.get(pc as usize));
        let selected = selected.and_then(|line| line.layer_idx);
        for (idx, layer) in self.frame.now.overview.layers.iter().enumerate() {
            let (left, right) = (self.scale.x(layer.start), self.scale.x(layer.end));
            let rect = Rect::from_x_y_ranges(left..=right, row.y_range()).intersect(row);
            if rect.width() < 0.5 {
                continue;
            }
            let is_selected = selected.is_some() && layer.layer_idx == selected;
            let fill = match (is_selected, idx % 2) {
                (true, _) => self.palette.accent.gamma_multiply(0.5),
                (false, 0) => self.palette.raised,
                (false, _) => self.palette.hovered,
            };
            painter.rect_filled(rect, 2.0, fill);
            if rect.width() > MIN_TEXT_WIDTH / 2.0 {
                let at = pos2(rect.min.x + 5.0, rect.center().y);
                let font = theme::mono(10.0);
                paint_clipped_text(
                    painter,
                    at,
                    rect.width() - 8.0,
                    &layer.name,
                    font,
                    self.palette.weak_text,
                );
            }
        }
    }

    /// Draws each span; of several that fall on the same pixel only the first.
    fn paint_spans(&self, painter: &Painter, lane_idx: usize, spans: &[Span]) {
        let mut mesh = Mesh::default();
        let mut painted_to = f32::NEG_INFINITY;
        let pixel = 1.0 / painter.pixels_per_point();
        for span in spans {
            let rect = self.span_rect(lane_idx, span);
            let color = self.palette.activity(lane_idx, span.activity, &self.program.activities);
            let (Some(color), true) = (color, rect.max.x >= painted_to + pixel) else {
                continue;
            };
            painted_to = rect.max.x.max(rect.min.x + pixel);
            mesh.add_colored_rect(rect.with_max_x(painted_to), color);
        }
        painter.add(Shape::mesh(mesh));
        for span in spans.iter().filter(|span| span.end > span.start) {
            let rect = self.span_rect(lane_idx, span);
            if self.is_selected(lane_idx, span) {
                painter.rect_stroke(
                    rect.expand(1.0),
                    2.0,
                    Stroke::new(2.0, self.palette.accent),
                    StrokeKind::Outside,
                );
            } else if span.pc.is_some() && span.pc == self.view.selected_pc {
                painter.rect_stroke(
                    rect.expand(1.0),
                    2.0,
                    Stroke::new(1.0, self.palette.text),
                    StrokeKind::Outside,
                );
            }
            self.paint_span_text(painter, lane_idx, span, rect);
        }
    }

    fn is_selected(&self, lane_idx: usize, span: &Span) -> bool {
        let selected = self.frame.selected_span.as_ref();
        selected.is_some_and(|report| report.lane_idx == lane_idx && report.span.start == span.start)
    }

    fn class(&self, span: &Span) -> ActivityClass {
        let info = self.program.activities.get(usize::from(span.activity.0));
        info.map_or(ActivityClass::Idle, |info| info.class)
    }

    /// Spans that are wide enough end a point early, so that equal neighbours can be told apart.
    fn span_rect(&self, lane_idx: usize, span: &Span) -> Rect {
        let lane = self.lane_rect(lane_idx);
        let (left, right) = (self.scale.x(span.start), self.scale.x(span.end));
        let gap = if right - left >= 4.0 { 1.0 } else { 0.0 };
        let rect = Rect::from_x_y_ranges(left..=right - gap, lane.y_range());
        if self.class(span) == ActivityClass::Stalled {
            rect.with_min_y(lane.max.y - lane.height() * 0.34)
        } else {
            rect
        }
    }

    fn paint_span_text(&self, painter: &Painter, lane_idx: usize, span: &Span, rect: Rect) {
        let visible = rect.intersect(Rect::from_x_y_ranges(self.scale.x, rect.y_range()));
        if self.class(span) != ActivityClass::Busy || visible.width() < MIN_TEXT_WIDTH {
            return;
        }
        let fill = self
            .palette
            .activity(lane_idx, span.activity, &self.program.activities)
            .unwrap_or(self.palette.raised);
        let at = pos2(visible.min.x + 6.0, visible.center().y);
        let (text, ink) = (self.span_title(span), self.palette.ink_on(fill));
        paint_clipped_text(painter, at, visible.width() - 12.0, &text, theme::mono(11.0), ink);
    }

    /// The instruction's mnemonic and what the unit does for it.
    fn span_title(&self, span: &Span) -> String {
        let info = self.program.activities.get(usize::from(span.activity.0));
        let activity = info.map_or("", |info| info.name.as_str());
        match span.pc.and_then(|pc| self.program.lines.get(pc as usize)) {
            Some(line) => format!("{}  {activity}", line.mnemonic),
            None => activity.to_owned(),
        }
    }

    /// Draws the lane's rows of the texture over the stretch that the frame shows.
    fn paint_bins(&self, painter: &Painter, ui: &Ui, lane_idx: usize, texture: &mut DensityTexture) {
        let timeline = &self.frame.now.timeline;
        let (left, right) = (self.scale.x(timeline.start), self.scale.x(timeline.end));
        let rect = Rect::from_x_y_ranges(left..=right, self.lane_rect(lane_idx).y_range());
        let layered = || {
            let lanes = timeline.lanes.iter().enumerate();
            lanes
                .map(|(idx, lane)| (lane, unit_layers(idx, self.program, self.palette)))
                .collect()
        };
        let place = (lane_idx, timeline.lanes.len());
        if let Some((id, uv)) = texture.of_lane(ui, (self.frame.sequence, self.palette), &layered, place) {
            painter.image(id, rect, uv, Color32::WHITE);
        }
    }

    /// An arrow from the post of a token to the take that it allowed; those of the selected span stand out.
    fn paint_link(&self, painter: &Painter, link: &TokenLink) {
        let selected = self.frame.selected_span.as_ref();
        let is_selected = selected.is_some_and(|report| {
            let (lane_idx, span) = (report.lane_idx, &report.span);
            (link.take.unit_idx == lane_idx && (link.take.cycle == span.end || link.take.cycle == span.start))
                || (link.post.unit_idx == lane_idx && link.post.cycle == span.end)
        });
        let stroke = match is_selected {
            true => Stroke::new(2.0, self.palette.accent),
            false => Stroke::new(1.0, self.palette.weak_text.gamma_multiply(0.55)),
        };
        let (from, to) = (self.lane_rect(link.post.unit_idx), self.lane_rect(link.take.unit_idx));
        let goes_down = to.center().y >= from.center().y;
        let (from_y, to_y) = match goes_down {
            true => (from.max.y, to.min.y),
            false => (from.min.y, to.max.y),
        };
        let start = pos2(self.scale.x(link.post.cycle), from_y);
        let end = pos2(self.scale.x(link.take.cycle), to_y);
        painter.line_segment([start, end], stroke);
        let direction = (end - start).normalized();
        let (back, side) = (end - direction * 6.0, direction.rot90() * 3.0);
        let head = vec![end, back + side, back - side];
        painter.add(Shape::convex_polygon(head, stroke.color, Stroke::NONE));
    }

    /// A hatched edge below the axis where only averages are known.
    fn paint_merged(&self, painter: &Painter) {
        let exact_from = self.frame.now.timeline.exact_from;
        if exact_from > self.scale.start {
            let until = self.scale.x(exact_from).min(self.scale.x.max);
            let y = self.rect.min.y + AXIS_HEIGHT - 2.0;
            let line = [pos2(self.scale.x.min, y), pos2(until, y)];
            painter.extend(Shape::dashed_line(
                &line,
                Stroke::new(2.0, self.palette.weak_text),
                4.0,
                3.0,
            ));
        }
    }

    /// The current cycle and the cursor that all panels along time share.
    fn paint_marks(&self, painter: &Painter) {
        if let Some(cursor) = self.view.cursor.filter(|cursor| self.scale.contains(*cursor)) {
            let stroke = Stroke::new(1.0, self.palette.weak_text.gamma_multiply(0.7));
            painter.vline(self.scale.x(cursor).round(), self.rect.y_range(), stroke);
        }
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
}

fn is_pinned(view: &View, lane_idx: usize) -> bool {
    view.pinned_lanes.contains(&lane_idx)
}

fn weight(view: &View, lane_idx: usize) -> f32 {
    if is_pinned(view, lane_idx) { PINNED_HEIGHT } else { 1.0 }
}

fn total_weight(view: &View) -> f32 {
    (0..UNIT_NAMES.len()).map(|idx| weight(view, idx)).sum()
}

fn channels_height(view: &View, n_channels: usize) -> f32 {
    if view.has_dram_lanes {
        theme::CHANNEL_HEIGHT * n_channels as f32
    } else {
        0.0
    }
}

//! The lanes of the DRAM's channels below those of the units: what the data bus carries, and what the banks are told.

use super::timeline_density::{DensityTexture, channel_layers};
use super::timeline_lanes::Lanes;
use super::timeline_scale::span_at;
use super::widgets::legend_entry_ui;
use crate::dram_lanes::{CHANNEL_ACTIVITIES, ChannelLanes, DramCommand, Strip, activity_name};
use crate::format;
use crate::frame::{ActivityClass, ActivityId, Bins, Lane, Span};
use crate::theme::{self, Palette};
use egui::{Align2, Color32, Mesh, Painter, Rect, Shape, Stroke, StrokeKind, Ui, pos2};

/// Share of a channel's height that its data bus has.
const BUS_SHARE: f32 = 0.6;

impl Lanes<'_> {
    /// The channel and the lane of it at a height.
    pub(crate) fn channel_at(&self, y: f32) -> Option<(usize, Strip)> {
        let channel_idx = (0..self.channels().len()).find(|idx| self.channel_rect(*idx).y_range().contains(y))?;
        let is_there = |strip: &Strip| self.strip_rect(channel_idx, *strip).y_range().contains(y);
        Some((channel_idx, Strip::ALL.into_iter().find(is_there)?))
    }

    /// The clock of the DRAM at a point of the range.
    pub(crate) fn clock_at(&self, x: f32) -> u64 {
        let share = f64::from(((x - self.scale.x.min) / self.scale.x.span()).clamp(0.0, 1.0));
        let cycle = self.scale.start as f64 + share * (self.scale.end - self.scale.start) as f64;
        (cycle / self.cycles_per_clock()) as u64
    }

    fn cycles_per_clock(&self) -> f64 {
        self.frame.now.timeline.dram.cycles_per_clock.max(f64::MIN_POSITIVE)
    }

    fn strip_rect(&self, channel_idx: usize, strip: Strip) -> Rect {
        let whole = self.channel_rect(channel_idx);
        let middle = whole.min.y + whole.height() * BUS_SHARE;
        match strip {
            Strip::Bus => whole.with_max_y(middle),
            Strip::Banks => whole.with_min_y(middle + 1.0),
        }
    }

    /// Draws all channels.
    pub(crate) fn paint_channels(&self, ui: &Ui, painter: &Painter, inner: &Painter, texture: &mut DensityTexture) {
        let channels = self.channels();
        for (channel_idx, channel) in channels.iter().enumerate() {
            let whole = self.channel_rect(channel_idx);
            let at = pos2(self.rect.min.x + 6.0, whole.center().y);
            let name = format!("CH{channel_idx}");
            painter.text(at, Align2::LEFT_CENTER, name, theme::mono(10.0), self.palette.weak_text);
            for (strip, lane) in Strip::ALL.into_iter().zip(channel.lanes()) {
                let rect = self.strip_rect(channel_idx, strip);
                inner.rect_filled(rect, 2.0, self.palette.raised.gamma_multiply(0.6));
                match lane {
                    Lane::Spans(spans) => self.paint_channel_spans(inner, rect, spans),
                    Lane::Bins(_) => {
                        let place = channel_idx * Strip::ALL.len() + strip as usize;
                        self.paint_channel_bins(inner, ui, rect, place, texture);
                    }
                }
            }
        }
    }

    /// Draws each span; of several that fall on the same pixel only the first.
    fn paint_channel_spans(&self, painter: &Painter, lane: Rect, spans: &[Span]) {
        let pixel = 1.0 / painter.pixels_per_point();
        let x = |clock: u64| self.scale.x_of(clock as f64 * self.cycles_per_clock());
        let mut mesh = Mesh::default();
        let mut painted_to = f32::NEG_INFINITY;
        for span in spans {
            let (left, right) = (x(span.start), x(span.end));
            let (Some(color), true) = (
                self.palette.channel_activity(span.activity),
                right >= painted_to + pixel,
            ) else {
                continue;
            };
            painted_to = right.max(left + pixel);
            let gap = if right - left >= 4.0 { 1.0 } else { 0.0 };
            let rect = Rect::from_x_y_ranges(left..=painted_to - gap, lane.y_range());
            let is_full = class(span.activity) == ActivityClass::Stalled;
            let rect = if is_full {
                rect.with_min_y(rect.center().y)
            } else {
                rect
            };
            mesh.add_colored_rect(rect, color);
            if span.pc.is_some() && span.pc == self.view.selected_pc && right - left >= 2.0 {
                painter.rect_stroke(rect, 0.0, Stroke::new(1.0, self.palette.text), StrokeKind::Inside);
            }
        }
        painter.add(Shape::mesh(mesh));
    }

    fn paint_channel_bins(&self, painter: &Painter, ui: &Ui, lane: Rect, place: usize, texture: &mut DensityTexture) {
        let dram = &self.frame.now.timeline.dram;
        let layered = || {
            let lanes = dram.channels.iter().flat_map(ChannelLanes::lanes);
            lanes.map(|lane| (lane, channel_layers(self.palette))).collect()
        };
        let place = (place, dram.channels.len() * Strip::ALL.len());
        if let Some((id, uv)) = texture.of_lane(ui, (self.frame.sequence, self.palette), &layered, place) {
            let x = |clock: u64| self.scale.x_of(clock as f64 * self.cycles_per_clock());
            let rect = Rect::from_x_y_ranges(x(dram.start)..=x(dram.end), lane.y_range());
            painter.image(id, rect, uv, Color32::WHITE);
        }
    }

    /// Explains what a channel does at a clock.
    pub(crate) fn channel_tooltip_ui(&self, ui: &mut Ui, (channel_idx, strip): (usize, Strip), clock: u64) {
        let Some(channel) = self.channels().get(channel_idx) else {
            return;
        };
        for line in self.channel_text(channel, (channel_idx, strip), clock) {
            ui.label(line);
        }
    }

    /// What a channel does at a clock, line by line.
    fn channel_text(&self, channel: &ChannelLanes, (channel_idx, strip): (usize, Strip), clock: u64) -> Vec<String> {
        let name = format!("channel {channel_idx}, {}", strip.name());
        if let Some(command) = channel.command_at(strip, clock) {
            return self.command_text(&name, command);
        }
        match channel.lanes()[strip as usize] {
            Lane::Spans(spans) => {
                let span = span_at(spans, clock);
                let activity = span.map_or("idle", |span| activity_name(span.activity));
                let mut lines = vec![format!("{name}: {activity}")];
                lines.extend(span.map(|span| clocks(span.start, span.end)));
                lines
            }
            Lane::Bins(bins) => self.bin_text(&name, bins, clock),
        }
    }

    fn command_text(&self, name: &str, command: &DramCommand) -> Vec<String> {
        let mut lines = vec![
            format!("{name}: {}", activity_name(command.activity)),
            clocks(command.start, command.end),
        ];
        lines.extend(command.rank.map(|rank| format!("all banks of rank {rank}")));
        let Some(request) = command.request else { return lines };
        let outcome = match request.outcome {
            "" => String::new(),
            outcome => format!(", burst {}: {outcome}", request.column),
        };
        lines.push(format!("bank {}, row {}{outcome}", request.bank, request.row));
        let waited = command.start.saturating_sub(request.arrived_at);
        lines.push(format!("asked for {} clocks before", format::grouped(waited)));
        if let Some(line) = self.program.lines.get(request.pc as usize) {
            lines.push(format!("by {}  {} {}", request.pc, line.mnemonic, line.operands));
            let layer = line.layer_idx.and_then(|idx| self.program.layers.get(idx));
            lines.extend(layer.map(|layer| format!("layer {layer}")));
        }
        lines
    }

    fn bin_text(&self, name: &str, bins: &Bins, clock: u64) -> Vec<String> {
        let dram = &self.frame.now.timeline.dram;
        let Some(offset) = clock.checked_sub(dram.start) else {
            return Vec::new();
        };
        let bin_idx = u128::from(offset) * bins.n_bins as u128 / u128::from((dram.end - dram.start).max(1));
        let in_bin = bins.bin(usize::try_from(bin_idx).unwrap_or(usize::MAX));
        let total: u64 = in_bin.iter().sum();
        let mut lines = vec![format!("{name}: {} clocks of the DRAM", format::grouped(total))];
        for (idx, n) in in_bin.iter().enumerate().filter(|(_, n)| **n > 0) {
            let share = format::share(*n as f64 / total as f64);
            lines.push(format!("{share}  {}", activity_name(ActivityId(idx as u8))));
        }
        lines.push("Zoom in to see single bursts.".to_owned());
        lines
    }

    /// The instruction that asked for what a channel does at a clock.
    pub(crate) fn asker_at(&self, (channel_idx, strip): (usize, Strip), clock: u64) -> Option<u32> {
        match self.channels().get(channel_idx)?.lanes()[strip as usize] {
            Lane::Spans(spans) => span_at(spans, clock)?.pc,
            Lane::Bins(_) => None,
        }
    }

    /// What a channel's lanes hold in one line, for whoever cannot see them.
    pub(crate) fn describe_channel(&self, channel_idx: usize) -> String {
        let Some(channel) = self.channels().get(channel_idx) else {
            return String::new();
        };
        let mut sums = [0_u64; CHANNEL_ACTIVITIES.len()];
        match &channel.bus {
            Lane::Spans(spans) => {
                let dram = &self.frame.now.timeline.dram;
                for span in spans {
                    let shown = span.end.min(dram.end).saturating_sub(span.start.max(dram.start));
                    sums[usize::from(span.activity.0)] += shown;
                }
            }
            Lane::Bins(bins) => {
                for (idx, n) in bins.cycles.iter().enumerate() {
                    sums[idx % CHANNEL_ACTIVITIES.len()] += n;
                }
            }
        }
        format!(
            "DRAM channel {channel_idx}: data bus reads {} clocks, writes {} clocks",
            format::grouped(sums[1]),
            format::grouped(sums[2])
        )
    }
}

fn clocks(start: u64, end: u64) -> String {
    format!("DRAM clocks {} to {}", format::grouped(start), format::grouped(end))
}

fn class(id: ActivityId) -> ActivityClass {
    CHANNEL_ACTIVITIES
        .get(usize::from(id.0))
        .map_or(ActivityClass::Idle, |(_, class)| *class)
}

/// Names the colours of the channels' lanes that are visible.
pub(crate) fn channel_legend_ui(ui: &mut Ui, channels: &[ChannelLanes]) {
    let palette = Palette::of(ui.visuals());
    let mut visible = [false; CHANNEL_ACTIVITIES.len()];
    for lane in channels.iter().flat_map(ChannelLanes::lanes) {
        match lane {
            Lane::Spans(spans) => spans
                .iter()
                .for_each(|span| visible[usize::from(span.activity.0)] = true),
            Lane::Bins(bins) => {
                let cycles = bins.cycles.iter().enumerate();
                cycles.for_each(|(idx, n)| visible[idx % CHANNEL_ACTIVITIES.len()] |= *n > 0);
            }
        }
    }
    if visible.contains(&true) {
        ui.weak("DRAM:");
    }
    for (idx, (name, class)) in CHANNEL_ACTIVITIES.iter().enumerate() {
        if let (true, Some(color)) = (visible[idx], palette.channel_activity(ActivityId(idx as u8))) {
            legend_entry_ui(ui, color, *class == ActivityClass::Stalled, name);
        }
    }
}

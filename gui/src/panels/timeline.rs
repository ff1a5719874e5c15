//! The timeline panel: one lane per unit over time. Work fills a lane's height, stalls are low, idle time is empty. Where spans are
//! too many to be told apart, a lane shows for each pixel how its cycles are shared.

use super::span_report::span_report_ui;
use super::timeline_channels::channel_legend_ui;
use super::timeline_density::LaneTextures;
use super::timeline_lanes::{Lanes, visible_activities};
use super::timeline_scale::{Scale, navigate};
use super::widgets::{legend_entry_ui, switch_ui};
use crate::command::Command;
use crate::format;
use crate::frame::{ActivityClass, ActivityId, Bins, Frame, ProgramInfo, Timeline, TimelineView, UNIT_NAMES};
use crate::theme::{self, Palette};
use crate::view::{Action, View};
use egui::{Align, Key, Layout, Panel, Rangef, Rect, Response, Role, Sense, TextEdit, Ui, WidgetInfo, vec2};

/// Width of the part that explains the selected span, in points.
const REPORT_WIDTH: f32 = 380.0;

/// Draws the panel.
pub(crate) fn timeline_ui(
    ui: &mut Ui,
    frame: &Frame,
    view: &View,
    textures: &mut LaneTextures,
    actions: &mut Vec<Action>,
) {
    let Some(program) = &frame.program else { return };
    header_ui(ui, frame, program, view, actions);
    if let Some(report) = &frame.selected_span {
        let palette = Palette::of(ui.visuals());
        let part = egui::Frame::new()
            .fill(palette.raised)
            .inner_margin(theme::PANEL_MARGIN);
        Panel::right("span report")
            .default_size(REPORT_WIDTH)
            .frame(part)
            .show(ui, |ui| span_report_ui(ui, report, actions));
    }
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        let n_channels = frame.now.timeline.dram.channels.len();
        let height = Lanes::min_height(view, n_channels).max(ui.available_height());
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
            view,
            palette: Palette::of(ui.visuals()),
        };
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, describe(&lanes.scale)));
        lanes.paint(ui, textures);
        channels_ui(ui, &lanes);
        pins_ui(ui, &lanes, actions);
        interact(ui, &lanes, &response, actions);
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
        if let Some(idx) = switch_ui(ui, &["Whole run", "Follow"], chosen, "Timeline") {
            actions.push(Action::Command([Command::ZoomFit, Command::FollowTime][idx]));
        }
        let (start, end) = view.timeline.window(frame.now.cycle);
        ui.weak(format::cycles(end - start));
        let mut has_dram_lanes = view.has_dram_lanes;
        let dram = ui
            .toggle_value(&mut has_dram_lanes, "DRAM")
            .accessible_name("DRAM channel lanes");
        if dram.on_hover_text("The DRAM's channels below the units.").clicked() {
            actions.push(Action::ShowDramLanes(has_dram_lanes));
        }
        find_ui(ui, view, actions);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add_space(theme::GAP * 2.0);
                legend_ui(ui, &frame.now.timeline, program);
                if view.has_dram_lanes {
                    channel_legend_ui(ui, &frame.now.timeline.dram.channels);
                }
            });
        });
    });
}

/// The search for spans by instruction, layer or activity.
fn find_ui(ui: &mut Ui, view: &View, actions: &mut Vec<Action>) {
    let mut text = view.lane_search.clone();
    let field = TextEdit::singleline(&mut text)
        .hint_text("Find in lanes")
        .desired_width(130.0);
    let response = ui.add(field).accessible_name("Find in lanes");
    let response = response.on_hover_text("An instruction, a layer, or what a unit does.");
    if response.changed() {
        actions.push(Action::SetLaneSearch(text));
    }
    let is_entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    let previous = ui.small_button("<").accessible_name("Find previous span");
    let next = ui.small_button(">").accessible_name("Find next span");
    if previous.on_hover_text("The last match before.").clicked() {
        actions.push(Action::FindSpan { is_forward: false });
    }
    if next.on_hover_text("The next match.").clicked() || is_entered {
        actions.push(Action::FindSpan { is_forward: true });
    }
    if is_entered {
        response.request_focus();
    }
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

/// The names of the DRAM's channels say what their lanes hold, for whoever cannot see them.
fn channels_ui(ui: &Ui, lanes: &Lanes<'_>) {
    for channel_idx in 0..lanes.channels().len() {
        let lane = lanes.channel_rect(channel_idx);
        let name = Rect::from_x_y_ranges(lanes.rect.min.x..=lane.min.x, lane.y_range());
        let response = ui.interact(name, ui.scope_id().with(("channel", channel_idx)), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, lanes.describe_channel(channel_idx)));
    }
}

/// The names of the lanes are buttons that pin them.
fn pins_ui(ui: &Ui, lanes: &Lanes<'_>, actions: &mut Vec<Action>) {
    for (unit_idx, name) in UNIT_NAMES.iter().enumerate() {
        let is_pinned = lanes.view.pinned_lanes.contains(&unit_idx);
        let response = ui.interact(
            lanes.tag_rect(unit_idx),
            ui.scope_id().with(("pin", unit_idx)),
            Sense::click(),
        );
        let label = format!("{} lane {name}", if is_pinned { "Unpin" } else { "Pin" });
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &label));
        if response
            .on_hover_text(format!("{label}: pinned lanes are first and taller."))
            .clicked()
        {
            actions.push(Action::PinLane(unit_idx, !is_pinned));
        }
    }
}

fn interact(ui: &Ui, lanes: &Lanes<'_>, response: &Response, actions: &mut Vec<Action>) {
    navigate(ui, response, &lanes.scale, actions);
    let Some(pointer) = response.hover_pos().filter(|pos| lanes.scale.x.contains(pos.x)) else {
        return;
    };
    let cycle = lanes.scale.cycle(pointer.x);
    actions.push(Action::SetCursor(cycle));
    let layer = lanes
        .is_in_layers(pointer.y)
        .then(|| lanes.frame.now.overview.layer_at(cycle))
        .flatten();
    let lane_idx = lanes.lane_at(pointer.y);
    let channel = lanes.channel_at(pointer.y);
    let clock = lanes.clock_at(pointer.x);
    response.clone().on_hover_ui_at_pointer(|ui| {
        match layer {
            Some(layer) => {
                ui.strong(&layer.name);
                ui.label(format!(
                    "{}, bound by {}",
                    format::cycles(layer.end - layer.start),
                    layer.bound_by
                ));
                ui.weak("Click to show this layer.");
            }
            None => {
                tooltip_ui(ui, lanes, cycle, lane_idx);
                if let Some(place) = channel {
                    lanes.channel_tooltip_ui(ui, place, clock);
                }
            }
        };
    });
    if response.double_clicked() {
        actions.push(Action::GoTo(cycle));
    } else if response.clicked() {
        match (layer, lane_idx.and_then(|idx| Some((idx, lanes.span(idx, cycle)?)))) {
            (Some(layer), _) => actions.push(Action::ShowLayer(layer.layer_idx)),
            (None, Some((lane_idx, span))) => {
                actions.push(Action::SelectInstruction(span.pc));
                actions.push(Action::SelectSpan(Some((lane_idx, span.start.max(lanes.scale.start)))));
            }
            (None, None) if channel.is_some() => {
                actions.push(Action::SelectInstruction(
                    channel.and_then(|place| lanes.asker_at(place, clock)),
                ));
            }
            (None, None) => actions.extend([Action::SelectInstruction(None), Action::SelectSpan(None)]),
        }
    }
}

fn tooltip_ui(ui: &mut Ui, lanes: &Lanes<'_>, cycle: u64, lane_idx: Option<usize>) {
    ui.weak(format!("cycle {}", format::grouped(cycle)));
    let Some(lane_idx) = lane_idx else { return };
    if let Some(span) = lanes.span(lane_idx, cycle) {
        ui.strong(format!(
            "{}  {}",
            UNIT_NAMES[lane_idx],
            lanes.activity_title(span.activity)
        ));
        let n_cycles = format::cycles(span.end - span.start);
        let (start, end) = (format::grouped(span.start), format::grouped(span.end));
        ui.label(format!("from {start} to {end}, {n_cycles}"));
        if let Some((pc, line)) = span.pc.and_then(|pc| Some((pc, lanes.program.lines.get(pc as usize)?))) {
            ui.monospace(format!("{pc}  {} {}", line.mnemonic, line.operands));
            if let Some(layer) = line.layer_idx.and_then(|idx| lanes.program.layers.get(idx)) {
                ui.label(format!("layer {layer}"));
            }
        }
        ui.weak("Click to explain, double-click to go to this cycle, drag to move, scroll to zoom.");
    } else if let Some(bins) = lanes.bins(lane_idx) {
        bin_tooltip_ui(ui, lanes, lane_idx, bins, cycle);
    }
}

fn bin_tooltip_ui(ui: &mut Ui, lanes: &Lanes<'_>, lane_idx: usize, bins: &Bins, cycle: u64) {
    let timeline = &lanes.frame.now.timeline;
    let Some(offset) = cycle.checked_sub(timeline.start) else {
        return;
    };
    let bin_idx = u128::from(offset) * bins.n_bins as u128 / u128::from((timeline.end - timeline.start).max(1));
    let cycles = bins.bin(usize::try_from(bin_idx).unwrap_or(usize::MAX));
    let total: u64 = cycles.iter().sum();
    ui.strong(format!("{}: {}", UNIT_NAMES[lane_idx], format::cycles(total)));
    for (idx, n) in cycles.iter().enumerate().filter(|(_, n)| **n > 0) {
        let share = format::share(*n as f64 / total as f64);
        ui.label(format!("{share}  {}", lanes.activity_title(ActivityId(idx as u8))));
    }
    if cycle < timeline.exact_from {
        let width = format::cycles(timeline.coarse_width);
        ui.weak(format!(
            "So long ago only averages over {width} are kept; going there records it again."
        ));
    }
    ui.weak("Zoom in to see single instructions.");
}

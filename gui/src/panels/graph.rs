//! The model graph panel: the layers of the program from top to bottom, with the tensors that they hand to each other, coloured by what
//! bounds them.

use super::widgets::{legend_entry_ui, paint_clipped_text};
use crate::format;
use crate::frame::{Frame, ProgramInfo, TimelineView};
use crate::inspect::{Bound, LayerState, ModelGraph};
use crate::theme::{self, Palette};
use crate::view::{Action, View};
use egui::{
    Align2, Color32, Pos2, Rect, Role, ScrollArea, Sense, Shape, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};
use std::collections::BTreeMap;

/// Height of a layer's box, in points.
const BOX_HEIGHT: f32 = 34.0;

/// From box to box, in points.
const PITCH: f32 = 50.0;

/// Between two edges that run beside the boxes, in points.
const TRACK: f32 = 9.0;

/// Draws the panel.
pub(crate) fn graph_ui(ui: &mut Ui, frame: &Frame, view: &View, actions: &mut Vec<Action>) {
    let Some(program) = &frame.program else { return };
    let graph = &program.graph;
    if graph.layers.is_empty() {
        ui.weak("This program has no layers. In assembly, `mark layer` begins one.");
        return;
    }
    legend_ui(ui);
    let tracks = Tracks::of(graph);
    ScrollArea::vertical()
        .auto_shrink(false)
        .show_viewport(ui, |ui, visible| {
            let height = PITCH * graph.layers.len() as f32;
            let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
            let right = (rect.max.x - tracks.n_tracks as f32 * TRACK - 12.0).max(rect.min.x + 120.0);
            let place = |layer_idx: usize| {
                let top = rect.min.y + PITCH * layer_idx as f32;
                Rect::from_x_y_ranges(rect.min.x + 2.0..=right, top..=top + BOX_HEIGHT)
            };
            let first = (visible.min.y / PITCH).floor().max(0.0) as usize;
            let last = ((visible.max.y / PITCH).ceil() as usize).min(graph.layers.len());
            edges_ui(ui, graph, &tracks, place, first..last);
            for layer_idx in first..last {
                layer_ui(ui, frame, program, view, (layer_idx, place(layer_idx)), actions);
            }
        });
}

fn legend_ui(ui: &mut Ui) {
    let palette = Palette::of(ui.visuals());
    ui.horizontal(|ui| {
        for bound in Bound::ALL {
            legend_entry_ui(ui, palette.bound(bound), false, bound.name());
        }
        legend_entry_ui(ui, palette.raised, false, "not run yet");
    });
}

/// Which track beside the boxes each edge that passes over a layer takes; edges to the next layer take none.
struct Tracks {
    by_edge: Vec<Option<usize>>,
    n_tracks: usize,
}

impl Tracks {
    fn of(graph: &ModelGraph) -> Self {
        // The layer at which each track becomes free again.
        let mut free_from: Vec<usize> = Vec::new();
        let mut by_edge = Vec::new();
        for edge in &graph.edges {
            if edge.to == edge.from + 1 {
                by_edge.push(None);
                continue;
            }
            let track = free_from
                .iter()
                .position(|layer_idx| *layer_idx <= edge.from)
                .unwrap_or(free_from.len());
            if track == free_from.len() {
                free_from.push(0);
            }
            free_from[track] = edge.to;
            by_edge.push(Some(track));
        }
        Self {
            by_edge,
            n_tracks: free_from.len(),
        }
    }
}

fn edges_ui(
    ui: &Ui,
    graph: &ModelGraph,
    tracks: &Tracks,
    place: impl Fn(usize) -> Rect,
    visible: std::ops::Range<usize>,
) {
    let palette = Palette::of(ui.visuals());
    let stroke = Stroke::new(1.5, palette.weak_text);
    for (edge, track) in graph.edges.iter().zip(&tracks.by_edge) {
        if edge.to < visible.start || edge.from >= visible.end {
            continue;
        }
        let (from, to) = (place(edge.from), place(edge.to));
        let Some(track) = track else {
            let x = from.center().x;
            ui.painter()
                .line_segment([pos2(x, from.max.y), pos2(x, to.min.y - 4.0)], stroke);
            arrow_head(ui, pos2(x, to.min.y), vec2(0.0, 1.0), stroke.color);
            continue;
        };
        let x = from.max.x + 8.0 + *track as f32 * TRACK;
        let points = vec![
            pos2(from.max.x, from.center().y + 6.0),
            pos2(x, from.center().y + 6.0),
            pos2(x, to.center().y - 6.0),
            pos2(to.max.x + 4.0, to.center().y - 6.0),
        ];
        ui.painter().add(Shape::line(points, stroke));
        arrow_head(ui, pos2(to.max.x, to.center().y - 6.0), vec2(-1.0, 0.0), stroke.color);
    }
}

fn arrow_head(ui: &Ui, tip: Pos2, direction: egui::Vec2, color: Color32) {
    let side = direction.rot90() * 3.5;
    let base = tip - direction * 6.0;
    ui.painter().add(Shape::convex_polygon(
        vec![base - side, base + side, tip],
        color,
        Stroke::NONE,
    ));
}

fn layer_ui(
    ui: &Ui,
    frame: &Frame,
    program: &ProgramInfo,
    view: &View,
    (layer_idx, rect): (usize, Rect),
    actions: &mut Vec<Action>,
) {
    let palette = Palette::of(ui.visuals());
    let name = program.layers.get(layer_idx).map_or("", String::as_str);
    let layer = &program.graph.layers[layer_idx];
    let state = frame.now.close_up.layers.get(layer_idx);
    let bound = state.and_then(|state| state.bound);
    let response = ui.interact(rect, ui.scope_id().with(("layer", layer_idx)), Sense::click());
    let word = bound.map_or("not run yet", Bound::name);
    let cycles = state.map_or(0, |state| state.cycles);
    let label = format!("Layer {name}, {}: {word}, {}", layer.op, format::cycles(cycles));
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &label));
    let fill = bound.map_or(palette.raised, |bound| palette.bound(bound));
    let ink = palette.ink_on(fill);
    let is_current = frame.now.layer_idx == Some(layer_idx);
    let selected_line = view.selected_pc.and_then(|pc| program.lines.get(pc as usize));
    let is_selected = selected_line.is_some_and(|line| line.layer_idx == Some(layer_idx));
    let outline = if is_current || is_selected || response.hovered() || response.has_focus() {
        palette.accent
    } else {
        palette.line
    };
    let width = if is_current { 2.5 } else { 1.0 };
    ui.painter()
        .rect(rect, 5.0, fill, Stroke::new(width, outline), StrokeKind::Outside);
    let at = rect.left_center() + vec2(8.0, -7.0);
    paint_clipped_text(
        ui.painter(),
        at,
        rect.width() - 96.0,
        name,
        egui::FontId::proportional(13.0),
        ink,
    );
    let at = rect.left_center() + vec2(8.0, 8.0);
    paint_clipped_text(
        ui.painter(),
        at,
        rect.width() - 96.0,
        &layer.op,
        theme::mono(10.5),
        ink.gamma_multiply(0.8),
    );
    if cycles > 0 {
        let at = rect.right_center() - vec2(8.0, 0.0);
        ui.painter().text(
            at,
            Align2::RIGHT_CENTER,
            format::grouped(cycles),
            theme::mono(11.0),
            ink,
        );
    }
    if response.clicked() {
        actions.push(Action::SelectInstruction(Some(layer.first_pc)));
        if let Some(stretch) = stretch(frame, layer_idx) {
            actions.push(Action::SetTimeline(stretch));
        }
    }
    response.on_hover_ui(|ui| tooltip_ui(ui, program, layer_idx, state));
}

/// The part of the timeline that a layer takes.
fn stretch(frame: &Frame, layer_idx: usize) -> Option<TimelineView> {
    let layers = &frame.now.close_up.layers;
    let end = layers.get(layer_idx).filter(|layer| layer.cycles > 0)?;
    let start = layers[..layer_idx].iter().map(|layer| layer.cycles).sum::<u64>();
    let margin = end.cycles / 50;
    Some(TimelineView::Range {
        start: start.saturating_sub(margin),
        end: start + end.cycles + margin,
    })
}

fn tooltip_ui(ui: &mut Ui, program: &ProgramInfo, layer_idx: usize, state: Option<&LayerState>) {
    let layer = &program.graph.layers[layer_idx];
    ui.strong(program.layers.get(layer_idx).map_or("", String::as_str));
    if let Some(state) = state.filter(|state| state.bound.is_some()) {
        ui.label(format!(
            "{}, {} from and to DRAM, {} multiply-accumulates",
            format::cycles(state.cycles),
            format::bytes(state.dram_bytes),
            format::grouped(state.macs)
        ));
        for (name, busy) in crate::frame::UNIT_NAMES.iter().zip(state.busy_cycles).skip(1) {
            let share = busy as f64 / state.cycles.max(1) as f64;
            ui.small(format!("{name} busy {}", format::share(share)));
        }
    }
    for (what, names) in [("reads", &layer.reads), ("writes", &layer.writes)] {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        names.iter().for_each(|name| *counts.entry(name).or_default() += 1);
        for name in counts.keys() {
            ui.small(format!("{what} {name}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::GraphEdge;

    #[test]
    fn edges_that_run_side_by_side_take_different_tracks() {
        let edge = |from, to| GraphEdge {
            from,
            to,
            tensor: "t".into(),
        };
        let graph = ModelGraph {
            layers: Vec::new(),
            edges: vec![edge(0, 1), edge(0, 3), edge(1, 4), edge(3, 5)],
        };
        let tracks = Tracks::of(&graph);
        assert_eq!(tracks.by_edge, [None, Some(0), Some(1), Some(0)]);
        assert_eq!(tracks.n_tracks, 2);
    }
}

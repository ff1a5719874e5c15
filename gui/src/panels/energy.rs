//! Energy as a treemap: areas are energies, by layer and within it by component, or the other way round.

use super::treemap::treemap;
use super::widgets::{legend_entry_ui, paint_clipped_text, switch_ui};
use crate::format::{self, Quantity};
use crate::frame::Frame;
use crate::overview::{LayerOverview, N_COMPONENTS, Overview};
use crate::theme::{self, Palette};
use crate::view::{Action, View};
use egui::{Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2};

/// Height of a group's heading, in points.
const HEADING: f32 = 16.0;

/// Rectangles smaller than this are painted but do not react, in square points.
const MIN_AREA: f32 = 24.0;

/// Draws the panel.
pub(crate) fn energy_ui(ui: &mut Ui, frame: &Frame, view: &View, actions: &mut Vec<Action>) {
    let overview = &*frame.now.overview;
    let palette = Palette::of(ui.visuals());
    ui.horizontal(|ui| {
        let chosen = usize::from(!view.is_energy_by_layer);
        if let Some(idx) = switch_ui(ui, &["By layer", "By component"], Some(chosen), "Energy") {
            actions.push(Action::SetEnergyByLayer(idx == 0));
        }
        ui.label(format!("total {}", femtojoules(overview.total_fj())));
        for (idx, name) in overview.components.iter().enumerate() {
            legend_entry_ui(ui, palette.component(idx), false, name);
        }
    });
    if overview.total_fj() == 0 {
        ui.weak("No energy has been spent yet.");
        return;
    }
    let (rect, _) = ui.allocate_exact_size(ui.available_size(), Sense::hover());
    let groups = groups(overview, view.is_energy_by_layer);
    let sums: Vec<f64> = groups.iter().map(|group| group.total_fj() as f64).collect();
    for (group, rect) in groups.iter().zip(treemap(rect, &sums)) {
        group_ui(ui, overview, group, rect.shrink(1.0), actions);
    }
}

fn femtojoules(amount: u64) -> String {
    format::quantity(Quantity::Femtojoules(amount))
}

/// A layer or a component with its parts.
struct Group<'a> {
    name: &'a str,
    parts: Vec<Part<'a>>,
}

/// What a component spent in a layer.
struct Part<'a> {
    layer: &'a LayerOverview,
    component_idx: usize,
    name: &'a str,
}

impl Part<'_> {
    fn energy_fj(&self) -> u64 {
        self.layer.energy_fj[self.component_idx]
    }
}

impl Group<'_> {
    fn total_fj(&self) -> u64 {
        self.parts.iter().map(Part::energy_fj).sum()
    }
}

fn groups(overview: &Overview, is_by_layer: bool) -> Vec<Group<'_>> {
    let part = |layer, component_idx, name| Part {
        layer,
        component_idx,
        name,
    };
    if is_by_layer {
        let layers = overview.layers.iter().filter(|layer| layer.total_fj() > 0);
        layers
            .map(|layer| Group {
                name: &layer.name,
                parts: (0..N_COMPONENTS)
                    .map(|idx| part(layer, idx, overview.components[idx]))
                    .collect(),
            })
            .collect()
    } else {
        (0..N_COMPONENTS)
            .map(|idx| Group {
                name: overview.components[idx],
                parts: overview
                    .layers
                    .iter()
                    .map(|layer| part(layer, idx, layer.name.as_str()))
                    .collect(),
            })
            .collect()
    }
}

fn group_ui(ui: &Ui, overview: &Overview, group: &Group<'_>, rect: Rect, actions: &mut Vec<Action>) {
    if rect.width() < 2.0 || rect.height() < 2.0 {
        return;
    }
    let palette = Palette::of(ui.visuals());
    let painter = ui.painter_at(rect);
    let mut inner = rect;
    if rect.height() > 3.0 * HEADING && rect.width() > 40.0 {
        inner = rect.with_min_y(rect.min.y + HEADING);
        painter.rect_filled(rect, 2.0, palette.raised);
        let text = format!("{}  {}", group.name, femtojoules(group.total_fj()));
        let at = pos2(rect.min.x + 5.0, rect.min.y + HEADING / 2.0);
        paint_clipped_text(&painter, at, rect.width() - 8.0, &text, theme::mono(10.5), palette.text);
    }
    let values: Vec<f64> = group.parts.iter().map(|part| part.energy_fj() as f64).collect();
    for (part, rect) in group.parts.iter().zip(treemap(inner, &values)) {
        part_ui(ui, overview, part, rect, actions);
    }
}

fn part_ui(ui: &Ui, overview: &Overview, part: &Part<'_>, rect: Rect, actions: &mut Vec<Action>) {
    if rect.area() <= 0.0 {
        return;
    }
    let palette = Palette::of(ui.visuals());
    let fill = palette.component(part.component_idx);
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, 0.0, fill);
    painter.rect_stroke(rect, 0.0, Stroke::new(1.0, palette.panel), StrokeKind::Inside);
    if rect.area() < MIN_AREA {
        return;
    }
    if rect.height() > 13.0 && rect.width() > 24.0 {
        let at = pos2(rect.min.x + 4.0, rect.min.y + 8.0);
        let ink = palette.ink_on(fill);
        paint_clipped_text(&painter, at, rect.width() - 6.0, part.name, theme::mono(10.5), ink);
    }
    let (layer, component) = (&part.layer.name, overview.components[part.component_idx]);
    let id = ui.scope_id().with((part.layer.layer_idx, part.component_idx));
    let response = ui.interact(rect, id, Sense::click());
    let energy = femtojoules(part.energy_fj());
    let label = format!("{layer}, {component}: {energy}");
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &label));
    let share = |whole: u64| format::share(part.energy_fj() as f64 / whole.max(1) as f64);
    let response = response.on_hover_ui_at_pointer(|ui| {
        ui.strong(&label);
        ui.label(format!("{} of the layer", share(part.layer.total_fj())));
        ui.label(format!("{} of the run", share(overview.total_fj())));
        ui.weak("Click to show the layer.");
    });
    if response.clicked() {
        actions.push(Action::ShowLayer(part.layer.layer_idx));
    }
}

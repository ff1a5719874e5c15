//! Two runs side by side: totals with their change, layers along one axis of cycles, and layer by layer.

use crate::bench::{RunSummary, Trial};
use crate::format::{self, Quantity};
use crate::machine_bench::{BenchAction, MachineBench};
use crate::theme::{self, Palette};
use crate::view::Action;
use egui::Grid;
use egui::{Align, Color32, CornerRadius, Layout, Rect, RichText, Role, Sense, Ui, WidgetInfo, pos2, vec2};

/// Height of a strip of layers, in points.
const STRIP_HEIGHT: f32 = 26.0;

/// Height of one of the two bars of a layer, in points.
const BAR_HEIGHT: f32 = 7.0;

/// Width of the names of layers, in points.
const NAME_WIDTH: f32 = 130.0;

/// Draws the comparison.
pub(crate) fn comparison_ui(ui: &mut Ui, bench: &MachineBench, actions: &mut Vec<Action>) {
    state_ui(ui, bench, actions);
    let (Some(reference), Some(edited)) = (bench.reference(), bench.edited().summary()) else {
        return;
    };
    totals_ui(ui, reference, edited);
    ui.add_space(theme::GAP);
    ui.strong("Along one axis of cycles");
    let longest = reference.cycles.max(edited.cycles).max(1);
    strip_ui(ui, reference, longest);
    strip_ui(ui, edited, longest);
    bound_legend_ui(ui);
    ui.add_space(theme::GAP);
    ui.strong("Layer by layer");
    layers_ui(ui, reference, edited);
}

/// What is under way or went wrong, and the choice of the reference.
fn state_ui(ui: &mut Ui, bench: &MachineBench, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        match bench.edited() {
            Trial::None => {
                ui.weak("The description has errors, so there is nothing to run.");
            }
            Trial::Running { .. } => {
                let cycle = bench.edited().cycle().unwrap_or(0);
                ui.spinner();
                ui.label(format!("Running: cycle {}", format::grouped(cycle)));
                if ui.button("Cancel run").clicked() {
                    actions.push(Action::Bench(BenchAction::Cancel));
                }
                ui.ctx().request_repaint_after(std::time::Duration::from_millis(100));
            }
            Trial::Done(Err(reason)) => {
                let palette = Palette::of(ui.visuals());
                ui.label(RichText::new(format!("It cannot run: {reason}")).color(palette.error));
            }
            Trial::Done(Ok(summary)) => {
                ui.strong(format!("{} on {}", summary.program, summary.machine));
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if bench.has_kept() && ui.button("Forget reference").clicked() {
                actions.push(Action::Bench(BenchAction::ForgetReference));
            }
            let can_keep = bench.edited().summary().is_some();
            let response = ui.add_enabled(can_keep, egui::Button::new("Keep as reference"));
            let help = "Compare what follows with this run, also after another program was opened";
            if response.on_hover_text(help).clicked() {
                actions.push(Action::Bench(BenchAction::KeepReference));
            }
        });
    });
    ui.add_space(theme::GAP);
}

/// A total: its name, its value in a run, and how it is written.
type Total = (&'static str, fn(&RunSummary) -> f64, fn(f64) -> Quantity);

const TOTALS: [Total; 8] = [
    ("Cycles", |run| run.cycles as f64, |n| Quantity::Cycles(n as u64)),
    ("Time", |run| run.seconds, Quantity::Seconds),
    (
        "Energy",
        |run| run.energy_pj,
        |pj| Quantity::Femtojoules((pj * 1e3) as u64),
    ),
    ("Average power", |run| run.average_w, Quantity::Watts),
    ("Peak power", |run| run.peak_w, Quantity::Watts),
    ("Area", |run| run.area_mm2, Quantity::SquareMillimetres),
    ("Array utilization", |run| run.utilization, Quantity::Share),
    (
        "DRAM traffic",
        |run| run.dram_bytes as f64,
        |n| Quantity::Bytes(n as u64),
    ),
];

fn totals_ui(ui: &mut Ui, reference: &RunSummary, edited: &RunSummary) {
    Grid::new("machine-totals")
        .num_columns(4)
        .spacing([26.0, 5.0])
        .striped(true)
        .show(ui, |ui| {
            ui.weak("");
            ui.weak(format!("{} on {}", reference.program, reference.machine));
            ui.weak(format!("{} on {}", edited.program, edited.machine));
            ui.weak("Change");
            ui.end_row();
            for (name, of, quantity) in TOTALS {
                let (before, after) = (of(reference), of(edited));
                ui.label(name);
                for (run, value) in [("reference", before), ("edited", after)] {
                    let text = format::quantity(quantity(value));
                    let response = ui.label(RichText::new(&text).font(theme::mono(12.5)));
                    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("{name}, {run}: {text}")));
                }
                let change = change(before, after);
                let response = ui.label(RichText::new(&change).font(theme::mono(12.5)));
                response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("{name}, change: {change}")));
                ui.end_row();
            }
        });
}

fn change(before: f64, after: f64) -> String {
    if before == after {
        return "same".to_owned();
    }
    if before == 0.0 {
        return "new".to_owned();
    }
    format!("{:+.1} %", (after / before - 1.0) * 100.0)
}

/// The layers of a run one after the other, on an axis that ends at `longest` cycles.
fn strip_ui(ui: &mut Ui, run: &RunSummary, longest: u64) {
    let palette = Palette::of(ui.visuals());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), STRIP_HEIGHT), Sense::hover());
    let title = format!("{} on {}: {}", run.program, run.machine, format::cycles(run.cycles));
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &title));
    ui.painter().rect_filled(rect, CornerRadius::same(3), palette.raised);
    let x = |cycle: u64| rect.min.x + rect.width() * (cycle as f64 / longest as f64) as f32;
    let pointer = response.hover_pos();
    let mut start = 0;
    for layer in &run.layers {
        let end = start + layer.cycles;
        let part = Rect::from_x_y_ranges(x(start)..=x(end).max(x(start) + 0.5), rect.y_range()).shrink2(vec2(0.0, 3.0));
        ui.painter().rect_filled(
            part.with_max_x(part.max.x - 0.5),
            CornerRadius::ZERO,
            bound_color(palette, layer.bound_by),
        );
        if pointer.is_some_and(|pointer| part.contains(pointer)) {
            response.show_tooltip_text(format!(
                "{}: {}, bound by {}, from cycle {}",
                layer.name,
                format::cycles(layer.cycles),
                layer.bound_by,
                format::grouped(start)
            ));
        }
        start = end;
    }
}

fn layers_ui(ui: &mut Ui, reference: &RunSummary, edited: &RunSummary) {
    let longest = [reference, edited]
        .iter()
        .flat_map(|run| &run.layers)
        .map(|layer| layer.cycles)
        .max();
    let longest = longest.unwrap_or(0).max(1);
    let palette = Palette::of(ui.visuals());
    for (idx, layer) in edited.layers.iter().enumerate() {
        // A layer has the same place in both runs, unless the reference is another program.
        let before = reference.layers.get(idx).filter(|before| before.name == layer.name);
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), theme::ROW_HEIGHT), Sense::hover());
        let numbers = match before {
            Some(before) if before.cycles != layer.cycles => format!(
                "{} to {} ({})",
                format::grouped(before.cycles),
                format::grouped(layer.cycles),
                change(before.cycles as f64, layer.cycles as f64)
            ),
            Some(_) | None => format::grouped(layer.cycles),
        };
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("Layer {}: {numbers}", layer.name)));
        let painter = ui.painter();
        super::widgets::paint_clipped_text(
            painter,
            rect.left_center(),
            NAME_WIDTH - theme::GAP,
            &layer.name,
            egui::FontId::proportional(12.5),
            palette.text,
        );
        let text = painter.layout_no_wrap(numbers, theme::mono(11.5), palette.weak_text);
        let text_width = text.size().x;
        let text_at = pos2(rect.max.x - text_width, rect.center().y - text.size().y / 2.0);
        painter.galley(text_at, text, palette.weak_text);
        let left = rect.min.x + NAME_WIDTH;
        let width = (rect.width() - NAME_WIDTH - 190.0).max(40.0);
        let bar = |y: f32, cycles: u64, color: Color32| {
            let length = width * (cycles as f64 / longest as f64) as f32;
            let bar = Rect::from_min_size(pos2(left, y), vec2(length.max(1.0), BAR_HEIGHT));
            painter.rect_filled(bar, CornerRadius::same(2), color);
        };
        let color = bound_color(palette, layer.bound_by);
        if let Some(before) = before {
            let color = bound_color(palette, before.bound_by).gamma_multiply(0.45);
            bar(rect.center().y - BAR_HEIGHT, before.cycles, color);
        }
        bar(rect.center().y + 0.5, layer.cycles, color);
    }
}

/// The colour of what bounds a layer: that of the unit that is busiest.
fn bound_color(palette: &Palette, bound_by: &str) -> Color32 {
    match bound_by {
        "compute" => palette.units[crate::frame::MX],
        "bandwidth" => palette.units[1],
        "vector" => palette.units[4],
        _ => palette.weak_text,
    }
}

fn bound_legend_ui(ui: &mut Ui) {
    ui.horizontal(|ui| {
        let palette = Palette::of(ui.visuals());
        ui.weak("Bound by");
        for name in ["compute", "bandwidth", "vector", "control"] {
            super::widgets::legend_entry_ui(ui, bound_color(palette, name), false, name);
        }
    });
}

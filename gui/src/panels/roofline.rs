//! The roofline: compute roofs by precision, DRAM roofs, and a point for the network and for each layer, on logarithmic axes.

use super::still_plot::{explain, still_plot};
use super::widgets::{legend_entry_ui, unless_at_edge};
use crate::format;
use crate::frame::Frame;
use crate::overview::{RooflinePoint, RooflineView};
use crate::theme::Palette;
use crate::view::{Action, View};
use egui::{Align2, Pos2, RichText, Ui};
use egui_plot::{GridMark, Line, LineStyle, PlotPoint, PlotPoints, Points, Text};

/// How near to a point the pointer must be, in points.
const NEAR: f32 = 14.0;

/// Logarithmic bounds of the picture: x and y, each from and to.
struct Bounds {
    x: (f64, f64),
    y: (f64, f64),
}

/// Draws the panel.
pub(crate) fn roofline_ui(ui: &mut Ui, frame: &Frame, view: &View, actions: &mut Vec<Action>) {
    let palette = Palette::of(ui.visuals());
    let roofline = &frame.now.overview.roofline;
    ui.horizontal(|ui| {
        legend_entry_ui(
            ui,
            palette.units[3],
            false,
            "array, by precision (weights x activations)",
        );
        legend_entry_ui(ui, palette.units[1], false, "DRAM");
        legend_entry_ui(ui, palette.units[4], false, "network");
        legend_entry_ui(ui, palette.units[2], false, "layer");
        let ridge = format::macs_per_byte(roofline.ridge_macs_per_byte);
        ui.small(format!("ridge at {ridge} for 8 x 8 bits; one MAC is one operation"));
    });
    if roofline.points.is_empty() {
        ui.weak("No multiply-accumulate has been executed yet.");
        return;
    }
    let current = current_layer(frame, view);
    let named = roofline
        .points
        .iter()
        .find(|point| point.layer_idx == current)
        .or(roofline.points.first());
    if let Some(point) = named {
        ui.label(RichText::new(describe(point)).color(palette.weak_text).small());
    }
    plot_ui(ui, roofline, current, palette, actions);
}

/// The layer under the cursor of the panels along time, else that of the marked instruction.
fn current_layer(frame: &Frame, view: &View) -> Option<usize> {
    let under_cursor = view.cursor.and_then(|cycle| frame.now.overview.layer_at(cycle));
    if let Some(layer) = under_cursor {
        return layer.layer_idx;
    }
    let program = frame.program.as_ref()?;
    program.lines.get(view.selected_pc? as usize)?.layer_idx
}

fn describe(point: &RooflinePoint) -> String {
    let intensity = point
        .macs_per_byte
        .map_or("no DRAM traffic".to_owned(), format::macs_per_byte);
    format!(
        "{}: {intensity}, {}, {} of the roofline",
        point.name,
        format::macs_per_second(point.macs_per_second),
        format::share(point.ratio)
    )
}

/// Whole decades around everything that is drawn.
fn bounds(roofline: &RooflineView) -> Bounds {
    let top = roofline.compute_roofs.last().map_or(1.0, |(_, rate)| *rate);
    let intensities = roofline.points.iter().filter_map(|point| point.macs_per_byte);
    let ridges = roofline.memory_roofs.iter().map(|(_, rate)| top / rate);
    let rates = roofline.points.iter().map(|point| point.macs_per_second);
    let roofs = roofline.compute_roofs.iter().map(|(_, rate)| *rate);
    let (from, to) = decades(intensities.chain(ridges));
    Bounds {
        // Room for the names of the roofs beside the last point.
        x: (from, to + 0.4),
        y: decades(rates.chain(roofs)),
    }
}

fn decades(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let logs = values.filter(|value| *value > 0.0).map(f64::log10);
    let (low, high) = logs.fold((f64::MAX, f64::MIN), |(low, high), log| (low.min(log), high.max(log)));
    if low > high {
        return (0.0, 1.0);
    }
    ((low - 0.3).floor(), (high + 0.3).ceil())
}

/// Decades, and between them 2 to 9 times each.
fn marks((from, to): (f64, f64)) -> Vec<GridMark> {
    let decades = (from.floor() as i64)..=(to.ceil() as i64);
    let of_decade = |decade: i64| {
        (1..10).map(move |digit| GridMark {
            value: decade as f64 + f64::from(digit).log10(),
            step_size: if digit == 1 { 1.0 } else { 0.1 },
        })
    };
    decades.flat_map(of_decade).collect()
}

fn is_decade(mark: GridMark) -> bool {
    mark.step_size >= 1.0
}

fn place(point: &RooflinePoint, bounds: &Bounds) -> [f64; 2] {
    let x = point.macs_per_byte.map_or(bounds.x.1, f64::log10);
    [x.clamp(bounds.x.0, bounds.x.1), point.macs_per_second.max(1.0).log10()]
}

fn plot_ui(ui: &mut Ui, roofline: &RooflineView, current: Option<usize>, palette: &Palette, actions: &mut Vec<Action>) {
    let bounds = bounds(roofline);
    let text_if_decade = |mark: GridMark, text: fn(f64) -> String| {
        if is_decade(mark) {
            text(10_f64.powf(mark.value))
        } else {
            String::new()
        }
    };
    let plot = still_plot("roofline")
        .x_grid_spacer(|_| marks(bounds.x))
        .y_grid_spacer(|_| marks(bounds.y))
        .grid_color(palette.line)
        .x_axis_formatter(|mark, range| unless_at_edge(mark, range, |_| text_if_decade(mark, format::macs_per_byte)))
        .y_axis_formatter(|mark, range| unless_at_edge(mark, range, |_| text_if_decade(mark, format::macs_per_second)));
    let response = plot.show(ui, |plot_ui| {
        plot_ui.set_plot_bounds_x(bounds.x.0..=bounds.x.1);
        plot_ui.set_plot_bounds_y(bounds.y.0..=bounds.y.1);
        add_roofs(plot_ui, roofline, &bounds, palette);
        add_points(plot_ui, roofline, &bounds, current, palette);
    });
    let label = format!("Roofline with {} points", roofline.points.len());
    let near = |pointer: Pos2| {
        let distance = |point: &&RooflinePoint| {
            let [x, y] = place(point, &bounds);
            let at = response.transform.position_from_point(&PlotPoint::new(x, y));
            at.distance(pointer)
        };
        let points = roofline.points.iter().filter(|point| distance(point) <= NEAR);
        points.min_by(|a, b| distance(a).total_cmp(&distance(b)))
    };
    let pointer = explain(&response.response, &label, |pointer| near(pointer).map(describe));
    let clicked = pointer.filter(|_| response.response.clicked()).and_then(near);
    if let Some(layer_idx) = clicked.and_then(|point| point.layer_idx) {
        actions.push(Action::ShowLayer(Some(layer_idx)));
    }
}

fn add_roofs(plot_ui: &mut egui_plot::PlotUi<'_>, roofline: &RooflineView, bounds: &Bounds, palette: &Palette) {
    let top = roofline.compute_roofs.last().map_or(1.0, |(_, rate)| *rate).log10();
    let bandwidth = roofline.memory_roofs.first().map_or(1.0, |(_, rate)| *rate).log10();
    let color = palette.units[3];
    for (name, rate) in &roofline.compute_roofs {
        let (y, start) = (rate.log10(), (rate.log10() - bandwidth).clamp(bounds.x.0, bounds.x.1));
        let points: PlotPoints<'_> = vec![[start, y], [bounds.x.1, y]].into();
        plot_ui.line(
            Line::new(format!("array {name}"), points)
                .color(color)
                .width(2.0)
                .allow_hover(false),
        );
        let label = RichText::new(format!("{name}: {}", format::macs_per_second(*rate)))
            .color(color)
            .small();
        let at = PlotPoint::new(bounds.x.1 - 0.02, y);
        plot_ui.text(Text::new(format!("label {name}"), at, label).anchor(Align2::RIGHT_BOTTOM));
    }
    let color = palette.units[1];
    for (idx, (name, rate)) in roofline.memory_roofs.iter().enumerate() {
        let rate_log = rate.log10();
        let start = bounds.x.0.max(bounds.y.0 - rate_log);
        let end = bounds.x.1.min(top - rate_log);
        let points: PlotPoints<'_> = vec![[start, start + rate_log], [end, end + rate_log]].into();
        let style = if idx == 0 {
            LineStyle::Solid
        } else {
            LineStyle::dashed_dense()
        };
        let line = Line::new(format!("DRAM {name}"), points).color(color).width(2.0);
        plot_ui.line(line.style(style).allow_hover(false));
        let share = if idx == 0 { 0.25 } else { 0.6 };
        let x = start + share * (end - start);
        let text = format!("{name}: {}", format::quantity(format::Quantity::BytesPerSecond(*rate)));
        let anchor = if idx == 0 {
            Align2::RIGHT_BOTTOM
        } else {
            Align2::LEFT_TOP
        };
        let label = RichText::new(text).color(color).small();
        plot_ui.text(Text::new(format!("label DRAM {name}"), PlotPoint::new(x, x + rate_log), label).anchor(anchor));
    }
}

fn add_points(
    plot_ui: &mut egui_plot::PlotUi<'_>,
    roofline: &RooflineView,
    bounds: &Bounds,
    current: Option<usize>,
    palette: &Palette,
) {
    // The network comes first and is drawn last, on top.
    for (idx, point) in roofline.points.iter().enumerate().rev() {
        let is_current = point.layer_idx.is_some() && point.layer_idx == current;
        let (color, radius) = match (idx, is_current) {
            (0, _) => (palette.units[4], 6.0),
            (_, true) => (palette.accent, 7.0),
            (_, false) => (palette.units[2], 4.5),
        };
        let at = place(point, bounds);
        if is_current {
            let halo = Points::new(format!("halo {idx}"), vec![at]).radius(radius + 3.0);
            plot_ui.points(halo.color(palette.accent.gamma_multiply(0.35)).allow_hover(false));
        }
        let dot = Points::new(format!("{idx} {}", point.name), vec![at])
            .radius(radius)
            .color(color);
        plot_ui.points(dot.allow_hover(false));
        if is_current || idx == 0 {
            let label = RichText::new(&point.name).color(palette.text).small();
            // Above the other points, which often lie side by side under one roof.
            let place = PlotPoint::new(at[0], at[1] + 0.05);
            plot_ui.text(Text::new(format!("name {idx}"), place, label).anchor(Align2::CENTER_BOTTOM));
        }
    }
}

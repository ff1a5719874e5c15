//! Bandwidth and power over the timeline's stretch of time. The horizontal axis is the timeline's: both move and zoom together and
//! share the cursor.

use super::still_plot::{explain, still_plot};
use super::timeline_scale::{Scale, navigate};
use super::widgets::{legend_entry_ui, switch_ui, unless_at_edge};
use crate::format::{self, Quantity};
use crate::frame::Frame;
use crate::overview::{N_COMPONENTS, Overview, PORTS, Series};
use crate::theme::{self, Palette};
use crate::view::{Action, PlotChoice, View};
use egui::{Color32, Pos2, Stroke, Ui};
use egui_plot::{FilledArea, HLine, Line, PlotPoints, VLine};

/// One curve: name, colour, and its value in each window.
struct Curve {
    name: String,
    color: Color32,
    values: Vec<f64>,
}

/// What is plotted.
struct Content {
    curves: Vec<Curve>,
    /// Whether each curve stands on the sum of those before it.
    is_stacked: bool,
    /// Horizontal lines: name and height.
    limits: Vec<(String, f64)>,
    /// Writes a value with its unit.
    text: fn(f64) -> String,
}

/// Draws the panel.
pub(crate) fn plots_ui(ui: &mut Ui, frame: &Frame, view: &View, actions: &mut Vec<Action>) {
    let Some(program) = &frame.program else { return };
    let (series, palette) = (&*frame.now.series, Palette::of(ui.visuals()));
    let content = content(
        view.plot,
        series,
        &frame.now.overview,
        program.machine.clock_mhz,
        palette,
    );
    ui.horizontal(|ui| {
        let names = PlotChoice::ALL.map(PlotChoice::name);
        let chosen = PlotChoice::ALL.iter().position(|plot| *plot == view.plot);
        if let Some(idx) = switch_ui(ui, &names, chosen, "Plot") {
            actions.push(Action::SetPlot(PlotChoice::ALL[idx]));
        }
        for curve in &content.curves {
            legend_entry_ui(ui, curve.color, false, &curve.name);
        }
    });
    let readout = readout(
        &content,
        series,
        view.cursor.unwrap_or(frame.now.cycle.saturating_sub(1)),
    );
    ui.label(egui::RichText::new(readout).color(palette.weak_text).small());
    plot_ui(ui, frame, view, &content, actions);
}

fn content(plot: PlotChoice, series: &Series, overview: &Overview, clock_mhz: f64, palette: &Palette) -> Content {
    let windows = 0..series.n_windows();
    match plot {
        PlotChoice::Bandwidth => Content {
            curves: PORTS
                .iter()
                .enumerate()
                .map(|(idx, name)| Curve {
                    name: (*name).to_owned(),
                    color: palette.port(idx),
                    values: windows
                        .clone()
                        .map(|window| series.bytes_per_cycle(idx, window))
                        .collect(),
                })
                .collect(),
            is_stacked: false,
            limits: vec![("DRAM peak".to_owned(), overview.dram_peak_bytes_per_cycle)],
            text: format::bytes_per_cycle,
        },
        PlotChoice::Efficiency => {
            let peak = overview.dram_peak_bytes_per_cycle.max(f64::MIN_POSITIVE);
            let moved = |window| series.bytes_per_cycle(0, window) + series.bytes_per_cycle(1, window);
            Content {
                curves: vec![Curve {
                    name: "DRAM bytes over peak".to_owned(),
                    color: palette.port(0),
                    values: windows.map(|window| moved(window) / peak).collect(),
                }],
                is_stacked: true,
                limits: vec![("peak".to_owned(), 1.0)],
                text: format::share,
            }
        }
        PlotChoice::Power => power(series, overview, clock_mhz, palette),
    }
}

fn power(series: &Series, overview: &Overview, clock_mhz: f64, palette: &Palette) -> Content {
    let watts = |idx: usize, window: usize| series.watts(idx, window, clock_mhz);
    let of_component = |idx: usize| Curve {
        name: overview.components[idx].to_owned(),
        color: palette.component(idx),
        values: (0..series.n_windows()).map(|window| watts(idx, window)).collect(),
    };
    let curves: Vec<Curve> = (0..N_COMPONENTS).map(of_component).collect();
    let total = |window: usize| curves.iter().map(|curve| curve.values[window]).sum::<f64>();
    let length = |window: usize| {
        let (start, end) = series.windows.cycles(window);
        end.saturating_sub(start) as f64
    };
    let windows = 0..series.n_windows();
    let cycles: f64 = windows.clone().map(length).sum();
    let average = windows
        .clone()
        .map(|window| total(window) * length(window))
        .sum::<f64>()
        / cycles.max(1.0);
    let peak = windows.map(total).fold(0.0, f64::max);
    Content {
        curves,
        is_stacked: true,
        limits: vec![("average".to_owned(), average), ("peak".to_owned(), peak)],
        text: |watts| format::quantity(Quantity::Watts(watts)),
    }
}

/// The values at a cycle in one line, which is also what a screen reader gets.
fn readout(content: &Content, series: &Series, cycle: u64) -> String {
    let Some(window) = series.window_at(cycle) else {
        return "Move the pointer over the plot to read values.".to_owned();
    };
    let (start, end) = series.windows.cycles(window);
    let mut parts = vec![format!("cycles {} to {}", format::grouped(start), format::grouped(end))];
    let values = content.curves.iter().map(|curve| (&curve.name, curve.values[window]));
    if content.is_stacked && content.curves.len() > 1 {
        let total: f64 = content.curves.iter().map(|curve| curve.values[window]).sum();
        parts.push(format!("total {}", (content.text)(total)));
    }
    parts.extend(values.map(|(name, value)| format!("{name} {}", (content.text)(value))));
    parts.extend(
        content
            .limits
            .iter()
            .map(|(name, value)| format!("{name} {}", (content.text)(*value))),
    );
    parts.join("   ")
}

fn plot_ui(ui: &mut Ui, frame: &Frame, view: &View, content: &Content, actions: &mut Vec<Action>) {
    let (start, end) = view.timeline.window(frame.now.cycle);
    let palette = Palette::of(ui.visuals());
    let series = &*frame.now.series;
    let highest = content
        .limits
        .iter()
        .map(|(_, value)| *value)
        .fold(highest(content), f64::max);
    let text = content.text;
    let plot = still_plot(("along time", view.plot as u8))
        .y_axis_min_width(theme::LANE_LABEL_WIDTH)
        .grid_color(palette.line)
        .x_axis_formatter(|mark, range| unless_at_edge(mark, range, |value| format::grouped(value.max(0.0) as u64)))
        .y_axis_formatter(move |mark, range| unless_at_edge(mark, range, text));
    let response = plot.show(ui, |plot_ui| {
        plot_ui.set_plot_bounds_x(start as f64..=end as f64);
        plot_ui.set_plot_bounds_y(0.0..=highest.max(1e-9) * 1.08);
        add_curves(plot_ui, content, series);
        for (name, value) in &content.limits {
            let line = HLine::new(name.clone(), *value).color(palette.weak_text).width(1.0);
            plot_ui.hline(line.style(egui_plot::LineStyle::dashed_loose()));
        }
        if let Some(cursor) = view.cursor {
            plot_ui.vline(VLine::new("cursor", cursor as f64).stroke(Stroke::new(1.0, palette.weak_text)));
        }
        plot_ui.vline(VLine::new("now", frame.now.cycle as f64).stroke(Stroke::new(1.5, palette.accent)));
    });
    let scale = Scale {
        x: response.transform.frame().x_range(),
        start,
        end,
    };
    let label = format!(
        "{} over cycles {} to {}",
        view.plot.name(),
        format::grouped(start),
        format::grouped(end)
    );
    let response = &response.response;
    let text = |pointer: Pos2| Some(readout(content, series, scale.cycle(pointer.x)).replace("   ", "\n"));
    let pointer = explain(response, &label, text);
    navigate(ui, response, &scale, actions);
    if let Some(pointer) = pointer {
        let cycle = scale.cycle(pointer.x);
        actions.push(Action::SetCursor(cycle));
        if response.double_clicked() {
            actions.push(Action::GoTo(cycle));
        }
    }
}

fn highest(content: &Content) -> f64 {
    let n_windows = content.curves.first().map_or(0, |curve| curve.values.len());
    let at = |window: usize| {
        let values = content.curves.iter().map(|curve| curve.values[window]);
        if content.is_stacked {
            values.sum()
        } else {
            values.fold(0.0, f64::max)
        }
    };
    (0..n_windows).map(at).fold(0.0, f64::max)
}

/// Steps: two points per window, and windows are no narrower than a pixel.
fn add_curves(plot_ui: &mut egui_plot::PlotUi<'_>, content: &Content, series: &Series) {
    let edges: Vec<(f64, f64)> = (0..series.n_windows())
        .map(|window| series.windows.cycles(window))
        .map(|(start, end)| (start as f64, end as f64))
        .collect();
    let xs: Vec<f64> = edges.iter().flat_map(|(start, end)| [*start, *end]).collect();
    let mut below = vec![0.0; xs.len()];
    for curve in &content.curves {
        let values = curve.values.iter().flat_map(|value| [*value, *value]);
        if content.is_stacked {
            let above: Vec<f64> = below.iter().zip(values).map(|(sum, value)| sum + value).collect();
            let area = FilledArea::new(curve.name.clone(), &xs, &below, &above);
            plot_ui.add(area.fill_color(curve.color.gamma_multiply(0.75)).allow_hover(false));
            below = above;
        } else {
            let points: PlotPoints<'_> = xs.iter().copied().zip(values).map(|(x, y)| [x, y]).collect();
            let line = Line::new(curve.name.clone(), points).color(curve.color).width(1.5);
            // A band between the points of neighbouring steps is not what they mean.
            plot_ui.line(line.allow_hover(false).allow_band(false));
        }
    }
}

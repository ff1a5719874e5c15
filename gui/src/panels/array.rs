//! The PE array panel: what every processing element holds and does, as a grid of cells.

use super::array_detail::pe_detail_ui;
use super::array_grid::{ArrayTexture, CellStyle, Grid, magnitude};
use super::widgets::{legend_entry_ui, switch_ui};
use crate::format::{self, Radix};
use crate::frame::{ArrayState, Frame, PeCell, PeState};
use crate::look::{ArrayZoom, LookAction};
use crate::theme::{self, Palette};
use crate::view::{Action, ArrayValue, View};
use egui::{Align, Label, Layout, Rect, Response, RichText, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, vec2};

/// Width of the column with a PE's details, in points.
const DETAIL_WIDTH: f32 = 290.0;

/// Height of the legend below the grid, in points.
const LEGEND_HEIGHT: f32 = 20.0;

/// Draws the panel.
pub(crate) fn array_ui(ui: &mut Ui, frame: &Frame, view: &View, texture: &mut ArrayTexture, actions: &mut Vec<Action>) {
    let array = &frame.now.array;
    header_ui(ui, array, view, actions);
    let whole = ui.available_rect_before_wrap();
    let mut area = Rect::from_min_max(whole.min, whole.max - vec2(0.0, LEGEND_HEIGHT + theme::GAP));
    if let Some(pe) = &frame.now.close_up.pe
        && view.selected_pe == Some((pe.row_idx, pe.col_idx))
        && area.width() > 2.0 * DETAIL_WIDTH
    {
        let detail = area.with_min_x(area.max.x - DETAIL_WIDTH);
        area.max.x -= DETAIL_WIDTH + theme::GAP;
        pe_detail_ui(ui, detail, pe, view.look.radix, actions);
    }
    let Some(grid) = Grid::fit(area, array, view.look.zoom) else {
        ui.weak("The array has no room here.");
        return;
    };
    ask_for_sums(&grid, view, actions);
    let response = ui.interact(grid.clip, ui.scope_id().with("pe-array"), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, describe(array)));
    let palette = Palette::of(ui.visuals());
    grid.paint_rulers(ui.painter(), palette);
    let style = CellStyle {
        value: view.array_value,
        radix: view.look.radix,
    };
    grid.paint_cells(ui, array, style, texture, frame.sequence);
    if let Some((row_idx, col_idx)) = view.selected_pe.filter(|&(row, col)| array.cell(row, col).is_some()) {
        outline_cell(ui, &grid, (row_idx, col_idx), 2.0);
    }
    move_grid(ui, &grid, &response, view, actions);
    interact(ui, &grid, &response, array, view, actions);
    ui.advance_cursor_after_rect(area);
    ui.add_space(theme::GAP);
    legend_ui(ui, array, view);
}

/// Partial sums are formed for the cells that show them.
fn ask_for_sums(grid: &Grid, view: &View, actions: &mut Vec<Action>) {
    let sums = match grid.has_numbers() || view.array_value == ArrayValue::PartialSum {
        true => grid.visible(),
        false => (0..0, 0..0),
    };
    if sums != view.look.sums {
        actions.push(Action::Look(LookAction::SetSums(sums)));
    }
}

/// Wheel and pinch enlarge, dragging moves.
fn move_grid(ui: &Ui, grid: &Grid, response: &Response, view: &View, actions: &mut Vec<Action>) {
    let zoom = view.look.zoom;
    if let Some(pos) = response.hover_pos() {
        let (scroll, pinch) = ui.input(|input| (input.smooth_scroll_delta().y, input.zoom_delta()));
        let factor = pinch * (scroll / 240.0).exp();
        if factor != 1.0 {
            actions.push(Action::Look(LookAction::SetZoom(grid.zoomed(zoom, factor, pos))));
        }
    }
    if response.dragged() && zoom.level > 1.0 {
        let center = grid.clip.center() - response.drag_delta();
        actions.push(Action::Look(LookAction::SetZoom(grid.centered(zoom.level, center))));
    }
}

fn describe(array: &ArrayState) -> String {
    let n_active = array.n_computing();
    format!(
        "PE array, {} rows by {} columns, {n_active} computing",
        array.n_rows, array.n_cols
    )
}

fn header_ui(ui: &mut Ui, array: &ArrayState, view: &View, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        let names = ArrayValue::ALL.map(ArrayValue::name);
        let chosen = ArrayValue::ALL.iter().position(|value| *value == view.array_value);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            zoom_buttons_ui(ui, view, actions);
            let radices = Radix::ALL.map(Radix::name);
            let radix = Radix::ALL.iter().position(|radix| *radix == view.look.radix);
            if let Some(idx) = switch_ui(ui, &radices, radix, "Numbers") {
                actions.push(Action::Look(LookAction::SetRadix(Radix::ALL[idx])));
            }
            ui.separator();
            if let Some(idx) = switch_ui(ui, &names, chosen, "Array shows") {
                actions.push(Action::SetArrayValue(ArrayValue::ALL[idx]));
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(Label::new(&array.caption).truncate());
            });
        });
    });
}

/// Buttons that enlarge the middle, and one that shows everything again.
fn zoom_buttons_ui(ui: &mut Ui, view: &View, actions: &mut Vec<Action>) {
    let zoom = view.look.zoom;
    let buttons = [
        ("fit", "Show the whole array", ArrayZoom::default()),
        (
            "+",
            "Enlarge the array",
            ArrayZoom {
                level: zoom.level * 1.5,
                ..zoom
            },
        ),
        (
            "-",
            "Shrink the array",
            ArrayZoom {
                level: (zoom.level / 1.5).max(1.0),
                ..zoom
            },
        ),
    ];
    for (caption, label, zoom) in buttons {
        let response = ui.small_button(caption).accessible_name(label).on_hover_text(label);
        if response.clicked() {
            actions.push(Action::Look(LookAction::SetZoom(zoom)));
        }
    }
}

fn interact(ui: &Ui, grid: &Grid, response: &Response, array: &ArrayState, view: &View, actions: &mut Vec<Action>) {
    let Some(hovered) = response.hover_pos().and_then(|pos| grid.cell_at(pos)) else {
        return;
    };
    outline_cell(ui, grid, hovered, 1.0);
    if let Some(cell) = array.cell(hovered.0, hovered.1) {
        response
            .clone()
            .on_hover_ui_at_pointer(|ui| cell_tooltip_ui(ui, hovered, cell));
    }
    if response.clicked() {
        let selected = if view.selected_pe == Some(hovered) {
            None
        } else {
            Some(hovered)
        };
        actions.push(Action::SelectPe(selected));
    }
}

fn outline_cell(ui: &Ui, grid: &Grid, (row_idx, col_idx): (usize, usize), width: f32) {
    let palette = Palette::of(ui.visuals());
    let rect = grid.cell_rect(row_idx, col_idx).expand(1.0);
    ui.painter_at(grid.clip.expand(2.0)).rect_stroke(
        rect,
        3.0,
        Stroke::new(width + 0.5, palette.accent),
        StrokeKind::Outside,
    );
}

fn cell_tooltip_ui(ui: &mut Ui, (row_idx, col_idx): (usize, usize), cell: &PeCell) {
    ui.strong(format!("PE row {row_idx}, column {col_idx}: {}", cell.state.name()));
    egui::Grid::new("pe-tooltip")
        .num_columns(2)
        .spacing([16.0, 2.0])
        .show(ui, |ui| {
            for (name, value) in values(cell) {
                ui.weak(name);
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| ui.monospace(value));
                ui.end_row();
            }
        });
}

/// Names and values of what a PE holds.
fn values(cell: &PeCell) -> Vec<(&'static str, String)> {
    let row = cell.activation_row.map(|row| ("activation row", format::grouped(row)));
    let numbers = [
        ("weight", cell.weight.map(i64::from)),
        ("next weight", cell.next_weight.map(i64::from)),
        ("activation", cell.activation.map(i64::from)),
        ("partial sum", cell.partial_sum),
    ];
    let numbers = numbers
        .into_iter()
        .filter_map(|(name, value)| Some((name, format::signed(value?))));
    numbers.chain(row).collect()
}

fn legend_ui(ui: &mut Ui, array: &ArrayState, view: &View) {
    let palette = Palette::of(ui.visuals());
    ui.allocate_ui_with_layout(
        vec2(ui.available_width(), LEGEND_HEIGHT),
        Layout::left_to_right(Align::Center),
        |ui| {
            match view.array_value {
                ArrayValue::State => {
                    for state in PeState::ALL {
                        let text = format!("{} {}", format::grouped(array.count(state) as u64), state.name());
                        legend_entry_ui(ui, palette.pe_state(state), false, &text);
                    }
                }
                value => value_legend_ui(ui, magnitude(array, value)),
            }
            let selected = view
                .selected_pe
                .and_then(|(row, col)| Some((row, col, array.cell(row, col)?)));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| match selected {
                Some((row_idx, col_idx, cell)) => {
                    let values: Vec<String> = values(cell)
                        .iter()
                        .map(|(name, value)| format!("{name} {value}"))
                        .collect();
                    let text = format!("PE ({row_idx}, {col_idx}) {}: {}", cell.state.name(), values.join(", "));
                    ui.add(Label::new(RichText::new(text).small()).truncate())
                }
                None => {
                    let text = RichText::new("activations flow right, partial sums flow down");
                    ui.add(Label::new(text.small().weak()).truncate())
                }
            });
        },
    );
}

/// A colour scale from `-magnitude` to `magnitude`.
fn value_legend_ui(ui: &mut Ui, magnitude: u64) {
    const STEPS: i64 = 32;
    let palette = Palette::of(ui.visuals());
    ui.small(format!("-{}", format::grouped(magnitude)));
    let (rect, _) = ui.allocate_exact_size(vec2(140.0, 10.0), Sense::hover());
    let width = rect.width() / (2 * STEPS + 1) as f32;
    for step in -STEPS..=STEPS {
        let min = rect.min + vec2((step + STEPS) as f32 * width, 0.0);
        let piece = Rect::from_min_size(min, vec2(width + 0.5, rect.height()));
        ui.painter().rect_filled(piece, 0.0, palette.value(step, STEPS as u64));
    }
    ui.small(format::grouped(magnitude));
}

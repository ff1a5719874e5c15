//! The counters panel: how busy each unit was so far, and the machine's counters by group.

use super::widgets::{UNIT_TAG_WIDTH, paint_unit_tag};
use crate::format;
use crate::frame::{Frame, N_UNITS, UNIT_NAMES, UnitState};
use crate::theme::{self, Palette};
use egui::{Align2, CornerRadius, Rect, Role, ScrollArea, Sense, Ui, WidgetInfo, pos2, vec2};

/// Height of a counter's row, in points.
const COUNTER_HEIGHT: f32 = 19.0;

/// Height of a unit's bar, in points.
const BAR_HEIGHT: f32 = 12.0;

/// Draws the panel.
pub(crate) fn counters_ui(ui: &mut Ui, frame: &Frame) {
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for unit_idx in 0..N_UNITS {
            utilization_ui(ui, unit_idx, &frame.now.units[unit_idx], frame.now.cycle);
        }
        let mut group = "";
        for counter in frame.now.counters.iter() {
            if counter.group != group {
                group = counter.group;
                ui.add_space(theme::GAP);
                ui.weak(group);
                ui.separator();
            }
            counter_ui(ui, &counter.name, &format::quantity(counter.value));
        }
    });
}

fn utilization_ui(ui: &mut Ui, unit_idx: usize, unit: &UnitState, cycle: u64) {
    const NUMBER_WIDTH: f32 = 62.0;
    let palette = Palette::of(ui.visuals());
    let share = |cycles: u64| if cycle == 0 { 0.0 } else { cycles as f64 / cycle as f64 };
    let (busy, stalled) = (share(unit.busy_cycles), share(unit.stall_cycles));
    let size = vec2(ui.available_width(), COUNTER_HEIGHT + 3.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    let text = format!(
        "{}: busy {}, stalled {}",
        UNIT_NAMES[unit_idx],
        format::share(busy),
        format::share(stalled)
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &text));
    let painter = ui.painter();
    paint_unit_tag(painter, rect.left_center(), unit_idx, palette);
    let left = rect.min.x + UNIT_TAG_WIDTH + theme::GAP;
    let bar = Rect::from_x_y_ranges(
        left..=rect.max.x - NUMBER_WIDTH,
        rect.center().y - BAR_HEIGHT / 2.0..=rect.center().y + BAR_HEIGHT / 2.0,
    );
    let radius = CornerRadius::same(3);
    painter.rect_filled(bar, radius, palette.raised);
    let busy_x = bar.min.x + bar.width() * busy as f32;
    let stalled_x = busy_x + bar.width() * stalled as f32;
    painter.rect_filled(bar.with_max_x(busy_x), radius, palette.units[unit_idx]);
    let low = Rect::from_x_y_ranges(busy_x..=stalled_x, bar.max.y - BAR_HEIGHT * 0.4..=bar.max.y);
    painter.rect_filled(low, CornerRadius::ZERO, palette.stalls[0]);
    let at = pos2(rect.max.x, rect.center().y);
    painter.text(
        at,
        Align2::RIGHT_CENTER,
        format::share(busy),
        theme::mono(12.0),
        palette.text,
    );
    response.on_hover_ui(|ui| {
        ui.label(text.clone());
        ui.weak(format!(
            "{} of {}",
            format::cycles(unit.busy_cycles),
            format::cycles(cycle)
        ));
        ui.weak(format!(
            "{} waiting",
            format::counted(unit.n_queued as u64, "instruction")
        ));
    });
}

fn counter_ui(ui: &mut Ui, name: &str, value: &str) {
    let palette = Palette::of(ui.visuals());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), COUNTER_HEIGHT), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("{name}: {value}")));
    let painter = ui.painter();
    let body = egui::TextStyle::Body.resolve(ui.style());
    painter.text(rect.left_center(), Align2::LEFT_CENTER, name, body, palette.text);
    painter.text(
        rect.right_center(),
        Align2::RIGHT_CENTER,
        value,
        theme::mono(12.0),
        palette.text,
    );
}

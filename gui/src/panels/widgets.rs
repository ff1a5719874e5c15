//! Small painted widgets that several panels share. Each carries an accessible label.

use crate::command::{Command, Icon};
use crate::frame::{Frame, UNIT_NAMES};
use crate::icons::paint_icon;
use crate::theme::{self, Palette};
use egui::{
    Align2, Color32, CornerRadius, FontId, Painter, Pos2, Rect, Response, Role, Sense, Stroke, StrokeKind, TextStyle,
    Ui, Vec2, WidgetInfo, pos2, vec2,
};
use egui_plot::GridMark;
use std::ops::RangeInclusive;

/// A button for a command of the table: symbol, caption, tooltip with help and keys. Returns whether it was clicked.
pub(crate) fn command_button_ui(ui: &mut Ui, command: Command, frame: &Frame) -> bool {
    let info = command.info();
    let (icon, caption) = info
        .button
        .map_or((None, info.label), |(icon, caption)| (Some(icon), caption));
    let is_enabled = command.is_enabled(frame);
    let response = ui
        .add_enabled_ui(is_enabled, |ui| {
            icon_button_ui(ui, icon, caption, info.label, command == Command::Run)
        })
        .inner;
    let keys: Vec<String> = info
        .shortcuts
        .iter()
        .map(|shortcut| ui.ctx().format_shortcut(shortcut))
        .collect();
    let tooltip = |ui: &mut Ui| {
        ui.horizontal(|ui| {
            ui.strong(info.label);
            ui.weak(keys.join("  or  "));
        });
        ui.label(info.help);
    };
    let response = response.on_hover_ui(tooltip).on_disabled_hover_ui(tooltip);
    response.clicked()
}

/// A button with a painted symbol and a short caption, either of which may be missing.
fn icon_button_ui(ui: &mut Ui, icon: Option<Icon>, caption: &str, label: &str, is_primary: bool) -> Response {
    const ICON: f32 = 14.0;
    const PADDING: f32 = 9.0;
    let palette = Palette::of(ui.visuals());
    let font = TextStyle::Button.resolve(ui.style());
    let text = ui.painter().layout_no_wrap(caption.to_owned(), font, palette.text);
    let icon_width = if icon.is_some() { ICON } else { 0.0 };
    let between = if icon.is_some() && !caption.is_empty() {
        6.0
    } else {
        0.0
    };
    let width = PADDING * 2.0 + icon_width + between + text.size().x;
    let (rect, response) = ui.allocate_exact_size(vec2(width, theme::BUTTON_HEIGHT), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, ui.is_enabled(), label));
    if ui.is_rect_visible(rect) {
        let visuals = ui.style().interact(&response);
        let is_accented = is_primary && ui.is_enabled();
        let fill = match (is_accented, response.hovered()) {
            (true, false) => palette.accent,
            (true, true) => palette.accent.lerp_to_gamma(palette.text, 0.15),
            (false, _) => visuals.weak_bg_fill,
        };
        let ink = if is_accented {
            palette.on_accent
        } else {
            visuals.text_color()
        };
        let outline = if response.has_focus() {
            Stroke::new(1.5, palette.text)
        } else {
            visuals.bg_stroke
        };
        ui.painter().rect(
            rect,
            CornerRadius::same(theme::RADIUS + 1),
            fill,
            outline,
            StrokeKind::Inside,
        );
        let icon_rect = Rect::from_min_size(
            pos2(rect.min.x + PADDING, rect.center().y - ICON / 2.0),
            Vec2::splat(ICON),
        );
        if let Some(icon) = icon {
            paint_icon(ui.painter(), icon_rect, icon, ink);
        }
        let text_x = rect.min.x + PADDING + icon_width + between;
        let text_pos = pos2(text_x, rect.center().y - text.size().y / 2.0);
        ui.painter().galley_with_override_text_color(text_pos, text, ink);
    }
    response
}

/// Paints a unit's name on its colour; returns the painted rectangle.
pub(crate) fn paint_unit_tag(painter: &Painter, left_center: Pos2, unit_idx: usize, palette: &Palette) -> Rect {
    let fill = palette.units[unit_idx];
    let rect = Rect::from_min_size(left_center - vec2(0.0, 7.5), vec2(UNIT_TAG_WIDTH, 15.0));
    painter.rect_filled(rect, CornerRadius::same(3), fill);
    painter.text(
        rect.center(),
        Align2::CENTER_CENTER,
        UNIT_NAMES[unit_idx],
        theme::mono(10.0),
        palette.ink_on(fill),
    );
    rect
}

/// Width of a unit's tag, in points.
pub(crate) const UNIT_TAG_WIDTH: f32 = 26.0;

/// Side of the square in a legend, in points.
const LEGEND_SWATCH: f32 = 10.0;

/// A small filled square and a word: one entry of a legend. Left out where its line has no room for it: hovering tells the rest.
pub(crate) fn legend_entry_ui(ui: &mut Ui, color: Color32, is_low: bool, text: &str) {
    let font = TextStyle::Small.resolve(ui.style());
    let width = ui.painter().layout_no_wrap(text.to_owned(), font, color).size().x;
    if ui.available_width() < width + LEGEND_SWATCH + 5.0 {
        return;
    }
    ui.spacing_mut().item_spacing.x = 5.0;
    let (rect, _) = ui.allocate_exact_size(Vec2::splat(LEGEND_SWATCH), Sense::hover());
    let swatch = if is_low { rect.with_min_y(rect.center().y) } else { rect };
    ui.painter().rect_filled(swatch, CornerRadius::same(2), color);
    ui.small(text);
    ui.add_space(6.0);
}

/// A switch between a few named values, as a row of selectable labels in the layout's direction; returns the newly chosen
/// index. In a layout from right to left the names still read from left to right.
pub(crate) fn switch_ui(ui: &mut Ui, names: &[&str], chosen_idx: Option<usize>, what: &str) -> Option<usize> {
    let mut clicked = None;
    let mut order: Vec<usize> = (0..names.len()).collect();
    if ui.layout().prefer_right_to_left() {
        order.reverse();
    }
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        ui.spacing_mut().button_padding = vec2(7.0, 2.0);
        for idx in order {
            let response = ui.selectable_label(chosen_idx == Some(idx), names[idx]);
            if response.accessible_name(format!("{what}: {}", names[idx])).clicked() {
                clicked = Some(idx);
            }
        }
    });
    clicked
}

/// Writes `text` at most `max_width` wide, cut off with dots, vertically centred at `left_center`.
pub(crate) fn paint_clipped_text(
    painter: &Painter,
    left_center: Pos2,
    max_width: f32,
    text: &str,
    font: FontId,
    color: Color32,
) {
    let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), font, color);
    job.wrap = egui::text::TextWrapping::truncate_at_width(max_width.max(0.0));
    let galley = painter.layout_job(job);
    painter.galley(left_center - vec2(0.0, galley.size().y / 2.0), galley, color);
}

/// The text of an axis mark; none beside the ends of the axis, where it would run into the other axis or out of the panel.
pub(crate) fn unless_at_edge(mark: GridMark, range: &RangeInclusive<f64>, text: impl FnOnce(f64) -> String) -> String {
    let (from, to) = (*range.start(), *range.end());
    let margin = (to - from) * 0.02;
    if (from + margin..=to - margin).contains(&mark.value) {
        text(mark.value)
    } else {
        String::new()
    }
}

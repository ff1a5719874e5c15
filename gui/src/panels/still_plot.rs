//! Plots whose bounds the panel sets: they have no zoom and no drag of their own, a name, and a text beside the pointer.

use egui::{Pos2, Response, Role, WidgetInfo};
use egui_plot::Plot;

/// A plot that stands still.
pub(crate) fn still_plot<'a>(id_salt: impl std::hash::Hash + std::fmt::Debug) -> Plot<'a> {
    Plot::new(id_salt)
        .allow_zoom(false)
        .allow_drag(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .show_crosshair(false)
        .label_formatter(|_| None)
}

/// Names a plot and shows what `text_at` says about the place under the pointer; returns that place.
pub(crate) fn explain(response: &Response, label: &str, text_at: impl FnOnce(Pos2) -> Option<String>) -> Option<Pos2> {
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, label));
    let pointer = response.hover_pos()?;
    if let Some(text) = text_at(pointer) {
        response.clone().on_hover_text_at_pointer(text);
    }
    Some(pointer)
}

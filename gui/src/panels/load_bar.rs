//! What is being opened and how far that is, above the panels; and the hint while a file is held over the window.

use crate::frame::Loading;
use crate::theme::{self, Palette};
use crate::view::Action;
use egui::{Align, Align2, Area, CornerRadius, Id, Layout, Margin, Order, ProgressBar, RichText, Ui};

/// Draws what is being opened, with a button that stops it.
pub(crate) fn load_bar_ui(ui: &mut Ui, loading: &Loading, actions: &mut Vec<Action>) {
    let palette = Palette::of(ui.visuals());
    let frame = egui::Frame::new()
        .fill(palette.raised)
        .corner_radius(CornerRadius::same(theme::RADIUS))
        .inner_margin(Margin::symmetric(10, 6));
    frame.show(ui, |ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if ui.button("Cancel loading").clicked() {
                actions.push(Action::CancelLoad);
            }
            let bar = ProgressBar::new(loading.stage.share)
                .desired_width(180.0)
                .show_percentage();
            ui.add(bar).accessible_name("Progress of loading");
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let text = format!("Opening {}: {}", loading.name, loading.stage.name);
                ui.add(egui::Label::new(RichText::new(text).color(palette.text)).truncate());
            });
        });
    });
}

/// Draws what happens when the file that is held over the window is let go, if there is one.
pub(crate) fn drop_hint_ui(ui: &Ui) {
    let n_files = ui.ctx().input(|input| input.raw.hovered_files.len());
    if n_files == 0 {
        return;
    }
    let palette = Palette::of(ui.visuals());
    Area::new(Id::unique("drop-hint"))
        .order(Order::Foreground)
        .anchor(Align2::CENTER_CENTER, egui::Vec2::ZERO)
        .interactable(false)
        .show(ui.ctx(), |ui| {
            egui::Frame::new()
                .fill(palette.accent)
                .corner_radius(CornerRadius::same(theme::RADIUS))
                .inner_margin(Margin::symmetric(24, 16))
                .show(ui, |ui| {
                    let text = "Drop a program, a model or a machine description to open it";
                    ui.label(RichText::new(text).color(palette.on_accent).size(16.0));
                });
        });
}

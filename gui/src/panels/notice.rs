//! A message to the user above the panels, until it is dismissed.

use crate::theme::{self, Palette};
use crate::view::Action;
use egui::{Align, CornerRadius, Layout, Margin, RichText, Ui};

/// Draws the message.
pub(crate) fn notice_ui(ui: &mut Ui, text: &str, actions: &mut Vec<Action>) {
    let palette = Palette::of(ui.visuals());
    let frame = egui::Frame::new()
        .fill(palette.error.gamma_multiply(0.14))
        .corner_radius(CornerRadius::same(theme::RADIUS))
        .inner_margin(Margin::symmetric(10, 6));
    frame.show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if ui.button("Dismiss").clicked() {
                    actions.push(Action::DismissNotice);
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add(egui::Label::new(RichText::new(text).color(palette.text)).wrap());
                });
            });
        });
    });
}

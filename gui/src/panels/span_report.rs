//! What is known of the selected span, beside the lanes: for a stall who it waits for, since when, and what it has cost.

use crate::overview::{Fact, SpanReport};
use crate::theme::Palette;
use crate::view::Action;
use egui::{Align, Grid, Label, Layout, RichText, ScrollArea, Ui};

/// Draws the report.
pub(crate) fn span_report_ui(ui: &mut Ui, report: &SpanReport, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        ui.strong(&report.title);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let close = ui.small_button("Close").accessible_name("Close explanation");
            if close.clicked() {
                actions.push(Action::SelectSpan(None));
            }
            let zoom = ui.small_button("Zoom").accessible_name("Zoom to span");
            if zoom.on_hover_text("Show this span and a little around it.").clicked() {
                actions.push(Action::ShowCycles(report.span.start, report.span.end));
            }
        });
    });
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        Grid::new("span facts")
            .num_columns(2)
            .spacing([10.0, 2.0])
            .min_row_height(16.0)
            .show(ui, |ui| {
                for fact in &report.facts {
                    ui.weak(fact.label);
                    fact_ui(ui, fact, actions);
                    ui.end_row();
                }
            });
    });
}

/// A fact; one that leads somewhere is a link.
fn fact_ui(ui: &mut Ui, fact: &Fact, actions: &mut Vec<Action>) {
    let palette = Palette::of(ui.visuals());
    if fact.pc.is_none() && fact.cycle.is_none() {
        ui.add(Label::new(&fact.text).wrap());
        return;
    }
    let link = ui.add(egui::Link::new(RichText::new(&fact.text).color(palette.accent)));
    let help = match (fact.pc, fact.cycle) {
        (Some(_), Some(_)) => "Click to show the instruction and the cycle.",
        (Some(_), None) => "Click to show the instruction.",
        _ => "Click to show the cycle.",
    };
    if link.on_hover_text(help).clicked() {
        if fact.pc.is_some() {
            actions.push(Action::SelectInstruction(fact.pc));
        }
        if let Some(cycle) = fact.cycle {
            actions.push(Action::CenterOn(cycle));
        }
    }
}

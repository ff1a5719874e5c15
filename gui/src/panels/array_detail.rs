//! One PE in full: what it holds, where that comes from, its sum against the integer reference, and its last cycles.

use super::panes::Pane;
use crate::format::{self, Radix};
use crate::inspect::{MemorySpace, Operand, PeCloseUp, PeMoment, Sum};
use crate::look::LookAction;
use crate::theme::Palette;
use crate::view::Action;
use egui::{Align, Layout, Rect, RichText, ScrollArea, Ui, UiBuilder};

/// Draws the column into `rect`.
pub(crate) fn pe_detail_ui(ui: &mut Ui, rect: Rect, pe: &PeCloseUp, radix: Radix, actions: &mut Vec<Action>) {
    let mut ui = ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::top_down(Align::Min)));
    let ui = &mut ui;
    ui.horizontal(|ui| {
        ui.strong(format!("PE ({}, {})", pe.row_idx, pe.col_idx));
        if let Some(now) = pe.history.last() {
            ui.weak(now.state.name());
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let response = ui.small_button("x").accessible_name("Close PE details");
            if response.clicked() {
                actions.push(Action::SelectPe(None));
            }
        });
    });
    ScrollArea::vertical()
        .id_salt("pe-detail")
        .auto_shrink(false)
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 3.0;
            sum_ui(ui, pe.sum.as_ref(), radix, actions);
            operands_ui(ui, "Stays in the PE", &pe.weights, radix, actions);
            operands_ui(ui, "Moves through", &pe.activations, radix, actions);
            history_ui(ui, &pe.history, radix, actions);
        });
}

fn heading_ui(ui: &mut Ui, text: &str) {
    ui.add_space(6.0);
    ui.weak(RichText::new(text).small());
}

fn sum_ui(ui: &mut Ui, sum: Option<&Sum>, radix: Radix, actions: &mut Vec<Action>) {
    let Some(sum) = sum else { return };
    heading_ui(ui, "Partial sum");
    let palette = Palette::of(ui.visuals());
    let number = |value: Option<i64>| value.map_or_else(|| "-".to_owned(), |value| format::in_radix(value, radix));
    ui.monospace(format!("PE holds {}", number(sum.actual)));
    match (sum.expected, sum.actual) {
        (Some(expected), Some(actual)) if expected == actual => {
            ui.monospace(format!("expected {}: agrees", number(sum.expected)));
        }
        (Some(_), Some(_)) => {
            let text = format!("expected {}: differs", number(sum.expected));
            ui.label(RichText::new(text).monospace().color(palette.error));
        }
        (None, _) => {
            ui.weak("Operands pass in parts; the parts are joined below the column.");
        }
        (Some(_), None) => {}
    }
    ui.small(format!(
        "{} for row {}, column {} of the result",
        format::counted(sum.n_terms, "product"),
        sum.row,
        sum.column
    ));
    ui.horizontal(|ui| {
        place_ui(ui, MemorySpace::Acc, sum.address, actions);
        instruction_ui(ui, sum.pc, actions);
    });
}

fn operands_ui(ui: &mut Ui, title: &str, operands: &[Operand], radix: Radix, actions: &mut Vec<Action>) {
    if operands.is_empty() {
        return;
    }
    heading_ui(ui, title);
    for operand in operands {
        let value = operand
            .value
            .map_or_else(|| "-".to_owned(), |value| format::in_radix(value.into(), radix));
        let tensor = operand.tensor.as_deref().unwrap_or("unnamed");
        ui.horizontal(|ui| {
            ui.monospace(RichText::new(value).strong());
            ui.add(egui::Label::new(RichText::new(tensor).small()).truncate());
        });
        ui.horizontal(|ui| {
            ui.small(format!(
                "row {}, column {}, {}",
                operand.row, operand.column, operand.format
            ));
            match operand.address {
                Some(address) => place_ui(ui, operand.space, address, actions),
                None => {
                    ui.weak("padding");
                }
            }
        });
    }
    // All values of a pack come by one instruction.
    if let Some(operand) = operands.first() {
        instruction_ui(ui, operand.pc, actions);
    }
}

/// A place in memory that a click shows in the memory panel.
fn place_ui(ui: &mut Ui, space: MemorySpace, address: u64, actions: &mut Vec<Action>) {
    let text = format!("{} {}", space.name(), format::address(address));
    if ui.link(RichText::new(text).small().monospace()).clicked() {
        actions.push(Action::Look(LookAction::GoToByte(space, address)));
        actions.push(Action::ShowPane(Pane::Memory, true));
    }
}

fn instruction_ui(ui: &mut Ui, pc: u32, actions: &mut Vec<Action>) {
    if ui.link(RichText::new(format!("instruction {pc}")).small()).clicked() {
        actions.push(Action::SelectInstruction(Some(pc)));
    }
}

fn history_ui(ui: &mut Ui, history: &[PeMoment], radix: Radix, actions: &mut Vec<Action>) {
    heading_ui(ui, "Last cycles");
    egui::Grid::new("pe-history")
        .num_columns(4)
        .striped(true)
        .spacing([10.0, 2.0])
        .show(ui, |ui| {
            for title in ["cycle", "stays", "moves", "sum"] {
                ui.small(title);
            }
            ui.end_row();
            for moment in history.iter().rev() {
                let label = format!("Go to cycle {}", format::grouped(moment.cycle + 1));
                let link = ui.link(RichText::new(format::grouped(moment.cycle)).monospace().small());
                if link.accessible_name(label).on_hover_text(moment.state.name()).clicked() {
                    actions.push(Action::GoTo(moment.cycle + 1));
                }
                for text in [
                    pack(&moment.weights, radix),
                    pack(&moment.activations, radix),
                    moment
                        .partial_sum
                        .map_or_else(String::new, |sum| format::in_radix(sum, radix)),
                ] {
                    ui.label(RichText::new(text).monospace().small());
                }
                ui.end_row();
            }
        });
}

/// All values of a pack.
fn pack(values: &[i32], radix: Radix) -> String {
    let values: Vec<String> = values
        .iter()
        .map(|&value| format::in_radix(value.into(), radix))
        .collect();
    values.join(" ")
}

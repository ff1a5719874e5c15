//! The margin of the source panel: breakpoints, the units that are at a line, line numbers, and what each line has cost.

use super::widgets::{UNIT_TAG_WIDTH, paint_unit_tag};
use crate::format::{self, Quantity};
use crate::frame::{Frame, LineTotals, N_UNITS, UNIT_NAMES};
use crate::source_editor::SourceEditor;
use crate::theme::{self, Palette};
use crate::view::Action;
use egui::{Align2, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

/// Width of the strip in which a click sets a breakpoint, in points.
const BREAKPOINT_WIDTH: f32 = 16.0;

/// Room for the tags of the units that are at a line, in points.
const TAGS_WIDTH: f32 = 2.0 * (UNIT_TAG_WIDTH + 2.0);

/// Room for the number of a line, in points.
const NUMBER_WIDTH: f32 = 38.0;

/// Room for a column of costs, in points.
pub(super) const COST_WIDTH: f32 = 60.0;

/// Room between the margin and the text, in points.
const GAP: f32 = 8.0;

/// What the column of cycles holds.
pub(super) const CYCLES_HELP: &str = "Core clock cycles from start to completion, summed over all executions so far. Instructions of different units overlap, so that these sum to more than the run.";

/// What the column of energy holds.
pub(super) const ENERGY_HELP: &str =
    "Energy of what the instruction did in all executions so far: operations and accesses, without clock and leakage.";

/// Width of the margin, in points.
pub(super) fn width(has_costs: bool) -> f32 {
    let costs = if has_costs { 2.0 * COST_WIDTH } else { 0.0 };
    BREAKPOINT_WIDTH + TAGS_WIDTH + NUMBER_WIDTH + costs + GAP
}

/// The titles of the margin's columns.
pub(super) fn titles_ui(ui: &mut Ui, has_costs: bool) {
    if !has_costs {
        return;
    }
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 16.0), Sense::hover());
    let right = rect.min.x + BREAKPOINT_WIDTH + TAGS_WIDTH + NUMBER_WIDTH;
    cost_titles_ui(ui, pos2(right, rect.min.y), 16.0, "source");
}

/// The titles of the two columns of costs, from `left_top` on.
pub(super) fn cost_titles_ui(ui: &Ui, left_top: egui::Pos2, height: f32, of: &str) {
    let palette = Palette::of(ui.visuals());
    for (i, (title, help)) in [("cycles", CYCLES_HELP), ("energy", ENERGY_HELP)]
        .into_iter()
        .enumerate()
    {
        let min = left_top + vec2(i as f32 * COST_WIDTH, 0.0);
        let rect = Rect::from_min_size(min, vec2(COST_WIDTH, height));
        let response = ui.interact(rect, ui.scope_id().with(("cost-title", of, title)), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("Column: {title} ({of})")));
        let at = rect.right_center();
        ui.painter()
            .text(at, Align2::RIGHT_CENTER, title, theme::mono(10.5), palette.weak_text);
        response.on_hover_text(help);
    }
}

/// The two costs as they stand in the columns, with units; empty for what has not been executed.
pub(super) fn cost_texts(totals: &LineTotals) -> [String; 2] {
    if totals.n_executed == 0 && totals.stall_cycles == 0 {
        return [String::new(), String::new()];
    }
    let energy = format::quantity(Quantity::Femtojoules(totals.energy_fj));
    [format::grouped(totals.cycles), energy]
}

/// Everything that is known of the costs, in one sentence.
pub(super) fn cost_sentence(totals: &LineTotals) -> String {
    format!(
        "{} in {}, {} stalled, {}",
        format::cycles(totals.cycles),
        format::counted(totals.n_executed, "execution"),
        format::cycles(totals.stall_cycles),
        format::quantity(Quantity::Femtojoules(totals.energy_fj)),
    )
}

/// The sum over instructions.
fn sum(totals: &[LineTotals], pcs: impl Iterator<Item = u32>) -> LineTotals {
    let mut sum = LineTotals::default();
    for total in pcs.filter_map(|pc| totals.get(pc as usize)) {
        sum.n_executed += total.n_executed;
        sum.cycles += total.cycles;
        sum.stall_cycles += total.stall_cycles;
        sum.energy_fj += total.energy_fj;
    }
    sum
}

/// One line of the margin.
pub(super) struct MarginLine<'a> {
    pub(super) frame: &'a Frame,
    pub(super) editor: &'a SourceEditor,
    /// The line, counted from 0.
    pub(super) line: usize,
    /// The line's height, from the left edge of the margin.
    pub(super) rect: Rect,
    /// What is wrong in the line.
    pub(super) has_problem: bool,
}

impl MarginLine<'_> {
    /// Draws the line.
    pub(super) fn ui(&self, ui: &Ui, actions: &mut Vec<Action>) {
        let palette = Palette::of(ui.visuals());
        let y = self.rect.center().y;
        let number_right = self.rect.min.x + BREAKPOINT_WIDTH + TAGS_WIDTH + NUMBER_WIDTH;
        let color = if self.has_problem {
            palette.error
        } else {
            palette.weak_text
        };
        ui.painter().text(
            pos2(number_right - 4.0, y),
            Align2::RIGHT_CENTER,
            self.line + 1,
            theme::mono(11.0),
            color,
        );
        if self.has_problem {
            let rect = Rect::from_center_size(pos2(number_right + 2.0, y), vec2(2.5, self.rect.height()));
            ui.painter().rect_filled(rect, 1.0, palette.error);
        }
        let mut pcs = self.editor.marks().instructions_of(self.line).peekable();
        if pcs.peek().is_none() {
            return;
        }
        self.units_ui(ui, palette);
        self.breakpoint_ui(ui, palette, actions);
        if self.editor.has_costs() {
            self.costs_ui(ui, number_right, palette);
        }
    }

    fn units_ui(&self, ui: &Ui, palette: &Palette) {
        let units = &self.frame.now.units;
        let is_here = |unit_idx: &usize| {
            let pc = units[*unit_idx].pc;
            pc.and_then(|pc| self.editor.marks().line_of(pc)) == Some(self.line)
        };
        let left = self.rect.min.x + BREAKPOINT_WIDTH;
        for (i, unit_idx) in (0..N_UNITS).filter(is_here).take(2).enumerate() {
            let at = pos2(left + i as f32 * (UNIT_TAG_WIDTH + 2.0), self.rect.center().y);
            let rect = paint_unit_tag(ui.painter(), at, unit_idx, palette);
            let id = ui.scope_id().with(("source-unit", unit_idx));
            let label = format!("{} is at line {}", UNIT_NAMES[unit_idx], self.line + 1);
            let response = ui.interact(rect, id, Sense::hover());
            response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &label));
        }
    }

    fn breakpoint_ui(&self, ui: &Ui, palette: &Palette, actions: &mut Vec<Action>) {
        let pcs = self.editor.marks().instructions_of(self.line);
        let set: Vec<u32> = pcs.clone().filter(|pc| self.frame.breakpoints.contains(pc)).collect();
        let rect = self.rect.with_max_x(self.rect.min.x + BREAKPOINT_WIDTH);
        let id = ui.scope_id().with(("source-breakpoint", self.line));
        let response = ui.interact(rect, id, Sense::click());
        let label = format!("Breakpoint at line {}", self.line + 1);
        response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, !set.is_empty(), &label));
        if !set.is_empty() || response.hovered() {
            let share = if set.is_empty() { 0.4 } else { 1.0 };
            let color = palette.error.gamma_multiply(share);
            ui.painter().circle_filled(rect.center(), 4.5, color);
        }
        let response = response.on_hover_text("Pause here when a unit starts the instruction of this line.");
        if response.clicked() {
            // A line may make several instructions: the first one is where a run comes to it.
            let toggled = if set.is_empty() { pcs.take(1).collect() } else { set };
            actions.extend(toggled.into_iter().map(Action::ToggleBreakpoint));
        }
    }

    fn costs_ui(&self, ui: &Ui, left: f32, palette: &Palette) {
        let totals = sum(
            &self.frame.now.line_totals,
            self.editor.marks().instructions_of(self.line),
        );
        let texts = cost_texts(&totals);
        if texts[0].is_empty() {
            return;
        }
        for (i, text) in texts.iter().enumerate() {
            let at = pos2(left + (i + 1) as f32 * COST_WIDTH, self.rect.center().y);
            ui.painter()
                .text(at, Align2::RIGHT_CENTER, text, theme::mono(10.5), palette.weak_text);
        }
        let rect = Rect::from_x_y_ranges(left..=left + 2.0 * COST_WIDTH, self.rect.y_range());
        let response = ui.interact(rect, ui.scope_id().with(("source-costs", self.line)), Sense::hover());
        let sentence = cost_sentence(&totals);
        let label = format!("Cost of line {}: {sentence}", self.line + 1);
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &label));
        response.on_hover_text(sentence);
    }
}

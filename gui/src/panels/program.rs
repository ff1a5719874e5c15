//! The program panel: the disassembly, with the instruction of each unit marked by the unit's tag.

use super::instruction_help::instruction_help_ui;
use super::source_margin::{COST_WIDTH, cost_sentence, cost_texts, cost_titles_ui};
use super::widgets::{UNIT_TAG_WIDTH, paint_clipped_text, paint_unit_tag};
use crate::frame::{Frame, LineTotals, N_UNITS, ProgramInfo, ProgramLine, UNIT_NAMES};
use crate::theme::{self, Palette};
use crate::view::{Action, View};
use egui::{
    Align, Align2, ComboBox, Layout, Rect, Role, ScrollArea, Sense, Stroke, TextEdit, Ui, WidgetInfo, pos2, vec2,
};
use std::ops::Range;

/// Width of the strip in which a click sets a breakpoint, in points.
const BREAKPOINT_WIDTH: f32 = 18.0;

/// Room for the tags of the units that are at an instruction, in points.
const TAGS_WIDTH: f32 = 2.0 * (UNIT_TAG_WIDTH + 2.0);

/// Room for the number of the instruction, in points.
const PC_WIDTH: f32 = 44.0;

/// Room for the mnemonic, in points.
const MNEMONIC_WIDTH: f32 = 92.0;

/// Room for what an instruction has cost, in points, at the right.
const COSTS_WIDTH: f32 = 2.0 * COST_WIDTH + 10.0;

/// Height of the titles above the columns of costs, in points.
const TITLES_HEIGHT: f32 = 14.0;

/// Which instruction the listing was scrolled to last, so that it is scrolled again only when that changes.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    followed_pc: Option<u32>,
    selected_pc: Option<u32>,
}

/// Draws the panel.
pub(crate) fn program_ui(ui: &mut Ui, frame: &Frame, view: &View, listing: &mut Listing, actions: &mut Vec<Action>) {
    let Some(program) = &frame.program else { return };
    header_ui(ui, program, view, actions);
    let target = scroll_target(frame, view, listing);
    let titles = ui
        .allocate_exact_size(vec2(ui.available_width(), TITLES_HEIGHT), Sense::hover())
        .0;
    cost_titles_ui(
        ui,
        pos2(titles.max.x - COSTS_WIDTH, titles.min.y),
        TITLES_HEIGHT,
        "program",
    );
    ui.spacing_mut().item_spacing.y = 0.0;
    ScrollArea::vertical()
        .auto_shrink(false)
        .show_rows(ui, theme::ROW_HEIGHT, program.lines.len(), |ui, rows| {
            if let Some(pc) = target {
                scroll_to(ui, pc, &rows);
            }
            for row_idx in rows {
                row_ui(ui, frame, program, view, row_idx, actions);
            }
        });
}

fn header_ui(ui: &mut Ui, program: &ProgramInfo, view: &View, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        let mut search = view.search.clone();
        let edit = TextEdit::singleline(&mut search)
            .hint_text("Find instruction")
            .desired_width(150.0);
        let response = ui.add(edit).accessible_name("Find instruction");
        let is_confirmed = response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        if is_confirmed && let Some(pc) = next_match(program, &search, view.selected_pc) {
            actions.push(Action::SelectInstruction(Some(pc)));
            response.request_focus();
        }
        if response.changed() {
            actions.push(Action::SetSearch(search));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let selected = view.followed_unit.map_or("nothing", |idx| UNIT_NAMES[idx]);
            let combo = ComboBox::from_id_salt("followed-unit")
                .width(76.0)
                .selected_text(selected);
            let response = combo.show_ui(ui, |ui| {
                for choice in std::iter::once(None).chain((0..N_UNITS).map(Some)) {
                    let name = choice.map_or("nothing", |idx| UNIT_NAMES[idx]);
                    if ui.selectable_label(choice == view.followed_unit, name).clicked() {
                        actions.push(Action::SetFollowedUnit(choice));
                    }
                }
            });
            response.response.accessible_name("Follow unit");
            ui.weak("Follow");
        });
    });
}

/// The first instruction behind `selected_pc` whose text contains `search`, from the start again after the last one.
fn next_match(program: &ProgramInfo, search: &str, selected_pc: Option<u32>) -> Option<u32> {
    let n_lines = program.lines.len();
    let first = selected_pc.map_or(0, |pc| pc as usize + 1);
    let found = (0..n_lines)
        .map(|i| (first + i) % n_lines)
        .find(|&pc| matches(&program.lines[pc], search))?;
    u32::try_from(found).ok()
}

fn matches(line: &ProgramLine, search: &str) -> bool {
    !search.is_empty() && format!("{} {}", line.mnemonic, line.operands).contains(search)
}

/// The instruction to bring into sight now, if that has changed: a newly selected one, else the followed unit's.
pub(super) fn scroll_target(frame: &Frame, view: &View, listing: &mut Listing) -> Option<u32> {
    if view.selected_pc != listing.selected_pc {
        listing.selected_pc = view.selected_pc;
        if view.selected_pc.is_some() {
            return view.selected_pc;
        }
    }
    let followed_pc = view.followed_unit.and_then(|idx| frame.now.units[idx].pc);
    if followed_pc == listing.followed_pc {
        return None;
    }
    listing.followed_pc = followed_pc;
    followed_pc
}

fn scroll_to(ui: &Ui, pc: u32, rows: &Range<usize>) {
    let offset = (pc as f32 - rows.start as f32) * theme::ROW_HEIGHT;
    let top = pos2(ui.max_rect().min.x, ui.max_rect().min.y + offset);
    let rect = Rect::from_min_size(top, vec2(1.0, theme::ROW_HEIGHT));
    let in_sight = ui.clip_rect().shrink2(vec2(0.0, theme::ROW_HEIGHT));
    if !in_sight.y_range().contains(rect.center().y) {
        ui.scroll_to_rect_animation(rect, Some(Align::Center), egui::style::ScrollAnimation::none());
    }
}

fn row_ui(ui: &mut Ui, frame: &Frame, program: &ProgramInfo, view: &View, row_idx: usize, actions: &mut Vec<Action>) {
    let (Some(line), Ok(pc)) = (program.lines.get(row_idx), u32::try_from(row_idx)) else {
        return;
    };
    let size = vec2(ui.available_width(), theme::ROW_HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let text = format!("{} {}", line.mnemonic, line.operands);
    let totals = frame.now.line_totals.get(row_idx).copied().unwrap_or_default();
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::Row, true, format!("Instruction {pc}: {text}"));
        info.current_text_value = (totals.n_executed > 0).then(|| cost_sentence(&totals));
        info
    });
    let row = Row {
        rect,
        pc,
        line,
        frame,
        program,
        view,
        totals,
        palette: Palette::of(ui.visuals()),
    };
    row.paint(ui, response.hovered());
    row.breakpoint_ui(ui, actions);
    let response = response.on_hover_ui(|ui| {
        instruction_help_ui(ui, &line.mnemonic);
        if totals.n_executed > 0 {
            ui.weak(cost_sentence(&totals));
        }
    });
    if response.clicked() {
        let selected = if view.selected_pc == Some(pc) { None } else { Some(pc) };
        actions.push(Action::SelectInstruction(selected));
    }
}

/// One row of the listing.
struct Row<'a> {
    rect: Rect,
    pc: u32,
    line: &'a ProgramLine,
    frame: &'a Frame,
    program: &'a ProgramInfo,
    view: &'a View,
    totals: LineTotals,
    palette: &'static Palette,
}

impl Row<'_> {
    fn paint(&self, ui: &Ui, is_hovered: bool) {
        let painter = ui.painter().with_clip_rect(ui.clip_rect().intersect(self.rect));
        let here: Vec<usize> = (0..N_UNITS)
            .filter(|idx| self.frame.now.units[*idx].pc == Some(self.pc))
            .collect();
        if self.view.selected_pc == Some(self.pc) {
            painter.rect_filled(self.rect, 3.0, self.palette.accent.gamma_multiply(0.22));
        } else if let Some(unit_idx) = here.last() {
            painter.rect_filled(self.rect, 3.0, self.palette.units[*unit_idx].gamma_multiply(0.14));
        } else if is_hovered {
            painter.rect_filled(self.rect, 3.0, self.palette.raised);
        }
        let y = self.rect.center().y;
        let mut x = self.rect.min.x + BREAKPOINT_WIDTH;
        for (i, unit_idx) in here.iter().take(2).enumerate() {
            let at = pos2(x + i as f32 * (UNIT_TAG_WIDTH + 2.0), y);
            paint_unit_tag(&painter, at, *unit_idx, self.palette);
        }
        x += TAGS_WIDTH + PC_WIDTH;
        painter.text(
            pos2(x, y),
            Align2::RIGHT_CENTER,
            self.pc,
            theme::mono(11.0),
            self.palette.weak_text,
        );
        self.paint_text(ui, pos2(x + 14.0, y));
        let left = self.rect.max.x - COSTS_WIDTH;
        for (i, text) in cost_texts(&self.totals).iter().enumerate() {
            let at = pos2(left + (i + 1) as f32 * COST_WIDTH, y);
            painter.text(
                at,
                Align2::RIGHT_CENTER,
                text,
                theme::mono(10.5),
                self.palette.weak_text,
            );
        }
    }

    fn paint_text(&self, ui: &Ui, at: egui::Pos2) {
        let painter = ui.painter().with_clip_rect(ui.clip_rect().intersect(self.rect));
        let room = self.rect.max.x - COSTS_WIDTH - at.x - 4.0;
        if self.line.is_mark {
            let layer = self.line.layer_idx.and_then(|idx| self.program.layers.get(idx));
            let title = layer.map_or(self.line.operands.as_str(), String::as_str);
            painter.hline(
                self.rect.x_range(),
                self.rect.min.y + 0.5,
                Stroke::new(1.0, self.palette.line),
            );
            paint_clipped_text(
                &painter,
                at,
                room,
                title,
                egui::FontId::proportional(13.0),
                self.palette.text,
            );
            return;
        }
        let color = self.palette.units[self.line.unit.min(N_UNITS - 1)];
        paint_clipped_text(&painter, at, room, &self.line.mnemonic, theme::mono(12.0), color);
        let operands_at = at + vec2(MNEMONIC_WIDTH, 0.0);
        let is_match = matches(self.line, &self.view.search);
        let color = if is_match {
            self.palette.accent
        } else {
            self.palette.text
        };
        let operands = match &self.line.label {
            Some(label) => format!("{}    <- {label}", self.line.operands),
            None => self.line.operands.clone(),
        };
        paint_clipped_text(
            &painter,
            operands_at,
            room - MNEMONIC_WIDTH,
            &operands,
            theme::mono(12.0),
            color,
        );
    }

    fn breakpoint_ui(&self, ui: &Ui, actions: &mut Vec<Action>) {
        let rect = self.rect.with_max_x(self.rect.min.x + BREAKPOINT_WIDTH);
        let response = ui.interact(rect, ui.scope_id().with(("breakpoint", self.pc)), Sense::click());
        let is_set = self.frame.breakpoints.contains(&self.pc);
        let label = format!("Breakpoint at instruction {}", self.pc);
        response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, is_set, &label));
        if is_set || response.hovered() {
            let color = if is_set {
                self.palette.error
            } else {
                self.palette.error.gamma_multiply(0.4)
            };
            ui.painter().circle_filled(rect.center(), 4.5, color);
        }
        if response
            .on_hover_text("Pause here when a unit starts this instruction.")
            .clicked()
        {
            actions.push(Action::ToggleBreakpoint(self.pc));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searching_goes_round() {
        let line = |mnemonic: &str| ProgramLine {
            mnemonic: mnemonic.to_owned(),
            ..ProgramLine::default()
        };
        let program = ProgramInfo {
            lines: vec![line("mx.mm"), line("li"), line("mx.mm")],
            ..ProgramInfo::default()
        };
        assert_eq!(next_match(&program, "mm", None), Some(0));
        assert_eq!(next_match(&program, "mm", Some(0)), Some(2));
        assert_eq!(next_match(&program, "mm", Some(2)), Some(0));
        assert_eq!(next_match(&program, "halt", Some(2)), None);
        assert_eq!(next_match(&program, "", None), None);
    }
}

//! The source panel: the text of the program with its colours, everything that is wrong with it, and the margin.

use super::instruction_help::help_ui;
use super::program::{Listing, scroll_target};
use super::source_highlight::Highlighter;
use super::source_margin::{MarginLine, titles_ui, width};
use crate::command::Command;
use crate::frame::Frame;
use crate::source_check::{Problem, line_starts};
use crate::source_editor::{SourceAction, SourceEditor};
use crate::theme::Palette;
use crate::view::{Action, View};
use egui::text::{CCursor, CCursorRange};
use egui::text_edit::{TextEditOutput, TextEditState};
use egui::{
    Align, Button, Galley, Id, Label, Layout, Panel, Pos2, Rect, RichText, ScrollArea, Shape, TextBuffer, TextEdit, Ui,
    pos2, vec2,
};
use std::collections::BTreeSet;
use std::ops::Range;

/// Most mistakes that are listed at once.
const MAX_LISTED: usize = 200;

/// Most height of the list of mistakes, in points.
const MAX_LIST_HEIGHT: f32 = 130.0;

/// What the panel remembers that is not a choice of the user.
#[derive(Default)]
pub(crate) struct SourceMemory {
    highlighter: Highlighter,
    listing: Listing,
    cursor_line: Option<usize>,
    document_number: u64,
    /// The byte to which the cursor is to be set.
    go_to: Option<usize>,
}

/// Draws the panel.
pub(crate) fn source_ui(
    ui: &mut Ui,
    frame: &Frame,
    view: &View,
    editor: &SourceEditor,
    memory: &mut SourceMemory,
    actions: &mut Vec<Action>,
) {
    if editor.source().is_none() {
        ui.weak("The text of this program is not known.");
        return;
    }
    if memory.document_number != editor.document_number() {
        (memory.document_number, memory.cursor_line) = (editor.document_number(), None);
    }
    header_ui(ui, editor, actions);
    problems_ui(ui, editor, memory);
    titles_ui(ui, editor.has_costs());
    text_ui(ui, frame, view, editor, memory, actions);
}

fn header_ui(ui: &mut Ui, editor: &SourceEditor, actions: &mut Vec<Action>) {
    let palette = Palette::of(ui.visuals());
    ui.horizontal(|ui| {
        for (command, text) in [(Command::Assemble, "Assemble"), (Command::SaveSourceAs, "Save as")] {
            let info = command.info();
            let keys = info.shortcuts.first().map(|keys| ui.ctx().format_shortcut(keys));
            let tooltip = format!("{} ({})", info.help, keys.unwrap_or_default());
            let response = ui.button(text).accessible_name(info.label).on_hover_text(tooltip);
            if response.clicked() {
                actions.push(Action::Command(command));
            }
        }
        let mut has_costs = editor.has_costs();
        let response = ui.checkbox(&mut has_costs, "Costs");
        let response = response.accessible_name("Show cycles and energy of each line");
        if response.on_hover_text("What each line has cost so far").changed() {
            actions.push(Action::Source(SourceAction::ShowCosts(has_costs)));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let (text, is_wrong) = state_text(editor);
            let color = if is_wrong { palette.error } else { palette.weak_text };
            ui.label(RichText::new(text).color(color));
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let name = editor.source().map_or("", |source| source.file.as_str());
                let mark = if editor.is_edited() { " (unsaved)" } else { "" };
                ui.add(Label::new(format!("{name}{mark}")).truncate());
            });
        });
    });
    let explanation = editor.explanation();
    if !explanation.is_empty() {
        ui.horizontal_wrapped(|ui| {
            ui.weak(explanation);
            if editor.is_apart() && ui.button("Discard and show the loaded program").clicked() {
                actions.push(Action::Source(SourceAction::ShowLoaded));
            }
        });
    }
}

/// Whether the text is a program, and the one that runs; and whether something is wrong.
fn state_text(editor: &SourceEditor) -> (String, bool) {
    let n_errors = editor
        .marks()
        .problems
        .iter()
        .filter(|problem| problem.is_error)
        .count();
    let text = match (editor.check(), n_errors) {
        (None, _) => "Reading".to_owned(),
        (Some(_), 0) if editor.is_running() => "Assembled".to_owned(),
        (Some(_), 0) => "No errors, not assembled yet".to_owned(),
        (Some(_), 1) => "1 error".to_owned(),
        (Some(_), n) => format!("{n} errors"),
    };
    (text, editor.check().is_some() && n_errors > 0)
}

/// The list of everything that is wrong; a click goes there.
fn problems_ui(ui: &mut Ui, editor: &SourceEditor, memory: &mut SourceMemory) {
    let problems = &editor.marks().problems;
    if problems.is_empty() {
        return;
    }
    let palette = Palette::of(ui.visuals());
    let frame = egui::Frame::new().fill(palette.panel);
    Panel::bottom("source-problems").frame(frame).show(ui, |ui| {
        ScrollArea::vertical()
            .id_salt("source-problem-list")
            .max_height(MAX_LIST_HEIGHT)
            .auto_shrink([false, true])
            .show(ui, |ui| {
                ui.spacing_mut().item_spacing.y = 1.0;
                for problem in problems.iter().take(MAX_LISTED) {
                    problem_ui(ui, problem, palette, memory);
                }
                if problems.len() > MAX_LISTED {
                    ui.weak(format!("and {} more", problems.len() - MAX_LISTED));
                }
            });
    });
}

fn problem_ui(ui: &mut Ui, problem: &Problem, palette: &Palette, memory: &mut SourceMemory) {
    let text = format!("Line {}: {}", problem.line + 1, problem.message);
    let color = if problem.is_error { palette.error } else { palette.text };
    let button = Button::new(RichText::new(&text).color(color)).frame(false).wrap();
    if ui.add(button).on_hover_text("Go to this place").clicked() {
        memory.go_to = Some(problem.bytes.start);
        ui.ctx().request_repaint();
    }
    if !problem.help.is_empty() {
        ui.horizontal_wrapped(|ui| {
            ui.add_space(14.0);
            ui.weak(&problem.help);
        });
    }
}

fn text_ui(
    ui: &mut Ui,
    frame: &Frame,
    view: &View,
    editor: &SourceEditor,
    memory: &mut SourceMemory,
    actions: &mut Vec<Action>,
) {
    let id = Id::unique(("source-text", editor.document_number()));
    let selected = scroll_target(frame, view, &mut memory.listing);
    let mut target = selected
        .filter(|pc| view.selected_pc == Some(*pc) || !ui.memory(|memory| memory.has_focus(id)))
        .and_then(|pc| editor.marks().line_of(pc));
    // A click outside of the text takes the keyboard from it, so that it gets that back in the frame after the click.
    let is_click = ui.input(|input| input.pointer.any_click());
    if let Some(offset) = memory.go_to.take_if(|_| !is_click) {
        set_cursor(ui, id, editor.text(), offset);
        target = Some(line_starts(&editor.text()[..offset]).len() - 1);
    }
    let margin_width = width(editor.has_costs());
    ScrollArea::both()
        .id_salt("source-scroll")
        .auto_shrink(false)
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing = egui::Vec2::ZERO;
            let background = ui.painter().add(Shape::Noop);
            let mut text = editor.text().to_owned();
            let output = ui
                .horizontal_top(|ui| {
                    ui.add_space(margin_width);
                    edit_ui(ui, id, &mut text, editor, &mut memory.highlighter)
                })
                .inner;
            if output.response.response.changed() && text != editor.text() {
                actions.push(Action::Source(SourceAction::Edit(text)));
            }
            follow_cursor(&output, view, editor, memory, actions);
            let rows = Rows::of(ui, &output);
            rows.scroll_to(ui, target);
            rows.paint_lines(ui, background, frame, view, editor);
            rows.margin_ui(ui, margin_width, frame, editor, actions);
            hover_ui(&output, editor);
        });
}

fn edit_ui(
    ui: &mut Ui,
    id: Id,
    text: &mut String,
    editor: &SourceEditor,
    highlighter: &mut Highlighter,
) -> TextEditOutput {
    let size = highlighter.galley(ui, editor, text).size();
    let room = vec2(ui.available_width(), ui.clip_rect().height());
    let mut layouter =
        |ui: &Ui, buffer: &dyn TextBuffer, _wrap_width: f32| highlighter.galley(ui, editor, buffer.as_str());
    let output = TextEdit::multiline(text)
        .id(id)
        .code_editor()
        .frame(egui::Frame::NONE)
        .min_size((size + vec2(24.0, 0.0)).max(room))
        .layouter(&mut layouter)
        .show(ui);
    output.response.response.clone().accessible_name("Source text");
    output
}

/// Selects the instruction of the line that the cursor comes to.
fn follow_cursor(
    output: &TextEditOutput,
    view: &View,
    editor: &SourceEditor,
    memory: &mut SourceMemory,
    actions: &mut Vec<Action>,
) {
    let Some(range) = output.cursor_range else { return };
    let line = output.galley.layout_from_cursor(range.primary).row;
    if memory.cursor_line.replace(line) == Some(line) || output.response.response.changed() {
        return;
    }
    let marks = editor.marks();
    let is_selected_here = view.selected_pc.and_then(|pc| marks.line_of(pc)) == Some(line);
    if let Some(pc) = marks.instructions_of(line).next().filter(|_| !is_selected_here) {
        actions.push(Action::SelectInstruction(Some(pc)));
    }
}

/// Puts the cursor before a byte of the text.
fn set_cursor(ui: &Ui, id: Id, text: &str, offset: usize) {
    let n_chars = text.get(..offset).map_or(0, |before| before.chars().count());
    let mut state = TextEditState::load(ui.ctx(), id).unwrap_or_default();
    state
        .cursor
        .set_char_range(Some(CCursorRange::one(CCursor::new(n_chars))));
    state.store(ui.ctx(), id);
    ui.memory_mut(|memory| memory.request_focus(id));
}

/// Explains what stands under the pointer.
fn hover_ui(output: &TextEditOutput, editor: &SourceEditor) {
    let response = &output.response.response;
    let Some((pointer, check)) = response.hover_pos().zip(editor.check()) else {
        return;
    };
    let cursor = output.galley.cursor_from_pos(pointer - output.galley_pos);
    let is_on_text = output
        .galley
        .pos_from_cursor(cursor)
        .translate(output.galley_pos.to_vec2());
    if (is_on_text.center().x - pointer.x).abs() > 12.0 {
        return;
    }
    let offset = editor.text().char_indices().nth(cursor.index.0);
    let offset = offset.map_or(editor.text().len(), |(offset, _)| offset);
    let wrong = editor
        .marks()
        .problems
        .iter()
        .filter(|problem| problem.bytes.contains(&offset));
    let messages: Vec<String> = wrong
        .map(|problem| format!("{}\n{}", problem.message, problem.help).trim_end().to_owned())
        .collect();
    let hover = u32::try_from(offset)
        .ok()
        .and_then(|offset| check.document.hover(offset));
    if messages.is_empty() && hover.is_none() {
        return;
    }
    response.clone().on_hover_ui_at_pointer(|ui| {
        let palette = Palette::of(ui.visuals());
        for message in &messages {
            ui.label(RichText::new(message).color(palette.error));
        }
        if let Some(hover) = &hover {
            help_ui(ui, &hover.help);
        }
    });
}

/// The rows of the text on the screen.
struct Rows<'a> {
    galley: &'a Galley,
    at: Pos2,
    visible: Range<usize>,
}

impl<'a> Rows<'a> {
    fn of(ui: &Ui, output: &'a TextEditOutput) -> Self {
        let (galley, at) = (&output.galley, output.galley_pos);
        let clip = ui.clip_rect();
        let first = galley.rows.partition_point(|row| at.y + row.max_y() < clip.min.y);
        let last = galley.rows.partition_point(|row| at.y + row.min_y() < clip.max.y);
        Self {
            galley,
            at,
            visible: first..last.max(first),
        }
    }

    /// A row over the whole width that is visible.
    fn rect(&self, ui: &Ui, line: usize) -> Option<Rect> {
        let row = self.galley.rows.get(line)?;
        let y = self.at.y + row.min_y()..=self.at.y + row.max_y();
        Some(Rect::from_x_y_ranges(ui.clip_rect().x_range(), y))
    }

    fn scroll_to(&self, ui: &Ui, line: Option<usize>) {
        let Some(rect) = line.and_then(|line| self.rect(ui, line)) else {
            return;
        };
        let in_sight = ui.clip_rect().shrink2(vec2(0.0, rect.height()));
        if !in_sight.y_range().contains(rect.center().y) {
            ui.scroll_to_rect_animation(rect, Some(Align::Center), egui::style::ScrollAnimation::none());
        }
    }

    /// Marks the line of the selected instruction, and those that units are at.
    fn paint_lines(
        &self,
        ui: &Ui,
        background: egui::layers::ShapeIdx,
        frame: &Frame,
        view: &View,
        editor: &SourceEditor,
    ) {
        let palette = Palette::of(ui.visuals());
        let line_of = |pc: Option<u32>| pc.and_then(|pc| editor.marks().line_of(pc));
        let units = frame.now.units.iter().zip(palette.units);
        let units = units.map(|(unit, color)| (line_of(unit.pc), color.gamma_multiply(0.14)));
        let selected = (line_of(view.selected_pc), palette.accent.gamma_multiply(0.22));
        let shapes = units.chain([selected]).filter_map(|(line, color)| {
            let rect = self.rect(ui, line.filter(|line| self.visible.contains(line))?)?;
            Some(Shape::rect_filled(rect, 3.0, color))
        });
        ui.painter().set(background, Shape::Vec(shapes.collect()));
    }

    /// The margin stays where it is when the text is scrolled sideways.
    fn margin_ui(&self, ui: &Ui, width: f32, frame: &Frame, editor: &SourceEditor, actions: &mut Vec<Action>) {
        let palette = Palette::of(ui.visuals());
        let clip = ui.clip_rect();
        let strip = Rect::from_min_max(clip.min, pos2(clip.min.x + width - 4.0, clip.max.y));
        let id = ui.scope_id().with("source-margin");
        ui.interact(strip, id, egui::Sense::click());
        ui.painter().rect_filled(strip, 0.0, palette.panel);
        let wrong: BTreeSet<usize> = editor.marks().problems.iter().map(|problem| problem.line).collect();
        for line in self.visible.clone() {
            let Some(rect) = self.rect(ui, line) else { continue };
            let margin_line = MarginLine {
                frame,
                editor,
                line,
                rect: rect.with_max_x(strip.max.x),
                has_problem: wrong.contains(&line),
            };
            margin_line.ui(ui, actions);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Driver, Request};
    use egui::{Mesh, Vec2, epaint::Primitive};

    /// Glyphs painted to the right of the margin by the panel with this text.
    fn n_painted(text: &str) -> usize {
        let engine = crate::launch::engine(crate::examples::example("matmul", None).unwrap());
        let mut driver = Driver::new(std::sync::Arc::new(|_, _| Err(String::new())), Some(engine));
        driver.handle(Request::Step(10));
        let frame = driver.frame();
        let mut editor = SourceEditor::default();
        editor.update(frame.program.as_ref(), None, || {});
        editor.show_costs(true);
        editor.edit(text.to_owned());
        let ctx = egui::Context::default();
        crate::theme::apply(&ctx);
        let (view, mut memory, mut meshes) = (View::default(), SourceMemory::default(), Vec::new());
        for _ in 0..3 {
            let input = egui::RawInput {
                screen_rect: Some(Rect::from_min_size(Pos2::ZERO, Vec2::new(900.0, 600.0))),
                ..egui::RawInput::default()
            };
            let mut output = ctx.run_ui(input, |ui| {
                source_ui(ui, &frame, &view, &editor, &mut memory, &mut Vec::new());
            });
            output.textures_delta.clear();
            meshes = ctx.tessellate(output.shapes, output.pixels_per_point);
        }
        let is_text = |mesh: &Mesh| {
            let in_text = |vertex: &&egui::epaint::Vertex| vertex.pos.x > width(true) && vertex.pos.y > 80.0;
            let on_glyph = |vertex: &&egui::epaint::Vertex| vertex.uv != egui::epaint::WHITE_UV;
            mesh.vertices.iter().filter(in_text).filter(on_glyph).count()
        };
        let n_vertices: usize = meshes
            .iter()
            .map(|clipped| match &clipped.primitive {
                Primitive::Mesh(mesh) => is_text(mesh),
                Primitive::Callback(_) => 0,
            })
            .sum();
        n_vertices / 4
    }

    #[test]
    fn the_text_is_painted() {
        assert_eq!(n_painted(""), 0);
        assert_eq!(n_painted("   halt\n\n nop"), 7);
    }
}

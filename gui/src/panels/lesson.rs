//! The lesson: one page of prose, steps and questions, with the way to the other pages. The panel is a view of the lesson's
//! [`Player`](crate::lesson::Player) and asks for changes with [`CourseAction`]s.

use super::catalog::lessons_ui;
use super::lesson_parts::{card_ui, question_ui, step_ui};
use crate::command::Command;
use crate::course::{Course, CourseAction, OpenLesson};
use crate::lesson::{Part, Place, Player, Task};
use crate::theme::{self, Palette};
use crate::view::Action;
use egui::{
    Align, Align2, Button, FontId, Label, Layout, Panel, RichText, Role, ScrollArea, Sense, Stroke, TextStyle, Ui,
    Vec2, WidgetInfo,
};
use egui_commonmark::{CommonMarkCache, CommonMarkViewer};

/// What the panel remembers that is no state of the lesson.
#[derive(Default)]
pub(crate) struct LessonMemory {
    pub(super) markdown: CommonMarkCache,
    /// The lesson, its page and what was next on it when the panel was drawn last.
    shown: Option<(&'static str, usize, Task)>,
    /// The question that wants the keyboard.
    pub(super) focus: Option<Place>,
    /// The part that has to come into sight.
    pub(super) scroll_to: Option<Place>,
}

impl LessonMemory {
    /// Gives the keyboard to the next question and brings what is next into sight, once it has become the next.
    fn follow(&mut self, open: &OpenLesson) {
        let (page_idx, task) = (open.player.page_idx(), open.player.next_task());
        let now = (open.info.name, page_idx, task);
        if self.shown == Some(now) {
            return;
        }
        let is_same_page = matches!(self.shown, Some((name, page, _)) if (name, page) == (now.0, now.1));
        self.shown = Some(now);
        self.focus = None;
        self.scroll_to = None;
        if let Task::Question(place) | Task::Step(place) = task {
            // A new page is read from its top.
            self.scroll_to = is_same_page.then_some(place);
            self.focus = matches!(task, Task::Question(_)).then_some(place);
        }
    }
}

/// Draws the panel.
pub(crate) fn lesson_ui(ui: &mut Ui, course: &Course, memory: &mut LessonMemory, actions: &mut Vec<Action>) {
    theme::enlarge_for_reading(ui.style_mut());
    let Some(open) = course.open() else {
        ui.heading("Lessons");
        ui.add_space(theme::GAP);
        ScrollArea::vertical().show(ui, |ui| lessons_ui(ui, course, actions));
        return;
    };
    memory.follow(open);
    Panel::top("lesson-header")
        .frame(egui::Frame::new())
        .show_separator_line(false)
        .show(ui, |ui| header_ui(ui, open, actions));
    Panel::bottom("lesson-footer")
        .frame(egui::Frame::new())
        .show_separator_line(false)
        .show(ui, |ui| footer_ui(ui, course, open, actions));
    let page_idx = open.player.page_idx();
    let scroll = ScrollArea::vertical().id_salt(("lesson", open.info.name, page_idx));
    scroll.auto_shrink(false).show(ui, |ui| {
        let Some(page) = open.player.lesson().pages.get(page_idx) else {
            return;
        };
        if open.player.next_task() == Task::Resume {
            resume_ui(ui, actions);
        }
        for (part_idx, part) in page.parts.iter().enumerate() {
            let place = (page_idx, part_idx);
            ui.push_id(place, |ui| part_ui(ui, open, part, place, memory, actions));
            ui.add_space(theme::GAP);
        }
        if open.player.is_complete() {
            completion_ui(ui, course, open);
        }
    });
}

fn part_ui(
    ui: &mut Ui,
    open: &OpenLesson,
    part: &Part,
    place: Place,
    memory: &mut LessonMemory,
    actions: &mut Vec<Action>,
) {
    let response = ui.scope(|ui| match part {
        Part::Prose(text) => markdown_ui(ui, &mut memory.markdown, text),
        Part::Step(step) => step_ui(ui, &open.player, place, step, actions),
        Part::Question(question) => question_ui(ui, open, place, question, memory, actions),
    });
    if memory.scroll_to == Some(place) {
        memory.scroll_to = None;
        response.response.scroll_to_me(None);
    }
}

/// Draws Markdown.
pub(super) fn markdown_ui(ui: &mut Ui, cache: &mut CommonMarkCache, text: &str) {
    CommonMarkViewer::new().show(ui, cache, text);
}

/// The lesson's title, the score, a dot for each page and the page's title.
fn header_ui(ui: &mut Ui, open: &OpenLesson, actions: &mut Vec<Action>) {
    let player = &open.player;
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let (n_right, n_questions) = player.score();
            ui.weak(format!("{n_right} of {n_questions} right"));
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(Label::new(RichText::new(open.info.label()).weak()).truncate());
            });
        });
    });
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        for page_idx in 0..player.lesson().pages.len() {
            if page_dot_ui(ui, player, page_idx) {
                actions.push(Action::Course(CourseAction::Turn(page_idx)));
            }
        }
    });
    ui.add_space(2.0);
    ui.heading(page_title(player, player.page_idx()));
    ui.add_space(theme::GAP);
}

/// The title of a page; what stands before the first heading has that of the lesson.
fn page_title(player: &Player, page_idx: usize) -> &str {
    let lesson = player.lesson();
    let title = lesson.pages.get(page_idx).map(|page| page.title.as_str());
    title.filter(|title| !title.is_empty()).unwrap_or(&lesson.title)
}

/// A page's number in a circle, filled if the page is open, with a tick if nothing is left to do on it. Returns whether it was clicked.
fn page_dot_ui(ui: &mut Ui, player: &Player, page_idx: usize) -> bool {
    const SIZE: f32 = 24.0;
    let palette = Palette::of(ui.visuals());
    let pages = &player.lesson().pages;
    let (is_open, is_done) = (page_idx == player.page_idx(), player.is_page_done(page_idx));
    let standing = if is_done { "done" } else { "open" };
    let title = page_title(player, page_idx);
    let label = format!("Page {} of {}, {standing}: {title}", page_idx + 1, pages.len());
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(SIZE), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_open, &label));
    let fill = match (is_open, response.hovered()) {
        (true, _) => palette.accent,
        (false, true) => palette.hovered,
        (false, false) => palette.raised,
    };
    let outline = match (response.has_focus(), is_done) {
        (true, _) => Stroke::new(2.0, palette.text),
        (false, true) => Stroke::new(2.0, palette.accent),
        (false, false) => Stroke::new(1.0, palette.line),
    };
    let painter = ui.painter();
    painter.circle(rect.center(), SIZE / 2.0 - 1.0, fill, outline);
    let ink = if is_open { palette.on_accent } else { palette.text };
    if is_done {
        paint_tick(ui, rect, ink);
    } else {
        let number = (page_idx + 1).to_string();
        let font = FontId::new(12.5, egui::FontFamily::Proportional);
        painter.text(rect.center(), Align2::CENTER_CENTER, number, font, ink);
    }
    response.on_hover_text(label).clicked()
}

/// A tick in a square.
pub(super) fn paint_tick(ui: &Ui, square: egui::Rect, color: egui::Color32) {
    let at = |x: f32, y: f32| square.min + egui::vec2(x, y) * square.size();
    let stroke = Stroke::new(2.0, color);
    ui.painter().line_segment([at(0.28, 0.52), at(0.44, 0.68)], stroke);
    ui.painter().line_segment([at(0.44, 0.68), at(0.73, 0.34)], stroke);
}

/// The way to the next and the last page, and what Ctrl+Enter does.
fn footer_ui(ui: &mut Ui, course: &Course, open: &OpenLesson, actions: &mut Vec<Action>) {
    let player = &open.player;
    let keys = |ui: &Ui, command: Command| {
        let shortcut = command.info().shortcuts.first();
        shortcut
            .map(|shortcut| ui.ctx().format_shortcut(shortcut))
            .unwrap_or_default()
    };
    ui.add_space(theme::GAP);
    ui.horizontal_wrapped(|ui| {
        let n_pages = player.lesson().pages.len();
        let turns = [
            (
                "<",
                "Turn to the page before",
                Command::PreviousPage,
                player.page_idx() > 0,
            ),
            (
                ">",
                "Turn to the page after",
                Command::NextPage,
                player.page_idx() + 1 < n_pages,
            ),
        ];
        for (text, label, command, is_enabled) in turns {
            let response = ui.add_enabled(is_enabled, Button::new(text));
            let tooltip = format!("{label} ({})", keys(ui, command));
            if response.accessible_name(label).on_hover_text(tooltip).clicked() {
                actions.push(Action::Command(command));
            }
        }
        let (text, is_enabled) = match player.next_task() {
            _ if player.active_place().is_some() => ("The machine is at work".to_owned(), false),
            Task::Resume => ("Go on where you were".to_owned(), true),
            Task::Step(_) => ("Do the step".to_owned(), true),
            Task::Question(_) => ("Check the answer".to_owned(), true),
            Task::Page(page_idx) => (format!("To page {}", page_idx + 1), true),
            Task::Complete => match course.following() {
                Some(following) => (format!("To lesson {}", following.number), true),
                None => ("All done".to_owned(), false),
            },
        };
        let palette = Palette::of(ui.visuals());
        let (ink, fill) = if is_enabled {
            (palette.on_accent, palette.accent)
        } else {
            (palette.text, palette.raised)
        };
        let shortcut = RichText::new(keys(ui, Command::NextThing)).small().color(ink);
        let button = Button::new(RichText::new(&text).color(ink))
            .fill(fill)
            .shortcut_text(shortcut);
        let response = ui.add_enabled(is_enabled, button);
        if response.accessible_name(format!("Next: {text}")).clicked() {
            actions.push(Action::Command(Command::NextThing));
        }
    });
}

/// What is said when the lesson was left, and the button that takes it up again.
fn resume_ui(ui: &mut Ui, actions: &mut Vec<Action>) {
    card_ui(ui, true, |ui| {
        ui.add(Label::new("You have been here before. The machine is not where the lesson left it.").wrap());
        if ui.button("Bring the machine there").clicked() {
            actions.push(Action::Course(CourseAction::Resume));
        }
    });
    ui.add_space(theme::GAP);
}

/// What is said at the end.
fn completion_ui(ui: &mut Ui, course: &Course, open: &OpenLesson) {
    let palette = Palette::of(ui.visuals());
    let (n_right, n_questions) = open.player.score();
    let text = format!("Lesson complete: {n_right} of {n_questions} questions right without help.");
    ui.label(RichText::new(text).strong().color(palette.accent));
    if let Some(following) = course.following() {
        ui.label(RichText::new(format!("Next is {}.", following.label())).text_style(TextStyle::Body));
    }
}

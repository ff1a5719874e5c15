//! The parts of a lesson's page that a student does something with: steps and questions.

use super::lesson::{LessonMemory, markdown_ui, paint_tick};
use crate::command::Command;
use crate::course::{CourseAction, OpenLesson};
use crate::lesson::question::{Answer, Given, Question};
use crate::lesson::{AnswerOutcome, Attempt, Place, Player, Step, StepState, Task};
use crate::theme::{self, Palette};
use crate::view::Action;
use egui::text::CCursorRange;
use egui::{
    Align, Button, CornerRadius, Id, Key, Label, Layout, Margin, Response, RichText, Role, Sense, Stroke, TextEdit, Ui,
    Vec2, WidgetInfo,
};

/// Room for an answer, in points.
const ANSWER_WIDTH: f32 = 120.0;

/// Side of a mark, in points.
const MARK: f32 = 20.0;

/// Draws a frame around a part, in the accent's colour if the part is the next one.
pub(super) fn card_ui(ui: &mut Ui, is_next: bool, add_contents: impl FnOnce(&mut Ui)) {
    let palette = Palette::of(ui.visuals());
    let outline = if is_next { palette.accent } else { palette.line };
    egui::Frame::new()
        .fill(palette.raised.gamma_multiply(0.6))
        .stroke(Stroke::new(1.0, outline))
        .corner_radius(CornerRadius::same(theme::RADIUS))
        .inner_margin(Margin::symmetric(10, 8))
        .show(ui, |ui| {
            ui.set_min_width(ui.available_width());
            add_contents(ui);
        });
}

/// A circle that says how far something is, beside a text that says what it is.
fn mark_ui(ui: &mut Ui, is_done: bool, is_failed: bool, label: &str) {
    let palette = Palette::of(ui.visuals());
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(MARK), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, label));
    let color = match (is_failed, is_done) {
        (true, _) => palette.error,
        (false, true) => palette.accent,
        (false, false) => palette.weak_text,
    };
    let fill = if is_done { color } else { palette.panel };
    ui.painter()
        .circle(rect.center(), MARK / 2.0 - 1.0, fill, Stroke::new(1.5, color));
    if is_done {
        paint_tick(ui, rect, palette.on_accent);
    }
}

/// Draws a step.
pub(super) fn step_ui(ui: &mut Ui, player: &Player, place: Place, step: &Step, actions: &mut Vec<Action>) {
    let state = player.step_state(place);
    let is_next = player.next_task() == Task::Step(place);
    let caption = step.caption.as_str();
    card_ui(ui, is_next, |ui| {
        let (standing, verb) = match &state {
            StepState::Ready => ("to do", "Do it"),
            StepState::Running => ("under way", "Under way"),
            StepState::Done => ("done", "Do it again"),
            StepState::Failed(_) => ("failed", "Try again"),
        };
        ui.horizontal(|ui| {
            let is_failed = matches!(state, StepState::Failed(_));
            mark_ui(
                ui,
                state == StepState::Done,
                is_failed,
                &format!("Step {standing}: {caption}"),
            );
            ui.add(Label::new(RichText::new(caption).strong()).wrap());
        });
        let shown = step.directives.iter().filter(|directive| !directive.is_hidden());
        let shown: Vec<String> = shown.map(ToString::to_string).collect();
        ui.add(Label::new(RichText::new(shown.join("\n")).small().monospace().weak()).wrap());
        if let StepState::Failed(reason) = &state {
            let color = Palette::of(ui.visuals()).error;
            ui.add(Label::new(RichText::new(reason).color(color)).wrap());
        }
        ui.horizontal_wrapped(|ui| {
            let response = ui.add_enabled(player.active_place().is_none(), Button::new(verb));
            if response.accessible_name(format!("{verb}: {caption}")).clicked() {
                actions.push(Action::Course(CourseAction::Start(place)));
            }
            if matches!(state, StepState::Failed(_)) {
                let response = ui.button("After all steps above");
                let help = "Does every step of the lesson up to this one again, so that the machine is where this step expects it.";
                let response = response.accessible_name(format!("After all steps above: {caption}"));
                if response.on_hover_text(help).clicked() {
                    actions.push(Action::Course(CourseAction::StartOver(place)));
                }
            }
        });
    });
}

/// Draws a question with everything that belongs to it.
pub(super) fn question_ui(
    ui: &mut Ui,
    open: &OpenLesson,
    place: Place,
    question: &Question,
    memory: &mut LessonMemory,
    actions: &mut Vec<Action>,
) {
    let player = &open.player;
    let attempt = player.attempt(place);
    let is_next = player.next_task() == Task::Question(place);
    card_ui(ui, is_next, |ui| {
        let standing = match attempt.outcome {
            None => "Question to answer",
            Some(AnswerOutcome::Answered) => "Question answered",
            Some(AnswerOutcome::Shown) => "Question with its answer shown",
        };
        ui.horizontal_top(|ui| {
            mark_ui(
                ui,
                attempt.outcome.is_some(),
                false,
                &format!("{standing}: {}", question.text),
            );
            ui.vertical(|ui| markdown_ui(ui, &mut memory.markdown, &question.text));
        });
        if attempt.outcome.is_some() {
            outcome_ui(ui, &attempt, question, memory);
            return;
        }
        match &question.answer {
            Answer::Number { unit, .. } => number_ui(ui, open, place, unit, memory, actions),
            Answer::Choice { options, .. } => choice_ui(ui, place, options, memory, actions),
        }
        if let Some(remark) = &attempt.remark {
            let color = Palette::of(ui.visuals()).error;
            ui.add(Label::new(RichText::new(remark).color(color)).wrap());
        }
        // Below the answer, because what appears above a control takes the keyboard from it.
        for hint in question.hints.iter().take(attempt.n_hints) {
            markdown_ui(ui, &mut memory.markdown, &format!("*Hint:* {hint}"));
        }
        help_ui(ui, &attempt, question, place, actions);
    });
}

/// The answer in words and why it is right.
fn outcome_ui(ui: &mut Ui, attempt: &Attempt, question: &Question, memory: &mut LessonMemory) {
    let word = match attempt.outcome {
        Some(AnswerOutcome::Answered) => "Right",
        _ => "Answer",
    };
    let answer = attempt.answer.as_deref().unwrap_or_default();
    let color = Palette::of(ui.visuals()).accent;
    ui.add(Label::new(RichText::new(format!("{word}: {answer}")).strong().color(color)).wrap());
    markdown_ui(ui, &mut memory.markdown, &question.why);
}

/// The field for a number, with its unit and the button that checks it.
fn number_ui(
    ui: &mut Ui,
    open: &OpenLesson,
    place: Place,
    unit: &str,
    memory: &mut LessonMemory,
    actions: &mut Vec<Action>,
) {
    ui.horizontal_wrapped(|ui| {
        let mut text = open.typed(place).to_owned();
        let id = Id::unique(("lesson-answer", open.info.name, place));
        let edit = TextEdit::singleline(&mut text).id(id).desired_width(ANSWER_WIDTH);
        let name = if unit.is_empty() {
            "Answer".to_owned()
        } else {
            format!("Answer in {unit}")
        };
        let response = ui.add(edit.margin(Margin::symmetric(8, 6))).accessible_name(name);
        if response.changed() {
            actions.push(Action::Course(CourseAction::Type(place, text.clone())));
        }
        let is_entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        if memory.focus.take_if(|wanted| *wanted == place).is_some() {
            focus_all(ui, &response, &text);
        }
        if !unit.is_empty() {
            ui.label(unit);
        }
        if ui.button("Check").accessible_name("Check answer").clicked() || is_entered {
            actions.push(Action::Course(CourseAction::Answer(place, Given::Text(text))));
            // If it is not right, it can be typed anew at once.
            memory.focus = Some(place);
        }
    });
}

/// Gives a text field the keyboard and selects what stands in it.
fn focus_all(ui: &Ui, response: &Response, text: &str) {
    response.request_focus();
    let mut state = TextEdit::load_state(ui.ctx(), response.id).unwrap_or_default();
    state.cursor.set_char_range(Some(CCursorRange::select_all_str(text)));
    TextEdit::store_state(ui.ctx(), response.id, state);
}

/// The answers to choose from; a click or Enter chooses.
fn choice_ui(ui: &mut Ui, place: Place, options: &[String], memory: &mut LessonMemory, actions: &mut Vec<Action>) {
    ui.with_layout(Layout::top_down_justified(Align::Min), |ui| {
        for (idx, option) in options.iter().enumerate() {
            let text = option.replace(['`', '*'], "");
            let response = ui.add(Button::new(&text).wrap());
            let response = response.accessible_name(format!("Choice {} of {}: {text}", idx + 1, options.len()));
            if idx == 0 && memory.focus.take_if(|wanted| *wanted == place).is_some() {
                response.request_focus();
            }
            if response.has_focus() {
                let outline = Stroke::new(2.0, Palette::of(ui.visuals()).accent);
                ui.painter()
                    .rect_stroke(response.rect, theme::RADIUS, outline, egui::StrokeKind::Inside);
            }
            if response.clicked() {
                actions.push(Action::Course(CourseAction::Answer(place, Given::Option(idx))));
            }
        }
    });
}

/// The buttons that show hints and the answer.
fn help_ui(ui: &mut Ui, attempt: &Attempt, question: &Question, place: Place, actions: &mut Vec<Action>) {
    let n_hints = question.hints.len();
    ui.horizontal_wrapped(|ui| {
        let buttons = [
            (
                format!("Hint {} of {n_hints}", (attempt.n_hints + 1).min(n_hints)),
                Command::Hint,
                CourseAction::Hint(Some(place)),
                attempt.n_hints < n_hints,
            ),
            (
                "Give the answer".to_owned(),
                Command::ShowAnswer,
                CourseAction::ShowAnswer(Some(place)),
                true,
            ),
        ];
        for (text, command, action, is_enabled) in buttons {
            let keys = command.info().shortcuts.first();
            let keys = keys
                .map(|shortcut| ui.ctx().format_shortcut(shortcut))
                .unwrap_or_default();
            let button = Button::new(RichText::new(text).small()).shortcut_text(RichText::new(keys).small());
            if ui.add_enabled(is_enabled, button).clicked() {
                actions.push(Action::Course(action));
            }
        }
    });
}

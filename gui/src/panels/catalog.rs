//! What there is to begin with: the lessons and the shipped programs and models, in menus and on the welcome screen.

use crate::course::{Course, CourseAction, lessons};
use crate::examples::examples;
use crate::view::Action;
use egui::{Button, Ui};

/// What an example is called in menus.
pub(crate) fn example_label(name: &str) -> String {
    format!("Example: {name}")
}

/// A button for each lesson, with how far it is. Returns whether one was clicked.
pub(crate) fn lessons_ui(ui: &mut Ui, course: &Course, actions: &mut Vec<Action>) -> bool {
    let n_before = actions.len();
    for info in lessons() {
        let button = Button::new(info.label()).shortcut_text(course.standing(info.name));
        if ui.add(button).accessible_name(info.label()).clicked() {
            actions.push(Action::Course(CourseAction::Open(info.name)));
        }
    }
    actions.len() > n_before
}

/// A button for each example. Returns whether one was clicked.
pub(crate) fn examples_ui(ui: &mut Ui, actions: &mut Vec<Action>) -> bool {
    let n_before = actions.len();
    for info in examples() {
        let response = ui.button(info.name).accessible_name(example_label(info.name));
        if response.on_hover_text(info.summary).clicked() {
            actions.push(Action::OpenExample(info.name));
        }
    }
    actions.len() > n_before
}

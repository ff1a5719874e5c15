//! Every shipped lesson, taken in the dashboard from its first page to its last by keys alone.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod storage;

use crate::storage::Store;
use egui::{Event, Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use systole_gui::app::Dashboard;
use systole_gui::command::Command;
use systole_gui::launch::engine_loader;
use systole_gui::lesson::question::{Answer, Question};
use systole_gui::lesson::{Lesson, Part};
use systole_gui::worker::SynchronousWorker;
use systole_programs::LESSONS;

/// What a student finds out by reading, counting and computing: a number to type, or the number of the choice from 1.
const ANSWERS: [&[&str]; 6] = [
    &["16", "3", "10", "-11", "64"],
    &["6", "10", "40", "#2", "8 %"],
    &["#3", "17", "16 cycles", "#2", "#1"],
    &["#1", "27", "0.99", "#2", "#3"],
    &["28", "80", "#2", "2", "#1"],
    &["9", "9", "112,896", "#2", "57"],
];

type Window = Harness<'static, Option<Dashboard>>;

fn window(storage: Option<Store>) -> Window {
    let app = move |ui: &mut egui::Ui, dashboard: &mut Option<Dashboard>| {
        let ctx = ui.ctx().clone();
        let dashboard = dashboard.get_or_insert_with(|| {
            let loader = engine_loader(Box::new(|_| Err("there are no files here".to_owned())));
            let mut dashboard = Dashboard::new(Box::new(SynchronousWorker::new(loader, None)), &ctx);
            if let Some(storage) = &storage {
                dashboard.restore(storage);
            }
            dashboard
        });
        dashboard.dashboard_ui(ui);
    };
    let builder = Harness::builder().with_size([1_440.0, 2_400.0]).with_max_steps(400);
    let mut window = builder.build_ui_state(app, None);
    window.run();
    window
}

fn press(window: &mut Window, command: Command) {
    let shortcut = command.info().shortcuts.first().unwrap();
    let mut modifiers = shortcut.modifiers;
    if modifiers.command {
        modifiers |= Modifiers::CTRL;
    }
    window.key_press_modifiers(modifiers, shortcut.logical_key);
    window.run();
}

fn key(window: &mut Window, key: Key) {
    window.key_press(key);
    window.run();
}

/// Types into whatever has the keyboard.
fn type_text(window: &mut Window, text: &str) {
    window.event(Event::Text(text.to_owned()));
    window.run();
}

/// Chooses an entry of the command palette.
fn palette(window: &mut Window, text: &str) {
    press(window, Command::Palette);
    type_text(window, text);
    key(window, Key::Enter);
}

fn shows(window: &Window, text: &str) -> bool {
    window.query_all_by_label_contains(text).next().is_some()
        || window
            .root()
            .children_recursive()
            .any(|node| node.accesskit_node().value().is_some_and(|value| value.contains(text)))
}

#[track_caller]
fn assert_shown(window: &Window, text: &str) {
    assert!(shows(window, text), "`{text}` is not shown");
}

/// Answers the question that has the keyboard: first wrong, then right after a hint.
fn answer(window: &mut Window, question: &Question, right: &str, is_hint_wanted: bool) {
    match &question.answer {
        Answer::Number { .. } => {
            type_text(window, "987654321");
            key(window, Key::Enter);
            assert_shown(window, "Not yet: that is too large.");
        }
        Answer::Choice { options, .. } => {
            let right_idx = choice(right);
            let wrong_idx = (right_idx + 1) % options.len();
            (0..wrong_idx).for_each(|_| key(window, Key::ArrowDown));
            key(window, Key::Enter);
            assert_shown(window, "Not that one.");
            (0..wrong_idx).for_each(|_| key(window, Key::ArrowUp));
        }
    }
    assert!(!shows(window, &format!("Question answered: {}", question.text)));
    if is_hint_wanted {
        press(window, Command::Hint);
        assert_shown(window, "Hint");
    }
    match &question.answer {
        Answer::Number { .. } => type_text(window, right),
        Answer::Choice { .. } => (0..choice(right)).for_each(|_| key(window, Key::ArrowDown)),
    }
    key(window, Key::Enter);
    assert_shown(window, &format!("Question answered: {}", question.text));
}

/// The index of a choice written as `#1`.
fn choice(answer: &str) -> usize {
    answer.strip_prefix('#').unwrap().parse::<usize>().unwrap() - 1
}

fn lesson(idx: usize) -> Lesson {
    Lesson::parse(LESSONS[idx].text).unwrap()
}

/// Takes the pages of a lesson before `end` by keys.
fn take(window: &mut Window, lesson: &Lesson, answers: &[&str], end: usize) {
    let mut answers = answers.iter();
    for (page_idx, page) in lesson.pages.iter().enumerate().take(end) {
        let mut has_question = false;
        for part in &page.parts {
            match part {
                Part::Prose(_) => {}
                Part::Step(step) => {
                    assert_shown(window, &format!("Step to do: {}", step.caption));
                    press(window, Command::NextThing);
                    assert_shown(window, &format!("Step done: {}", step.caption));
                }
                Part::Question(question) => {
                    answer(window, question, answers.next().unwrap(), !has_question);
                    has_question = true;
                }
            }
        }
        let number = page_idx + 1;
        assert_shown(window, &format!("Page {number} of {}, done", lesson.pages.len()));
        press(window, Command::NextPage);
    }
}

fn take_by_keys(idx: usize) {
    let mut window = window(None);
    palette(&mut window, &format!("lesson {}", idx + 1));
    let lesson = lesson(idx);
    assert_shown(&window, &lesson.title);
    take(&mut window, &lesson, ANSWERS[idx], lesson.pages.len());
    let n_questions = ANSWERS[idx].len();
    assert_shown(
        &window,
        &format!("Lesson complete: {n_questions} of {n_questions} questions right without help."),
    );
}

#[test]
fn the_first_lesson_is_taken_by_keys() {
    take_by_keys(0);
}

#[test]
fn the_second_lesson_is_taken_by_keys() {
    take_by_keys(1);
}

#[test]
fn the_third_lesson_is_taken_by_keys() {
    take_by_keys(2);
}

#[test]
fn the_fourth_lesson_is_taken_by_keys() {
    take_by_keys(3);
}

#[test]
fn the_fifth_lesson_is_taken_by_keys() {
    take_by_keys(4);
}

#[test]
fn the_sixth_lesson_is_taken_by_keys() {
    take_by_keys(5);
}

#[test]
fn there_is_a_test_for_every_lesson() {
    assert_eq!(LESSONS.len(), ANSWERS.len());
}

#[test]
fn ctrl_enter_alone_does_steps_checks_answers_turns_pages_and_goes_to_the_next_lesson() {
    let mut window = window(None);
    palette(&mut window, "lesson 1");
    let mut answers = ANSWERS[0].iter();
    for page in &lesson(0).pages {
        for part in &page.parts {
            match part {
                Part::Prose(_) => continue,
                Part::Step(_) => {}
                Part::Question(_) => type_text(&mut window, answers.next().unwrap()),
            }
            press(&mut window, Command::NextThing);
        }
        if !shows(&window, "Lesson complete") {
            press(&mut window, Command::NextThing);
        }
    }
    assert_shown(&window, "Lesson complete: 5 of 5");
    press(&mut window, Command::NextThing);
    assert_shown(&window, "Lesson 2: Fill and drain");
    assert!(!shows(&window, "Lesson complete"));
}

#[test]
fn a_step_whose_text_is_wrong_about_the_machine_says_so_and_is_done_after_all_steps_above() {
    let mut window = window(None);
    palette(&mut window, "lesson 1");
    let lesson = lesson(0);
    let last = lesson.pages.len() - 1;
    take(&mut window, &lesson, ANSWERS[0], last);
    // Another program takes the place of the lesson's.
    palette(&mut window, "example single");
    press(&mut window, Command::NextThing);
    assert_shown(&window, "Step failed: Run to the end");
    assert_shown(
        &window,
        "The text says that cycle is 50, which is 50, but the machine gives 100.",
    );
    window.get_by_label("After all steps above: Run to the end");
    press(&mut window, Command::NextThing);
    assert_shown(&window, "Step done: Run to the end");
    assert!(!shows(&window, "The text says that"));
}

#[test]
fn the_answer_can_be_shown_and_then_does_not_count() {
    let mut window = window(None);
    press(&mut window, Command::Hint);
    assert_shown(&window, "No lesson is open.");
    palette(&mut window, "lesson 1");
    press(&mut window, Command::ShowAnswer);
    assert_shown(&window, "The next thing in the lesson is not a question.");
    press(&mut window, Command::NextThing);
    press(&mut window, Command::NextThing);
    press(&mut window, Command::ShowAnswer);
    assert_shown(&window, "Answer: 16 PEs");
    assert_shown(&window, "0 of 5 right");
}

#[test]
fn progress_survives_a_restart_and_the_machine_is_brought_back() {
    let mut before = window(None);
    palette(&mut before, "lesson 4");
    take(&mut before, &lesson(3), ANSWERS[3], 2);
    press(&mut before, Command::NextThing);
    let mut storage = Store::default();
    before.state().as_ref().unwrap().keep(&mut storage);
    drop(before);

    let mut after = window(Some(storage.clone()));
    assert_shown(&after, "Lesson 4: Memory-bound or compute-bound");
    assert_shown(&after, "Page 2 of 5, done");
    assert_shown(&after, "1 of 5 right");
    assert_shown(&after, "Nothing is loaded yet");
    // The note of the first page is needed on this one: an answer before that is not judged.
    type_text(&mut after, "27");
    press(&mut after, Command::NextThing);
    assert_eq!(after.state().as_ref().unwrap().frame().now.cycle, 73);
    assert_shown(&after, "Step done: Run with two buffers");
    type_text(&mut after, "27");
    key(&mut after, Key::Enter);
    assert_shown(&after, "Right: 27 cycles");
    assert_shown(&after, "2 of 5 right");

    let stored = storage.0.get("course").unwrap().clone();
    let mut broken = storage;
    broken.0.insert("course".to_owned(), stored.replace("done", "dome"));
    let broken = window(Some(broken));
    assert_shown(&broken, "How far you were in the lessons cannot be read");
    assert!(!shows(&broken, "1 of 5 right"));
}

/// Controls without a name, by their role.
fn nameless(window: &Window) -> Vec<String> {
    let controls = window.root().children_recursive().filter(|node| {
        let node = node.accesskit_node();
        use egui::accesskit::Role;
        matches!(
            node.role(),
            Role::Button | Role::TextInput | Role::CheckBox | Role::Link | Role::Slider | Role::ComboBox
        )
    });
    let nameless = controls.filter(|node| {
        node.accesskit_node()
            .label()
            .is_none_or(|label| label.trim().is_empty())
    });
    nameless
        .map(|node| format!("{:?}", node.accesskit_node().role()))
        .collect()
}

#[test]
fn every_control_of_a_lesson_has_a_name() {
    let mut window = window(None);
    assert_eq!(nameless(&window), [""; 0]);
    palette(&mut window, "lesson 2");
    let lesson = lesson(1);
    for _ in 0..lesson.pages.len() {
        assert_eq!(nameless(&window), [""; 0]);
        press(&mut window, Command::NextPage);
    }
}

#[test]
fn menus_and_welcome_screen_offer_every_lesson_and_example() {
    let mut window = window(None);
    for info in systole_gui::examples::examples() {
        window.get_by_label(&format!("Example: {}", info.name));
    }
    for number in 1..=LESSONS.len() {
        let label = format!("Lesson {number}: ");
        assert_eq!(window.get_all_by_label_contains(&label).count(), 1);
    }
    window.get_by_label("Learn menu").click();
    window.run();
    for number in 1..=LESSONS.len() {
        let label = format!("Lesson {number}: ");
        assert_eq!(window.get_all_by_label_contains(&label).count(), 2);
    }
    window.get_by_label("Example: softmax").click();
    window.run();
    assert_eq!(
        window.state().as_ref().unwrap().frame().program.as_ref().unwrap().name,
        "softmax"
    );
}

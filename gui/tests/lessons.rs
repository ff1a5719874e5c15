//! Every shipped lesson, taken from its first page to its last on a synchronous worker: all steps work, all claims hold, and every
//! question accepts its right answer and no other.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use std::sync::Arc;
use std::time::{Duration, Instant};
use systole_gui::frame::Frame;
use systole_gui::launch::engine_loader;
use systole_gui::lesson::directive::{DIRECTIVES, Directive};
use systole_gui::lesson::expression::Function;
use systole_gui::lesson::question::{Answer, Given, Verdict};
use systole_gui::lesson::{Effect, LAYER_NUMBERS, Lesson, Part, Player, STATE_NAMES, StepState, UNIT_NUMBERS};
use systole_gui::worker::{SynchronousWorker, ThreadWorker, Worker};
use systole_programs::LESSONS;

/// The page about lessons.
const PAGE: &str = include_str!("../../docs/lessons.md");

/// A student with a machine.
struct Student {
    player: Player,
    worker: SynchronousWorker,
    frame: Arc<Frame>,
}

impl Student {
    fn new(lesson: Lesson) -> Self {
        let loader = engine_loader(Box::new(|_| Err("lessons open no files".to_owned())));
        let mut worker = SynchronousWorker::new(loader, None);
        let frame = worker.poll().unwrap();
        let player = Player::new(Arc::new(lesson));
        Self { player, worker, frame }
    }

    /// Does a step as the dashboard does.
    fn step(&mut self, place: (usize, usize)) -> StepState {
        self.player.start(place);
        while self.player.active_place().is_some() {
            for effect in self.player.advance(&self.frame) {
                if let Effect::Request(request) = effect {
                    self.worker.send(request);
                }
            }
            self.frame = self.worker.poll().unwrap_or(Arc::clone(&self.frame));
        }
        self.player.step_state(place)
    }

    fn judge(&self, place: (usize, usize), given: &Given) -> Verdict {
        let question = self.player.question(place).unwrap();
        question.judge(given, &self.player.scope_of(place, &self.frame))
    }
}

fn lesson(text: &str) -> Lesson {
    Lesson::parse(text).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// The places of a lesson's parts.
fn places(lesson: &Lesson) -> Vec<(usize, usize)> {
    let pages = lesson.pages.iter().enumerate();
    pages
        .flat_map(|(page, p)| (0..p.parts.len()).map(move |part| (page, part)))
        .collect()
}

/// Takes a whole lesson; gives what is wrong with it.
fn take(lesson: Lesson) -> Vec<String> {
    let mut student = Student::new(lesson.clone());
    let mut wrong = Vec::new();
    for place in places(&lesson) {
        student.player.go_to_page(place.0);
        let page = &lesson.pages[place.0];
        match &page.parts[place.1] {
            Part::Prose(_) => {}
            Part::Step(step) => {
                let state = student.step(place);
                if state != StepState::Done {
                    wrong.push(format!("{} / {}: {state:?}", page.title, step.caption));
                }
            }
            Part::Question(question) => {
                let answers = answers(&student, place);
                let Some((right, others)) = answers else {
                    wrong.push(format!("{}: no answer to `{}`", page.title, question.text));
                    continue;
                };
                for other in others {
                    if !matches!(student.judge(place, &other), Verdict::Wrong(_)) {
                        wrong.push(format!("{}: `{}` accepts {other:?}", page.title, question.text));
                    }
                }
                let frame = Arc::clone(&student.frame);
                if student.player.answer(place, &right, &frame) != Some(Verdict::Right) {
                    wrong.push(format!("{}: `{}` refuses {right:?}", page.title, question.text));
                }
            }
        }
    }
    let (n_right, n_questions) = student.player.score();
    if n_right != n_questions {
        wrong.push(format!("{n_right} of {n_questions} questions are answered"));
    }
    wrong
}

/// The right answer to a question in the student's state, and wrong ones.
fn answers(student: &Student, place: (usize, usize)) -> Option<(Given, Vec<Given>)> {
    let question = student.player.question(place)?;
    let right = question.right_answer(&student.player.scope_of(place, &student.frame))?;
    Some(match &question.answer {
        Answer::Choice { options, right_idx } => {
            let others = (0..options.len()).filter(|idx| idx != right_idx).map(Given::Option);
            (Given::Option(*right_idx), others.collect())
        }
        Answer::Number { value, .. } => {
            let number = value.evaluate(&student.player.scope_of(place, &student.frame))?;
            let others = [number * 1.3 + 1.0, number * 0.7 - 1.0, -number - 1.0];
            let others = others.iter().map(|other| Given::Text(other.to_string())).collect();
            (Given::Text(right), others)
        }
    })
}

#[test]
fn every_lesson_is_right_from_end_to_end() {
    let mut wrong = Vec::new();
    for text in LESSONS {
        wrong.extend(
            take(lesson(text.text))
                .into_iter()
                .map(|reason| format!("{}: {reason}", text.name)),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn steps_wait_for_a_worker_on_its_own_thread() {
    for text in LESSONS {
        let lesson = Arc::new(lesson(text.text));
        let loader = engine_loader(Box::new(|_| Err("lessons open no files".to_owned())));
        let mut worker = ThreadWorker::spawn(loader, None, || ()).unwrap();
        let mut frame = None;
        let deadline = Instant::now() + Duration::from_secs(120);
        let mut player = Player::new(Arc::clone(&lesson));
        let steps = places(&lesson).into_iter();
        for place in steps
            .filter(|place| matches!(player.part(*place), Some(Part::Step(_))))
            .collect::<Vec<_>>()
        {
            player.start(place);
            while player.active_place().is_some() {
                assert!(Instant::now() < deadline, "{}: {place:?} does not end", text.name);
                match worker.poll() {
                    Some(newest) => frame = Some(newest),
                    None => std::thread::sleep(Duration::from_millis(1)),
                }
                let Some(frame) = &frame else { continue };
                for effect in player.advance(frame) {
                    if let Effect::Request(request) = effect {
                        worker.send(request);
                    }
                }
            }
            assert_eq!(player.step_state(place), StepState::Done, "{}: {place:?}", text.name);
        }
    }
}

#[test]
fn a_wrong_number_in_a_lesson_is_found() {
    let text = LESSONS[0].text;
    for (right, wrong) in [
        ("claim cycle = 34", "claim cycle = 35"),
        ("claim sum(3, 0) = 0 - 11", "claim sum(3, 0) = 11"),
        ("claim macs = 64", "claim macs = 65"),
        ("open matmul", "open matmull"),
        ("run to mx.mm", "run to mx.os"),
        ("answer: sum(3, 0)", "answer: sum(3, 9)"),
    ] {
        assert!(text.contains(right), "{right}");
        let wrong = take(lesson(&text.replace(right, wrong)));
        assert!(!wrong.is_empty(), "{right} may be wrong");
    }
}

/// The rows of the table in the page that begins with a header.
fn rows_of_table(header: &str) -> Vec<&'static str> {
    let (_, rest) = PAGE.split_once(header).unwrap();
    rest.lines().skip(2).take_while(|line| line.starts_with('|')).collect()
}

#[test]
fn the_page_about_lessons_names_what_there_is() {
    let directives = DIRECTIVES.iter().map(|info| {
        let written = format!("{} {}", info.words, info.arguments);
        format!("| `{}` | {} | `{}` |", written.trim(), info.help, info.example)
    });
    assert_eq!(rows_of_table("| directive |"), directives.collect::<Vec<_>>());
    let functions = Function::ALL.map(|function| format!("| `{}` | {} |", function.signature(), function.help()));
    assert_eq!(rows_of_table("| function |"), functions);
    let row = |before: &str, name: &str, help: &str| format!("| `{before}{name}` | {help} |");
    let names = STATE_NAMES.iter().map(|known| row("", known.name, known.help));
    let of_units = UNIT_NUMBERS.iter().map(|number| row("UNIT.", number.name, number.help));
    let of_layers = LAYER_NUMBERS
        .iter()
        .map(|number| row("LAYER.", number.name, number.help));
    let names: Vec<String> = names.chain(of_units).chain(of_layers).collect();
    assert_eq!(rows_of_table("| name |"), names);
    let error = Directive::parse("show nothing").unwrap_err();
    let panels = error
        .split_once("the panels are ")
        .unwrap()
        .1
        .split_once(';')
        .unwrap()
        .0;
    let panels: Vec<String> = panels.split(", ").map(|name| format!("`{name}`")).collect();
    assert!(
        PAGE.contains(&format!("The panels are {}.", panels.join(", "))),
        "{panels:?}"
    );
}

#[test]
fn every_field_of_the_page_is_in_its_example_which_is_right() {
    let (_, rest) = PAGE.split_once("~~~~markdown\n").unwrap();
    let example = rest.split_once("~~~~").unwrap().0;
    assert_eq!(take(lesson(example)), [""; 0]);
    for row in rows_of_table("| field |") {
        let field = row.trim_start_matches("| `").split([' ', ':']).next().unwrap();
        let field = if field == "(" { "( )" } else { field };
        assert!(example.lines().any(|line| line.starts_with(field)), "{field}");
    }
}

#[test]
fn a_question_is_not_judged_before_the_step_above_it_is_done() {
    let mut student = Student::new(lesson(LESSONS[0].text));
    let place = places(student.player.lesson())
        .into_iter()
        .find(|place| student.player.question(*place).is_some())
        .unwrap();
    let frame = Arc::clone(&student.frame);
    let verdict = student.player.answer(place, &Given::Text("16".to_owned()), &frame);
    assert!(matches!(verdict, Some(Verdict::Unclear(text)) if text.contains("step above")));
    assert_eq!(student.player.score().0, 0);
    let state = student.step((place.0, place.1 - 1));
    assert_eq!(state, StepState::Done);
    assert!(matches!(
        student.player.answer(place, &Given::Text("15".to_owned()), &frame),
        Some(Verdict::Wrong(_))
    ));
    assert_eq!(
        student.player.answer(place, &Given::Text("16".to_owned()), &frame),
        Some(Verdict::Right)
    );
    assert_eq!(student.player.score().0, 1);
}

#[test]
fn an_answer_that_was_shown_does_not_count() {
    let mut student = Student::new(lesson(LESSONS[0].text));
    let place = places(student.player.lesson())
        .into_iter()
        .find(|place| student.player.question(*place).is_some())
        .unwrap();
    student.step((place.0, place.1 - 1));
    for n_hints in 1..=3 {
        student.player.hint(place);
        assert_eq!(student.player.attempt(place).n_hints, n_hints.min(1));
    }
    assert_eq!(student.player.attempt(place).outcome, None);
    let frame = Arc::clone(&student.frame);
    student.player.show_answer(place, &frame);
    assert_eq!(
        student.player.answer(place, &Given::Text("16".to_owned()), &frame),
        Some(Verdict::Right)
    );
    assert_eq!(student.player.score().0, 0);
}

/// Lines of which lessons are made, whole and broken.
fn lines() -> impl Strategy<Value = String> {
    let lines = LESSONS.iter().flat_map(|text| text.text.lines());
    let known: Vec<String> = lines.map(str::to_owned).collect();
    prop_oneof![
        6 => prop::sample::select(known.clone()),
        1 => (prop::sample::select(known), 0_usize..60).prop_map(|(line, n)| line.chars().take(n).collect()),
        1 => "[ -~\u{a0}-\u{2fff}]{0,20}",
    ]
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_by_its_lines(lines in prop::collection::vec(lines(), 0..40)) {
        let text = lines.join("\n");
        match Lesson::parse(&text) {
            Ok(lesson) => prop_assert!(!lesson.pages.is_empty() && !lesson.title.is_empty()),
            Err(errors) => {
                prop_assert!(!errors.is_empty());
                prop_assert!(errors.is_sorted_by_key(|error| error.line));
                for error in errors {
                    prop_assert!((1..=lines.len().max(1)).contains(&error.line) && !error.message.is_empty());
                }
            }
        }
    }

    #[test]
    fn no_bytes_stop_the_parser(text in "(?s).{0,300}") {
        let _ = Lesson::parse(&text);
    }
}

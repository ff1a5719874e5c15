//! How long a frame takes with a long text in the source panel, at rest, while it scrolls, and in the frame of a key.
//!
//! `cargo test --release -p systole-gui --test source_time -- --nocapture` prints median and maximum. A debug build is not optimised, so
//! its limit only finds what does not scale.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the figures are what the test is run for")]

use egui::{Event, Modifiers, MouseWheelSource, MouseWheelUnit, PointerButton, RawInput, Rect, TouchPhase, pos2, vec2};
use egui_kittest::kittest::Queryable;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use systole_gui::app::Dashboard;
use systole_gui::launch::{engine, engine_loader};
use systole_gui::worker::SynchronousWorker;
use systole_gui::{Recipe, Source, SourceText};
use systole_isa::machine::preset;
use systole_simulator::Mode;

/// The longest that a frame may take half of the time.
const LIMIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 400 } else { 16 });

/// The longest that the frame of a key may take half of the time: the text is laid out anew.
const KEY_LIMIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 2_000 } else { 40 });

const N_LINES: usize = 6_000;

fn long_text() -> String {
    let mut text = String::new();
    for i in 0..N_LINES / 2 - 1 {
        writeln!(text, "; step {i}: the next value, of which nobody takes notice").unwrap();
        writeln!(text, "    add     r{}, r{}, {}", i % 7 + 1, i % 5 + 1, i % 1000).unwrap();
    }
    text + "; the end\n    halt\n"
}

fn source() -> Source {
    let text = long_text();
    assert_eq!(text.lines().count(), N_LINES);
    let program = systole_assembler::assemble(&text, "long").unwrap();
    let recipe = Recipe::same_program(Arc::new(program));
    Source {
        name: "long".to_owned(),
        machine: recipe.make(&preset("tiny4x4").unwrap(), Mode::Full).unwrap(),
        recipe,
        text: Some(SourceText::of_file(std::path::Path::new("long.sasm"), &text)),
    }
}

struct Window {
    ctx: egui::Context,
    dashboard: Dashboard,
    now: f64,
}

impl Window {
    fn new() -> Self {
        let ctx = egui::Context::default();
        let dashboard = Self::dashboard(&ctx);
        let now = 0.0;
        Self { ctx, dashboard, now }
    }

    fn dashboard(ctx: &egui::Context) -> Dashboard {
        let loader = engine_loader(Box::new(|_| Err("there are no files here".to_owned())));
        let worker = SynchronousWorker::new(loader, Some(engine(source())));
        Dashboard::new(Box::new(worker), ctx)
    }

    /// Draws a frame; returns how long layout and tessellation took.
    fn draw(&mut self, events: Vec<Event>) -> Duration {
        self.now += 1.0 / 60.0;
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(pos2(0.0, 0.0), vec2(1_600.0, 1_000.0))),
            time: Some(self.now),
            events,
            ..RawInput::default()
        };
        let start = Instant::now();
        let mut output = self.ctx.run_ui(input, |ui| self.dashboard.dashboard_ui(ui));
        let primitives = self.ctx.tessellate(output.shapes, output.pixels_per_point);
        let elapsed = start.elapsed();
        output.textures_delta.clear();
        assert!(!primitives.is_empty());
        elapsed
    }

    fn click(&mut self, at: egui::Pos2) {
        for pressed in [true, false] {
            let button = Event::PointerButton {
                pos: at,
                button: PointerButton::Primary,
                pressed,
                modifiers: Modifiers::NONE,
            };
            self.draw(vec![Event::PointerMoved(at), button]);
        }
        self.draw(Vec::new());
    }
}

/// Where the tab and the text are: found by their labels, which the measured window leaves out.
fn places() -> (egui::Pos2, egui::Pos2) {
    let app = |ui: &mut egui::Ui, dashboard: &mut Option<Dashboard>| {
        let ctx = ui.ctx().clone();
        let dashboard = dashboard.get_or_insert_with(|| Window::dashboard(&ctx));
        dashboard.dashboard_ui(ui);
    };
    let mut harness = egui_kittest::Harness::builder()
        .with_size([1_600.0, 1_000.0])
        .build_ui_state(app, None);
    harness.run_steps(2);
    let tab = harness.get_by_label("Source").rect().center();
    harness.get_by_label("Source").click();
    harness.run_steps(3);
    let text = harness.get_by_label("Source text").rect();
    (tab, text.left_top() + vec2(100.0, 100.0))
}

fn judge(what: &str, mut times: Vec<Duration>, limit: Duration) {
    times.sort_unstable();
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    println!(
        "{what}: median {median:.2?}, maximum {longest:.2?} of {} frames",
        times.len()
    );
    assert!(median <= limit, "{what}: {median:.2?} is longer than {limit:?}");
}

#[test]
fn six_thousand_lines_fit_into_a_frame() {
    let mut window = Window::new();
    window.draw(Vec::new());
    let (tab, text) = places();
    window.click(tab);
    window.click(text);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 }) {
        window.draw(Vec::new());
    }
    assert!(window.ctx.egui_wants_keyboard_input(), "the text has the keyboard");

    judge(
        "6,000 lines at rest",
        (0..60).map(|_| window.draw(Vec::new())).collect(),
        LIMIT,
    );
    let wheel = |i: usize| Event::MouseWheel {
        unit: MouseWheelUnit::Point,
        delta: vec2(0.0, if i < 40 { -300.0 } else { 300.0 }),
        phase: TouchPhase::Move,
        source: MouseWheelSource::Wheel,
        modifiers: Modifiers::NONE,
    };
    let times = (0..60).map(|i| window.draw(vec![Event::PointerMoved(text), wheel(i)]));
    judge("6,000 lines, scrolling", times.collect(), LIMIT);
    let times = (0..20).map(|_| window.draw(vec![Event::Text(";".to_owned())]));
    judge("6,000 lines, a key", times.collect(), KEY_LIMIT);
}

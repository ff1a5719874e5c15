//! What stays between two starts: layout, theme, zoom, speed. Whatever is stored, the dashboard starts and every panel can be shown.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod storage;
mod support;

use crate::storage::Store;
use eframe::Storage;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use proptest::prelude::*;
use std::sync::OnceLock;
use systole_gui::app::Dashboard;
use systole_gui::launch::{engine, engine_loader};
use systole_gui::worker::SynchronousWorker;

/// A dashboard that starts with a store.
fn start(store: &Store) -> Harness<'static, Option<Dashboard>> {
    let store = store.clone();
    let app = move |ui: &mut egui::Ui, dashboard: &mut Option<Dashboard>| {
        let ctx = ui.ctx().clone();
        let dashboard = dashboard.get_or_insert_with(|| {
            let source = engine(support::sample_source("tiny4x4", 12));
            let loader = engine_loader(Box::new(|_| Err("there are no files here".to_owned())));
            let mut dashboard = Dashboard::new(Box::new(SynchronousWorker::new(loader, Some(source))), &ctx);
            dashboard.restore(&store);
            dashboard
        });
        dashboard.dashboard_ui(ui);
    };
    let mut harness = Harness::builder()
        .with_max_steps(400)
        .allow_missing_glyphs()
        .with_size([1_400.0, 900.0])
        .build_ui_state(app, None);
    harness.run();
    harness
}

fn end(harness: &Harness<'_, Option<Dashboard>>) -> Store {
    let mut store = Store::default();
    harness.state().as_ref().unwrap().keep(&mut store);
    store
}

fn click(harness: &mut Harness<'_, Option<Dashboard>>, label: &str) {
    harness.get_by_label(label).click();
    harness.run();
}

#[test]
fn layout_theme_zoom_and_speed_stay() {
    let mut harness = start(&Store::default());
    let first = end(&harness);
    assert_eq!(first.0.keys().count(), 6, "{first:?}");
    click(&mut harness, "View menu");
    click(&mut harness, "Panel: Energy");
    click(&mut harness, "View menu");
    click(&mut harness, "Next theme");
    harness.ctx.set_zoom_factor(1.25);
    harness.run();
    harness.key_press(egui::Key::CloseBracket);
    harness.run();
    let changed = end(&harness);
    for key in ["layout", "theme", "zoom", "speed"] {
        assert_ne!(first.0[key], changed.0[key], "{key}");
    }
    let harness = start(&changed);
    assert_eq!(harness.ctx.zoom_factor(), 1.25);
    assert_eq!(end(&harness).0, changed.0);
    assert!(
        harness.query_by_label_contains("last start").is_none(),
        "nothing to complain of"
    );
}

#[test]
fn a_broken_part_is_told_and_costs_nothing_but_itself() {
    let mut harness = start(&Store::default());
    click(&mut harness, "View menu");
    click(&mut harness, "Next theme");
    let mut store = end(&harness);
    let good = store.clone();
    let whole = store.0["layout"].clone();
    store.0.insert("layout".to_owned(), whole[..whole.len() / 2].to_owned());
    let harness = start(&store);
    harness.get_by_label_contains("The layout of the last start cannot be read");
    assert_eq!(
        end(&harness).0,
        good.0,
        "the layout is the default one, the theme is kept"
    );
}

#[test]
fn a_layout_of_another_version_is_not_used() {
    let mut store = Store::default();
    store.set_string("layout", "(version: 99, root: Panel(\"array\", true))".to_owned());
    let harness = start(&store);
    harness.get_by_label_contains("it is of version 99");
    assert_eq!(end(&harness).0, end(&start(&Store::default())).0);
}

#[test]
fn a_layout_that_names_unknown_panels_shows_the_known_ones() {
    let mut store = Store::default();
    let layout =
        r#"(version: 1, root: Row([(1.0, Tabs([Panel("oscilloscope", true), Panel("energy", true)], Some(0)))]))"#;
    store.set_string("layout", layout.to_owned());
    let harness = start(&store);
    assert!(harness.query_by_label_contains("last start").is_none());
    let layout = &end(&harness).0["layout"];
    assert!(
        layout.contains("\"array\"") && !layout.contains("oscilloscope"),
        "{layout}"
    );
}

#[test]
fn a_speed_or_zoom_that_nobody_can_choose_is_not_used() {
    let mut store = Store::default();
    for (key, text) in [
        ("speed", "CyclesPerSecond(0)"),
        ("zoom", "1e30"),
        ("recent files", "[]"),
        ("theme", "Dark"),
    ] {
        store.set_string(key, text.to_owned());
    }
    let harness = start(&store);
    assert_eq!(harness.ctx.zoom_factor(), 1.0);
    assert_eq!(end(&harness).0["speed"], end(&start(&Store::default())).0["speed"]);
}

fn first_layout() -> String {
    static LAYOUT: OnceLock<String> = OnceLock::new();
    LAYOUT
        .get_or_init(|| end(&start(&Store::default())).0["layout"].clone())
        .clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn whatever_is_stored_the_dashboard_starts(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        key in prop::sample::select(vec!["layout", "theme", "zoom", "speed", "recent files", "course"]),
    ) {
        let mut store = Store::default();
        store.set_string(key, String::from_utf8_lossy(&bytes).into_owned());
        prop_assert_eq!(&end(&start(&store)).0["layout"], &first_layout());
    }

    #[test]
    fn a_damaged_layout_still_shows_every_panel(at in 0.0f64..1.0, n_cut in 0usize..30, insert in "[(){}\\[\\],:a-z0-9.\"-]{0,6}") {
        let whole = first_layout();
        let at = (at * whole.len() as f64) as usize;
        let damaged = format!("{}{insert}{}", &whole[..at], &whole[(at + n_cut).min(whole.len())..]);
        let mut store = Store::default();
        store.set_string("layout", damaged);
        let layout = end(&start(&store)).0["layout"].clone();
        for name in ["array", "program", "timeline", "memory", "machine", "energy"] {
            prop_assert_eq!(layout.matches(&format!("\"{name}\"")).count(), 1, "{} in {}", name, layout);
        }
    }
}

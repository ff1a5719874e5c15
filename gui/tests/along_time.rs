//! The panels along time as a user meets them: by accessible label and value, on a synchronous worker.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use systole_gui::app::Dashboard;
use systole_gui::frame::{ActivityClass, Lane, Span, TimelineView};
use systole_gui::launch::{engine, engine_loader};
use systole_gui::overview::{FIRST_ENERGY, MACS};
use systole_gui::worker::SynchronousWorker;

type App = Harness<'static, Option<Dashboard>>;

fn dashboard() -> App {
    let app = move |ui: &mut egui::Ui, dashboard: &mut Option<Dashboard>| {
        let ctx = ui.ctx().clone();
        let dashboard = dashboard.get_or_insert_with(|| {
            let loader = engine_loader(Box::new(|_| Err("there are no files here".to_owned())));
            let source = engine(support::sample_source("tiny4x4", 12));
            Dashboard::new(Box::new(SynchronousWorker::new(loader, Some(source))), &ctx)
        });
        dashboard.dashboard_ui(ui);
    };
    let mut harness = Harness::builder()
        .with_size([1_600.0, 1_000.0])
        .build_ui_state(app, None);
    harness.run();
    click(&mut harness, "Run to end");
    click(&mut harness, "Timeline: Whole run");
    harness
}

/// Frames until a question is answered and the panels around it have their sizes.
const N_SETTLING: usize = 10;

fn click(harness: &mut App, label: &str) {
    harness.get_by_label(label).click();
    harness.run_steps(N_SETTLING);
}

/// Brings a panel in front of its tabs.
fn show(harness: &mut App, title: &str) {
    for _ in 0..2 {
        click(harness, "View menu");
        click(harness, &format!("Panel: {title}"));
        harness.key_press(Key::Escape);
        harness.run();
    }
}

fn find(harness: &mut App, text: &str) {
    harness.get_by_label("Find in lanes").focus();
    harness.run();
    harness.get_by_label("Find in lanes").type_text(text);
    harness.run();
    click(harness, "Find next span");
    harness.run();
}

fn frame(harness: &App) -> systole_gui::frame::Frame {
    harness.state().as_ref().unwrap().frame().as_ref().clone()
}

/// The spans of all lanes over the whole run, with their lanes.
fn spans(harness: &App) -> Vec<(usize, Span)> {
    let lanes = frame(harness).now.timeline.lanes.clone();
    let of_lane = |(idx, lane): (usize, &Lane)| match lane {
        Lane::Spans(spans) => spans.iter().map(|span| (idx, *span)).collect::<Vec<_>>(),
        Lane::Bins(_) => panic!("a short run has few spans"),
    };
    lanes.iter().enumerate().flat_map(of_lane).collect()
}

#[test]
fn every_stall_for_a_token_says_who_posted_it_and_when() {
    let mut harness = dashboard();
    let program = frame(&harness).program.unwrap();
    let is_token = |span: &Span| {
        let info = &program.activities[usize::from(span.activity.0)];
        info.class == ActivityClass::Stalled && info.name == "token"
    };
    let stalls: Vec<(usize, Span)> = spans(&harness).into_iter().filter(|(_, span)| is_token(span)).collect();
    assert!(stalls.len() > 2, "the sample has stalls");
    find(&mut harness, "stalled: token");
    let mut n_explained = 0;
    while let Some(report) = frame(&harness).selected_span.clone() {
        assert!(report.title.ends_with("waits for a token"), "{}", report.title);
        harness.get_by_label(&report.title);
        assert!(stalls.contains(&(report.lane_idx, report.span)) || n_explained == stalls.len());
        let posts: Vec<u64> = report
            .facts
            .iter()
            .filter(|fact| fact.label == "Posted by")
            .filter_map(|fact| fact.cycle)
            .collect();
        // A stall ends in the very cycle in which the last of its tokens is posted.
        assert_eq!(posts.iter().max(), Some(&report.span.end), "{:?}", report.facts);
        let cost = report.facts.iter().find(|fact| fact.label == "Cost").unwrap();
        assert!(cost.text.contains("cycle"), "{}", cost.text);
        n_explained += 1;
        click(&mut harness, "Find next span");
        harness.run();
        if harness.query_by_label_contains("No further span matches").is_some() {
            break;
        }
    }
    let latest = stalls
        .iter()
        .map(|(_, span)| span.start)
        .collect::<std::collections::BTreeSet<_>>();
    assert_eq!(n_explained, latest.len(), "one of each start is found");
    click(&mut harness, "Close explanation");
    assert!(frame(&harness).selected_span.is_none());
}

#[test]
fn a_stall_that_goes_on_names_who_will_post() {
    let mut harness = dashboard();
    let program = frame(&harness).program.unwrap();
    let is_long_stall = |span: &Span| {
        let info = &program.activities[usize::from(span.activity.0)];
        info.class == ActivityClass::Stalled && info.name == "token" && span.end - span.start > 4
    };
    let (_, stall) = spans(&harness)
        .into_iter()
        .find(|(_, span)| is_long_stall(span))
        .unwrap();
    click(&mut harness, "Restart");
    for _ in 0..=stall.start / 10 {
        click(&mut harness, "Step 10");
    }
    while frame(&harness).now.cycle > stall.start + 2 {
        click(&mut harness, "Step back");
    }
    // It is the last one so far.
    harness.get_by_label("Find in lanes").focus();
    harness.run();
    harness.get_by_label("Find in lanes").type_text("stalled: token");
    harness.run();
    click(&mut harness, "Find previous span");
    let report = frame(&harness).selected_span.unwrap();
    assert!(
        report.facts.iter().any(|fact| fact.text.starts_with("since cycle")),
        "{:?}",
        report.facts
    );
    let labels: Vec<&str> = report.facts.iter().map(|fact| fact.label).collect();
    assert!(
        labels.iter().any(|label| ["Will post", "May post"].contains(label)),
        "{:?}",
        report.facts
    );
}

#[test]
fn tokens_are_linked_to_what_they_allowed() {
    let harness = dashboard();
    let links = frame(&harness).now.timeline.links.clone();
    assert!(!links.is_empty());
    for link in links {
        assert!(link.post.cycle <= link.take.cycle, "{link:?}");
        assert_ne!((link.post.unit_idx, link.post.pc), (link.take.unit_idx, link.take.pc));
    }
}

#[test]
fn lanes_are_pinned_by_their_names() {
    let mut harness = dashboard();
    let before = harness.get_by_label("Pin lane MX").rect().min.y;
    click(&mut harness, "Pin lane MX");
    let after = harness.get_by_label("Unpin lane MX").rect().min.y;
    assert!(after < before, "{after} is not above {before}");
    click(&mut harness, "Unpin lane MX");
    assert_eq!(harness.get_by_label("Pin lane MX").rect().min.y, before);
}

#[test]
fn amounts_over_time_sum_to_the_counters() {
    let harness = dashboard();
    let frame = frame(&harness);
    let sums = frame
        .now
        .series
        .windows
        .amounts
        .iter()
        .fold([0; MACS + 1], |mut sums, amounts| {
            sums.iter_mut().zip(amounts).for_each(|(sum, amount)| *sum += amount);
            sums
        });
    let counter = |name: &str| {
        let counter = frame.now.counters.iter().find(|counter| counter.name == name).unwrap();
        format!("{:?}", counter.value)
    };
    assert_eq!(counter("Multiply-accumulates"), format!("Count({})", sums[MACS]));
    assert_eq!(counter("Read"), format!("Bytes({})", sums[0]));
    assert_eq!(counter("Written"), format!("Bytes({})", sums[1]));
    assert_eq!(counter("  mac"), format!("Femtojoules({})", sums[FIRST_ENERGY]));
    let total = format!("Femtojoules({})", frame.now.overview.total_fj());
    let (all, of_layers) = (counter("Total"), total);
    let number = |text: &str| {
        text.trim_start_matches("Femtojoules(")
            .trim_end_matches(')')
            .parse::<u64>()
            .unwrap()
    };
    // What passes with time is rounded down once per layer.
    assert!(number(&all).abs_diff(number(&of_layers)) < 100, "{all} and {of_layers}");
}

#[test]
fn plots_follow_the_timeline_and_tell_values_with_units() {
    let mut harness = dashboard();
    let end = TimelineView::Fit.window(frame(&harness).now.cycle).1;
    show(&mut harness, "Bandwidth and power");
    harness.get_by_label(&format!("Bandwidth over cycles 0 to {end}"));
    let value = |harness: &App, part: &str| {
        let node = harness.get_by_label_contains(part);
        node.accesskit_node()
            .value()
            .or(node.accesskit_node().label())
            .unwrap_or_default()
    };
    assert!(value(&harness, "DRAM read ").contains("B/cycle"));
    click(&mut harness, "Plot: DRAM efficiency");
    assert!(value(&harness, "DRAM bytes over peak ").contains('%'));
    click(&mut harness, "Plot: Power");
    let text = value(&harness, "average ");
    assert!(
        text.contains("leakage") && text.contains('W') && text.contains("peak"),
        "{text}"
    );
    harness.key_press(Key::Plus);
    harness.run();
    assert!(
        harness
            .query_by_label(&format!("Power over cycles 0 to {end}"))
            .is_none(),
        "the window is another"
    );
}

#[test]
fn the_roofline_has_the_network_and_its_layers() {
    let mut harness = dashboard();
    show(&mut harness, "Roofline");
    harness.get_by_label("Roofline with 2 points");
    let label = harness
        .get_by_label_contains("of the roofline")
        .accesskit_node()
        .value();
    assert!(label.as_deref().is_some_and(|text| text.contains("MAC/B")), "{label:?}");
    let roofline = frame(&harness).now.overview.roofline.clone();
    for point in &roofline.points {
        assert!(point.ratio > 0.0 && point.ratio <= 1.0, "{point:?}");
        let roof = roofline.compute_roofs.last().unwrap().1;
        assert!(point.macs_per_second <= roof, "{point:?} is above {roof}");
    }
}

#[test]
fn energy_is_told_by_layer_and_component_and_leads_to_the_layer() {
    let mut harness = dashboard();
    show(&mut harness, "Energy");
    let layer = frame(&harness)
        .now
        .overview
        .layers
        .iter()
        .find(|layer| layer.name == "product")
        .cloned()
        .unwrap();
    harness.get_by_label_contains("product, mac: ");
    click(&mut harness, "Energy: By component");
    harness.get_by_label_contains("product, mac: ").click();
    harness.run();
    let timeline = frame(&harness).now.timeline.clone();
    assert!(
        timeline.start <= layer.start && layer.end <= timeline.end,
        "the layer is shown"
    );
}

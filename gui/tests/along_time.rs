//! The panels along time as a user meets them: by accessible label and value, on a synchronous worker.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;
#[path = "support/window.rs"]
mod window;

use egui::Key;
use egui_kittest::kittest::{NodeT, Queryable};
use systole_gui::dram_lanes::{DramCommand, READ, Strip, WRITE, activity_name};
use systole_gui::frame::{ActivityClass, Lane, Span, TimelineView};
use systole_gui::launch::engine_loader;
use systole_gui::overview::{FIRST_ENERGY, MACS};
use window::{Window, frame, window};

fn dashboard() -> Window {
    let mut harness = window(
        || engine_loader(Box::new(|_| Err("there are no files here".to_owned()))),
        true,
    );
    harness.run();
    click(&mut harness, "Run to end");
    click(&mut harness, "Timeline: Whole run");
    harness
}

/// Frames until a question is answered and the panels around it have their sizes.
const N_SETTLING: usize = 10;

fn click(harness: &mut Window, label: &str) {
    harness.get_by_label(label).click();
    harness.run_steps(N_SETTLING);
}

/// Brings a panel in front of its tabs.
fn show(harness: &mut Window, title: &str) {
    for _ in 0..2 {
        click(harness, "View menu");
        click(harness, &format!("Panel: {title}"));
        harness.key_press(Key::Escape);
        harness.run();
    }
}

fn find(harness: &mut Window, text: &str) {
    harness.get_by_label("Find in lanes").focus();
    harness.run();
    harness.get_by_label("Find in lanes").type_text(text);
    harness.run();
    click(harness, "Find next span");
    harness.run();
}

/// The spans of all lanes over the whole run, with their lanes.
fn spans(harness: &Window) -> Vec<(usize, Span)> {
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
    let program = frame(&harness).program.clone().unwrap();
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
    let program = frame(&harness).program.clone().unwrap();
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
    let report = frame(&harness).selected_span.clone().unwrap();
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
    let value = |harness: &Window, part: &str| {
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

/// Draws frames until a file, which is written on a thread of its own, is there.
fn wait_until_written(harness: &mut Window, name: &str) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let notice = format!("{name} is written.");
    while harness.query_by_label_contains(&notice).is_none() {
        assert!(std::time::Instant::now() < deadline, "{name} was not written");
        harness.step();
    }
}

/// Types a path into the dialog of an export and has the file written.
fn confirm_path(harness: &mut Window, path: &std::path::Path) {
    harness.get_by_label("Path of the new file").focus();
    harness.run_steps(2);
    harness.key_press_modifiers(egui::Modifiers::CTRL | egui::Modifiers::COMMAND, Key::A);
    harness
        .get_by_label("Path of the new file")
        .type_text(path.to_str().unwrap());
    harness.run_steps(2);
    harness.get_by_label("Write file").click();
}

/// Writes an export through its menu item and dialog; gives back the file's bytes.
fn export(harness: &mut Window, label: &str, path: &std::path::Path) -> Vec<u8> {
    let title = label.rsplit_once(" as ").unwrap().0;
    click(harness, "File menu");
    click(harness, &format!("Export {title}"));
    click(harness, &format!("Export: {label}"));
    confirm_path(harness, path);
    wait_until_written(harness, path.file_name().unwrap().to_str().unwrap());
    std::fs::read(path).unwrap()
}

#[test]
fn every_panel_along_time_is_written_as_a_table_and_as_a_picture() {
    let mut harness = dashboard();
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("Timeline", "lane,start_cycle,"),
        ("Bandwidth and power", "start_cycle,end_cycle,dram_read_bytes_per_cycle"),
        ("Roofline", "name,macs_per_byte,"),
        ("Energy", "layer,operation,"),
    ];
    for (idx, (title, header)) in cases.into_iter().enumerate() {
        let path = |kind: &str| folder.path().join(format!("{idx}.{kind}"));
        let csv = String::from_utf8(export(&mut harness, &format!("{title} as CSV"), &path("csv"))).unwrap();
        assert!(csv.starts_with(header) && csv.lines().count() > 2, "{csv}");
        let n_columns = csv.lines().next().unwrap().split(',').count();
        assert!(n_columns > 3, "{csv}");
    }
    // Pictures have tests of their own; here one is asked for through the menu.
    let path = folder.path().join("energy.svg");
    let svg = String::from_utf8(export(&mut harness, "Energy as SVG", &path)).unwrap();
    assert!(svg.contains(">product  ") && svg.contains(">dram</text>"), "{svg}");
}

#[test]
fn the_dram_has_lanes_that_can_be_hidden() {
    let mut harness = dashboard();
    let label = "DRAM channel 0: data bus reads";
    let node = harness.get_by_label_contains(label).accesskit_node().label().unwrap();
    let channel = frame(&harness).now.timeline.dram.channels[0].clone();
    let Lane::Spans(spans) = &channel.bus else {
        panic!("a short run has few bursts")
    };
    let of = |activity| -> u64 {
        let spans = spans.iter().filter(|span| span.activity == activity);
        spans.map(|span| span.end - span.start).sum()
    };
    assert!(of(READ) > 0 && of(WRITE) > 0);
    let text = format!("{label} {} clocks, writes {} clocks", of(READ), of(WRITE));
    assert_eq!(node, text);
    click(&mut harness, "DRAM channel lanes");
    assert!(harness.query_by_label_contains(label).is_none());
    click(&mut harness, "DRAM channel lanes");
    assert!(harness.query_by_label_contains(label).is_some());
}

#[test]
fn a_burst_under_the_pointer_says_where_it_is_and_who_asked() {
    let mut harness = dashboard();
    let dram = frame(&harness).now.timeline.dram.clone();
    let middle = |command: &DramCommand| command.start.midpoint(command.end);
    let bursts = dram.channels[0]
        .commands
        .iter()
        .filter(|command| command.strip() == Strip::Bus);
    let command = *bursts
        .min_by_key(|command| middle(command).abs_diff(dram.end / 2))
        .unwrap();
    let (request, what) = (command.request.unwrap(), activity_name(command.activity));
    harness.key_press(Key::Plus);
    harness.run_steps(N_SETTLING);
    let (start, end) = (frame(&harness).now.timeline.start, frame(&harness).now.timeline.end);
    let at = (command.start + command.end) as f64 / 2.0 * dram.cycles_per_clock;
    let share = (at - start as f64) / (end - start) as f64;
    assert!(
        (0.0..1.0).contains(&share),
        "a burst is in the middle of the run: {share}"
    );
    let name = harness.get_by_label_contains("DRAM channel 0").rect();
    let all = harness.get_by_label_contains("Timeline, cycles ").rect();
    let pos = egui::pos2(name.max.x + (all.max.x - name.max.x) * share as f32, name.min.y + 4.0);
    harness.event(egui::Event::PointerMoved(pos));
    harness.run_steps(N_SETTLING);
    harness.get_by_label_contains(&format!("channel 0, data bus: {what}"));
    harness.get_by_label_contains(&format!(
        "bank {}, row {}, burst {}: ",
        request.bank, request.row, request.column
    ));
    let line = &frame(&harness).program.as_ref().unwrap().lines[request.pc as usize];
    assert_eq!(line.mnemonic, if command.activity == READ { "ld" } else { "st" });
    let asker = format!("by {}  {} {}", request.pc, line.mnemonic, line.operands);
    harness.get_by_label_contains(&asker);
}

#[test]
fn the_window_is_written_as_it_is_painted() {
    let mut harness = dashboard();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("window.png");
    click(&mut harness, "File menu");
    click(&mut harness, "Export: Window as PNG");
    confirm_path(&mut harness, &path);
    // A window would hand over its pixels; here the test does.
    let mut screenshot = None;
    for _ in 0..N_SETTLING {
        harness.step();
        for viewport in harness.output().viewport_output.values() {
            for command in &viewport.commands {
                if let egui::ViewportCommand::Screenshot(callback) = command {
                    screenshot = Some(callback.clone());
                }
            }
        }
    }
    let pixels = egui::ColorImage::filled([30, 20], egui::Color32::from_rgb(1, 2, 3));
    screenshot
        .expect("the window is asked for its pixels")
        .complete(std::sync::Arc::new(pixels));
    wait_until_written(&mut harness, "window.png");
    let file = std::io::BufReader::new(std::fs::File::open(&path).unwrap());
    let reader = png::Decoder::new(file).read_info().unwrap();
    assert_eq!((reader.info().width, reader.info().height), (30, 20));
}

//! The roofline of a run: its numbers against their definitions, its picture read back as XML.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use systole_compiler::codegen::{self, TilingPolicy};
use systole_isa::machine::preset;
use systole_programs::DIGITS;
use systole_simulator::energy::{EnergyModel, PowerProfile};
use systole_simulator::report::{Report, RunTotals};
use systole_simulator::roofline::{Roofline, to_svg};
use systole_simulator::{Machine, Mode};

fn digits(name: &str) -> (Report, Roofline) {
    let graph = systole_compiler::lower(systole_compiler::import_onnx(DIGITS.model).unwrap()).unwrap();
    let description = Arc::new(preset(name).unwrap());
    let program = Arc::new(codegen::generate(&graph, &description, TilingPolicy::Fastest).unwrap());
    let mut machine = Machine::new(program.clone(), description.clone(), Mode::TimingOnly).unwrap();
    machine.advance_to(u64::MAX, &mut ());
    let mut totals = RunTotals::new(program, description.clone());
    totals.add(&machine);
    let report = totals.report(&PowerProfile::new(EnergyModel::of(&description)));
    let roofline = Roofline::of(&report, &description);
    (report, roofline)
}

#[test]
fn points_lie_where_the_report_says_and_under_the_roofs() {
    let (report, roofline) = digits("edge16x16");
    // 256 PEs at 1 GHz; a PE takes a 16 x 16 product in four cycles and sixteen 2 x 2 products in one.
    let roofs = roofline.compute_roofs.iter();
    let named: Vec<_> = roofs
        .map(|roof| (roof.precisions.join(" "), roof.macs_per_second))
        .collect();
    let expected = [
        ("16x16", 64e9),
        ("16x8", 128e9),
        ("8x8", 256e9),
        ("4x8", 512e9),
        ("4x4", 1024e9),
        ("2x2", 4096e9),
    ];
    assert_eq!(named, expected.map(|(name, rate)| (name.to_owned(), rate)));
    // 64 bytes in 4 clocks of 0.83 ns.
    let peak = roofline.memory_roofs[0].bytes_per_second;
    assert!((peak / 19.277e9 - 1.0).abs() < 0.01, "{peak}");
    assert!(roofline.memory_roofs[1].bytes_per_second < peak);
    assert!((roofline.ridge_macs_per_byte - 256e9 / peak).abs() < 1e-9);
    let layers: Vec<_> = report.layers.iter().filter(|layer| layer.macs > 0).collect();
    assert_eq!(roofline.points.len(), layers.len() + 1);
    for (point, layer) in roofline.points[1..].iter().zip(layers) {
        assert_eq!(point.name, layer.name);
        assert_eq!(
            point.macs_per_byte.unwrap(),
            layer.macs as f64 / layer.dram_bytes as f64
        );
        assert_eq!(point.macs_per_second, layer.macs as f64 * 1e9 / layer.cycles as f64);
        assert!(point.ratio > 0.0 && point.ratio <= 1.0, "{point:?}");
        assert!(
            (point.ratio / layer.roofline_ratio - 1.0).abs() < 1e-9,
            "{point:?} {layer:?}"
        );
    }
    assert!((roofline.points[0].ratio / report.roofline_ratio - 1.0).abs() < 1e-9);
}

/// Circles of layers and network: (x, y, tooltip).
fn circles(document: &roxmltree::Document<'_>) -> Vec<(f64, f64, String)> {
    let number = |node: &roxmltree::Node<'_, '_>, name: &str| node.attribute(name).unwrap().parse::<f64>().unwrap();
    document
        .descendants()
        .filter(|node| node.tag_name().name() == "circle")
        .map(|node| {
            let title = node.prev_sibling_element().unwrap().text().unwrap().to_owned();
            (number(&node, "cx"), number(&node, "cy"), title)
        })
        .filter(|(_, _, title)| title != "legend")
        .collect()
}

#[test]
fn the_picture_is_valid_xml_with_units_and_every_point() {
    for name in ["tiny4x4", "edge16x16", "big128x128"] {
        let (_, roofline) = digits(name);
        let svg = to_svg(&roofline);
        let document = roxmltree::Document::parse(&svg).unwrap();
        assert_eq!(document.root_element().tag_name().name(), "svg");
        let texts: Vec<&str> = document.descendants().filter_map(|node| node.text()).collect();
        for expected in [
            "operational intensity [MAC per DRAM byte]",
            "performance [MAC/s]",
            "network",
            "conv1",
        ] {
            assert!(texts.contains(&expected), "{expected} is missing");
        }
        assert!(
            texts
                .iter()
                .any(|text| text.starts_with("DRAM peak: ") && text.ends_with("B/s"))
        );
        let circles = circles(&document);
        assert_eq!(circles.len(), roofline.points.len());
        // A point further right has the larger intensity; one further up, which is a smaller y, the larger rate.
        let place = |point: &systole_simulator::roofline::Point| {
            circles
                .iter()
                .find(|c| c.2.starts_with(&format!("{}: ", point.name)))
                .unwrap()
        };
        for a in &roofline.points {
            for b in &roofline.points {
                assert!(
                    a.macs_per_byte >= b.macs_per_byte || place(a).0 < place(b).0,
                    "{a:?} {b:?}"
                );
                assert!(
                    a.macs_per_second >= b.macs_per_second || place(a).1 > place(b).1,
                    "{a:?} {b:?}"
                );
            }
        }
        assert!(
            circles
                .iter()
                .all(|(x, y, _)| (96.0..=760.0).contains(x) && (84.0..=560.0).contains(y))
        );
    }
}

#[test]
fn odd_names_and_empty_runs_make_pictures_too() {
    let (_, mut roofline) = digits("edge16x16");
    roofline.program = "<a> & \"b\" \u{1}".into();
    roofline.points[1].macs_per_byte = None;
    let many: Vec<_> = (0..70).flat_map(|_| roofline.points.clone()).collect();
    for points in [vec![], many] {
        roofline.points = points;
        let svg = to_svg(&roofline);
        let document = roxmltree::Document::parse(&svg).unwrap();
        assert!(
            document
                .descendants()
                .any(|node| node.text().is_some_and(|text| text.contains("<a> & \"b\"")))
        );
    }
}

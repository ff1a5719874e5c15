//! The worked example of docs/energy.md, computed from the numbers that stand on the page.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use systole_isa::energy::sram::SramFigures;
use systole_isa::energy::{EventEnergy, Node, area_mm2, mac_class};
use systole_isa::machine::preset;
use systole_isa::{ElementFormat, FormatPair};
use systole_simulator::EventCounts;
use systole_simulator::energy::EnergyModel;

const PAGE: &str = include_str!("../../docs/energy.md");

/// Class of 8 x 8 bit products.
const BYTE_PRODUCTS: usize = mac_class(FormatPair {
    weights: ElementFormat::I8,
    activations: ElementFormat::I8,
});

/// The rows of the table behind a comment: first cell, last cell as a number.
fn table<'p>(page: &'p str, name: &str) -> BTreeMap<&'p str, f64> {
    let marker = format!("<!-- {name} -->\n");
    let behind = page
        .split(&marker)
        .nth(1)
        .unwrap_or_else(|| panic!("the page has no {name}"));
    let rows = behind
        .trim_start()
        .lines()
        .take_while(|line| line.starts_with('|'))
        .skip(2);
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        (cells[0], cells.last().unwrap().replace(',', "").parse().unwrap())
    })
    .collect()
}

/// The number behind a comment within a sentence.
fn number(page: &str, name: &str) -> f64 {
    let marker = format!("<!-- {name} -->");
    let behind = page
        .split(&marker)
        .nth(1)
        .unwrap_or_else(|| panic!("the page has no {name}"));
    behind
        .split_whitespace()
        .next()
        .unwrap()
        .replace(',', "")
        .parse()
        .unwrap()
}

fn example_counts(page: &str) -> (EventCounts, u64) {
    let counts = table(page, "example counts");
    let n = |name: &str| counts[name] as u64;
    let mut events = EventCounts {
        macs: n("macs"),
        gated_macs: n("gated_macs"),
        spm_read_bytes: n("spm_read_bytes"),
        spm_write_bytes: n("spm_write_bytes"),
        acc_reads: n("acc_reads"),
        acc_writes: n("acc_writes"),
        vector_ops: n("vector_ops"),
        instructions: n("instructions"),
        dram_read_bursts: n("dram_read_bursts"),
        dram_write_bursts: n("dram_write_bursts"),
        dram_activates: n("dram_activates"),
        ..EventCounts::default()
    };
    events.macs_by_width.0[BYTE_PRODUCTS] = events.macs;
    events.gated_by_width.0[BYTE_PRODUCTS] = events.gated_macs;
    (events, n("cycles"))
}

/// Components whose energy on the page is not what the model computes, by more than half a femtojoule.
fn wrong_components(page: &str) -> Vec<&'static str> {
    let (counts, cycles) = example_counts(page);
    let written = table(page, "example energy");
    let energy = EnergyModel::of(&preset("edge16x16").unwrap()).total(&counts, cycles);
    let all = energy.entries().into_iter().chain([("total", energy.total())]);
    all.filter(|(name, computed)| (written[name] - computed.picojoules()).abs() > 0.0005)
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn the_example_costs_what_the_page_says() {
    assert_eq!(wrong_components(PAGE), [""; 0]);
    let total_pj = table(PAGE, "example energy")["total"];
    let (_, cycles) = example_counts(PAGE);
    let watts = total_pj * 1e-12 / (cycles as f64 * 1e-9);
    assert!((watts - number(PAGE, "example power")).abs() < 0.0005, "{watts}");
    // Must fail: another count, another figure.
    let spoiled = PAGE.replace("| macs | 1,000,000 |", "| macs | 1,000,001 |");
    assert_eq!(wrong_components(&spoiled), ["mac", "total"]);
    let spoiled = PAGE.replace("| leakage | 74,234.940 |", "| leakage | 74,234.941 |");
    assert_eq!(wrong_components(&spoiled), ["leakage"]);
}

#[test]
fn the_figures_of_the_example_are_the_model_s() {
    let figures = table(PAGE, "example figures");
    let mut machine = preset("edge16x16").unwrap();
    let e = EventEnergy::of(&machine);
    for (name, computed) in [
        ("mac_fj", e.mac_fj[BYTE_PRODUCTS]),
        ("gated_mac_fj", e.gated_mac_fj[BYTE_PRODUCTS]),
        ("spm_read_byte_fj", e.spm_read_byte_fj),
        ("spm_write_byte_fj", e.spm_write_byte_fj),
        ("acc_read_fj", e.acc_read_fj),
        ("acc_write_fj", e.acc_write_fj),
        ("vector_op_fj", e.vector_op_fj),
        ("instruction_fj", e.instruction_fj),
        ("clock_cycle_fj", e.clock_cycle_fj),
    ] {
        assert_eq!(figures[name], computed as f64, "{name}");
    }
    assert_eq!(e.leakage_nw, 7_423_494);
    machine.power.voltage_mv = Some(720);
    let low = EventEnergy::of(&machine);
    assert_eq!(
        low.mac_fj[BYTE_PRODUCTS] as f64,
        number(PAGE, "example low voltage mac")
    );
    assert!((low.leakage_nw as f64 / e.leakage_nw as f64 - 0.8).abs() < 1e-6);
}

#[test]
fn every_coefficient_on_the_page_is_the_model_s() {
    for &node in Node::ALL {
        let (memory, arithmetic) = (SramFigures::of(node), node.table());
        let rows = [
            format!(
                "| {node} | {:?} pJ | {:?} pJ |",
                memory.read_pj.value, memory.write_pj.value
            ),
            format!(
                "| {node} | {:?} pJ | {:?} pJ |",
                arithmetic.mac_pj.value, arithmetic.vector_op_pj.value
            ),
        ];
        for row in rows {
            assert!(PAGE.contains(&row), "{row} is not on the page");
        }
    }
}

#[test]
fn the_anchor_chip_idles_and_measures_what_the_page_says() {
    let machine = preset("tpu_v1").unwrap();
    let model = EnergyModel::of(&machine);
    let cycles = 1_000_000;
    let watts = model.watts(model.of_cycles(cycles).total(), cycles);
    assert!((watts - number(PAGE, "tpu idle")).abs() < 0.05, "{watts}");
    let area = area_mm2(&machine);
    assert!((area - number(PAGE, "tpu area")).abs() < 0.05, "{area}");
}

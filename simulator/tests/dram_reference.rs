//! The DRAM against DRAMsim3 and Ramulator 2.1 on the same traces, closed loop.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;
use support::{md5, text, trace};
use systole_isa::dram::{DramStandard, DramTiming, PagePolicy};
use systole_simulator::dram::{ChannelRules, DramConfig, TraceReader, TraceRequest, TraceRun, TraceSummary};

const MD5: [(&str, &str); 6] = [
    ("rand_read", "019127f0b1132e9836a98d81be3e91a6"),
    ("rand_rw_2to1", "57cf83c83e1b3ddd5aab72b5f11f9b6d"),
    ("seq_read", "7955bdaba9842f1668923aca7ba6b2e6"),
    ("seq_rw_2to1", "b45548f4ad2d4f47e4347453295a753b"),
    ("stride256k_read", "f29a82183353c3d569ebe1eb4530fd5e"),
    ("tile256_read", "686d31c85cff5a19898e5d9e494c75a3"),
];

fn traces() -> &'static BTreeMap<&'static str, Vec<TraceRequest>> {
    static TRACES: OnceLock<BTreeMap<&'static str, Vec<TraceRequest>>> = OnceLock::new();
    TRACES.get_or_init(|| MD5.iter().map(|&(name, _)| (name, trace(name))).collect())
}

fn config(standard: DramStandard, mapping: &str) -> DramConfig {
    DramConfig {
        mapping: mapping.parse().unwrap(),
        ..DramConfig::new(standard)
    }
}

fn time(config: DramConfig, name: &str) -> TraceSummary {
    let mut run = TraceRun::new(config);
    run.feed(&traces()[name]);
    run.finish()
}

fn time_with(config: DramConfig, change: impl Fn(&mut DramTiming), name: &str) -> TraceSummary {
    let mut timing = config.standard.timing();
    change(&mut timing);
    let rules = ChannelRules::new(
        timing,
        config.standard.organization(),
        u64::from(config.n_ranks),
        config.page_policy,
    );
    let mut run = TraceRun::with_rules(config, rules);
    run.feed(&traces()[name]);
    run.finish()
}

/// The configuration that a row of the reference means.
fn reference_config(name: &str) -> Option<DramConfig> {
    let known = [
        ("DDR4_2400_1rank_rochrababgco", DramStandard::Ddr4_2400, "rochrababgco"),
        ("DDR4_2400_1rank_rochracobabg", DramStandard::Ddr4_2400, "rochracobabg"),
        ("HBM2_1ch", DramStandard::Hbm2, "rorabgbachco"),
    ];
    let (_, standard, mapping) = known.into_iter().find(|row| name.starts_with(row.0))?;
    Some(config(standard, mapping))
}

/// Configuration, trace, cycles by both simulators, share of row hits by the first of them.
const ROWS: [(&str, &str, &[u64], f64); 12] = [
    ("DDR4_2400_1rank_rochrababgco", "seq_read", &[511_228, 536_199], 0.9914),
    ("DDR4_2400_1rank_rochrababgco", "rand_read", &[688_240, 692_737], 0.0004),
    (
        "DDR4_2400_1rank_rochrababgco",
        "seq_rw_2to1",
        &[588_054, 606_001],
        0.9893,
    ),
    (
        "DDR4_2400_1rank_rochrababgco",
        "rand_rw_2to1",
        &[706_950, 710_677],
        0.0004,
    ),
    ("DDR4_2400_1rank_rochracobabg", "seq_read", &[420_794, 422_086], 0.9851),
    ("DDR4_2400_1rank_rochracobabg", "rand_read", &[688_324, 692_817], 0.0002),
    ("DDR4_2400_1rank_rochracobabg", "seq_rw_2to1", &[437_318], 0.8325),
    ("DDR4_2400_1rank_rochracobabg", "rand_rw_2to1", &[707_865], 0.0003),
    ("HBM2_1ch", "seq_read", &[217_353], 0.9671),
    ("HBM2_1ch", "rand_read", &[815_029], 0.0001),
    ("HBM2_1ch", "seq_rw_2to1", &[244_613], 0.9659),
    ("HBM2_1ch", "rand_rw_2to1", &[818_236], 0.0001),
];

fn deviation(cycles: u64, reference: u64) -> f64 {
    cycles as f64 / reference as f64 - 1.0
}

#[test]
fn traces_are_the_ones_of_the_reference() {
    for (name, expected) in MD5 {
        let text = text(&traces()[name]);
        assert_eq!(md5(text.as_bytes()), expected, "{name}");
        let mut reader = TraceReader::new(name);
        let mut requests = Vec::new();
        reader.read(text.as_bytes(), &mut requests);
        assert_eq!(reader.finish().unwrap(), 100_000);
        assert_eq!(&requests, &traces()[name]);
    }
}

#[test]
fn cycles_are_those_of_either_simulator() {
    for (name, trace, references, hit_rate) in ROWS {
        let summary = time(reference_config(name).unwrap(), trace);
        let tolerance = if trace.contains("rw") { 0.08 } else { 0.05 };
        let closest = references
            .iter()
            .map(|&r| deviation(summary.clocks, r))
            .min_by(|a, b| a.abs().total_cmp(&b.abs()));
        let closest = closest.unwrap();
        println!("{name} {trace}: {} cycles, {:+.2} %", summary.clocks, 100.0 * closest);
        assert!(
            closest.abs() < tolerance,
            "{name} {trace}: {} cycles, {closest:+.3}",
            summary.clocks
        );
        let counts = &summary.counts;
        let hits = counts.row_hits() as f64 / counts.bursts() as f64;
        assert!(
            (hits - hit_rate).abs() < 0.07,
            "{name} {trace}: {hits} of {hit_rate} row hits"
        );
    }
}

/// All closed-loop rows of the reference table, where it is at hand: in `SYSTOLE_REFERENCE`, or beside the project.
#[test]
fn the_whole_reference_table_agrees() {
    let folder = std::env::var("SYSTOLE_REFERENCE").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference"),
        PathBuf::from,
    );
    let Ok(table) = std::fs::read_to_string(folder.join("dram/reference.csv")) else {
        println!("skipped: no reference figures in {}", folder.display());
        return;
    };
    let mut rows: BTreeMap<(String, String), Vec<[u64; 4]>> = BTreeMap::new();
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        if cells[2].contains("paced") || cells[2].contains("dep1") {
            continue;
        }
        let number = |i: usize| cells[i].parse::<u64>().unwrap_or(0);
        // Ramulator's rows name the scheduler behind the mapping.
        let name = cells[1].split("_FRFCFS").next().unwrap().to_owned();
        let row = [number(6), number(15) + number(16), number(19), number(21)];
        rows.entry((name, cells[2].to_owned())).or_default().push(row);
    }
    assert_eq!(rows.len(), ROWS.len(), "a row of the table is not compared");
    for ((name, trace), figures) in rows {
        let summary = time(reference_config(&name).unwrap(), &trace);
        let tolerance = if trace.contains("rw") { 0.08 } else { 0.05 };
        let best = figures
            .iter()
            .map(|row| deviation(summary.clocks, row[0]).abs())
            .fold(f64::MAX, f64::min);
        assert!(best < tolerance, "{name} {trace}: {best}");
        let near = |mine: u64, theirs: u64, slack: u64| mine.abs_diff(theirs) <= slack;
        let counts = &summary.counts;
        assert!(
            figures.iter().any(|row| near(counts.row_hits(), row[1], 7_000)),
            "{name} {trace}: row hits"
        );
        assert!(
            figures
                .iter()
                .any(|row| near(counts.activates, row[2], 200 + 2 * row[2] / 5)),
            "{name} {trace}: activates"
        );
        assert!(
            figures.iter().any(|row| near(counts.refreshes, row[3], 2)),
            "{name} {trace}: refreshes"
        );
    }
}

#[test]
fn energy_is_near_that_of_the_reference() {
    // Device core alone, as DRAMsim3 counts: 9.904 and 18.025 pJ per bit at a clock of 0.83 ns.
    for (trace, reference) in [("seq_read", 9.904), ("rand_read", 18.025)] {
        let summary = time(config(DramStandard::Ddr4_2400, "rochrababgco"), trace);
        let energy = summary.energy();
        let core = energy.total().picojoules() - energy.io.picojoules();
        let per_bit = core / (summary.bytes() * 8) as f64;
        assert!(
            (per_bit / reference - 1.0).abs() < 0.06,
            "{trace}: {per_bit} pJ per bit"
        );
    }
}

#[test]
fn without_a_constraint_the_figures_are_off() {
    let interleaved = config(DramStandard::Ddr4_2400, "rochrababgco");
    let change = |change: fn(&mut DramTiming), trace: &str| {
        let with = time(interleaved, trace).clocks;
        deviation(time_with(interleaved, change, trace).clocks, with)
    };
    let groups = change(
        |t| (t.ccd_l, t.rrd_l, t.wtr_l) = (t.ccd_s, t.rrd_s, t.wtr_s),
        "seq_read",
    );
    assert!((-0.26..-0.18).contains(&groups), "bank groups: {groups}");
    let activates = change(|t| (t.faw, t.rrd_s, t.rrd_l) = (1, 1, 1), "rand_read");
    assert!((-0.45..-0.25).contains(&activates), "tFAW and tRRD: {activates}");
    let refresh = change(|t| t.refi = 1 << 40, "seq_read");
    assert!((-0.06..-0.03).contains(&refresh), "refresh: {refresh}");
    // Each of these models would fail the comparison with both simulators.
    for (trace, off) in [("seq_read", groups), ("rand_read", activates)] {
        let clocks = time(interleaved, trace).clocks as f64 * (1.0 + off);
        let row = ROWS
            .iter()
            .find(|row| row.0.ends_with("babgco") && row.1 == trace)
            .unwrap();
        assert!(
            row.2.iter().all(|&r| deviation(clocks as u64, r).abs() > 0.05),
            "{trace}"
        );
    }
}

#[test]
fn the_mapping_decides_the_bandwidth_of_a_stream() {
    let bandwidth = |mapping: &str| time(config(DramStandard::Ddr4_2400, mapping), "seq_read").bytes_per_second() / 1e9;
    let (columns_low, groups_low) = (bandwidth("rochrababgco"), bandwidth("rochracobabg"));
    assert!((14.0..15.5).contains(&columns_low), "{columns_low} GB/s");
    assert!((17.9..18.6).contains(&groups_low), "{groups_low} GB/s");
}

#[test]
fn a_stream_reaches_the_peak_less_refresh_on_every_standard() {
    for &standard in DramStandard::ALL {
        for n_channels in [1, 4] {
            let config = DramConfig {
                n_channels,
                ..DramConfig::new(standard)
            };
            let mut run = TraceRun::new(config);
            let read = |i: u64| TraceRequest {
                address: 64 * i,
                is_write: false,
            };
            run.feed(&(0..200_000).map(read).collect::<Vec<_>>());
            let summary = run.finish();
            let timing = standard.timing();
            let available = 1.0 - timing.rfc as f64 / timing.refi as f64;
            let share = summary.bytes_per_second() / config.peak_bytes_per_second() / available;
            println!(
                "{standard} x {n_channels}: {:.2} % of the peak less refresh",
                100.0 * share
            );
            assert!((0.97..=1.001).contains(&share), "{standard} x {n_channels}: {share}");
        }
    }
}

/// Ramulator 2.1 reads 100,000 lines in order from two channels of DDR3-2133 at 32.5 GB/s.
#[test]
fn two_channels_of_ddr3_2133_stream_as_in_ramulator() {
    let stream = |standard: DramStandard| {
        let config = DramConfig {
            n_channels: 2,
            ..DramConfig::new(standard)
        };
        time(config, "seq_read").bytes_per_second() / 32.5e9 - 1.0
    };
    let off = stream(DramStandard::Ddr3_2133);
    println!("DDR3-2133 x 2: {:+.2} % of Ramulator 2.1", 100.0 * off);
    assert!(off.abs() < 0.01, "{off}");
    // Must fail: the next slower grade.
    assert!(stream(DramStandard::Ddr3_1866) < -0.1);
}

#[test]
fn the_closed_form_of_streams_changes_nothing() {
    for &standard in DramStandard::ALL {
        for mapping in [
            "rochrababgco",
            "rochracobabg",
            "roracobabgch",
            "rorabgbachco",
            "rocobgbarach",
        ] {
            for trace in ["seq_read", "seq_rw_2to1", "tile256_read", "rand_rw_2to1"] {
                for (n_ranks, page_policy) in [(1, PagePolicy::Open), (2, PagePolicy::Open), (1, PagePolicy::Closed)] {
                    let config = DramConfig {
                        n_ranks,
                        page_policy,
                        ..config(standard, mapping)
                    };
                    let part = &traces()[trace][..4_000];
                    let mut quick = TraceRun::new(config);
                    quick.feed(part);
                    let mut slow = TraceRun::new(config).command_by_command();
                    slow.feed(part);
                    assert_eq!(quick.finish(), slow.finish(), "{standard} {mapping} {trace}");
                }
            }
        }
    }
}

#[test]
fn closed_pages_help_random_requests_and_hurt_streams() {
    let with = |policy: PagePolicy, trace: &str| {
        let config = DramConfig {
            page_policy: policy,
            ..config(DramStandard::Ddr3_1866, "rochrababgco")
        };
        time(config, trace)
    };
    let (open, closed) = (
        with(PagePolicy::Open, "rand_read"),
        with(PagePolicy::Closed, "rand_read"),
    );
    assert!(closed.counts.row_conflicts == 0 && open.counts.row_conflicts > 50_000);
    assert!(closed.clocks <= open.clocks, "{} {}", closed.clocks, open.clocks);
    assert!(closed.counts.open_clocks < open.counts.open_clocks);
    let stream = with(PagePolicy::Closed, "seq_read");
    assert!(
        stream.counts.row_hits() > 95_000,
        "waiting requests keep their row open"
    );
}

#[test]
fn one_bank_with_a_new_row_each_time_takes_its_row_cycle() {
    let summary = time(config(DramStandard::Ddr4_2400, "rochrababgco"), "stride256k_read");
    let timing = DramStandard::Ddr4_2400.timing();
    let ideal = 100_000 * timing.rc + summary.counts.refreshes * timing.rfc;
    let off = deviation(summary.clocks, ideal);
    assert!((0.0..0.01).contains(&off), "{off}");
    assert_eq!(summary.counts.row_hits(), 0);
}

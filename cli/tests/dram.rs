//! `systole dram`: a trace on the DRAM model alone.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write;
use support::{json, outcome};

fn file(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn stream(n: u64) -> String {
    (0..n).fold("# reads in order\n".to_owned(), |mut text, i| {
        writeln!(text, "0x{:X} R", 64 * i).unwrap();
        text
    })
}

#[test]
fn a_stream_is_timed_and_counted() {
    let (_folder, path) = file("stream.trc", &stream(20_000));
    let report = json(&[
        "dram",
        &path,
        "--dram",
        "ddr4-2400",
        "--mapping",
        "rochracobabg",
        "--json",
    ]);
    assert_eq!(
        (&report["requests"], &report["commands"]["RD"]),
        (&20_000.into(), &20_000.into())
    );
    assert_eq!(report["mapping"], "rochracobabg");
    let cycles = report["cycles"].as_u64().unwrap();
    assert!((80_000..86_000).contains(&cycles), "{cycles}");
    assert!(report["row_hit_rate"].as_f64().unwrap() > 0.95);
    assert!(report["peak_share"].as_f64().unwrap() > 0.9);
    let by_cause = report["energy"]["by_cause"].as_object().unwrap();
    let sum: f64 = by_cause.values().map(|pj| pj.as_f64().unwrap()).sum();
    assert!((sum / report["energy"]["total_pj"].as_f64().unwrap() - 1.0).abs() < 1e-9);
    let slower = json(&[
        "dram",
        &path,
        "--dram",
        "ddr4-2400",
        "--mapping",
        "rochrababgco",
        "--json",
    ]);
    assert!(slower["cycles"].as_u64().unwrap() > cycles * 6 / 5);
    let wider = json(&[
        "dram",
        &path,
        "--dram",
        "ddr4-2400",
        "--channels",
        "4",
        "--ranks",
        "2",
        "--page",
        "closed",
        "--json",
    ]);
    assert!(wider["cycles"].as_u64().unwrap() < cycles / 3);
}

#[test]
fn the_table_has_units() {
    let (_folder, path) = file("stream.trc", &stream(100));
    let (code, stdout, _) = outcome(&["dram", &path, "--dram", "lpddr5-6400"]);
    assert_eq!(code, 0);
    for part in [
        "cycles",
        "GB/s",
        "% of the peak",
        "row hits",
        "ACT",
        "pJ/bit",
        "1250 ps",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
}

#[test]
fn faulty_lines_are_named_and_exit_codes_tell_kinds_of_errors() {
    let (_folder, path) = file("bad.trc", "0x40 R\n0x80 X\n\nzz\n");
    let (code, stdout, stderr) = outcome(&["dram", &path, "--dram", "hbm2"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("bad.trc:2") && stderr.contains("bad.trc:4"), "{stderr}");
    let (_folder, empty) = file("empty.trc", "\n");
    assert_eq!(outcome(&["dram", &empty, "--dram", "hbm2"]).0, 1);
    assert_eq!(outcome(&["dram", "no such file", "--dram", "hbm2"]).0, 1);
    for wrong in [["--dram", "ddr9"], ["--mapping", "chrobabgco"], ["--channels", "3"]] {
        let (code, _, stderr) = outcome(&[&["dram", &path, "--dram", "hbm2"][..], &wrong[..]].concat());
        assert_eq!(code, 2, "{wrong:?}: {stderr}");
    }
}

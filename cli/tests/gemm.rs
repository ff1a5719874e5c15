//! Matrix products against SCALE-Sim 2.0.2 (interface bandwidth CALC, 1 MiB per SRAM).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::json;

/// Dataflow, rows and columns of a square array, M, K, N, and the index of the last cycle that SCALE-Sim reports.
const SCALE_SIM: [(&str, u64, u64, u64, u64, u64); 84] = [
    ("ws", 8, 1, 64, 10, 367),
    ("ws", 8, 8, 8, 8, 29),
    ("ws", 8, 32, 32, 32, 863),
    ("ws", 8, 33, 65, 31, 1979),
    ("ws", 8, 100, 200, 50, 21349),
    ("ws", 8, 196, 1152, 256, 1004543),
    ("ws", 8, 784, 512, 128, 825343),
    ("ws", 8, 12544, 147, 64, 1910031),
    ("ws", 8, 49, 512, 2048, 1163263),
    ("ws", 8, 1, 2048, 1000, 735999),
    ("ws", 8, 128, 768, 768, 1382399),
    ("ws", 8, 1000, 3, 17, 3065),
    ("ws", 32, 1, 64, 10, 189),
    ("ws", 32, 8, 8, 8, 101),
    ("ws", 32, 32, 32, 32, 125),
    ("ws", 32, 33, 65, 31, 380),
    ("ws", 32, 100, 200, 50, 2715),
    ("ws", 32, 196, 1152, 256, 83519),
    ("ws", 32, 784, 512, 128, 56191),
    ("ws", 32, 12544, 147, 64, 126379),
    ("ws", 32, 49, 512, 2048, 146431),
    ("ws", 32, 1, 2048, 1000, 194559),
    ("ws", 32, 128, 768, 768, 127871),
    ("ws", 32, 1000, 3, 17, 1093),
    ("ws", 128, 1, 64, 10, 382),
    ("ws", 128, 8, 8, 8, 389),
    ("ws", 128, 32, 32, 32, 413),
    ("ws", 128, 33, 65, 31, 414),
    ("ws", 128, 100, 200, 50, 963),
    ("ws", 128, 196, 1152, 256, 10403),
    ("ws", 128, 784, 512, 128, 4663),
    ("ws", 128, 12544, 147, 64, 25851),
    ("ws", 128, 49, 512, 2048, 27583),
    ("ws", 128, 1, 2048, 1000, 49023),
    ("ws", 128, 128, 768, 768, 18359),
    ("ws", 128, 1000, 3, 17, 1381),
    ("os", 32, 1, 64, 10, 125),
    ("os", 32, 8, 8, 8, 69),
    ("os", 32, 32, 32, 32, 93),
    ("os", 32, 33, 65, 31, 253),
    ("os", 32, 100, 200, 50, 2095),
    ("os", 32, 196, 1152, 256, 67983),
    ("os", 32, 784, 512, 128, 57399),
    ("os", 32, 12544, 147, 64, 163855),
    ("os", 32, 49, 512, 2048, 73471),
    ("os", 32, 1, 2048, 1000, 67519),
    ("os", 32, 128, 768, 768, 79679),
    ("os", 32, 1000, 3, 17, 2079),
    ("os", 128, 1, 64, 10, 317),
    ("os", 128, 8, 8, 8, 261),
    ("os", 128, 32, 32, 32, 285),
    ("os", 128, 33, 65, 31, 318),
    ("os", 128, 100, 200, 50, 453),
    ("os", 128, 196, 1152, 256, 5623),
    ("os", 128, 784, 512, 128, 5361),
    ("os", 128, 12544, 147, 64, 39297),
    ("os", 128, 49, 512, 2048, 12255),
    ("os", 128, 1, 2048, 1000, 18415),
    ("os", 128, 128, 768, 768, 6131),
    ("os", 128, 1000, 3, 17, 2055),
    ("is", 32, 1, 64, 10, 207),
    ("is", 32, 8, 8, 8, 101),
    ("is", 32, 32, 32, 32, 125),
    ("is", 32, 33, 65, 31, 749),
    ("is", 32, 100, 200, 50, 4031),
    ("is", 32, 196, 1152, 256, 88199),
    ("is", 32, 784, 512, 128, 88799),
    ("is", 32, 12544, 147, 64, 309679),
    ("is", 32, 49, 512, 2048, 68543),
    ("is", 32, 1, 2048, 1000, 70015),
    ("is", 32, 128, 768, 768, 82751),
    ("is", 32, 1000, 3, 17, 3551),
    ("is", 128, 1, 64, 10, 391),
    ("is", 128, 8, 8, 8, 389),
    ("is", 128, 32, 32, 32, 413),
    ("is", 128, 33, 65, 31, 412),
    ("is", 128, 100, 200, 50, 863),
    ("is", 128, 196, 1152, 256, 11483),
    ("is", 128, 784, 512, 128, 14279),
    ("is", 128, 12544, 147, 64, 87415),
    ("is", 128, 49, 512, 2048, 9719),
    ("is", 128, 1, 2048, 1000, 22111),
    ("is", 128, 128, 768, 768, 6899),
    ("is", 128, 1000, 3, 17, 3191),
];

fn array_cycles(dataflow: &str, side: u64, m: u64, k: u64, n: u64, overlap: &str) -> u64 {
    let [m, k, n, array] = [m.to_string(), k.to_string(), n.to_string(), format!("{side}x{side}")];
    let args = [
        "gemm",
        &m,
        &k,
        &n,
        "--dataflow",
        dataflow,
        "--overlap",
        overlap,
        "--array",
        &array,
        "--timing-only",
        "--json",
    ];
    json(&args)["array_cycles"].as_u64().unwrap()
}

#[test]
fn without_overlap_the_array_takes_exactly_what_scale_sim_reports() {
    for (dataflow, side, m, k, n, reported) in SCALE_SIM {
        assert_eq!(
            array_cycles(dataflow, side, m, k, n, "none"),
            reported + 1,
            "{m} x {k} x {n} on {side} x {side}, {dataflow}"
        );
    }
}

/// Side of a cube and the cycles that STONNE 22634b8 reports for a dense 16x16 output-stationary array.
const STONNE: [(u64, u64); 3] = [(64, 1584), (128, 10432), (256, 74496)];

fn output_stationary(side: u64, machine: &str) -> u64 {
    let side = side.to_string();
    let args = [
        "gemm",
        &side,
        &side,
        &side,
        "--dataflow",
        "os",
        "--machine",
        machine,
        "--timing-only",
        "--json",
    ];
    json(&args)["array_cycles"].as_u64().unwrap()
}

#[test]
fn the_preset_of_stonne_takes_exactly_what_stonne_reports() {
    for (side, reported) in STONNE {
        assert_eq!(output_stationary(side, "stonne16x16"), reported, "{side}");
        // Must fail: the same array whose tiles overlap.
        assert_ne!(output_stationary(side, "edge16x16"), reported, "{side}");
    }
}

#[test]
fn with_overlap_the_array_is_faster_and_never_beats_its_peak() {
    for (dataflow, side, m, k, n, reported) in SCALE_SIM.into_iter().filter(|row| row.2 * row.3 * row.4 < 50_000_000) {
        let cycles = array_cycles(dataflow, side, m, k, n, "full");
        assert!(
            cycles <= reported + 1,
            "{m} x {k} x {n} on {side} x {side}: {cycles} > {}",
            reported + 1
        );
        assert!(
            cycles * side * side >= m * k * n,
            "{m} x {k} x {n} on {side} x {side}: {cycles}"
        );
    }
}

#[test]
fn a_product_reports_dram_time_beside_array_time() {
    let report = json(&["gemm", "64", "64", "64", "--machine", "edge16x16", "--json"]);
    assert_eq!(report["macs"], 64 * 64 * 64);
    assert!(report["cycles"].as_u64() > report["array_cycles"].as_u64());
    // At least the left operand, the weights and 64 rows of 12 bytes of parameters come in; the product goes out.
    assert!(report["dram"]["read_bytes"].as_u64().unwrap() >= 64 * 64 * 2 + 64 * 12);
    assert_eq!(report["dram"]["write_bytes"], 64 * 64);
}

#[test]
fn narrow_formats_and_sparse_weights_take_less_time_of_the_array() {
    let cycles = |options: &[&str]| {
        let args = [&["gemm", "256", "256", "64", "--timing-only", "--json"], options].concat();
        let report = json(&args);
        (
            report["array_cycles"].as_u64().unwrap(),
            report["macs_executed"].as_u64().unwrap(),
        )
    };
    let (dense, n_macs) = cycles(&[]);
    assert_eq!(n_macs, 256 * 256 * 64);
    for (options, gain, executed) in [
        (&["--weights", "i4"][..], 2.0, 1.0),
        (&["--weights", "i4", "--activations", "i4"], 4.0, 1.0),
        (&["--density", "0.5"], 2.0, 0.5),
        (&["--density", "0.25"], 4.0, 0.25),
        (&["--dataflow", "os", "--density", "0.5"], 2.0, 0.5),
        (&["--weights", "i16"], 0.5, 1.0),
    ] {
        let (array, macs) = cycles(options);
        let gained = dense as f64 / array as f64;
        assert!(
            (0.85 * gain..1.15 * gain).contains(&gained),
            "{options:?}: {dense} / {array}"
        );
        assert_eq!(macs as f64, executed * n_macs as f64, "{options:?}");
    }
    let (_, refused, _) = support::outcome(&["gemm", "8", "8", "8", "--weights", "i32"]);
    assert!(refused.is_empty());
}

//! Matrix products against SCALE-Sim 2.0.2 (interface bandwidth CALC, weight-stationary, 1 MiB per SRAM).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::json;

/// Rows and columns of a square array, M, K, N, and the index of the last cycle that SCALE-Sim reports.
const SCALE_SIM: [(u64, u64, u64, u64, u64); 36] = [
    (8, 1, 64, 10, 367),
    (8, 8, 8, 8, 29),
    (8, 32, 32, 32, 863),
    (8, 33, 65, 31, 1979),
    (8, 100, 200, 50, 21349),
    (8, 196, 1152, 256, 1004543),
    (8, 784, 512, 128, 825343),
    (8, 12544, 147, 64, 1910031),
    (8, 49, 512, 2048, 1163263),
    (8, 1, 2048, 1000, 735999),
    (8, 128, 768, 768, 1382399),
    (8, 1000, 3, 17, 3065),
    (32, 1, 64, 10, 189),
    (32, 8, 8, 8, 101),
    (32, 32, 32, 32, 125),
    (32, 33, 65, 31, 380),
    (32, 100, 200, 50, 2715),
    (32, 196, 1152, 256, 83519),
    (32, 784, 512, 128, 56191),
    (32, 12544, 147, 64, 126379),
    (32, 49, 512, 2048, 146431),
    (32, 1, 2048, 1000, 194559),
    (32, 128, 768, 768, 127871),
    (32, 1000, 3, 17, 1093),
    (128, 1, 64, 10, 382),
    (128, 8, 8, 8, 389),
    (128, 32, 32, 32, 413),
    (128, 33, 65, 31, 414),
    (128, 100, 200, 50, 963),
    (128, 196, 1152, 256, 10403),
    (128, 784, 512, 128, 4663),
    (128, 12544, 147, 64, 25851),
    (128, 49, 512, 2048, 27583),
    (128, 1, 2048, 1000, 49023),
    (128, 128, 768, 768, 18359),
    (128, 1000, 3, 17, 1381),
];

fn array_cycles(side: u64, m: u64, k: u64, n: u64, overlap: &str) -> u64 {
    let [m, k, n, array] = [m.to_string(), k.to_string(), n.to_string(), format!("{side}x{side}")];
    let args = [
        "gemm",
        &m,
        &k,
        &n,
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
    for (side, m, k, n, reported) in SCALE_SIM {
        assert_eq!(
            array_cycles(side, m, k, n, "none"),
            reported + 1,
            "{m} x {k} x {n} on {side} x {side}"
        );
    }
}

#[test]
fn with_overlap_the_array_is_faster_and_never_beats_its_peak() {
    for (side, m, k, n, reported) in SCALE_SIM.into_iter().filter(|row| row.1 * row.2 * row.3 < 50_000_000) {
        let cycles = array_cycles(side, m, k, n, "full");
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

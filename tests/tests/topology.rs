//! Tables of SCALE-Sim, compiled: their layers have the work of their sizes and compute what the reference executor computes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use systole_compiler::gemm::splitmix64;
use systole_compiler::{ModelFormat, QuantizedGraph, import, lower};
use systole_isa::machine::preset;
use systole_testkit::execution::{machine_outputs, reference_outputs};

const CONVS: &str = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,
Conv1, 15, 14, 3, 3, 3, 20, 2,
Conv2, 9, 9, 5, 1, 4, 8, 1, 3,
FC, 1, 1, 1, 1, 40, 10, 1,
";
const PRODUCTS: &str = "Layer, M, N, K,
one, 4, 10, 32,
two, 33, 17, 50,
";

fn lowered(table: &str) -> QuantizedGraph {
    assert_eq!(ModelFormat::of(table.as_bytes()), ModelFormat::Topology);
    lower(import(table.as_bytes()).unwrap()).unwrap()
}

fn inputs(graph: &QuantizedGraph, mut state: u64) -> Vec<Vec<i32>> {
    let mut bytes = |n: usize| (0..n).map(|_| i32::from(splitmix64(&mut state) as i8)).collect();
    graph.inputs.iter().map(|io| bytes(io.len())).collect()
}

#[test]
fn tables_run_on_the_machine() {
    let macs_of_convs = 7 * 6 * 20 * 27 + 5 * 3 * 8 * 20 + 400;
    for (table, macs) in [(CONVS, macs_of_convs), (PRODUCTS, 4 * 10 * 32 + 33 * 17 * 50)] {
        let graph = lowered(table);
        assert_eq!(graph.n_macs(), macs);
        let (a, b) = ([inputs(&graph, 1)], [inputs(&graph, 2)]);
        for machine in ["tiny4x4", "edge16x16"] {
            let found = machine_outputs(&graph, &preset(machine).unwrap(), &a);
            assert_eq!(found, reference_outputs(&graph, &a), "{machine}");
            // The comparison can fail, and no output is clipped away.
            assert_ne!(found, reference_outputs(&graph, &b));
            let results = found[0].iter().flatten();
            assert!(results.clone().filter(|v| v.abs() < 127).count() * 10 > results.count() * 8);
        }
    }
}

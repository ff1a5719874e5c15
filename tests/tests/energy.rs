//! What holds for energy and power whatever runs: idle time costs leakage and clock alone, counts cost in proportion, layers and windows
//! sum to the whole, power is energy over time. Each property has a control that must fail.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use std::sync::Arc;
use systole_compiler::codegen::{self, TilingPolicy};
use systole_isa::energy::{N_MAC_CLASSES, Node, OperatingPoint, Transistors};
use systole_isa::machine::{preset, preset_names};
use systole_isa::operand::{Scalar, Target};
use systole_isa::{MachineDescription, Op, Program, Unit};
use systole_programs::DIGITS;
use systole_simulator::energy::{EnergyModel, PowerProfile};
use systole_simulator::report::{Report, RunTotals};
use systole_simulator::{EventCounts, Machine, Mode};
use systole_testkit::build::{Builder, load};

/// A machine with everything that energy depends on drawn at random.
fn machine() -> impl Strategy<Value = MachineDescription> {
    let names: Vec<&str> = preset_names().collect();
    let memory = (0u32..9, 0usize..4).prop_map(|(log_kib, width)| (1 << log_kib, [32, 64, 128, 256][width]));
    (
        prop::sample::select(names),
        prop::sample::select(Node::ALL),
        (1u32..200, 1u32..200, 100u32..3000),
        (memory.clone(), memory),
        (60u32..=130, any::<bool>()),
    )
        .prop_map(|(name, node, (rows, cols, clock_mhz), (spm, acc), (percent, leaky))| {
            let mut machine = preset(name).unwrap();
            machine.node = node;
            (machine.rows, machine.cols, machine.clock_mhz) = (rows, cols, clock_mhz);
            (machine.spm.capacity_kib, machine.spm.access_bits) = spm;
            (machine.acc.capacity_kib, machine.acc.access_bits) = acc;
            let nominal = OperatingPoint::default().voltage_mv(node);
            machine.power.voltage_mv = Some(nominal * percent / 100);
            if leaky {
                machine.power.transistors = Transistors::HighPerformance;
            }
            assert!(machine.problems().is_empty(), "{:?}", machine.problems());
            machine
        })
}

/// Counts as any run could have them.
fn counts() -> impl Strategy<Value = EventCounts> {
    (prop::collection::vec(0u64..1 << 30, 13), 0..N_MAC_CLASSES).prop_map(|(n, class)| {
        let mut counts = EventCounts {
            spm_read_bytes: n[2],
            spm_write_bytes: n[3],
            acc_reads: n[4],
            acc_writes: n[5],
            vector_ops: n[6],
            instructions: n[7],
            dram_read_bytes: n[8],
            dram_write_bytes: n[9],
            dram_read_bursts: n[10],
            dram_write_bursts: n[11],
            dram_activates: n[12],
            ..EventCounts::default()
        };
        counts.add(&products(class, n[0] + n[1], n[1]));
        counts
    })
}

/// Multiply-accumulates of one class of operand widths.
fn products(class: usize, macs: u64, gated_macs: u64) -> EventCounts {
    let mut counts = EventCounts {
        macs,
        gated_macs,
        ..EventCounts::default()
    };
    counts.macs_by_width.0[class] = macs;
    counts.gated_by_width.0[class] = gated_macs;
    counts
}

/// Runs for so many cycles and does nothing else.
fn idle_program(n_cycles: u64) -> Program {
    let mut b = Builder::new(64);
    let start = b.op(Op::Loop {
        count: Scalar::Imm(n_cycles as i64),
        end: Target(0),
    });
    b.op(Op::Nop {});
    b.close_loop(start);
    b.halt()
}

/// The digits network with its power profile, in timing-only mode.
fn digits(description: &MachineDescription) -> (Machine, PowerProfile) {
    let graph = systole_compiler::lower(systole_compiler::import_onnx(DIGITS.model).unwrap()).unwrap();
    let program = codegen::generate(&graph, description, TilingPolicy::Fastest).unwrap();
    let description = Arc::new(description.clone());
    let mut profile = PowerProfile::new(EnergyModel::of(&description));
    let mut machine = Machine::new(Arc::new(program), description, Mode::TimingOnly).unwrap();
    machine.advance_to(u64::MAX, &mut profile);
    (machine, profile)
}

fn report(machine: &Machine, profile: &PowerProfile) -> Report {
    let mut totals = RunTotals::new(machine.program().clone(), machine.description().clone());
    totals.add(machine);
    totals.report(profile)
}

/// Whether two energies differ by no more than the rounding of their parts.
fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_idle_machine_costs_leakage_clock_and_dram_background(machine in machine(), cycles in 0u64..1 << 34) {
        let model = EnergyModel::of(&machine);
        let idle = model.total(&EventCounts::default(), cycles);
        prop_assert_eq!(idle.total(), idle.leakage + idle.clock + idle.dram);
        prop_assert_eq!(idle, model.of_cycles(cycles));
        // Must fail: with one instruction it is not idle.
        let busy = model.total(&EventCounts { instructions: 1, ..EventCounts::default() }, cycles);
        prop_assert_ne!(busy.total(), busy.leakage + busy.clock + busy.dram);
    }

    #[test]
    fn doubling_every_count_doubles_dynamic_energy(machine in machine(), once in counts(), spoiled in 0usize..5) {
        let model = EnergyModel::of(&machine);
        let mut twice = once;
        twice.add(&once);
        let (one, two) = (model.of_events(&once), model.of_events(&twice));
        for ((name, one), (_, two)) in one.entries().into_iter().zip(two.entries()) {
            prop_assert_eq!(two.0, 2 * one.0, "{}", name);
        }
        prop_assert_eq!(one.leakage.0 + one.clock.0, 0);
        // Must fail: one count more.
        let more = [
            products(6, 1, 0),
            EventCounts { spm_write_bytes: 1, ..Default::default() },
            EventCounts { acc_reads: 1, ..Default::default() },
            EventCounts { dram_activates: 1, ..Default::default() },
            EventCounts { instructions: 1, ..Default::default() },
        ];
        twice.add(&more[spoiled]);
        prop_assert_ne!(model.of_events(&twice).total().0, 2 * one.total().0);
    }

    #[test]
    fn dynamic_energy_follows_the_square_of_the_voltage_and_leakage_the_voltage(machine in machine()) {
        let mut nominal = machine.clone();
        nominal.power.voltage_mv = None;
        let ratio = machine.power.relative_voltage(machine.node);
        let (here, there) = (EnergyModel::of(&machine), EnergyModel::of(&nominal));
        // So many that the rounding of a single event to femtojoules does not matter for a full multiply-accumulate.
        let counts = products(6, 1 << 20, 0);
        let mac = here.of_events(&counts).mac.0 as f64 / there.of_events(&counts).mac.0 as f64;
        prop_assert!((mac / ratio.powi(2) - 1.0).abs() < 0.02, "{} for {}", mac, ratio);
        let leakage = here.of_cycles(1 << 33).leakage.0 as f64 / there.of_cycles(1 << 33).leakage.0 as f64;
        // Leakage is a whole number of nanowatts, of which the smallest machine has some thousands.
        prop_assert!((leakage / ratio - 1.0).abs() < 1e-3, "{} for {}", leakage, ratio);
        // Must fail: dynamic energy is not linear in the voltage.
        if (ratio - 1.0).abs() > 0.05 {
            prop_assert!((mac / ratio - 1.0).abs() > 0.02);
        }
    }

    #[test]
    fn twice_the_clock_means_the_same_clock_energy_and_half_the_leakage(machine in machine(), cycles in 1u64 << 20..1 << 33) {
        let mut fast = machine.clone();
        fast.clock_mhz *= 2;
        let (slow, fast) = (EnergyModel::of(&machine).of_cycles(cycles), EnergyModel::of(&fast).of_cycles(cycles));
        prop_assert_eq!(slow.clock, fast.clock);
        prop_assert!(slow.leakage.0.abs_diff(2 * fast.leakage.0) <= 2);
        // Must fail: at the same clock.
        prop_assert_ne!(slow.leakage.0, 2 * slow.leakage.0);
    }
}

#[test]
fn a_run_that_does_nothing_costs_its_instructions_and_its_time() {
    let description = preset("edge16x16").unwrap();
    let model = EnergyModel::of(&description);
    for n_cycles in [10, 1000, 100_000] {
        let mut machine = load(idle_program(n_cycles), &description);
        machine.advance_to(u64::MAX, &mut ());
        assert!(machine.now() >= n_cycles);
        for unit in [Unit::Ld, Unit::St, Unit::Mx, Unit::Vx] {
            assert_eq!(machine.unit_cycles(unit).busy(), 0);
        }
        let energy = model.total(&machine.counts(), machine.now());
        let time = model.of_cycles(machine.now());
        assert_eq!(energy.total(), time.total() + energy.control);
        assert_eq!((energy.leakage, energy.clock), (time.leakage, time.clock));
        // Must fail: a cycle more.
        assert_ne!(model.of_cycles(machine.now() + 1).total(), time.total());
    }
}

#[test]
fn layers_and_windows_sum_to_the_total_and_power_is_energy_over_time() {
    for name in preset_names().filter(|name| *name != "tpu_v1") {
        let (machine, profile) = digits(&preset(name).unwrap());
        let report = report(&machine, &profile);
        let total = report.energy.total_pj;
        let layers: f64 = report.layers.iter().map(|layer| layer.energy_pj).sum();
        // Each layer rounds its own leakage, background and refresh down by less than a femtojoule times the channels.
        assert!((layers - total).abs() < 0.1, "{name}: {layers} {total}");
        let components: f64 = report.energy.by_component.entries().iter().map(|(_, pj)| pj).sum();
        assert!(close(components, total));
        assert!(close(report.power.average_w, total * 1e-12 / report.seconds));

        let windows = profile.windows();
        let sum: u64 = windows.iter().map(|window| window.energy.0).sum();
        assert_eq!(sum, (total * 1000.0).round() as u64, "{name}");
        assert_eq!((windows[0].start, windows.last().unwrap().end), (0, machine.now()));
        let model = EnergyModel::of(machine.description());
        let average: f64 = windows
            .iter()
            .map(|window| model.watts(window.energy, window.end - window.start) * (window.end - window.start) as f64)
            .sum();
        assert!(close(average / machine.now() as f64, report.power.average_w));
        assert!(report.power.peak_w >= report.power.average_w);
        assert!(report.energy.low_pj < total && total < report.energy.high_pj);

        // Must fail: without one layer, without one window, over one cycle more.
        assert!((layers - report.layers[0].energy_pj - total).abs() > 0.1);
        assert_ne!(sum - windows[0].energy.0, (total * 1000.0).round() as u64);
        let longer = (machine.now() + 1) as f64 / (f64::from(machine.description().clock_mhz) * 1e6);
        assert!(!close(report.power.average_w, total * 1e-12 / longer));
    }
}

#[test]
fn reports_name_node_sources_and_uncertainty() {
    let (machine, profile) = digits(&preset("mid32x32").unwrap());
    let report = serde_json::to_value(report(&machine, &profile)).unwrap();
    let energy = &report["energy"];
    assert_eq!((&energy["node"], &energy["voltage_mv"]), (&"16nm".into(), &800.into()));
    let sets = energy["source_sets"].as_array().unwrap();
    let n_components: usize = sets.iter().map(|set| set["components"].as_array().unwrap().len()).sum();
    assert_eq!(n_components, energy["by_component"].as_object().unwrap().len());
    for figure in energy["figures"].as_array().unwrap() {
        assert!(figure["source"].as_str().unwrap().len() > 20, "{figure}");
    }
    let area: f64 = report["area_by_component"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["area_mm2"].as_f64().unwrap())
        .sum();
    assert!(close(area, report["area_mm2"].as_f64().unwrap()));
}

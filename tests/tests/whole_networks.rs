//! Whole networks on every shipped machine and on odd ones: the machine equals the integer reference bit for bit, or the compiler's error
//! names the field of the description that keeps the network from running.
//!
//! Of the published networks, `SYSTOLE_NETWORKS=all` compares four; the default is the smallest.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says why it fails or is skipped"
)]

use std::sync::Arc;
use systole_compiler::codegen::{self, TilingPolicy};
use systole_compiler::{QuantizedGraph, import_onnx, import_tflite, lower, reference};
use systole_isa::machine::{preset, preset_names};
use systole_isa::program::SymbolKind;
use systole_isa::{MachineDescription, Program};
use systole_programs::DIGITS;
use systole_simulator::energy::{EnergyModel, PowerProfile};
use systole_simulator::host::{HostValues, read_stored, write_input};
use systole_simulator::report::RunTotals;
use systole_simulator::{Machine, Mode, Status};
use systole_testkit::models::models;
use systole_testkit::random_quantized::inputs;

/// What a program leaves in its outputs.
fn machine_outputs(program: Program, machine: &MachineDescription, inputs: &[Vec<i32>]) -> Vec<Vec<i32>> {
    let program = Arc::new(program);
    let mut run = Machine::new(program.clone(), Arc::new(machine.clone()), Mode::Full).unwrap();
    for (tensor, values) in program.inputs.iter().zip(inputs) {
        let values = values.iter().map(|&v| i64::from(v)).collect();
        // The integers of the tensor itself, whatever the host's type.
        let stored = systole_isa::program::IoTensor {
            host_type: systole_isa::program::HostType::Integer,
            ..tensor.clone()
        };
        write_input(&mut run, &stored, &HostValues::Integer(values)).unwrap();
    }
    run.advance_to(u64::MAX, &mut ());
    assert_eq!(*run.status(), Status::Halted, "{} on {}", program.name, machine.name);
    program.outputs.iter().map(|output| read_stored(&run, output)).collect()
}

/// The reference's outputs for the same inputs, which are in the order of the user's axes.
fn reference_outputs(graph: &QuantizedGraph, inputs: &[Vec<i32>]) -> Vec<Vec<i32>> {
    let inputs: Vec<Vec<i32>> = graph
        .inputs
        .iter()
        .zip(inputs)
        .map(|(io, values)| io.integers_to_machine(values).unwrap())
        .collect();
    let values = reference::execute(graph, &inputs).unwrap();
    let outputs = graph.outputs.iter();
    outputs
        .map(|io| io.integers_from_machine(values.of(io.tensor)).unwrap())
        .collect()
}

fn small_networks() -> Vec<(&'static str, QuantizedGraph)> {
    let mut networks = vec![("digits", lower(import_onnx(DIGITS.model).unwrap()).unwrap())];
    for name in ["resnet8_cifar10", "ds_cnn_kws"] {
        if let Some(folder) = models(&format!("tflite/{name}")) {
            let model = std::fs::read(folder.join("model.tflite")).unwrap();
            networks.push((name, lower(import_tflite(&model).unwrap()).unwrap()));
        }
    }
    networks
}

/// Whether the machine could be compiled for; otherwise every error names a field that it lacks.
fn equals_the_reference(name: &str, graph: &QuantizedGraph, machine: &MachineDescription) -> bool {
    let program = match codegen::generate(graph, machine, TilingPolicy::Fastest) {
        Ok(program) => program,
        Err(errors) => {
            for error in &errors {
                let text = error.to_string();
                let fields = ["`spm`", "`acc`", "`vector`", "queue_depth", "dram.capacity_mib"];
                assert!(fields.iter().any(|field| text.contains(field)), "{name}: {text}");
            }
            println!("{name} on {}: {}", machine.name, errors[0]);
            return false;
        }
    };
    let inputs = inputs(graph, 5);
    let expected = reference_outputs(graph, &inputs);
    assert_eq!(
        machine_outputs(program, machine, &inputs),
        expected,
        "{name} on {}",
        machine.name
    );
    true
}

#[test]
fn small_networks_equal_the_reference_on_every_preset() {
    for (name, graph) in small_networks() {
        for machine in preset_names() {
            assert!(
                equals_the_reference(name, &graph, &preset(machine).unwrap()),
                "{name} on {machine}"
            );
        }
    }
}

/// Where the scratchpad has room for all activations, none is stored but the outputs; where it has not, some are.
#[test]
fn activations_stay_where_there_is_room() {
    let stored = |graph: &QuantizedGraph, machine: MachineDescription| {
        let program = Arc::new(codegen::generate(graph, &machine, TilingPolicy::Fastest).unwrap());
        let n_resident = program
            .symbols
            .iter()
            .filter(|symbol| symbol.kind == SymbolKind::Spm)
            .count();
        let machine = Arc::new(machine);
        let mut run = Machine::new(program.clone(), machine.clone(), Mode::TimingOnly).unwrap();
        run.advance_to(u64::MAX, &mut ());
        let mut totals = RunTotals::new(program, machine.clone());
        totals.add(&run);
        let report = totals.report(&PowerProfile::new(EnergyModel::of(&machine)));
        (n_resident, report.dram.write_bytes)
    };
    for (name, graph) in small_networks() {
        let outputs = graph.outputs.iter().map(|io| graph.tensor(io.tensor).len() as u64);
        let outputs: u64 = outputs.sum();
        let (n_resident, n_bytes) = stored(&graph, preset("big128x128").unwrap());
        assert!(n_resident > 2, "{name}: {n_resident} tensors stay");
        assert_eq!(n_bytes, outputs, "{name}");
        // All activations of the digits network are smaller than this.
        if name != "digits" {
            let (n_resident, n_bytes) = stored(&graph, changed("24 KiB", |m| m.spm.capacity_kib = 24));
            assert!(n_bytes > outputs, "{name}: {n_resident} tensors stay");
        }
    }
}

fn changed(name: &str, change: impl FnOnce(&mut MachineDescription)) -> MachineDescription {
    let mut machine = preset("edge16x16").unwrap();
    machine.name = name.to_owned();
    change(&mut machine);
    machine
}

#[test]
fn odd_machines_run_right_or_say_what_they_lack() {
    let machines = [
        changed("one row", |m| m.rows = 1),
        changed("one column", |m| m.cols = 1),
        changed("16 KiB", |m| m.spm.capacity_kib = 16),
        changed("short queues", |m| m.queue_depth = 1),
        changed("queues of two", |m| m.queue_depth = 2),
        changed("one lane", |m| m.vector.n_lanes = 1),
        changed("no pooling", |m| m.vector.pooling = false),
    ];
    for (name, graph) in small_networks() {
        for machine in &machines {
            let ran = equals_the_reference(name, &graph, machine);
            let may_lack = machine.spm.capacity_kib < 256 || !machine.vector.pooling || machine.queue_depth == 1;
            assert!(ran || may_lack, "{name} on {}", machine.name);
        }
    }
}

/// The comparison notices 64 changed weights of the last layer.
#[test]
fn changed_weights_are_noticed() {
    let (_, graph) = small_networks().swap_remove(0);
    let machine = preset("edge16x16").unwrap();
    let mut program = codegen::generate(&graph, &machine, TilingPolicy::Fastest).unwrap();
    let mut segments = program.segments.iter_mut();
    let weights = segments.rfind(|segment| segment.name.ends_with(".weights")).unwrap();
    let mut bytes = weights.bytes.to_vec();
    bytes[..64].iter_mut().for_each(|byte| *byte ^= 0x40);
    weights.bytes = Arc::from(bytes);
    let inputs = inputs(&graph, 5);
    assert_ne!(
        machine_outputs(program, &machine, &inputs),
        reference_outputs(&graph, &inputs)
    );
}

#[test]
fn published_networks_equal_the_reference() {
    let Some(folder) = models("table1") else { return };
    let all = ["squeezenet", "mobilenet_v1", "googlenet", "resnet50"];
    let wants_all = std::env::var("SYSTOLE_NETWORKS").is_ok_and(|which| which == "all");
    for name in &all[..if wants_all { all.len() } else { 1 }] {
        let model = std::fs::read(folder.join(format!("{name}.onnx"))).unwrap();
        let graph = lower(import_onnx(&model).unwrap()).unwrap();
        assert!(
            equals_the_reference(name, &graph, &preset("big128x128").unwrap()),
            "{name}"
        );
    }
}

//! Runs quantized graphs on integers in the user's order: on the machine, and in the integer reference executor.

use std::sync::Arc;
use systole_compiler::codegen::{self, TilingPolicy};
use systole_compiler::{QuantizedGraph, reference};
use systole_isa::MachineDescription;
use systole_isa::program::{HostType, IoTensor};
use systole_simulator::host::{HostValues, read_stored, write_input};
use systole_simulator::{Machine, Mode, Status};

/// One list of integers per input or output.
pub type Integers = Vec<Vec<i32>>;

/// What the compiled program of a graph stores in its outputs, inference by inference.
///
/// # Panics
/// If the graph cannot be compiled, the inputs are not its own, or the program does not halt.
pub fn machine_outputs(graph: &QuantizedGraph, machine: &MachineDescription, inputs: &[Integers]) -> Vec<Integers> {
    let program = codegen::generate(graph, machine, TilingPolicy::Fastest);
    let program = Arc::new(program.unwrap_or_else(|errors| panic!("{}: {errors:#?}", graph.name)));
    let blank = Machine::new(program.clone(), Arc::new(machine.clone()), Mode::Full);
    let blank = blank.expect("a program fits its machine");
    let run = |inputs: &Integers| {
        let mut machine = blank.clone();
        for (tensor, values) in program.inputs.iter().zip(inputs) {
            let tensor = IoTensor {
                host_type: HostType::Integer,
                ..tensor.clone()
            };
            let values = HostValues::Integer(values.iter().map(|&v| v.into()).collect());
            write_input(&mut machine, &tensor, &values).expect("as many values as the input has");
        }
        machine.advance_to(u64::MAX, &mut ());
        assert_eq!(*machine.status(), Status::Halted, "{}", graph.name);
        let outputs = program.outputs.iter();
        outputs.map(|output| read_stored(&machine, output)).collect()
    };
    inputs.iter().map(run).collect()
}

/// What the reference executor computes, inference by inference.
///
/// # Panics
/// If the inputs are not those of the graph.
pub fn reference_outputs(graph: &QuantizedGraph, inputs: &[Integers]) -> Vec<Integers> {
    let run = |inputs: &Integers| {
        let pairs = graph.inputs.iter().zip(inputs);
        let inputs: Option<Integers> = pairs.map(|(io, values)| io.integers_to_machine(values)).collect();
        let values = reference::execute(graph, &inputs.expect("as many values as the inputs have"));
        let values = values.expect("the inputs are those of the graph");
        let outputs = graph.outputs.iter();
        let output = |io: &systole_compiler::quantized::IoTensor| io.integers_from_machine(values.of(io.tensor));
        outputs
            .map(|io| output(io).expect("an output has its own size"))
            .collect()
    };
    inputs.iter().map(run).collect()
}

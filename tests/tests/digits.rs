//! The digits network end to end: machine against integer reference, against the reference runtime's outputs, and machine against machine.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rayon::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;
use systole_compiler::codegen::{self, TilingPolicy};
use systole_compiler::{QuantizedGraph, import_onnx, lower, reference};
use systole_isa::machine::{preset, preset_names};
use systole_isa::{Program, container};
use systole_programs::DIGITS;
use systole_simulator::host::{HostValues, read_stored};
use systole_simulator::{Machine, Mode, Status, host, session};
use systole_testkit::models::{models, npy_f32, npy_i64};

fn quantized(model: &[u8]) -> QuantizedGraph {
    lower(import_onnx(model).unwrap()).unwrap()
}

fn compiled(graph: &QuantizedGraph, machine: &str) -> Program {
    codegen::generate(graph, &preset(machine).unwrap(), TilingPolicy::Fastest).unwrap()
}

/// Stored output integers of one inference per image.
fn stored_outputs(graph: &QuantizedGraph, machine: &str, images: &[f32]) -> Vec<Vec<i32>> {
    let program = Arc::new(compiled(graph, machine));
    let blank = Machine::new(program.clone(), Arc::new(preset(machine).unwrap()), Mode::Full).unwrap();
    images
        .par_chunks_exact(784)
        .map(|image| {
            let mut machine = blank.clone();
            host::write_input(&mut machine, &program.inputs[0], &HostValues::F32(image.to_vec())).unwrap();
            machine.advance_to(u64::MAX, &mut ());
            assert_eq!(*machine.status(), Status::Halted);
            read_stored(&machine, &program.outputs[0])
        })
        .collect()
}

#[test]
fn the_machine_equals_the_integer_reference_on_every_preset() {
    let graph = quantized(DIGITS.model);
    let (_, images) = npy_f32(DIGITS.inputs);
    let (input, output) = (&graph.inputs[0], &graph.outputs[0]);
    let expected: Vec<Vec<i32>> = images
        .chunks_exact(784)
        .map(|image| {
            let values = reference::execute(&graph, &[input.quantize_input(image).unwrap()]).unwrap();
            output.integers_from_machine(values.of(output.tensor)).unwrap()
        })
        .collect();
    for name in preset_names() {
        assert_eq!(stored_outputs(&graph, name, &images), expected, "{name}");
    }
    // The comparison can fail: another image gives other logits.
    let inverted: Vec<f32> = images.iter().map(|v| 1.0 - v).collect();
    assert_ne!(stored_outputs(&graph, "edge16x16", &inverted), expected);
}

#[test]
fn embedded_images_are_read_as_the_reference_runtime_reads_them() {
    let program = Arc::new(compiled(&quantized(DIGITS.model), "edge16x16"));
    let description = Arc::new(preset("edge16x16").unwrap());
    let (_, images) = npy_f32(DIGITS.inputs);
    let (_, expected) = npy_f32(DIGITS.expected);
    let inferences: Vec<Vec<HostValues>> = images
        .chunks_exact(784)
        .map(|image| vec![HostValues::F32(image.to_vec())])
        .collect();
    let result = session::run(&program, &description, Mode::Full, &inferences, u64::MAX, |_| {}).unwrap();
    let outputs: Vec<f32> = result
        .outputs
        .iter()
        .flat_map(|outputs| match &outputs[0] {
            HostValues::F32(values) => values.clone(),
            HostValues::Integer(_) => panic!("the network's outputs are real numbers"),
        })
        .collect();
    assert_eq!(outputs, expected);
    let labels = npy_i64(DIGITS.labels);
    for (logits, label) in outputs.chunks_exact(10).zip(labels) {
        let best = (0..10).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
        assert_eq!(best as i64, label);
    }
}

#[test]
fn two_hundred_images_agree_with_the_reference_runtime() {
    for kind in ["qdq", "qoperator"] {
        let Some(folder) = models("digits") else { return };
        let read = |name: String| std::fs::read(PathBuf::from(&folder).join(name)).unwrap();
        let graph = quantized(&read(format!("digits_int8_{kind}.onnx")));
        let (_, images) = npy_f32(&read("images.npy".into()));
        let (_, expected) = npy_f32(&read(format!("digits_int8_{kind}.expected.npy")));
        let outputs = stored_outputs(&graph, "edge16x16", &images);
        let io = &graph.outputs[0];
        let mut differing = 0;
        for (stored, expected) in outputs.iter().zip(expected.chunks_exact(10)) {
            let real = stored.iter().map(|&v| (v - io.zero_point) as f32 * io.scale);
            for (real, expected) in real.zip(expected) {
                differing += u32::from(real != *expected);
                assert!((real - expected).abs() <= 1.001 * io.scale, "{kind}: {real} {expected}");
            }
        }
        assert!(differing <= 2, "{kind}: {differing} of 2,000 logits differ");
        for name in ["tiny4x4", "big128x128"] {
            assert_eq!(stored_outputs(&graph, name, &images), outputs, "{kind} on {name}");
        }
    }
}

#[test]
fn compiled_programs_survive_disassembly_and_the_container() {
    let graph = quantized(DIGITS.model);
    for name in preset_names() {
        let program = compiled(&graph, name);
        let elf = container::write(&program).unwrap();
        assert_eq!(container::read(&elf).unwrap(), program, "{name}");
        let text = systole_assembler::disassemble(&program);
        let again = systole_assembler::assemble(&text, "digits.sasm").unwrap();
        assert_eq!(container::write(&again).unwrap(), elf, "{name}");
    }
}

#[test]
fn a_program_for_another_machine_is_refused_with_the_differences() {
    let program = Arc::new(compiled(&quantized(DIGITS.model), "edge16x16"));
    let error = Machine::new(program, Arc::new(preset("tiny4x4").unwrap()), Mode::Full).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("rows: 16") && message.contains("rows: 4"), "{message}");
}

#[test]
fn a_layer_that_does_not_fit_says_what_it_needs() {
    let graph = quantized(DIGITS.model);
    let mut small = preset("tiny4x4").unwrap();
    (small.spm.capacity_kib, small.acc.capacity_kib) = (1, 1);
    let errors = codegen::generate(&graph, &small, TilingPolicy::Fastest).unwrap_err();
    assert!(errors.len() > 1, "every layer that does not fit is named: {errors:?}");
    let message = errors[0].to_string();
    assert!(
        message.contains("bytes of scratchpad") && message.contains("1024"),
        "{message}"
    );
}

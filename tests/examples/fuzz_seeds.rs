//! Writes the seeds of the fuzz targets into `fuzz/corpus/TARGET/`: hand-written programs as text, as words and as files, small networks,
//! compiled programs, machine descriptions. Nothing of it is kept in the repository, because all of it follows from what is.

#[path = "../../compiler/tests/support/model_writer.rs"]
mod model_writer;

use model_writer::{ModelWriter, ints};
use rten_onnx::onnx::DataType;
use std::error::Error;
use std::path::{Path, PathBuf};
use systole_assembler::{assemble, disassemble};
use systole_compiler::codegen::{self, TilingPolicy};
use systole_compiler::{import_onnx, lower};
use systole_isa::instruction::OPCODES;
use systole_isa::machine::{preset, preset_names, preset_text};
use systole_isa::{Program, container};
use systole_testkit::instruction_test::{folder, read_all};
use systole_testkit::manual::example;

type Outcome = Result<(), Box<dyn Error>>;

/// Larger files slow a fuzzer down more than they teach it.
const MAX_BYTES: usize = 16 << 10;

fn main() -> Outcome {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let corpus = root.join("fuzz/corpus");
    let mut n_seeds = 0;
    let mut seed = |target: &str, name: &str, bytes: &[u8]| -> Outcome {
        if bytes.len() <= MAX_BYTES {
            std::fs::create_dir_all(corpus.join(target))?;
            std::fs::write(corpus.join(target).join(name), bytes)?;
            n_seeds += 1;
        }
        Ok(())
    };
    for (name, source) in sources(&root.join("programs/asm"))? {
        seed("assembler", &name, source.as_bytes())?;
        if let Ok(program) = assemble(&source, &name) {
            program_seeds(&mut seed, &name, &program)?;
        }
    }
    for row in OPCODES {
        let instruction = example(row).ok_or("a row has no example")?;
        seed("decoder", row.mnemonic, &instruction.encode()?.to_le_bytes())?;
    }
    for name in preset_names() {
        seed("machine_ron", name, preset_text(name).unwrap_or("").as_bytes())?;
    }
    for (name, model) in models() {
        seed("onnx_import", name, &model)?;
        let tiny = preset("tiny4x4").ok_or("the preset is gone")?;
        let graph = lower(import_onnx(&model).map_err(|errors| format!("{name}: {}", errors[0]))?)
            .map_err(|errors| format!("{name}: {}", errors[0]))?;
        let program =
            codegen::generate(&graph, &tiny, TilingPolicy::Fastest).map_err(|error| format!("{name}: {error:?}"))?;
        program_seeds(&mut seed, name, &program)?;
        seed("assembler", name, disassemble(&program).as_bytes())?;
    }
    print_count(n_seeds, &corpus);
    Ok(())
}

#[allow(clippy::print_stdout, reason = "a command says what it did")]
fn print_count(n_seeds: usize, corpus: &Path) {
    println!("{n_seeds} seeds in {}", corpus.display());
}

/// Hand-written programs and the cases of the instruction tests.
fn sources(programs: &Path) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(programs)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        sources.push((name, std::fs::read_to_string(&path)?));
    }
    for (mnemonic, test) in read_all(&folder())? {
        for case in test.cases {
            sources.push((format!("{mnemonic}-{}", case.name), case.text));
        }
    }
    Ok(sources)
}

fn program_seeds(seed: &mut impl FnMut(&str, &str, &[u8]) -> Outcome, name: &str, program: &Program) -> Outcome {
    seed("elf_loader", name, &container::write(program)?)?;
    let words = program
        .encode_code()
        .map_err(|(pc, error)| format!("{name}: {pc}: {error}"))?;
    seed("decoder", name, &words)
}

/// Small networks: convolution with pooling, a residual addition, a product of integers, and what has to be folded first.
fn models() -> [(&'static str, Vec<u8>); 3] {
    [
        ("network-convolution", convolution()),
        ("network-product", product()),
        ("network-reshape", reshape()),
    ]
}

/// A model with the float input `x`, quantized with scale `s` and zero point `z` to `q`, and dequantized to `d`.
fn with_input(shape: &[i64]) -> ModelWriter {
    ModelWriter::default()
        .input("x", DataType::FLOAT, shape)
        .floats("s", &[], &[0.5])
        .bytes_i8("z", &[], &[3])
        .bytes_i8("zw", &[], &[0])
        .node("QuantizeLinear", &["x", "s", "z"], "q")
        .node("DequantizeLinear", &["q", "s", "z"], "d")
}

/// `NAME`, requantized to `NAME_d`.
fn requantize(writer: ModelWriter, name: &str) -> ModelWriter {
    let (quantized, real) = (format!("{name}_q"), format!("{name}_d"));
    writer.node("QuantizeLinear", &[name, "s", "z"], &quantized).node(
        "DequantizeLinear",
        &[&quantized, "s", "z"],
        &real,
    )
}

fn convolution() -> Vec<u8> {
    let weights: Vec<i8> = (0..36).collect();
    let writer = with_input(&[1, 2, 4, 4])
        .bytes_i8("w", &[2, 2, 3, 3], &weights)
        .node("DequantizeLinear", &["w", "s", "zw"], "wd")
        .node_with(
            "Conv",
            &["d", "wd"],
            "c",
            vec![ints("pads", &[1, 1, 1, 1]), ints("kernel_shape", &[3, 3])],
        )
        .node("Relu", &["c"], "r");
    let writer = requantize(writer, "r").node_with(
        "MaxPool",
        &["r_d"],
        "m",
        vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])],
    );
    requantize(writer, "m").output("m_d").bytes()
}

fn product() -> Vec<u8> {
    let weights: Vec<i8> = (0..36).collect();
    let writer = with_input(&[1, 6])
        .bytes_i8("w", &[6, 6], &weights)
        .node("DequantizeLinear", &["w", "s", "zw"], "wd")
        .node("MatMul", &["d", "wd"], "p");
    let writer = requantize(writer, "p").node("Add", &["p_d", "d"], "a");
    requantize(writer, "a").output("a_d").bytes()
}

fn reshape() -> Vec<u8> {
    let shape = [1i64, -1].iter().flat_map(|len| len.to_le_bytes()).collect();
    let weights: Vec<i8> = (0..24).collect();
    let writer = with_input(&[1, 2, 2, 2])
        .bytes_i8("w", &[8, 3], &weights)
        .raw("shape", DataType::INT64, &[2], shape)
        .node("Reshape", &["d", "shape"], "f")
        .node("DequantizeLinear", &["w", "s", "zw"], "wd")
        .node("MatMul", &["f", "wd"], "p");
    requantize(writer, "p").output("p_d").bytes()
}

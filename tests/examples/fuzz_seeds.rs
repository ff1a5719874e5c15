//! Writes the seeds of the fuzz targets into `fuzz/corpus/TARGET/`: hand-written programs as text, as words and as files, small networks,
//! compiled programs, machine descriptions. Nothing of it is kept in the repository, because all of it follows from what is.

use rten_onnx::onnx::{
    AttributeProto, DataType, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, TypeProtoTensor, ValueInfoProto,
};
use std::cell::RefCell;
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

#[derive(Default)]
struct ModelWriter {
    graph: GraphProto,
}

impl ModelWriter {
    /// A model with the float input `x`, quantized with scale `s` and zero point `z` to `q`.
    fn with_input(shape: &[i64]) -> Self {
        let mut writer = Self::default();
        let dim = |&len: &i64| Dimension {
            dim_value: Some(len),
            dim_param: None,
        };
        writer.graph.input.push(ValueInfoProto {
            name: Some("x".into()),
            r#type: Some(TypeProto {
                tensor_type: Some(TypeProtoTensor {
                    elem_type: Some(DataType::FLOAT),
                    shape: Some(TensorShapeProto {
                        dim: shape.iter().map(dim).collect(),
                    }),
                }),
                sequence: None,
            }),
        });
        writer
            .constant("s", DataType::FLOAT, &[], 0.5f32.to_le_bytes().to_vec())
            .constant("z", DataType::INT8, &[], vec![3])
            .constant("zw", DataType::INT8, &[], vec![0])
            .node("QuantizeLinear", &["x", "s", "z"], "q", vec![])
    }

    fn constant(mut self, name: &str, dtype: DataType, dims: &[i64], raw: Vec<u8>) -> Self {
        self.graph.initializer.push(TensorProto {
            name: Some(name.into()),
            dims: dims.to_vec(),
            data_type: Some(dtype),
            raw_data: Some(RefCell::new(raw)),
            ..TensorProto::default()
        });
        self
    }

    fn node(mut self, op_type: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> Self {
        self.graph.node.push(NodeProto {
            domain: Some(String::new()),
            name: Some(format!("make_{output}")),
            op_type: Some(op_type.into()),
            input: inputs.iter().map(|&name| name.into()).collect(),
            output: vec![output.into()],
            attribute,
        });
        self
    }

    /// `NAME`, requantized to `NAME_d`.
    fn requantize(self, name: &str) -> Self {
        let (quantized, real) = (format!("{name}_q"), format!("{name}_d"));
        self.node("QuantizeLinear", &[name, "s", "z"], &quantized, vec![]).node(
            "DequantizeLinear",
            &[&quantized, "s", "z"],
            &real,
            vec![],
        )
    }

    fn bytes(mut self, output: &str) -> Vec<u8> {
        self.graph.output.push(ValueInfoProto {
            name: Some(output.into()),
            r#type: None,
        });
        let version = OperatorSetIdProto {
            domain: Some(String::new()),
            version: Some(17),
        };
        let model = ModelProto {
            ir_version: Some(8),
            graph: Some(self.graph),
            opset_import: vec![version],
            ..ModelProto::default()
        };
        model.write_buf().expect("a message in memory has no writer that fails")
    }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        ints: values.to_vec(),
        ..AttributeProto::default()
    }
}

fn convolution() -> Vec<u8> {
    ModelWriter::with_input(&[1, 2, 4, 4])
        .constant("w", DataType::INT8, &[2, 2, 3, 3], (0..36).collect())
        .node("DequantizeLinear", &["q", "s", "z"], "d", vec![])
        .node("DequantizeLinear", &["w", "s", "zw"], "wd", vec![])
        .node(
            "Conv",
            &["d", "wd"],
            "c",
            vec![ints("pads", &[1, 1, 1, 1]), ints("kernel_shape", &[3, 3])],
        )
        .node("Relu", &["c"], "r", vec![])
        .requantize("r")
        .node(
            "MaxPool",
            &["r_d"],
            "m",
            vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])],
        )
        .requantize("m")
        .bytes("m_d")
}

fn product() -> Vec<u8> {
    ModelWriter::with_input(&[1, 6])
        .constant("w", DataType::INT8, &[6, 6], (0..36).collect())
        .node("DequantizeLinear", &["q", "s", "z"], "d", vec![])
        .node("DequantizeLinear", &["w", "s", "zw"], "wd", vec![])
        .node("MatMul", &["d", "wd"], "p", vec![])
        .requantize("p")
        .node("Add", &["p_d", "d"], "a", vec![])
        .requantize("a")
        .bytes("a_d")
}

fn reshape() -> Vec<u8> {
    let shape = [1i64, -1].iter().flat_map(|len| len.to_le_bytes()).collect();
    ModelWriter::with_input(&[1, 2, 2, 2])
        .constant("w", DataType::INT8, &[8, 3], (0..24).collect())
        .constant("shape", DataType::INT64, &[2], shape)
        .node("DequantizeLinear", &["q", "s", "z"], "d", vec![])
        .node("Reshape", &["d", "shape"], "f", vec![])
        .node("DequantizeLinear", &["w", "s", "zw"], "wd", vec![])
        .node("MatMul", &["f", "wd"], "p", vec![])
        .requantize("p")
        .bytes("p_d")
}

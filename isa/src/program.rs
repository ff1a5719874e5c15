//! A program: code, constants, and what the host must know to feed it and to read its results.

use crate::format::ElementFormat;
use crate::hash::StableHasher;
use crate::instruction::{EncodeError, Instruction};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The machine that a program was made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineReference {
    /// Name of the description.
    pub name: String,
    /// [`crate::MachineDescription::hash`].
    pub hash: u64,
}

/// Bytes that stand in DRAM before the program starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Name, unique in the program.
    pub name: String,
    /// DRAM byte address.
    pub address: u64,
    /// The bytes.
    pub bytes: Arc<[u8]>,
}

/// What a symbol names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SymbolKind {
    /// An instruction; the value is its index.
    Label,
    /// A DRAM byte address.
    Dram,
    /// A scratchpad byte address.
    Spm,
    /// An accumulator byte address.
    Acc,
}

/// A named address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symbol {
    /// Name, unique in the program.
    pub name: String,
    /// What it names.
    pub kind: SymbolKind,
    /// Instruction index or byte address.
    pub value: u64,
    /// Bytes that it names; 0 for a label.
    pub size: u64,
}

/// What a `mark` stands for; its id is the index in [`Program::marks`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Name of the layer or tile.
    pub name: String,
    /// Kind of operation, such as `conv`.
    pub op: String,
    /// What a compiler knew about the layer when it made the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<LayerPlan>,
}

impl Mark {
    /// A layer or tile that nobody planned.
    pub fn new(name: impl Into<String>, op: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            op: op.into(),
            plan: None,
        }
    }
}

/// What a compiler knew about a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerPlan {
    /// Cycles that it expected from the completion of the layer before to this layer's own.
    pub estimated_cycles: u64,
    /// DRAM bytes without which no schedule that runs layer after layer can do: weights and parameters, what it reads of the model's inputs and
    /// writes of its outputs, and of every other activation tensor what exceeds the scratchpad.
    pub compulsory_bytes: u64,
    /// Multiply-accumulates of the model for one inference, those with elements in the padding included. The machine may perform more,
    /// where it multiplies with zeros to fill a tile, or fewer, where it skips some.
    pub macs: u64,
    /// Bytes of the model's weights.
    pub weight_bytes: u64,
}

/// Element type on the host's side of an input or output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostType {
    /// IEEE binary32; quantized on the way in, dequantized on the way out.
    F32,
    /// Integers that are copied as they are.
    Integer,
}

/// `real = scale * (stored - zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantization {
    /// Size of one step.
    pub scale: f32,
    /// The stored value that means zero.
    pub zero_point: i32,
}

/// An input or output tensor: its shape for the host and its place in DRAM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IoTensor {
    /// Name in the model.
    pub name: String,
    /// Shape for one inference as the host sees it; axis 0 is the batch and is 1.
    pub shape: Vec<u64>,
    /// Element type as the host sees it.
    pub host_type: HostType,
    /// Element format in DRAM.
    pub format: ElementFormat,
    /// Quantization of the stored integers; `None` where they have no real meaning.
    pub quantization: Option<Quantization>,
    /// DRAM byte address of the element with all indices zero.
    pub address: u64,
    /// Elements in DRAM that one step along each axis of `shape` moves.
    pub strides: Vec<u64>,
}

impl IoTensor {
    /// Number of elements of one inference.
    pub fn n_elements(&self) -> u64 {
        self.shape.iter().product()
    }
}

/// A program for a Systole machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// Name for reports.
    pub name: String,
    /// The machine that it needs; `None` if any will do.
    pub machine: Option<MachineReference>,
    /// Instructions; jumps name indices into this list.
    pub code: Vec<Instruction>,
    /// Index of the first instruction to run.
    pub entry: u32,
    /// DRAM bytes that the program uses, from address 0.
    pub dram_bytes: u64,
    /// Initial contents of DRAM; everything else starts as zero.
    pub segments: Vec<Segment>,
    /// Named addresses.
    pub symbols: Vec<Symbol>,
    /// Layers and tiles, by the id of their mark.
    pub marks: Vec<Mark>,
    /// Inputs, in the order of the model.
    pub inputs: Vec<IoTensor>,
    /// Outputs, in the order of the model.
    pub outputs: Vec<IoTensor>,
    /// Source line of each instruction, counted from 1; empty when there is no source text.
    pub lines: Vec<u32>,
}

impl Program {
    /// Bytes of code.
    pub fn code_bytes(&self) -> u64 {
        (self.code.len() * crate::instruction::WORD_BYTES) as u64
    }

    /// The name of the instruction with this index; `None` behind the end of the code.
    pub fn mnemonic(&self, pc: u32) -> Option<&'static str> {
        self.code.get(pc as usize).map(|instruction| instruction.op.mnemonic())
    }

    /// The code as little-endian words.
    ///
    /// # Errors
    /// The first instruction that has no word, with its index.
    pub fn encode_code(&self) -> Result<Vec<u8>, (usize, EncodeError)> {
        let mut bytes = Vec::with_capacity(self.code.len() * crate::instruction::WORD_BYTES);
        for (pc, instruction) in self.code.iter().enumerate() {
            bytes.extend(instruction.encode().map_err(|error| (pc, error))?.to_le_bytes());
        }
        Ok(bytes)
    }

    /// Hash of code and constants: equal programs have equal hashes on every host.
    pub fn hash(&self) -> u64 {
        let mut hasher = StableHasher::default();
        for instruction in &self.code {
            hasher.write(&instruction.encode().unwrap_or(u128::MAX).to_le_bytes());
        }
        hasher.write(&self.entry.to_le_bytes());
        for segment in &self.segments {
            hasher.write(&segment.address.to_le_bytes());
            hasher.write(&segment.bytes);
        }
        hasher.finish()
    }

    /// The label at this instruction, if there is one.
    pub fn label_at(&self, pc: u32) -> Option<&str> {
        self.symbols
            .iter()
            .find(|s| s.kind == SymbolKind::Label && s.value == u64::from(pc))
            .map(|s| s.name.as_str())
    }
}

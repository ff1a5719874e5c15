//! What the dashboard looks at closely: one PE, a stretch of a memory, the DRAM banks, the layers. Plain data like a frame.

use crate::frame::{N_UNITS, PeState};
use std::ops::Range;
use std::sync::Arc;

/// Names of the memories, in the order of [`MemorySpace`].
pub const SPACE_NAMES: [&str; 3] = ["SPM", "ACC", "DRAM"];

/// A memory of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemorySpace {
    /// The scratchpad.
    #[default]
    Spm,
    /// The accumulators.
    Acc,
    /// Off chip.
    Dram,
}

impl MemorySpace {
    /// All memories.
    pub const ALL: [MemorySpace; 3] = [MemorySpace::Spm, MemorySpace::Acc, MemorySpace::Dram];

    /// Its name.
    pub fn name(self) -> &'static str {
        SPACE_NAMES[self as usize]
    }
}

/// What the engine is asked to look at closely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Focus {
    /// A PE, by row and column.
    pub pe: Option<(usize, usize)>,
    /// Rows and columns of the PEs whose partial sums are wanted; a sum costs as many steps as there are PEs above it.
    pub sums: (Range<usize>, Range<usize>),
    /// A stretch of a memory.
    pub memory: MemoryWindow,
}

impl Default for Focus {
    fn default() -> Self {
        Self {
            pe: None,
            sums: (0..32, 0..32),
            memory: MemoryWindow::default(),
        }
    }
}

/// A stretch of a memory and how it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryWindow {
    /// The memory.
    pub space: MemorySpace,
    /// First byte.
    pub address: u64,
    /// Number of bytes.
    pub n_bytes: usize,
    /// Format of the elements, as an index into [`crate::inspection::format_names`].
    pub format_idx: usize,
}

impl Default for MemoryWindow {
    fn default() -> Self {
        Self {
            space: MemorySpace::Spm,
            address: 0,
            n_bytes: 512,
            format_idx: crate::inspection::format_names()
                .position(|name| name == "i8")
                .unwrap_or(0),
        }
    }
}

/// Everything that was asked for.
#[derive(Clone, Debug, Default)]
pub struct CloseUp {
    /// The PE.
    pub pe: Option<PeCloseUp>,
    /// The stretch of memory.
    pub memory: MemoryContent,
    /// The channels of the DRAM.
    pub channels: Vec<DramChannel>,
    /// The layers, indexed as the program's.
    pub layers: Vec<LayerState>,
}

/// One PE, its past and where its operands come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeCloseUp {
    /// Row of the array.
    pub row_idx: usize,
    /// Column of the array.
    pub col_idx: usize,
    /// The last cycles, the newest last.
    pub history: Vec<PeMoment>,
    /// The operand that stays, all values that share the PE.
    pub weights: Vec<Operand>,
    /// The operand that moves, all values that share the PE.
    pub activations: Vec<Operand>,
    /// The sum.
    pub sum: Option<Sum>,
}

/// What a PE held in a cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeMoment {
    /// The cycle.
    pub cycle: u64,
    /// What it did.
    pub state: PeState,
    /// The values of the operand that stays.
    pub weights: Vec<i32>,
    /// The values of the next tile that wait.
    pub next_weights: Vec<i32>,
    /// The values of the operand that moves.
    pub activations: Vec<i32>,
    /// The sum that it hands down or keeps.
    pub partial_sum: Option<i64>,
}

/// Where one operand of a PE comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operand {
    /// The value that is multiplied.
    pub value: Option<i32>,
    /// The tensor, if it is known.
    pub tensor: Option<Arc<str>>,
    /// Row of the matrix that the instruction sees.
    pub row: u64,
    /// Column of it.
    pub column: u64,
    /// The memory.
    pub space: MemorySpace,
    /// Byte address; `None` in the padding.
    pub address: Option<u64>,
    /// Format in memory.
    pub format: &'static str,
    /// The instruction that brought it into the array.
    pub pc: u32,
}

/// A PE's sum against the integer reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Row of the result.
    pub row: u64,
    /// Column of the result.
    pub column: u64,
    /// Byte address of the accumulator.
    pub address: u64,
    /// Products in the sum.
    pub n_terms: u64,
    /// What the reference says; `None` where operands pass in several parts.
    pub expected: Option<i64>,
    /// What the PE holds.
    pub actual: Option<i64>,
    /// The product instruction.
    pub pc: u32,
}

/// A stretch of a memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryContent {
    /// What was asked for, moved so that it lies inside the memory.
    pub window: MemoryWindow,
    /// Size of the memory in bytes.
    pub capacity_bytes: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The elements in the window's format.
    pub elements: Vec<i32>,
    /// Bits of an element.
    pub element_bits: u32,
    /// What lies where in the whole memory; later pieces cover earlier ones.
    pub pieces: Vec<Piece>,
}

/// A part of a memory that holds a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// First byte.
    pub start: u64,
    /// First byte behind it.
    pub end: u64,
    /// The tensor.
    pub name: Arc<str>,
    /// Which of the tensors it is; chooses the colour.
    pub tensor_idx: usize,
    /// Since when it holds it, and by which instruction; `None` for the program's own symbols.
    pub since: Option<(u64, u32)>,
}

/// One channel of the DRAM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DramChannel {
    /// The open row of each bank.
    pub open_rows: Vec<Option<u32>>,
    /// Reads that wait.
    pub n_reads: usize,
    /// Writes that wait.
    pub n_writes: usize,
}

/// What happened in a layer so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerState {
    /// Busy cycles per unit.
    pub busy_cycles: [u64; N_UNITS],
    /// Cycles from the end of the layer before to its own end so far.
    pub cycles: u64,
    /// Multiply-accumulates so far.
    pub macs: u64,
    /// Bytes from and to DRAM so far.
    pub dram_bytes: u64,
    /// What bounds it; `None` before it starts.
    pub bound: Option<Bound>,
}

/// What a layer spends its time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    /// The array works most of the time.
    Compute,
    /// Transfers do.
    Bandwidth,
    /// The vector unit does.
    Vector,
    /// No unit works half of the time.
    Control,
}

impl Bound {
    /// All of them, in legend order.
    pub const ALL: [Bound; 4] = [Bound::Compute, Bound::Bandwidth, Bound::Vector, Bound::Control];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Bound::Compute => "compute",
            Bound::Bandwidth => "bandwidth",
            Bound::Vector => "vector",
            Bound::Control => "control",
        }
    }

    /// The bound that a report names.
    pub(crate) fn from_name(name: &str) -> Option<Bound> {
        Bound::ALL.into_iter().find(|bound| bound.name() == name)
    }
}

/// The layers of a program and what they hand to each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelGraph {
    /// The layers, in program order.
    pub layers: Vec<GraphLayer>,
    /// Who reads what whom wrote.
    pub edges: Vec<GraphEdge>,
}

/// A layer of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GraphLayer {
    /// Its operation.
    pub op: String,
    /// Its first instruction.
    pub first_pc: u32,
    /// Names of the tensors that it reads from DRAM.
    pub reads: Vec<Arc<str>>,
    /// Names of the tensors that it writes to DRAM.
    pub writes: Vec<Arc<str>>,
}

/// A tensor between two layers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GraphEdge {
    /// The layer that wrote it last, as an index.
    pub from: usize,
    /// The layer that reads it.
    pub to: usize,
    /// The tensor.
    pub tensor: Arc<str>,
}

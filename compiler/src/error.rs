//! What can be wrong with a model, as values.
//!
//! Every error says whom it concerns, what was found there, what was expected, and what to do about it. Errors are
//! collected: one run reports everything it can find out.

use std::fmt;
use systole_isa::diagnostic::{CodeInfo, code_list};
use thiserror::Error;

/// Whom an error concerns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The model as a whole.
    Model,
    /// A node, by its name in the model.
    Node(String),
    /// A tensor, by its name in the model.
    Tensor(String),
    /// A compiler pass, by its kebab-case name.
    Pass(String),
}

impl Subject {
    /// A node.
    pub fn node(name: impl Into<String>) -> Self {
        Self::Node(name.into())
    }

    /// A tensor.
    pub fn tensor(name: impl Into<String>) -> Self {
        Self::Tensor(name.into())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model => write!(f, "model"),
            Self::Node(name) => write!(f, "node `{name}`"),
            Self::Tensor(name) => write!(f, "tensor `{name}`"),
            Self::Pass(name) => write!(f, "pass `{name}`"),
        }
    }
}

/// Codes of what can be wrong with a model.
pub const CODES: &[CodeInfo] = &code_list([
    (
        "M0001",
        "not a model file",
        "The bytes are no well-formed model of any format that is read: the file is truncated, damaged, or something else.",
    ),
    (
        "M0002",
        "incomplete model",
        "The file lacks a part that every model has, such as the graph or an operator set.",
    ),
    (
        "M0003",
        "unknown element type",
        "A tensor has an element type that the compiler does not read.",
    ),
    (
        "M0004",
        "shape that cannot be used",
        "A shape is missing, negative, too large, or symbolic beyond the batch axis. Fix the shapes when exporting the model.",
    ),
    (
        "M0005",
        "constant without its data",
        "The data of a constant is missing, lies in another file, or has the wrong length. Save the model with its weights inside.",
    ),
    (
        "M0006",
        "impossible attribute",
        "An attribute of a node has the wrong type or a value that its operator does not allow.",
    ),
    (
        "M0007",
        "nodes that make no graph",
        "A node reads a tensor that nothing writes, two nodes write the same one, or nodes depend on each other in a circle.",
    ),
    (
        "C0001",
        "unsupported operator",
        "The model uses an operator, or a variant of one, that the compiler does not translate. All of them are listed at once, with their nodes; `systole compile --dump-after infer-shapes` still shows the graph.",
    ),
    (
        "C0002",
        "shapes that do not fit together",
        "Two operands of a node have shapes that its operator does not combine.",
    ),
    (
        "C0003",
        "element types that do not fit together",
        "Two operands of a node have types that its operator does not combine, or a tensor is not of 8 bits where it has to be.",
    ),
    (
        "C0004",
        "quantization that cannot be used",
        "A scale or zero point is missing, contradictory or impossible: scales are finite and above zero, activations have one scale per tensor, weights one zero point.",
    ),
    (
        "C0005",
        "node that computes in real numbers",
        "After all rewriting a node still works on real numbers. Quantize the whole model: QuantizeLinear behind its inputs, DequantizeLinear before its outputs, or the integer operators.",
    ),
    (
        "C0006",
        "operand that has to be constant",
        "Weights, biases, shapes and scales are known when a model is compiled. Make the operand an initializer.",
    ),
    (
        "C0007",
        "tensor whose order cannot be changed",
        "The machine keeps images with the channels innermost. This tensor is used in a way that would need its elements reordered at run time.",
    ),
    (
        "C0008",
        "accumulator could overflow",
        "With these weights an input exists whose sums exceed 32 bits. Split the layer over its input channels, or quantize its weights with a larger scale.",
    ),
    (
        "C0009",
        "graph that contradicts itself",
        "A pass left a graph that its verifier rejects. This is a fault of the compiler; please report the model.",
    ),
    (
        "C0010",
        "unknown pass",
        "There is no pass of this name. The message lists all of them in the order in which they run.",
    ),
    (
        "C0011",
        "machine too small",
        "A layer does not fit the scratchpad or the accumulators even in the smallest tiles, or the whole program does not fit DRAM. The message says what is needed and what there is.",
    ),
    (
        "C0012",
        "float model without calibration inputs",
        "A model in real numbers becomes one in integers, whose scales follow from the ranges of its activations. Without typical inputs these ranges are those of standard normal noise, or, for large networks, estimates: means and variances carried from layer to layer as if all elements were independent. Timing does not depend on them; results do. Give inputs with `--calibrate X.npy`, inferences along axis 0, once per input of the model.",
    ),
    (
        "C0013",
        "calibration inputs that do not fit",
        "The arrays given for calibration are not one per input of the model, or their rows do not have as many elements as an input.",
    ),
    (
        "C0014",
        "machine without a feature",
        "A layer needs instructions that this machine's description says it lacks, and no others give the same bits. The message names the field.",
    ),
    (
        "C0015",
        "bound input that does not fit",
        "`--bind NAME=X.npy` makes an input of the model a constant. The name must be that of an input, and the array must have as many elements as the input, all of which exist in the input's type.",
    ),
]);

/// What kind of fault a model file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImportErrorKind {
    /// The bytes are not a well-formed protobuf message: truncated, or another kind of file.
    Malformed,
    /// The message lacks a part that a model must have.
    Incomplete,
    /// An element type that the compiler does not know.
    ElementType,
    /// A shape that is missing, negative, too large, or symbolic beyond the batch axis.
    Shape,
    /// The data of a constant is missing, in another file, or of the wrong length.
    Data,
    /// An attribute of a node has the wrong type or an impossible value.
    Attribute,
    /// A node reads or writes tensors in a way that makes no graph.
    Wiring,
}

impl ImportErrorKind {
    /// The stable code of the kind.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "M0001",
            Self::Incomplete => "M0002",
            Self::ElementType => "M0003",
            Self::Shape => "M0004",
            Self::Data => "M0005",
            Self::Attribute => "M0006",
            Self::Wiring => "M0007",
        }
    }
}

/// What kind of fault keeps a graph from being compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CompileErrorKind {
    /// An operator, or a variant of one, that the compiler does not know.
    UnsupportedOperator,
    /// Shapes that do not fit together.
    Shape,
    /// Element types that do not fit together.
    ElementType,
    /// Scales or zero points that are missing, contradictory or impossible.
    Quantization,
    /// A node that computes in float after all rewriting.
    NotQuantized,
    /// An operand that must be a constant is not one.
    NotConstant,
    /// A tensor whose elements cannot be brought into the machine's order.
    Layout,
    /// An accumulator could leave the 32-bit range.
    Overflow,
    /// A graph that contradicts itself: a fault of the compiler, not of the model.
    BrokenGraph,
    /// A pass name that does not exist.
    UnknownPass,
    /// A layer or program that needs more memory than the machine has.
    Memory,
    /// Calibration inputs that do not fit the model.
    Calibration,
    /// A layer that needs a feature which the machine lacks.
    Feature,
    /// An array that cannot become the constant in place of an input.
    Binding,
}

impl CompileErrorKind {
    /// The stable code of the kind.
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnsupportedOperator => "C0001",
            Self::Shape => "C0002",
            Self::ElementType => "C0003",
            Self::Quantization => "C0004",
            Self::NotQuantized => "C0005",
            Self::NotConstant => "C0006",
            Self::Layout => "C0007",
            Self::Overflow => "C0008",
            Self::BrokenGraph => "C0009",
            Self::UnknownPass => "C0010",
            Self::Memory => "C0011",
            Self::Calibration => "C0013",
            Self::Feature => "C0014",
            Self::Binding => "C0015",
        }
    }
}

/// Why a model file could not become a graph.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("[{}] {subject}: found {found}, expected {expected}; {help}", kind.code())]
pub struct ImportError {
    /// The kind of fault.
    pub kind: ImportErrorKind,
    /// Whom it concerns.
    pub subject: Subject,
    /// What was found.
    pub found: String,
    /// What was expected instead.
    pub expected: String,
    /// What to do.
    pub help: String,
}

/// Why a graph could not be compiled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("[{}] {subject}: found {found}, expected {expected}; {help}", kind.code())]
pub struct CompileError {
    /// The kind of fault.
    pub kind: CompileErrorKind,
    /// Whom it concerns.
    pub subject: Subject,
    /// What was found.
    pub found: String,
    /// What was expected instead.
    pub expected: String,
    /// What to do.
    pub help: String,
}

impl ImportError {
    /// An error from its parts.
    pub fn new(
        kind: ImportErrorKind,
        subject: Subject,
        found: impl Into<String>,
        expected: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            subject,
            found: found.into(),
            expected: expected.into(),
            help: help.into(),
        }
    }
}

impl CompileError {
    /// An error from its parts.
    pub fn new(
        kind: CompileErrorKind,
        subject: Subject,
        found: impl Into<String>,
        expected: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            subject,
            found: found.into(),
            expected: expected.into(),
            help: help.into(),
        }
    }
}

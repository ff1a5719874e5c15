//! What can be wrong with a model, as values.
//!
//! Every error says whom it concerns, what was found there, what was expected, and what to do about it. Errors are
//! collected: one run reports everything it can find out.

use std::fmt;
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

//! Tensors that a source names with `.tensor`: format, shape and what expressions can ask of them.

use crate::names::State;
use crate::scope::ScopeId;
use crate::source::Span;
use crate::syntax::Expr;
use std::cell::Cell;
use systole_isa::ElementFormat;
use systole_isa::operand::Space;

/// Longest axis.
pub(crate) const MAX_LENGTH: i128 = 1 << 48;
/// Most elements of a tensor, so that its bits can be counted in 64 bits.
pub(crate) const MAX_ELEMENTS: i128 = 1 << 48;
/// Most axes of a tensor.
pub(crate) const MAX_AXES: usize = 8;
/// Where a tensor without an address begins: at a multiple of so many bytes.
pub(crate) const ALIGNMENT: u64 = 64;

/// A tensor to be.
pub(crate) struct TensorPlan<'a> {
    pub(crate) name: Span,
    pub(crate) format: ElementFormat,
    /// The length of each axis, outermost first.
    pub(crate) axes: Vec<(&'a Expr, Cell<State>)>,
    pub(crate) space: Space,
    pub(crate) address: Option<&'a Expr>,
    pub(crate) scope: ScopeId,
    /// Whether it stands in a segment, so that its address comes with the layout.
    pub(crate) is_in_segment: bool,
}

impl TensorPlan<'_> {
    pub(crate) fn n_axes(&self) -> usize {
        self.axes.len()
    }
}

/// What can be asked of a tensor, as in `weights.bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    /// Its length along an axis.
    Length(usize),
    /// The number of its elements.
    Elements,
    /// The bytes that it occupies.
    Bytes,
}

impl Attribute {
    pub(crate) fn from_name(name: &str, n_axes: usize) -> Option<Self> {
        match name {
            "elements" => Some(Self::Elements),
            "bytes" => Some(Self::Bytes),
            _ => {
                let axis: usize = name.strip_prefix('d')?.parse().ok()?;
                (axis < n_axes && name[1..] == axis.to_string()).then_some(Self::Length(axis))
            }
        }
    }

    /// Everything that can be asked of a tensor.
    pub(crate) fn names(tensor: &str, n_axes: usize) -> Vec<String> {
        let axes = (0..n_axes).map(|axis| format!("`{tensor}.d{axis}`"));
        let others = ["elements", "bytes"].map(|name| format!("`{tensor}.{name}`"));
        axes.chain(others).collect()
    }
}

/// The name of the symbol that says format and shape of a tensor: it has the tensor's place and size.
pub(crate) fn typed_name(name: &str, format: ElementFormat, shape: &[u64]) -> String {
    let lengths: Vec<String> = shape.iter().map(u64::to_string).collect();
    format!("{name}:{}[{}]", format.word(), lengths.join(","))
}

/// Format and shape of tensor `name` from the name of the symbol that says them; the inverse of [`typed_name`].
pub(crate) fn type_from_name(name: &str, typed: &str) -> Option<(ElementFormat, Vec<u64>)> {
    let (word, lengths) = typed
        .strip_prefix(name)?
        .strip_prefix(':')?
        .strip_suffix(']')?
        .split_once('[')?;
    let format = ElementFormat::ALL
        .iter()
        .copied()
        .find(|format| format.word() == word)?;
    let shape: Option<Vec<u64>> = lengths.split(',').map(|length| length.parse().ok()).collect();
    let shape = shape.filter(|shape| {
        shape
            .iter()
            .all(|&length| (1..=MAX_LENGTH).contains(&i128::from(length)))
    })?;
    (typed_name(name, format, &shape) == typed).then_some((format, shape))
}

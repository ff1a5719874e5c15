//! The operators that can be read: one table, one file per family.

mod activation;
pub(super) mod constant;
mod conv;
mod elementwise;
mod matmul;
mod pool;
mod quantize;
mod shape;

use super::attributes::{AttributeFault, Attributes};
use crate::graph::Op;
use rten_onnx::onnx::NodeProto;

/// The domain of quantized operators beyond the standard.
const MICROSOFT: &str = "com.microsoft";

/// What a node of the file becomes.
pub(super) enum Parsed {
    /// A node of the graph.
    Op(Op),
    /// A constant tensor, and no node.
    Constant,
}

/// What a family's function makes of a node's attributes.
enum Reading {
    /// The operator.
    Known(Op),
    /// A variant of the operator that the compiler does not know, and which.
    Variant(String),
}

type Read = fn(Attributes) -> Result<Reading, AttributeFault>;

struct Row {
    domain: &'static str,
    op_type: &'static str,
    /// Positions that must be connected.
    required: &'static [usize],
    /// Number of operands at most.
    n_inputs_max: usize,
    read: Read,
}

const fn row(
    domain: &'static str,
    op_type: &'static str,
    required: &'static [usize],
    n_inputs_max: usize,
    read: Read,
) -> Row {
    Row {
        domain,
        op_type,
        required,
        n_inputs_max,
        read,
    }
}

/// Sorted by family. `Constant` is missing on purpose: it becomes a tensor.
const OPERATORS: &[Row] = &[
    row("", "Conv", &[0, 1], 3, conv::conv),
    row("", "QLinearConv", &[0, 1, 2, 3, 4, 5, 6, 7], 9, conv::q_linear_conv),
    row("", "Gemm", &[0, 1], 3, matmul::gemm),
    row("", "MatMul", &[0, 1], 2, matmul::mat_mul),
    row(
        "",
        "QLinearMatMul",
        &[0, 1, 2, 3, 4, 5, 6, 7],
        8,
        matmul::q_linear_mat_mul,
    ),
    row(MICROSOFT, "QGemm", &[0, 1, 3, 4], 9, matmul::q_gemm),
    row("", "MaxPool", &[0], 1, pool::max_pool),
    row("", "Relu", &[0], 1, activation::relu),
    row("", "Clip", &[0], 3, activation::clip),
    row("", "Flatten", &[0], 1, shape::flatten),
    row("", "Reshape", &[0, 1], 2, shape::reshape),
    row("", "Transpose", &[0], 1, shape::transpose),
    row("", "Identity", &[0], 1, shape::identity),
    row("", "Dropout", &[0], 3, shape::dropout),
    row("", "Add", &[0, 1], 2, elementwise::add),
    row(MICROSOFT, "QLinearAdd", &[0, 1, 3, 4, 6], 8, elementwise::q_linear_add),
    row("", "QuantizeLinear", &[0, 1], 3, quantize::quantize_linear),
    row("", "DequantizeLinear", &[0, 1], 3, quantize::dequantize_linear),
    row(MICROSOFT, "QuantizeLinear", &[0, 1], 3, quantize::quantize_linear),
    row(MICROSOFT, "DequantizeLinear", &[0, 1], 3, quantize::dequantize_linear),
];

/// Reads one node; `present` tells which of its operands are connected.
pub(super) fn parse(node: &NodeProto, present: &[bool]) -> Result<Parsed, AttributeFault> {
    let (domain, op_type) = qualified_name(node);
    if (domain, op_type) == ("", "Constant") {
        return Ok(Parsed::Constant);
    }
    let Some(row) = OPERATORS
        .iter()
        .find(|row| (row.domain, row.op_type) == (domain, op_type))
    else {
        return Ok(unsupported(node, None));
    };
    let connected = |position: &usize| present.get(*position) == Some(&true);
    if present.len() > row.n_inputs_max || !row.required.iter().all(connected) {
        return Err(AttributeFault {
            found: format!("operands {present:?} of {op_type} (true: connected)"),
            expected: format!("at most {}, with {:?} connected", row.n_inputs_max, row.required),
        });
    }
    if node.output.iter().skip(1).any(|output| !output.is_empty()) && op_type != "Dropout" {
        return Ok(unsupported(node, Some("a second output".into())));
    }
    Ok(match (row.read)(Attributes::new(node))? {
        Reading::Known(op) => Parsed::Op(op),
        Reading::Variant(reason) => unsupported(node, Some(reason)),
    })
}

/// Keeps a node that the compiler does not know.
pub(super) fn unsupported(node: &NodeProto, reason: Option<String>) -> Parsed {
    let (domain, op_type) = qualified_name(node);
    Parsed::Op(Op::Unsupported {
        domain: domain.into(),
        op_type: op_type.into(),
        reason,
    })
}

fn qualified_name(node: &NodeProto) -> (&str, &str) {
    let domain = match node.domain.as_deref() {
        None | Some("" | "ai.onnx") => "",
        Some(domain) => domain,
    };
    (domain, node.op_type.as_deref().unwrap_or_default())
}

fn variant(reason: impl Into<String>) -> Result<Reading, AttributeFault> {
    Ok(Reading::Variant(reason.into()))
}

fn known(op: Op) -> Result<Reading, AttributeFault> {
    Ok(Reading::Known(op))
}

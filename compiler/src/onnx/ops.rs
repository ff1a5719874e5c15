//! The operators that can be read: one table, one file per family.

mod activation;
pub(super) mod constant;
mod conv;
mod elementwise;
mod matmul;
mod movement;
mod normalize;
mod pool;
mod quantize;
mod shape;

use super::attributes::{AttributeFault, NodeView};
use crate::graph::{Op, TensorData};
use rten_onnx::onnx::NodeProto;

/// The domain of quantized operators beyond the standard.
const MICROSOFT: &str = "com.microsoft";
/// Number of operands that a list of any length may have.
const ANY: usize = usize::MAX;

/// What a node of the file becomes.
pub(super) enum Parsed {
    /// A node of the graph.
    Op(Op),
    /// Several nodes, or one with other operands.
    Several(Expansion),
    /// A constant tensor, and no node.
    Constant,
}

/// What a family's function makes of a node.
enum Reading {
    /// The operator, on the operands of the node.
    Known(Op),
    /// Several nodes, or one with other operands.
    Several(Expansion),
    /// A variant of the operator that the compiler does not know, and which.
    Variant(String),
}

/// Nodes that stand for one node of the file, in order of execution. The last one writes its outputs.
#[derive(Default)]
pub(super) struct Expansion {
    pub(super) nodes: Vec<(Op, Vec<Source>)>,
}

/// Where an operand in an [`Expansion`] comes from.
#[derive(Clone)]
pub(super) enum Source {
    /// Operand of the node of the file.
    Operand(usize),
    /// Result of an earlier node of the expansion.
    Node(usize),
    /// A constant.
    Constant(Vec<usize>, TensorData),
    /// Nowhere: an optional operand that is left out.
    Absent,
}

impl Expansion {
    fn one(op: Op, operands: impl Into<Vec<Source>>) -> Self {
        Self {
            nodes: vec![(op, operands.into())],
        }
    }

    /// Adds a node and gives its result.
    fn push(&mut self, op: Op, operands: impl Into<Vec<Source>>) -> Source {
        self.nodes.push((op, operands.into()));
        Source::Node(self.nodes.len() - 1)
    }
}

impl Source {
    fn constant(shape: Vec<usize>, data: TensorData) -> Self {
        Self::Constant(shape, data)
    }

    /// A list of lengths, axes or bounds.
    fn entries(values: &[i64]) -> Self {
        Self::Constant(vec![values.len()], TensorData::I64(values.to_vec()))
    }
}

/// An operator over one spatial axis as one over images of one row; `n_images` operands, the first ones, get that row.
fn over_rows(node: NodeView, op: Op, n_images: usize) -> Reading {
    let mut nodes = Expansion::default();
    let row = || Some(vec![2]);
    let operand = |position| {
        let operand = Source::Operand(position);
        match position < n_images {
            true => nodes.push(Op::Unsqueeze { axes: row() }, [operand]),
            false => operand,
        }
    };
    let operands: Vec<Source> = (0..node.n_operands()).map(operand).collect();
    let image = nodes.push(op, operands);
    nodes.push(Op::Squeeze { axes: row() }, [image]);
    Reading::Several(nodes)
}

type Read = fn(NodeView) -> Result<Reading, AttributeFault>;

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

/// A function of one element.
const fn unary(op_type: &'static str) -> Row {
    row("", op_type, &[0], 1, activation::unary)
}

/// Sorted by family. `Constant` is missing on purpose: it becomes a tensor.
#[rustfmt::skip]
const OPERATORS: &[Row] = &[
    row("", "Conv", &[0, 1], 3, conv::conv),
    row("", "ConvInteger", &[0, 1], 4, conv::conv_integer),
    row("", "QLinearConv", &[0, 1, 2, 3, 4, 5, 6, 7], 9, conv::q_linear_conv),
    row("", "Gemm", &[0, 1], 3, matmul::gemm),
    row("", "MatMul", &[0, 1], 2, matmul::mat_mul),
    row("", "MatMulInteger", &[0, 1], 4, matmul::mat_mul_integer),
    row("", "QLinearMatMul", &[0, 1, 2, 3, 4, 5, 6, 7], 8, matmul::q_linear_mat_mul),
    row(MICROSOFT, "QGemm", &[0, 1, 3, 4], 9, matmul::q_gemm),
    row("", "AveragePool", &[0], 1, pool::average_pool),
    row("", "GlobalAveragePool", &[0], 1, pool::global_average_pool),
    row("", "MaxPool", &[0], 1, pool::max_pool),
    row("", "GlobalMaxPool", &[0], 1, pool::global_max_pool),
    row("", "ReduceMean", &[0], 2, pool::reduce_mean),
    row("", "BatchNormalization", &[0, 1, 2, 3, 4], 5, normalize::batch_normalization),
    row("", "LayerNormalization", &[0, 1], 3, normalize::layer_normalization),
    row("", "LRN", &[0], 1, normalize::lrn),
    row("", "Relu", &[0], 1, activation::relu),
    row("", "Clip", &[0], 3, activation::clip),
    row("", "PRelu", &[0, 1], 2, activation::p_relu),
    row("", "Softmax", &[0], 1, activation::softmax),
    unary("LeakyRelu"),
    unary("Sigmoid"),
    unary("Tanh"),
    unary("HardSigmoid"),
    unary("HardSwish"),
    unary("Gelu"),
    unary("Elu"),
    unary("Softplus"),
    unary("Erf"),
    unary("Exp"),
    unary("Log"),
    unary("Sqrt"),
    unary("Reciprocal"),
    unary("Neg"),
    unary("Abs"),
    row(MICROSOFT, "Gelu", &[0], 1, activation::unary),
    row("", "Add", &[0, 1], 2, elementwise::add),
    row("", "Sub", &[0, 1], 2, elementwise::sub),
    row("", "Mul", &[0, 1], 2, elementwise::mul),
    row("", "Div", &[0, 1], 2, elementwise::div),
    row("", "Pow", &[0, 1], 2, elementwise::pow),
    row("", "Sum", &[0], ANY, elementwise::sum),
    row("", "Mean", &[0], ANY, elementwise::mean),
    row(MICROSOFT, "QLinearAdd", &[0, 1, 3, 4, 6], 8, elementwise::q_linear_add),
    row("", "Concat", &[0], ANY, movement::concat),
    row("", "Split", &[0], 2, movement::split),
    row("", "Slice", &[0], 5, movement::slice),
    row("", "Pad", &[0], 4, movement::pad),
    row("", "Resize", &[0], 4, movement::resize),
    row("", "Upsample", &[0], 2, movement::upsample),
    row("", "Flatten", &[0], 1, shape::flatten),
    row("", "Reshape", &[0, 1], 2, shape::reshape),
    row("", "Squeeze", &[0], 2, shape::squeeze),
    row("", "Unsqueeze", &[0], 2, shape::unsqueeze),
    row("", "Transpose", &[0], 1, shape::transpose),
    row("", "Identity", &[0], 1, shape::identity),
    row("", "Dropout", &[0], 3, shape::dropout),
    row("", "Shape", &[0], 1, shape::shape),
    row("", "Gather", &[0, 1], 2, shape::gather),
    row("", "Cast", &[0], 1, shape::cast),
    row("", "ConstantOfShape", &[0], 1, shape::constant_of_shape),
    row("", "QuantizeLinear", &[0, 1], 3, quantize::quantize_linear),
    row("", "DequantizeLinear", &[0, 1], 3, quantize::dequantize_linear),
    row(MICROSOFT, "QuantizeLinear", &[0, 1], 3, quantize::quantize_linear),
    row(MICROSOFT, "DequantizeLinear", &[0, 1], 3, quantize::dequantize_linear),
    row(MICROSOFT, "QLinearMul", &[0, 1, 3, 4, 6], 8, quantize::q_linear_mul),
    row(MICROSOFT, "QLinearSigmoid", &[0, 1, 3], 5, quantize::q_linear_unary),
    row(MICROSOFT, "QLinearLeakyRelu", &[0, 1, 3], 5, quantize::q_linear_unary),
    row(MICROSOFT, "QLinearSoftmax", &[0, 1, 3], 5, quantize::q_linear_softmax),
    row(MICROSOFT, "QLinearAveragePool", &[0, 1, 3], 5, quantize::q_linear_average_pool),
    row(MICROSOFT, "QLinearGlobalAveragePool", &[0, 1, 3], 5, quantize::q_linear_global_average_pool),
    row(MICROSOFT, "QLinearConcat", &[0, 1, 2, 3], ANY, quantize::q_linear_concat),
];

/// Reads one node.
pub(super) fn parse(node: &NodeProto, opset: i64, present: &[bool]) -> Result<Parsed, AttributeFault> {
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
    let is_list = row.n_inputs_max == ANY;
    let is_complete = row.required.iter().all(connected) && (!is_list || present.iter().all(|&p| p));
    if present.len() > row.n_inputs_max || !is_complete {
        let most = if is_list {
            "all".into()
        } else {
            format!("at most {}", row.n_inputs_max)
        };
        return Err(AttributeFault {
            found: format!("operands {present:?} of {op_type} (true: connected)"),
            expected: format!("{most}, with {:?} connected", row.required),
        });
    }
    Ok(match (row.read)(NodeView::new(node, opset, present))? {
        Reading::Known(op) => Parsed::Op(op),
        Reading::Several(nodes) => Parsed::Several(nodes),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_has_one_row() {
        for (index, row) in OPERATORS.iter().enumerate() {
            let same = |other: &&Row| (other.domain, other.op_type) == (row.domain, row.op_type);
            assert_eq!(OPERATORS.iter().filter(same).count(), 1, "{}", row.op_type);
            assert!(row.required.iter().all(|&p| p < row.n_inputs_max), "row {index}");
        }
    }
}

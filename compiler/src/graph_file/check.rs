//! What a graph from a text must be before any pass sees it. Shapes are a matter of the first pass.

use crate::error::{CompileError, ImportError, ImportErrorKind, Subject};
use crate::graph::verify::{check_clip, check_producers_and_order, check_tensor};
use crate::graph::{Graph, Layout, Node, Op, Padding, Tensor, WindowAttributes};

/// The largest kernel, stride, dilation, padding, group or neighbourhood.
const MAX_WINDOW_VALUE: usize = 65536;

/// Everything that is wrong.
pub(super) fn problems(graph: &Graph) -> Vec<ImportError> {
    let mut broken = Vec::new();
    check_producers_and_order(graph, &mut broken);
    graph
        .tensors
        .iter()
        .for_each(|tensor| check_tensor(tensor, &mut broken));
    for node in graph.nodes.iter().filter(|node| !node.outputs.is_empty()) {
        let output = graph.tensor(node.outputs[0]);
        // The type of a result may follow from the operands later.
        if output.dtype.is_some() {
            check_clip(node, output, &mut broken);
        }
    }
    let mut errors: Vec<ImportError> = broken.into_iter().map(of_the_text).collect();
    errors.extend(graph.tensors.iter().filter_map(layout_problem));
    errors.extend(graph.nodes.iter().filter_map(node_problem));
    errors
}

fn of_the_text(error: CompileError) -> ImportError {
    refusal(ImportErrorKind::Wiring, error.subject, error.found, error.expected)
}

fn refusal(kind: ImportErrorKind, subject: Subject, found: String, expected: impl Into<String>) -> ImportError {
    ImportError::new(kind, subject, found, expected, "correct the text of the graph")
}

fn layout_problem(tensor: &Tensor) -> Option<ImportError> {
    let shape = tensor.shape.as_deref();
    let fits = match (tensor.layout, shape) {
        (Layout::Logical, _) => true,
        (Layout::Nhwc, shape) => shape.is_some_and(|shape| shape.len() == 4),
        (Layout::FlattenedNhwc { c, h, w }, Some(&[_, k])) => {
            c.checked_mul(h).and_then(|n| n.checked_mul(w)) == Some(k)
        }
        (Layout::FlattenedNhwc { .. }, _) => false,
    };
    (!fits).then(|| {
        let found = format!("layout {:?} of shape {shape:?}", tensor.layout);
        let expected = "four axes, or a matrix whose rows have c * h * w elements";
        refusal(ImportErrorKind::Shape, Subject::tensor(&tensor.name), found, expected)
    })
}

fn node_problem(node: &Node) -> Option<ImportError> {
    let subject = || Subject::node(&node.name);
    if let Some(operands) = node.op.operands() {
        let is_complete = operands.required.iter().all(|&position| node.input(position).is_some());
        let is_list = matches!(node.op, Op::Concat { .. });
        let has_gap = is_list && node.inputs.iter().any(Option::is_none);
        if !is_complete || has_gap || node.inputs.len() > operands.most {
            let connected: Vec<bool> = node.inputs.iter().map(Option::is_some).collect();
            let found = format!("operands {connected:?} of {} (true: connected)", node.op.name());
            let expected = format!("those at {:?} connected, at most {}", operands.required, operands.most);
            return Some(refusal(ImportErrorKind::Wiring, subject(), found, expected));
        }
    }
    if node.outputs.is_empty() {
        let found = format!("no result of {}", node.op.name());
        return Some(refusal(ImportErrorKind::Wiring, subject(), found, "at least one"));
    }
    let is_possible = match &node.op {
        Op::Conv { window, group }
        | Op::ConvInteger { window, group }
        | Op::QLinearConv { window, group }
        | Op::QConv { window, group, .. } => is_window(window) && is_count(*group),
        Op::MaxPool { window } | Op::AveragePool { window, .. } | Op::QAveragePool { window, .. } => is_window(window),
        Op::Lrn { size, .. } => is_count(*size),
        Op::ConstantOfShape { value } => value.len() == 1,
        _ => true,
    };
    (!is_possible).then(|| {
        let expected = "kernels, strides, dilations, groups and sizes of 1..=65536, padding of at most as much, one element of a constant";
        refusal(ImportErrorKind::Attribute, subject(), format!("{:?}", node.op), expected)
    })
}

fn is_count(value: usize) -> bool {
    (1..=MAX_WINDOW_VALUE).contains(&value)
}

fn is_window(window: &WindowAttributes) -> bool {
    let is_padding = match window.padding {
        Padding::Explicit(pads) => [pads.top, pads.left, pads.bottom, pads.right]
            .iter()
            .all(|&pad| pad <= MAX_WINDOW_VALUE),
        Padding::SameUpper | Padding::SameLower => true,
    };
    let pairs = [window.kernel.unwrap_or([1, 1]), window.strides, window.dilations];
    is_padding && pairs.as_flattened().iter().all(|&value| is_count(value))
}

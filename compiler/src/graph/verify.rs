//! What every graph must be, checked after each pass.
//!
//! A violation is a fault of the compiler: the message says so and names the place.

use super::infer::infer;
use super::{DType, Graph, Node, Op, Tensor, TensorId, element_count};
use crate::error::{CompileError, CompileErrorKind, Subject};

/// Checks a graph: ids in range, one producer per tensor, an executable order, shapes and types that follow from the
/// operands, constants of the right length, and layouts that agree.
///
/// # Errors
/// Everything that is wrong, as [`CompileErrorKind::BrokenGraph`]. If ids are out of range, only that is reported.
pub fn verify(graph: &Graph) -> Result<(), Vec<CompileError>> {
    let mut errors = Vec::new();
    check_ids(graph, &mut errors);
    if errors.is_empty() {
        check_producers_and_order(graph, &mut errors);
        graph
            .tensors
            .iter()
            .for_each(|tensor| check_tensor(tensor, &mut errors));
        graph.nodes.iter().for_each(|node| check_node(graph, node, &mut errors));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn broken(subject: Subject, found: String, expected: &str) -> CompileError {
    let help = "this is a fault of the compiler; report it with the model and `--dump-after` of the pass";
    CompileError::new(CompileErrorKind::BrokenGraph, subject, found, expected, help)
}

fn check_ids(graph: &Graph, errors: &mut Vec<CompileError>) {
    let n_tensors = graph.tensors.len();
    let mut check = |subject: Subject, id: TensorId| {
        if id.index() >= n_tensors {
            errors.push(broken(
                subject,
                format!("tensor {id}"),
                &format!("an id below {n_tensors}"),
            ));
        }
    };
    for node in &graph.nodes {
        for &id in node.inputs.iter().flatten().chain(&node.outputs) {
            check(Subject::node(&node.name), id);
        }
    }
    for io in graph.inputs.iter().chain(&graph.outputs) {
        check(Subject::tensor(&io.name), io.tensor);
    }
}

pub(crate) fn check_producers_and_order(graph: &Graph, errors: &mut Vec<CompileError>) {
    let name = |id: TensorId| Subject::tensor(&graph.tensor(id).name);
    let mut available: Vec<bool> = graph.tensors.iter().map(|t| t.data.is_some()).collect();
    for io in &graph.inputs {
        if std::mem::replace(&mut available[io.tensor.index()], true) {
            errors.push(broken(
                name(io.tensor),
                "a second producer, a graph input".into(),
                "one producer",
            ));
        }
    }
    for node in &graph.nodes {
        for &id in node.inputs.iter().flatten() {
            if !available[id.index()] {
                let found = format!("operand `{}` that nothing has produced yet", graph.tensor(id).name);
                errors.push(broken(Subject::node(&node.name), found, "an executable order of nodes"));
            }
        }
        for &id in &node.outputs {
            if std::mem::replace(&mut available[id.index()], true) {
                let found = format!("a second producer, node `{}`", node.name);
                errors.push(broken(name(id), found, "one producer"));
            }
        }
    }
    for io in &graph.outputs {
        if !available[io.tensor.index()] {
            errors.push(broken(
                name(io.tensor),
                "a graph output without a producer".into(),
                "one producer",
            ));
        }
    }
}

pub(crate) fn check_tensor(tensor: &Tensor, errors: &mut Vec<CompileError>) {
    let subject = || Subject::tensor(&tensor.name);
    let n_elements = tensor.shape.as_deref().map(element_count);
    if n_elements == Some(None) {
        errors.push(broken(
            subject(),
            format!("shape {:?}", tensor.shape),
            "at most 2^28 elements",
        ));
    }
    if let Some(data) = &tensor.data {
        if n_elements != Some(Some(data.len())) {
            let found = format!("{} elements of data for shape {:?}", data.len(), tensor.shape);
            errors.push(broken(subject(), found, "as many as the shape has"));
        }
        if tensor.dtype != Some(data.dtype()) {
            let found = format!("data of {} in a tensor of {:?}", data.dtype(), tensor.dtype);
            errors.push(broken(subject(), found, "the same type"));
        }
    }
    let zero_points = tensor.quantization.as_ref().map_or(&[][..], |q| q.zero_points());
    if let Some((lo, hi)) = tensor.dtype.and_then(DType::range)
        && let Some(zero) = zero_points.iter().find(|zero| !(lo..=hi).contains(*zero))
    {
        errors.push(broken(
            subject(),
            format!("zero point {zero}"),
            &format!("a value of {lo}..={hi}"),
        ));
    }
    if let (Some(quantization), Some(shape)) = (&tensor.quantization, &tensor.shape) {
        let n = quantization.scales().len();
        let fits = quantization.axis().is_none_or(|axis| shape.get(axis) == Some(&n));
        if !fits {
            let found = format!("{n} scales along axis {:?} of shape {shape:?}", quantization.axis());
            errors.push(broken(subject(), found, "one per index along the axis"));
        }
    }
}

fn check_node(graph: &Graph, node: &Node, errors: &mut Vec<CompileError>) {
    let subject = || Subject::node(&node.name);
    let Some(&output) = node.outputs.first() else {
        errors.push(broken(subject(), "no output".into(), "at least one"));
        return;
    };
    match infer(graph, node) {
        Err(error) => errors.push(broken(subject(), error.to_string(), "operands that fit")),
        Ok(inferred) => {
            for (inferred, &output) in inferred.iter().zip(&node.outputs) {
                let output = graph.tensor(output);
                if inferred.shape.is_some() && inferred.shape != output.shape {
                    let found = format!("result `{}` of shape {:?}", output.name, output.shape);
                    errors.push(broken(subject(), found, &format!("shape {:?}", inferred.shape)));
                }
                if inferred.dtype.is_some() && inferred.dtype != output.dtype {
                    let found = format!("result `{}` of type {:?}", output.name, output.dtype);
                    errors.push(broken(subject(), found, &format!("type {:?}", inferred.dtype)));
                }
            }
        }
    }
    let output = graph.tensor(output);
    check_layout(graph, node, output, errors);
    check_clip(node, output, errors);
}

/// Operators that work in place of elements need their operands and result in one layout.
fn check_layout(graph: &Graph, node: &Node, output: &Tensor, errors: &mut Vec<CompileError>) {
    let n_operands = match node.op {
        Op::QConv { .. } | Op::MaxPool { .. } | Op::QRequant { .. } => 1,
        Op::QAdd { .. } => 2,
        _ => 0,
    };
    for id in node.inputs.iter().take(n_operands).flatten() {
        let layout = graph.tensor(*id).layout;
        if layout != output.layout {
            let found = format!("operand in layout {layout:?}, result in {:?}", output.layout);
            errors.push(broken(Subject::node(&node.name), found, "one layout"));
        }
    }
}

pub(crate) fn check_clip(node: &Node, output: &Tensor, errors: &mut Vec<CompileError>) {
    let Some(clip) = node.op.clone().clip_mut().copied() else {
        return;
    };
    let range = output.dtype.and_then(|dtype| dtype.range());
    let fits = range.is_some_and(|(lo, hi)| lo <= clip.lo && clip.lo <= clip.hi && clip.hi <= hi);
    if !fits {
        let found = format!("results clipped into {}..={}", clip.lo, clip.hi);
        let expected = format!("an interval within the range of the result, {:?}", output.dtype);
        errors.push(broken(Subject::node(&node.name), found, &expected));
    }
}

//! Lets a convolution or pooling do the padding of a Pad before it.

use super::Graph;
use super::support::Model;
use crate::error::CompileError;
use crate::graph::edit::remove_dead_nodes;
use crate::graph::movement::pad_amounts;
use crate::graph::{Node, Op, Padding, Pads, TensorId, Unary, WindowAttributes};

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    let mut errors = Vec::new();
    let model = Model::of(graph);
    for index in 0..graph.nodes.len() {
        match merged(graph, &model, &graph.nodes[index]) {
            Ok(Some(node)) => graph.nodes[index] = node,
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
    }
    remove_dead_nodes(graph);
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The node with the padding of its operand's producer, if there is one and the result stays the same.
fn merged(graph: &Graph, model: &Model, node: &Node) -> Result<Option<Node>, CompileError> {
    let mut node = node.clone();
    let Some(pad) = node.input(0).and_then(|x| model.producer(x)) else {
        return Ok(None);
    };
    let Some(x) = pad.input(0).filter(|_| matches!(pad.op, Op::Pad)) else {
        return Ok(None);
    };
    let Some(around) = image_border(graph, pad, x)? else {
        return Ok(None);
    };
    let Some(own) = window_of(&node.op) else {
        return Ok(None);
    };
    let Padding::Explicit(own_pads) = own.padding else {
        return Ok(None);
    };
    match &mut node.op {
        Op::Conv { .. } => {}
        Op::AveragePool { count_include_pad, .. } if !own.ceil_mode => {
            // The zeros of the Pad count, so those of the pooling have to count as well.
            if own_pads != Pads::default() && !*count_include_pad {
                return Ok(None);
            }
            *count_include_pad = true;
        }
        // A zero is no larger than what is not negative, but a window of zeros alone would have no largest element.
        Op::MaxPool { .. } if !own.ceil_mode && own_pads == Pads::default() => {
            let kernel = own.kernel.unwrap_or([1, 1]);
            let fits = around.top.max(around.bottom) < kernel[0] && around.left.max(around.right) < kernel[1];
            if own.dilations != [1, 1] || !fits || !is_never_negative(model, x) {
                return Ok(None);
            }
        }
        _ => return Ok(None),
    }
    let sum = Pads {
        top: own_pads.top + around.top,
        left: own_pads.left + around.left,
        bottom: own_pads.bottom + around.bottom,
        right: own_pads.right + around.right,
    };
    if let Some(window) = window_mut(&mut node.op) {
        window.padding = Padding::Explicit(sum);
    }
    node.inputs[0] = Some(x);
    Ok(Some(node))
}

/// The zeros that a Pad adds around images; `None` if it does anything else.
fn image_border(graph: &Graph, pad: &Node, x: TensorId) -> Result<Option<Pads>, CompileError> {
    let Some(shape @ &[_, _, _, _]) = graph.tensor(x).shape.as_deref() else {
        return Ok(None);
    };
    let is_zero = match pad.input(2).map(|id| graph.tensor(id).data.as_ref()) {
        None => true,
        Some(data) => data
            .and_then(|data| data.as_f32())
            .is_some_and(|v| v.iter().all(|&v| v == 0.0)),
    };
    let amounts = pad_amounts(graph, pad, shape)?;
    let outer = amounts[..2].iter().all(|pad| (pad.before, pad.after) == (0, 0));
    let inner = [amounts[2].before, amounts[3].before, amounts[2].after, amounts[3].after];
    if !is_zero || !outer || inner.iter().any(|&pad| pad < 0) {
        return Ok(None);
    }
    let [top, left, bottom, right] = inner.map(|pad| pad as usize);
    Ok(Some(Pads {
        top,
        left,
        bottom,
        right,
    }))
}

fn is_never_negative(model: &Model, x: TensorId) -> bool {
    model.producer(x).is_some_and(|node| match node.op {
        Op::Relu | Op::Unary(Unary::Sigmoid | Unary::HardSigmoid { .. } | Unary::Abs | Unary::Exp) => true,
        Op::Clip { min: Some(min), .. } => min >= 0.0 && node.inputs.len() == 1,
        _ => false,
    })
}

fn window_of(op: &Op) -> Option<WindowAttributes> {
    match op {
        Op::Conv { window, .. } | Op::AveragePool { window, .. } | Op::MaxPool { window } => Some(*window),
        _ => None,
    }
}

fn window_mut(op: &mut Op) -> Option<&mut WindowAttributes> {
    match op {
        Op::Conv { window, .. } | Op::AveragePool { window, .. } | Op::MaxPool { window } => Some(window),
        _ => None,
    }
}

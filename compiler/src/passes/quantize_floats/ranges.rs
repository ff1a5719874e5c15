//! The ranges of a float graph's activations.

use super::{moments, not_a_number};
use crate::error::CompileError;
use crate::graph::{Graph, Op, TensorId};
use crate::passes::Context;
use crate::post_training::Range;
use std::collections::BTreeMap;

/// Observes or estimates the range of every activation.
pub(super) fn observe(graph: &Graph, context: &mut Context) -> Result<BTreeMap<TensorId, Range>, Vec<CompileError>> {
    let _ = context;
    let mut ranges = moments::estimate(graph);
    check(graph, &ranges)?;
    fix_ranges_of_softmax(graph, &mut ranges);
    Ok(ranges)
}

fn check(graph: &Graph, ranges: &BTreeMap<TensorId, Range>) -> Result<(), Vec<CompileError>> {
    let bad = ranges.iter().filter(|(_, range)| !range.is_usable());
    // What follows from a tensor that is no number is none either; the first tells most.
    let errors: Vec<CompileError> = bad
        .map(|(&id, _)| not_a_number(&graph.tensor(id).name))
        .take(1)
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Shares of one get the scale 1/256, as in TensorFlow Lite: it is a power of two, and only the share 1 itself is clipped.
fn fix_ranges_of_softmax(graph: &Graph, ranges: &mut BTreeMap<TensorId, Range>) {
    for node in graph.nodes.iter().filter(|node| matches!(node.op, Op::Softmax { .. })) {
        let hi = 255.0 / 256.0;
        ranges.insert(node.outputs[0], Range { lo: 0.0, hi });
    }
}

//! Views: the same elements under another shape, where the order in memory allows it.

use super::convert::Converter;
use super::{Graph, make_nhwc};
use crate::error::CompileError;
use crate::graph::{Layout, Node, TensorId};
use crate::passes::support::shape_of;

pub(super) fn lay_out(c: &mut Converter<'_>, node: &mut Node, x: TensorId) -> Result<(), CompileError> {
    let y = node.outputs[0];
    let layout = match in_place(c.graph, x, y) {
        Some(layout) => layout,
        None => {
            let logical = c.logical_copy(node, x)?;
            node.inputs[0] = Some(logical);
            in_place(c.graph, logical, y).unwrap_or_default()
        }
    };
    match layout {
        Layout::Nhwc => make_nhwc(c.graph, y),
        other => c.graph.tensor_mut(y).layout = other,
    }
    Ok(())
}

/// The layout of the result if the elements of the operand stay where they are.
fn in_place(graph: &Graph, x: TensorId, y: TensorId) -> Option<Layout> {
    let (from, to) = (shape_of(graph, x), shape_of(graph, y));
    // The image behind the operand, if its order matters.
    let image = match (graph.tensor(x).layout, from.as_slice()) {
        (Layout::Nhwc, &[n, h, w, c]) => Some([n, c, h, w]),
        (Layout::FlattenedNhwc { c, h, w }, &[n, _]) => Some([n, c, h, w]),
        _ => None,
    };
    let image = image.filter(|&[_, c, h, w]| c > 1 && h * w > 1);
    match (image, to.as_slice()) {
        (Some([n, c, h, w]), &[batch, channels, height, width]) => {
            let only_pixels_regroup = (batch, channels, height * width) == (n, c, h * w);
            only_pixels_regroup.then_some(Layout::Nhwc)
        }
        (Some([n, c, h, w]), &[rows, columns]) if rows == n && columns == c * h * w => {
            Some(Layout::FlattenedNhwc { c, h, w })
        }
        (Some(_), _) => None,
        (None, &[_, c, h, w]) if c == 1 || h * w == 1 => Some(Layout::Nhwc),
        (None, _) => Some(Layout::Logical),
    }
}

//! Shapes of what slides over images: convolutions and poolings.

use super::super::movement::shape_error;
use crate::error::CompileError;
use crate::graph::{Graph, Layout, Node, Tensor, WindowAttributes};

/// The image axes of an operand, or an error if its rank is known and is not 4.
pub(super) fn image(node: &Node, tensor: &Tensor) -> Result<Option<[usize; 4]>, CompileError> {
    match (&tensor.shape, tensor.image_axes()) {
        (None, _) => Ok(None),
        (Some(_), Some(axes)) => Ok(Some(axes)),
        (Some(shape), None) => Err(shape_error(
            node,
            format!("operand `{}` of shape {shape:?}", tensor.name),
            "an image of 4 axes (batch, channels, height, width)",
        )),
    }
}

fn image_shape(layout: Layout, [n, c, h, w]: [usize; 4]) -> Vec<usize> {
    match layout {
        Layout::Nhwc => vec![n, h, w, c],
        Layout::Logical | Layout::FlattenedNhwc { .. } => vec![n, c, h, w],
    }
}

/// Lengths and steps of zero have no meaning and would divide by zero further on.
fn check_window(node: &Node, window: &WindowAttributes) -> Result<(), CompileError> {
    let kernel = window.kernel.unwrap_or([1, 1]);
    if [kernel, window.strides, window.dilations].as_flattened().contains(&0) {
        return Err(shape_error(
            node,
            format!("{window:?}"),
            "kernel, strides and dilations of at least 1",
        ));
    }
    Ok(())
}

pub(super) fn conv(
    node: &Node,
    x: &Tensor,
    w: &Tensor,
    attributes: &WindowAttributes,
    group: usize,
) -> Result<Option<Vec<usize>>, CompileError> {
    let (Some([n, channels, height, width]), Some(weights)) = (image(node, x)?, &w.shape) else {
        return Ok(None);
    };
    check_window(node, attributes)?;
    let mismatch = |found: String, expected: &str| Err(shape_error(node, found, expected));
    let (co, ci, kernel) = match (weights.as_slice(), attributes.kernel) {
        (&[co, ci, kh, kw], _) => (co, ci, [kh, kw]),
        (&[rows, co], Some(kernel)) => (co, rows / (kernel[0] * kernel[1]), kernel),
        _ => {
            return mismatch(
                format!("weights of shape {weights:?}"),
                "4 axes (out, in, height, width)",
            );
        }
    };
    if attributes.kernel.is_some_and(|stated| stated != kernel) || kernel.contains(&0) {
        let stated = attributes.kernel;
        return mismatch(
            format!("kernel_shape {stated:?} and weights of shape {weights:?}"),
            "the same non-zero kernel in both",
        );
    }
    if ci.checked_mul(group) != Some(channels) || co.checked_rem(group) != Some(0) {
        return mismatch(
            format!(
                "{channels} channels in `{}`, weights of shape {weights:?}, {group} groups",
                x.name
            ),
            "channels = groups x input channels of the weights, output channels a multiple of groups",
        );
    }
    let window = attributes.resolve(kernel, [height, width]);
    match window.output([height, width], attributes.ceil_mode) {
        Some([oh, ow]) => Ok(Some(image_shape(x.layout, [n, co, oh, ow]))),
        None => mismatch(
            format!("an image of {height} x {width} and {window:?}"),
            "a window that fits into the padded image",
        ),
    }
}

pub(super) fn pool(node: &Node, x: &Tensor, attributes: &WindowAttributes) -> Result<Option<Vec<usize>>, CompileError> {
    let Some([n, c, height, width]) = image(node, x)? else {
        return Ok(None);
    };
    check_window(node, attributes)?;
    let window = attributes.resolve([1, 1], [height, width]);
    match window.output([height, width], attributes.ceil_mode) {
        Some([oh, ow]) => Ok(Some(image_shape(x.layout, [n, c, oh, ow]))),
        None => Err(shape_error(
            node,
            format!("an image of {height} x {width} and {window:?}"),
            "a window that fits into the padded image",
        )),
    }
}

/// The result of a pooling over whole images, or over lines of one spatial axis.
pub(super) fn global_pool(node: &Node, x: &Tensor) -> Result<Option<Vec<usize>>, CompileError> {
    if let (Some(&[n, c, _]), Layout::Logical) = (x.shape.as_deref(), x.layout) {
        return Ok(Some(vec![n, c, 1]));
    }
    Ok(image(node, x)?.map(|[n, c, _, _]| image_shape(x.layout, [n, c, 1, 1])))
}

/// A bias has one element per output channel, or one for all.
pub(super) fn check_bias(graph: &Graph, node: &Node, weights: &Tensor) -> Result<(), CompileError> {
    let Some(bias) = node.input(2).map(|id| graph.tensor(id)) else {
        return Ok(());
    };
    let (Some(shape), Some(&[co, ..])) = (bias.shape.as_deref(), weights.shape.as_deref()) else {
        return Ok(());
    };
    if *shape == [co] || *shape == [1] {
        return Ok(());
    }
    let found = format!("a bias `{}` of shape {shape:?}", bias.name);
    Err(shape_error(
        node,
        found,
        &format!("[{co}], one element per output channel"),
    ))
}

//! Conv, QLinearConv and ConvInteger.

use super::{Reading, known, over_rows, variant};
use crate::graph::{Op, WindowAttributes};
use crate::onnx::attributes::{AttributeFault, NodeView};

pub(super) fn conv(node: NodeView) -> Result<Reading, AttributeFault> {
    read(node, |window, group| Op::Conv { window, group })
}

pub(super) fn q_linear_conv(node: NodeView) -> Result<Reading, AttributeFault> {
    read(node, |window, group| Op::QLinearConv { window, group })
}

pub(super) fn conv_integer(node: NodeView) -> Result<Reading, AttributeFault> {
    read(node, |window, group| Op::ConvInteger { window, group })
}

fn read(node: NodeView, make: impl Fn(WindowAttributes, usize) -> Op) -> Result<Reading, AttributeFault> {
    let n_axes = node.n_spatial_axes()?;
    let is_float = node.op_type() == "Conv";
    if n_axes != 2 && !(n_axes == 1 && is_float) {
        let known_axes = if is_float { "1 and 2" } else { "2" };
        return variant(format!(
            "a convolution over {n_axes} spatial axes; only {known_axes} are known"
        ));
    }
    let group = node.int_or("group", 1)?;
    let group = usize::try_from(group)
        .ok()
        .filter(|&g| g > 0)
        .ok_or_else(|| AttributeFault {
            found: format!("attribute `group` = {group}"),
            expected: "at least 1".into(),
        })?;
    let op = make(node.window()?, group);
    match n_axes {
        1 => Ok(over_rows(node, op, 2)),
        _ => known(op),
    }
}

//! Conv, QLinearConv and ConvInteger.

use super::{Reading, known, variant};
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
    if n_axes != 2 {
        return variant(format!("a convolution over {n_axes} spatial axes; only 2 are known"));
    }
    let group = node.int_or("group", 1)?;
    let group = usize::try_from(group)
        .ok()
        .filter(|&g| g > 0)
        .ok_or_else(|| AttributeFault {
            found: format!("attribute `group` = {group}"),
            expected: "at least 1".into(),
        })?;
    known(make(node.window()?, group))
}

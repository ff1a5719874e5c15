//! Conv and QLinearConv.

use super::{Reading, known, variant};
use crate::graph::{Op, WindowAttributes};
use crate::onnx::attributes::{AttributeFault, Attributes};

pub(super) fn conv(attributes: Attributes) -> Result<Reading, AttributeFault> {
    read(attributes, |window, group| Op::Conv { window, group })
}

pub(super) fn q_linear_conv(attributes: Attributes) -> Result<Reading, AttributeFault> {
    read(attributes, |window, group| Op::QLinearConv { window, group })
}

fn read(attributes: Attributes, make: impl Fn(WindowAttributes, usize) -> Op) -> Result<Reading, AttributeFault> {
    let n_axes = attributes.n_spatial_axes()?;
    if n_axes != 2 {
        return variant(format!("a convolution over {n_axes} spatial axes; only 2 are known"));
    }
    let group = attributes.int_or("group", 1)?;
    let group = usize::try_from(group)
        .ok()
        .filter(|&g| g > 0)
        .ok_or_else(|| AttributeFault {
            found: format!("attribute `group` = {group}"),
            expected: "at least 1".into(),
        })?;
    known(make(attributes.window()?, group))
}

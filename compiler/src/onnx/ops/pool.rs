//! Pooling over windows and over whole images, and means over axes.

use super::{Reading, known, over_rows, variant};
use crate::graph::{Op, WindowAttributes};
use crate::onnx::attributes::{AttributeFault, NodeView};

pub(super) fn max_pool(node: NodeView) -> Result<Reading, AttributeFault> {
    read(node, |window| Op::MaxPool { window })
}

pub(super) fn average_pool(node: NodeView) -> Result<Reading, AttributeFault> {
    let count_include_pad = node.int_or("count_include_pad", 0)? != 0;
    read(node, |window| Op::AveragePool {
        window,
        count_include_pad,
    })
}

pub(super) fn global_average_pool(_: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::GlobalAveragePool)
}

pub(super) fn global_max_pool(_: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::GlobalMaxPool)
}

/// Before operator set 18 the axes were an attribute; since then they are an operand.
pub(super) fn reduce_mean(node: NodeView) -> Result<Reading, AttributeFault> {
    if node.int_or("noop_with_empty_axes", 0)? != 0 {
        return variant("noop_with_empty_axes = 1");
    }
    known(Op::ReduceMean {
        axes: node.ints("axes")?.map(<[i64]>::to_vec),
        keep_dims: node.int_or("keepdims", 1)? != 0,
    })
}

fn read(node: NodeView, make: impl Fn(WindowAttributes) -> Op) -> Result<Reading, AttributeFault> {
    let n_axes = node.n_spatial_axes()?;
    if ![1, 2].contains(&n_axes) {
        return variant(format!("a pooling over {n_axes} spatial axes; only 1 and 2 are known"));
    }
    let window = node.window()?;
    if window.kernel.is_none() {
        return Err(AttributeFault {
            found: "no attribute `kernel_shape`".into(),
            expected: "height and width of the window".into(),
        });
    }
    match n_axes {
        1 => Ok(over_rows(node, make(window), 1)),
        _ => known(make(window)),
    }
}

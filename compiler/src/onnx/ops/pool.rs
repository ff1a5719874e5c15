//! MaxPool.

use super::{Reading, known, variant};
use crate::graph::Op;
use crate::onnx::attributes::{AttributeFault, Attributes};

pub(super) fn max_pool(attributes: Attributes) -> Result<Reading, AttributeFault> {
    let n_axes = attributes.n_spatial_axes()?;
    if n_axes != 2 {
        return variant(format!("a pooling over {n_axes} spatial axes; only 2 are known"));
    }
    let window = attributes.window()?;
    if window.kernel.is_none() {
        return Err(AttributeFault {
            found: "no attribute `kernel_shape`".into(),
            expected: "height and width of the window".into(),
        });
    }
    known(Op::MaxPool { window })
}

//! Normalizations: over the batch, over a layer, over neighbouring channels.

use super::{Reading, known, variant};
use crate::graph::Op;
use crate::onnx::attributes::{AttributeFault, NodeView};

const EPSILON: f32 = 1e-5;

/// In training the statistics would come from the batch.
pub(super) fn batch_normalization(node: NodeView) -> Result<Reading, AttributeFault> {
    if node.int_or("training_mode", 0)? != 0 {
        return variant("statistics of the batch (training_mode = 1)");
    }
    if node.int_or("spatial", 1)? == 0 {
        return variant("statistics per pixel (spatial = 0)");
    }
    known(Op::BatchNormalization {
        epsilon: node.float("epsilon")?.unwrap_or(EPSILON),
    })
}

pub(super) fn layer_normalization(node: NodeView) -> Result<Reading, AttributeFault> {
    known(Op::LayerNormalization {
        axis: node.int_or("axis", -1)?,
        epsilon: node.float("epsilon")?.unwrap_or(EPSILON),
    })
}

pub(super) fn lrn(node: NodeView) -> Result<Reading, AttributeFault> {
    let size = node.int_or("size", 0)?;
    let fault = || AttributeFault {
        found: format!("attribute `size` = {size}"),
        expected: "at least 1 channel".into(),
    };
    known(Op::Lrn {
        alpha: node.float("alpha")?.unwrap_or(1e-4),
        beta: node.float("beta")?.unwrap_or(0.75),
        bias: node.float("bias")?.unwrap_or(1.0),
        size: usize::try_from(size).ok().filter(|&n| n > 0).ok_or_else(fault)?,
    })
}

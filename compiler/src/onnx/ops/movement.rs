//! Operators that only move elements: Concat, Split, Slice, Pad, Resize and Upsample.
//!
//! What older operator sets state in attributes becomes the operands of newer ones.

use super::{Expansion, Reading, Source, known, variant};
use crate::graph::{CoordinateTransform, NearestRounding, Op, ResizeMode, TensorData};
use crate::onnx::attributes::{AttributeFault, NodeView};

pub(super) fn concat(node: NodeView) -> Result<Reading, AttributeFault> {
    match node.int("axis")? {
        Some(axis) => known(Op::Concat { axis }),
        None => Err(missing("axis")),
    }
}

/// Without sizes the pieces are equal; `num_outputs` only repeats how many there are.
pub(super) fn split(node: NodeView) -> Result<Reading, AttributeFault> {
    let sizes = match node.ints("split")? {
        None => None,
        Some(values) => {
            let sizes = values.iter().map(|&v| usize::try_from(v).ok()).collect::<Option<_>>();
            Some(sizes.ok_or_else(|| AttributeFault {
                found: format!("attribute `split` = {values:?}"),
                expected: "lengths of at least 0".into(),
            })?)
        }
    };
    known(Op::Split {
        axis: node.int_or("axis", 0)?,
        sizes,
    })
}

pub(super) fn slice(node: NodeView) -> Result<Reading, AttributeFault> {
    if node.opset() >= 10 {
        return match node.has_operand(1) && node.has_operand(2) {
            true => known(Op::Slice),
            false => Err(missing("starts and ends (operands 1 and 2)")),
        };
    }
    let starts = node.ints("starts")?.ok_or_else(|| missing("starts"))?;
    let ends = node.ints("ends")?.ok_or_else(|| missing("ends"))?;
    let axes = node.ints("axes")?.map_or(Source::Absent, Source::entries);
    let operands = [Source::Operand(0), Source::entries(starts), Source::entries(ends), axes];
    Ok(Reading::Several(Expansion::one(Op::Slice, operands)))
}

pub(super) fn pad(node: NodeView) -> Result<Reading, AttributeFault> {
    match node.string("mode")? {
        None | Some("" | "constant") => {}
        Some(other) => return variant(format!("mode `{other}`; only `constant` is known")),
    }
    if node.opset() >= 11 {
        return match node.has_operand(1) {
            true => known(Op::Pad),
            false => Err(missing("pads (operand 1)")),
        };
    }
    let pads = node.ints("pads")?.ok_or_else(|| missing("pads"))?;
    let value = TensorData::F32(vec![node.float("value")?.unwrap_or(0.0)]);
    let operands = [
        Source::Operand(0),
        Source::entries(pads),
        Source::constant(vec![], value),
    ];
    Ok(Reading::Several(Expansion::one(Op::Pad, operands)))
}

/// Operator set 10 had `[x, scales]` and knew no modes of coordinates.
pub(super) fn resize(node: NodeView) -> Result<Reading, AttributeFault> {
    if let Some(mode) = node.string("mode")?.filter(|mode| !matches!(*mode, "" | "nearest")) {
        return variant(format!("mode `{mode}`; only `nearest` is known"));
    }
    if node.opset() < 11 {
        return Ok(Reading::Several(scaled(Source::Operand(1))));
    }
    if node.ints("axes")?.is_some() {
        return variant("a list of axes");
    }
    if let Some(policy) = node
        .string("keep_aspect_ratio_policy")?
        .filter(|policy| *policy != "stretch")
    {
        return variant(format!("keep_aspect_ratio_policy `{policy}`"));
    }
    let transform = match node.string("coordinate_transformation_mode")? {
        None | Some("half_pixel") => CoordinateTransform::HalfPixel,
        Some("asymmetric") => CoordinateTransform::Asymmetric,
        Some("align_corners") => CoordinateTransform::AlignCorners,
        Some(other) => return variant(format!("coordinates by `{other}`")),
    };
    let rounding = match node.string("nearest_mode")? {
        None | Some("round_prefer_floor") => NearestRounding::RoundPreferFloor,
        Some("round_prefer_ceil") => NearestRounding::RoundPreferCeil,
        Some("floor") => NearestRounding::Floor,
        Some("ceil") => NearestRounding::Ceil,
        Some(other) => return variant(format!("rounding by `{other}`")),
    };
    known(Op::Resize {
        mode: ResizeMode { transform, rounding },
    })
}

/// The predecessor of Resize, with scales of at least 1 in an attribute, later in operand 1.
pub(super) fn upsample(node: NodeView) -> Result<Reading, AttributeFault> {
    if let Some(mode) = node.string("mode")?.filter(|mode| !matches!(*mode, "" | "nearest")) {
        return variant(format!("mode `{mode}`; only `nearest` is known"));
    }
    let scales = match node.floats("scales")? {
        Some(scales) => Source::constant(vec![scales.len()], TensorData::F32(scales.to_vec())),
        None if node.has_operand(1) => Source::Operand(1),
        None => return Err(missing("scales")),
    };
    Ok(Reading::Several(scaled(scales)))
}

fn scaled(scales: Source) -> Expansion {
    let mode = ResizeMode {
        transform: CoordinateTransform::Asymmetric,
        rounding: NearestRounding::Floor,
    };
    Expansion::one(Op::Resize { mode }, [Source::Operand(0), Source::Absent, scales])
}

fn missing(name: &str) -> AttributeFault {
    AttributeFault {
        found: format!("no {name}"),
        expected: "a value".into(),
    }
}

//! One node of the file: its attributes, read by name and checked, and which operands it has.

use crate::graph::{Padding, Pads, WindowAttributes};
use rten_onnx::onnx::{AttributeProto, NodeProto, TensorProto};

/// Kernels, strides, dilations and pads beyond this are taken for damage.
const MAX_WINDOW_VALUE: i64 = 1 << 16;

/// An attribute that is not what the operator needs.
#[derive(Debug)]
pub(super) struct AttributeFault {
    pub(super) found: String,
    pub(super) expected: String,
}

/// One node.
#[derive(Clone, Copy)]
pub(super) struct NodeView<'a> {
    node: &'a NodeProto,
    opset: i64,
    /// Which operands are connected.
    present: &'a [bool],
}

impl<'a> NodeView<'a> {
    pub(super) fn new(node: &'a NodeProto, opset: i64, present: &'a [bool]) -> Self {
        Self { node, opset, present }
    }

    /// The version of the standard operators that the file uses. Some operators changed their meaning or defaults.
    pub(super) const fn opset(self) -> i64 {
        self.opset
    }

    /// Name of the operator.
    pub(super) fn op_type(self) -> &'a str {
        self.node.op_type.as_deref().unwrap_or_default()
    }

    /// Number of operands, unconnected ones between others included.
    pub(super) const fn n_operands(self) -> usize {
        self.present.len()
    }

    /// Whether there is an operand at a position.
    pub(super) fn has_operand(self, position: usize) -> bool {
        self.present.get(position) == Some(&true)
    }

    fn get(self, name: &str) -> Option<&'a AttributeProto> {
        self.node
            .attribute
            .iter()
            .find(|attribute| attribute.name.as_deref() == Some(name))
    }

    /// An integer, if stated. Writers leave zeros out, so an integer attribute without a value is zero.
    pub(super) fn int(self, name: &str) -> Result<Option<i64>, AttributeFault> {
        let Some(attribute) = self.get(name) else {
            return Ok(None);
        };
        match attribute.i {
            Some(value) => Ok(Some(value)),
            None if is_empty(attribute) => Ok(Some(0)),
            None => Err(wrong_type(name, "an integer")),
        }
    }

    /// An integer or its default.
    pub(super) fn int_or(self, name: &str, default: i64) -> Result<i64, AttributeFault> {
        Ok(self.int(name)?.unwrap_or(default))
    }

    /// A float, if stated.
    pub(super) fn float(self, name: &str) -> Result<Option<f32>, AttributeFault> {
        let Some(attribute) = self.get(name) else {
            return Ok(None);
        };
        match attribute.f {
            Some(value) => Ok(Some(value)),
            None if is_empty(attribute) => Ok(Some(0.0)),
            None => Err(wrong_type(name, "a float")),
        }
    }

    /// A list of integers, if stated.
    pub(super) fn ints(self, name: &str) -> Result<Option<&'a [i64]>, AttributeFault> {
        let Some(attribute) = self.get(name) else {
            return Ok(None);
        };
        if attribute.ints.is_empty() && !is_empty(attribute) {
            return Err(wrong_type(name, "a list of integers"));
        }
        Ok(Some(&attribute.ints))
    }

    /// A list of floats, if stated.
    pub(super) fn floats(self, name: &str) -> Result<Option<&'a [f32]>, AttributeFault> {
        let Some(attribute) = self.get(name) else {
            return Ok(None);
        };
        if attribute.floats.is_empty() && !is_empty(attribute) {
            return Err(wrong_type(name, "a list of floats"));
        }
        Ok(Some(&attribute.floats))
    }

    /// A string, if stated.
    pub(super) fn string(self, name: &str) -> Result<Option<&'a str>, AttributeFault> {
        let Some(attribute) = self.get(name) else {
            return Ok(None);
        };
        match &attribute.s {
            Some(value) => Ok(Some(value)),
            None if is_empty(attribute) => Ok(Some("")),
            None => Err(wrong_type(name, "a string")),
        }
    }

    /// A tensor, if stated.
    pub(super) fn tensor(self, name: &str) -> Result<Option<&'a TensorProto>, AttributeFault> {
        let Some(attribute) = self.get(name) else {
            return Ok(None);
        };
        attribute
            .t
            .as_ref()
            .map(Some)
            .ok_or_else(|| wrong_type(name, "a tensor"))
    }

    /// The number of spatial axes that the window attributes speak of; 2 if they are all left to their defaults.
    pub(super) fn n_spatial_axes(self) -> Result<usize, AttributeFault> {
        for (name, per_axis) in [("kernel_shape", 1), ("strides", 1), ("dilations", 1), ("pads", 2)] {
            if let Some(values) = self.ints(name)? {
                return Ok(values.len() / per_axis);
            }
        }
        Ok(2)
    }

    /// The attributes of a sliding window over one or two spatial axes; over one, images are one row high.
    pub(super) fn window(self) -> Result<WindowAttributes, AttributeFault> {
        let n_axes = self.n_spatial_axes()?;
        let pair = |name| self.pair(name, n_axes);
        let kernel = pair("kernel_shape")?;
        Ok(WindowAttributes {
            kernel,
            strides: pair("strides")?.unwrap_or([1, 1]),
            dilations: pair("dilations")?.unwrap_or([1, 1]),
            padding: self.padding(n_axes)?,
            ceil_mode: self.int_or("ceil_mode", 0)? != 0,
        })
    }

    fn pair(self, name: &str, n_axes: usize) -> Result<Option<[usize; 2]>, AttributeFault> {
        let Some(values) = self.ints(name)? else {
            return Ok(None);
        };
        let valid = values.iter().all(|v| (1..=MAX_WINDOW_VALUE).contains(v));
        match *values {
            [h, w] if valid && n_axes == 2 => Ok(Some([h as usize, w as usize])),
            [w] if valid && n_axes == 1 => Ok(Some([1, w as usize])),
            _ => Err(AttributeFault {
                found: format!("attribute `{name}` = {values:?}"),
                expected: format!("{n_axes} values of 1..=65536"),
            }),
        }
    }

    fn padding(self, n_axes: usize) -> Result<Padding, AttributeFault> {
        match self.string("auto_pad")? {
            None | Some("" | "NOTSET") => Ok(Padding::Explicit(self.pads(n_axes)?)),
            Some("VALID") => Ok(Padding::Explicit(Pads::default())),
            Some("SAME_UPPER") => Ok(Padding::SameUpper),
            Some("SAME_LOWER") => Ok(Padding::SameLower),
            Some(other) => Err(AttributeFault {
                found: format!("attribute `auto_pad` = `{other}`"),
                expected: "NOTSET, VALID, SAME_UPPER or SAME_LOWER".into(),
            }),
        }
    }

    fn pads(self, n_axes: usize) -> Result<Pads, AttributeFault> {
        let Some(values) = self.ints("pads")? else {
            return Ok(Pads::default());
        };
        let valid = values.iter().all(|v| (0..=MAX_WINDOW_VALUE).contains(v));
        match *values {
            [left, right] if valid && n_axes == 1 => Ok(Pads {
                left: left as usize,
                right: right as usize,
                ..Pads::default()
            }),
            [top, left, bottom, right] if valid && n_axes == 2 => Ok(Pads {
                top: top as usize,
                left: left as usize,
                bottom: bottom as usize,
                right: right as usize,
            }),
            _ => Err(AttributeFault {
                found: format!("attribute `pads` = {values:?}"),
                expected: format!("{} values of 0..=65536, all beginnings first", 2 * n_axes),
            }),
        }
    }
}

fn is_empty(attribute: &AttributeProto) -> bool {
    attribute.i.is_none()
        && attribute.f.is_none()
        && attribute.s.is_none()
        && attribute.t.is_none()
        && attribute.g.is_none()
        && attribute.ints.is_empty()
        && attribute.floats.is_empty()
        && attribute.strings.is_empty()
}

fn wrong_type(name: &str, expected: &str) -> AttributeFault {
    AttributeFault {
        found: format!("attribute `{name}` of another type"),
        expected: expected.into(),
    }
}

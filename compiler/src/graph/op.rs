//! The operators of a graph and their attributes.
//!
//! Three families: operators of model files, the two border operators that stand for quantization once its
//! parameters are attached to tensors, and the machine-level operators that code generation accepts.

use super::data::DType;

/// Rows or columns added around an image; their elements have the real value zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Pads {
    /// Rows above.
    pub top: usize,
    /// Columns on the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns on the right.
    pub right: usize,
}

/// How padding is specified in a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// So much on every side.
    Explicit(Pads),
    /// As much as makes the output `ceil(input / stride)` long, the odd element at the end.
    SameUpper,
    /// The same with the odd element at the beginning.
    SameLower,
}

/// How a window slides over an image, as a model states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowAttributes {
    /// Height and width of the window; a convolution may leave them to the shape of its weights.
    pub kernel: Option<[usize; 2]>,
    /// Steps between windows, vertical and horizontal.
    pub strides: [usize; 2],
    /// Steps between the elements of a window, vertical and horizontal.
    pub dilations: [usize; 2],
    /// Padding.
    pub padding: Padding,
    /// Whether a last window that reaches beyond the padding counts.
    pub ceil_mode: bool,
}

/// How a window slides over an image, fully resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Window {
    /// Height and width.
    pub kernel: [usize; 2],
    /// Steps between windows, vertical and horizontal.
    pub strides: [usize; 2],
    /// Steps between the elements of a window, vertical and horizontal.
    pub dilations: [usize; 2],
    /// Padding.
    pub pads: Pads,
}

impl WindowAttributes {
    /// Resolves the window for an image of `[height, width]`; `kernel` holds if the attributes do not state one.
    pub fn resolve(&self, kernel: [usize; 2], image: [usize; 2]) -> Window {
        let kernel = self.kernel.unwrap_or(kernel);
        let same = |axis: usize| {
            let out = image[axis].div_ceil(self.strides[axis]);
            let span = self.dilations[axis] * (kernel[axis] - 1) + 1;
            let total = (out.saturating_sub(1) * self.strides[axis] + span).saturating_sub(image[axis]);
            (total / 2, total - total / 2)
        };
        let pads = match self.padding {
            Padding::Explicit(pads) => pads,
            Padding::SameUpper | Padding::SameLower => {
                let ((top, bottom), (left, right)) = (same(0), same(1));
                match self.padding {
                    Padding::SameLower => Pads {
                        top: bottom,
                        left: right,
                        bottom: top,
                        right: left,
                    },
                    _ => Pads {
                        top,
                        left,
                        bottom,
                        right,
                    },
                }
            }
        };
        Window {
            kernel,
            strides: self.strides,
            dilations: self.dilations,
            pads,
        }
    }

    /// The same attributes with kernel and padding written out.
    pub fn resolved(&self, kernel: [usize; 2], image: [usize; 2]) -> Self {
        let window = self.resolve(kernel, image);
        Self {
            kernel: Some(window.kernel),
            padding: Padding::Explicit(window.pads),
            ..*self
        }
    }
}

impl Window {
    /// Height and width of the result for an image of `[height, width]`; `None` if the window does not fit.
    pub fn output(&self, image: [usize; 2], ceil_mode: bool) -> Option<[usize; 2]> {
        let Pads {
            top,
            left,
            bottom,
            right,
        } = self.pads;
        let along = |axis: usize, before: usize, after: usize| {
            let span = self.dilations[axis] * (self.kernel[axis] - 1) + 1;
            let room = (image[axis] + before + after).checked_sub(span)?;
            let stride = self.strides[axis];
            if !ceil_mode {
                return Some(room / stride + 1);
            }
            let out = room.div_ceil(stride) + 1;
            // A window that would start in the padding at the end is left out.
            Some(if (out - 1) * stride >= image[axis] + before {
                out - 1
            } else {
                out
            })
        };
        Some([along(0, top, bottom)?, along(1, left, right)?])
    }
}

/// The interval into which a machine-level operator clips its result, in output integers, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ClipRange {
    /// Smallest result.
    pub lo: i32,
    /// Largest result.
    pub hi: i32,
}

impl ClipRange {
    /// Everything that a type can hold; `None` if it is not a quantized type.
    pub fn of(dtype: DType) -> Option<Self> {
        dtype.range().map(|(lo, hi)| Self { lo, hi })
    }

    /// What is left of this interval after clipping into `then` as well. Never empty: an interval that lies
    /// entirely on one side collapses to the nearest end of `then`, as clipping twice does.
    pub fn then(self, then: Self) -> Self {
        let clip = |v: i32| v.max(then.lo).min(then.hi);
        Self {
            lo: clip(self.lo),
            hi: clip(self.hi),
        }
    }
}

/// What a node computes. Lists in brackets are the input positions; those with a question mark may be absent.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Convolution `[x, w, bias?]`, `x` NCHW, `w` OIHW.
    Conv {
        /// Window.
        window: WindowAttributes,
        /// Number of groups into which the channels are split.
        group: usize,
    },
    /// Matrix product `[a, b, c?]`: `a b + c`, or `a bᵀ + c`.
    Gemm {
        /// Whether `b` is given transposed.
        trans_b: bool,
    },
    /// Matrix product `[a, b]`.
    MatMul,
    /// Largest element of each window `[x]`; padding does not count.
    MaxPool {
        /// Window.
        window: WindowAttributes,
    },
    /// `max(x, 0)` `[x]`.
    Relu,
    /// `min(max(x, lo), hi)` `[x, lo?, hi?]`.
    Clip {
        /// Lower bound; operand 1 has it in newer models.
        min: Option<f32>,
        /// Upper bound; operand 2 has it in newer models.
        max: Option<f32>,
    },
    /// `[x]` as a matrix: axes before `axis` are the rows.
    Flatten {
        /// The first axis of the columns; negative counts from the end.
        axis: i64,
    },
    /// `[x, shape]`: the same elements in another shape.
    Reshape {
        /// Whether an entry 0 means length zero instead of "as in the input".
        allow_zero: bool,
    },
    /// Axes of `[x]` reordered; no permutation means reversed.
    Transpose {
        /// New axis `i` is old axis `permutation[i]`.
        permutation: Option<Vec<usize>>,
    },
    /// `[x]` itself.
    Identity,
    /// Elementwise sum `[a, b]` with broadcasting.
    Add,
    /// `[x, scale, zero_point?]`: float to integer.
    QuantizeLinear {
        /// Axis of a scale with several elements.
        axis: i64,
        /// Type of the result if there is no zero point to tell it.
        dtype: Option<DType>,
    },
    /// `[x, scale, zero_point?]`: integer to float.
    DequantizeLinear {
        /// Axis of a scale with several elements.
        axis: i64,
    },
    /// `[x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias?]`.
    QLinearConv {
        /// Window.
        window: WindowAttributes,
        /// Number of groups.
        group: usize,
    },
    /// `[a, a_scale, a_zero?, b, b_scale, b_zero?, bias?, y_scale?, y_zero?]`.
    QGemm {
        /// Whether `b` is given transposed.
        trans_b: bool,
    },
    /// `[a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero]`.
    QLinearMatMul,
    /// `[a, a_scale, a_zero?, b, b_scale, b_zero?, y_scale, y_zero?]`.
    QLinearAdd,
    /// An operator the compiler does not know, kept so that the graph can still be shown.
    Unsupported {
        /// Domain, empty for the standard one.
        domain: String,
        /// Name of the operator.
        op_type: String,
        /// What about it is not supported, if it is not the whole operator.
        reason: Option<String>,
    },

    /// `[x]` float to integer with the quantization of the output tensor.
    Quantize {
        /// Type of the result.
        dtype: DType,
    },
    /// `[x]` integer to float with the quantization of the input tensor.
    Dequantize,

    /// Integer convolution `[x, w, bias]`. `w` is constant, OIHW, or `[kh * kw * ci, co]` in the machine layout;
    /// `bias` is an i32 constant of `co` elements in units of `x_scale * w_scale`.
    QConv {
        /// Window, resolved.
        window: WindowAttributes,
        /// Number of groups.
        group: usize,
        /// Clipping of the result.
        clip: ClipRange,
    },
    /// Integer matrix product `[x, w, bias]`: `x` is `[.., k]`, `w` a constant `[k, n]`, `bias` an i32 constant `[n]`.
    QDense {
        /// Clipping of the result.
        clip: ClipRange,
    },
    /// Integer elementwise sum `[a, b]` of equal shapes.
    QAdd {
        /// Clipping of the result.
        clip: ClipRange,
    },
    /// `[x]` rescaled to the quantization of the output.
    QRequant {
        /// Clipping of the result.
        clip: ClipRange,
    },
    /// `[x]`: the same elements, in the same order, under the shape of the output.
    View,
}

impl Op {
    /// The name of the operator, as in the model file for those that come from one.
    pub fn name(&self) -> &str {
        match self {
            Self::Conv { .. } => "Conv",
            Self::Gemm { .. } => "Gemm",
            Self::MatMul => "MatMul",
            Self::MaxPool { .. } => "MaxPool",
            Self::Relu => "Relu",
            Self::Clip { .. } => "Clip",
            Self::Flatten { .. } => "Flatten",
            Self::Reshape { .. } => "Reshape",
            Self::Transpose { .. } => "Transpose",
            Self::Identity => "Identity",
            Self::Add => "Add",
            Self::QuantizeLinear { .. } => "QuantizeLinear",
            Self::DequantizeLinear { .. } => "DequantizeLinear",
            Self::QLinearConv { .. } => "QLinearConv",
            Self::QGemm { .. } => "QGemm",
            Self::QLinearMatMul => "QLinearMatMul",
            Self::QLinearAdd => "QLinearAdd",
            Self::Unsupported { op_type, .. } => op_type,
            Self::Quantize { .. } => "Quantize",
            Self::Dequantize => "Dequantize",
            Self::QConv { .. } => "QConv",
            Self::QDense { .. } => "QDense",
            Self::QAdd { .. } => "QAdd",
            Self::QRequant { .. } => "QRequant",
            Self::View => "View",
        }
    }

    /// Whether the operator only selects or moves elements, so that it means the same on integers and on the real
    /// numbers they stand for.
    pub const fn is_movement(&self) -> bool {
        matches!(self, Self::MaxPool { .. } | Self::View)
    }

    /// The clipping of a machine-level operator that has one, to be narrowed.
    pub fn clip_mut(&mut self) -> Option<&mut ClipRange> {
        match self {
            Self::QConv { clip, .. } | Self::QDense { clip } | Self::QAdd { clip } | Self::QRequant { clip } => {
                Some(clip)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(kernel: usize, stride: usize, dilation: usize, padding: Padding) -> WindowAttributes {
        WindowAttributes {
            kernel: Some([kernel; 2]),
            strides: [stride; 2],
            dilations: [dilation; 2],
            padding,
            ceil_mode: false,
        }
    }

    #[test]
    fn same_padding_puts_the_odd_element_where_its_name_says() {
        let upper = window(3, 2, 1, Padding::SameUpper).resolve([1, 1], [4, 5]);
        assert_eq!(
            upper.pads,
            Pads {
                top: 0,
                left: 1,
                bottom: 1,
                right: 1
            }
        );
        assert_eq!(upper.output([4, 5], false), Some([2, 3]));
        let lower = window(3, 2, 1, Padding::SameLower).resolve([1, 1], [4, 5]);
        assert_eq!(
            lower.pads,
            Pads {
                top: 1,
                left: 1,
                bottom: 0,
                right: 1
            }
        );
    }

    #[test]
    fn output_sizes_follow_stride_dilation_and_rounding() {
        let none = Padding::Explicit(Pads::default());
        let of = |w: WindowAttributes, ceil| w.resolve([1, 1], [7, 7]).output([7, 7], ceil);
        assert_eq!(of(window(3, 1, 2, none), false), Some([3, 3]));
        assert_eq!(of(window(2, 2, 1, none), false), Some([3, 3]));
        assert_eq!(of(window(2, 2, 1, none), true), Some([4, 4]));
        assert_eq!(of(window(1, 8, 1, none), true), Some([1, 1]));
        assert_eq!(of(window(4, 1, 3, none), false), None);
    }

    #[test]
    fn clipping_twice_never_gives_an_empty_interval() {
        let wide = ClipRange { lo: -128, hi: 127 };
        let high = ClipRange { lo: 100, hi: 127 };
        let low = ClipRange { lo: -128, hi: -100 };
        assert_eq!(wide.then(high), high);
        assert_eq!(high.then(low), ClipRange { lo: -100, hi: -100 });
    }
}

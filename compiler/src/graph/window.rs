//! Windows that slide over images: as a model states them, and fully resolved.

/// Rows or columns added around an image; their elements have the real value zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Padding {
    /// So much on every side.
    Explicit(Pads),
    /// As much as makes the output `ceil(input / stride)` long, the odd element at the end.
    SameUpper,
    /// The same with the odd element at the beginning.
    SameLower,
}

/// How a window slides over an image, as a model states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WindowAttributes {
    /// Height and width of the window; a convolution may leave them to the shape of its weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<[usize; 2]>,
    /// Steps between windows, vertical and horizontal.
    #[serde(skip_serializing_if = "is_one")]
    pub strides: [usize; 2],
    /// Steps between the elements of a window, vertical and horizontal.
    #[serde(skip_serializing_if = "is_one")]
    pub dilations: [usize; 2],
    /// Padding.
    #[serde(skip_serializing_if = "is_none")]
    pub padding: Padding,
    /// Whether a last window that reaches beyond the padding counts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
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

fn is_one(pair: &[usize; 2]) -> bool {
    *pair == [1, 1]
}

fn is_none(padding: &Padding) -> bool {
    *padding == Padding::Explicit(Pads::default())
}

impl Default for WindowAttributes {
    /// Without strides, dilations and padding; the kernel follows from the weights.
    fn default() -> Self {
        Self {
            kernel: None,
            strides: [1, 1],
            dilations: [1, 1],
            padding: Padding::Explicit(Pads::default()),
            ceil_mode: false,
        }
    }
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
}

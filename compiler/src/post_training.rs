//! What quantization after training is told: how real numbers become integers where a model has not decided it.
//!
//! Activations become i8 with one scale and zero point per tensor, weights i8 with one scale per output channel and zero point 0, biases i32 in units of
//! their product. Signed bytes are the type of both, as in TensorFlow Lite, so that one pair of formats serves the whole array. The rewriting itself is
//! the pass `quantize-floats`.

mod observer;
mod range;

pub use observer::Observer;
pub use range::Range;

use crate::graph::DType;

/// How the range of an activation follows from what was observed of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum RangeRule {
    /// From the smallest to the largest value: nothing is clipped.
    #[default]
    MinMax,
    /// The narrowest range that holds this share of the values, in percent, between as many below as above; the others are clipped.
    Percentile(f32),
}

/// The types of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precision {
    /// Of activations: u8 or i8.
    pub activations: DType,
    /// Of weights, symmetric around zero: i8.
    pub weights: DType,
}

impl Default for Precision {
    fn default() -> Self {
        Self {
            activations: DType::I8,
            weights: DType::I8,
        }
    }
}

impl Precision {
    /// The largest magnitude of a weight. The most negative value of the type is left out, so that weights are symmetric.
    pub fn largest_weight(self) -> i32 {
        self.weights.range().map_or(127, |(_, hi)| hi)
    }
}

/// How a float model becomes an integer one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct QuantizationOptions {
    /// How ranges follow from observations.
    pub range_rule: RangeRule,
    /// The types of all layers.
    pub precision: Precision,
}

/// One inference's inputs, in the order of the model's; integers of integer inputs as floats.
pub type Sample = Vec<Vec<f32>>;

/// Everything a user may decide about the way from a model to integers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LowerOptions {
    /// Of float models.
    pub quantization: QuantizationOptions,
    /// Inputs on which the ranges of activations are observed. Without any, ranges come from noise or from estimates, and a warning says so.
    pub calibration: Vec<Sample>,
}

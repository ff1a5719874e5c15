//! Operators of the format by their number.

mod arithmetic;
mod movement;
mod windows;

use super::builder::{Problem, Site};
use crate::graph::{ClipRange, TensorId, Unary};

type Translated = Result<(), Problem>;

/// Adds the nodes that an operator becomes.
pub(super) fn translate(site: &mut Site<'_, '_>) -> Translated {
    match site.operator.builtin {
        0 => arithmetic::sum(site),
        1 => windows::average_pool(site),
        2 => movement::concatenation(site),
        3 => windows::conv(site),
        4 => windows::depthwise_conv(site),
        6 => arithmetic::dequantize(site),
        9 => arithmetic::fully_connected(site),
        14 => arithmetic::function(site, Unary::Sigmoid),
        17 => windows::max_pool(site),
        18 => arithmetic::product(site),
        19 => arithmetic::activation(site, Activation::Relu),
        20 => arithmetic::activation(site, Activation::ReluN1To1),
        21 => arithmetic::activation(site, Activation::Relu6),
        22 | 43 | 70 => movement::reshape(site),
        25 => arithmetic::softmax(site),
        28 => arithmetic::function(site, Unary::Tanh),
        34 | 60 => movement::pad(site),
        39 => movement::transpose(site),
        40 => windows::mean(site),
        45 => movement::strided_slice(site),
        49 => movement::split(site, 1, None),
        54 => arithmetic::prelu(site),
        65 => movement::slice(site),
        97 => movement::resize_nearest(site),
        98 => arithmetic::leaky_relu(site),
        102 => movement::split(site, 0, Some(1)),
        111 => arithmetic::function(site, Unary::Elu { alpha: 1.0 }),
        114 => arithmetic::quantize(site),
        117 => arithmetic::hard_swish(site),
        _ => Err(Problem::Unsupported(String::new())),
    }
}

/// A function that clips the result of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activation {
    None,
    Relu,
    ReluN1To1,
    Relu6,
}

impl Activation {
    /// The activation that an option names.
    fn of_option(site: &Site<'_, '_>, number: usize) -> Result<Self, Problem> {
        match site.option(number, 0i8)? {
            0 => Ok(Self::None),
            1 => Ok(Self::Relu),
            2 => Ok(Self::ReluN1To1),
            3 => Ok(Self::Relu6),
            other => Err(format!("fused activation number {other}").into()),
        }
    }

    /// The interval of integers that results are clipped into. The bounds are rounded half away from zero.
    fn clip(self, site: &Site<'_, '_>, output: TensorId) -> ClipRange {
        let whole = range(site, output);
        let (scale, zero_point) = site.quantization(output);
        let place = |real: f32| ((real / scale).round() as i64 + i64::from(zero_point)).clamp(-1 << 20, 1 << 20) as i32;
        let (lo, hi) = match self {
            Self::None => return whole,
            Self::Relu => (place(0.0), whole.hi),
            Self::ReluN1To1 => (place(-1.0), place(1.0)),
            Self::Relu6 => (place(0.0), place(6.0)),
        };
        whole.then(ClipRange {
            lo: lo.clamp(whole.lo, whole.hi),
            hi: hi.clamp(whole.lo, whole.hi),
        })
    }
}

/// All integers of a checked tensor's type.
fn range(site: &Site<'_, '_>, id: TensorId) -> ClipRange {
    let dtype = site.graph.tensor(id).dtype;
    dtype.and_then(ClipRange::of).unwrap_or(ClipRange { lo: -128, hi: 127 })
}

//! Operators that look at all elements along the last axis.

use super::super::{QLayerNorm, QSoftmax};
use super::Resolver;
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::{ClipRange, DType, TensorId};
use systole_isa::numerics::{LAYER_NORM_FRACTION_BITS, SOFTMAX_FRACTION_BITS};

impl Resolver<'_> {
    pub(super) fn softmax(self) -> Result<QSoftmax, CompileError> {
        let (input, output) = (self.operand(0)?, self.output());
        let (input_scale, _) = self.quantization(input)?;
        let (output_scale, output_zero_point) = self.quantization(output)?;
        self.check_scales(&[input_scale, output_scale])?;
        let one = f64::from(1 << SOFTMAX_FRACTION_BITS);
        let exponential = |distance: i32| (-f64::from(distance) * f64::from(input_scale)).exp() * one;
        let table = (0..256).map(exponential).chain([1.0 / f64::from(output_scale)]);
        let dtype = self.graph.tensor(output).dtype;
        let clip = dtype.and_then(ClipRange::of).unwrap_or(ClipRange { lo: -128, hi: 127 });
        Ok(QSoftmax {
            input,
            output,
            table: table
                .map(|real| self.word(real, "entry of the table"))
                .collect::<Result<_, _>>()?,
            output_zero_point,
            clip,
        })
    }

    pub(super) fn layer_norm(self, epsilon: f32, clip: ClipRange) -> Result<QLayerNorm, CompileError> {
        let (input, output) = (self.operand(0)?, self.output());
        let (input_scale, input_zero_point) = self.quantization(input)?;
        let (output_scale, output_zero_point) = self.quantization(output)?;
        self.check_scales(&[input_scale, output_scale])?;
        let n = self.shape(input).last().copied().unwrap_or(1);
        let one = f64::from(1 << LAYER_NORM_FRACTION_BITS);
        let columns = |id: TensorId, what| -> Result<Vec<i32>, CompileError> {
            let real = self.reals(id, n)?.into_iter();
            real.map(|v| self.word(f64::from(v) / f64::from(output_scale) * one, what))
                .collect()
        };
        let gamma = columns(self.operand(1)?, "factor")?;
        let beta = match self.node.input(2) {
            Some(shift) => columns(shift, "summand")?,
            None => vec![0; n],
        };
        let variance = f64::from(epsilon) / f64::from(input_scale).powi(2);
        Ok(QLayerNorm {
            input,
            output,
            input_zero_point,
            gamma_beta: gamma.into_iter().zip(beta).map(|(g, b)| [g, b]).collect(),
            epsilon: self.word(variance * one, "epsilon")?,
            output_zero_point,
            clip,
        })
    }

    /// The nearest integer, which must fit a word of a parameter table.
    fn word(self, real: f64, what: &str) -> Result<i32, CompileError> {
        let rounded = real.round();
        if rounded.abs() <= f64::from(i32::MAX) {
            return Ok(rounded as i32);
        }
        let help = "quantize the model again; its scales are too far apart";
        let found = format!("the {what} {real}");
        Err(self.error(CompileErrorKind::Quantization, found, "at most 31 bits", help))
    }

    /// The `n` real numbers of a constant operand.
    fn reals(self, id: TensorId, n: usize) -> Result<Vec<f32>, CompileError> {
        let tensor = self.graph.tensor(id);
        let data = tensor.data.as_ref().and_then(|data| data.as_f32());
        data.filter(|data| data.len() == n).map(<[f32]>::to_vec).ok_or_else(|| {
            let found = format!(
                "`{}` of type {} and shape {:?}",
                tensor.name,
                tensor.dtype.map_or("?", DType::name),
                tensor.shape
            );
            self.error(
                CompileErrorKind::NotConstant,
                found,
                &format!("{n} real constants"),
                "run all passes",
            )
        })
    }
}

//! Operators on one element, or on two in the same place.

use super::super::{QAdd, QLut, QMul, QPrelu, QRequant, scale};
use super::Resolver;
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::{ClipRange, TensorData, TensorId};
use systole_isa::numerics::{PreluParameters, Scale};

/// Operands and result of a sum or product.
struct Pair {
    a: TensorId,
    b: TensorId,
    output: TensorId,
    zero_points: [i32; 2],
    scales: [f32; 3],
    output_zero_point: i32,
}

impl Resolver<'_> {
    pub(super) fn add(self, clip: ClipRange) -> Result<QAdd, CompileError> {
        let pair = self.pair()?;
        let parameters = scale::add_parameters(pair.scales, self.graph.rounding).ok_or_else(|| {
            let found = format!(
                "a sum of scale {:e} of operands of {:?}",
                pair.scales[2],
                &pair.scales[..2]
            );
            let help = "quantize the model again; its scales are too far apart";
            self.error(
                CompileErrorKind::Quantization,
                found,
                "scales less than 2^19 apart",
                help,
            )
        })?;
        Ok(QAdd {
            a: pair.a,
            b: pair.b,
            output: pair.output,
            zero_points: pair.zero_points,
            parameters,
            output_zero_point: pair.output_zero_point,
            clip,
        })
    }

    pub(super) fn mul(self, clip: ClipRange) -> Result<QMul, CompileError> {
        let pair = self.pair()?;
        let [a, b, product] = pair.scales;
        self.check_scales(&[a * b / product])?;
        Ok(QMul {
            a: pair.a,
            b: pair.b,
            output: pair.output,
            zero_points: pair.zero_points,
            parameters: scale::mul_parameters(pair.scales, self.graph.rounding),
            output_zero_point: pair.output_zero_point,
            clip,
        })
    }

    fn pair(self) -> Result<Pair, CompileError> {
        let (a, b, output) = (self.operand(0)?, self.operand(1)?, self.output());
        let (a_scale, a_zero) = self.quantization(a)?;
        let (b_scale, b_zero) = self.quantization(b)?;
        let (y_scale, output_zero_point) = self.quantization(output)?;
        self.check_scales(&[a_scale, b_scale, y_scale])?;
        let rank = self.shape(output).len();
        if let Some(id) = [a, b].into_iter().find(|&id| self.shape(id).len() != rank) {
            let found = format!("`{}` of shape {:?}", self.graph.tensor(id).name, self.shape(id));
            let expected = format!("{rank} axes, as the result has");
            return Err(self.error(CompileErrorKind::Shape, found, &expected, "run all passes"));
        }
        Ok(Pair {
            a,
            b,
            output,
            zero_points: [a_zero, b_zero],
            scales: [a_scale, b_scale, y_scale],
            output_zero_point,
        })
    }

    pub(super) fn requant(self, clip: ClipRange) -> Result<QRequant, CompileError> {
        let (input, output) = (self.operand(0)?, self.output());
        let (input_scale, input_zero_point) = self.quantization(input)?;
        let (output_scale, output_zero_point) = self.quantization(output)?;
        self.check_scales(&[input_scale / output_scale])?;
        Ok(QRequant {
            input,
            output,
            input_zero_point,
            scale: scale::ratio(input_scale, output_scale, self.graph.rounding),
            output_zero_point,
            clip,
        })
    }

    pub(super) fn lut(self) -> Result<QLut, CompileError> {
        let table = self.integers(self.operand(1)?)?;
        if table.len() != 256 {
            let found = format!("a table of {} entries", table.len());
            return Err(self.error(CompileErrorKind::Shape, found, "256", "run all passes"));
        }
        Ok(QLut {
            input: self.operand(0)?,
            output: self.output(),
            table,
        })
    }

    pub(super) fn prelu(self, clip: ClipRange) -> Result<QPrelu, CompileError> {
        let (input, slope, output) = (self.operand(0)?, self.operand(1)?, self.output());
        let (input_scale, input_zero_point) = self.quantization(input)?;
        let (output_scale, output_zero_point) = self.quantization(output)?;
        let ratio = input_scale / output_scale;
        self.check_scales(&[ratio])?;
        let positive = scale::product_in_binary32(input_scale, 1.0, output_scale, self.graph.rounding);
        let slopes = self.slopes(slope, input_scale, output_scale)?;
        let channels = self.shape(input).last().copied().unwrap_or(1);
        let slopes = match *slopes {
            [one] => vec![one; channels],
            _ if slopes.len() == channels => slopes,
            _ => {
                let found = format!("{} slopes", slopes.len());
                let expected = format!("1 or {channels}, one per channel");
                return Err(self.error(CompileErrorKind::Shape, found, &expected, "run all passes"));
            }
        };
        let parameters = |(alpha, negative)| PreluParameters {
            bias: 0,
            positive,
            alpha,
            negative,
        };
        Ok(QPrelu {
            input,
            output,
            input_zero_point,
            parameters: slopes.into_iter().map(parameters).collect(),
            output_zero_point,
            clip,
        })
    }

    /// What negative values are multiplied by, per slope: an integer, and a scale. A real slope gives its sign to the integer and its magnitude to the scale.
    fn slopes(self, slope: TensorId, input_scale: f32, output_scale: f32) -> Result<Vec<(i32, Scale)>, CompileError> {
        let scale = |slope: f32| scale::product_in_binary32(input_scale, slope, output_scale, self.graph.rounding);
        if let Some(TensorData::F32(slopes)) = &self.graph.tensor(slope).data {
            let of = |slope: &f32| match *slope {
                0.0 => (0, scale::one(self.graph.rounding)),
                slope => (slope.signum() as i32, scale(slope.abs())),
            };
            let real = slopes.iter().filter(|slope| **slope != 0.0);
            self.check_scales(
                &real
                    .map(|slope| input_scale * slope.abs() / output_scale)
                    .collect::<Vec<_>>(),
            )?;
            return Ok(slopes.iter().map(of).collect());
        }
        let (slope_scale, slope_zero_point) = self.quantization(slope)?;
        self.check_scales(&[input_scale * slope_scale / output_scale])?;
        let integers = self.integers(slope)?;
        Ok(integers
            .iter()
            .map(|v| (v - slope_zero_point, scale(slope_scale)))
            .collect())
    }
}

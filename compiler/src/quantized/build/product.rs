//! Convolution and matrix product.

use super::super::{QConv, QDense, scale};
use super::Resolver;
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::{ClipRange, DType, TensorId, WindowAttributes};
use systole_isa::numerics::Scale;
use systole_isa::operand::Rounding;

/// What convolution and matrix product have in common.
struct Product {
    input: TensorId,
    weights: TensorId,
    bias: TensorId,
    output: TensorId,
    input_zero_point: i32,
    weight_zero_points: Vec<i32>,
    scales: Vec<Scale>,
    output_zero_point: i32,
    k: usize,
    n: usize,
}

impl Resolver<'_> {
    pub(super) fn conv(self, window: &WindowAttributes, groups: usize, clip: ClipRange) -> Result<QConv, CompileError> {
        let product = self.product(scale::product)?;
        let axes = self.graph.tensor(product.input).image_axes();
        let channels = axes.map_or(0, |[_, c, _, _]| c);
        if groups == 0 || !channels.is_multiple_of(groups) || !product.n.is_multiple_of(groups) {
            let found = format!("{groups} groups of {channels} channels in and {} out", product.n);
            return Err(self.error(
                CompileErrorKind::Shape,
                found,
                "groups that divide the channels",
                "repair the model",
            ));
        }
        Ok(QConv {
            input: product.input,
            weights: product.weights,
            bias: product.bias,
            output: product.output,
            groups,
            window: self.window(window),
            input_zero_point: product.input_zero_point,
            weight_zero_points: product.weight_zero_points,
            scales: product.scales,
            output_zero_point: product.output_zero_point,
            clip,
        })
    }

    pub(super) fn dense(self, clip: ClipRange) -> Result<QDense, CompileError> {
        let weights = self.graph.tensor(self.operand(1)?).quantization.as_ref();
        let per_column = weights.is_some_and(|q| q.axis().is_some());
        let product = self.product(if per_column {
            scale::product
        } else {
            scale::product_per_tensor
        })?;
        let shape = self.graph.tensor(product.input).shape.clone().unwrap_or_default();
        let (_, outer) = shape.split_last().unwrap_or((&1, &[]));
        Ok(QDense {
            input: product.input,
            weights: product.weights,
            bias: product.bias,
            output: product.output,
            m: outer.iter().product(),
            k: product.k,
            n: product.n,
            input_zero_point: product.input_zero_point,
            weight_zero_points: product.weight_zero_points,
            scales: product.scales,
            output_zero_point: product.output_zero_point,
            clip,
        })
    }

    /// `scale_of` makes one scale of those of input, weights and output.
    fn product(self, scale_of: fn(f32, f32, f32, Rounding) -> Scale) -> Result<Product, CompileError> {
        let (input, weights, bias) = (self.operand(0)?, self.operand(1)?, self.operand(2)?);
        let output = self.output();
        let (input_scale, input_zero_point) = self.quantization(input)?;
        let (output_scale, output_zero_point) = self.quantization(output)?;
        let tensor = self.graph.tensor(weights);
        let Some(&[k, n]) = tensor.shape.as_deref() else {
            let found = format!("weights `{}` of shape {:?}", tensor.name, tensor.shape);
            return Err(self.error(CompileErrorKind::Shape, found, "a matrix [k, n]", "run all passes"));
        };
        let quantization = tensor.quantization.as_ref();
        let per_column = quantization.and_then(|q| Some((q.scales_for(n)?, q.zero_points_for(n)?)));
        let right_axis = quantization.is_some_and(|q| q.axis().is_none_or(|axis| axis == 1));
        let (Some((weight_scales, weight_zero_points)), true) = (per_column, right_axis) else {
            let found = format!("weights `{}` without {n} scales along their columns", tensor.name);
            let help = "quantize weights per tensor or per output channel";
            return Err(self.error(CompileErrorKind::Quantization, found, "1 or one per column", help));
        };
        let real = |weight_scale: &f32| (input_scale * weight_scale) / output_scale;
        self.check_scales(&weight_scales.iter().map(real).collect::<Vec<_>>())?;
        let scale = |&weight_scale: &f32| scale_of(input_scale, weight_scale, output_scale, self.graph.rounding);
        let scales = weight_scales.iter().map(scale).collect();
        let product = Product {
            input,
            weights,
            bias,
            output,
            input_zero_point,
            weight_zero_points,
            scales,
            output_zero_point,
            k,
            n,
        };
        self.check_accumulators(&product)?;
        Ok(product)
    }

    /// Proves that no input can make an accumulator leave 32 bits, partial sums included.
    fn check_accumulators(self, product: &Product) -> Result<(), CompileError> {
        let (weights, bias) = (self.integers(product.weights)?, self.integers(product.bias)?);
        if bias.len() != product.n {
            let found = format!("{} biases", bias.len());
            let expected = format!("{}, one per column", product.n);
            return Err(self.error(CompileErrorKind::Shape, found, &expected, "run all passes"));
        }
        let dtype = self.graph.tensor(product.input).dtype.unwrap_or(DType::I32);
        let (lo, hi) = dtype.range().unwrap_or((i32::MIN, i32::MAX));
        let distance = |bound: i32| (i64::from(bound) - i64::from(product.input_zero_point)).abs();
        let x_max = i128::from(distance(lo).max(distance(hi)));
        let mut sums: Vec<i128> = bias.iter().map(|&b| i128::from(b).abs()).collect();
        for row in weights.chunks_exact(product.n.max(1)) {
            for ((sum, &w), &zero) in sums.iter_mut().zip(row).zip(&product.weight_zero_points) {
                *sum += x_max * (i128::from(w) - i128::from(zero)).abs();
            }
        }
        match sums.iter().position(|&sum| sum > i128::from(i32::MAX)) {
            None => Ok(()),
            Some(column) => Err(self.error(
                CompileErrorKind::Overflow,
                format!(
                    "sums of up to {} in column {column}, {} products each",
                    sums[column], product.k
                ),
                "at most 2147483647, the largest accumulator",
                "split the layer over its input channels, or quantize its weights with a larger scale",
            )),
        }
    }
}

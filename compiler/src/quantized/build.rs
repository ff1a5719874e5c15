//! From a graph of machine-level operators to one with all parameters resolved.

use super::{IoTensor, QAdd, QConv, QDense, QMaxPool, QNode, QOp, QRequant, QTensor, QView, QuantizedGraph};
use crate::error::{CompileError, CompileErrorKind, Subject};
use crate::graph::{ClipRange, DType, Graph, Node, Op, Tensor, TensorId, Window, WindowAttributes};
use systole_isa::numerics::{AddParameters, Scale};

pub(super) fn build(graph: &Graph) -> Result<QuantizedGraph, Vec<CompileError>> {
    let mut errors = Vec::new();
    let nodes = collect(&graph.nodes, |node| Resolver { graph, node }.node(), &mut errors);
    let tensors = collect(&graph.tensors, tensor, &mut errors);
    let inputs = collect(&graph.inputs, |io| IoTensor::new(graph, io), &mut errors);
    let outputs = collect(&graph.outputs, |io| IoTensor::new(graph, io), &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(QuantizedGraph {
        name: graph.name.clone(),
        rounding: graph.rounding,
        tensors,
        nodes,
        inputs,
        outputs,
    })
}

fn collect<'g, S, T>(
    items: &'g [S],
    resolve: impl Fn(&'g S) -> Result<T, CompileError>,
    errors: &mut Vec<CompileError>,
) -> Vec<T> {
    items
        .iter()
        .filter_map(|item| resolve(item).map_err(|error| errors.push(error)).ok())
        .collect()
}

fn tensor(tensor: &Tensor) -> Result<QTensor, CompileError> {
    match (&tensor.shape, tensor.dtype) {
        (Some(shape), Some(dtype)) => Ok(QTensor {
            name: tensor.name.clone(),
            shape: shape.clone(),
            dtype,
            quantization: tensor.quantization.as_ref().and_then(|q| q.single()),
            data: tensor.data.clone(),
        }),
        _ => Err(CompileError::new(
            CompileErrorKind::Shape,
            Subject::tensor(&tensor.name),
            "an unknown shape or type",
            "both known",
            "run all passes before resolving the graph",
        )),
    }
}

/// Resolves one node.
#[derive(Clone, Copy)]
struct Resolver<'g> {
    graph: &'g Graph,
    node: &'g Node,
}

/// What convolution and matrix product have in common.
struct Product {
    input: TensorId,
    weights: TensorId,
    bias: TensorId,
    output: TensorId,
    input_zero_point: i32,
    weight_zero_points: Vec<i32>,
    scales: Vec<f32>,
    output_zero_point: i32,
    k: usize,
    n: usize,
}

impl<'g> Resolver<'g> {
    fn node(self) -> Result<QNode, CompileError> {
        let op = match &self.node.op {
            Op::QConv { window, group: 1, clip } => QOp::Conv(self.conv(window, *clip)?),
            Op::QDense { clip } => QOp::Dense(self.dense(*clip)?),
            Op::MaxPool { window } => QOp::MaxPool(QMaxPool {
                input: self.operand(0)?,
                output: self.node.outputs[0],
                window: self.window(window),
            }),
            Op::QAdd { clip } => QOp::Add(self.add(*clip)?),
            Op::QRequant { clip } => QOp::Requant(self.requant(*clip)?),
            Op::View => QOp::View(QView {
                input: self.operand(0)?,
                output: self.node.outputs[0],
            }),
            other => {
                return Err(self.error(
                    CompileErrorKind::NotQuantized,
                    format!("operator {}", other.name()),
                    "a machine-level operator",
                    "run all passes before resolving the graph",
                ));
            }
        };
        Ok(QNode {
            name: self.node.name.clone(),
            op,
        })
    }

    fn error(self, kind: CompileErrorKind, found: String, expected: &str, help: &str) -> CompileError {
        CompileError::new(kind, Subject::node(&self.node.name), found, expected, help)
    }

    fn operand(self, position: usize) -> Result<TensorId, CompileError> {
        self.node.input(position).ok_or_else(|| {
            let found = format!("no operand {position}");
            self.error(CompileErrorKind::Shape, found, "an operand there", "repair the model")
        })
    }

    fn quantization(self, id: TensorId) -> Result<(f32, i32), CompileError> {
        let tensor = self.graph.tensor(id);
        tensor.quantization.as_ref().and_then(|q| q.single()).ok_or_else(|| {
            self.error(
                CompileErrorKind::Quantization,
                format!("`{}` without a single scale", tensor.name),
                "one scale and zero point for an activation",
                "quantize activations per tensor",
            )
        })
    }

    /// The window, with what its attributes leave to the image.
    fn window(self, attributes: &WindowAttributes) -> Window {
        let axes = self.node.input(0).and_then(|x| self.graph.tensor(x).image_axes());
        let [_, _, h, w] = axes.unwrap_or([1; 4]);
        attributes.resolve([1, 1], [h, w])
    }

    fn conv(self, window: &WindowAttributes, clip: ClipRange) -> Result<QConv, CompileError> {
        let product = self.product()?;
        Ok(QConv {
            input: product.input,
            weights: product.weights,
            bias: product.bias,
            output: product.output,
            groups: 1,
            window: self.window(window),
            input_zero_point: product.input_zero_point,
            weight_zero_points: product.weight_zero_points,
            scales: product.scales.into_iter().map(Scale::from_real).collect(),
            output_zero_point: product.output_zero_point,
            clip,
        })
    }

    fn dense(self, clip: ClipRange) -> Result<QDense, CompileError> {
        let product = self.product()?;
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
            scales: product.scales.into_iter().map(Scale::from_real).collect(),
            output_zero_point: product.output_zero_point,
            clip,
        })
    }

    fn product(self) -> Result<Product, CompileError> {
        let (input, weights, bias) = (self.operand(0)?, self.operand(1)?, self.operand(2)?);
        let output = self.node.outputs[0];
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
        let scales: Vec<f32> = weight_scales
            .iter()
            .map(|weight_scale| (input_scale * weight_scale) / output_scale)
            .collect();
        self.check_scales(&scales)?;
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

    fn check_scales(self, scales: &[f32]) -> Result<(), CompileError> {
        match scales.iter().find(|scale| !(scale.is_finite() && **scale > 0.0)) {
            None => Ok(()),
            Some(bad) => Err(self.error(
                CompileErrorKind::Quantization,
                format!("a requantization scale of {bad}"),
                "finite scales above zero",
                "quantize the model again; its scales are too far apart",
            )),
        }
    }

    /// Proves that no input can make an accumulator leave 32 bits, partial sums included.
    fn check_accumulators(self, product: &Product) -> Result<(), CompileError> {
        let integers = |id: TensorId| {
            let tensor = self.graph.tensor(id);
            tensor.data.as_ref().and_then(|data| data.to_i32()).ok_or_else(|| {
                let found = format!("`{}` that is no integer constant", tensor.name);
                self.error(
                    CompileErrorKind::NotConstant,
                    found,
                    "constant weights and bias",
                    "run all passes",
                )
            })
        };
        let (weights, bias) = (integers(product.weights)?, integers(product.bias)?);
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

    fn add(self, clip: ClipRange) -> Result<QAdd, CompileError> {
        let (a, b, output) = (self.operand(0)?, self.operand(1)?, self.node.outputs[0]);
        let (a_scale, a_zero_point) = self.quantization(a)?;
        let (b_scale, b_zero_point) = self.quantization(b)?;
        let (y_scale, output_zero_point) = self.quantization(output)?;
        Ok(QAdd {
            a,
            b,
            output,
            zero_points: [a_zero_point, b_zero_point],
            parameters: AddParameters::Float([a_scale, b_scale, y_scale]),
            output_zero_point,
            clip,
        })
    }

    fn requant(self, clip: ClipRange) -> Result<QRequant, CompileError> {
        let (input, output) = (self.operand(0)?, self.node.outputs[0]);
        let (input_scale, input_zero_point) = self.quantization(input)?;
        let (output_scale, output_zero_point) = self.quantization(output)?;
        let scale = input_scale / output_scale;
        self.check_scales(&[scale])?;
        Ok(QRequant {
            input,
            output,
            input_zero_point,
            scale: Scale::from_real(scale),
            output_zero_point,
            clip,
        })
    }
}

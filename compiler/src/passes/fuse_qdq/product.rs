//! Convolutions and matrix products with constant weights.

use super::super::support::{
    add_bias, check_bias_shape, constant, dense_weights, n_columns, quantization, quantization_error, shape_of,
    single_quantization,
};
use super::Fusion;
use crate::error::CompileError;
use crate::graph::{Graph, Node, Op, Quantization, TensorData, TensorId};

impl Fusion<'_> {
    pub(super) fn conv(&self, graph: &mut Graph, op: Op) -> Result<Option<Vec<Node>>, CompileError> {
        let (Some(x), Some(w)) = (self.integers(0), self.integers(1)) else {
            return Ok(None);
        };
        constant(graph, self.operator, w, "weights")?;
        let n = shape_of(graph, w).first().copied().unwrap_or(0);
        let bias = self.bias(graph, [x, w], n, 1.0)?;
        Ok(Some(vec![self.node(op, &[x, w, bias])]))
    }

    pub(super) fn dense(&self, graph: &mut Graph) -> Result<Option<Vec<Node>>, CompileError> {
        let (Some(mut x), Some(w)) = (self.integers(0), self.integers(1)) else {
            return Ok(None);
        };
        let (trans_a, trans_b, alpha, beta) = match self.operator.op {
            Op::Gemm {
                trans_a,
                trans_b,
                alpha,
                beta,
            } => (trans_a, trans_b, alpha, beta),
            _ => (false, false, 1.0, 1.0),
        };
        let mut nodes = Vec::new();
        if let (true, &[rows, columns]) = (trans_a, shape_of(graph, x).as_slice()) {
            let transposed = self.between(graph, x, "transposed", vec![columns, rows]);
            let op = Op::Transpose {
                permutation: Some(vec![1, 0]),
            };
            let name = format!("{}.transposed", self.operator.name);
            nodes.push(Node::new(name, op, &[x], transposed));
            x = transposed;
        }
        let w = dense_weights(graph, self.operator, w, trans_b)?;
        let w = self.scaled(graph, w, alpha)?;
        let bias = self.bias(graph, [x, w], n_columns(graph, w), beta)?;
        nodes.push(self.node(Op::QDense { clip: self.clip }, &[x, w, bias]));
        Ok(Some(nodes))
    }

    /// Weights times a factor: their scales take it.
    fn scaled(&self, graph: &mut Graph, w: TensorId, factor: f32) -> Result<TensorId, CompileError> {
        if factor == 1.0 {
            return Ok(w);
        }
        let old = quantization(graph, self.operator, w)?;
        let scales: Vec<f32> = old.scales().iter().map(|scale| scale * factor).collect();
        if let Some(bad) = scales.iter().find(|scale| !(scale.is_finite() && **scale > 0.0)) {
            let found = format!("weights scaled by alpha = {factor}, which makes a scale of {bad}");
            return Err(quantization_error(self.operator, found, "an alpha above zero"));
        }
        let new = match (old.axis(), old.zero_points()) {
            (None, &[zero_point, ..]) => Some(Quantization::per_tensor(scales[0], zero_point)),
            (Some(axis), zero_points) => Quantization::per_axis(scales, zero_points.to_vec(), axis),
            (None, []) => None,
        };
        let mut weights = graph.tensor(w).clone();
        weights.quantization = new;
        Ok(graph.add_tensor(weights))
    }

    /// The bias of an operator, times a factor, as an i32 constant in units of input scale times weight scale.
    fn bias(&self, graph: &mut Graph, [x, w]: [TensorId; 2], n: usize, factor: f32) -> Result<TensorId, CompileError> {
        let operator = self.operator;
        let units = bias_units(graph, operator, [x, w], n)?;
        let Some(operand) = operator.input(2) else {
            return add_bias(graph, operator, vec![0; n], n);
        };
        check_bias_shape(graph, operator, operand)?;
        let reals = self.bias_reals(graph, operand)?;
        let reals = if let [real] = *reals { vec![real; n] } else { reals };
        if reals.len() != n {
            let found = format!("{} biases", reals.len());
            return Err(quantization_error(operator, found, &format!("{n}, one per column")));
        }
        let integers = reals
            .iter()
            .zip(&units)
            .map(|(real, unit)| bias_in_units(operator, real * f64::from(factor), *unit));
        let integers = integers.collect::<Result<Vec<_>, _>>()?;
        add_bias(graph, operator, integers, n)
    }

    fn bias_reals(&self, graph: &Graph, operand: TensorId) -> Result<Vec<f64>, CompileError> {
        let operator = self.operator;
        let Some(integers) = self.model.dequantized_from(operand) else {
            return match constant(graph, operator, operand, "bias")? {
                TensorData::F32(values) => Ok(values.iter().map(|&v| f64::from(v)).collect()),
                other => {
                    let found = format!("a bias of {}", other.dtype());
                    Err(quantization_error(operator, found, "f32 or dequantized i32"))
                }
            };
        };
        let data = constant(graph, operator, integers, "bias")?;
        let Some(values) = data.to_i32() else {
            let found = format!("a bias of {}", data.dtype());
            return Err(quantization_error(operator, found, "i32"));
        };
        let quantization = quantization(graph, operator, integers)?;
        let scales = quantization.scales_for(values.len());
        let zero_points = quantization.zero_points_for(values.len());
        let (Some(scales), Some(zero_points)) = (scales, zero_points) else {
            let found = format!("{} scales for {} biases", quantization.scales().len(), values.len());
            return Err(quantization_error(operator, found, "one scale per bias"));
        };
        let real = |((v, z), s): ((&i32, i32), f32)| (f64::from(*v) - f64::from(z)) * f64::from(s);
        Ok(values.iter().zip(zero_points).zip(scales).map(real).collect())
    }
}

/// What one step of an accumulator is worth, per column.
fn bias_units(graph: &Graph, operator: &Node, [x, w]: [TensorId; 2], n: usize) -> Result<Vec<f32>, CompileError> {
    let (x_scale, _) = single_quantization(graph, operator, x)?;
    let weights = quantization(graph, operator, w)?;
    let scales = weights.scales_for(n).ok_or_else(|| {
        let found = format!("{} weight scales", weights.scales().len());
        quantization_error(operator, found, &format!("1, or {n}, one per column"))
    })?;
    Ok(scales.iter().map(|scale| x_scale * scale).collect())
}

/// A bias already quantized with the scale of the accumulator keeps its integer: the two scales differ by the rounding
/// of one binary32 product at most, which moves integers below 2^22 by less than half a step.
fn bias_in_units(operator: &Node, real: f64, unit: f32) -> Result<i32, CompileError> {
    let integer = (real / f64::from(unit)).round_ties_even();
    if integer.is_finite() && integer.abs() <= f64::from(i32::MAX) {
        return Ok(integer as i32);
    }
    let found = format!("a bias of {real:e} in steps of {unit:e}");
    Err(quantization_error(operator, found, "a bias that fits into 32 bits"))
}

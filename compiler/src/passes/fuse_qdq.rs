//! Turns `Dequantize -> operator -> [Relu | Clip] -> Quantize` into one machine-level operator.
//!
//! A clipping between an operator and its Quantize is exact on integers, because quantization is monotone: it clips
//! the result into the interval of its quantized bounds.

use super::Graph;
use super::lower_qoperator::sum;
use super::support::{
    add_bias, check_bias_shape, constant, dense_weights, dequantized_from, full_range, n_columns, producer,
    quantization, quantization_error, single_quantization,
};
use crate::error::CompileError;
use crate::graph::edit::{remove_dead_nodes, rewrite_nodes};
use crate::graph::{ClipRange, Node, NodeId, Op, TensorData, TensorId};
use crate::reference::arith::quantize_f32;

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    let model = Model {
        nodes: graph.nodes.clone(),
        producers: graph.producers(),
    };
    rewrite_nodes(graph, |graph, node| {
        let fused = match node.op {
            Op::Quantize { .. } => model.fuse(graph, &node)?,
            _ => None,
        };
        Ok(vec![fused.unwrap_or(node)])
    })?;
    remove_dead_nodes(graph);
    Ok(())
}

/// The nodes before the pass.
struct Model {
    nodes: Vec<Node>,
    producers: Vec<Option<NodeId>>,
}

impl Model {
    /// What computes the result of a Quantize from integers, if its operand has a known form.
    fn fuse(&self, graph: &mut Graph, quantize: &Node) -> Result<Option<Node>, CompileError> {
        let y = quantize.outputs[0];
        let mut clip = full_range(graph, quantize, y)?;
        let Some(mut source) = quantize.input(0) else {
            return Ok(None);
        };
        let mut bounds = Vec::new();
        while let Some((operand, bound)) = self.activation(source) {
            bounds.push(bound);
            source = operand;
        }
        // The activation nearest to the operator clips first.
        for bound in bounds.into_iter().rev() {
            clip = clip.then(quantized_bounds(graph, quantize, y, bound)?);
        }
        let Some(operator) = producer(&self.nodes, &self.producers, source) else {
            return Ok(None);
        };
        let operands: Option<Vec<TensorId>> = (0..2)
            .map_while(|i| operator.input(i))
            .map(|x| self.integers(x))
            .collect();
        match (&operator.op, operands.as_deref()) {
            (Op::Dequantize, _) => {
                let x = operator
                    .input(0)
                    .expect("an operator that was verified has its operand");
                Ok(Some(Node::new(&quantize.name, Op::QRequant { clip }, &[x], y)))
            }
            (Op::Add, Some(&[a, b])) => sum(graph, operator, a, b, y, clip).map(Some),
            (Op::Conv { window, group }, Some(&[x, w])) => {
                let op = Op::QConv {
                    window: *window,
                    group: *group,
                    clip,
                };
                constant(graph, operator, w, "weights")?;
                let n = graph
                    .tensor(w)
                    .shape
                    .as_deref()
                    .and_then(<[usize]>::first)
                    .copied()
                    .unwrap_or(0);
                let bias = self.bias(graph, operator, [x, w], n)?;
                Ok(Some(Node::new(&operator.name, op, &[x, w, bias], y)))
            }
            (Op::Gemm { .. } | Op::MatMul, Some(&[x, w])) => {
                let is_transposed = matches!(operator.op, Op::Gemm { trans_b: true, .. });
                let w = dense_weights(graph, operator, w, is_transposed)?;
                let bias = self.bias(graph, operator, [x, w], n_columns(graph, w))?;
                Ok(Some(Node::new(&operator.name, Op::QDense { clip }, &[x, w, bias], y)))
            }
            _ => Ok(None),
        }
    }

    /// The operand and the bounds of the activation that writes a tensor, if one does.
    fn activation(&self, tensor: TensorId) -> Option<(TensorId, (f32, f32))> {
        let node = producer(&self.nodes, &self.producers, tensor)?;
        let bounds = match node.op {
            Op::Relu => (0.0, f32::INFINITY),
            Op::Clip { min, max } if node.inputs.len() == 1 => {
                (min.unwrap_or(f32::NEG_INFINITY), max.unwrap_or(f32::INFINITY))
            }
            _ => return None,
        };
        Some((node.input(0)?, bounds))
    }

    fn integers(&self, tensor: TensorId) -> Option<TensorId> {
        dequantized_from(&self.nodes, &self.producers, tensor)
    }

    /// The bias of an operator as an i32 constant in units of input scale times weight scale.
    fn bias(
        &self,
        graph: &mut Graph,
        operator: &Node,
        [x, w]: [TensorId; 2],
        n: usize,
    ) -> Result<TensorId, CompileError> {
        let units = bias_units(graph, operator, [x, w], n)?;
        let Some(operand) = operator.input(2) else {
            return add_bias(graph, operator, vec![0; n], n);
        };
        check_bias_shape(graph, operator, operand)?;
        let reals = match self.integers(operand) {
            Some(integers) => {
                let data = constant(graph, operator, integers, "bias")?;
                let Some(values) = data.to_i32() else {
                    return Err(quantization_error(
                        operator,
                        format!("a bias of {}", data.dtype()),
                        "i32",
                    ));
                };
                let quantization = quantization(graph, operator, integers)?;
                let scales = quantization.scales_for(values.len());
                let zero_points = quantization.zero_points_for(values.len());
                let (Some(scales), Some(zero_points)) = (scales, zero_points) else {
                    let found = format!("{} scales for {} biases", quantization.scales().len(), values.len());
                    return Err(quantization_error(operator, found, "one scale per bias"));
                };
                let real = |((v, z), s): ((&i32, i32), f32)| (f64::from(*v) - f64::from(z)) * f64::from(s);
                values.iter().zip(zero_points).zip(scales).map(real).collect()
            }
            None => match constant(graph, operator, operand, "bias")? {
                TensorData::F32(values) => values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>(),
                other => {
                    let found = format!("a bias of {}", other.dtype());
                    return Err(quantization_error(operator, found, "f32 or dequantized i32"));
                }
            },
        };
        let reals = if let [real] = *reals { vec![real; n] } else { reals };
        let integers = reals
            .iter()
            .zip(&units)
            .map(|(real, unit)| bias_in_units(operator, *real, *unit));
        let integers = integers.collect::<Result<Vec<_>, _>>()?;
        if reals.len() != n {
            let found = format!("{} biases", reals.len());
            return Err(quantization_error(operator, found, &format!("{n}, one per column")));
        }
        add_bias(graph, operator, integers, n)
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

fn quantized_bounds(graph: &Graph, node: &Node, y: TensorId, (lo, hi): (f32, f32)) -> Result<ClipRange, CompileError> {
    let (scale, zero_point) = single_quantization(graph, node, y)?;
    let range = full_range(graph, node, y)?;
    let bound = |v: f32| quantize_f32(v, scale, zero_point, range.lo, range.hi);
    Ok(ClipRange {
        lo: bound(lo),
        hi: bound(hi),
    })
}

//! Functions of single elements: which nodes compute them, and whole chains of them as tables.
//!
//! A node works point by point if every element of its result depends on one element of one tensor, whatever constants take part. Any connected set
//! of such nodes over one quantized tensor is a function of one byte: a table of 256 integers.

use super::Graph;
use super::support::Model;
use crate::graph::{DType, Node, Op, Quantization, TensorId};
use crate::reference::arith::{dequantize_f32, quantize_f32};
use std::collections::BTreeMap;

/// The element that all elements of a float constant equal, if they do.
pub(super) fn uniform(graph: &Graph, id: TensorId) -> Option<f32> {
    let values = graph.tensor(id).data.as_ref()?.as_f32()?;
    let first = *values.first()?;
    values.iter().all(|&v| v == first).then_some(first)
}

/// The tensors of which a node computes a function point by point: its operands without constants of equal elements. `None` if the node is no such
/// function, and for functions of several tensors that are not of the shape of the result.
pub(super) fn pointwise_operands(graph: &Graph, node: &Node) -> Option<Vec<TensorId>> {
    let n_operands = match node.op {
        Op::Relu | Op::Unary(_) | Op::Identity => 1,
        Op::Clip { .. } if node.inputs.len() == 1 => 1,
        Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Pow => 2,
        Op::PRelu if uniform(graph, node.input(1)?).is_some() => 2,
        _ => return None,
    };
    let operands: Vec<TensorId> = (0..n_operands).map(|i| node.input(i)).collect::<Option<_>>()?;
    let shape = &graph.tensor(node.outputs[0]).shape;
    let operands: Vec<TensorId> = operands
        .into_iter()
        .filter(|&id| uniform(graph, id).is_none())
        .collect();
    let fits = |&id: &TensorId| graph.tensor(id).shape == *shape && graph.tensor(id).data.is_none();
    (!operands.is_empty() && operands.iter().all(fits)).then_some(operands)
}

/// The value of a pointwise operator.
pub(super) fn pointwise_value(op: &Op, operands: &[f32]) -> f32 {
    let (a, b) = (operands[0], operands.get(1).copied().unwrap_or(0.0));
    match *op {
        Op::Relu => a.max(0.0),
        Op::Unary(function) => function.apply(a),
        Op::Clip { min, max } => a
            .max(min.unwrap_or(f32::NEG_INFINITY))
            .min(max.unwrap_or(f32::INFINITY)),
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Div => a / b,
        Op::Pow => a.powf(b),
        Op::PRelu if a < 0.0 => a * b,
        _ => a,
    }
}

#[derive(Clone, Copy, Debug)]
enum Operand {
    /// The quantized tensor's element.
    Source,
    /// The result of a step.
    Step(usize),
    Constant(f32),
}

/// A function of the elements of one dequantized tensor.
#[derive(Debug)]
pub(super) struct Function {
    /// The quantized tensor.
    pub(super) source: TensorId,
    steps: Vec<(Op, Vec<Operand>)>,
}

impl Function {
    /// The function that a tensor is of a dequantized one, if it is one.
    pub(super) fn of(graph: &Graph, model: &Model, tensor: TensorId) -> Option<Self> {
        let mut cone = Vec::new();
        let mut source: Option<(TensorId, TensorId)> = None;
        let mut wanted = vec![tensor];
        // Nodes are in order of execution, so that taking the latest wanted tensor first meets each node once.
        while let Some(id) = latest(model, &mut wanted) {
            let node = model.producer(id)?;
            if node.op == Op::Dequantize {
                let integers = node.input(0)?;
                let one = *source.get_or_insert((integers, id));
                let is_single = graph.tensor(integers).quantization.as_ref()?.single().is_some();
                if one.0 != integers || !is_single {
                    return None;
                }
                continue;
            }
            wanted.extend(pointwise_operands(graph, node)?);
            cone.push(node);
        }
        let (source, _) = source?;
        let mut places: BTreeMap<TensorId, usize> = BTreeMap::new();
        let mut steps = Vec::with_capacity(cone.len());
        for node in cone.into_iter().rev() {
            let operand = |id: &TensorId| match (places.get(id), uniform(graph, *id)) {
                (Some(&step), _) => Operand::Step(step),
                (None, Some(constant)) => Operand::Constant(constant),
                (None, None) => Operand::Source,
            };
            let operands = node.inputs.iter().flatten().map(operand).collect();
            places.insert(node.outputs[0], steps.len());
            steps.push((node.op.clone(), operands));
        }
        Some(Self { source, steps })
    }

    /// The value of the function at one real number.
    fn at(&self, x: f32) -> f32 {
        let mut values: Vec<f32> = Vec::with_capacity(self.steps.len());
        for (op, operands) in &self.steps {
            let operand = |operand: &Operand| match *operand {
                Operand::Source => x,
                Operand::Step(step) => values[step],
                Operand::Constant(constant) => constant,
            };
            let operands: Vec<f32> = operands.iter().map(operand).collect();
            values.push(pointwise_value(op, &operands));
        }
        values.last().copied().unwrap_or(x)
    }

    /// Output integers for all values of the source's type, the lowest first. `None` if the source has no type of one byte.
    pub(super) fn table(
        &self,
        graph: &Graph,
        (scale, zero_point): (f32, i32),
        (lo, hi): (i32, i32),
    ) -> Option<Vec<i32>> {
        let tensor = graph.tensor(self.source);
        let (first, last) = tensor.dtype.filter(|dtype| dtype.is_byte()).and_then(DType::range)?;
        let (x_scale, x_zero_point) = tensor.quantization.as_ref().and_then(Quantization::single)?;
        let entry = |x: i32| {
            quantize_f32(
                self.at(dequantize_f32(x, x_scale, x_zero_point)),
                scale,
                zero_point,
                lo,
                hi,
            )
        };
        Some((first..=last).map(entry).collect())
    }
}

/// Takes the wanted tensor that is produced last, with all its repetitions.
fn latest(model: &Model, wanted: &mut Vec<TensorId>) -> Option<TensorId> {
    let id = wanted.iter().copied().max_by_key(|&id| model.producer_index(id))?;
    wanted.retain(|&other| other != id);
    Some(id)
}

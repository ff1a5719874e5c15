//! Sums, differences, products and slopes of elements.

use super::super::pointwise::uniform;
use super::super::support::{add_view, quantization_error, quantized_constant, shape_of, single_quantization};
use super::{Fusion, lookup};
use crate::error::CompileError;
use crate::graph::{DType, Graph, Node, Op, Quantization, TensorId};

impl Fusion<'_> {
    pub(super) fn sum(&self, graph: &mut Graph) -> Result<Option<Vec<Node>>, CompileError> {
        let Some([a, b]) = self.operands(graph) else {
            return Ok(None);
        };
        let mut nodes = Vec::new();
        let operands = self.of_equal_rank(graph, [a, b], &mut nodes);
        nodes.push(self.node(Op::QAdd { clip: self.clip }, &operands));
        Ok(Some(nodes))
    }

    /// `a - b` is `a + (-b)`; negation is exact with the zero point mirrored at the middle of the type.
    pub(super) fn difference(&self, graph: &mut Graph) -> Result<Option<Vec<Node>>, CompileError> {
        let Some([a, b]) = self.operands(graph) else {
            return Ok(None);
        };
        let (scale, zero_point) = single_quantization(graph, self.operator, b)?;
        let range = graph.tensor(b).dtype.filter(|t| t.is_byte()).and_then(DType::range);
        let Some((lo, hi)) = range else {
            let found = format!("the subtrahend `{}`", graph.tensor(b).name);
            return Err(quantization_error(self.operator, found, "u8 or i8"));
        };
        let shape = shape_of(graph, b);
        let negative = self.between(graph, b, "negative", shape);
        graph.tensor_mut(negative).quantization = Some(Quantization::per_tensor(scale, lo + hi - zero_point));
        let entries: Vec<i32> = (lo..=hi).rev().collect();
        let name = format!("{}.negative", self.operator.name);
        let mut nodes = vec![lookup(graph, &name, b, negative, &entries)];
        let operands = self.of_equal_rank(graph, [a, negative], &mut nodes);
        nodes.push(self.node(Op::QAdd { clip: self.clip }, &operands));
        Ok(Some(nodes))
    }

    pub(super) fn product_of_elements(&self, graph: &mut Graph) -> Result<Option<Vec<Node>>, CompileError> {
        let Some([a, b]) = self.operands(graph) else {
            return Ok(None);
        };
        let mut nodes = Vec::new();
        let operands = self.of_equal_rank(graph, [a, b], &mut nodes);
        nodes.push(self.node(Op::QMul { clip: self.clip }, &operands));
        Ok(Some(nodes))
    }

    pub(super) fn prelu(&self, graph: &mut Graph) -> Result<Option<Vec<Node>>, CompileError> {
        let (Some(x), Some(slope)) = (self.integers(0), self.operator.input(1)) else {
            return Ok(None);
        };
        // Real slopes stay real: the machine takes them as factors of its scales.
        let slope = self.integers(1).unwrap_or(slope);
        let shape = shape_of(graph, x);
        let slope_shape = shape_of(graph, slope);
        let offset = shape.len().saturating_sub(slope_shape.len());
        let along: Vec<usize> = (0..slope_shape.len()).filter(|&i| slope_shape[i] != 1).collect();
        // A slope for all elements may run along any axis; the last one costs no reordering.
        let last = shape.len().saturating_sub(1);
        let (axis, n) = match along[..] {
            [] => (last, 1),
            [one] if graph.tensor(slope).data.is_some() => (one + offset, slope_shape[one]),
            _ => {
                let found = format!("slopes of shape {slope_shape:?} for `{}`", graph.tensor(x).name);
                return Err(quantization_error(
                    self.operator,
                    found,
                    "constant slopes along one axis, or one for all",
                ));
            }
        };
        let slope = add_view(graph, slope, "slopes", vec![n]);
        let mut axes: Vec<usize> = (0..shape.len()).filter(|&i| i != axis).collect();
        axes.push(axis);
        let op = Op::QPRelu { clip: self.clip };
        Ok(Some(self.permuted(graph, x, &axes, |_, x, y| {
            vec![Node::new(&self.operator.name, op, &[x, slope], y)]
        })))
    }

    /// Both operands as integers.
    fn operands(&self, graph: &mut Graph) -> Option<[TensorId; 2]> {
        Some([self.operand(graph, 0)?, self.operand(graph, 1)?])
    }

    /// An operand as integers: dequantized ones as they are, constants quantized by their own range.
    fn operand(&self, graph: &mut Graph, position: usize) -> Option<TensorId> {
        let id = self.operator.input(position)?;
        if let Some(integers) = self.model.dequantized_from(id) {
            return Some(integers);
        }
        graph.tensor(id).data.as_ref()?.as_f32()?;
        // Where all elements are equal, one serves.
        let id = match (uniform(graph, id), shape_of(graph, id)) {
            (Some(value), shape) if shape.len() > 1 => {
                let data = crate::graph::TensorData::F32(vec![value]);
                let name = format!("{}.uniform", graph.tensor(id).name);
                graph.add_tensor(crate::graph::Tensor::constant(name, vec![1; shape.len()], data))
            }
            _ => id,
        };
        Some(quantized_constant(graph, id))
    }

    /// Operands with as many axes as the result; the new ones have length one.
    fn of_equal_rank(&self, graph: &mut Graph, operands: [TensorId; 2], nodes: &mut Vec<Node>) -> [TensorId; 2] {
        let rank = shape_of(graph, self.y).len();
        operands.map(|id| {
            let own = shape_of(graph, id);
            if own.len() >= rank {
                return id;
            }
            let mut shape = vec![1; rank - own.len()];
            shape.extend(own);
            if graph.tensor(id).data.is_some() {
                return add_view(graph, id, "broadcast", shape);
            }
            let view = self.between(graph, id, "broadcast", shape);
            nodes.push(Node::new(
                format!("{}.broadcast", self.operator.name),
                Op::View,
                &[id],
                view,
            ));
            view
        })
    }
}

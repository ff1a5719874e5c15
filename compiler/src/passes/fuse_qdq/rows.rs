//! Operators along an axis: softmax and layer normalization, which the machine computes along the last one.

use super::super::support::{add_view, constant, quantization_error, shape_of};
use super::Fusion;
use crate::error::CompileError;
use crate::graph::edit::add_sibling;
use crate::graph::{ClipRange, Graph, Node, Op, Tensor, TensorData, TensorId};

impl Fusion<'_> {
    pub(super) fn softmax(
        &self,
        graph: &mut Graph,
        axis: i64,
        coerce_to_matrix: bool,
    ) -> Result<Option<Vec<Node>>, CompileError> {
        let Some(x) = self.integers(0) else { return Ok(None) };
        let shape = shape_of(graph, x);
        let axis = self.axis(axis, &shape)?;
        let (name, clip) = (&self.operator.name, self.clip);
        let is_clipped = graph.tensor(self.y).dtype.and_then(ClipRange::of) != Some(clip);
        let softmax = |graph: &mut Graph, x, y| {
            if !is_clipped {
                return vec![Node::new(name, Op::QSoftmax, &[x], y)];
            }
            // A softmax clips nothing itself.
            let shape = graph.tensor(y).shape.clone();
            let whole = add_sibling(graph, y, "whole", shape);
            let requant = Node::new(format!("{name}.clip"), Op::QRequant { clip }, &[whole], y);
            vec![Node::new(name, Op::QSoftmax, &[x], whole), requant]
        };
        if coerce_to_matrix {
            let columns = shape[axis..].iter().product();
            return Ok(Some(self.as_matrix(graph, x, columns, softmax)));
        }
        let mut axes: Vec<usize> = (0..shape.len()).filter(|&i| i != axis).collect();
        axes.push(axis);
        Ok(Some(self.permuted(graph, x, &axes, softmax)))
    }

    pub(super) fn layer_norm(
        &self,
        graph: &mut Graph,
        axis: i64,
        epsilon: f32,
    ) -> Result<Option<Vec<Node>>, CompileError> {
        let Some(x) = self.integers(0) else { return Ok(None) };
        let shape = shape_of(graph, x);
        let axis = self.axis(axis, &shape)?;
        let columns: usize = shape[axis..].iter().product();
        let scale = self.row(graph, 1, columns, 1.0)?;
        let shift = self.row(graph, 2, columns, 0.0)?;
        let op = Op::QLayerNorm {
            epsilon,
            clip: self.clip,
        };
        let name = &self.operator.name;
        Ok(Some(self.as_matrix(graph, x, columns, |_, x, y| {
            vec![Node::new(name, op, &[x, scale, shift], y)]
        })))
    }

    fn axis(&self, axis: i64, shape: &[usize]) -> Result<usize, CompileError> {
        let from_start = if axis < 0 { axis + shape.len() as i64 } else { axis };
        usize::try_from(from_start)
            .ok()
            .filter(|&axis| axis < shape.len())
            .ok_or_else(|| {
                let found = format!("axis {axis} of a tensor of shape {shape:?}");
                quantization_error(self.operator, found, "an axis of the operand")
            })
    }

    /// A float constant with one value per column, or a default where the operand is absent.
    fn row(&self, graph: &mut Graph, position: usize, columns: usize, default: f32) -> Result<TensorId, CompileError> {
        let Some(id) = self.operator.input(position) else {
            let name = format!("{}.operand{position}", self.operator.name);
            let data = TensorData::F32(vec![default; columns]);
            return Ok(graph.add_tensor(Tensor::constant(name, vec![columns], data)));
        };
        let data = constant(graph, self.operator, id, "scale or shift")?;
        let wrong = |found: String| Err(quantization_error(self.operator, found, "one f32 per column"));
        let Some(values) = data.as_f32() else {
            return wrong(format!("a scale or shift of {}", data.dtype()));
        };
        match *values {
            [value] if columns > 1 => {
                let name = format!("{}.row", graph.tensor(id).name);
                let data = TensorData::F32(vec![value; columns]);
                Ok(graph.add_tensor(Tensor::constant(name, vec![columns], data)))
            }
            _ if values.len() == columns => Ok(add_view(graph, id, "row", vec![columns])),
            _ => wrong(format!("{} values for {columns} columns", values.len())),
        }
    }
}

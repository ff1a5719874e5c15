//! Quantization after training: a float graph gets the Quantize and Dequantize nodes that a quantized model would have come with.
//!
//! Ranges of activations are observed on calibration inputs ([`ranges`]); weights are quantized symmetrically per output channel. The result is a graph
//! like those of quantized model files, so that one sequence of passes serves both. A graph that brings any quantization of its own stays as it is.

mod decompose;
mod groups;
mod moments;
mod points;
mod ranges;
mod weights;

use super::{Context, Graph};
use crate::error::{CompileError, CompileErrorKind, Subject};
use crate::graph::{DType, Node, Op, Quantization, Tensor, TensorId};
use groups::Groups;
use points::Points;
use std::collections::BTreeMap;

pub(super) fn run(graph: &mut Graph, context: &mut Context) -> Result<(), Vec<CompileError>> {
    if !is_float_model(graph) {
        return Ok(());
    }
    decompose::run(graph);
    let points = Points::of(graph);
    let ranges = ranges::observe(graph, context)?;
    let groups = Groups::of(graph, &ranges, &points);
    let dtype = context.options.quantization.precision.activations;
    let mut inserter = Inserter {
        parameters: groups.parameters(graph, dtype),
        groups,
        points,
        dtype,
        context,
        replaced: BTreeMap::new(),
        nodes: Vec::new(),
    };
    inserter.run(graph)
}

/// Whether a graph computes in real numbers alone.
fn is_float_model(graph: &Graph) -> bool {
    let is_quantized = |op: &Op| {
        matches!(
            op,
            Op::QuantizeLinear { .. }
                | Op::DequantizeLinear { .. }
                | Op::Quantize { .. }
                | Op::Dequantize
                | Op::QLinearConv { .. }
                | Op::QGemm { .. }
                | Op::QLinearMatMul
                | Op::QLinearAdd
                | Op::ConvInteger { .. }
                | Op::MatMulInteger
        )
    };
    let has_float_input = graph
        .inputs
        .iter()
        .any(|io| graph.tensor(io.tensor).dtype == Some(DType::F32));
    has_float_input
        && graph.tensors.iter().all(|tensor| tensor.quantization.is_none())
        && !graph.nodes.iter().any(|node| is_quantized(&node.op))
}

/// Rewrites the graph node by node.
struct Inserter<'c> {
    points: Points,
    groups: Groups,
    /// Scale and zero point by group.
    parameters: BTreeMap<TensorId, (f32, i32)>,
    dtype: DType,
    context: &'c Context,
    /// What stands for a tensor after it has been through integers.
    replaced: BTreeMap<TensorId, TensorId>,
    nodes: Vec<Node>,
}

impl Inserter<'_> {
    fn run(&mut self, graph: &mut Graph) -> Result<(), Vec<CompileError>> {
        let mut errors = Vec::new();
        for index in 0..graph.inputs.len() {
            self.through_integers(graph, graph.inputs[index].tensor);
        }
        for mut node in std::mem::take(&mut graph.nodes) {
            errors.extend(self.quantize_weights(graph, &mut node).err());
            self.replace_operands(graph, &mut node);
            let outputs = node.outputs.clone();
            self.nodes.push(node);
            outputs.into_iter().for_each(|y| self.through_integers(graph, y));
        }
        graph.nodes = std::mem::take(&mut self.nodes);
        for io in &mut graph.outputs {
            io.tensor = self.replaced.get(&io.tensor).copied().unwrap_or(io.tensor);
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Quantizes a tensor and dequantizes it again, if it is one of those to be quantized.
    fn through_integers(&mut self, graph: &mut Graph, id: TensorId) {
        if self.points.contains(id) {
            let parameters = self.parameters[&self.groups.of_tensor(id)];
            let stem = graph.tensor(id).name.clone();
            let real = self.quantized_as(graph, id, &stem, parameters);
            self.replaced.insert(id, real);
        }
    }

    /// Integers of `value` with the given meaning, and the real numbers that they stand for.
    fn quantized_as(&mut self, graph: &mut Graph, value: TensorId, stem: &str, (scale, zero): (f32, i32)) -> TensorId {
        let shape = graph.tensor(value).shape.clone().unwrap_or_default();
        let integers = Tensor::value(format!("{stem}.quantized"), self.dtype, shape.clone())
            .with_quantization(Quantization::per_tensor(scale, zero));
        let integers = graph.add_tensor(integers);
        let real = graph.add_tensor(Tensor::value(format!("{stem}.dequantized"), DType::F32, shape));
        let quantize = Op::Quantize { dtype: self.dtype };
        self.nodes
            .push(Node::new(format!("{stem}.quantize"), quantize, &[value], integers));
        self.nodes.push(Node::new(
            format!("{stem}.dequantize"),
            Op::Dequantize,
            &[integers],
            real,
        ));
        real
    }

    fn replace_operands(&mut self, graph: &mut Graph, node: &mut Node) {
        let is_concat = matches!(node.op, Op::Concat { .. });
        let result = self.groups.of_tensor(node.outputs[0]);
        for position in 0..node.inputs.len() {
            let Some(id) = node.inputs[position] else { continue };
            let value = self.replaced.get(&id).copied().unwrap_or(id);
            let is_constant = graph.tensor(id).data.is_some();
            node.inputs[position] = Some(if is_concat && !is_constant && self.groups.of_tensor(id) != result {
                // The operands of a concatenation need one scale; this one keeps its own elsewhere.
                let stem = format!("{}.{}", graph.tensor(id).name, node.name);
                self.quantized_as(graph, value, &stem, self.parameters[&result])
            } else {
                value
            });
        }
    }

    /// Constant weights become integers.
    fn quantize_weights(&mut self, graph: &mut Graph, node: &mut Node) -> Result<(), CompileError> {
        let axis = match node.op {
            Op::Conv { .. } => 0,
            Op::Gemm { trans_b: true, .. } => 0,
            Op::Gemm { .. } | Op::MatMul => 1,
            _ => return Ok(()),
        };
        let (Some(x), Some(w)) = (node.input(0), node.input(1)) else {
            return Ok(());
        };
        if graph.tensor(w).data.as_ref().is_none_or(|data| data.as_f32().is_none()) {
            return Ok(());
        }
        let scale = |groups: &Groups, id| self.parameters.get(&groups.of_tensor(id)).map_or(1.0, |p| p.0);
        let x_scale = scale(&self.groups, x);
        let precision = self.context.options.quantization.precision;
        let integers = weights::quantize(graph, node, [w, x], axis, x_scale, precision)?;
        let shape = graph.tensor(w).shape.clone().unwrap_or_default();
        let name = format!("{}.dequantized", graph.tensor(w).name);
        let real = graph.add_tensor(Tensor::value(name.clone(), DType::F32, shape));
        self.nodes.push(Node::new(name, Op::Dequantize, &[integers], real));
        node.inputs[1] = Some(real);
        Ok(())
    }
}

/// A tensor whose values are not numbers cannot be quantized.
fn not_a_number(name: &str) -> CompileError {
    CompileError::new(
        CompileErrorKind::Quantization,
        Subject::tensor(name),
        "values that are infinite or no numbers",
        "finite values on all calibration inputs",
        "check the weights of the model and the calibration inputs",
    )
}

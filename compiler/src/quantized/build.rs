//! From a graph of machine-level operators to one with all parameters resolved.

mod elementwise;
mod movement;
mod pooling;
mod product;
mod rows;

use super::{IoTensor, QNode, QOp, QTensor, QView, QuantizedGraph};
use crate::error::{CompileError, CompileErrorKind, Subject};
use crate::graph::{Graph, Node, Op, Tensor, TensorId, Window, WindowAttributes};

pub(super) fn build(graph: &Graph) -> Result<QuantizedGraph, Vec<CompileError>> {
    let mut errors = Vec::new();
    let nodes = collect(&graph.nodes, |node| Resolver { graph, node }.nodes(), &mut errors);
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
        nodes: nodes.into_iter().flatten().collect(),
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

impl<'g> Resolver<'g> {
    /// The operators that a node becomes: one, or one per output.
    fn nodes(self) -> Result<Vec<QNode>, CompileError> {
        let ops = match &self.node.op {
            Op::Split { axis, sizes } => self.split(*axis, sizes.as_deref())?,
            _ => vec![self.op()?],
        };
        let is_one = ops.len() == 1;
        let name = |index: usize| match is_one {
            true => self.node.name.clone(),
            false => format!("{}.{index}", self.node.name),
        };
        let named = ops.into_iter().enumerate();
        Ok(named.map(|(index, op)| QNode { name: name(index), op }).collect())
    }

    fn op(self) -> Result<QOp, CompileError> {
        Ok(match &self.node.op {
            Op::QConv { window, group, clip } => QOp::Conv(self.conv(window, *group, *clip)?),
            Op::QDense { clip } => QOp::Dense(self.dense(*clip)?),
            Op::MaxPool { window } => QOp::MaxPool(self.max_pool(window)?),
            Op::QAveragePool {
                window,
                count_include_pad,
                clip,
            } => QOp::AvgPool(self.average_pool(window, *count_include_pad, *clip)?),
            Op::QMean { clip } => QOp::AvgPool(self.mean(*clip)?),
            Op::QAdd { clip } => QOp::Add(self.add(*clip)?),
            Op::QMul { clip } => QOp::Mul(self.mul(*clip)?),
            Op::QRequant { clip } => QOp::Requant(self.requant(*clip)?),
            Op::QPRelu { clip } => QOp::Prelu(self.prelu(*clip)?),
            Op::QLut => QOp::Lut(self.lut()?),
            Op::QSoftmax => QOp::Softmax(self.softmax()?),
            Op::QLayerNorm { epsilon, clip } => QOp::LayerNorm(self.layer_norm(*epsilon, *clip)?),
            Op::Concat { axis } => QOp::Move(self.concat(*axis)?),
            Op::Slice => QOp::Move(self.slice()?),
            Op::Pad => QOp::Move(self.pad()?),
            Op::Transpose { permutation } => QOp::Move(self.transpose(permutation.as_deref())?),
            Op::Resize { mode } => QOp::Move(self.resize(*mode)?),
            Op::View => QOp::View(QView {
                input: self.operand(0)?,
                output: self.output(),
            }),
            other => {
                return Err(self.error(
                    CompileErrorKind::NotQuantized,
                    format!("operator {}", other.name()),
                    "a machine-level operator",
                    "run all passes before resolving the graph",
                ));
            }
        })
    }

    fn output(self) -> TensorId {
        self.node.outputs[0]
    }

    fn shape(self, id: TensorId) -> &'g [usize] {
        self.graph.tensor(id).shape.as_deref().unwrap_or_default()
    }

    /// The integers of a constant operand.
    fn integers(self, id: TensorId) -> Result<Vec<i32>, CompileError> {
        let tensor = self.graph.tensor(id);
        tensor.data.as_ref().and_then(|data| data.to_i32()).ok_or_else(|| {
            let found = format!("`{}` that is no integer constant", tensor.name);
            self.error(
                CompileErrorKind::NotConstant,
                found,
                "a constant of integers",
                "run all passes",
            )
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

    /// Elements that are moved mean the same before and after.
    fn same_quantization(self, a: TensorId, b: TensorId) -> Result<(), CompileError> {
        let of = |id: TensorId| self.graph.tensor(id);
        if self.quantization(a)? == self.quantization(b)? && of(a).dtype == of(b).dtype {
            return Ok(());
        }
        Err(self.error(
            CompileErrorKind::Quantization,
            format!("`{}` and `{}` of different quantization", of(a).name, of(b).name),
            "one type, scale and zero point, since elements are only moved",
            "rescale one of them before they meet",
        ))
    }

    /// The window, with what its attributes leave to the image.
    fn window(self, attributes: &WindowAttributes) -> Window {
        let axes = self.node.input(0).and_then(|x| self.graph.tensor(x).image_axes());
        let [_, _, h, w] = axes.unwrap_or([1; 4]);
        attributes.resolve([1, 1], [h, w])
    }

    /// Scales are finite and above zero.
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
}

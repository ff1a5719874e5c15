//! From the tables of a file to a graph: tensors, wiring, and one call per operator.

use super::flat::Fault;
use super::malformed;
use super::model::{self, Model, OperatorInfo, TensorInfo};
use super::ops;
use crate::error::{CompileError, ImportError, ImportErrorKind, Subject};
use crate::graph::infer::{Inferred, infer};
use crate::graph::{Graph, Layout, Node, Op, Quantization, Tensor, TensorId, element_count};
use std::collections::BTreeMap;

/// Why an operator is not translated.
#[derive(Debug)]
pub(super) enum Problem {
    /// The compiler does not know this variant of it.
    Unsupported(String),
    /// Its options lead out of the file.
    Damaged(Fault),
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::Damaged(fault)
    }
}

impl From<String> for Problem {
    fn from(reason: String) -> Self {
        Self::Unsupported(reason)
    }
}

impl From<&str> for Problem {
    fn from(reason: &str) -> Self {
        Self::Unsupported(reason.into())
    }
}

/// The layout of a tensor of a file with channels last.
pub(super) fn layout(shape: &[usize]) -> Layout {
    match shape.len() {
        4 => Layout::Nhwc,
        _ => Layout::Logical,
    }
}

/// Builds the graph. With errors it is good for nothing but those.
pub(super) fn build(model: &Model<'_>) -> (Graph, Vec<ImportError>) {
    let mut builder = Builder {
        graph: Graph {
            name: model.name.clone(),
            ..Graph::default()
        },
        errors: Vec::new(),
        is_available: Vec::new(),
        names: BTreeMap::new(),
    };
    builder.parts(model);
    for (index, info) in model.tensors.iter().enumerate() {
        builder.tensor(index, info);
    }
    builder.inputs(model);
    if builder.errors.is_empty() {
        model
            .operators
            .iter()
            .enumerate()
            .for_each(|(index, operator)| builder.operator(index, operator));
        builder.outputs(model);
    }
    (builder.graph, builder.errors)
}

struct Builder {
    graph: Graph,
    errors: Vec<ImportError>,
    /// For every tensor of the file whether something has written it by now.
    is_available: Vec<bool>,
    /// How often each name of a node has been given.
    names: BTreeMap<String, usize>,
}

impl Builder {
    fn error(&mut self, kind: ImportErrorKind, subject: Subject, found: String, expected: &str, help: &str) {
        self.errors.push(ImportError::new(kind, subject, found, expected, help));
    }

    /// A file has a graph with operators and results.
    fn parts(&mut self, model: &Model<'_>) {
        let help = "check that the file was copied completely, or convert the model again";
        let mut incomplete = |found: String, expected| {
            self.error(ImportErrorKind::Incomplete, Subject::Model, found, expected, help);
        };
        match model.n_subgraphs {
            0 => incomplete("no subgraph".into(), "a model with a graph"),
            1 if model.outputs.is_empty() => incomplete("no graph output".into(), "at least one"),
            1 => {}
            n => incomplete(format!("{n} subgraphs"), "one, without control flow"),
        }
    }

    fn tensor(&mut self, index: usize, info: &TensorInfo<'_>) {
        let name = if info.name.is_empty() {
            format!("tensor{index}")
        } else {
            info.name.clone()
        };
        let subject = Subject::tensor(&name);
        let lengths: Option<Vec<usize>> = info
            .shape
            .iter()
            .map(|&len| usize::try_from(len).ok().filter(|&len| len > 0))
            .collect();
        let dtype = model::dtype(info.type_number);
        let mut tensor = Tensor {
            dtype,
            ..Tensor::named(name)
        };
        match lengths.filter(|shape| element_count(shape).is_some()) {
            Some(shape) => {
                tensor.layout = layout(&shape);
                tensor.shape = Some(shape);
            }
            None => {
                let found = format!("shape {:?}", info.shape);
                let help = "fix all shapes when converting the model";
                self.error(
                    ImportErrorKind::Shape,
                    subject.clone(),
                    found,
                    "lengths above zero, at most 2^28 elements",
                    help,
                );
            }
        }
        let n = tensor.shape.as_deref().and_then(element_count).unwrap_or(0);
        if let (Some(dtype), false) = (dtype, info.bytes.is_empty()) {
            tensor.data = model::data(info.bytes, dtype, n);
            if tensor.data.is_none() {
                let found = format!("{} bytes for {n} elements of {dtype}", info.bytes.len());
                let help = "check that the file was copied completely";
                self.error(
                    ImportErrorKind::Data,
                    subject.clone(),
                    found,
                    "as many bytes as the shape has",
                    help,
                );
            }
        }
        match quantization(info, &tensor) {
            Ok(quantization) => tensor.quantization = quantization,
            Err(found) => {
                let expected = "finite scales above zero and zero points of the element type, one pair or one per index of an axis";
                self.error(
                    ImportErrorKind::Attribute,
                    subject,
                    found,
                    expected,
                    "quantize the model again",
                );
            }
        }
        self.is_available.push(tensor.data.is_some());
        self.graph.add_tensor(tensor);
    }

    /// The tensor of an index in the file.
    fn id(&mut self, index: i32, subject: &Subject) -> Option<TensorId> {
        let id = u32::try_from(index)
            .ok()
            .filter(|&index| (index as usize) < self.is_available.len());
        if id.is_none() {
            let expected = format!("a number below {}", self.is_available.len());
            let help = "convert the model again";
            self.error(
                ImportErrorKind::Wiring,
                subject.clone(),
                format!("tensor number {index}"),
                &expected,
                help,
            );
        }
        id.map(TensorId)
    }

    /// Says that something writes a tensor, which must not have happened before.
    fn provide(&mut self, id: TensorId, subject: &Subject) {
        if std::mem::replace(&mut self.is_available[id.index()], true) {
            let found = format!("a second producer of `{}`", self.graph.tensor(id).name);
            self.error(
                ImportErrorKind::Wiring,
                subject.clone(),
                found,
                "one producer",
                "convert the model again",
            );
        }
    }

    fn inputs(&mut self, model: &Model<'_>) {
        for &index in &model.inputs {
            if let Some(id) = self.id(index, &Subject::Model) {
                self.provide(id, &Subject::Model);
                self.graph.add_input(id);
            }
        }
    }

    fn outputs(&mut self, model: &Model<'_>) {
        for &index in &model.outputs {
            let Some(id) = self.id(index, &Subject::Model) else {
                continue;
            };
            if !self.is_available[id.index()] {
                let found = format!("graph output `{}` that nothing produces", self.graph.tensor(id).name);
                self.error(
                    ImportErrorKind::Wiring,
                    Subject::Model,
                    found,
                    "a producer",
                    "convert the model again",
                );
            }
            self.graph.add_output(id);
        }
    }

    /// A name for the node that writes this tensor.
    fn name(&mut self, index: usize, output: Option<TensorId>) -> String {
        let of_tensor = output.map(|id| {
            self.graph
                .tensor(id)
                .name
                .split(';')
                .next()
                .unwrap_or_default()
                .to_owned()
        });
        let name = of_tensor
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| format!("operator{index}"));
        let count = self.names.entry(name.clone()).or_default();
        *count += 1;
        match *count {
            1 => name,
            n => format!("{name}#{n}"),
        }
    }

    fn operator(&mut self, index: usize, operator: &OperatorInfo<'_>) {
        let here = Subject::node(format!("operator {index}, {}", model::name(operator)));
        let outputs: Vec<TensorId> = operator
            .outputs
            .iter()
            .filter_map(|&index| self.id(index, &here))
            .collect();
        let mut inputs = Vec::with_capacity(operator.inputs.len());
        for &index in &operator.inputs {
            let id = (index != -1).then(|| self.id(index, &here)).flatten();
            if let Some(id) = id.filter(|id| !self.is_available[id.index()]) {
                let found = format!("operand `{}` that nothing has produced yet", self.graph.tensor(id).name);
                let expected = "operators in an order in which they can be executed";
                self.error(
                    ImportErrorKind::Wiring,
                    here.clone(),
                    found,
                    expected,
                    "convert the model again",
                );
            }
            inputs.push(id);
        }
        outputs.iter().for_each(|&id| self.provide(id, &here));
        if outputs.is_empty() {
            let help = "convert the model again";
            self.error(
                ImportErrorKind::Wiring,
                here,
                "an operator without a result".into(),
                "at least one",
                help,
            );
        }
        if !self.errors.is_empty() {
            return;
        }
        let name = self.name(index, outputs.first().copied());
        let (n_nodes, n_tensors) = (self.graph.nodes.len(), self.graph.tensors.len());
        let mut site = Site {
            graph: &mut self.graph,
            operator,
            name,
            inputs,
            outputs,
        };
        match ops::translate(&mut site) {
            Ok(()) => self.check_nodes(n_nodes),
            Err(problem) => {
                let (name, inputs, outputs) = (site.name, site.inputs, site.outputs);
                self.graph.nodes.truncate(n_nodes);
                self.graph.tensors.truncate(n_tensors);
                let reason = match problem {
                    Problem::Damaged(fault) => return self.errors.push(malformed(&fault)),
                    Problem::Unsupported(reason) => (!reason.is_empty()).then_some(reason),
                };
                let op = Op::Unsupported {
                    domain: "tflite".into(),
                    op_type: model::name(operator),
                    reason,
                };
                self.graph.add_node(Node {
                    name,
                    op,
                    inputs,
                    outputs,
                });
            }
        }
    }

    /// Shapes that the file states must be those that follow from the operands.
    fn check_nodes(&mut self, first: usize) {
        let mut errors = Vec::new();
        for node in &self.graph.nodes[first..] {
            let stated = |position: usize| &self.graph.tensor(node.outputs[position]).shape;
            let found = match infer(&self.graph, node) {
                Ok(inferred) => {
                    let mut results = inferred.iter().zip(0..node.outputs.len());
                    let differs = |(result, position): &(&Inferred, usize)| {
                        result.shape.is_some() && result.shape != *stated(*position)
                    };
                    let Some((result, position)) = results.find(differs) else {
                        continue;
                    };
                    format!(
                        "a result of shape {:?} where {:?} follows from the operands",
                        stated(position),
                        result.shape
                    )
                }
                Err(CompileError { found, .. }) => found,
            };
            let help = "convert the model again";
            let (subject, expected) = (Subject::node(&node.name), "shapes that fit together");
            errors.push(ImportError::new(ImportErrorKind::Shape, subject, found, expected, help));
        }
        self.errors.extend(errors);
    }
}

/// The quantization of a tensor, if it has one, or what is wrong with it.
fn quantization(info: &TensorInfo<'_>, tensor: &Tensor) -> Result<Option<Quantization>, String> {
    let Some((lo, hi)) = tensor.dtype.and_then(|dtype| dtype.range()) else {
        return Ok(None);
    };
    if info.scales.is_empty() || (info.scales == [0.0] && tensor.data.is_some()) {
        return Ok(None);
    }
    if let Some(scale) = info.scales.iter().find(|scale| !(scale.is_finite() && **scale > 0.0)) {
        return Err(format!("a scale of {scale}"));
    }
    let zero_points = match info.zero_points.as_slice() {
        [] => vec![0; info.scales.len()],
        points => points.to_vec(),
    };
    let in_range = |point: &i64| i32::try_from(*point).ok().filter(|point| (lo..=hi).contains(point));
    let zero_points: Vec<i32> = zero_points
        .iter()
        .map(|point| in_range(point).ok_or_else(|| format!("a zero point of {point}")))
        .collect::<Result<_, _>>()?;
    if zero_points.len() != info.scales.len() {
        return Err(format!(
            "{} scales and {} zero points",
            info.scales.len(),
            zero_points.len()
        ));
    }
    if let ([scale], [zero_point]) = (info.scales.as_slice(), zero_points.as_slice()) {
        return Ok(Some(Quantization::per_tensor(*scale, *zero_point)));
    }
    let shape = tensor.shape.as_deref().unwrap_or_default();
    let axis = usize::try_from(info.quantized_axis).ok();
    let axis = axis.filter(|&axis| shape.get(axis) == Some(&info.scales.len()));
    let axis = axis.ok_or_else(|| {
        format!(
            "{} scales along axis {} of shape {shape:?}",
            info.scales.len(),
            info.quantized_axis
        )
    })?;
    Ok(Quantization::per_axis(info.scales.clone(), zero_points, axis))
}

/// An operator under translation, and the graph that receives its nodes.
pub(super) struct Site<'b, 'a> {
    pub(super) graph: &'b mut Graph,
    pub(super) operator: &'b OperatorInfo<'a>,
    pub(super) name: String,
    pub(super) inputs: Vec<Option<TensorId>>,
    pub(super) outputs: Vec<TensorId>,
}

impl Site<'_, '_> {
    /// An operand that must be there.
    pub(super) fn operand(&self, position: usize) -> Result<TensorId, Problem> {
        let id = self.inputs.get(position).copied().flatten();
        id.ok_or_else(|| format!("no operand {position}").into())
    }

    /// An operand of quantized bytes with one scale.
    pub(super) fn activation(&self, position: usize) -> Result<TensorId, Problem> {
        let id = self.operand(position)?;
        self.check_quantized(id)?;
        Ok(id)
    }

    /// The first result, of quantized bytes with one scale.
    pub(super) fn output(&self) -> Result<TensorId, Problem> {
        self.check_quantized(self.outputs[0])?;
        Ok(self.outputs[0])
    }

    pub(super) fn check_quantized(&self, id: TensorId) -> Result<(), Problem> {
        let tensor = self.graph.tensor(id);
        let dtype = tensor.dtype.map_or("an unknown type", |dtype| dtype.name());
        if !tensor.dtype.is_some_and(|dtype| dtype.is_byte()) {
            return Err(format!("`{}` of {dtype}; only 8-bit integers are known", tensor.name).into());
        }
        if tensor.quantization.as_ref().and_then(|q| q.single()).is_none() {
            return Err(format!("`{}` without one scale and zero point", tensor.name).into());
        }
        Ok(())
    }

    pub(super) fn shape(&self, id: TensorId) -> Vec<usize> {
        self.graph.tensor(id).shape.clone().unwrap_or_default()
    }

    /// Scale and zero point of a tensor that has been checked.
    pub(super) fn quantization(&self, id: TensorId) -> (f32, i32) {
        self.graph
            .tensor(id)
            .quantization
            .as_ref()
            .and_then(|q| q.single())
            .unwrap_or((1.0, 0))
    }

    /// The integers of a constant operand.
    pub(super) fn integers(&self, position: usize) -> Result<Vec<i64>, Problem> {
        let tensor = self.graph.tensor(self.operand(position)?);
        let data = tensor.data.as_ref().and_then(|data| data.to_i64());
        data.ok_or_else(|| format!("`{}` that is no constant of i32 or i64", tensor.name).into())
    }

    /// A number among the options.
    pub(super) fn option<T: super::flat::Scalar>(&self, number: usize, absent: T) -> Result<T, Problem> {
        match &self.operator.options {
            Some(options) => Ok(options.scalar(number, absent)?),
            None => Ok(absent),
        }
    }

    pub(super) fn emit(&mut self, op: Op, inputs: &[TensorId], output: TensorId) {
        let name = self.name.clone();
        self.graph.add_node(Node::new(name, op, inputs, output));
    }

    /// A constant of indices, for operators that take them as operands.
    pub(super) fn indices(&mut self, what: &str, values: Vec<i64>) -> TensorId {
        let name = format!("{}.{what}", self.name);
        let data = crate::graph::TensorData::I64(values);
        self.graph.add_tensor(Tensor::constant(name, vec![data.len()], data))
    }

    /// The elements of a tensor under another shape: a constant of that shape, or a view.
    pub(super) fn reshaped(&mut self, id: TensorId, shape: Vec<usize>) -> TensorId {
        if self.shape(id) == shape {
            return id;
        }
        let tensor = self.graph.tensor(id);
        let seen = Tensor {
            name: format!("{}.view{}", tensor.name, self.graph.tensors.len()),
            layout: layout(&shape),
            shape: Some(shape),
            ..tensor.clone()
        };
        let is_constant = seen.data.is_some();
        let seen = self.graph.add_tensor(seen);
        if !is_constant {
            let node = Node::new(format!("{}.view", self.name), Op::View, &[id], seen);
            self.graph.add_node(node);
        }
        seen
    }

    /// A tensor like the output but of another shape, to be seen as the output afterwards with [`finish_view`](Self::finish_view).
    pub(super) fn like_output(&mut self, output: TensorId, shape: Vec<usize>) -> TensorId {
        if self.shape(output) == shape {
            return output;
        }
        let tensor = self.graph.tensor(output);
        let inner = Tensor {
            name: format!("{}.inner", tensor.name),
            layout: layout(&shape),
            shape: Some(shape),
            ..tensor.clone()
        };
        self.graph.add_tensor(inner)
    }

    /// Makes the output a view of `inner`, if they are not the same.
    pub(super) fn finish_view(&mut self, inner: TensorId, output: TensorId) {
        if inner != output {
            let node = Node::new(format!("{}.view", self.name), Op::View, &[inner], output);
            self.graph.add_node(node);
        }
    }
}

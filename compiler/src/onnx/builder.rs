//! From the messages of a file to a graph: names become ids, and wiring is checked.

use super::attributes::{AttributeFault, NodeView};
use super::ops::{self, Expansion, Parsed, Source};
use super::tensor;
use crate::error::{ImportError, ImportErrorKind, Subject};
use crate::graph::{Graph, GraphIo, Node, Op, Tensor, TensorId};
use rten_onnx::onnx::{GraphProto, NodeProto, TypeProtoTensor, ValueInfoProto};
use std::collections::{BTreeMap, BTreeSet};

/// Builds the graph. What cannot be read is reported and replaced by something harmless, so that the rest is checked.
/// `opset` is the version of the standard operators.
pub(super) fn build(proto: &GraphProto, opset: i64, errors: &mut Vec<ImportError>) -> Graph {
    let produced_later = proto
        .node
        .iter()
        .flat_map(|node| &node.output)
        .map(String::as_str)
        .collect();
    let mut builder = Builder {
        graph: Graph::default(),
        ids: BTreeMap::new(),
        produced_later,
        opset,
        errors,
    };
    builder.initializers(proto);
    builder.inputs(proto);
    for (index, node) in proto.node.iter().enumerate() {
        builder.node(index, node);
    }
    builder.outputs(proto);
    builder.declared_types(proto);
    builder.graph
}

struct Builder<'a> {
    graph: Graph,
    ids: BTreeMap<&'a str, TensorId>,
    produced_later: BTreeSet<&'a str>,
    opset: i64,
    errors: &'a mut Vec<ImportError>,
}

impl<'a> Builder<'a> {
    fn initializers(&mut self, proto: &'a GraphProto) {
        for initializer in &proto.initializer {
            let name = initializer.name.as_deref().unwrap_or_default();
            match tensor::constant(initializer, &Subject::tensor(name)) {
                Ok((shape, data)) => self.define(name, Tensor::constant(name, shape, data)),
                Err(error) => {
                    self.errors.push(error);
                    self.define(name, Tensor::named(name))
                }
            };
        }
    }

    /// Older files list their initializers among the inputs; those are not inputs.
    fn inputs(&mut self, proto: &'a GraphProto) {
        for input in &proto.input {
            let name = input.name.as_deref().unwrap_or_default();
            if self.ids.contains_key(name) {
                continue;
            }
            let tensor = self.declared_tensor(input);
            let id = self.define(name, tensor);
            self.graph.add_input(id);
        }
    }

    fn declared_tensor(&mut self, value: &ValueInfoProto) -> Tensor {
        let name = value.name.as_deref().unwrap_or_default();
        let subject = Subject::tensor(name);
        let declared = tensor_type(value);
        let shape = tensor::declared_shape(declared.and_then(|t| t.shape.as_ref()), &subject);
        let dtype = tensor::dtype(declared.and_then(|t| t.elem_type), &subject);
        let mut tensor = Tensor::named(name);
        match shape {
            Ok(shape) => tensor.shape = Some(shape),
            Err(error) => self.errors.push(error),
        }
        match dtype {
            Ok(dtype) => tensor.dtype = Some(dtype),
            Err(error) => self.errors.push(error),
        }
        tensor
    }

    fn node(&mut self, index: usize, proto: &'a NodeProto) {
        let op_type = proto.op_type.as_deref().unwrap_or_default();
        let name = match proto.name.as_deref() {
            None | Some("") => format!("{op_type}_{index}"),
            Some(name) => name.to_string(),
        };
        let inputs: Vec<_> = proto.input.iter().map(|input| self.operand(&name, input)).collect();
        let present: Vec<bool> = inputs.iter().map(Option::is_some).collect();
        let parsed = match ops::parse(proto, self.opset, &present) {
            Ok(parsed) => parsed,
            Err(AttributeFault { found, expected }) => {
                self.attribute_error(&name, op_type, found, expected);
                ops::unsupported(proto, None)
            }
        };
        match parsed {
            Parsed::Op(op) => self.add_node(name, op, inputs, proto),
            Parsed::Several(nodes) => self.expand(&name, nodes, &inputs, proto),
            Parsed::Constant => self.constant(&name, proto),
        }
    }

    fn attribute_error(&mut self, node: &str, op_type: &str, found: String, expected: String) {
        let kind = ImportErrorKind::Attribute;
        let help = format!("correct this {op_type} in the model");
        self.errors
            .push(ImportError::new(kind, Subject::node(node), found, expected, help));
    }

    fn add_node(&mut self, name: String, op: Op, inputs: Vec<Option<TensorId>>, proto: &'a NodeProto) {
        let outputs = self.node_outputs(&name, &op, proto);
        if outputs.is_empty() {
            self.wiring(Subject::node(&name), "no output", "at least one");
            return;
        }
        self.graph.add_node(Node {
            name,
            op,
            inputs,
            outputs,
        });
    }

    /// Left-out names at the end are outputs that do not exist. In between they are nameless, and so are all of a Split, whose
    /// number of outputs counts.
    fn node_outputs(&mut self, node: &str, op: &Op, proto: &'a NodeProto) -> Vec<TensorId> {
        let is_split = matches!(op, Op::Split { .. });
        let n_named = proto
            .output
            .iter()
            .rposition(|name| !name.is_empty())
            .map_or(0, |i| i + 1);
        let n_outputs = if is_split { proto.output.len() } else { n_named };
        let outputs = proto.output[..n_outputs].iter().enumerate();
        outputs
            .map(|(index, output)| {
                if output.is_empty() {
                    self.graph.add_tensor(Tensor::named(format!("{node}.{index}")))
                } else {
                    self.define(output, Tensor::named(output.as_str()))
                }
            })
            .collect()
    }

    /// Adds the nodes that stand for one node of the file; the last one has its name and its outputs.
    fn expand(&mut self, name: &str, expansion: Expansion, inputs: &[Option<TensorId>], proto: &'a NodeProto) {
        let n_nodes = expansion.nodes.len();
        let mut results: Vec<TensorId> = Vec::with_capacity(n_nodes);
        for (index, (op, sources)) in expansion.nodes.into_iter().enumerate() {
            let operand = |(position, source)| match source {
                Source::Operand(i) => inputs.get(i).copied().flatten(),
                Source::Node(i) => Some(results[i]),
                Source::Constant(shape, data) => {
                    let name = format!("{name}.{index}.{position}");
                    Some(self.graph.add_tensor(Tensor::constant(name, shape, data)))
                }
                Source::Absent => None,
            };
            let operands = sources.into_iter().enumerate().map(operand).collect();
            if index + 1 == n_nodes {
                self.add_node(name.into(), op, operands, proto);
                continue;
            }
            let step = format!("{name}.{index}");
            let result = self.graph.add_tensor(Tensor::named(step.as_str()));
            results.push(result);
            self.graph.add_node(Node {
                name: step,
                op,
                inputs: operands,
                outputs: vec![result],
            });
        }
    }

    fn constant(&mut self, node: &str, proto: &'a NodeProto) {
        let Some(output) = proto.output.first().map(String::as_str) else {
            self.wiring(Subject::node(node), "no output", "one");
            return;
        };
        match ops::constant::value(NodeView::new(proto, self.opset, &[]), &Subject::tensor(output)) {
            Ok((shape, data)) => {
                self.define(output, Tensor::constant(output, shape, data));
            }
            Err(ops::constant::Fault::Data(error)) => self.errors.push(error),
            Err(ops::constant::Fault::Attribute(AttributeFault { found, expected })) => {
                self.attribute_error(node, "Constant", found, expected);
            }
        }
        // After a fault the name still has to exist for whoever reads it.
        if !self.ids.contains_key(output) {
            self.define(output, Tensor::named(output));
        }
    }

    fn operand(&mut self, node: &str, name: &'a str) -> Option<TensorId> {
        if name.is_empty() {
            return None;
        }
        if let Some(&id) = self.ids.get(name) {
            return Some(id);
        }
        let expected = if self.produced_later.contains(name) {
            "nodes in an order in which they can be executed"
        } else {
            "a graph input, an initializer, or the output of an earlier node"
        };
        self.wiring(
            Subject::node(node),
            &format!("operand `{name}` that does not exist yet"),
            expected,
        );
        Some(self.graph.add_tensor(Tensor::named(name)))
    }

    fn outputs(&mut self, proto: &'a GraphProto) {
        for output in &proto.output {
            let name = output.name.as_deref().unwrap_or_default();
            match self.ids.get(name) {
                Some(&tensor) => {
                    let io = GraphIo {
                        name: name.into(),
                        tensor,
                        shape: None,
                        dtype: None,
                    };
                    self.graph.outputs.push(io);
                }
                None => self.wiring(
                    Subject::tensor(name),
                    "a graph output that nothing produces",
                    "a producer",
                ),
            }
        }
        if proto.output.is_empty() {
            self.wiring(Subject::Model, "no graph output", "at least one");
        }
    }

    /// Declared types of intermediate values matter only for showing graphs whose types cannot be inferred, so
    /// unusable ones are passed over.
    fn declared_types(&mut self, proto: &'a GraphProto) {
        for value in proto.value_info.iter().chain(&proto.output) {
            let name = value.name.as_deref().unwrap_or_default();
            let (Some(&id), Some(declared)) = (self.ids.get(name), tensor_type(value)) else {
                continue;
            };
            let tensor = self.graph.tensor_mut(id);
            let subject = Subject::tensor(name);
            if tensor.shape.is_none() {
                tensor.shape = tensor::declared_shape(declared.shape.as_ref(), &subject).ok();
            }
            if tensor.dtype.is_none() {
                tensor.dtype = tensor::dtype(declared.elem_type, &subject).ok();
            }
        }
    }

    /// Gives a name to a new tensor. A second definition is reported and gets a tensor of its own.
    fn define(&mut self, name: &'a str, tensor: Tensor) -> TensorId {
        if self.ids.contains_key(name) {
            self.wiring(Subject::tensor(name), "a second definition", "each name defined once");
        }
        let id = self.graph.add_tensor(tensor);
        self.ids.insert(name, id);
        id
    }

    fn wiring(&mut self, subject: Subject, found: &str, expected: &str) {
        let help = "repair the model with the ONNX checker of its exporter";
        self.errors.push(ImportError::new(
            ImportErrorKind::Wiring,
            subject,
            found,
            expected,
            help,
        ));
    }
}

fn tensor_type(value: &ValueInfoProto) -> Option<&TypeProtoTensor> {
    value.r#type.as_ref()?.tensor_type.as_ref()
}

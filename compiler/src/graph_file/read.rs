//! From a text to a graph: keys become ids, and everything that other front ends guarantee is checked.

use super::{
    GraphText, IoText, NodeText, NoiseText, QuantizationText, RoundingText, TensorText, base64, check, options,
};
use crate::error::{ImportError, ImportErrorKind, Subject};
use crate::gemm::splitmix64;
use crate::graph::{DType, Graph, GraphIo, Node, Quantization, Tensor, TensorData, TensorId, element_count};
use std::collections::BTreeMap;
use systole_isa::operand::Rounding;

/// Reads the text of a graph.
///
/// # Errors
/// A text that is none, with the place; otherwise everything that is wrong with it, at once.
pub fn read(text: &str) -> Result<Graph, Vec<ImportError>> {
    let text: GraphText = options().from_str(text).map_err(|error| {
        let at = error.span.start;
        vec![ImportError::new(
            ImportErrorKind::Malformed,
            Subject::Model,
            format!("{} at line {}, column {}", error.code, at.line, at.col),
            "a graph in RON",
            "correct the text; `systole compile MODEL --emit graph` prints an example",
        )]
    })?;
    let mut builder = Builder {
        graph: Graph {
            name: text.name,
            rounding: match text.rounding {
                RoundingText::Float => Rounding::Float,
                RoundingText::Fixed => Rounding::Fixed,
            },
            channels_last: text.channels_last,
            ..Graph::default()
        },
        ids: BTreeMap::new(),
        errors: Vec::new(),
    };
    text.tensors.into_iter().for_each(|tensor| builder.tensor(tensor));
    text.inputs.into_iter().for_each(|io| builder.input(io));
    let nodes: Vec<(NodeText, Vec<TensorId>)> = text
        .nodes
        .into_iter()
        .map(|node| {
            let outputs = node.outputs.iter().map(|key| builder.declare(key)).collect();
            (node, outputs)
        })
        .collect();
    for (index, (node, outputs)) in nodes.into_iter().enumerate() {
        builder.node(index, node, outputs);
    }
    text.outputs.into_iter().for_each(|io| builder.output(io));
    let Builder { graph, mut errors, .. } = builder;
    if errors.is_empty() {
        errors = check::problems(&graph);
    }
    if errors.is_empty() { Ok(graph) } else { Err(errors) }
}

struct Builder {
    graph: Graph,
    ids: BTreeMap<String, TensorId>,
    errors: Vec<ImportError>,
}

impl Builder {
    fn error(&mut self, kind: ImportErrorKind, subject: Subject, found: String, expected: &str) {
        let help = "correct the text of the graph";
        self.errors.push(ImportError::new(kind, subject, found, expected, help));
    }

    fn tensor(&mut self, text: TensorText) {
        let key = text.id.clone().unwrap_or_else(|| text.name.clone());
        match tensor(text) {
            Ok(tensor) => {
                let id = self.graph.add_tensor(tensor);
                if key.is_empty() || self.ids.insert(key.clone(), id).is_some() {
                    let expected = "a name of its own, or an `id` if the name is not";
                    self.error(
                        ImportErrorKind::Wiring,
                        Subject::tensor(&key),
                        "a second tensor of this name, or none".into(),
                        expected,
                    );
                }
            }
            Err((kind, found, expected)) => self.error(kind, Subject::tensor(key), found, expected),
        }
    }

    /// The tensor of a key, which is there from now on.
    fn declare(&mut self, key: &str) -> TensorId {
        match self.ids.get(key) {
            Some(&id) => id,
            None => {
                if key.is_empty() {
                    let found = "an input or result without a name".to_owned();
                    self.error(ImportErrorKind::Wiring, Subject::Model, found, "a name");
                }
                let id = self.graph.add_tensor(Tensor::named(key));
                self.ids.insert(key.to_owned(), id);
                id
            }
        }
    }

    fn input(&mut self, io: IoText) {
        let is_new = !self.ids.contains_key(&io.tensor);
        let id = self.declare(&io.tensor);
        if is_new {
            let tensor = self.graph.tensor_mut(id);
            tensor.shape.clone_from(&io.shape);
            tensor.dtype = io.dtype;
        }
        let io = self.io(io, id);
        self.graph.inputs.push(io);
    }

    fn output(&mut self, io: IoText) {
        match self.ids.get(&io.tensor) {
            Some(&id) => {
                let io = self.io(io, id);
                self.graph.outputs.push(io);
            }
            None => {
                let found = format!("tensor `{}` that nothing produces", io.tensor);
                self.error(ImportErrorKind::Wiring, Subject::Model, found, "outputs of nodes");
            }
        }
    }

    fn io(&self, io: IoText, tensor: TensorId) -> GraphIo {
        GraphIo {
            name: io.name.unwrap_or_else(|| self.graph.tensor(tensor).name.clone()),
            tensor,
            shape: io.shape,
            dtype: io.dtype,
        }
    }

    fn node(&mut self, index: usize, node: NodeText, outputs: Vec<TensorId>) {
        let name = if node.name.is_empty() {
            format!("{}_{index}", node.op.name())
        } else {
            node.name
        };
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for key in &node.inputs {
            let id = self.ids.get(key).copied();
            if id.is_none() && !key.is_empty() {
                let found = format!("operand `{key}`, a tensor that is nowhere");
                let expected = "an input, the result of a node, or a constant among `tensors`";
                self.error(ImportErrorKind::Wiring, Subject::node(&name), found, expected);
            }
            inputs.push(id);
        }
        self.graph.add_node(Node {
            name,
            op: node.op,
            inputs,
            outputs,
        });
    }
}

type Refusal = (ImportErrorKind, String, &'static str);

fn tensor(text: TensorText) -> Result<Tensor, Refusal> {
    let shape = |data: &TensorData| text.shape.clone().unwrap_or_else(|| vec![data.len()]);
    let n_elements = match text.shape.as_deref().map(element_count) {
        Some(None) => {
            let found = format!("shape {:?}", text.shape);
            return Err((ImportErrorKind::Shape, found, "at most 2^28 elements"));
        }
        Some(n) => n,
        None => None,
    };
    let data = match (text.values, text.base64, text.noise) {
        (None, None, None) => None,
        (Some(values), None, None) => Some(match n_elements {
            Some(n) if values.len() == 1 && n > 1 => repeated(&values, n),
            _ => values,
        }),
        (None, Some(encoded), None) => Some(decoded(&encoded, text.dtype)?),
        (None, None, Some(noise)) => Some(random(noise, text.dtype, n_elements)?),
        _ => {
            let found = "two or more of `values`, `base64` and `noise`".to_owned();
            return Err((ImportErrorKind::Data, found, "one of them"));
        }
    };
    if let Some(data) = &data
        && (n_elements.is_some_and(|n| n != data.len()) || text.dtype.is_some_and(|dtype| dtype != data.dtype()))
    {
        let (n, dtype) = (data.len(), data.dtype());
        let found = format!("{n} elements of {dtype} for shape {:?} of {:?}", text.shape, text.dtype);
        let expected = "elements of the stated type, as many as the shape has, or one for all";
        return Err((ImportErrorKind::Data, found, expected));
    }
    Ok(Tensor {
        shape: data.as_ref().map(shape).or(text.shape),
        dtype: data.as_ref().map(TensorData::dtype).or(text.dtype),
        name: text.name,
        quantization: text.quantization.map(quantization).transpose()?,
        data,
        layout: text.layout,
    })
}

/// One element, so many times.
fn repeated(value: &TensorData, n: usize) -> TensorData {
    match value {
        TensorData::F32(values) => TensorData::F32(vec![values[0]; n]),
        TensorData::U8(values) => TensorData::U8(vec![values[0]; n]),
        TensorData::I8(values) => TensorData::I8(vec![values[0]; n]),
        TensorData::U16(values) => TensorData::U16(vec![values[0]; n]),
        TensorData::I16(values) => TensorData::I16(vec![values[0]; n]),
        TensorData::I32(values) => TensorData::I32(vec![values[0]; n]),
        TensorData::I64(values) => TensorData::I64(vec![values[0]; n]),
        TensorData::Bool(values) => TensorData::Bool(vec![values[0]; n]),
    }
}

fn decoded(encoded: &str, dtype: Option<DType>) -> Result<TensorData, Refusal> {
    let Some(dtype) = dtype else {
        let found = "`base64` without `dtype`".to_owned();
        return Err((ImportErrorKind::ElementType, found, "a type"));
    };
    let data = base64::decode(encoded).and_then(|bytes| TensorData::from_le_bytes(&bytes, dtype));
    data.ok_or_else(|| {
        let found = format!("a text that does not decode to elements of {dtype}");
        (ImportErrorKind::Data, found, "base64 of little-endian elements")
    })
}

/// Pseudorandom elements.
fn random(noise: NoiseText, dtype: Option<DType>, n: Option<usize>) -> Result<TensorData, Refusal> {
    let (Some(dtype), Some(n)) = (dtype, n) else {
        let found = "`noise` without `dtype` or `shape`".to_owned();
        return Err((ImportErrorKind::Data, found, "both"));
    };
    let largest = f64::from(noise.largest);
    let mut state = noise.seed;
    let mut unit = move || (splitmix64(&mut state) >> 11) as f64 / (1u64 << 53) as f64;
    let mut between = move |lo: f64| lo + (largest - lo) * unit();
    let data = match dtype {
        DType::F32 => Some(TensorData::F32((0..n).map(|_| between(-largest) as f32).collect())),
        _ => {
            let lo = if matches!(dtype, DType::U8 | DType::U16) {
                0.0
            } else {
                -largest
            };
            let integers: Vec<i32> = (0..n).map(|_| between(lo).round() as i32).collect();
            TensorData::from_i32(&integers, dtype)
        }
    };
    let is_usable = noise.largest.is_finite() && noise.largest >= 0.0;
    data.filter(|_| is_usable).ok_or_else(|| {
        let found = format!("noise up to {largest} of {dtype}");
        (
            ImportErrorKind::Data,
            found,
            "a finite limit, and f32 or an integer type of up to 32 bits",
        )
    })
}

fn quantization(text: QuantizationText) -> Result<Quantization, Refusal> {
    let zero_points = match text.zero_points.is_empty() {
        true => vec![0; text.scales.len()],
        false => text.zero_points,
    };
    let is_scale = |scale: &f32| scale.is_finite() && *scale > 0.0;
    let made = match (text.axis, text.scales.as_slice(), zero_points.as_slice()) {
        (None, &[scale], &[zero_point]) => Some(Quantization::per_tensor(scale, zero_point)),
        (None, ..) => None,
        (Some(axis), ..) => Quantization::per_axis(text.scales.clone(), zero_points.clone(), axis),
    };
    made.filter(|_| text.scales.iter().all(is_scale)).ok_or_else(|| {
        let found = format!(
            "scales {:?}, zero points {zero_points:?}, axis {:?}",
            text.scales, text.axis
        );
        let expected = "finite scales above zero, one, or several along an axis, and as many zero points";
        (ImportErrorKind::Attribute, found, expected)
    })
}

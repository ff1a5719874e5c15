//! From a graph to its text: one line per tensor and per node.

use super::{HEAD, IoText, NodeText, QuantizationText, RoundingText, TensorText, base64, options};
use crate::graph::{Graph, GraphIo, Node, Quantization, Tensor, TensorData, TensorId};
use ron::ser::PrettyConfig;
use serde::Serialize;
use std::collections::BTreeMap;
use systole_isa::operand::Rounding;

/// The most elements of a constant that are written as numbers.
const MOST_NUMBERS: usize = 64;

/// The text of a graph.
pub fn write(graph: &Graph) -> String {
    let keys = keys(graph);
    let rounding = match graph.rounding {
        Rounding::Float => RoundingText::Float,
        Rounding::Fixed => RoundingText::Fixed,
    };
    let mut text = format!("{HEAD}(\n");
    field(&mut text, "name", &graph.name);
    field(&mut text, "rounding", &rounding);
    field(&mut text, "channels_last", &graph.channels_last);
    list(
        &mut text,
        "inputs",
        graph.inputs.iter().map(|io| io_text(graph, io, &keys)),
    );
    let tensors = graph.tensors.iter().zip(&keys);
    list(
        &mut text,
        "tensors",
        tensors.map(|(tensor, key)| tensor_text(tensor, key)),
    );
    list(
        &mut text,
        "nodes",
        graph.nodes.iter().map(|node| node_text(node, &keys)),
    );
    list(
        &mut text,
        "outputs",
        graph.outputs.iter().map(|io| io_text(graph, io, &keys)),
    );
    text + ")\n"
}

fn item(value: &impl Serialize) -> String {
    let config = PrettyConfig::new().compact_arrays(true).compact_structs(true);
    options()
        .to_string_pretty(value, config)
        .expect("plain data of known types serializes")
}

fn field(text: &mut String, name: &str, value: &impl Serialize) {
    *text += &format!("    {name}: {},\n", item(value));
}

fn list<T: Serialize>(text: &mut String, name: &str, items: impl Iterator<Item = T>) {
    *text += &format!("    {name}: [\n");
    for value in items {
        *text += "        ";
        *text += &item(&value);
        *text += ",\n";
    }
    *text += "    ],\n";
}

/// What nodes call each tensor: its name, or if other tensors have that too, the name with its number.
fn keys(graph: &Graph) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for tensor in &graph.tensors {
        *counts.entry(&tensor.name).or_default() += 1;
    }
    let key = |(index, tensor): (usize, &Tensor)| {
        let mut key = tensor.name.clone();
        let is_taken = |key: &str| counts.get(key).is_some_and(|&n| n > usize::from(key == tensor.name));
        while key.is_empty() || is_taken(&key) {
            key += &format!("%{index}");
        }
        key
    };
    graph.tensors.iter().enumerate().map(key).collect()
}

fn io_text(graph: &Graph, io: &GraphIo, keys: &[String]) -> IoText {
    IoText {
        tensor: keys[io.tensor.index()].clone(),
        name: (io.name != graph.tensor(io.tensor).name).then(|| io.name.clone()),
        dtype: io.dtype,
        shape: io.shape.clone(),
    }
}

fn tensor_text(tensor: &Tensor, key: &str) -> TensorText {
    let mut text = TensorText {
        name: tensor.name.clone(),
        id: (key != tensor.name).then(|| key.to_owned()),
        dtype: tensor.dtype,
        shape: tensor.shape.clone(),
        quantization: tensor.quantization.as_ref().map(quantization_text),
        layout: tensor.layout,
        values: None,
        base64: None,
        noise: None,
    };
    match &tensor.data {
        Some(data) if data.len() > 1 && is_uniform(data) => text.values = Some(data.gather(&[0])),
        Some(data) if data.len() > MOST_NUMBERS => {
            let mut encoded = String::new();
            base64::encode(&data.to_le_bytes(), &mut encoded);
            text.base64 = Some(encoded);
        }
        data => text.values.clone_from(data),
    }
    text
}

/// Whether all elements have the same bits.
fn is_uniform(data: &TensorData) -> bool {
    fn all<T: PartialEq>(mut values: impl Iterator<Item = T>) -> bool {
        let first = values.next();
        values.all(|v| Some(&v) == first.as_ref())
    }
    match data {
        TensorData::F32(values) => all(values.iter().map(|v| v.to_bits())),
        TensorData::U8(values) => all(values.iter()),
        TensorData::I8(values) => all(values.iter()),
        TensorData::U16(values) => all(values.iter()),
        TensorData::I16(values) => all(values.iter()),
        TensorData::I32(values) => all(values.iter()),
        TensorData::I64(values) => all(values.iter()),
        TensorData::Bool(values) => all(values.iter()),
    }
}

fn quantization_text(quantization: &Quantization) -> QuantizationText {
    let zero_points = quantization.zero_points();
    let is_zero = zero_points.iter().all(|&point| point == 0);
    QuantizationText {
        scales: quantization.scales().to_vec(),
        zero_points: if is_zero { Vec::new() } else { zero_points.to_vec() },
        axis: quantization.axis(),
    }
}

fn node_text(node: &Node, keys: &[String]) -> NodeText {
    let key = |id: TensorId| keys[id.index()].clone();
    NodeText {
        name: node.name.clone(),
        op: node.op.clone(),
        inputs: node.inputs.iter().map(|id| id.map_or(String::new(), key)).collect(),
        outputs: node.outputs.iter().map(|&id| key(id)).collect(),
    }
}

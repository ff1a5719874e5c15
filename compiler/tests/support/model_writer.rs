//! Model files written by hand.
#![allow(dead_code, unreachable_pub, reason = "every user uses a part of this")]

use rten_onnx::onnx::{
    AttributeProto, DataType, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, TypeProtoTensor, ValueInfoProto,
};
use std::cell::RefCell;

/// Writes model files.
#[derive(Default)]
pub struct ModelWriter {
    graph: GraphProto,
}

impl ModelWriter {
    pub fn input(mut self, name: &str, dtype: DataType, shape: &[i64]) -> Self {
        self.graph.input.push(value_info(name, dtype, shape));
        self
    }

    pub fn output(mut self, name: &str) -> Self {
        self.graph.output.push(ValueInfoProto {
            name: Some(name.into()),
            r#type: None,
        });
        self
    }

    pub fn floats(self, name: &str, dims: &[i64], values: &[f32]) -> Self {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.raw(name, DataType::FLOAT, dims, raw)
    }

    pub fn bytes_i8(self, name: &str, dims: &[i64], values: &[i8]) -> Self {
        let raw = values.iter().map(|&v| v as u8).collect();
        self.raw(name, DataType::INT8, dims, raw)
    }

    pub fn bytes_u8(self, name: &str, dims: &[i64], values: &[u8]) -> Self {
        self.raw(name, DataType::UINT8, dims, values.to_vec())
    }

    pub fn ints_i32(self, name: &str, dims: &[i64], values: &[i32]) -> Self {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.raw(name, DataType::INT32, dims, raw)
    }

    pub fn raw(mut self, name: &str, dtype: DataType, dims: &[i64], raw: Vec<u8>) -> Self {
        self.graph.initializer.push(TensorProto {
            name: Some(name.into()),
            dims: dims.to_vec(),
            data_type: Some(dtype),
            raw_data: Some(RefCell::new(raw)),
            ..TensorProto::default()
        });
        self
    }

    pub fn node(self, op_type: &str, inputs: &[&str], output: &str) -> Self {
        self.node_with(op_type, inputs, output, vec![])
    }

    pub fn node_with(self, op_type: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> Self {
        self.node_with_outputs(op_type, inputs, &[output], attribute)
    }

    pub fn node_with_outputs(
        mut self,
        op_type: &str,
        inputs: &[&str],
        outputs: &[&str],
        attribute: Vec<AttributeProto>,
    ) -> Self {
        let (domain, op_type) = op_type.split_once(':').unwrap_or(("", op_type));
        self.graph.node.push(NodeProto {
            domain: Some(domain.into()),
            name: Some(format!("make_{}", outputs[0])),
            op_type: Some(op_type.into()),
            input: inputs.iter().map(|&s| s.into()).collect(),
            output: outputs.iter().map(|&s| s.into()).collect(),
            attribute,
        });
        self
    }

    pub fn bytes(self) -> Vec<u8> {
        self.bytes_of_opset(17)
    }

    /// The file, with a version of the standard operators.
    pub fn bytes_of_opset(self, version: i64) -> Vec<u8> {
        let version = OperatorSetIdProto {
            domain: Some(String::new()),
            version: Some(version),
        };
        let model = ModelProto {
            ir_version: Some(8),
            graph: Some(self.graph),
            opset_import: vec![version],
            ..ModelProto::default()
        };
        model.write_buf().expect("a message in memory has no writer that fails")
    }
}

fn value_info(name: &str, dtype: DataType, shape: &[i64]) -> ValueInfoProto {
    let dim = |&len: &i64| match len {
        -1 => Dimension {
            dim_value: None,
            dim_param: Some("N".into()),
        },
        len => Dimension {
            dim_value: Some(len),
            dim_param: None,
        },
    };
    let tensor_type = TypeProtoTensor {
        elem_type: Some(dtype),
        shape: Some(TensorShapeProto {
            dim: shape.iter().map(dim).collect(),
        }),
    };
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto {
            tensor_type: Some(tensor_type),
            sequence: None,
        }),
    }
}

pub fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        ints: values.to_vec(),
        ..AttributeProto::default()
    }
}

pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        i: Some(value),
        ..AttributeProto::default()
    }
}

pub fn string(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        s: Some(value.into()),
        ..AttributeProto::default()
    }
}

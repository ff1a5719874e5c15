//! A model as a file of the format. Numbers of fields, operators and options are those of its schema.

use super::{Kind, Layer, Model};
use crate::flat_writer::{Value, file};

const I8: i8 = 9;
const I32: i8 = 2;

impl Model {
    /// The bytes of the file.
    pub fn file(&self) -> Vec<u8> {
        // The first buffer is that of everything without data.
        let mut buffers = vec![Value::Table(vec![])];
        let mut tensors: Vec<Value> = Vec::new();
        for (index, activation) in self.activations.iter().enumerate() {
            let quantization = quantization(&[activation.scale], activation.zero_point, 0);
            tensors.push(tensor(
                &activation.shape,
                I8,
                0,
                &format!("t{index}"),
                Some(quantization),
            ));
        }
        let (mut codes, mut operators) = (Vec::new(), Vec::new());
        for (index, layer) in self.layers.iter().enumerate() {
            let mut inputs = vec![layer.x as i32];
            if layer.kind == Kind::Add {
                inputs.push(layer.other as i32);
            }
            if !layer.weights.is_empty() {
                let axis = if layer.kind == Kind::Depthwise { 3 } else { 0 };
                let q = quantization(&layer.weight_scales, 0, axis);
                buffers.push(buffer(layer.weights.iter().map(|&w| w as u8).collect()));
                let (at, name) = (buffers.len() - 1, format!("w{index}"));
                tensors.push(tensor(&layer.weight_shape, I8, at, &name, Some(q)));
                inputs.push(tensors.len() as i32 - 1);
                buffers.push(buffer(layer.bias.iter().flat_map(|b| b.to_le_bytes()).collect()));
                let (at, name) = (buffers.len() - 1, format!("b{index}"));
                tensors.push(tensor(&[layer.bias.len()], I32, at, &name, None));
                inputs.push(tensors.len() as i32 - 1);
            }
            let (number, options_number, options) = operator(layer);
            codes.push(Value::Table(vec![
                Some(Value::I8(number)),
                None,
                Some(Value::I32(1)),
                Some(Value::I32(number.into())),
            ]));
            operators.push(Value::table([
                Value::I32(index as i32),
                Value::I32s(inputs),
                Value::I32s(vec![layer.y as i32]),
                Value::I8(options_number),
                options,
            ]));
        }
        let last = self.activations.len() as i32 - 1;
        let graph = Value::table([
            Value::Tables(tensors),
            Value::I32s(vec![0]),
            Value::I32s(vec![last]),
            Value::Tables(operators),
            Value::text("main"),
        ]);
        let root = Value::table([
            Value::I32(3),
            Value::Tables(codes),
            Value::Tables(vec![graph]),
            Value::text("random"),
            Value::Tables(buffers),
        ]);
        file(&root, *b"TFL3")
    }
}

fn buffer(bytes: Vec<u8>) -> Value {
    Value::table([Value::Bytes(bytes)])
}

fn quantization(scales: &[f32], zero_point: i32, axis: i32) -> Value {
    Value::Table(vec![
        None,
        None,
        Some(Value::F32s(scales.to_vec())),
        Some(Value::I64s(vec![zero_point.into(); scales.len()])),
        None,
        None,
        Some(Value::I32(axis)),
    ])
}

fn tensor(shape: &[usize], type_number: i8, buffer: usize, name: &str, quantization: Option<Value>) -> Value {
    Value::Table(vec![
        Some(Value::I32s(shape.iter().map(|&length| length as i32).collect())),
        Some(Value::I8(type_number)),
        Some(Value::I32(buffer as i32)),
        Some(Value::text(name)),
        quantization,
    ])
}

/// Number of the operator, number of its options, and these.
fn operator(layer: &Layer) -> (i8, i8, Value) {
    let padding = Value::I8(if layer.is_same { 0 } else { 1 });
    let pair = |[vertical, horizontal]: [usize; 2]| [Value::I32(horizontal as i32), Value::I32(vertical as i32)];
    let [stride_w, stride_h] = pair(layer.strides);
    let [filter_w, filter_h] = pair(layer.kernel);
    let [dilation_w, dilation_h] = pair(layer.dilations);
    let function = Value::I8(layer.function);
    match layer.kind {
        Kind::Conv => {
            let options = [padding, stride_w, stride_h, function, dilation_w, dilation_h];
            (3, 1, Value::table(options))
        }
        Kind::Depthwise => {
            let multiplier = Value::I32(layer.multiplier as i32);
            let options = [
                padding, stride_w, stride_h, multiplier, function, dilation_w, dilation_h,
            ];
            (4, 2, Value::table(options))
        }
        Kind::AveragePool | Kind::MaxPool => {
            let number = if layer.kind == Kind::MaxPool { 17 } else { 1 };
            let options = [padding, stride_w, stride_h, filter_w, filter_h, function];
            (number, 5, Value::table(options))
        }
        Kind::Dense => (9, 8, Value::table([function])),
        Kind::Add => (0, 11, Value::table([function])),
        Kind::Softmax => (25, 9, Value::table([Value::F32(1.0)])),
    }
}

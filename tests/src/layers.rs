//! Single convolutions as quantized graphs, for measuring what code generation makes of them.

use systole_compiler::gemm::splitmix64;
use systole_compiler::graph::{Pads, Window};
use systole_compiler::quantized::{
    ClipRange, DType, IoTensor, QConv, QNode, QOp, QTensor, QuantizedGraph, TensorData, TensorId,
};
use systole_isa::numerics::Scale;
use systole_isa::operand::Rounding;

/// A convolution of square images.
#[derive(Clone, Copy, Debug)]
pub struct ConvShape {
    /// Images.
    pub images: usize,
    /// Height and width of an image.
    pub side: usize,
    /// Input channels.
    pub ci: usize,
    /// Output channels.
    pub co: usize,
    /// Height and width of the window.
    pub kernel: usize,
    /// Steps between windows.
    pub stride: usize,
    /// Padding on every side.
    pub pad: usize,
}

impl ConvShape {
    /// Height and width of the result.
    pub fn side_out(&self) -> usize {
        (self.side + 2 * self.pad - self.kernel) / self.stride + 1
    }

    /// Multiply-accumulates.
    pub fn macs(&self) -> u64 {
        let pixels = self.images * self.side_out() * self.side_out();
        (pixels * self.kernel * self.kernel * self.ci * self.co) as u64
    }

    /// The layer with pseudo-random int8 weights and biases.
    pub fn graph(&self) -> QuantizedGraph {
        let mut seed = 0x5EED_u64;
        let k = self.kernel * self.kernel * self.ci;
        let weights: Vec<i8> = (0..k * self.co).map(|_| splitmix64(&mut seed) as i8).collect();
        let bias: Vec<i32> = (0..self.co)
            .map(|_| (splitmix64(&mut seed) % 2000) as i32 - 1000)
            .collect();
        let scale = 1.0 / (74.0 * (k as f32).sqrt());
        let x = vec![self.images, self.side, self.side, self.ci];
        let y = vec![self.images, self.side_out(), self.side_out(), self.co];
        let tensor = |name: &str, shape: &[usize], dtype, quantization, data| QTensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            dtype,
            quantization,
            data,
        };
        let io = |name: &str, id: u32, shape: &[usize], scale: f32| IoTensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            dtype: DType::I8,
            tensor: TensorId(id),
            integer_dtype: DType::I8,
            scale,
            zero_point: 3,
            view_shape: shape.to_vec(),
            permutation: (0..4).collect(),
        };
        let conv = QConv {
            groups: 1,
            input: TensorId(0),
            weights: TensorId(1),
            bias: TensorId(2),
            output: TensorId(3),
            window: Window {
                kernel: [self.kernel; 2],
                strides: [self.stride; 2],
                dilations: [1, 1],
                pads: Pads {
                    top: self.pad,
                    left: self.pad,
                    bottom: self.pad,
                    right: self.pad,
                },
            },
            input_zero_point: 3,
            weight_zero_points: vec![0; self.co],
            scales: vec![Scale::from_real(scale); self.co],
            output_zero_point: 3,
            clip: ClipRange { lo: -128, hi: 127 },
        };
        QuantizedGraph {
            name: "conv".to_owned(),
            rounding: Rounding::Float,
            tensors: vec![
                tensor("x", &x, DType::I8, Some((1.0, 3)), None),
                tensor(
                    "w",
                    &[k, self.co],
                    DType::I8,
                    Some((1.0, 0)),
                    Some(TensorData::I8(weights)),
                ),
                tensor("bias", &[self.co], DType::I32, None, Some(TensorData::I32(bias))),
                tensor("y", &y, DType::I8, Some((1.0 / scale, 3)), None),
            ],
            nodes: vec![QNode {
                name: "conv".to_owned(),
                op: QOp::Conv(conv),
            }],
            inputs: vec![io("x", 0, &x, 1.0)],
            outputs: vec![io("y", 3, &y, 1.0 / scale)],
        }
    }
}

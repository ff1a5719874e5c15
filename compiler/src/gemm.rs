//! One matrix product as a quantized graph, for measuring machines.

use crate::graph::{ClipRange, DType, TensorData, TensorId};
use crate::quantized::{IoTensor, QDense, QNode, QOp, QTensor, QuantizedGraph};

/// The graph of `[m, k] x [k, n]` in int8 with requantization. Weights are a fixed pseudo-random sequence; the scale brings typical
/// sums into the range of the output.
pub fn gemm(m: usize, k: usize, n: usize) -> QuantizedGraph {
    let mut seed = 0x5EED_u64;
    let weights: Vec<i8> = (0..k * n).map(|_| splitmix64(&mut seed) as i8).collect();
    let scale = 1.0 / (74.0 * (k as f32).sqrt());
    let tensor = |name: &str, shape: [usize; 2], quantization, data| QTensor {
        name: name.to_owned(),
        shape: shape.to_vec(),
        dtype: DType::I8,
        quantization,
        data,
    };
    let bias = QTensor {
        name: "bias".to_owned(),
        shape: vec![n],
        dtype: DType::I32,
        quantization: None,
        data: Some(TensorData::I32(vec![0; n])),
    };
    let io = |name: &str, id: u32, shape: [usize; 2], scale: f32| IoTensor {
        name: name.to_owned(),
        shape: shape.to_vec(),
        dtype: DType::I8,
        tensor: TensorId(id),
        integer_dtype: DType::I8,
        scale,
        zero_point: 0,
        view_shape: shape.to_vec(),
        permutation: vec![0, 1],
    };
    let product = QDense {
        input: TensorId(0),
        weights: TensorId(1),
        bias: TensorId(2),
        output: TensorId(3),
        m,
        k,
        n,
        input_zero_point: 0,
        weight_zero_points: vec![0; n],
        scales: vec![scale; n],
        output_zero_point: 0,
        clip: ClipRange { lo: -128, hi: 127 },
    };
    QuantizedGraph {
        name: format!("gemm {m}x{k}x{n}"),
        tensors: vec![
            tensor("a", [m, k], Some((1.0, 0)), None),
            tensor("b", [k, n], Some((1.0, 0)), Some(TensorData::I8(weights))),
            bias,
            tensor("c", [m, n], Some((1.0 / scale, 0)), None),
        ],
        nodes: vec![QNode {
            name: "gemm".to_owned(),
            op: QOp::Dense(product),
        }],
        inputs: vec![io("a", 0, [m, k], 1.0)],
        outputs: vec![io("c", 3, [m, n], 1.0 / scale)],
    }
}

/// The splitmix64 generator: the same numbers on every host.
pub fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

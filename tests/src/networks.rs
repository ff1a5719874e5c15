//! Convolutional networks as quantized graphs, built from their layer tables: for measuring code generation without a model file, and, small, for
//! comparing it with the integer reference.

use systole_compiler::gemm::splitmix64;
use systole_compiler::graph::{Pads, Window};
use systole_compiler::quantized::{
    ClipRange, DType, IoTensor, QAdd, QConv, QDense, QMaxPool, QNode, QOp, QTensor, QView, QuantizedGraph, TensorData,
    TensorId,
};
use systole_isa::numerics::{AddParameters, Scale};
use systole_isa::operand::Rounding;

/// Values of the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// All the same: for time alone.
    Constant,
    /// Pseudo-random.
    Seeded(u64),
}

/// A network under construction. Activations are int8 with zero point 3.
pub struct Net {
    graph: QuantizedGraph,
    weights: Weights,
}

const ZERO_POINT: i32 = 3;

impl Net {
    /// A network whose input is images x height x width x channels.
    pub fn new(name: &str, image: [usize; 4], weights: Weights) -> (Self, TensorId) {
        let graph = QuantizedGraph {
            name: name.to_owned(),
            rounding: Rounding::Float,
            tensors: Vec::new(),
            nodes: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        };
        let mut net = Self { graph, weights };
        let x = net.activation(&image);
        let input = net.io("image", x);
        net.graph.inputs.push(input);
        (net, x)
    }

    /// The finished graph, with `y` as its output.
    pub fn finish(mut self, y: TensorId) -> QuantizedGraph {
        let output = self.io("result", y);
        self.graph.outputs.push(output);
        self.graph
    }

    /// Lengths of the axes of a tensor.
    pub fn shape(&self, x: TensorId) -> &[usize] {
        &self.graph.tensor(x).shape
    }

    fn image(&self, x: TensorId) -> [usize; 4] {
        let shape = self.shape(x);
        [shape[0], shape[1], shape[2], shape[3]]
    }

    /// A convolution with a ReLU if `relu`. `kernel` and `pads` are vertical, horizontal.
    pub fn conv_of(
        &mut self,
        x: TensorId,
        co: usize,
        kernel: [usize; 2],
        stride: usize,
        pads: [usize; 2],
        relu: bool,
    ) -> TensorId {
        let [n, h, w, ci] = self.image(x);
        let window = window(kernel, stride, pads);
        let [oh, ow] = window.output([h, w], false).expect("the window fits the image");
        let (weights, bias, scale) = self.parameters(kernel[0] * kernel[1] * ci, co);
        let output = self.activation(&[n, oh, ow, co]);
        let op = QConv {
            groups: 1,
            input: x,
            weights,
            bias,
            output,
            window,
            input_zero_point: ZERO_POINT,
            weight_zero_points: vec![0; co],
            scales: vec![Scale::from_real(scale); co],
            output_zero_point: ZERO_POINT,
            clip: clip(relu),
        };
        self.node("conv", QOp::Conv(op));
        output
    }

    /// A square convolution with a ReLU.
    pub fn conv(&mut self, x: TensorId, co: usize, kernel: usize, stride: usize, pad: usize) -> TensorId {
        self.conv_of(x, co, [kernel; 2], stride, [pad; 2], true)
    }

    /// A fully connected layer on one row per image.
    pub fn dense(&mut self, x: TensorId, n: usize, relu: bool) -> TensorId {
        let m = self.shape(x)[0];
        let k = self.shape(x)[1..].iter().product();
        let x = if self.shape(x).len() > 2 {
            let output = self.activation(&[m, k]);
            self.node("flatten", QOp::View(QView { input: x, output }));
            output
        } else {
            x
        };
        let (weights, bias, scale) = self.parameters(k, n);
        let output = self.activation(&[m, n]);
        let op = QDense {
            input: x,
            weights,
            bias,
            output,
            m,
            k,
            n,
            input_zero_point: ZERO_POINT,
            weight_zero_points: vec![0; n],
            scales: vec![Scale::from_real(scale); n],
            output_zero_point: ZERO_POINT,
            clip: clip(relu),
        };
        self.node("dense", QOp::Dense(op));
        output
    }

    /// Maximum pooling; with `ceil`, a last window may reach beyond the image.
    pub fn max_pool(&mut self, x: TensorId, kernel: usize, stride: usize, pad: usize, ceil: bool) -> TensorId {
        let [n, h, w, c] = self.image(x);
        let window = window([kernel; 2], stride, [pad; 2]);
        let [oh, ow] = window.output([h, w], ceil).expect("the window fits the image");
        let output = self.activation(&[n, oh, ow, c]);
        let op = QMaxPool {
            input: x,
            output,
            window,
        };
        self.node("max_pool", QOp::MaxPool(op));
        output
    }

    /// A sum, with a ReLU if `relu`.
    pub fn add(&mut self, a: TensorId, b: TensorId, relu: bool) -> TensorId {
        let shape = self.shape(a).to_vec();
        let output = self.activation(&shape);
        let op = QAdd {
            a,
            b,
            output,
            zero_points: [ZERO_POINT; 2],
            parameters: AddParameters::Float([1.0, 1.0, 1.4]),
            output_zero_point: ZERO_POINT,
            clip: clip(relu),
        };
        self.node("add", QOp::Add(op));
        output
    }

    fn node(&mut self, kind: &str, op: QOp) {
        let name = format!("{kind}_{}", self.graph.nodes.len());
        self.graph.nodes.push(QNode { name, op });
    }

    fn tensor(&mut self, name: String, shape: &[usize], dtype: DType, data: Option<TensorData>) -> TensorId {
        let id = TensorId(self.graph.tensors.len() as u32);
        self.graph.tensors.push(QTensor {
            name,
            shape: shape.to_vec(),
            dtype,
            quantization: None,
            data,
        });
        id
    }

    fn activation(&mut self, shape: &[usize]) -> TensorId {
        let name = format!("t{}", self.graph.tensors.len());
        let id = self.tensor(name, shape, DType::I8, None);
        self.graph.tensors[id.index()].quantization = Some((1.0, ZERO_POINT));
        id
    }

    /// Weights `k` x `n`, biases, and the scale that keeps results within int8.
    fn parameters(&mut self, k: usize, n: usize) -> (TensorId, TensorId, f32) {
        let i = self.graph.nodes.len() as u64;
        let (weights, biases) = match self.weights {
            Weights::Constant => (vec![1; k * n], vec![0; n]),
            Weights::Seeded(seed) => {
                let mut state = seed.wrapping_mul(0x9E37_79B9).wrapping_add(i);
                let weights = (0..k * n).map(|_| splitmix64(&mut state) as i8).collect();
                let bias = |_| (splitmix64(&mut state) % 2000) as i32 - 1000;
                (weights, (0..n).map(bias).collect())
            }
        };
        let (w, b) = (format!("w{i}"), format!("b{i}"));
        let weights = self.tensor(w, &[k, n], DType::I8, Some(TensorData::I8(weights)));
        let biases = self.tensor(b, &[n], DType::I32, Some(TensorData::I32(biases)));
        (weights, biases, 1.0 / (74.0 * (k as f32).sqrt()))
    }

    fn io(&self, name: &str, tensor: TensorId) -> IoTensor {
        let shape = self.shape(tensor).to_vec();
        IoTensor {
            name: name.to_owned(),
            dtype: DType::I8,
            tensor,
            integer_dtype: DType::I8,
            scale: 1.0,
            zero_point: ZERO_POINT,
            view_shape: shape.clone(),
            permutation: (0..shape.len()).collect(),
            shape,
        }
    }
}

fn window(kernel: [usize; 2], stride: usize, pads: [usize; 2]) -> Window {
    Window {
        kernel,
        strides: [stride; 2],
        dilations: [1, 1],
        pads: Pads {
            top: pads[0],
            left: pads[1],
            bottom: pads[0],
            right: pads[1],
        },
    }
}

fn clip(relu: bool) -> ClipRange {
    ClipRange {
        lo: if relu { ZERO_POINT } else { -128 },
        hi: 127,
    }
}

/// AlexNet.
pub fn alexnet(images: usize, weights: Weights) -> QuantizedGraph {
    let (mut n, x) = Net::new("alexnet", [images, 224, 224, 3], weights);
    let x = n.conv(x, 64, 11, 4, 2);
    let x = n.max_pool(x, 3, 2, 0, false);
    let x = n.conv(x, 192, 5, 1, 2);
    let mut x = n.max_pool(x, 3, 2, 0, false);
    for co in [384, 256, 256] {
        x = n.conv(x, co, 3, 1, 1);
    }
    x = n.max_pool(x, 3, 2, 0, false);
    x = n.dense(x, 4096, true);
    x = n.dense(x, 4096, true);
    x = n.dense(x, 1000, false);
    n.finish(x)
}

/// VGG-16.
pub fn vgg16(images: usize, weights: Weights) -> QuantizedGraph {
    let (mut n, mut x) = Net::new("vgg16", [images, 224, 224, 3], weights);
    for (co, repeats) in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)] {
        for _ in 0..repeats {
            x = n.conv(x, co, 3, 1, 1);
        }
        x = n.max_pool(x, 2, 2, 0, false);
    }
    x = n.dense(x, 4096, true);
    x = n.dense(x, 4096, true);
    x = n.dense(x, 1000, false);
    n.finish(x)
}

/// ResNet-50 with a maximum in place of the global average, which takes the vector unit as long.
pub fn resnet50(images: usize, weights: Weights) -> QuantizedGraph {
    let (mut n, x) = Net::new("resnet50", [images, 224, 224, 3], weights);
    let x = n.conv(x, 64, 7, 2, 3);
    let mut x = n.max_pool(x, 3, 2, 1, false);
    for (stage, (c, repeats)) in [(64, 3), (128, 4), (256, 6), (512, 3)].into_iter().enumerate() {
        for i in 0..repeats {
            let stride = if i == 0 && stage > 0 { 2 } else { 1 };
            x = bottleneck(&mut n, x, c, stride, i == 0);
        }
    }
    x = n.max_pool(x, 7, 1, 0, false);
    x = n.dense(x, 1000, false);
    n.finish(x)
}

/// A residual block of three convolutions; with `projects`, the way around them has one as well.
pub fn bottleneck(n: &mut Net, x: TensorId, c: usize, stride: usize, projects: bool) -> TensorId {
    let y = n.conv(x, c, 1, 1, 0);
    let y = n.conv(y, c, 3, stride, 1);
    let y = n.conv_of(y, 4 * c, [1, 1], 1, [0, 0], false);
    let around = if projects {
        n.conv_of(x, 4 * c, [1, 1], stride, [0, 0], false)
    } else {
        x
    };
    n.add(y, around, true)
}

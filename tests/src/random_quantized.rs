//! Small quantized graphs from a list of choices: every integer operator, both ways of rounding, odd shapes.
//!
//! A [`Recipe`] is plain numbers, so that property tests can shrink it. Whatever the numbers are, the graph is well-formed: a choice that does
//! not fit the tensor at hand is bent until it does.

mod boxes;
mod rows;
mod windows;

use systole_compiler::gemm::splitmix64;
use systole_compiler::quantized::{
    ClipRange, DType, IoTensor, QNode, QOp, QTensor, QView, QuantizedGraph, TensorData, TensorId, fixed_scale,
};
use systole_isa::numerics::Scale;
use systole_isa::operand::Rounding;

/// A graph in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Images, height, width and channels of the input.
    pub input: [usize; 4],
    /// Whether activations are signed.
    pub signed: bool,
    /// Whether it rounds as TensorFlow Lite does.
    pub fixed: bool,
    /// Where weights and parameters come from.
    pub seed: u64,
    /// Operators, each on the result of the one before.
    pub steps: Vec<Step>,
}

/// An operator, and the numbers that say how it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which operator.
    pub kind: Kind,
    /// Output channels, lengths, counts.
    pub size: usize,
    /// Which of the tensors so far is the other operand or part, counted back.
    pub other: usize,
    /// Height and width of the window, less one.
    pub kernel: [usize; 2],
    /// Steps of the window, less one.
    pub strides: [usize; 2],
    /// Distance of the window's elements, less one.
    pub dilations: [usize; 2],
    /// Padding: top, left, bottom, right.
    pub pads: [usize; 4],
    /// A choice within the operator.
    pub variant: usize,
}

/// The operators.
#[allow(missing_docs, reason = "they are named as the operators are")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Conv,
    Grouped,
    Depthwise,
    Dense,
    MaxPool,
    AvgPool,
    Add,
    Mul,
    Requant,
    Lut,
    Prelu,
    Softmax,
    LayerNorm,
    Concat,
    Split,
    Transpose,
    Pad,
    Resize,
    View,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Conv,
        Self::Grouped,
        Self::Depthwise,
        Self::Dense,
        Self::MaxPool,
        Self::AvgPool,
        Self::Add,
        Self::Mul,
        Self::Requant,
        Self::Lut,
        Self::Prelu,
        Self::Softmax,
        Self::LayerNorm,
        Self::Concat,
        Self::Split,
        Self::Transpose,
        Self::Pad,
        Self::Resize,
        Self::View,
    ];
}

/// Tensors are not allowed to grow beyond this.
const MAX_ELEMENTS: usize = 20_000;

/// The graph of a recipe.
pub fn graph(recipe: &Recipe) -> QuantizedGraph {
    let mut builder = Builder::new(recipe);
    for step in &recipe.steps {
        builder.step(step);
    }
    builder.finish()
}

/// Pseudo-random input elements for a graph.
pub fn inputs(graph: &QuantizedGraph, mut seed: u64) -> Vec<Vec<i32>> {
    let of = |io: &IoTensor| {
        let (lo, hi) = io.integer_dtype.range().expect("activations are integers of 8 bits");
        let span = (hi - lo + 1) as u64;
        (0..io.len())
            .map(|_| lo + (splitmix64(&mut seed) % span) as i32)
            .collect()
    };
    graph.inputs.iter().map(of).collect()
}

/// A graph under construction.
struct Builder {
    rounding: Rounding,
    dtype: DType,
    seed: u64,
    tensors: Vec<QTensor>,
    nodes: Vec<QNode>,
    /// Activations so far, the input first.
    activations: Vec<TensorId>,
}

impl Builder {
    fn new(recipe: &Recipe) -> Self {
        let mut builder = Self {
            rounding: if recipe.fixed { Rounding::Fixed } else { Rounding::Float },
            dtype: if recipe.signed { DType::I8 } else { DType::U8 },
            seed: recipe.seed,
            tensors: vec![],
            nodes: vec![],
            activations: vec![],
        };
        builder.activation(&recipe.input);
        builder
    }

    fn finish(self) -> QuantizedGraph {
        let read: Vec<TensorId> = self.nodes.iter().flat_map(|node| node.op.activations()).collect();
        let unread = self.activations[1..].iter().filter(|id| !read.contains(id));
        let last = *self.activations.last().expect("the input is there");
        let outputs: Vec<IoTensor> = unread.map(|&id| self.io(id)).collect();
        let outputs = if outputs.is_empty() {
            vec![self.io(last)]
        } else {
            outputs
        };
        QuantizedGraph {
            name: "random".to_owned(),
            rounding: self.rounding,
            inputs: vec![self.io(self.activations[0])],
            outputs,
            tensors: self.tensors,
            nodes: self.nodes,
        }
    }

    fn io(&self, id: TensorId) -> IoTensor {
        let tensor = &self.tensors[id.index()];
        IoTensor {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            dtype: tensor.dtype,
            tensor: id,
            integer_dtype: tensor.dtype,
            scale: 1.0,
            zero_point: 0,
            view_shape: tensor.shape.clone(),
            permutation: (0..tensor.shape.len()).collect(),
        }
    }

    fn random(&mut self) -> u64 {
        splitmix64(&mut self.seed)
    }

    /// A number in `lo..=hi`.
    fn between(&mut self, lo: i32, hi: i32) -> i32 {
        lo + (self.random() % (hi - lo + 1) as u64) as i32
    }

    fn range(&self) -> (i32, i32) {
        self.dtype.range().expect("activations are integers of 8 bits")
    }

    /// A zero point of an activation.
    fn zero_point(&mut self) -> i32 {
        let (lo, hi) = self.range();
        self.between(lo, hi)
    }

    /// Limits of results, now and then narrower than the type.
    fn clip(&mut self) -> ClipRange {
        let (lo, hi) = self.range();
        match self.random() % 3 {
            0 => ClipRange {
                lo: lo + 60,
                hi: hi - 30,
            },
            _ => ClipRange { lo, hi },
        }
    }

    /// A real number near `real` as a scale of the graph's rounding.
    fn scale(&mut self, real: f64) -> Scale {
        let real = real * (0.5 + (self.random() % 1000) as f64 / 1000.0);
        match self.rounding {
            Rounding::Float => Scale::from_real(real as f32),
            Rounding::Fixed => fixed_scale(real),
        }
    }

    fn tensor(&mut self, name: String, shape: &[usize], dtype: DType, data: Option<TensorData>) -> TensorId {
        let id = TensorId(self.tensors.len() as u32);
        self.tensors.push(QTensor {
            name,
            shape: shape.to_vec(),
            dtype,
            quantization: None,
            data,
        });
        id
    }

    fn activation(&mut self, shape: &[usize]) -> TensorId {
        let id = self.tensor(format!("t{}", self.tensors.len()), shape, self.dtype, None);
        self.activations.push(id);
        id
    }

    /// A constant of the activations' type.
    fn constant(&mut self, shape: &[usize]) -> TensorId {
        let n = shape.iter().product::<usize>();
        let (lo, hi) = self.range();
        let values: Vec<i32> = (0..n).map(|_| self.between(lo, hi)).collect();
        let data = match self.dtype {
            DType::U8 => TensorData::U8(values.iter().map(|&v| v as u8).collect()),
            _ => TensorData::I8(values.iter().map(|&v| v as i8).collect()),
        };
        self.tensor(format!("c{}", self.tensors.len()), shape, self.dtype, Some(data))
    }

    fn i32s(&mut self, values: Vec<i32>) -> TensorId {
        let shape = [values.len()];
        self.tensor(
            format!("b{}", self.tensors.len()),
            &shape,
            DType::I32,
            Some(TensorData::I32(values)),
        )
    }

    fn shape(&self, id: TensorId) -> [usize; 4] {
        self.tensors[id.index()].shape[..]
            .try_into()
            .expect("activations have four axes")
    }

    /// The result of the last step.
    fn present(&self) -> TensorId {
        *self.activations.last().expect("the input is there")
    }

    /// An activation counted back from the present one, around the end.
    fn other(&self, back: usize) -> TensorId {
        let n = self.activations.len();
        self.activations[n - 1 - back % n]
    }

    fn node(&mut self, op: QOp) {
        let name = format!("n{}", self.nodes.len());
        self.nodes.push(QNode { name, op });
    }

    fn step(&mut self, step: &Step) {
        let input = self.present();
        match step.kind {
            Kind::Conv => self.conv(input, step, 1),
            Kind::Grouped => self.grouped(input, step),
            Kind::Depthwise => self.depthwise(input, step),
            Kind::Dense => self.dense(input, step),
            Kind::MaxPool => self.max_pool(input, step),
            Kind::AvgPool => self.avg_pool(input, step),
            Kind::Add => self.add(input, step),
            Kind::Mul => self.mul(input, step),
            Kind::Requant => self.requant(input),
            Kind::Lut => self.lut(input),
            Kind::Prelu => self.prelu(input),
            Kind::Softmax => self.softmax(input),
            Kind::LayerNorm => self.layer_norm(input),
            Kind::Concat => self.concat(input, step),
            Kind::Split => self.split(input, step),
            Kind::Transpose => self.transpose(input, step),
            Kind::Pad => self.pad(input, step),
            Kind::Resize => self.resize(input, step),
            Kind::View => self.view(input, step),
        }
    }

    fn view(&mut self, input: TensorId, step: &Step) {
        let [n, h, w, c] = self.shape(input);
        let shapes = [
            [n, 1, h * w, c],
            [1, n * h, w, c],
            [n, h, 1, w * c],
            [1, 1, 1, n * h * w * c],
        ];
        let output = self.activation(&shapes[step.variant % shapes.len()]);
        self.node(QOp::View(QView { input, output }));
    }
}

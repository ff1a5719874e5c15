//! One plain loop nest per operator, by families. Accumulators cannot overflow: the graph proved it when it was built.

mod elementwise;
mod movement;
mod pooling;
mod product;
mod rows;

use crate::quantized::{QOp, QuantizedGraph, TensorId, Window};

/// What a kernel reads: the graph, and the elements that all its tensors have by now.
#[derive(Clone, Copy)]
struct Context<'a> {
    graph: &'a QuantizedGraph,
    tensors: &'a [Vec<i32>],
}

impl<'a> Context<'a> {
    fn elements(self, id: TensorId) -> &'a [i32] {
        &self.tensors[id.index()]
    }

    fn shape(self, id: TensorId) -> &'a [usize] {
        &self.graph.tensor(id).shape
    }

    /// Batch, height, width and channels.
    fn image(self, id: TensorId) -> [usize; 4] {
        match self.shape(id)[..] {
            [n, h, w, c] => [n, h, w, c],
            _ => unreachable!("the verifier lets only images of 4 axes into windowed operators"),
        }
    }
}

/// The elements of the result of an operator.
pub(super) fn run(graph: &QuantizedGraph, op: &QOp, tensors: &[Vec<i32>]) -> Vec<i32> {
    let context = Context { graph, tensors };
    match op {
        QOp::Conv(op) => product::conv(context, op),
        QOp::Dense(op) => product::dense(context, op),
        QOp::MaxPool(op) => pooling::maximum(context, op),
        QOp::AvgPool(op) => pooling::average(context, op),
        QOp::Add(op) => elementwise::add(context, op),
        QOp::Mul(op) => elementwise::mul(context, op),
        QOp::Requant(op) => elementwise::requant(context, op),
        QOp::Lut(op) => elementwise::lut(context, op),
        QOp::Prelu(op) => elementwise::prelu(context, op),
        QOp::Softmax(op) => rows::softmax(context, op),
        QOp::LayerNorm(op) => rows::layer_norm(context, op),
        QOp::Move(op) => movement::rearrange(context, op),
        QOp::View(op) => context.elements(op.input).to_vec(),
    }
}

/// All pixels of a batch of images, in memory order.
fn pixels(n: usize, height: usize, width: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..n).flat_map(move |b| (0..height).flat_map(move |y| (0..width).map(move |x| (b, y, x))))
}

/// The taps of the window around pixel `(oy, ox)` that lie inside the image: their number and the pixel that each falls on.
fn taps(window: &Window, image: [usize; 2], at: [usize; 2]) -> impl Iterator<Item = (usize, [usize; 2])> {
    let Window {
        kernel,
        strides,
        dilations,
        pads,
    } = *window;
    let position = move |axis: usize, k: usize| {
        let before = [pads.top, pads.left][axis];
        let padded = at[axis] * strides[axis] + k * dilations[axis];
        padded.checked_sub(before).filter(|&i| i < image[axis])
    };
    (0..kernel[0]).flat_map(move |ky| {
        (0..kernel[1]).filter_map(move |kx| Some((ky * kernel[1] + kx, [position(0, ky)?, position(1, kx)?])))
    })
}

//! What each step of a recipe adds.

use super::{Builder, Step};
use systole_compiler::graph::{
    CoordinateTransform, NearestRounding, Op, Padding, Pads, ResizeMode, TensorData, TensorId, Unary, WindowAttributes,
};

macro_rules! kinds {
    ($($kind:ident => $operator:literal),* $(,)?) => {
        /// The operator of a step.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the names are those of ONNX")]
        pub enum Kind {
            $($kind),*
        }

        impl Kind {
            /// All of them, the simplest first.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The operators that the kinds stand for.
            pub fn operators() -> impl Iterator<Item = &'static str> {
                [$($operator),*].into_iter()
            }
        }
    };
}

kinds! {
    Relu => "Relu", Clip => "Clip", Unary => "Tanh", Swish => "Sigmoid", Scale => "Mul", Shift => "Add", Square => "Pow",
    Add => "Add", Sub => "Sub", Mul => "Mul", Bias => "Add", Gain => "Mul", Divide => "Div", PRelu => "PRelu",
    Conv => "Conv", Depthwise => "Conv", Grouped => "Conv", BatchNorm => "BatchNormalization", MaxPool => "MaxPool",
    AveragePool => "AveragePool", GlobalAverage => "GlobalAveragePool", Gemm => "Gemm", MatMul => "MatMul",
    Softmax => "Softmax", LayerNorm => "LayerNormalization", Lrn => "LRN", Concat => "Concat", ConcatNew => "Concat",
    Split => "Split", Slice => "Slice", Pad => "Pad", Transpose => "Transpose", Resize => "Resize", Flatten => "Flatten",
    Reshape => "Reshape",
}

const FUNCTIONS: [Unary; 13] = [
    Unary::Tanh,
    Unary::Sigmoid,
    Unary::LeakyRelu { alpha: 0.1 },
    Unary::HardSwish,
    Unary::HardSigmoid { alpha: 0.2, beta: 0.5 },
    Unary::Silu,
    Unary::Gelu { approximate: false },
    Unary::Gelu { approximate: true },
    Unary::Elu { alpha: 1.0 },
    Unary::Softplus,
    Unary::Erf,
    Unary::Abs,
    Unary::Neg,
];

impl Builder {
    /// Adds the operators of a step, if they fit.
    pub(super) fn step(&mut self, step: Step) {
        let newest = self.values.len() - 1;
        let x = self.values[newest - usize::from(step.operand) % (newest + 1)];
        // Whether it fitted does not matter: a step that does not is left out.
        let _added = self.try_step(step, x);
    }

    fn try_step(&mut self, step: Step, x: TensorId) -> Option<TensorId> {
        let shape = self.shape(x);
        let [a, b, ..] = step.choices.map(usize::from);
        match step.kind {
            Kind::Relu => self.unary(Op::Relu, x),
            Kind::Clip => {
                let (min, max) = [
                    (Some(-1.0), None),
                    (None, Some(1.5)),
                    (Some(0.0), Some(6.0)),
                    (Some(-0.5), Some(0.7)),
                ][a % 4];
                self.unary(Op::Clip { min, max }, x)
            }
            Kind::Unary => self.unary(Op::Unary(FUNCTIONS[a % FUNCTIONS.len()]), x),
            Kind::Swish => {
                let gate = self.unary(Op::Unary(Unary::Sigmoid), x)?;
                self.push(Op::Mul, &[Some(x), Some(gate)], 1)
            }
            Kind::Scale => self.with_constant(Op::Mul, x, vec![], (0.4, 1.6)),
            Kind::Shift => self.with_constant(Op::Add, x, vec![1], (-1.0, 1.0)),
            Kind::Square => {
                let two = self.constant(vec![], TensorData::F32(vec![2.0]));
                self.push(Op::Pow, &[Some(x), Some(two)], 1)
            }
            Kind::Add => self.with_other(Op::Add, x, b),
            Kind::Sub => self.with_other(Op::Sub, x, b),
            Kind::Mul => self.with_other(Op::Mul, x, b),
            Kind::Bias => self.with_constant(Op::Add, x, per_channel(&shape), (-1.0, 1.0)),
            Kind::Gain => self.with_constant(Op::Mul, x, per_channel(&shape), (0.3, 1.5)),
            Kind::Divide => self.with_constant(Op::Div, x, vec![], (0.5, 2.0)),
            Kind::PRelu => {
                let n_slopes = if a % 3 == 0 { vec![1] } else { per_channel(&shape) };
                let slopes = self.between(n_slopes, -0.2, 0.6);
                self.push(Op::PRelu, &[Some(x), Some(slopes)], 1)
            }
            Kind::Conv | Kind::Depthwise | Kind::Grouped => self.conv(step, x, &shape),
            Kind::BatchNorm => self.batch_norm(x, &shape),
            Kind::MaxPool | Kind::AveragePool | Kind::GlobalAverage => self.pool(step, x),
            Kind::Gemm => self.gemm(step, x, &shape),
            Kind::MatMul => {
                let k = *shape.last()?;
                let w = self.weights(vec![k, 1 + a % 9], 1.0 / (k as f32).sqrt());
                self.push(Op::MatMul, &[Some(x), Some(w)], 1)
            }
            Kind::Softmax => {
                let coerce_to_matrix = b % 4 == 0;
                let axis = signed_axis(a, b, shape.len());
                self.unary(Op::Softmax { axis, coerce_to_matrix }, x)
            }
            Kind::LayerNorm => {
                // A row of one or two elements has hardly a deviation to divide by.
                let k = *shape.last().filter(|&&k| k >= 4)?;
                let (scale, shift) = (self.between(vec![k], 0.5, 1.5), self.between(vec![k], -0.5, 0.5));
                let op = Op::LayerNormalization {
                    axis: -1,
                    epsilon: 1e-2,
                };
                let shift = (a % 3 > 0).then_some(shift);
                self.push(op, &[Some(x), Some(scale), shift], 1)
            }
            Kind::Lrn => {
                let (alpha, beta, bias) = (0.2, 0.75, 1.0);
                let size = 1 + a % 5;
                let is_image = shape.len() == 4;
                is_image.then_some(())?;
                self.unary(
                    Op::Lrn {
                        alpha,
                        beta,
                        bias,
                        size,
                    },
                    x,
                )
            }
            _ => self.movement(step, x, &shape),
        }
    }

    fn movement(&mut self, step: Step, x: TensorId, shape: &[usize]) -> Option<TensorId> {
        let [a, b, c, d] = step.choices.map(usize::from);
        let rank = shape.len();
        let axis = signed_axis(a, b, rank);
        let length = shape[a % rank];
        match step.kind {
            Kind::Concat => {
                let other = self.of_shape(x, b)?;
                self.push(Op::Concat { axis }, &[Some(x), Some(other)], 1)
            }
            Kind::ConcatNew => {
                let constant = self.weights(shape.to_vec(), 0.5);
                self.push(Op::Concat { axis }, &[Some(x), Some(constant), Some(x)], 1)
            }
            Kind::Split => {
                let first = 1 + c % length.max(2);
                let sizes = (d % 2 == 0).then(|| vec![first, length.saturating_sub(first)]);
                self.push(Op::Split { axis, sizes }, &[Some(x)], 2)
            }
            Kind::Slice => {
                let step_size = [1, 2, -1][d % 3];
                let (start, end) = if step_size > 0 {
                    (c % length, length)
                } else {
                    (length - 1, 0)
                };
                let end = if step_size > 0 {
                    end as i64
                } else {
                    -(length as i64) - 1
                };
                let (starts, ends) = (self.integers(vec![start as i64]), self.integers(vec![end]));
                let (axes, steps) = (self.integers(vec![axis]), self.integers(vec![step_size]));
                self.push(
                    Op::Slice,
                    &[Some(x), Some(starts), Some(ends), Some(axes), Some(steps)],
                    1,
                )
            }
            Kind::Pad => {
                let amounts: Vec<i64> = (0..2 * rank)
                    .map(|i| i64::from((a >> (i % 8)) & 1 == 1 && i % rank > 0))
                    .collect();
                let pads = self.integers(amounts);
                let value = (b % 2 == 0).then(|| self.constant(vec![], TensorData::F32(vec![0.25])));
                self.push(Op::Pad, &[Some(x), Some(pads), value], 1)
            }
            Kind::Transpose => {
                let mut axes: Vec<usize> = (0..rank).collect();
                for (i, choice) in [a, b, c].into_iter().enumerate().take(rank.saturating_sub(1)) {
                    let j = i + choice % (rank - i);
                    axes.swap(i, j);
                }
                let permutation = (d % 5 > 0).then_some(axes);
                self.unary(Op::Transpose { permutation }, x)
            }
            Kind::Resize => {
                let scales = [1.0, 1.0, [1.0, 2.0, 3.0][a % 3], [1.0, 2.0, 0.5][b % 3]];
                let scales = self.constant(vec![4], TensorData::F32(scales.to_vec()));
                let transform = [CoordinateTransform::Asymmetric, CoordinateTransform::HalfPixel][c % 2];
                let rounding = [NearestRounding::Floor, NearestRounding::RoundPreferFloor][d % 2];
                let mode = ResizeMode { transform, rounding };
                (rank == 4).then_some(())?;
                self.push(Op::Resize { mode }, &[Some(x), None, Some(scales)], 1)
            }
            Kind::Flatten => self.unary(
                Op::Flatten {
                    axis: (a % (rank + 1)) as i64,
                },
                x,
            ),
            Kind::Reshape => {
                let first = shape.first().copied().unwrap_or(1) as i64;
                let target = match a % 3 {
                    0 => vec![first, -1],
                    1 => vec![first, 1, -1],
                    _ => vec![first, shape.get(1).copied().unwrap_or(1) as i64, 1, -1],
                };
                let target = self.integers(target);
                self.push(Op::Reshape { allow_zero: false }, &[Some(x), Some(target)], 1)
            }
            _ => None,
        }
    }

    /// With a constant of the given shape and of numbers in an interval.
    fn with_constant(&mut self, op: Op, x: TensorId, shape: Vec<usize>, (lo, hi): (f32, f32)) -> Option<TensorId> {
        let constant = self.between(shape, lo, hi);
        self.push(op, &[Some(x), Some(constant)], 1)
    }

    /// With another tensor of the same shape.
    fn with_other(&mut self, op: Op, x: TensorId, choice: usize) -> Option<TensorId> {
        let other = self.of_shape(x, choice)?;
        self.push(op, &[Some(x), Some(other)], 1)
    }

    fn of_shape(&self, x: TensorId, choice: usize) -> Option<TensorId> {
        let shape = self.shape(x);
        let others: Vec<TensorId> = self
            .values
            .iter()
            .copied()
            .filter(|&id| self.shape(id) == shape)
            .collect();
        others.get(choice % others.len().max(1)).copied()
    }

    fn conv(&mut self, step: Step, x: TensorId, shape: &[usize]) -> Option<TensorId> {
        let &[_, channels, height, width] = shape else {
            return None;
        };
        let [a, b, c, d] = step.choices.map(usize::from);
        let (group, outputs) = match step.kind {
            Kind::Depthwise => (channels, channels * (1 + d % 2)),
            Kind::Grouped if channels.is_multiple_of(2) => (2, 2 * (1 + d % 4)),
            _ => (1, 1 + d % 8),
        };
        let kernel = [1 + a % 3, 1 + (a / 3) % 3];
        let window = window(kernel, [b, c], [height, width]);
        let k = channels / group * kernel[0] * kernel[1];
        let w = self.weights(
            vec![outputs, channels / group, kernel[0], kernel[1]],
            1.0 / (k as f32).sqrt(),
        );
        let bias = self.between(vec![outputs], -0.5, 0.5);
        let bias = (b % 3 > 0).then_some(bias);
        self.push(Op::Conv { window, group }, &[Some(x), Some(w), bias], 1)
    }

    fn batch_norm(&mut self, x: TensorId, shape: &[usize]) -> Option<TensorId> {
        let channels = vec![*shape.get(1)?];
        let scale = self.between(channels.clone(), 0.5, 1.5);
        let shift = self.between(channels.clone(), -0.5, 0.5);
        let mean = self.between(channels.clone(), -0.3, 0.3);
        let variance = self.between(channels, 0.5, 2.0);
        let operands = [x, scale, shift, mean, variance].map(Some);
        self.push(Op::BatchNormalization { epsilon: 1e-5 }, &operands, 1)
    }

    fn pool(&mut self, step: Step, x: TensorId) -> Option<TensorId> {
        let &[_, _, height, width] = self.shape(x).as_slice() else {
            return None;
        };
        let [a, b, c, d] = step.choices.map(usize::from);
        let kernel = [1 + a % 3, 1 + (a / 3) % 3];
        let mut window = window(kernel, [b, c], [height, width]);
        window.ceil_mode = d % 3 == 0;
        let count_include_pad = c % 2 == 0;
        let op = match step.kind {
            Kind::MaxPool => Op::MaxPool { window },
            Kind::AveragePool => {
                // Windows of an average are dense.
                window.dilations = [1, 1];
                Op::AveragePool {
                    window,
                    count_include_pad,
                }
            }
            _ => Op::GlobalAveragePool,
        };
        self.unary(op, x)
    }

    fn gemm(&mut self, step: Step, x: TensorId, shape: &[usize]) -> Option<TensorId> {
        let &[rows, columns] = shape else { return None };
        let [a, b, c, d] = step.choices.map(usize::from);
        let (trans_a, trans_b) = (c % 4 == 0, c % 2 == 0);
        let k = if trans_a { rows } else { columns };
        let n = 1 + a % 12;
        let deviation = 1.0 / (k as f32).sqrt();
        let w = self.weights(if trans_b { vec![n, k] } else { vec![k, n] }, deviation);
        let bias = self.between(vec![n], -0.5, 0.5);
        let bias = (b % 3 > 0).then_some(bias);
        let (alpha, beta) = [(1.0, 1.0), (0.5, 1.0), (1.5, 2.0)][d % 3];
        let op = Op::Gemm {
            trans_a,
            trans_b,
            alpha,
            beta,
        };
        self.push(op, &[Some(x), Some(w), bias], 1)
    }
}

/// One value per index along axis 1, or along the only axis.
fn per_channel(shape: &[usize]) -> Vec<usize> {
    match shape {
        [_, channels, rest @ ..] => std::iter::once(*channels).chain(rest.iter().map(|_| 1)).collect(),
        _ => vec![1],
    }
}

/// An axis, counted from the end or from the beginning.
fn signed_axis(choice: usize, sign: usize, rank: usize) -> i64 {
    let axis = (choice % rank.max(1)) as i64;
    if sign.is_multiple_of(2) {
        axis
    } else {
        axis - rank as i64
    }
}

/// A window with strides, dilations and padding that a byte each choose. Windows lie at least partly inside the image.
fn window(kernel: [usize; 2], [a, b]: [usize; 2], image: [usize; 2]) -> WindowAttributes {
    let pad = |choice: usize, axis: usize| choice % kernel[axis].min(2).min(image[axis]);
    let padding = match a % 5 {
        0 => Padding::SameUpper,
        1 => Padding::SameLower,
        _ => Padding::Explicit(Pads {
            top: pad(a / 5, 0),
            left: pad(a / 10, 1),
            bottom: pad(a / 20, 0),
            right: pad(a / 40, 1),
        }),
    };
    WindowAttributes {
        kernel: Some(kernel),
        strides: [1 + b % 2, 1 + b / 2 % 3],
        dilations: if b % 7 == 0 { [2, 1] } else { [1, 1] },
        padding,
        ceil_mode: false,
    }
}

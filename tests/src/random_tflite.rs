//! Random TensorFlow Lite models of 8-bit integers: as a file, and executed by plain loops after the definitions of the format's reference kernels.
//!
//! Nothing here is shared with the compiler but the file.

mod file;
mod kernels;

use crate::random_graphs::Random;
use proptest::prelude::*;

/// What a layer is. Windows are vertical, horizontal.
#[allow(missing_docs, reason = "they are named as the operators are")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Conv,
    Depthwise,
    Dense,
    AveragePool,
    MaxPool,
    Add,
    Softmax,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Conv,
        Self::Depthwise,
        Self::Dense,
        Self::AveragePool,
        Self::MaxPool,
        Self::Add,
        Self::Softmax,
    ];
}

/// How a model is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Height, width and channels of the input.
    pub input: [usize; 3],
    /// Layers, with numbers that choose among what is possible.
    pub steps: Vec<(Kind, [u8; 6])>,
    /// Of constants and inputs.
    pub seed: u64,
}

/// Recipes of at most `max_steps` steps.
pub fn recipes(max_steps: usize) -> impl Strategy<Value = Recipe> {
    let step = (proptest::sample::select(&Kind::ALL[..]), any::<[u8; 6]>());
    let steps = proptest::collection::vec(step, 1..=max_steps);
    let input = (1usize..=12, 1usize..=12, 1usize..=9).prop_map(|(h, w, c)| [h, w, c]);
    (input, steps, any::<u64>()).prop_map(|(input, steps, seed)| Recipe { input, steps, seed })
}

/// An activation.
#[derive(Clone, Debug)]
struct Activation {
    shape: Vec<usize>,
    scale: f32,
    zero_point: i32,
}

/// A layer with everything that its operator needs; what it has no use for is left at zero.
#[derive(Clone, Debug)]
struct Layer {
    kind: Kind,
    x: usize,
    other: usize,
    y: usize,
    kernel: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
    is_same: bool,
    /// 0 nothing, 1 ReLU, 3 ReLU6, as in the format.
    function: i8,
    /// Of a depthwise convolution.
    multiplier: usize,
    /// In the format's own order.
    weight_shape: Vec<usize>,
    weights: Vec<i8>,
    weight_scales: Vec<f32>,
    bias: Vec<i32>,
}

/// A model.
#[derive(Clone, Debug)]
pub struct Model {
    activations: Vec<Activation>,
    layers: Vec<Layer>,
    seed: u64,
}

impl Model {
    /// The model of a recipe. Steps that do not fit are left out; a softmax is the last layer.
    pub fn new(recipe: &Recipe) -> Self {
        let mut random = Random::new(recipe.seed);
        let [h, w, c] = recipe.input;
        let input = Activation {
            shape: vec![1, h, w, c],
            scale: 0.01 + 0.05 * random.unit(),
            zero_point: between(&mut random, -20, 20),
        };
        let mut model = Self {
            activations: vec![input],
            layers: Vec::new(),
            seed: recipe.seed,
        };
        for (kind, choices) in &recipe.steps {
            let is_over = model.layers.last().is_some_and(|layer| layer.kind == Kind::Softmax);
            if !is_over {
                model.step(*kind, choices.map(usize::from), &mut random);
            }
        }
        if model.layers.is_empty() {
            model.step(Kind::Dense, [3; 6], &mut random);
        }
        model
    }

    /// The operators of the layers.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.layers.iter().map(|layer| layer.kind)
    }

    /// Integers for the input: the same for the same number.
    pub fn input_values(&self, number: u64) -> Vec<i32> {
        let mut random = Random::new(self.seed.rotate_left(9) ^ number);
        let n = self.activations[0].shape.iter().product();
        (0..n).map(|_| between(&mut random, -128, 127)).collect()
    }

    fn step(&mut self, kind: Kind, choices: [usize; 6], random: &mut Random) {
        let x = self.activations.len() - 1;
        let shape = self.activations[x].shape.clone();
        let is_window = !matches!(kind, Kind::Dense | Kind::Add | Kind::Softmax);
        if is_window && shape.len() != 4 || kind == Kind::Softmax && shape.len() != 2 {
            return;
        }
        let [a, b, c, d, e, f] = choices;
        let mut layer = Layer {
            kind,
            x,
            other: a % (x + 1),
            y: x + 1,
            kernel: [a % 3 + 1, b % 3 + 1],
            strides: [c % 2 + 1, c / 2 % 3 + 1],
            dilations: [1, 1],
            is_same: d % 2 == 0,
            function: [0, 1, 3][e % 3],
            multiplier: 1,
            weight_shape: Vec::new(),
            weights: Vec::new(),
            weight_scales: Vec::new(),
            bias: Vec::new(),
        };
        if matches!(kind, Kind::Conv | Kind::Depthwise) && d / 2 % 3 == 0 {
            (layer.dilations, layer.strides) = ([2, 1], [1, 1]);
        }
        if layer.other != x && self.activations[layer.other].shape != shape {
            layer.other = x;
        }
        let Some(y) = self.shape_of(&mut layer, &shape, f) else {
            return;
        };
        let n_columns = *y.last().unwrap_or(&1);
        let activation = self.with_constants(&mut layer, y, n_columns, e / 3 % 2 == 0, random);
        self.layers.push(layer);
        self.activations.push(activation);
    }

    /// The shape of the result; fills in that of the weights. `None` if the window does not fit.
    fn shape_of(&self, layer: &mut Layer, x: &[usize], size: usize) -> Option<Vec<usize>> {
        if !matches!(
            layer.kind,
            Kind::Conv | Kind::Depthwise | Kind::AveragePool | Kind::MaxPool
        ) {
            if layer.kind != Kind::Dense {
                return Some(x.to_vec());
            }
            let (rows, k) = if x.len() == 4 {
                (1, x.iter().product())
            } else {
                (x[0], x[1])
            };
            layer.weight_shape = vec![size % 12 + 1, k];
            return Some(vec![rows, size % 12 + 1]);
        }
        let mut y = vec![1];
        for axis in 0..2 {
            let span = (layer.kernel[axis] - 1) * layer.dilations[axis] + 1;
            let length = x[1 + axis];
            y.push(match layer.is_same {
                true => length.div_ceil(layer.strides[axis]),
                false => length.checked_sub(span)? / layer.strides[axis] + 1,
            });
        }
        let [kh, kw] = layer.kernel;
        match layer.kind {
            Kind::Conv => {
                layer.weight_shape = vec![size % 20 + 1, kh, kw, x[3]];
                y.push(size % 20 + 1);
            }
            Kind::Depthwise => {
                layer.multiplier = size % 2 + 1;
                layer.weight_shape = vec![1, kh, kw, x[3] * layer.multiplier];
                y.push(x[3] * layer.multiplier);
            }
            _ => y.push(x[3]),
        }
        Some(y)
    }

    /// Fills in the constants, and chooses the scale of the result such that it is neither flat nor clipped away.
    fn with_constants(
        &self,
        layer: &mut Layer,
        shape: Vec<usize>,
        n: usize,
        is_per_channel: bool,
        random: &mut Random,
    ) -> Activation {
        let x = &self.activations[layer.x];
        let zero_point = between(random, -30, 30);
        let scale = match layer.kind {
            Kind::Softmax => {
                return Activation {
                    shape,
                    scale: 1.0 / 256.0,
                    zero_point: -128,
                };
            }
            Kind::AveragePool | Kind::MaxPool => return Activation { shape, ..x.clone() },
            Kind::Add => {
                let other = &self.activations[layer.other];
                (x.scale + other.scale) * (0.5 + 0.5 * random.unit())
            }
            Kind::Conv | Kind::Depthwise | Kind::Dense => {
                let n_weights: usize = layer.weight_shape.iter().product();
                let k = n_weights / n;
                layer.weights = (0..n_weights).map(|_| between(random, -127, 127) as i8).collect();
                let n_scales = if is_per_channel && layer.kind != Kind::Dense {
                    n
                } else {
                    1
                };
                layer.weight_scales = (0..n_scales).map(|_| 0.002 + 0.004 * random.unit()).collect();
                layer.bias = (0..n).map(|_| between(random, -5000, 5000)).collect();
                // Uniform bytes deviate by about 74 from their mean.
                x.scale * 0.004 * 74.0 * 74.0 * (k as f32).sqrt() / 40.0 * (0.7 + 0.7 * random.unit())
            }
        };
        Activation {
            shape,
            scale,
            zero_point,
        }
    }
}

/// Uniform from `lo` to `hi`.
fn between(random: &mut Random, lo: i32, hi: i32) -> i32 {
    lo + (random.bits() % (hi - lo + 1) as u64) as i32
}

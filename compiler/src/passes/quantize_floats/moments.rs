//! Estimated ranges without running the model: mean and variance of every channel, carried from operator to operator.
//!
//! Elements count as independent and normally distributed, inputs as standard normal. Sums of products add means and variances weighted by the weights
//! and their squares, which costs one pass over the weights instead of one over the pixels as well; functions of single elements are integrated over
//! equally likely values. The ranges are rough where activations are strongly correlated, and a warning says where they come from.

use crate::graph::{Graph, Node, Op, TensorData, TensorId};
use crate::passes::pointwise::{pointwise_value, uniform};
use crate::passes::support::shape_of;
use crate::post_training::Range;
use std::collections::BTreeMap;

/// Standard deviations to either side of a channel's mean that its range holds; beyond lies 1 of 16,000 values.
const DEVIATIONS: f32 = 4.0;
/// Means and deviations beyond are cut: networks of equal positive weights grow without bound, and their scales have to stay numbers.
const LARGEST: f32 = 1e9;
/// The value below which a standard normal variable lies with probability `(i + 1/2) / 16`, for the upper half of 16 equally likely intervals.
const QUANTILES: [f32; 8] = [0.0784, 0.2372, 0.4023, 0.5791, 0.7764, 1.0100, 1.3180, 1.8627];

/// Distribution of the elements of a tensor: one entry for all of them, or one per index along axis 1.
#[derive(Clone, Debug)]
struct Moments {
    mean: Vec<f32>,
    variance: Vec<f32>,
    /// What no element exceeds.
    bounds: Range,
}

impl Moments {
    fn uniform(mean: f32, variance: f32) -> Self {
        Self {
            mean: vec![mean],
            variance: vec![variance],
            bounds: Range {
                lo: f32::NEG_INFINITY,
                hi: f32::INFINITY,
            },
        }
    }

    fn of_constant(graph: &Graph, id: TensorId, rank: usize) -> Self {
        let values = graph.tensor(id).data.as_ref().and_then(TensorData::as_f32);
        let shape = shape_of(graph, id);
        let values = values.unwrap_or(&[0.0]);
        let runs_along_channels = {
            let offset = rank.saturating_sub(shape.len());
            rank >= 2 && (0..shape.len()).all(|axis| axis + offset == 1 || shape[axis] == 1)
        };
        let all = Self {
            mean: values.to_vec(),
            variance: vec![0.0; values.len()],
            bounds: Range::of(values),
        };
        if runs_along_channels { all } else { all.mixed() }
    }

    /// The channel of an index.
    fn at(&self, channel: usize) -> (f32, f32) {
        let index = if self.mean.len() == 1 { 0 } else { channel };
        let get = |values: &[f32]| values.get(index).copied().unwrap_or(0.0);
        (get(&self.mean), get(&self.variance))
    }

    /// All channels as one distribution.
    fn mixed(&self) -> Self {
        let n = self.mean.len().max(1) as f32;
        let mean = self.mean.iter().sum::<f32>() / n;
        let within = self.variance.iter().sum::<f32>() / n;
        let between = self.mean.iter().map(|m| (m - mean) * (m - mean)).sum::<f32>() / n;
        Self {
            bounds: self.bounds,
            ..Self::uniform(mean, within + between)
        }
    }

    fn cut(mut self) -> Self {
        let finite = |v: f32| if v.is_nan() { 0.0 } else { v };
        self.mean
            .iter_mut()
            .for_each(|m| *m = finite(*m).clamp(-LARGEST, LARGEST));
        self.variance
            .iter_mut()
            .for_each(|v| *v = finite(*v).clamp(0.0, LARGEST * LARGEST));
        self
    }

    fn range(&self) -> Range {
        let mut range = Range::EMPTY;
        for (mean, variance) in self.mean.iter().zip(&self.variance) {
            let reach = DEVIATIONS * variance.max(0.0).sqrt();
            range = range.union(Range {
                lo: mean - reach,
                hi: mean + reach,
            });
        }
        Range {
            lo: range.lo.clamp(self.bounds.lo, self.bounds.hi),
            hi: range.hi.clamp(self.bounds.lo, self.bounds.hi),
        }
    }

    /// Of a function of pairs of elements, integrated over equally likely values of both, the second shuffled against the first.
    fn of_function(operands: &[&Self], function: impl Fn(&[f32]) -> f32) -> Self {
        let n = operands.iter().map(|m| m.mean.len()).max().unwrap_or(1);
        let (mut mean, mut variance, mut bounds) = (Vec::with_capacity(n), Vec::with_capacity(n), Range::EMPTY);
        for channel in 0..n {
            let mut values = [0.0f32; 16];
            for (i, value) in values.iter_mut().enumerate() {
                let point = |(operand, moments): (usize, &&Self)| {
                    // Multiplication by an odd number permutes the 16 values.
                    let i = if operand == 0 { i } else { (i * 7 + 3) % 16 };
                    let quantile = if i < 8 { -QUANTILES[7 - i] } else { QUANTILES[i - 8] };
                    let (mean, variance) = moments.at(channel);
                    (mean + quantile * variance.max(0.0).sqrt()).clamp(moments.bounds.lo, moments.bounds.hi)
                };
                let points: Vec<f32> = operands.iter().enumerate().map(point).collect();
                let result = function(&points);
                *value = if result.is_finite() { result } else { 0.0 };
            }
            let m = values.iter().sum::<f32>() / 16.0;
            mean.push(m);
            variance.push(values.iter().map(|v| (v - m) * (v - m)).sum::<f32>() / 16.0);
            bounds = bounds.union(Range::of(&values));
        }
        // The largest of 16 values is not the largest of all.
        let slack = (bounds.hi - bounds.lo).max(0.0);
        Self {
            mean,
            variance,
            bounds: Range {
                lo: bounds.lo - slack,
                hi: bounds.hi + slack,
            },
        }
    }
}

/// Estimated ranges of all activations.
pub(super) fn estimate(graph: &Graph) -> BTreeMap<TensorId, Range> {
    let mut known: BTreeMap<TensorId, Moments> = BTreeMap::new();
    for io in &graph.inputs {
        known.insert(io.tensor, Moments::uniform(0.0, 1.0));
    }
    for node in &graph.nodes {
        let moments = propagate(graph, &known, node).cut();
        for &y in &node.outputs {
            known.insert(y, moments.clone());
        }
    }
    known.into_iter().map(|(id, moments)| (id, moments.range())).collect()
}

fn propagate(graph: &Graph, known: &BTreeMap<TensorId, Moments>, node: &Node) -> Moments {
    let y = node.outputs[0];
    let rank = shape_of(graph, y).len();
    let of = |position: usize| {
        let id = node.input(position)?;
        match known.get(&id) {
            Some(moments) => Some(moments.clone()),
            None => graph
                .tensor(id)
                .data
                .as_ref()
                .map(|_| Moments::of_constant(graph, id, rank)),
        }
    };
    let Some(x) = of(0) else {
        return Moments::uniform(0.0, 1.0);
    };
    match &node.op {
        Op::Conv { group, .. } => products(graph, node, &x, *group, false),
        Op::Gemm { trans_b, .. } => products(graph, node, &x.mixed(), 1, !trans_b),
        Op::MatMul => products(graph, node, &x.mixed(), 1, true).mixed(),
        Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Pow if rank > 0 => {
            let Some(b) = of(1) else { return x };
            combined(graph, node, &x, &b)
        }
        Op::Relu | Op::Unary(_) | Op::Clip { .. } => {
            let bounds = pointwise_bounds(&node.op);
            let mut moments = Moments::of_function(&[&x], |values| pointwise_value(&node.op, values));
            moments.bounds.lo = moments.bounds.lo.max(bounds.lo);
            moments.bounds.hi = moments.bounds.hi.min(bounds.hi);
            moments
        }
        Op::MaxPool { window } => pooled(&x, window.kernel, true),
        Op::AveragePool { window, .. } => pooled(&x, window.kernel, false),
        Op::Softmax { .. } => Moments {
            bounds: Range { lo: 0.0, hi: 1.0 },
            ..Moments::uniform(0.0, 0.25)
        },
        Op::LayerNormalization { .. } => {
            let scale = of(1).map_or(1.0, |m| m.mixed().range().span() as f32);
            let shift = of(2).map_or(0.0, |m| m.mixed().mean[0]);
            Moments::uniform(shift, (scale * scale).max(1.0))
        }
        Op::Concat { axis } => concatenated(graph, known, node, *axis),
        op if keeps_channels(graph, op, node) => x,
        _ => x.mixed(),
    }
}

/// What a function's values cannot exceed, whatever its argument.
fn pointwise_bounds(op: &Op) -> Range {
    let (lo, hi) = match *op {
        Op::Relu => (0.0, f32::INFINITY),
        Op::Clip { min, max } => (min.unwrap_or(f32::NEG_INFINITY), max.unwrap_or(f32::INFINITY)),
        _ => (f32::NEG_INFINITY, f32::INFINITY),
    };
    Range { lo, hi }
}

/// Whether the elements of index `i` along axis 1 are those of index `i` along axis 1 of the operand.
fn keeps_channels(graph: &Graph, op: &Op, node: &Node) -> bool {
    let shape = |id: Option<TensorId>| id.map_or(Vec::new(), |id| shape_of(graph, id));
    let (from, to) = (shape(node.input(0)), shape(node.outputs.first().copied()));
    let is_same_length = from.len() >= 2 && to.len() >= 2 && from[..2] == to[..2];
    match op {
        Op::View => is_same_length,
        Op::Pad | Op::Resize { .. } | Op::PRelu => is_same_length,
        _ => false,
    }
}

/// Sums of products with constant weights `[n, ..]`, or `[.., n]` if the columns come last.
fn products(graph: &Graph, node: &Node, x: &Moments, group: usize, columns_last: bool) -> Moments {
    let weights = node.input(1).map(|id| (id, graph.tensor(id).data.as_ref()));
    let Some((id, Some(TensorData::F32(weights)))) = weights else {
        return Moments::uniform(0.0, 1.0);
    };
    let shape = shape_of(graph, id);
    let n = if columns_last { shape.last() } else { shape.first() };
    let n = n.copied().unwrap_or(1).max(1);
    let k = weights.len() / n;
    let bias = node.input(2).and_then(|id| graph.tensor(id).data.as_ref()?.as_f32());
    let bias_of = |j: usize| bias.map_or(0.0, |bias| bias.get(j).or(bias.first()).copied().unwrap_or(0.0));
    let (mut mean, mut variance) = (vec![0.0f32; n], vec![0.0f32; n]);
    if columns_last {
        let (m, v) = x.at(0);
        for row in weights.chunks_exact(n) {
            for ((mean, variance), &w) in mean.iter_mut().zip(&mut variance).zip(row) {
                *mean += w * m;
                *variance += w * w * v;
            }
        }
    } else {
        // Weights of one channel of the operand lie side by side, as many as the window has elements.
        let n_channels = shape.get(1).copied().unwrap_or(k).max(1);
        let window = (k / n_channels).max(1);
        let per_group = (n / group.max(1)).max(1);
        for (j, row) in weights.chunks_exact(k.max(1)).enumerate() {
            let first = j / per_group * n_channels;
            for (c, taps) in row.chunks_exact(window).enumerate() {
                let (m, v) = x.at(first + c);
                mean[j] += m * taps.iter().sum::<f32>();
                variance[j] += v * taps.iter().map(|w| w * w).sum::<f32>();
            }
        }
    }
    mean.iter_mut().enumerate().for_each(|(j, mean)| *mean += bias_of(j));
    Moments {
        mean,
        variance,
        ..Moments::uniform(0.0, 0.0)
    }
}

fn combined(graph: &Graph, node: &Node, a: &Moments, b: &Moments) -> Moments {
    let is_one_tensor = node.input(0) == node.input(1);
    let constant = node.input(1).and_then(|id| uniform(graph, id));
    let apply = |values: &[f32]| pointwise_value(&node.op, values);
    match constant {
        Some(constant) => Moments::of_function(&[a], |values| apply(&[values[0], constant])),
        None if is_one_tensor => Moments::of_function(&[a], |values| apply(&[values[0], values[0]])),
        None => Moments::of_function(&[a, b], apply),
    }
}

/// Of `k` independent normal values the largest lies about `0.7 sqrt(2 ln k)` deviations above their mean; neighbours are not independent, so that
/// averages vary more than theory says.
fn pooled(x: &Moments, kernel: Option<[usize; 2]>, is_max: bool) -> Moments {
    let k = kernel.map_or(1, |[h, w]| h * w).max(1) as f32;
    let mut pooled = x.clone();
    for (mean, variance) in pooled.mean.iter_mut().zip(&mut pooled.variance) {
        if is_max {
            *mean += 0.7 * (2.0 * k.ln()).sqrt() * variance.max(0.0).sqrt();
            *variance *= if k > 1.0 { 0.5 } else { 1.0 };
        } else {
            *variance /= k.sqrt();
        }
    }
    pooled
}

fn concatenated(graph: &Graph, known: &BTreeMap<TensorId, Moments>, node: &Node, axis: i64) -> Moments {
    let mut joined = Moments {
        bounds: Range::EMPTY,
        ..Moments::uniform(0.0, 0.0)
    };
    (joined.mean, joined.variance) = (Vec::new(), Vec::new());
    for id in node.inputs.iter().flatten() {
        let shape = shape_of(graph, *id);
        let moments = match known.get(id) {
            Some(moments) => moments.clone(),
            None => Moments::of_constant(graph, *id, shape.len()),
        };
        for channel in 0..shape.get(1).copied().unwrap_or(1) {
            let (mean, variance) = moments.at(channel);
            joined.mean.push(mean);
            joined.variance.push(variance);
        }
        joined.bounds = joined.bounds.union(moments.bounds);
    }
    if axis == 1 { joined } else { joined.mixed() }
}

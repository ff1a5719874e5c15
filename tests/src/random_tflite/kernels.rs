//! The layers by plain loops. Sums are 64 bits wide, so that nothing can overflow unseen.

use super::{Activation, Kind, Layer, Model};

/// A factor as a 31-bit fraction and a power of two.
#[derive(Clone, Copy)]
struct Multiplier {
    fraction: i64,
    exponent: i32,
}

impl Multiplier {
    fn new(real: f64) -> Self {
        let mut exponent = 0;
        let mut fraction = real;
        while fraction >= 1.0 {
            fraction /= 2.0;
            exponent += 1;
        }
        while fraction < 0.5 {
            fraction *= 2.0;
            exponent -= 1;
        }
        let mut rounded = (fraction * f64::from(1u32 << 31)).round() as i64;
        if rounded == 1 << 31 {
            (rounded, exponent) = (1 << 30, exponent + 1);
        }
        match exponent {
            ..-31 => Self {
                fraction: 0,
                exponent: 0,
            },
            _ => Self {
                fraction: rounded,
                exponent,
            },
        }
    }

    /// The product, rounded twice: when its low 31 bits are dropped, and when it is shifted.
    fn apply(self, value: i64) -> i64 {
        let product = (value << self.exponent.max(0)) * self.fraction;
        let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
        let high = (product + nudge) / (1 << 31);
        let shift = (-self.exponent).max(0);
        let remainder = high & ((1 << shift) - 1);
        let threshold = (((1i64 << shift) - 1) >> 1) + i64::from(high < 0);
        (high >> shift) + i64::from(remainder > threshold)
    }
}

impl Multiplier {
    /// The product, rounded once, halves up.
    fn apply_once(self, value: i64) -> i64 {
        let shift = 31 - self.exponent;
        (value * self.fraction + (1 << (shift - 1))) >> shift
    }
}

/// The interval that the function of a layer leaves of its result.
fn limits(function: i8, y: &Activation) -> (i64, i64) {
    let place = |real: f32| i64::from(y.zero_point) + (real / y.scale).round() as i64;
    match function {
        1 => (place(0.0).max(-128), 127),
        3 => (place(0.0).max(-128), place(6.0).min(127)),
        _ => (-128, 127),
    }
}

impl Model {
    /// The result for an input.
    pub fn execute(&self, input: &[i32]) -> Vec<i32> {
        let mut values: Vec<Vec<i64>> = vec![input.iter().map(|&v| v.into()).collect()];
        for layer in &self.layers {
            let (x, y) = (&self.activations[layer.x], &self.activations[layer.y]);
            let (lo, hi) = limits(layer.function, y);
            let result: Vec<i64> = match layer.kind {
                Kind::Conv | Kind::Depthwise => convolution(layer, [x, y], &values[layer.x]),
                Kind::Dense => dense(layer, [x, y], &values[layer.x]),
                Kind::AveragePool | Kind::MaxPool => pooling(layer, [x, y], &values[layer.x]),
                Kind::Add => {
                    let other = &self.activations[layer.other];
                    sum([x, other, y], [&values[layer.x], &values[layer.other]])
                }
                Kind::Softmax => softmax(x, &values[layer.x]),
            };
            let result = match layer.kind {
                Kind::Softmax => result,
                _ => result.into_iter().map(|v| v.clamp(lo, hi)).collect(),
            };
            values.push(result);
        }
        values.pop().unwrap_or_default().into_iter().map(|v| v as i32).collect()
    }
}

/// Calls `visit(pixel of the result, pixel of the operand, place in the window)` for all windows, pixels in the padding left out.
fn windows(layer: &Layer, x: &[usize], y: &[usize], mut visit: impl FnMut(usize, usize, usize)) {
    let before = |axis: usize| {
        let span = (layer.kernel[axis] - 1) * layer.dilations[axis] + 1;
        let needed = (y[1 + axis] - 1) * layer.strides[axis] + span;
        if layer.is_same {
            needed.saturating_sub(x[1 + axis]) / 2
        } else {
            0
        }
    };
    let (top, left) = (before(0), before(1));
    for oy in 0..y[1] {
        for ox in 0..y[2] {
            for ky in 0..layer.kernel[0] {
                for kx in 0..layer.kernel[1] {
                    let iy = (oy * layer.strides[0] + ky * layer.dilations[0]).checked_sub(top);
                    let ix = (ox * layer.strides[1] + kx * layer.dilations[1]).checked_sub(left);
                    if let (Some(iy), Some(ix)) = (iy, ix)
                        && iy < x[1]
                        && ix < x[2]
                    {
                        visit(oy * y[2] + ox, iy * x[2] + ix, ky * layer.kernel[1] + kx);
                    }
                }
            }
        }
    }
}

/// The multiplier of a column.
fn multiplier(layer: &Layer, [x, y]: [&Activation; 2], column: usize) -> Multiplier {
    let scale = layer.weight_scales[if layer.weight_scales.len() > 1 { column } else { 0 }];
    Multiplier::new(f64::from(x.scale) * f64::from(scale) / f64::from(y.scale))
}

fn convolution(layer: &Layer, [x, y]: [&Activation; 2], values: &[i64]) -> Vec<i64> {
    let (ci, co) = (x.shape[3], y.shape[3]);
    let n_places = layer.kernel[0] * layer.kernel[1];
    let mut sums = vec![0i64; y.shape.iter().product()];
    windows(layer, &x.shape, &y.shape, |to, from, place| {
        for column in 0..co {
            let sum = &mut sums[to * co + column];
            if layer.kind == Kind::Depthwise {
                let channel = column / layer.multiplier;
                let weight = i64::from(layer.weights[place * co + column]);
                *sum += (values[from * ci + channel] - i64::from(x.zero_point)) * weight;
                continue;
            }
            for channel in 0..ci {
                let weight = i64::from(layer.weights[(column * n_places + place) * ci + channel]);
                *sum += (values[from * ci + channel] - i64::from(x.zero_point)) * weight;
            }
        }
    });
    scaled(layer, [x, y], &sums, co)
}

fn scaled(layer: &Layer, [x, y]: [&Activation; 2], sums: &[i64], n: usize) -> Vec<i64> {
    let multipliers: Vec<Multiplier> = (0..n).map(|column| multiplier(layer, [x, y], column)).collect();
    let scale = |(index, sum): (usize, &i64)| {
        let column = index % n;
        multipliers[column].apply(sum + i64::from(layer.bias[column])) + i64::from(y.zero_point)
    };
    sums.iter().enumerate().map(scale).collect()
}

fn dense(layer: &Layer, [x, y]: [&Activation; 2], values: &[i64]) -> Vec<i64> {
    let (n, k) = (layer.weight_shape[0], layer.weight_shape[1]);
    let sum = |index: usize| {
        let (row, column) = (index / n, index % n);
        (0..k)
            .map(|i| (values[row * k + i] - i64::from(x.zero_point)) * i64::from(layer.weights[column * k + i]))
            .sum()
    };
    let sums: Vec<i64> = (0..values.len() / k * n).map(sum).collect();
    // One scale for all weights: multiplied in binary32, and the product is rounded once.
    let multiplier = Multiplier::new(f64::from(x.scale * layer.weight_scales[0]) / f64::from(y.scale));
    let scale = |(index, sum): (usize, &i64)| {
        let sum = sum + i64::from(layer.bias[index % n]);
        multiplier.apply_once(sum) + i64::from(y.zero_point)
    };
    sums.iter().enumerate().map(scale).collect()
}

fn pooling(layer: &Layer, [x, y]: [&Activation; 2], values: &[i64]) -> Vec<i64> {
    let c = x.shape[3];
    let mut windows_of = vec![Vec::new(); y.shape[1] * y.shape[2]];
    windows(layer, &x.shape, &y.shape, |to, from, _| windows_of[to].push(from));
    let mut results = Vec::new();
    for pixels in &windows_of {
        for channel in 0..c {
            let inside = pixels.iter().map(|&pixel| values[pixel * c + channel]);
            results.push(if layer.kind == Kind::MaxPool {
                inside.max().unwrap_or(-128)
            } else {
                // Halves away from zero.
                let (sum, count) = (inside.sum::<i64>(), pixels.len() as i64);
                let half = if sum > 0 { count / 2 } else { -(count / 2) };
                (sum + half) / count
            });
        }
    }
    results
}

/// Both operands on the finer of two scales, 20 bits further left.
fn sum([a, b, y]: [&Activation; 3], [left, right]: [&[i64]; 2]) -> Vec<i64> {
    let twice = 2.0 * f64::from(a.scale).max(f64::from(b.scale));
    let of = |x: &Activation| Multiplier::new(f64::from(x.scale) / twice);
    let (of_a, of_b) = (of(a), of(b));
    let of_sum = Multiplier::new(twice / (f64::from(1 << 20) * f64::from(y.scale)));
    let shifted = |v: i64, x: &Activation| (v - i64::from(x.zero_point)) << 20;
    left.iter()
        .zip(right)
        .map(|(&l, &r)| of_a.apply(shifted(l, a)) + of_b.apply(shifted(r, b)))
        .map(|sum| of_sum.apply(sum) + i64::from(y.zero_point))
        .collect()
}

/// In real numbers: the format computes the exponential in fixed point, which may be one step off.
fn softmax(x: &Activation, values: &[i64]) -> Vec<i64> {
    let n = x.shape[1];
    let mut results = Vec::new();
    for row in values.chunks_exact(n) {
        let largest = row.iter().max().copied().unwrap_or(0);
        let powers: Vec<f64> = row
            .iter()
            .map(|v| (f64::from(x.scale) * (v - largest) as f64).exp())
            .collect();
        let sum: f64 = powers.iter().sum();
        results.extend(powers.iter().map(|p| ((p / sum * 256.0).round() as i64 - 128).min(127)));
    }
    results
}

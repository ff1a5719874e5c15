//! Functions of one real number that models apply to every element.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_PI};

/// A function of one real number.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Unary {
    /// `x` where it is not negative, `alpha x` elsewhere.
    LeakyRelu {
        /// Slope of negative numbers.
        alpha: f32,
    },
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `min(max(alpha x + beta, 0), 1)`.
    HardSigmoid {
        /// Slope.
        alpha: f32,
        /// Value at zero.
        beta: f32,
    },
    /// `x min(max(x / 6 + 1 / 2, 0), 1)`.
    HardSwish,
    /// `x / (1 + exp(-x))`, also called swish.
    Silu,
    /// `x` times the normal distribution function of `x`.
    Gelu {
        /// Whether the distribution function is approximated by a hyperbolic tangent.
        #[serde(default)]
        approximate: bool,
    },
    /// `x` where it is not negative, `alpha (exp(x) - 1)` elsewhere.
    Elu {
        /// Limit for negative numbers, negated.
        alpha: f32,
    },
    /// `ln(1 + exp(x))`.
    Softplus,
    /// Error function.
    Erf,
    /// Exponential function.
    Exp,
    /// Natural logarithm.
    Log,
    /// Square root.
    Sqrt,
    /// `1 / x`.
    Reciprocal,
    /// `-x`.
    Neg,
    /// Magnitude.
    Abs,
}

impl Unary {
    /// The name of the operator in ONNX.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LeakyRelu { .. } => "LeakyRelu",
            Self::Sigmoid => "Sigmoid",
            Self::Tanh => "Tanh",
            Self::HardSigmoid { .. } => "HardSigmoid",
            Self::HardSwish => "HardSwish",
            Self::Silu => "Silu",
            Self::Gelu { .. } => "Gelu",
            Self::Elu { .. } => "Elu",
            Self::Softplus => "Softplus",
            Self::Erf => "Erf",
            Self::Exp => "Exp",
            Self::Log => "Log",
            Self::Sqrt => "Sqrt",
            Self::Reciprocal => "Reciprocal",
            Self::Neg => "Neg",
            Self::Abs => "Abs",
        }
    }

    /// The value of the function.
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Self::LeakyRelu { alpha } => {
                if x < 0.0 {
                    alpha * x
                } else {
                    x
                }
            }
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
            Self::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Silu => x / (1.0 + (-x).exp()),
            Self::Gelu { approximate: false } => 0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2)),
            Self::Gelu { approximate: true } => {
                0.5 * x * (1.0 + (FRAC_2_PI.sqrt() * (x + 0.044_715 * x * x * x)).tanh())
            }
            Self::Elu { alpha } => {
                if x < 0.0 {
                    alpha * x.exp_m1()
                } else {
                    x
                }
            }
            Self::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Self::Erf => erf(x),
            Self::Exp => x.exp(),
            Self::Log => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Reciprocal => 1.0 / x,
            Self::Neg => -x,
            Self::Abs => x.abs(),
        }
    }
}

/// The error function by its Maclaurin series, which converges fast below 3, and by 1 beyond 4, where it differs by less than 2e-8.
fn erf(x: f32) -> f32 {
    let x = f64::from(x);
    if x.abs() > 4.0 {
        return x.signum() as f32;
    }
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term.abs() > 1e-12 {
        n += 1.0;
        term *= -x * x / n;
        sum += term / (2.0 * n + 1.0);
    }
    (sum * 2.0 / std::f64::consts::PI.sqrt()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        // Abramowitz and Stegun, table 7.1.
        for (x, value) in [
            (0.0, 0.0),
            (0.5, 0.520_499_9),
            (1.0, 0.842_700_8),
            (2.0, 0.995_322_3),
            (-1.0, -0.842_700_8),
        ] {
            assert!((erf(x) - value).abs() < 1e-6, "{x}");
        }
        assert!((Unary::Gelu { approximate: false }.apply(1.0) - 0.841_344_8).abs() < 1e-6);
        assert_eq!(Unary::HardSwish.apply(3.0), 3.0);
        assert_eq!(Unary::HardSwish.apply(-4.0), 0.0);
        assert_eq!(Unary::LeakyRelu { alpha: 0.5 }.apply(-2.0), -1.0);
        assert_eq!(Unary::Sigmoid.apply(0.0), 0.5);
        assert!(Unary::Softplus.apply(100.0).is_finite() && (Unary::Softplus.apply(0.0) - 2f32.ln()).abs() < 1e-7);
    }
}

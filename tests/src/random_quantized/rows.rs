//! Operators on elements and on rows.

use super::{Builder, Step};
use systole_compiler::quantized::{QAdd, QLayerNorm, QLut, QMul, QOp, QPrelu, QRequant, QSoftmax, TensorId};
use systole_isa::numerics::{AddParameters, MulParameters, PreluParameters};
use systole_isa::operand::Rounding;

impl Builder {
    /// A second operand: an activation of the same shape or of one that repeats, or a constant of such a shape.
    fn second(&mut self, input: TensorId, step: &Step) -> TensorId {
        let shape = self.shape(input);
        let other = self.other(step.other);
        let fits = self.shape(other).iter().zip(&shape).all(|(a, b)| a == b || *a == 1);
        if fits && step.variant.is_multiple_of(2) {
            return other;
        }
        let mut repeated = shape;
        for (axis, length) in repeated.iter_mut().enumerate() {
            if step.size >> axis & 1 == 1 {
                *length = 1;
            }
        }
        self.constant(&repeated)
    }

    /// The operands in either order.
    fn operands(&mut self, input: TensorId, step: &Step) -> [TensorId; 2] {
        let second = self.second(input, step);
        if step.variant % 3 == 2 {
            [second, input]
        } else {
            [input, second]
        }
    }

    pub(super) fn add(&mut self, input: TensorId, step: &Step) {
        let [a, b] = self.operands(input, step);
        let parameters = match self.rounding {
            Rounding::Float => AddParameters::Float([0.37, 0.91, 0.77]),
            Rounding::Fixed => AddParameters::Fixed {
                left_shift: 20,
                sides: [self.scale(0.6), self.scale(0.6)],
                sum: self.scale(1.0 / f64::from(1 << 20)),
            },
        };
        let zero_points = [self.zero_point(), self.zero_point()];
        let (output_zero_point, clip) = (self.zero_point(), self.clip());
        let shape = self.shape(input);
        let output = self.activation(&shape);
        self.node(QOp::Add(QAdd {
            a,
            b,
            output,
            zero_points,
            parameters,
            output_zero_point,
            clip,
        }));
    }

    pub(super) fn mul(&mut self, input: TensorId, step: &Step) {
        let [a, b] = self.operands(input, step);
        let parameters = match self.rounding {
            Rounding::Float => MulParameters::Float([0.11, 0.17, 1.3]),
            Rounding::Fixed => MulParameters::Fixed(self.scale(0.012)),
        };
        let zero_points = [self.zero_point(), self.zero_point()];
        let (output_zero_point, clip) = (self.zero_point(), self.clip());
        let shape = self.shape(input);
        let output = self.activation(&shape);
        self.node(QOp::Mul(QMul {
            a,
            b,
            output,
            zero_points,
            parameters,
            output_zero_point,
            clip,
        }));
    }

    pub(super) fn requant(&mut self, input: TensorId) {
        let (input_zero_point, output_zero_point) = (self.zero_point(), self.zero_point());
        let (scale, clip) = (self.scale(1.0), self.clip());
        let shape = self.shape(input);
        let output = self.activation(&shape);
        self.node(QOp::Requant(QRequant {
            input,
            output,
            input_zero_point,
            scale,
            output_zero_point,
            clip,
        }));
    }

    pub(super) fn lut(&mut self, input: TensorId) {
        let (lo, hi) = self.range();
        let table = (0..256).map(|_| self.between(lo, hi)).collect();
        let shape = self.shape(input);
        let output = self.activation(&shape);
        self.node(QOp::Lut(QLut { input, output, table }));
    }

    pub(super) fn prelu(&mut self, input: TensorId) {
        let shape = self.shape(input);
        let parameters = (0..shape[3])
            .map(|_| PreluParameters {
                bias: 0,
                positive: self.scale(1.0),
                alpha: self.between(-128, 127),
                negative: self.scale(0.02),
            })
            .collect();
        let (input_zero_point, output_zero_point) = (self.zero_point(), self.zero_point());
        let clip = self.clip();
        let output = self.activation(&shape);
        self.node(QOp::Prelu(QPrelu {
            input,
            output,
            input_zero_point,
            parameters,
            output_zero_point,
            clip,
        }));
    }

    pub(super) fn softmax(&mut self, input: TensorId) {
        let step = 0.02 + (self.random() % 100) as f64 / 1000.0;
        let exponentials = (0..256).map(|d| ((-f64::from(d) * step).exp() * f64::from(1 << 23)).round() as i32);
        let table = exponentials.chain([256]).collect();
        let clip = self.clip();
        let (output_zero_point, _) = self.range();
        let shape = self.shape(input);
        let output = self.activation(&shape);
        self.node(QOp::Softmax(QSoftmax {
            input,
            output,
            table,
            output_zero_point,
            clip,
        }));
    }

    pub(super) fn layer_norm(&mut self, input: TensorId) {
        let shape = self.shape(input);
        let gamma_beta = (0..shape[3])
            .map(|_| [self.between(-60 << 16, 60 << 16), self.between(-30 << 16, 30 << 16)])
            .collect();
        let epsilon = self.between(0, 1000);
        let (input_zero_point, output_zero_point) = (self.zero_point(), self.zero_point());
        let clip = self.clip();
        let output = self.activation(&shape);
        self.node(QOp::LayerNorm(QLayerNorm {
            input,
            output,
            input_zero_point,
            gamma_beta,
            epsilon,
            output_zero_point,
            clip,
        }));
    }
}

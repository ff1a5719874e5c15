//! Convolutions, matrix products, poolings.

use super::{Builder, MAX_ELEMENTS, Step};
use systole_compiler::quantized::{DType, Pads, QAvgPool, QConv, QDense, QMaxPool, QOp, TensorData, TensorId, Window};
use systole_isa::operand::Divide;

/// A window that fits an image, and the size of its results.
fn window(step: &Step, image: [usize; 2], ceil: bool) -> (Window, [usize; 2]) {
    let mut kernel = step.kernel.map(|k| k + 1);
    let mut dilations = step.dilations.map(|d| d + 1);
    let [kh, kw] = kernel;
    // Padding is less than the window, as everywhere.
    let pads = Pads {
        top: step.pads[0].min(kh - 1),
        left: step.pads[1].min(kw - 1),
        bottom: step.pads[2].min(kh - 1),
        right: step.pads[3].min(kw - 1),
    };
    let padded = [image[0] + pads.top + pads.bottom, image[1] + pads.left + pads.right];
    for axis in [0, 1] {
        if (kernel[axis] - 1) * dilations[axis] + 1 > padded[axis] {
            dilations[axis] = 1;
            kernel[axis] = kernel[axis].min(padded[axis]);
        }
    }
    let strides = step.strides.map(|s| s + 1);
    let out = [0, 1].map(|axis| {
        let span = (kernel[axis] - 1) * dilations[axis] + 1;
        let room = padded[axis] - span;
        let before = [pads.top, pads.left][axis];
        let mut n = if ceil {
            room.div_ceil(strides[axis])
        } else {
            room / strides[axis]
        } + 1;
        // The last window begins inside the image or the padding before it.
        while (n - 1) * strides[axis] >= image[axis] + before {
            n -= 1;
        }
        n
    });
    let window = Window {
        kernel,
        strides,
        dilations,
        pads,
    };
    (window, out)
}

impl Builder {
    fn weights(&mut self, k: usize, n: usize) -> (TensorId, Vec<i32>) {
        let values: Vec<u8> = (0..k * n).map(|_| self.random() as u8).collect();
        let shape = [k, n];
        let name = format!("w{}", self.tensors.len());
        if self.random().is_multiple_of(4) {
            let zero_point = self.between(0, 255);
            let id = self.tensor(name, &shape, DType::U8, Some(TensorData::U8(values)));
            return (id, vec![zero_point; n]);
        }
        let zero_point = if self.random().is_multiple_of(4) {
            self.between(-128, 127)
        } else {
            0
        };
        let values = values.into_iter().map(|v| v as i8).collect();
        let id = self.tensor(name, &shape, DType::I8, Some(TensorData::I8(values)));
        (id, vec![zero_point; n])
    }

    fn biases(&mut self, n: usize) -> TensorId {
        let values = (0..n).map(|_| self.between(-5000, 5000)).collect();
        self.i32s(values)
    }

    pub(super) fn conv(&mut self, input: TensorId, step: &Step, groups: usize) {
        let co = (step.size.max(1)).next_multiple_of(groups);
        self.convolution(input, step, groups, co);
    }

    pub(super) fn grouped(&mut self, input: TensorId, step: &Step) {
        let [.., ci] = self.shape(input);
        let divisors: Vec<usize> = (1..=ci).filter(|groups| ci.is_multiple_of(*groups)).collect();
        self.conv(input, step, divisors[step.variant % divisors.len()]);
    }

    pub(super) fn depthwise(&mut self, input: TensorId, step: &Step) {
        let [.., ci] = self.shape(input);
        self.convolution(input, step, ci, ci * (1 + step.variant % 2));
    }

    fn convolution(&mut self, input: TensorId, step: &Step, groups: usize, co: usize) {
        let [n, h, w, ci] = self.shape(input);
        let (window, [oh, ow]) = window(step, [h, w], false);
        let k = window.kernel[0] * window.kernel[1] * ci / groups;
        if n * oh * ow * co > MAX_ELEMENTS {
            return;
        }
        let (weights, weight_zero_points) = self.weights(k, co);
        let bias = self.biases(co);
        let real = 1.0 / (80.0 * (k as f64).sqrt());
        let scales = (0..co).map(|_| self.scale(real)).collect();
        let (input_zero_point, output_zero_point) = (self.zero_point(), self.zero_point());
        let clip = self.clip();
        let output = self.activation(&[n, oh, ow, co]);
        self.node(QOp::Conv(QConv {
            input,
            weights,
            groups,
            bias,
            output,
            window,
            input_zero_point,
            weight_zero_points,
            scales,
            output_zero_point,
            clip,
        }));
    }

    pub(super) fn dense(&mut self, input: TensorId, step: &Step) {
        let [n_images, h, w, k] = self.shape(input);
        let (m, n) = (n_images * h * w, step.size.max(1));
        if m * n > MAX_ELEMENTS {
            return;
        }
        let (weights, weight_zero_points) = self.weights(k, n);
        let bias = self.biases(n);
        let real = 1.0 / (80.0 * (k as f64).sqrt());
        let scales = (0..n).map(|_| self.scale(real)).collect();
        let (input_zero_point, output_zero_point) = (self.zero_point(), self.zero_point());
        let clip = self.clip();
        let output = self.activation(&[n_images, h, w, n]);
        self.node(QOp::Dense(QDense {
            input,
            weights,
            bias,
            output,
            m,
            k,
            n,
            input_zero_point,
            weight_zero_points,
            scales,
            output_zero_point,
            clip,
        }));
    }

    pub(super) fn max_pool(&mut self, input: TensorId, step: &Step) {
        let [n, h, w, c] = self.shape(input);
        let (window, [oh, ow]) = window(step, [h, w], step.variant.is_multiple_of(2));
        let output = self.activation(&[n, oh, ow, c]);
        self.node(QOp::MaxPool(QMaxPool { input, output, window }));
    }

    pub(super) fn avg_pool(&mut self, input: TensorId, step: &Step) {
        let [n, h, w, c] = self.shape(input);
        let (mut window, [mut oh, mut ow]) = window(step, [h, w], step.variant.is_multiple_of(2));
        if step.variant % 5 == 4 {
            // Of the whole image.
            window = Window {
                kernel: [h, w],
                strides: [1, 1],
                dilations: [1, 1],
                pads: Pads::default(),
            };
            [oh, ow] = [1, 1];
        }
        let (input_zero_point, output_zero_point) = (self.zero_point(), self.zero_point());
        let (scale, clip) = (self.scale(1.0), self.clip());
        let output = self.activation(&[n, oh, ow, c]);
        self.node(QOp::AvgPool(QAvgPool {
            input,
            output,
            window,
            divide: if step.variant.is_multiple_of(3) {
                Divide::All
            } else {
                Divide::Valid
            },
            input_zero_point,
            scale,
            output_zero_point,
            clip,
        }));
    }
}

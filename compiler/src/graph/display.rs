//! A graph as text, one line per node, for `--dump-after` and for snapshots.

use super::op::Op;
use super::unary::Unary;
use super::window::{Padding, Pads, WindowAttributes};
use super::{Graph, GraphIo, Layout, Node, Quantization, Tensor, TensorId};
use std::fmt;

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() { "unnamed" } else { &self.name };
        writeln!(f, "graph {name}")?;
        for io in &self.inputs {
            writeln!(f, "  input {}", io_text(self, io))?;
        }
        for (index, tensor) in self.tensors.iter().enumerate() {
            if tensor.data.is_some() {
                writeln!(f, "  const {}", tensor_text(TensorId(index as u32), tensor))?;
            }
        }
        for node in &self.nodes {
            writeln!(f, "  {}", node_text(self, node))?;
        }
        for io in &self.outputs {
            writeln!(f, "  output {}", io_text(self, io))?;
        }
        Ok(())
    }
}

fn io_text(graph: &Graph, io: &GraphIo) -> String {
    let tensor = tensor_text(io.tensor, graph.tensor(io.tensor));
    format!(
        "`{}` {} carried by {tensor}",
        io.name,
        type_text(io.dtype.map(|t| t.name()), &io.shape)
    )
}

fn type_text(dtype: Option<&str>, shape: &Option<Vec<usize>>) -> String {
    let lengths = match shape {
        Some(shape) => shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x"),
        None => "?".into(),
    };
    format!("{}[{lengths}]", dtype.unwrap_or("?"))
}

fn tensor_text(id: TensorId, tensor: &Tensor) -> String {
    let mut text = format!("{id} `{}` ", tensor.name);
    text += &type_text(tensor.dtype.map(|t| t.name()), &tensor.shape);
    match tensor.layout {
        Layout::Logical => {}
        Layout::Nhwc => text += " nhwc",
        Layout::FlattenedNhwc { c, h, w } => text += &format!(" rows of (h{h}, w{w}, c{c})"),
    }
    if let Some(quantization) = &tensor.quantization {
        text += &format!(" {}", quantization_text(quantization));
    }
    text
}

fn quantization_text(quantization: &Quantization) -> String {
    match (quantization.single(), quantization.axis()) {
        (Some((scale, zero_point)), _) => format!("q({scale:e}, {zero_point})"),
        (None, axis) => {
            let n = quantization.scales().len();
            format!("q({n} scales along axis {})", axis.unwrap_or_default())
        }
    }
}

fn node_text(graph: &Graph, node: &Node) -> String {
    let outputs: Vec<String> = node
        .outputs
        .iter()
        .map(|&id| tensor_text(id, graph.tensor(id)))
        .collect();
    let inputs: Vec<String> = node
        .inputs
        .iter()
        .map(|id| id.map_or("-".into(), |id| id.to_string()))
        .collect();
    let (op, inputs) = (node.op.name(), inputs.join(", "));
    let attributes = attributes_text(&node.op);
    format!("{} = {op}({inputs}){attributes}  ; {}", outputs.join(", "), node.name)
}

fn attributes_text(op: &Op) -> String {
    let window = match op {
        Op::Conv { window, group }
        | Op::ConvInteger { window, group }
        | Op::QLinearConv { window, group }
        | Op::QConv { window, group, .. } => {
            format!("{} group {group}", window_text(window))
        }
        Op::MaxPool { window } => window_text(window),
        Op::AveragePool {
            window,
            count_include_pad,
        }
        | Op::QAveragePool {
            window,
            count_include_pad,
            ..
        } => {
            let counted = if *count_include_pad { " padding counted" } else { "" };
            format!("{}{counted}", window_text(window))
        }
        Op::Gemm {
            trans_a,
            trans_b,
            alpha,
            beta,
        } => gemm_text(*trans_a, *trans_b, *alpha, *beta),
        Op::QGemm { trans_b: true } => " transposed".into(),
        Op::Unary(function) => unary_text(*function),
        Op::ReduceMean { axes, keep_dims } => format!(" axes {axes:?} kept {keep_dims}"),
        Op::Softmax { axis, coerce_to_matrix } => {
            format!(
                " axis {axis}{}",
                if *coerce_to_matrix { " and all behind it" } else { "" }
            )
        }
        Op::BatchNormalization { epsilon } => format!(" epsilon {epsilon:e}"),
        Op::LayerNormalization { axis, epsilon } => format!(" axis {axis} epsilon {epsilon:e}"),
        Op::QLayerNorm { epsilon, .. } => format!(" epsilon {epsilon:e}"),
        Op::Lrn {
            alpha,
            beta,
            bias,
            size,
        } => format!(" alpha {alpha:e} beta {beta} bias {bias} size {size}"),
        Op::Concat { axis } | Op::Gather { axis } => format!(" axis {axis}"),
        Op::Split { axis, sizes } => {
            let sizes = sizes.as_ref().map_or(String::new(), |sizes| format!(" into {sizes:?}"));
            format!(" axis {axis}{sizes}")
        }
        Op::Resize { mode } => format!(" {:?} {:?}", mode.transform, mode.rounding),
        Op::Squeeze { axes: Some(axes) } | Op::Unsqueeze { axes: Some(axes) } => format!(" axes {axes:?}"),
        Op::Cast { to } => format!(" to {to}"),
        Op::ConstantOfShape { value } => format!(" of {value:?}"),
        Op::Clip { min, max } => format!(" min {min:?} max {max:?}"),
        Op::Flatten { axis } | Op::QuantizeLinear { axis, .. } | Op::DequantizeLinear { axis } => {
            format!(" axis {axis}")
        }
        Op::Reshape { allow_zero: true } => " allowing zero".into(),
        Op::Transpose {
            permutation: Some(axes),
        } => format!(" axes {axes:?}"),
        Op::Unsupported { domain, reason, .. } => {
            let domain = if domain.is_empty() { "ai.onnx" } else { domain };
            format!(
                " unsupported, domain {domain}{}",
                reason.as_ref().map_or(String::new(), |r| format!(": {r}"))
            )
        }
        _ => String::new(),
    };
    match op.clone().clip_mut() {
        Some(clip) => format!("{window} clip {}..={}", clip.lo, clip.hi),
        None => window,
    }
}

fn gemm_text(trans_a: bool, trans_b: bool, alpha: f32, beta: f32) -> String {
    let mut text = String::new();
    if trans_a {
        text += " first transposed";
    }
    if trans_b {
        text += " transposed";
    }
    if alpha != 1.0 {
        text += &format!(" alpha {alpha}");
    }
    if beta != 1.0 {
        text += &format!(" beta {beta}");
    }
    text
}

fn unary_text(function: Unary) -> String {
    match function {
        Unary::LeakyRelu { alpha } | Unary::Elu { alpha } => format!(" alpha {alpha}"),
        Unary::HardSigmoid { alpha, beta } => format!(" alpha {alpha} beta {beta}"),
        Unary::Gelu { approximate: true } => " approximate".into(),
        _ => String::new(),
    }
}

fn window_text(window: &WindowAttributes) -> String {
    let kernel = window.kernel.map_or("?".into(), |[h, w]| format!("{h}x{w}"));
    let [sh, sw] = window.strides;
    let [dh, dw] = window.dilations;
    let padding = match window.padding {
        Padding::Explicit(Pads {
            top,
            left,
            bottom,
            right,
        }) => format!("{top},{left},{bottom},{right}"),
        Padding::SameUpper => "same-upper".into(),
        Padding::SameLower => "same-lower".into(),
    };
    let ceil = if window.ceil_mode { " ceil" } else { "" };
    format!(" kernel {kernel} stride {sh}x{sw} dilation {dh}x{dw} pad {padding}{ceil}")
}

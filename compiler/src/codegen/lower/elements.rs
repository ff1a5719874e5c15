//! Operations on elements and rows as nests of axes.

use super::super::elementwise::words;
use super::super::stage::{ElementStage, Function, Operand, Place, StageKind};
use super::{Lowering, format_of};
use crate::error::CompileError;
use crate::quantized::{ClipRange, QAdd, QLayerNorm, QLut, QMul, QPrelu, QRequant, QSoftmax, TensorId};
use systole_isa::ElementFormat;

/// What all of these operations have.
struct Parts<'a> {
    function: Function,
    /// Operands with their zero points.
    inputs: &'a [(TensorId, i32)],
    output: (TensorId, i32),
    table: (Vec<u8>, ElementFormat),
    clip: ClipRange,
}

impl Lowering<'_> {
    pub(super) fn add(&self, op: &QAdd) -> Result<StageKind, CompileError> {
        self.elements(Parts {
            function: Function::Add,
            inputs: &[(op.a, op.zero_points[0]), (op.b, op.zero_points[1])],
            output: (op.output, op.output_zero_point),
            table: words(&op.parameters.words()),
            clip: op.clip,
        })
    }

    pub(super) fn mul(&self, op: &QMul) -> Result<StageKind, CompileError> {
        self.elements(Parts {
            function: Function::Mul,
            inputs: &[(op.a, op.zero_points[0]), (op.b, op.zero_points[1])],
            output: (op.output, op.output_zero_point),
            table: words(&op.parameters.words()),
            clip: op.clip,
        })
    }

    pub(super) fn requant(&self, op: &QRequant) -> Result<StageKind, CompileError> {
        self.elements(Parts {
            function: Function::Requant,
            inputs: &[(op.input, op.input_zero_point)],
            output: (op.output, op.output_zero_point),
            table: words(&[0, op.scale.multiplier, op.scale.shift]),
            clip: op.clip,
        })
    }

    pub(super) fn lut(&self, op: &QLut) -> Result<StageKind, CompileError> {
        let tensor = self.graph.tensor(op.output);
        let format = format_of(&tensor.name, tensor.dtype)?;
        let (lo, hi) = format.range();
        self.elements(Parts {
            function: Function::Lut,
            inputs: &[(op.input, 0)],
            output: (op.output, 0),
            table: (op.table.iter().map(|&entry| entry as u8).collect(), format),
            clip: ClipRange { lo, hi },
        })
    }

    pub(super) fn prelu(&self, op: &QPrelu) -> Result<StageKind, CompileError> {
        let row = |p: &systole_isa::numerics::PreluParameters| {
            let (positive, negative) = (p.positive, p.negative);
            let scaled = [positive.multiplier, positive.shift, p.alpha];
            [&[p.bias][..], &scaled, &[negative.multiplier, negative.shift]].concat()
        };
        self.elements(Parts {
            function: Function::Prelu,
            inputs: &[(op.input, op.input_zero_point)],
            output: (op.output, op.output_zero_point),
            table: words(&op.parameters.iter().flat_map(row).collect::<Vec<_>>()),
            clip: op.clip,
        })
    }

    pub(super) fn softmax(&self, op: &QSoftmax) -> Result<StageKind, CompileError> {
        self.elements(Parts {
            function: Function::Softmax,
            inputs: &[(op.input, 0)],
            output: (op.output, op.output_zero_point),
            table: words(&op.table),
            clip: op.clip,
        })
    }

    pub(super) fn layer_norm(&self, op: &QLayerNorm) -> Result<StageKind, CompileError> {
        let rows = op.gamma_beta.iter().copied().chain([[op.epsilon, 0]]);
        self.elements(Parts {
            function: Function::LayerNorm,
            inputs: &[(op.input, op.input_zero_point)],
            output: (op.output, op.output_zero_point),
            table: words(&rows.flatten().collect::<Vec<_>>()),
            clip: op.clip,
        })
    }

    fn elements(&self, parts: Parts<'_>) -> Result<StageKind, CompileError> {
        let shape: Vec<u64> = self
            .graph
            .tensor(parts.output.0)
            .shape
            .iter()
            .map(|&n| n as u64)
            .collect();
        let operand = |(id, zero_point): (TensorId, i32)| self.operand(id, zero_point, &shape);
        let inputs = parts
            .inputs
            .iter()
            .copied()
            .map(operand)
            .collect::<Result<Vec<_>, _>>()?;
        let mut stage = ElementStage {
            function: parts.function,
            axes: shape.clone(),
            inputs,
            output: operand(parts.output)?,
            table: parts.table.0,
            table_format: parts.table.1,
            clip: (parts.clip.lo, parts.clip.hi),
        };
        stage.join_axes();
        Ok(StageKind::Elements(stage))
    }

    /// A tensor as an operand of a stage with these axes: axes of length one, and axes that it does not have, repeat it.
    fn operand(&self, id: TensorId, zero_point: i32, axes: &[u64]) -> Result<Operand, CompileError> {
        let tensor = self.graph.tensor(id);
        let (slice, channels) = (self.placing.slice(id), tensor.shape.last().copied().unwrap_or(1) as u64);
        let missing = axes.len().saturating_sub(tensor.shape.len());
        let mut strides = vec![0; axes.len()];
        let mut step = 1;
        for (axis, &length) in tensor.shape.iter().enumerate().rev() {
            if length > 1 || axes[missing + axis] == 1 {
                strides[missing + axis] = step;
            }
            step = if axis + 1 == tensor.shape.len() {
                slice.pitch
            } else {
                step * length as u64
            };
        }
        debug_assert!(slice.pitch >= channels, "pixels do not overlap");
        Ok(Operand {
            place: Place::in_dram(self.address(id)?),
            format: format_of(&tensor.name, tensor.dtype)?,
            zero_point,
            strides,
        })
    }
}

impl ElementStage {
    /// Drops axes of length one and joins neighbours that are one axis for every operand. The last axis stays by itself where it means
    /// something.
    fn join_axes(&mut self) {
        let keeps_last = matches!(self.function, Function::Prelu | Function::Softmax | Function::LayerNorm);
        let n_axes = self.axes.len();
        let mut kept: Vec<usize> = Vec::new();
        let mut lengths: Vec<u64> = Vec::new();
        for axis in 0..n_axes {
            let is_last = axis + 1 == n_axes;
            let length = self.axes[axis];
            if length == 1 && !(is_last && (keeps_last || kept.is_empty())) {
                continue;
            }
            let joins = kept.last().is_some_and(|&outer| {
                self.operands()
                    .all(|operand| operand.strides[outer] == length * operand.strides[axis])
            });
            if joins && !(is_last && keeps_last) {
                let last = kept.len() - 1;
                (kept[last], lengths[last]) = (axis, lengths[last] * length);
            } else {
                kept.push(axis);
                lengths.push(length);
            }
        }
        for operand in self.inputs.iter_mut().chain([&mut self.output]) {
            operand.strides = kept.iter().map(|&axis| operand.strides[axis]).collect();
            if kept.is_empty() {
                operand.strides.push(1);
            }
        }
        self.axes = if lengths.is_empty() { vec![1] } else { lengths };
    }

    fn operands(&self) -> impl Iterator<Item = &Operand> {
        self.inputs.iter().chain([&self.output])
    }
}

//! From operators to stages: every tensor gets a place in DRAM, every parameter its table.

mod elements;

use super::FitError;
use super::emitter::Emitter;
use super::fusion::{self, Fusion};
use super::placing::Placing;
use super::stage::{
    ConvStage, Copy, Feature, GroupedStage, MoveStage, Place, PoolStage, Pooling, Residual, Sliding, Stage, StageKind,
};
use crate::error::{CompileError, CompileErrorKind, Subject};
use crate::quantized::{
    DType, IoTensor, QAvgPool, QConv, QDense, QMaxPool, QMove, QNode, QOp, QuantizedGraph, TensorData, TensorId, Window,
};
use systole_isa::ElementFormat;
use systole_isa::numerics::{RequantParameters, Scale};
use systole_isa::program::{self, HostType, Symbol, SymbolKind};

/// A graph with addresses.
pub(super) struct Lowered {
    pub(super) stages: Vec<Stage>,
    pub(super) tensors: Vec<Symbol>,
    pub(super) inputs: Vec<program::IoTensor>,
    pub(super) outputs: Vec<program::IoTensor>,
}

/// Places tensors and translates operators.
///
/// # Errors
/// Every operator without a translation.
pub(super) fn lower(graph: &QuantizedGraph, e: &mut Emitter) -> Result<Lowered, Vec<CompileError>> {
    let mut lowering = Lowering {
        graph,
        placing: Placing::of(graph),
        addresses: vec![None; graph.tensors.len()],
    };
    let mut symbols = Vec::new();
    let fusions = fusion::additions(graph, &lowering.placing);
    let io = graph.inputs.iter().map(|io| io.tensor);
    let written = graph.nodes.iter().map(|node| node.op.output());
    let written = written.filter(|id| !fusions.iter().any(|fusion| fusion.products == *id));
    for id in io.chain(written) {
        lowering.place(id, e, &mut symbols);
    }
    let mut errors = Vec::new();
    let mut stages = Vec::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        let fusion = fusions.iter().find(|fusion| fusion.concerns(index));
        let fused_operand = fusion.map(Fusion::other);
        for id in node.op.activations().into_iter().chain(fused_operand) {
            lowering.place_constant(id, e);
        }
        let stage = match fusion {
            None => lowering.stage(index, node),
            Some(fusion) if fusion.producer == index => lowering.fused(node, fusion).map(Some),
            Some(_) => Ok(None),
        };
        match stage {
            Ok(stage) => stages.extend(stage),
            Err(error) => errors.push(error),
        }
    }
    let mut host = |io: &[IoTensor]| -> Vec<program::IoTensor> {
        let tensors = io.iter().map(|io| lowering.host_tensor(io));
        tensors
            .filter_map(|tensor| tensor.map_err(|error| errors.push(error)).ok())
            .collect()
    };
    let (inputs, outputs) = (host(&graph.inputs), host(&graph.outputs));
    if errors.is_empty() {
        Ok(Lowered {
            stages,
            tensors: symbols,
            inputs,
            outputs,
        })
    } else {
        Err(errors)
    }
}

struct Lowering<'g> {
    graph: &'g QuantizedGraph,
    placing: Placing,
    /// Of tensors with memory of their own.
    addresses: Vec<Option<u64>>,
}

impl Lowering<'_> {
    /// Reserves DRAM for a tensor, unless it lies within another one.
    fn place(&mut self, id: TensorId, e: &mut Emitter, symbols: &mut Vec<Symbol>) {
        if self.placing.slice(id).root != id || self.addresses[id.index()].is_some() {
            return;
        }
        let tensor = self.graph.tensor(id);
        let size = tensor.len() as u64;
        let address = e.reserve_dram(size);
        symbols.push(Symbol {
            name: tensor.name.clone(),
            kind: SymbolKind::Dram,
            value: address,
            size,
        });
        self.addresses[id.index()] = Some(address);
    }

    fn place_constant(&mut self, id: TensorId, e: &mut Emitter) {
        let tensor = self.graph.tensor(id);
        if let (None, Some(bytes)) = (self.addresses[id.index()], tensor.data.as_ref().and_then(bytes_of)) {
            self.addresses[id.index()] = Some(e.constants(tensor.name.clone(), bytes));
        }
    }

    fn address(&self, id: TensorId) -> Result<u64, CompileError> {
        let slice = self.placing.slice(id);
        let root = self.addresses[slice.root.index()].map(|address| address + slice.offset);
        root.ok_or_else(|| {
            CompileError::new(
                CompileErrorKind::BrokenGraph,
                Subject::tensor(&self.graph.tensor(id).name),
                "a tensor that nothing writes before it is read",
                "operators in execution order",
                "this is a fault of the compiler; please report the model",
            )
        })
    }

    /// A tensor as an image; anything else counts as a matrix of rows.
    fn feature(&self, id: TensorId, zero_point: i32) -> Result<Feature, CompileError> {
        let tensor = self.graph.tensor(id);
        let address = self.address(id)?;
        let format = format_of(&tensor.name, tensor.dtype)?;
        let [images, height, width, channels] = match tensor.shape[..] {
            [n, h, w, c] => [n, h, w, c],
            _ => {
                let channels = tensor.shape.last().copied().unwrap_or(1);
                [1, tensor.len() / channels.max(1), 1, channels]
            }
        }
        .map(|length| length as u64);
        Ok(Feature {
            place: Place::in_dram(address),
            images,
            height,
            width,
            channels,
            pitch: self.placing.slice(id).pitch,
            format,
            zero_point,
        })
    }

    fn stage(&self, index: usize, node: &QNode) -> Result<Option<Stage>, CompileError> {
        let (op, kind) = match &node.op {
            QOp::Conv(op) if op.groups > 1 => ("group-conv", self.grouped(&node.name, op)?),
            QOp::Conv(op) => ("conv", self.conv(&node.name, op)?),
            QOp::Dense(op) => ("dense", self.dense(&node.name, op)?),
            QOp::MaxPool(op) => ("max-pool", self.max_pool(op)?),
            QOp::AvgPool(op) => ("avg-pool", self.avg_pool(op)?),
            QOp::Add(op) => ("add", self.add(op)?),
            QOp::Mul(op) => ("mul", self.mul(op)?),
            QOp::Requant(op) => ("requantize", self.requant(op)?),
            QOp::Lut(op) => ("lut", self.lut(op)?),
            QOp::Prelu(op) => ("prelu", self.prelu(op)?),
            QOp::Softmax(op) => ("softmax", self.softmax(op)?),
            QOp::LayerNorm(op) => ("layer-norm", self.layer_norm(op)?),
            QOp::Move(op) => match self.move_pieces(index, op)? {
                Some(kind) => ("move", kind),
                None => return Ok(None),
            },
            QOp::View(_) => return Ok(None),
        };
        Ok(Some(Stage {
            name: node.name.clone(),
            op,
            rounding: self.graph.rounding,
            kind,
        }))
    }

    fn conv(&self, name: &str, op: &QConv) -> Result<StageKind, CompileError> {
        let x = self.feature(op.input, op.input_zero_point)?;
        let y = self.feature(op.output, op.output_zero_point)?;
        let constants = (op.weights, op.bias, &op.weight_zero_points[..], &op.scales[..]);
        let clip = (op.clip.lo, op.clip.hi);
        let conv = self.product(name, x, y, sliding(&op.window), constants, clip)?;
        Ok(StageKind::Conv(Box::new(conv)))
    }

    fn grouped(&self, name: &str, op: &QConv) -> Result<StageKind, CompileError> {
        let StageKind::Conv(conv) = self.conv(name, op)? else {
            unreachable!("a convolution is a convolution");
        };
        let groups = op.groups as u64;
        Ok(StageKind::Grouped(Box::new(GroupedStage { conv: *conv, groups })))
    }

    fn dense(&self, name: &str, op: &QDense) -> Result<StageKind, CompileError> {
        let matrix = |feature: Feature, channels: usize| Feature {
            images: 1,
            height: op.m as u64,
            width: 1,
            channels: channels as u64,
            // Rows are pixels unless the matrix is another cut of the same elements, which then lie side by side.
            pitch: if feature.channels == channels as u64 {
                feature.pitch
            } else {
                channels as u64
            },
            ..feature
        };
        let x = matrix(self.feature(op.input, op.input_zero_point)?, op.k);
        let y = matrix(self.feature(op.output, op.output_zero_point)?, op.n);
        let constants = (op.weights, op.bias, &op.weight_zero_points[..], &op.scales[..]);
        let conv = self.product(name, x, y, Sliding::POINT, constants, (op.clip.lo, op.clip.hi))?;
        Ok(StageKind::Conv(Box::new(conv)))
    }

    fn product(
        &self,
        name: &str,
        x: Feature,
        y: Feature,
        sliding: Sliding,
        (weights, bias, zero_points, scales): (TensorId, TensorId, &[i32], &[Scale]),
        clip: (i32, i32),
    ) -> Result<ConvStage, CompileError> {
        let weight_zero_point = zero_points.first().copied().unwrap_or(0);
        if zero_points.iter().any(|&zero_point| zero_point != weight_zero_point) {
            return Err(CompileError::new(
                CompileErrorKind::Quantization,
                Subject::node(name),
                "weights whose zero points differ between output channels",
                "one zero point for all weights of a layer",
                "quantize weights symmetrically; per-channel scales may stay",
            ));
        }
        let weights = self.graph.tensor(weights);
        let constant = |id: TensorId| {
            let tensor = self.graph.tensor(id);
            tensor.data.as_ref().ok_or_else(|| {
                CompileError::new(
                    CompileErrorKind::NotConstant,
                    Subject::tensor(&tensor.name),
                    "a value known only at run time",
                    "constant weights and biases",
                    "make it an initializer of the model",
                )
            })
        };
        let data = weights.data.as_ref().and_then(bytes_of).unwrap_or_default();
        let biases = constant(bias)?.to_i32().unwrap_or_default();
        let parameters = biases
            .iter()
            .zip(scales)
            .map(|(&bias, &scale)| RequantParameters::new(bias, scale))
            .collect();
        Ok(ConvStage {
            x,
            y,
            sliding,
            weights: data,
            weight_format: format_of(&weights.name, weights.dtype)?,
            weight_zero_point,
            parameters,
            clip,
            residual: None,
        })
    }

    /// A convolution or matrix product with the addition that follows it.
    fn fused(&self, node: &QNode, fusion: &Fusion<'_>) -> Result<Stage, CompileError> {
        let add = fusion.add;
        let unfused = |output| self.graph.tensor(output).dtype;
        let (kind, op, dtype, zero_point, clip) = match &node.op {
            QOp::Conv(op) => {
                let fused = QConv {
                    output: add.output,
                    output_zero_point: add.output_zero_point,
                    clip: add.clip,
                    ..op.clone()
                };
                (
                    self.conv(&node.name, &fused)?,
                    "conv+add",
                    unfused(op.output),
                    op.output_zero_point,
                    op.clip,
                )
            }
            QOp::Dense(op) => {
                let fused = QDense {
                    output: add.output,
                    output_zero_point: add.output_zero_point,
                    clip: add.clip,
                    ..op.clone()
                };
                (
                    self.dense(&node.name, &fused)?,
                    "dense+add",
                    unfused(op.output),
                    op.output_zero_point,
                    op.clip,
                )
            }
            _ => unreachable!("only what makes products ends with an addition"),
        };
        let StageKind::Conv(mut conv) = kind else {
            unreachable!("products are convolutions");
        };
        let zero_point_of_other = add.zero_points[usize::from(!fusion.is_first)];
        let other = self.feature(fusion.other(), zero_point_of_other)?;
        conv.residual = Some(Residual {
            x: Feature {
                place: other.place,
                format: other.format,
                zero_point: other.zero_point,
                ..conv.y
            },
            is_first: fusion.is_first,
            parameters: add.parameters,
            products: (format_of(&node.name, dtype)?, zero_point, (clip.lo, clip.hi)),
        });
        Ok(Stage {
            name: node.name.clone(),
            op,
            rounding: self.graph.rounding,
            kind: StageKind::Conv(conv),
        })
    }

    fn max_pool(&self, op: &QMaxPool) -> Result<StageKind, CompileError> {
        let (x, y) = (self.feature(op.input, 0)?, self.feature(op.output, 0)?);
        Ok(StageKind::Pool(PoolStage {
            x,
            y,
            sliding: sliding(&op.window),
            pooling: Pooling::Max,
            clip: y.format.range(),
        }))
    }

    fn avg_pool(&self, op: &QAvgPool) -> Result<StageKind, CompileError> {
        Ok(StageKind::Pool(PoolStage {
            x: self.feature(op.input, op.input_zero_point)?,
            y: self.feature(op.output, op.output_zero_point)?,
            sliding: sliding(&op.window),
            pooling: Pooling::Average {
                divide: op.divide,
                scale: op.scale,
            },
            clip: (op.clip.lo, op.clip.hi),
        }))
    }

    /// What is left to be moved, if anything.
    fn move_pieces(&self, index: usize, op: &QMove) -> Result<Option<StageKind>, CompileError> {
        let output = self.graph.tensor(op.output);
        let mut copies = Vec::new();
        for (input, moved) in self.placing.moves(index, op) {
            let root = |id| self.address(id).map(|address| address - self.placing.slice(id).offset);
            copies.push(Copy {
                from: root(input)? + moved.first[0],
                to: root(op.output)? + moved.first[1],
                axes: moved.axes.iter().map(|&(n, [from, to])| (n, from, to as u64)).collect(),
            });
        }
        let fill = match op.fill {
            Some(value) => Some((self.address(op.output)?, output.len() as u64, value)),
            None => None,
        };
        let format = format_of(&output.name, output.dtype)?;
        let is_needed = !copies.is_empty() || fill.is_some();
        Ok(is_needed.then_some(StageKind::Move(MoveStage { format, copies, fill })))
    }

    /// An input or output with the strides at which the user's axes lie in DRAM.
    fn host_tensor(&self, io: &IoTensor) -> Result<program::IoTensor, CompileError> {
        let mut strides = vec![0; io.view_shape.len()];
        let mut step = 1;
        for &axis in io.permutation.iter().rev() {
            strides[axis] = step;
            step *= io.view_shape[axis] as u64;
        }
        Ok(program::IoTensor {
            name: io.name.clone(),
            shape: io.view_shape.iter().map(|&length| length as u64).collect(),
            host_type: if io.dtype == DType::F32 {
                HostType::F32
            } else {
                HostType::Integer
            },
            format: format_of(&io.name, io.integer_dtype)?,
            quantization: Some(program::Quantization {
                scale: io.scale,
                zero_point: io.zero_point,
            }),
            address: self.address(io.tensor)?,
            strides,
        })
    }
}

fn sliding(window: &Window) -> Sliding {
    let pair = |[a, b]: [usize; 2]| [a as u64, b as u64];
    Sliding {
        kernel: pair(window.kernel),
        strides: pair(window.strides),
        dilations: pair(window.dilations),
        pads: pair([window.pads.top, window.pads.left]),
    }
}

fn bytes_of(data: &TensorData) -> Option<Vec<u8>> {
    match data {
        TensorData::U8(values) => Some(values.clone()),
        TensorData::I8(values) => Some(values.iter().map(|&v| v as u8).collect()),
        _ => None,
    }
}

fn format_of(name: &str, dtype: DType) -> Result<ElementFormat, CompileError> {
    match dtype {
        DType::U8 => Ok(ElementFormat::U8),
        DType::I8 => Ok(ElementFormat::I8),
        other => Err(CompileError::new(
            CompileErrorKind::ElementType,
            Subject::tensor(name),
            format!("{other} elements"),
            "u8 or i8",
            "quantize the model to 8 bits",
        )),
    }
}

pub(super) fn does_not_fit(error: &FitError) -> CompileError {
    let bytes = |[spm, acc]: [u64; 2]| format!("{spm} bytes of scratchpad and {acc} bytes of accumulators");
    CompileError::new(
        CompileErrorKind::Memory,
        Subject::node(&error.layer),
        format!("that its smallest tiles need {}", bytes(error.needs)),
        format!("at most what the machine has, {}", bytes(error.has)),
        format!(
            "choose a machine with at least {} KiB of `spm` and {} KiB of `acc`",
            error.needs[0].div_ceil(1024),
            error.needs[1].div_ceil(1024).max(1)
        ),
    )
}

/// The error that programs wait for ever on a machine whose queues hold so few instructions; `least` would do, if that is what is missing.
pub(super) fn queues_too_short(depth: u32, least: Option<u32>) -> CompileError {
    CompileError::new(
        CompileErrorKind::Memory,
        Subject::Model,
        format!(
            "a schedule that never ends on queues of {depth}: a full queue holds up what its instructions wait for"
        ),
        match least {
            Some(least) => format!("queues of at least {least} instructions"),
            None => "a schedule that ends".to_owned(),
        },
        match least {
            Some(least) => format!("raise `queue_depth` in the machine description to {least}"),
            None => "this is a fault of the compiler; please report the model and the machine".to_owned(),
        },
    )
}

pub(super) fn dram_too_small(needed: u64, capacity: u64) -> CompileError {
    CompileError::new(
        CompileErrorKind::Memory,
        Subject::Model,
        format!("tensors and constants of {needed} bytes"),
        format!("at most the {capacity} bytes of the machine's DRAM"),
        "raise `dram.capacity_mib` in the machine description",
    )
}

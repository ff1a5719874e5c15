//! From operators to stages: every tensor gets its place in DRAM, every parameter its table.

use super::FitError;
use super::emitter::Emitter;
use super::fusion::{self, Fusion};
use super::stage::{ConvStage, Feature, Residual, Sliding, Stage, StageKind};
use crate::error::{CompileError, CompileErrorKind, Subject};
use crate::quantized::{
    DType, IoTensor, QAdd, QConv, QDense, QMaxPool, QNode, QOp, QRequant, QuantizedGraph, TensorData, TensorId, Window,
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
        addresses: vec![None; graph.tensors.len()],
    };
    let mut symbols = Vec::new();
    let fusions = fusion::additions(graph);
    let io = graph.inputs.iter().map(|io| io.tensor);
    let written = graph.nodes.iter().map(|node| node.op.output());
    let written = written.filter(|id| !fusions.iter().any(|fusion| fusion.products == *id));
    for id in io.chain(written) {
        lowering.place(id, e, &mut symbols);
    }
    let mut errors = Vec::new();
    let mut stages = Vec::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        for id in node.op.activations() {
            lowering.place_constant(id, e);
        }
        let stage = match fusions.iter().find(|fusion| fusion.concerns(index)) {
            None => lowering.stage(node),
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
    addresses: Vec<Option<u64>>,
}

impl Lowering<'_> {
    /// Reserves DRAM for a tensor; a view lies where the tensor lies that it shows.
    fn place(&mut self, id: TensorId, e: &mut Emitter, symbols: &mut Vec<Symbol>) {
        let view = self.graph.nodes.iter().find_map(|node| match &node.op {
            QOp::View(view) if view.output == id => Some(view.input),
            _ => None,
        });
        let tensor = self.graph.tensor(id);
        let shown = view.and_then(|input| self.addresses[input.index()]);
        let address = shown.unwrap_or_else(|| {
            let address = e.reserve_dram(tensor.len() as u64);
            let size = tensor.len() as u64;
            symbols.push(Symbol {
                name: tensor.name.clone(),
                kind: SymbolKind::Dram,
                value: address,
                size,
            });
            address
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
        self.addresses[id.index()].ok_or_else(|| {
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
            address,
            images,
            height,
            width,
            channels,
            pitch: channels,
            format,
            zero_point,
        })
    }

    fn stage(&self, node: &QNode) -> Result<Option<Stage>, CompileError> {
        let (op, kind) = match &node.op {
            QOp::Conv(op) => ("conv", self.conv(&node.name, op)?),
            QOp::Dense(op) => ("dense", self.dense(&node.name, op)?),
            QOp::MaxPool(op) => ("max-pool", self.max_pool(op)?),
            QOp::Add(op) => ("add", self.add(op)?),
            QOp::Requant(op) => ("requantize", self.requant(op)?),
            QOp::View(_) => return Ok(None),
            other => return Err(untranslated(node, other)),
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
        self.product(name, x, y, sliding(&op.window), constants, clip)
    }

    fn dense(&self, name: &str, op: &QDense) -> Result<StageKind, CompileError> {
        let matrix = |feature: Feature, channels: usize| Feature {
            images: 1,
            height: op.m as u64,
            width: 1,
            channels: channels as u64,
            pitch: channels as u64,
            ..feature
        };
        let x = matrix(self.feature(op.input, op.input_zero_point)?, op.k);
        let y = matrix(self.feature(op.output, op.output_zero_point)?, op.n);
        let constants = (op.weights, op.bias, &op.weight_zero_points[..], &op.scales[..]);
        self.product(name, x, y, Sliding::POINT, constants, (op.clip.lo, op.clip.hi))
    }

    fn product(
        &self,
        name: &str,
        x: Feature,
        y: Feature,
        sliding: Sliding,
        (weights, bias, zero_points, scales): (TensorId, TensorId, &[i32], &[Scale]),
        clip: (i32, i32),
    ) -> Result<StageKind, CompileError> {
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
        Ok(StageKind::Conv(Box::new(ConvStage {
            x,
            y,
            sliding,
            weights: data,
            weight_format: format_of(&weights.name, weights.dtype)?,
            weight_zero_point,
            parameters,
            clip,
            residual: None,
        })))
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
            other => return Err(untranslated(node, other)),
        };
        let StageKind::Conv(mut conv) = kind else {
            return Err(untranslated(node, &node.op));
        };
        let (other, other_zero_point) = if fusion.is_first {
            (add.a, add.zero_points[0])
        } else {
            (add.b, add.zero_points[1])
        };
        let format = format_of(&self.graph.tensor(other).name, self.graph.tensor(other).dtype)?;
        conv.residual = Some(Residual {
            x: Feature {
                address: self.address(other)?,
                format,
                zero_point: other_zero_point,
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
        Ok(StageKind::MaxPool {
            x,
            y,
            sliding: sliding(&op.window),
            clip: y.format.range(),
        })
    }

    fn add(&self, op: &QAdd) -> Result<StageKind, CompileError> {
        Ok(StageKind::Add {
            a: self.feature(op.a, op.zero_points[0])?,
            b: self.feature(op.b, op.zero_points[1])?,
            y: self.feature(op.output, op.output_zero_point)?,
            parameters: op.parameters,
            clip: (op.clip.lo, op.clip.hi),
        })
    }

    fn requant(&self, op: &QRequant) -> Result<StageKind, CompileError> {
        Ok(StageKind::Requant {
            x: self.feature(op.input, op.input_zero_point)?,
            y: self.feature(op.output, op.output_zero_point)?,
            parameters: RequantParameters::new(0, op.scale),
            clip: (op.clip.lo, op.clip.hi),
        })
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

fn untranslated(node: &QNode, op: &QOp) -> CompileError {
    CompileError::new(
        CompileErrorKind::UnsupportedOperator,
        Subject::node(&node.name),
        format!("operator {}", op.name()),
        "an operator that code generation knows",
        "replace it when exporting the model",
    )
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
        "choose a machine with larger `spm` or `acc`",
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

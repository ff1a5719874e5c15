//! One matrix product, for measuring machines: in bytes as a quantized graph, like any model; or in any dataflow, pair of formats and
//! density of the weights, as a program made for it.

mod emit;
mod plan;

use crate::codegen::emitter::Emitter;
use crate::codegen::tiling::PARAMETER_BYTES;
use crate::codegen::{self, TilingPolicy};
use crate::error::CompileError;
use crate::graph::{ClipRange, DType, TensorData, TensorId};
use crate::quantized::{IoTensor, QDense, QNode, QOp, QTensor, QuantizedGraph, Rounding};
use emit::{Addresses, Code};
use plan::{Encoding, Plan, ROW_ALIGNMENT};
use systole_isa::numerics::{RequantParameters, Scale};
use systole_isa::program::{HostType, Program};
use systole_isa::{ElementFormat, MachineDescription};

/// Which operand stays in the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dataflow {
    /// Weights stay, activations stream.
    Ws,
    /// Sums stay, both operands stream.
    Os,
    /// Activations stay, weights stream.
    Is,
}

/// A matrix product `[m, k] x [k, n]` of pseudo-random operands, requantized to int8.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gemm {
    /// Rows of the left operand.
    pub m: u64,
    /// Columns of the left operand.
    pub k: u64,
    /// Columns of the right operand.
    pub n: u64,
    /// Which operand stays.
    pub dataflow: Dataflow,
    /// Format of the right operand.
    pub weights: ElementFormat,
    /// Format of the left operand.
    pub activations: ElementFormat,
    /// Share of the weights that are not zero, above 0 and at most 1. What is zero follows what the machine gains most from: two or one
    /// of four neighbours for 0.5 and 0.25 (weight-stationary), whole blocks of K, or single weights.
    pub density: f64,
}

/// A matrix product as a program, with its operands.
#[derive(Clone, Debug)]
pub struct GemmProgram {
    /// The program.
    pub program: Program,
    /// How zeros are dealt with: `dense`, `gating`, `skip` or `n_m`.
    pub sparsity: &'static str,
    /// The left operand as stored, row-major.
    pub left: Vec<i32>,
    /// The right operand as stored, row-major, the zero point where a weight is left out.
    pub right: Vec<i32>,
    /// How sums become the result.
    pub requantization: RequantParameters,
}

impl Gemm {
    /// Unsigned formats are centred on the middle of their range; the others on zero.
    pub fn zero_point(&self, format: ElementFormat) -> i32 {
        let (lo, hi) = format.range();
        if lo == 0 { (hi + 1) / 2 } else { 0 }
    }

    /// Pseudo-random values over the whole range of a format.
    fn values(format: ElementFormat, n: u64, mut seed: u64) -> Vec<i32> {
        (0..n).map(|_| format.decode(splitmix64(&mut seed) as u32)).collect()
    }

    /// The requantization that brings typical sums into the range of int8.
    fn requantization(&self) -> RequantParameters {
        let deviation = |format: ElementFormat| match format {
            ElementFormat::B1 => 1.0,
            format => 2f64.powi(format.bits() as i32) / 12f64.sqrt(),
        };
        let terms = (self.k as f64 * self.density).max(1.0);
        let sum = deviation(self.weights) * deviation(self.activations) * terms.sqrt();
        RequantParameters::from_scale(0, (32.0 / sum) as f32)
    }

    /// The product as a program for a machine.
    ///
    /// # Errors
    /// If the machine's memories are too small even for the smallest pieces.
    pub fn program(
        &self,
        machine: &MachineDescription,
        policy: TilingPolicy,
    ) -> Result<GemmProgram, Vec<CompileError>> {
        let plan = self.plan(machine, policy)?;
        let operands = Operands::of(&plan);
        let requantization = self.requantization();
        let parameters = [requantization.bias, requantization.multiplier, requantization.shift];
        let mut e = Emitter::default();
        let dram = Addresses {
            a: e.constants("a".to_owned(), operands.activation_bytes(&plan)),
            w: e.constants("b".to_owned(), operands.weight_bytes(&plan)),
            index: match operands.position_bytes(&plan) {
                bytes if bytes.is_empty() => 0,
                bytes => e.constants("b.positions".to_owned(), bytes),
            },
            parameters: e.constants(
                "parameters".to_owned(),
                parameters.into_iter().flat_map(i32::to_le_bytes).collect(),
            ),
            y: e.reserve_dram(self.m * self.n),
        };
        Ok(GemmProgram {
            program: self.emit(&plan, dram, e, machine)?,
            sparsity: plan.encoding.name(),
            left: operands.left,
            right: operands.right,
            requantization,
        })
    }

    /// The same code without constants, for measuring time alone, which does not depend on them: DRAM is as large and stays zero.
    ///
    /// # Errors
    /// Those of [`Self::program`].
    pub fn timing_program(
        &self,
        machine: &MachineDescription,
        policy: TilingPolicy,
    ) -> Result<Program, Vec<CompileError>> {
        let plan = self.plan(machine, policy)?;
        let [activations, weights, positions] = plan.operand_bytes();
        let mut e = Emitter::default();
        let dram = Addresses {
            a: e.reserve_dram(activations),
            w: e.reserve_dram(weights),
            index: match positions {
                0 => 0,
                n_bytes => e.reserve_dram(n_bytes),
            },
            parameters: e.reserve_dram(PARAMETER_BYTES),
            y: e.reserve_dram(self.m * self.n),
        };
        self.emit(&plan, dram, e, machine)
    }

    fn plan(&self, machine: &MachineDescription, policy: TilingPolicy) -> Result<Plan, Vec<CompileError>> {
        Plan::new(*self, machine, policy).map_err(|needs| {
            vec![codegen::does_not_fit(
                "gemm",
                (needs.spm_needed, needs.acc_needed),
                machine,
            )]
        })
    }

    fn emit(
        &self,
        plan: &Plan,
        dram: Addresses,
        mut e: Emitter,
        machine: &MachineDescription,
    ) -> Result<Program, Vec<CompileError>> {
        let y = dram.y;
        Code::new(plan, dram).emit(&mut e);
        let output = systole_isa::program::IoTensor {
            name: "c".to_owned(),
            shape: vec![self.m, self.n],
            host_type: HostType::Integer,
            format: ElementFormat::I8,
            quantization: None,
            address: y,
            strides: vec![self.n, 1],
        };
        let name = format!("gemm {}x{}x{}", self.m, self.k, self.n);
        let mut program = codegen::finish(e, name, machine).map_err(|error| vec![error])?;
        program.outputs.push(output);
        Ok(program)
    }
}

/// Operands of a product, as stored.
struct Operands {
    left: Vec<i32>,
    right: Vec<i32>,
    /// With a pattern, the positions of the kept weights: per stored row, per column.
    positions: Vec<u8>,
}

impl Operands {
    fn of(plan: &Plan) -> Self {
        let gemm = &plan.gemm;
        let left = Gemm::values(gemm.activations, gemm.m * gemm.k, 0xA11CE);
        let mut right = Gemm::values(gemm.weights, gemm.k * gemm.n, 0x5EED);
        let (zero, n) = (gemm.zero_point(gemm.weights), gemm.n as usize);
        let mut seed = 0xD1CE_u64;
        let mut positions = Vec::new();
        match plan.encoding {
            Encoding::Dense => {}
            Encoding::Zeros => {
                let limit = (gemm.density * u32::MAX as f64) as u64;
                right
                    .iter_mut()
                    .filter(|_| splitmix64(&mut seed) >> 32 > limit)
                    .for_each(|w| *w = zero);
            }
            Encoding::Blocks { .. } => {
                let dead = (0..gemm.k).filter(|&row| !plan.is_live(row));
                dead.for_each(|row| right[row as usize * n..][..n].fill(zero));
            }
            Encoding::Pattern(pattern) => {
                positions = prune(&mut right, n, zero, (pattern.kept(), pattern.group()), &mut seed);
            }
        }
        Self { left, right, positions }
    }

    /// Activations row by row, padded.
    fn activation_bytes(&self, plan: &Plan) -> Vec<u8> {
        let gemm = &plan.gemm;
        let stride = plan.k.next_multiple_of(ROW_ALIGNMENT) as usize;
        let mut packer = Packer::new(gemm.activations);
        for row in self.left.chunks(gemm.k as usize) {
            packer.put(row);
            packer.skip(stride - row.len());
        }
        packer.bytes
    }

    fn weight_bytes(&self, plan: &Plan) -> Vec<u8> {
        let (gemm, zero) = (&plan.gemm, plan.gemm.zero_point(plan.gemm.weights));
        let mut packer = Packer::new(gemm.weights);
        let mut values = Vec::new();
        plan.panels(|rows, column, width| {
            for row in rows {
                if let Encoding::Pattern(pattern) = plan.encoding {
                    let kept = |column: u64| {
                        let position = self.positions[(row * gemm.n + column) as usize];
                        let k = row / pattern.kept() * pattern.group() + u64::from(position);
                        let weight = self.right.get((k * gemm.n + column) as usize);
                        weight.copied().unwrap_or(zero)
                    };
                    values.clear();
                    values.extend((column..column + width).map(kept));
                    packer.put(&values);
                } else {
                    packer.put(&self.right[(row * gemm.n + column) as usize..][..width as usize]);
                }
                packer.skip((plan.panel() - width) as usize);
            }
        });
        packer.bytes
    }

    fn position_bytes(&self, plan: &Plan) -> Vec<u8> {
        let Encoding::Pattern(pattern) = plan.encoding else {
            return Vec::new();
        };
        let mut packer = Packer::new(pattern.index_format());
        plan.panels(|rows, column, width| {
            for row in rows {
                let first = (row * plan.gemm.n + column) as usize;
                let positions: Vec<i32> = self.positions[first..first + width as usize]
                    .iter()
                    .map(|&p| i32::from(p))
                    .collect();
                packer.put(&positions);
                packer.skip((plan.panel() - width) as usize);
            }
        });
        packer.bytes
    }
}

/// Keeps `kept` of every `group` neighbours of a column, at random places, and returns their positions, ascending.
fn prune(right: &mut [i32], n: usize, zero: i32, (kept, group): (u64, u64), seed: &mut u64) -> Vec<u8> {
    let k = right.len() / n;
    let n_groups = k.div_ceil(group as usize);
    let mut positions = vec![0; n_groups * kept as usize * n];
    for g in 0..n_groups {
        for column in 0..n {
            let mut places: Vec<u8> = (0..group as u8).collect();
            while places.len() as u64 > kept {
                let at = splitmix64(seed) % places.len() as u64;
                let dropped = places.remove(at as usize);
                let row = g * group as usize + usize::from(dropped);
                if row < k {
                    right[row * n + column] = zero;
                }
            }
            for (i, place) in places.into_iter().enumerate() {
                positions[(g * kept as usize + i) * n + column] = place;
            }
        }
    }
    positions
}

/// Packs elements, lowest bits first.
struct Packer {
    format: ElementFormat,
    bytes: Vec<u8>,
    /// Bits used of the last byte; 0 if all.
    n_bits: u32,
}

impl Packer {
    fn new(format: ElementFormat) -> Self {
        Self {
            format,
            bytes: Vec::new(),
            n_bits: 0,
        }
    }

    fn put(&mut self, values: &[i32]) {
        let (format, bits) = (self.format, self.format.bits());
        if bits == 8 {
            self.bytes
                .extend(values.iter().map(|&value| format.encode(value) as u8));
            return;
        }
        for &value in values {
            let pattern = format.encode(value);
            if bits > 8 {
                self.bytes.extend(&pattern.to_le_bytes()[..bits as usize / 8]);
                continue;
            }
            if self.n_bits == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= (pattern << self.n_bits) as u8;
            }
            self.n_bits = (self.n_bits + bits) % 8;
        }
    }

    /// Appends zero bits for so many elements.
    fn skip(&mut self, n: usize) {
        let bits = self.format.bits() as usize;
        if bits >= 8 {
            self.bytes.resize(self.bytes.len() + n * bits / 8, 0);
            return;
        }
        let zero = self.format.decode(0);
        (0..n).for_each(|_| self.put(&[zero]));
    }
}

/// The graph of `[m, k] x [k, n]` in int8 with requantization. Weights are a fixed pseudo-random sequence; the scale brings typical
/// sums into the range of the output.
pub fn gemm(m: usize, k: usize, n: usize) -> QuantizedGraph {
    let mut seed = 0x5EED_u64;
    graph(m, k, n, (0..k * n).map(|_| splitmix64(&mut seed) as i8).collect())
}

/// The graph of [`gemm`] with weights of zero, for measuring time alone, which does not depend on them.
pub fn timing_gemm(m: usize, k: usize, n: usize) -> QuantizedGraph {
    graph(m, k, n, vec![0; k * n])
}

fn graph(m: usize, k: usize, n: usize, weights: Vec<i8>) -> QuantizedGraph {
    let scale = 1.0 / (74.0 * (k as f32).sqrt());
    let tensor = |name: &str, shape: [usize; 2], quantization, data| QTensor {
        name: name.to_owned(),
        shape: shape.to_vec(),
        dtype: DType::I8,
        quantization,
        data,
    };
    let bias = QTensor {
        name: "bias".to_owned(),
        shape: vec![n],
        dtype: DType::I32,
        quantization: None,
        data: Some(TensorData::I32(vec![0; n])),
    };
    let io = |name: &str, id: u32, shape: [usize; 2], scale: f32| IoTensor {
        name: name.to_owned(),
        shape: shape.to_vec(),
        dtype: DType::I8,
        tensor: TensorId(id),
        integer_dtype: DType::I8,
        scale,
        zero_point: 0,
        view_shape: shape.to_vec(),
        permutation: vec![0, 1],
    };
    let product = QDense {
        input: TensorId(0),
        weights: TensorId(1),
        bias: TensorId(2),
        output: TensorId(3),
        m,
        k,
        n,
        input_zero_point: 0,
        weight_zero_points: vec![0; n],
        scales: vec![Scale::from_real(scale); n],
        output_zero_point: 0,
        clip: ClipRange { lo: -128, hi: 127 },
    };
    QuantizedGraph {
        name: format!("gemm {m}x{k}x{n}"),
        rounding: Rounding::Float,
        tensors: vec![
            tensor("a", [m, k], Some((1.0, 0)), None),
            tensor("b", [k, n], Some((1.0, 0)), Some(TensorData::I8(weights))),
            bias,
            tensor("c", [m, n], Some((1.0 / scale, 0)), None),
        ],
        nodes: vec![QNode {
            name: "gemm".to_owned(),
            op: QOp::Dense(product),
        }],
        inputs: vec![io("a", 0, [m, k], 1.0)],
        outputs: vec![io("c", 3, [m, n], 1.0 / scale)],
    }
}

/// The splitmix64 generator: the same numbers on every host.
pub fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

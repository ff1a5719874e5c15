//! Groups on the array, several at a time. A unit is what shares a tile of weights.

use super::super::emitter::{Emitter, View, at};
use super::super::patches::{KERNEL_DESCRIPTORS, KERNEL_REGISTERS, Kernel, Piece, TABLES, Table, X, Y};
use super::super::pieces::{ACC_FREE, ACC_FULL, INPUT_FREE, INPUT_FULL, OUTPUT_FREE, OUTPUT_FULL};
use super::super::stage::GroupedStage;
use super::super::tiling::PARAMETER_BYTES;
use systole_isa::operand::{Accumulate, Desc, Reg, Rounding, Space, Token, Weights};
use systole_isa::{ElementFormat, MachineDescription, Op, latency};

const SUMS: Desc = KERNEL_DESCRIPTORS[0];
/// Byte offsets of the present unit: of its input, weights, parameters, results, and of the present tile of its weights.
const INPUT: Reg = KERNEL_REGISTERS[0];
const WEIGHTS: Reg = KERNEL_REGISTERS[1];
const PARAMETERS: Reg = KERNEL_REGISTERS[2];
const OUTPUT: Reg = KERNEL_REGISTERS[3];
const TILE: Reg = KERNEL_REGISTERS[4];
/// First reduction row of the present tile.
const K0: Reg = KERNEL_REGISTERS[5];
/// Byte offset of the present accumulators.
const ACC: Reg = KERNEL_REGISTERS[6];

/// Accumulator tiles: one is filled while the other one is requantized.
const N_ACC_BUFFERS: u64 = 2;

pub(super) struct Diagonal<'a> {
    stage: &'a GroupedStage,
    rounding: Rounding,
    /// Rows of the array.
    n_rows: u64,
    /// Groups per unit.
    n_groups: u64,
    tables: [Table; 2],
}

impl<'a> Diagonal<'a> {
    /// All ways to share tiles whose columns the array has.
    pub(super) fn candidates(stage: &'a GroupedStage, rounding: Rounding, machine: &MachineDescription) -> Vec<Self> {
        let [_, co] = stage.group_channels();
        (1..=stage.groups)
            .take_while(|n_groups| n_groups * co <= u64::from(machine.cols))
            .filter(|n_groups| stage.groups.is_multiple_of(*n_groups))
            .map(|n_groups| Self::new(stage, rounding, n_groups, machine))
            .collect()
    }

    fn new(stage: &'a GroupedStage, rounding: Rounding, n_groups: u64, machine: &MachineDescription) -> Self {
        let [ci, co] = stage.group_channels();
        let (k, n) = (stage.n_taps() * ci * n_groups, co * n_groups);
        let mut bytes = Vec::with_capacity((stage.groups / n_groups * k * n) as usize);
        let zero = stage.conv.weight_zero_point as u8;
        for unit in 0..stage.groups / n_groups {
            for row in 0..k {
                let (tap, channel) = (row / (ci * n_groups), row % (ci * n_groups));
                bytes.extend((0..n).map(|column| match channel / ci == column / co {
                    true => stage.weight(tap, channel % ci, unit * n + column),
                    false => zero,
                }));
            }
        }
        let weights = Table {
            name: "weights",
            bytes,
            format: stage.conv.weight_format,
            zero_point: stage.conv.weight_zero_point,
            per_unit: Some(k * n),
        };
        let parameters = Table {
            per_unit: Some(3 * n),
            ..stage.parameter_table()
        };
        Self {
            stage,
            rounding,
            n_rows: u64::from(machine.rows),
            n_groups,
            tables: [weights, parameters],
        }
    }

    fn k(&self) -> u64 {
        self.stage.n_taps() * self.unit()[0]
    }

    fn product(&self, e: &mut Emitter, piece: &Piece, k: u64, mode: Accumulate, waits: &[Token]) {
        let n = self.unit()[1];
        e.op(Op::MxWload {
            w: at(TABLES[0][2], TILE),
            k: (k as i64).into(),
            n: (n as i64).into(),
        });
        let product = Op::MxMm {
            c: at(SUMS, ACC),
            a: at(X[2], INPUT),
            m0: 0.into(),
            m: (piece.pixels() as i64).into(),
            k0: K0.into(),
            mode,
            weights: Weights::Swap,
        };
        e.ordered(product, waits, &[]);
        e.add(TILE, (k * n) as i64);
        e.add(K0, k as i64);
    }

    /// The products and the requantization of one unit.
    fn one_unit(&self, e: &mut Emitter, piece: &Piece) {
        let (k, [ci, n]) = (self.k(), self.unit());
        e.copy(TILE, WEIGHTS);
        e.set(K0, 0);
        self.product(e, piece, k.min(self.n_rows), Accumulate::Over, &[ACC_FREE]);
        let left = k.saturating_sub(self.n_rows);
        e.repeat(left / self.n_rows, |e| {
            self.product(e, piece, self.n_rows, Accumulate::Add, &[])
        });
        if !left.is_multiple_of(self.n_rows) {
            self.product(e, piece, left % self.n_rows, Accumulate::Add, &[]);
        }
        e.ordered(Op::MxNop {}, &[], &[ACC_FULL]);
        let requantize = Op::VxRequant {
            dst: at(Y, OUTPUT),
            src: at(SUMS, ACC),
            par: at(TABLES[1][2], PARAMETERS),
            m: (piece.pixels() as i64).into(),
            n: (n as i64).into(),
            rounding: self.rounding,
        };
        e.ordered(requantize, &[ACC_FULL], &[ACC_FREE]);
        e.toggle(ACC, piece.pixels() * n * 4, N_ACC_BUFFERS);
        if piece.units > 1 {
            let steps = [
                (INPUT, ci),
                (WEIGHTS, k * n),
                (PARAMETERS, n * PARAMETER_BYTES),
                (OUTPUT, n),
            ];
            steps
                .iter()
                .for_each(|&(register, bytes)| e.add(register, bytes as i64));
        }
    }
}

impl Kernel for Diagonal<'_> {
    fn unit(&self) -> [u64; 2] {
        self.stage.group_channels().map(|channels| channels * self.n_groups)
    }

    fn tables(&self) -> &[Table] {
        &self.tables
    }

    fn padding(&self) -> i32 {
        self.stage.conv.x.zero_point
    }

    fn clip(&self) -> (i32, i32) {
        self.stage.conv.clip
    }

    fn work(&self, pixels: u64, units: u64, machine: &MachineDescription) -> [u64; 3] {
        let (k, [_, n]) = (self.k(), self.unit());
        let step = |k: u64| latency::stream(pixels).0.max(latency::weight_load(machine, k).0).max(5);
        let rest = k % self.n_rows;
        let products = k / self.n_rows * step(self.n_rows) + if rest == 0 { 0 } else { step(rest) };
        let requantize = latency::vector(machine, pixels * n).0;
        let cycles = units * products.max(requantize) + requantize + latency::drain(machine).0;
        [N_ACC_BUFFERS * 4 * pixels * n, pixels * k, cycles]
    }

    fn table_levels(&self, table: usize, units: u64) -> [Vec<(u64, u64)>; 2] {
        let (k, [_, n]) = (self.k(), self.unit());
        match table {
            0 => [vec![(k * units, n)], vec![(n, 1)]],
            _ => [vec![(units * n, 3)], vec![(3, 1)]],
        }
    }

    fn window_channels(&self, _: u64) -> u64 {
        self.unit()[0]
    }

    fn leaves_padding_out(&self) -> bool {
        false
    }

    fn begin(&self, e: &mut Emitter, piece: &Piece) -> Vec<(Token, u64)> {
        let [_, n] = self.unit();
        let view = View {
            space: Space::Acc,
            format: ElementFormat::I32,
            base: 0,
            zero_point: 0,
            rows: &[(piece.pixels(), n)],
            columns: &[(n, 1)],
        };
        e.view(SUMS, &view);
        e.credit(ACC_FREE, N_ACC_BUFFERS);
        e.set(ACC, 0);
        vec![(ACC_FREE, N_ACC_BUFFERS)]
    }

    fn compute(&self, e: &mut Emitter, piece: &Piece) {
        e.ordered(Op::MxNop {}, &[INPUT_FULL], &[]);
        e.ordered(Op::VxNop {}, &[OUTPUT_FREE], &[]);
        let starts = [
            (INPUT, piece.x_buffer()),
            (WEIGHTS, piece.table_buffer(0)),
            (PARAMETERS, piece.table_buffer(1)),
            (OUTPUT, piece.y_buffer()),
        ];
        starts.iter().for_each(|&(register, buffer)| e.copy(register, buffer));
        e.repeat(piece.units, |e| self.one_unit(e, piece));
        e.ordered(Op::VxNop {}, &[], &[INPUT_FREE, OUTPUT_FULL]);
    }
}

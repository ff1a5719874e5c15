//! A depthwise convolution on the vector unit: sums of products into the accumulators, then requantization. A unit is an input channel.

use super::super::emitter::{Emitter, View, at};
use super::super::handover::Ring;
use super::super::patches::{KERNEL_DESCRIPTORS, KERNEL_REGISTERS, Kernel, Piece, TABLES, Table, X, Y};
use super::super::pieces::{INPUT_FREE, INPUT_FULL, OUTPUT_FREE, OUTPUT_FULL};
use super::super::stage::GroupedStage;
use systole_isa::operand::{Accumulate, Desc, Reg, Rounding, Space};
use systole_isa::{ElementFormat, MachineDescription, Op, latency};

/// Sums of one of the outputs of every channel, and of all outputs.
const SUMS: Desc = KERNEL_DESCRIPTORS[0];
const ALL_SUMS: Desc = KERNEL_DESCRIPTORS[1];
/// Byte offsets of the weights and the sums of the present output.
const WEIGHTS: Reg = KERNEL_REGISTERS[0];
const SUM: Reg = KERNEL_REGISTERS[1];

pub(super) struct Depthwise<'a> {
    stage: &'a GroupedStage,
    rounding: Rounding,
    /// Outputs per input channel.
    n_outputs: u64,
    tables: [Table; 2],
}

impl<'a> Depthwise<'a> {
    pub(super) fn new(stage: &'a GroupedStage, rounding: Rounding) -> Self {
        let [_, n_outputs] = stage.group_channels();
        let n_taps = stage.n_taps();
        let unit = |group: u64| {
            let taps = (0..n_taps).flat_map(move |tap| (0..n_outputs).map(move |j| (tap, group * n_outputs + j)));
            taps.map(|(tap, output)| stage.weight(tap, 0, output))
        };
        let weights = Table {
            name: "weights",
            bytes: (0..stage.groups).flat_map(unit).collect(),
            format: stage.conv.weight_format,
            zero_point: stage.conv.weight_zero_point,
            per_unit: Some(n_taps * n_outputs),
        };
        let parameters = Table {
            per_unit: Some(3 * n_outputs),
            ..stage.parameter_table()
        };
        Self {
            stage,
            rounding,
            n_outputs,
            tables: [weights, parameters],
        }
    }
}

impl Kernel for Depthwise<'_> {
    fn unit(&self) -> [u64; 2] {
        [1, self.n_outputs]
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
        let products = pixels * units * self.stage.n_taps();
        let sums = pixels * units * self.n_outputs;
        let cycles = self.n_outputs * latency::vector(machine, products).0 + latency::vector(machine, sums).0;
        [4 * sums, products.max(sums), cycles]
    }

    fn table_levels(&self, table: usize, units: u64) -> [Vec<(u64, u64)>; 2] {
        let n_taps = self.stage.n_taps();
        match table {
            0 => [vec![(n_taps, self.n_outputs)], vec![(units, n_taps * self.n_outputs)]],
            _ => [vec![(units * self.n_outputs, 3)], vec![(3, 1)]],
        }
    }

    fn window_channels(&self, units: u64) -> u64 {
        units
    }

    fn leaves_padding_out(&self) -> bool {
        false
    }

    fn begin(&self, e: &mut Emitter, piece: &Piece) -> Vec<Ring> {
        let rows = [(piece.pixels(), piece.y_channels)];
        for (d, columns) in [
            (SUMS, [(piece.units, self.n_outputs)]),
            (ALL_SUMS, [(piece.y_channels, 1)]),
        ] {
            let view = View {
                space: Space::Acc,
                format: ElementFormat::I32,
                base: 0,
                zero_point: 0,
                rows: &rows,
                columns: &columns,
            };
            e.view(d, &view);
        }
        vec![]
    }

    fn compute(&self, e: &mut Emitter, piece: &Piece) {
        let m = (piece.pixels() as i64).into();
        let (src, mode) = (at(X[2], piece.x_at), Accumulate::Over);
        let convolve = |dst: Reg, weights: Reg| Op::VxDwConv {
            dst: at(SUMS, dst),
            src,
            w: at(TABLES[0][2], weights),
            m,
            n: (piece.units as i64).into(),
            mode,
        };
        if self.n_outputs == 1 {
            e.ordered(convolve(Reg::ZERO, piece.table_buffer(0)), &[INPUT_FULL], &[]);
        } else {
            e.ordered(Op::VxNop {}, &[INPUT_FULL], &[]);
            e.copy(WEIGHTS, piece.table_buffer(0));
            e.set(SUM, 0);
            e.repeat(self.n_outputs, |e| {
                e.op(convolve(SUM, WEIGHTS));
                e.add(WEIGHTS, 1);
                e.add(SUM, 4);
            });
        }
        let requantize = Op::VxRequant {
            dst: at(Y, piece.y_at),
            src: ALL_SUMS.into(),
            par: at(TABLES[1][2], piece.table_buffer(1)),
            m,
            n: (piece.y_channels as i64).into(),
            rounding: self.rounding,
        };
        e.ordered(requantize, &[OUTPUT_FREE], &[INPUT_FREE, OUTPUT_FULL]);
    }
}

//! Groups on the array, several at a time. A unit is what shares a tile of weights.

use super::super::emitter::{Emitter, View, at};
use super::super::handover::Ring;
use super::super::patches::{KERNEL_DESCRIPTORS, KERNEL_REGISTERS, Kernel, Piece, TABLES, Table, X, clip};
use super::super::pieces::{ACC_FREE, ACC_FULL, INPUT_FREE, INPUT_FULL, OUTPUT_FREE, OUTPUT_FULL};
use super::super::stage::GroupedStage;
use super::super::tiling::PARAMETER_BYTES;
use systole_isa::operand::{Accumulate, Desc, Reg, Rounding, Space, Token, Weights};
use systole_isa::{ElementFormat, MachineDescription, Op, Unit, latency};

const SUMS: Desc = KERNEL_DESCRIPTORS[0];
/// Results as the requantization writes them: a row for each tile of output pixels.
const RESULTS: Desc = KERNEL_DESCRIPTORS[1];
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

/// Tiles of output pixels worth a look: the larger ones share more window elements but need more columns and weights.
const TILES: [[u64; 2]; 4] = [[1, 2], [2, 2], [2, 4], [4, 4]];

/// Accumulator tiles: one is filled while the other one is requantized.
const N_ACC_BUFFERS: u64 = 2;

pub(super) struct Diagonal<'a> {
    stage: &'a GroupedStage,
    rounding: Rounding,
    /// Rows of the array.
    n_rows: u64,
    /// Groups per unit.
    n_groups: u64,
    /// Output pixels per row of products, down and across.
    tile: [u64; 2],
    tables: [Table; 2],
}

impl<'a> Diagonal<'a> {
    /// Ways to share tiles of weights whose columns the array has: every number of groups, and as many groups as fit beside each
    /// tile of output pixels.
    pub(super) fn candidates(stage: &'a GroupedStage, rounding: Rounding, machine: &MachineDescription) -> Vec<Self> {
        let [_, co] = stage.group_channels();
        let n_columns = u64::from(machine.cols);
        let groups = |tile: [u64; 2]| {
            let fits = move |n_groups: &u64| n_groups * co * tile[0] * tile[1] <= n_columns;
            (1..=stage.groups)
                .take_while(fits)
                .filter(|n_groups| stage.groups.is_multiple_of(*n_groups))
        };
        let tiled = TILES
            .into_iter()
            .filter(|tile| stage.has_tiles(*tile))
            .filter_map(|tile| Some((groups(tile).last()?, tile)));
        groups([1, 1])
            .map(|n_groups| (n_groups, [1, 1]))
            .chain(tiled)
            .map(|(n_groups, tile)| Self::new(stage, rounding, n_groups, tile, machine))
            .collect()
    }

    fn new(
        stage: &'a GroupedStage,
        rounding: Rounding,
        n_groups: u64,
        tile: [u64; 2],
        machine: &MachineDescription,
    ) -> Self {
        let mut diagonal = Self {
            stage,
            rounding,
            n_rows: u64::from(machine.rows),
            n_groups,
            tile,
            tables: [stage.parameter_table(), stage.parameter_table()],
        };
        diagonal.tables = [diagonal.weight_table(), diagonal.parameter_table()];
        diagonal
    }

    /// Unit by unit a matrix of window elements by output pixels and channels, zero where a window does not reach or the group is
    /// another one.
    fn weight_table(&self) -> Table {
        let stage = self.stage;
        let conv = &stage.conv;
        let [ci, co] = stage.group_channels();
        let [unit_in, unit_out] = self.unit();
        let [_, window_columns] = conv.sliding.of_tiles(self.tile).kernel;
        let (k, n) = (self.k(), self.n());
        let mut bytes = Vec::with_capacity((stage.groups / self.n_groups * k * n) as usize);
        let zero = conv.weight_zero_point as u8;
        for unit in 0..stage.groups / self.n_groups {
            for row in 0..k {
                let (position, channel) = (row / unit_in, row % unit_in);
                let at = [position / window_columns, position % window_columns];
                bytes.extend((0..n).map(|column| {
                    let (pixel, output) = (column / unit_out, column % unit_out);
                    let pixel = [pixel / self.tile[1], pixel % self.tile[1]];
                    match stage.tap(at, pixel) {
                        Some(tap) if channel / ci == output / co => {
                            stage.weight(tap, channel % ci, unit * unit_out + output)
                        }
                        _ => zero,
                    }
                }));
            }
        }
        Table {
            name: "weights",
            bytes,
            format: conv.weight_format,
            zero_point: conv.weight_zero_point,
            per_unit: Some(k * n),
        }
    }

    /// The parameters of a unit's channels, again for each output pixel of a tile.
    fn parameter_table(&self) -> Table {
        let table = self.stage.parameter_table();
        let unit_bytes = (self.unit()[1] * PARAMETER_BYTES) as usize;
        let n_pixels = (self.tile[0] * self.tile[1]) as usize;
        Table {
            bytes: table
                .bytes
                .chunks(unit_bytes)
                .flat_map(|unit| unit.repeat(n_pixels))
                .collect(),
            per_unit: Some(3 * self.n()),
            ..table
        }
    }

    /// Columns of a tile of weights.
    fn n(&self) -> u64 {
        self.unit()[1] * self.tile[0] * self.tile[1]
    }

    fn k(&self) -> u64 {
        let [down, across] = self.stage.conv.sliding.of_tiles(self.tile).kernel;
        down * across * self.unit()[0]
    }

    fn product(&self, e: &mut Emitter, piece: &Piece, k: u64, mode: Accumulate, waits: &[Token]) {
        let n = self.n();
        e.op(Op::MxWload {
            w: at(TABLES[0][2], TILE),
            k: (k as i64).into(),
            n: (n as i64).into(),
        });
        let product = Op::MxMm {
            c: at(SUMS, ACC),
            a: at(X[2], INPUT),
            m0: 0.into(),
            m: (piece.positions() as i64).into(),
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
        let (k, n, [ci, co]) = (self.k(), self.n(), self.unit());
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
            dst: at(RESULTS, OUTPUT),
            src: at(SUMS, ACC),
            par: at(TABLES[1][2], PARAMETERS),
            m: (piece.positions() as i64).into(),
            n: (n as i64).into(),
            rounding: self.rounding,
        };
        e.ordered(requantize, &[ACC_FULL], &[ACC_FREE]);
        e.toggle(ACC, piece.positions() * n * 4, N_ACC_BUFFERS);
        if piece.units > 1 {
            let steps = [
                (INPUT, ci),
                (WEIGHTS, k * n),
                (PARAMETERS, n * PARAMETER_BYTES),
                (OUTPUT, co),
            ];
            steps
                .iter()
                .for_each(|&(register, bytes)| e.add(register, bytes as i64));
        }
    }
}

impl Diagonal<'_> {
    fn result_view(&self, e: &mut Emitter, piece: &Piece) {
        let y = &self.stage.conv.y;
        let [down, across] = self.tile;
        let [row, pixel] = piece.y_strides;
        let view = View {
            space: Space::Spm,
            format: y.format,
            base: piece.y_address as i64,
            zero_point: y.zero_point,
            rows: &[(piece.rows, down * row), (piece.columns, across * pixel)],
            columns: &[(down, row), (across, pixel), (self.unit()[1], 1)],
        };
        e.view(RESULTS, &view);
        clip(e, RESULTS, self.clip());
    }
}

impl Kernel for Diagonal<'_> {
    fn unit(&self) -> [u64; 2] {
        self.stage.group_channels().map(|channels| channels * self.n_groups)
    }

    fn tile(&self) -> [u64; 2] {
        self.tile
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

    fn work(&self, positions: u64, units: u64, machine: &MachineDescription) -> [u64; 3] {
        let (k, n) = (self.k(), self.n());
        let step = |k: u64| {
            latency::stream(positions)
                .0
                .max(latency::weight_load(machine, k).0)
                .max(5)
        };
        let rest = k % self.n_rows;
        let products = k / self.n_rows * step(self.n_rows) + if rest == 0 { 0 } else { step(rest) };
        let requantize = latency::vector(machine, positions * n).0;
        let cycles = units * products.max(requantize) + requantize + latency::drain(machine).0;
        [N_ACC_BUFFERS * 4 * positions * n, positions * k.max(n), cycles]
    }

    fn table_levels(&self, table: usize, units: u64) -> [Vec<(u64, u64)>; 2] {
        let (k, n) = (self.k(), self.n());
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

    fn begin(&self, e: &mut Emitter, piece: &Piece) -> Vec<Ring> {
        let n = self.n();
        self.result_view(e, piece);
        let view = View {
            space: Space::Acc,
            format: ElementFormat::I32,
            base: 0,
            zero_point: 0,
            rows: &[(piece.positions(), n)],
            columns: &[(n, 1)],
        };
        e.view(SUMS, &view);
        e.set(ACC, 0);
        vec![Ring::new(ACC_FREE, N_ACC_BUFFERS, Unit::Vx)]
    }

    fn compute(&self, e: &mut Emitter, piece: &Piece) {
        e.ordered(Op::MxNop {}, &[INPUT_FULL], &[]);
        e.ordered(Op::VxNop {}, &[OUTPUT_FREE], &[]);
        let starts = [
            (INPUT, piece.x_at),
            (WEIGHTS, piece.table_buffer(0)),
            (PARAMETERS, piece.table_buffer(1)),
            (OUTPUT, piece.y_at),
        ];
        starts.iter().for_each(|&(register, buffer)| e.copy(register, buffer));
        e.repeat(piece.units, |e| self.one_unit(e, piece));
        e.ordered(Op::VxNop {}, &[], &[INPUT_FREE, OUTPUT_FULL]);
    }
}

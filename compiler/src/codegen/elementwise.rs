//! Code for operations of one element or one row at a time: rescaling, lookup, slopes, sums and products with repeated operands, softmax,
//! layer normalization.
//!
//! A stage is a nest of axes; each operand has a stride per axis, zero where it is repeated. A piece is a box of that nest. Operands that
//! are the same for every piece are loaded once.

use super::FitError;
use super::emitter::{Emitter, View, at};
use super::pieces::{
    Cut, INPUT_FREE, INPUT_FULL, MAX_ELEMENTS, OFFSETS, OUTPUT_FREE, OUTPUT_FULL, PieceWork, Plan, Walk, begin_buffers,
    box_cycles, buffer, does_not_fit, plan, rings,
};
use super::stage::{ElementStage, Function, Operand, Stage};
use super::tiling::aligned;
use systole_isa::descriptor::N_LEVELS;
use systole_isa::operand::{Count, Desc, DescRef, Imm, Reg, Space, Token};
use systole_isa::{ElementFormat, MachineDescription, Op, latency};

/// Descriptors of an operand: in DRAM, as it is loaded, as it is read.
const INPUTS: [[Desc; 3]; 2] = [
    [Desc::at(0), Desc::at(1), Desc::at(2)],
    [Desc::at(3), Desc::at(4), Desc::at(5)],
];
const TABLE: [Desc; 3] = [Desc::at(6), Desc::at(7), Desc::at(8)];
const Y: Desc = Desc::at(9);
const Y_DRAM: Desc = Desc::at(10);

/// The ring of the table, and that of the results; the inputs have the first ones.
const TABLE_RING: usize = 2;
const Y_RING: usize = 3;

impl Operand {
    /// The axes of a piece along which it has elements of its own.
    fn axes(&self, sizes: &[u64]) -> Vec<(u64, u64)> {
        let axes = sizes.iter().copied().zip(self.strides.iter().copied());
        axes.filter(|(size, stride)| *size > 1 && *stride != 0).collect()
    }

    /// Distinct elements in a piece.
    fn n_distinct(&self, sizes: &[u64]) -> u64 {
        self.axes(sizes).iter().map(|(size, _)| size).product()
    }

    /// Strides of the distinct elements packed without gaps.
    fn packed(&self, sizes: &[u64]) -> Vec<u64> {
        let mut step = 1;
        let mut strides = vec![0; sizes.len()];
        for axis in (0..sizes.len()).rev().filter(|&axis| self.strides[axis] != 0) {
            strides[axis] = step;
            step *= sizes[axis];
        }
        strides
    }

    /// Bytes of a buffer for a piece.
    fn buffer_bytes(&self, sizes: &[u64]) -> u64 {
        if self.place.is_resident() {
            0
        } else {
            aligned(self.n_distinct(sizes))
        }
    }

    fn cycles(&self, machine: &MachineDescription, sizes: &[u64]) -> u64 {
        if self.place.is_resident() {
            return 0;
        }
        let axes: Vec<_> = self.axes(sizes).iter().map(|&(n, stride)| (n, stride as i64)).collect();
        box_cycles(machine, &axes)
    }

    /// Byte strides for [`Walk::offset`]; activations have one byte per element.
    fn steps(&self) -> Vec<i64> {
        self.strides.iter().map(|&stride| stride as i64).collect()
    }
}

impl Function {
    /// Words of the table per column, if its rows belong to columns.
    fn words_per_column(self) -> Option<u64> {
        (self == Self::Prelu).then_some(6)
    }

    /// Whether it needs whole rows.
    fn takes_rows(self) -> bool {
        matches!(self, Self::Softmax | Self::LayerNorm)
    }

    fn cycles(self, machine: &MachineDescription, m: u64, n: u64) -> u64 {
        let cycles = match self {
            Self::Requant | Self::Prelu | Self::Add | Self::Mul => latency::vector(machine, m * n),
            Self::Lut => latency::vector_lookup(machine, m * n, 256),
            Self::Softmax => latency::softmax(machine, m, n),
            Self::LayerNorm => latency::layer_norm(machine, m, n),
        };
        cycles.0
    }

    /// The table as a matrix for a piece with `n` columns: rows as (count, stride), and columns.
    fn table(self, n: u64, table_len: u64) -> (Option<(u64, u64)>, u64) {
        match self {
            // One row serves every column.
            Self::Requant => (Some((n, 0)), table_len),
            Self::Prelu => (Some((n, 6)), 6),
            Self::LayerNorm => (Some((n + 1, 2)), 2),
            Self::Add | Self::Mul | Self::Lut | Self::Softmax => (None, table_len),
        }
    }
}

/// A stage with everything decided.
struct Elements<'a> {
    layer: &'a Stage,
    stage: &'a ElementStage,
    cuts: Vec<Cut>,
    n_buffers: u64,
    sizes: Vec<u64>,
}

/// Appends the code of an operation on elements or rows.
///
/// # Errors
/// If not even the smallest piece fits the scratchpad.
pub(super) fn emit_elements(
    e: &mut Emitter,
    layer: &Stage,
    stage: &ElementStage,
    machine: &MachineDescription,
) -> Result<(), FitError> {
    let Plan { cuts, n_buffers, .. } =
        plan_elements(stage, machine).map_err(|work| does_not_fit(&layer.name, &work, machine))?;
    let sizes = stage.whole_sizes(&cuts.iter().map(|cut| cut.size).collect::<Vec<_>>());
    let elements = Elements {
        layer,
        stage,
        cuts,
        n_buffers,
        sizes,
    };
    elements.emit(e, machine);
    Ok(())
}

/// The best pieces of an operation on elements or rows.
///
/// # Errors
/// What the smallest pieces need.
pub(super) fn plan_elements(stage: &ElementStage, machine: &MachineDescription) -> Result<Plan, PieceWork> {
    let n_axes = stage.axes.len();
    let cuttable = n_axes - usize::from(stage.function.takes_rows());
    // Descriptors have five levels: axes beyond them are walked one by one.
    let most = |axis: usize| if axis + N_LEVELS < n_axes { 1 } else { stage.axes[axis] };
    let cuts: Vec<Cut> = (0..cuttable)
        .map(|axis| Cut {
            total: stage.axes[axis],
            size: most(axis),
        })
        .collect();
    plan(&cuts, machine, |sizes| stage.work(sizes, machine))
}

impl ElementStage {
    /// Sizes of a piece along all axes, given those along the axes that are cut.
    fn whole_sizes(&self, cut: &[u64]) -> Vec<u64> {
        let rest = self.axes[cut.len()..].iter();
        cut.iter().chain(rest).copied().collect()
    }

    /// Whether an operand is the same for every piece.
    fn is_fixed(&self, operand: &Operand, sizes: &[u64]) -> bool {
        let mut axes = self.axes.iter().zip(sizes).zip(&operand.strides);
        axes.all(|((total, size), stride)| total == size || *stride == 0)
    }

    /// Elements of the table that a piece needs.
    fn table_len(&self, sizes: &[u64]) -> u64 {
        match self.function.words_per_column() {
            Some(words) => words * self.n_columns(sizes),
            None => self.table_elements(),
        }
    }

    fn table_elements(&self) -> u64 {
        self.table.len() as u64 / u64::from(self.table_format.bits() / 8)
    }

    fn n_columns(&self, sizes: &[u64]) -> u64 {
        sizes.last().copied().unwrap_or(1)
    }

    fn table_bytes(&self, sizes: &[u64]) -> u64 {
        self.table_len(sizes) * u64::from(self.table_format.bits() / 8)
    }

    fn table_is_fixed(&self, sizes: &[u64]) -> bool {
        self.function.words_per_column().is_none() || self.axes.last() == sizes.last()
    }

    fn work(&self, cut: &[u64], machine: &MachineDescription) -> PieceWork {
        let sizes = self.whole_sizes(cut);
        let n_elements: u64 = sizes.iter().product();
        let n = self.n_columns(&sizes);
        let mut work = PieceWork {
            spm: self.output.buffer_bytes(&sizes),
            elements: n_elements,
            stores: self.output.cycles(machine, &sizes),
            compute: self.function.cycles(machine, n_elements / n, n),
            ..PieceWork::default()
        };
        for input in &self.inputs {
            let bytes = input.buffer_bytes(&sizes);
            if self.is_fixed(input, &sizes) {
                work.spm_fixed += bytes;
            } else {
                work.spm += bytes;
                work.loads += input.cycles(machine, &sizes);
            }
        }
        let table = aligned(self.table_bytes(&sizes));
        if self.table_is_fixed(&sizes) {
            work.spm_fixed += table;
        } else {
            work.spm += table;
        }
        work
    }
}

impl Elements<'_> {
    fn emit(&self, e: &mut Emitter, machine: &MachineDescription) {
        let (stage, layer) = (self.stage, self.layer);
        let table_address = e.constants(format!("{}.parameters", layer.name), stage.table.clone());
        e.layer(&layer.name, layer.op);
        let n = stage.n_columns(&self.sizes);
        let m = self.sizes.iter().product::<u64>() / n;
        debug_assert!(m * n <= MAX_ELEMENTS, "the plan keeps instructions small enough");
        let input_bytes = |input: &Operand| input.buffer_bytes(&self.sizes) * self.n_copies(input);
        let table_is_fixed = stage.table_is_fixed(&self.sizes);
        let copies = if table_is_fixed { 1 } else { self.n_buffers };
        let places = e.occupied.place(
            aligned(stage.table_bytes(&self.sizes)) * copies,
            stage.inputs.iter().map(input_bytes).sum::<u64>() + stage.output.buffer_bytes(&self.sizes) * self.n_buffers,
            machine.spm.capacity_bytes(),
        );
        let mut address = places.rest;
        for (i, input) in stage.inputs.iter().enumerate() {
            self.input_views(e, INPUTS[i], input, address);
            address += input_bytes(input);
        }
        self.table_views(e, table_address, places.constants, n);
        self.output_views(e, address);
        begin_buffers(e, self.n_buffers);
        let rings = rings(self.n_buffers);
        e.follow(&rings);
        e.load_constants(&rings, places.is_early, |e| {
            if table_is_fixed {
                e.op(load(TABLE, stage.table_len(&self.sizes), Reg::ZERO, Reg::ZERO));
            }
        });
        for (i, input) in stage
            .inputs
            .iter()
            .enumerate()
            .filter(|(_, input)| !input.place.is_resident() && self.is_fixed(input))
        {
            e.op(load(INPUTS[i], input.n_distinct(&self.sizes), Reg::ZERO, Reg::ZERO));
        }
        let walk = Walk { cuts: &self.cuts };
        walk.each(e, |e| self.piece(e, &walk, m, n));
        e.hand_over(&rings);
    }

    fn is_fixed(&self, input: &Operand) -> bool {
        self.stage.is_fixed(input, &self.sizes)
    }

    fn n_copies(&self, input: &Operand) -> u64 {
        if self.is_fixed(input) { 1 } else { self.n_buffers }
    }

    /// The levels of rows and of columns of a piece.
    fn levels(&self, strides: &[u64]) -> [Vec<(u64, u64)>; 2] {
        let first = self.sizes.len().saturating_sub(N_LEVELS);
        let mut rows: Vec<(u64, u64)> = self.sizes[first..]
            .iter()
            .copied()
            .zip(strides[first..].iter().copied())
            .collect();
        let columns = rows.split_off(rows.len() - 1);
        [rows, columns]
    }

    fn input_views(&self, e: &mut Emitter, [dram, fill, view]: [Desc; 3], input: &Operand, address: u64) {
        let axes = input.axes(&self.sizes);
        let base = View {
            space: input.place.space,
            format: input.format,
            base: input.place.address as i64,
            zero_point: input.zero_point,
            rows: &[],
            columns: &axes,
        };
        if input.place.is_resident() {
            let [rows, columns] = self.levels(&input.strides);
            let (rows, columns) = (&rows[..], &columns[..]);
            return e.view(view, &View { rows, columns, ..base });
        }
        e.view(dram, &base);
        let local = View {
            space: Space::Spm,
            base: address as i64,
            ..base
        };
        let columns = [(input.n_distinct(&self.sizes), 1)];
        e.view(
            fill,
            &View {
                columns: &columns,
                ..local
            },
        );
        let [rows, columns] = self.levels(&input.packed(&self.sizes));
        let (rows, columns) = (&rows[..], &columns[..]);
        e.view(view, &View { rows, columns, ..local });
    }

    fn table_views(&self, e: &mut Emitter, address: u64, spm: u64, n: u64) {
        let len = self.stage.table_len(&self.sizes);
        let run = [(len, 1)];
        let base = View {
            space: Space::Dram,
            format: self.stage.table_format,
            base: address as i64,
            zero_point: 0,
            rows: &[],
            columns: &run,
        };
        let local = e.buffered(TABLE[0], TABLE[1], &base, spm);
        let (rows, columns) = self.stage.function.table(n, len);
        let (rows, columns): (Vec<_>, _) = (rows.into_iter().collect(), [(columns, 1)]);
        e.view(
            TABLE[2],
            &View {
                rows: &rows,
                columns: &columns,
                ..local
            },
        );
    }

    fn output_views(&self, e: &mut Emitter, spm: u64) {
        let y = &self.stage.output;
        let [rows, columns] = self.levels(&y.packed(&self.sizes));
        let local = View {
            space: Space::Spm,
            format: y.format,
            base: spm as i64,
            zero_point: y.zero_point,
            rows: &rows,
            columns: &columns,
        };
        let [rows, columns] = self.levels(&y.strides);
        let in_place = View {
            space: y.place.space,
            base: y.place.address as i64,
            rows: &rows,
            columns: &columns,
            ..local
        };
        e.view(Y, if y.place.is_resident() { &in_place } else { &local });
        e.op(Op::Clip {
            d: Y,
            lo: Imm(i64::from(self.stage.clip.0)),
            hi: Imm(i64::from(self.stage.clip.1)),
        });
        if !y.place.is_resident() {
            e.view(Y_DRAM, &in_place);
        }
    }

    fn piece(&self, e: &mut Emitter, walk: &Walk<'_>, m: u64, n: u64) {
        let stage = self.stage;
        let mut loads = Vec::new();
        // Where the inputs are, and the result.
        let mut places = [Reg::ZERO; 3];
        for (i, input) in stage
            .inputs
            .iter()
            .enumerate()
            .filter(|(_, input)| !self.is_fixed(input))
        {
            let offset = walk.offset(e, OFFSETS[i], &input.steps());
            places[i] = offset;
            if !input.place.is_resident() {
                places[i] = buffer(i, self.n_buffers);
                loads.push(load(INPUTS[i], input.n_distinct(&self.sizes), offset, places[i]));
            }
        }
        let offset = walk.offset(e, OFFSETS[Y_RING], &stage.output.steps());
        let stores = !stage.output.place.is_resident();
        places[2] = if stores { buffer(Y_RING, self.n_buffers) } else { offset };
        if !stage.table_is_fixed(&self.sizes) {
            let mut strides = vec![0; stage.axes.len()];
            let row = stage.function.words_per_column().unwrap_or(0) * 4;
            strides.splice(stage.axes.len() - 1.., [row as i64]);
            let offset = walk.offset(e, OFFSETS[TABLE_RING], &strides);
            let len = stage.table_len(&self.sizes);
            loads.push(load(TABLE, len, offset, buffer(TABLE_RING, self.n_buffers)));
        }
        load_all(e, loads);
        e.ordered(
            self.compute(m, n, places),
            &[INPUT_FULL, OUTPUT_FREE],
            &[INPUT_FREE, OUTPUT_FULL],
        );
        let store = if stores {
            Op::St {
                dst: at(Y_DRAM, offset),
                src: at(Y, places[2]),
                m: (m as i64).into(),
                n: (n as i64).into(),
            }
        } else {
            Op::StNop {}
        };
        e.ordered(store, &[OUTPUT_FULL], &[OUTPUT_FREE]);
        for (i, input) in stage
            .inputs
            .iter()
            .enumerate()
            .filter(|(_, input)| !input.place.is_resident() && !self.is_fixed(input))
        {
            e.toggle(
                buffer(i, self.n_buffers),
                input.buffer_bytes(&self.sizes),
                self.n_buffers,
            );
        }
        if !stage.table_is_fixed(&self.sizes) {
            e.toggle(
                buffer(TABLE_RING, self.n_buffers),
                aligned(stage.table_bytes(&self.sizes)),
                self.n_buffers,
            );
        }
        if stores {
            e.toggle(places[2], aligned(m * n), self.n_buffers);
        }
    }

    fn compute(&self, m: u64, n: u64, places: [Reg; 3]) -> Op {
        let (m, n): (Count, Count) = ((m as i64).into(), (n as i64).into());
        let input = |i: usize| -> DescRef { at(INPUTS[i][2], places[i]) };
        let fixed = self.stage.table_is_fixed(&self.sizes);
        let table = at(
            TABLE[2],
            if fixed {
                Reg::ZERO
            } else {
                buffer(TABLE_RING, self.n_buffers)
            },
        );
        let dst = at(Y, places[2]);
        let (src, a, b, par, rounding) = (input(0), input(0), input(1), table, self.layer.rounding);
        match self.stage.function {
            Function::Requant => Op::VxRequant {
                dst,
                src,
                par,
                m,
                n,
                rounding,
            },
            Function::Prelu => Op::VxPrelu {
                dst,
                src,
                par,
                m,
                n,
                rounding,
            },
            Function::Lut => Op::VxLut { dst, src, table, m, n },
            Function::Add => Op::VxAdd {
                dst,
                a,
                b,
                par,
                m,
                n,
                rounding,
            },
            Function::Mul => Op::VxMul {
                dst,
                a,
                b,
                par,
                m,
                n,
                rounding,
            },
            Function::Softmax => Op::VxSoftmax { dst, src, table, m, n },
            Function::LayerNorm => Op::VxLayerNorm { dst, src, par, m, n },
        }
    }
}

/// A load of `n` elements as one run of the scratchpad.
pub(super) fn load([dram, fill, _]: [Desc; 3], n: u64, offset: Reg, buffer: Reg) -> Op {
    Op::Ld {
        dst: at(fill, buffer),
        src: at(dram, offset),
        m: 1.into(),
        n: (n as i64).into(),
    }
}

/// The loads of a piece: the first one waits for a free buffer, the last one says that all of them are there. Without any, a load that
/// does nothing stands for them.
pub(super) fn load_all(e: &mut Emitter, loads: Vec<Op>) {
    let loads = if loads.is_empty() { vec![Op::LdNop {}] } else { loads };
    let last = loads.len() - 1;
    for (i, load) in loads.into_iter().enumerate() {
        let waits: &[Token] = if i == 0 { &[INPUT_FREE] } else { &[] };
        let posts: &[Token] = if i == last { &[INPUT_FULL] } else { &[] };
        e.ordered(load, waits, posts);
    }
}

/// The table of a stage as bytes.
pub(super) fn words(words: &[i32]) -> (Vec<u8>, ElementFormat) {
    (
        words.iter().flat_map(|word| word.to_le_bytes()).collect(),
        ElementFormat::I32,
    )
}

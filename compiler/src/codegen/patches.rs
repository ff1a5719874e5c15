//! Windows that slide over images, in pieces of output pixels and channels: poolings and convolutions in groups.
//!
//! Channels come in units; a unit reads some channels of the input and makes some of the output. What is done with a piece once its
//! pixels are in the scratchpad is a [`Kernel`]'s matter. Padding is filled by the load, or by windows on what is read where that is in the
//! scratchpad already.

use super::FitError;
use super::elementwise::{load, load_all};
use super::emitter::{Emitter, View, at};
use super::handover::Ring;
use super::pieces::{
    Cut, OFFSETS, OUTPUT_FREE, OUTPUT_FULL, PieceWork, Plan, Walk, begin_buffers, box_cycles, buffer, does_not_fit,
    plan, rings,
};
use super::stage::{Feature, Sliding, Stage};
use super::tiling::aligned;
use systole_isa::operand::{Axis, Coord, Desc, Imm, Reg, Space};
use systole_isa::{ElementFormat, MachineDescription, Op};

/// Descriptors of the input and of the tables: in DRAM, as they are loaded, as they are read.
pub(super) const X: [Desc; 3] = [Desc::at(0), Desc::at(1), Desc::at(2)];
pub(super) const TABLES: [[Desc; 3]; 2] = [
    [Desc::at(3), Desc::at(4), Desc::at(5)],
    [Desc::at(6), Desc::at(7), Desc::at(8)],
];
pub(super) const Y: Desc = Desc::at(9);
const Y_DRAM: Desc = Desc::at(10);
/// Descriptors and registers that a kernel has for itself.
pub(super) const KERNEL_DESCRIPTORS: [Desc; 2] = [Desc::at(11), Desc::at(12)];
pub(super) const KERNEL_REGISTERS: [Reg; 8] = [
    Reg::at(20),
    Reg::at(21),
    Reg::at(22),
    Reg::at(23),
    Reg::at(24),
    Reg::at(25),
    Reg::at(26),
    Reg::at(27),
];
/// Image row and column of the first element of a piece.
const ORIGINS: [Reg; 2] = [Reg::at(18), Reg::at(19)];

/// The cuts: images, units of channels, output rows, output columns.
const IMAGES: usize = 0;
const UNITS: usize = 1;
const ROWS: usize = 2;
const COLUMNS: usize = 3;

/// Rings: the input, the tables, the results.
pub(super) const X_RING: usize = 0;
pub(super) const TABLE_RINGS: [usize; 2] = [1, 2];
pub(super) const Y_RING: usize = 3;

/// Parameters or weights, unit by unit.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) format: ElementFormat,
    pub(super) zero_point: i32,
    /// Elements per unit of channels; `None` if the whole table serves all units.
    pub(super) per_unit: Option<u64>,
}

impl Table {
    fn element_bytes(&self) -> u64 {
        u64::from(self.format.bits() / 8)
    }

    /// Elements for so many units.
    fn len(&self, n_units: u64) -> u64 {
        match self.per_unit {
            Some(elements) => elements * n_units,
            None => self.bytes.len() as u64 / self.element_bytes(),
        }
    }
}

/// What a kernel knows of a piece.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    /// Tiles of output pixels down and across.
    pub(super) rows: u64,
    pub(super) columns: u64,
    /// Output pixels of a tile, down and across.
    pub(super) tile: [u64; 2],
    pub(super) units: u64,
    /// Channels of a pixel of the input and of the result.
    x_channels: u64,
    pub(super) y_channels: u64,
    /// Elements from a row to the next and from a pixel to the next in the scratchpad, of the piece's input and of its result.
    x_strides: [u64; 2],
    pub(super) y_strides: [u64; 2],
    /// Places of the piece in the scratchpad: registers with the offset from the first one.
    pub(super) x_at: Reg,
    pub(super) y_at: Reg,
    /// Address of the first result in the scratchpad.
    pub(super) y_address: u64,
    pub(super) n_buffers: u64,
    /// Whether there is more than one piece along the channels, so that tables change.
    pub(super) tables_change: bool,
}

impl Piece {
    /// Tiles of output pixels: the positions of the window.
    pub(super) fn positions(&self) -> u64 {
        self.rows * self.columns
    }

    /// Output pixels.
    pub(super) fn pixels(&self) -> u64 {
        self.positions() * self.tile[0] * self.tile[1]
    }

    /// The buffer of a table that has elements per unit.
    pub(super) fn table_buffer(&self, table: usize) -> Reg {
        if self.tables_change {
            buffer(TABLE_RINGS[table], self.n_buffers)
        } else {
            Reg::ZERO
        }
    }
}

/// What is done with the windows of a piece.
pub(super) trait Kernel {
    /// Channels of the input and of the output per unit.
    fn unit(&self) -> [u64; 2];
    /// Output pixels that one position of the window makes, down and across; they divide the output's height and width.
    fn tile(&self) -> [u64; 2] {
        [1, 1]
    }
    /// What it needs besides pixels, at most two.
    fn tables(&self) -> &[Table];
    /// The value of elements in the padding.
    fn padding(&self) -> i32;
    /// Limits of results.
    fn clip(&self) -> (i32, i32);
    /// Bytes of accumulators, elements of the largest instruction, and cycles, for so many positions of the window and units.
    fn work(&self, positions: u64, units: u64, machine: &MachineDescription) -> [u64; 3];
    /// The levels of a table's view: rows and columns.
    fn table_levels(&self, table: usize, units: u64) -> [Vec<(u64, u64)>; 2];
    /// Channels that one instruction reads of a piece with so many.
    fn window_channels(&self, units: u64) -> u64;
    /// Whether elements in the padding do not count, so that windows have to bound what is read.
    fn leaves_padding_out(&self) -> bool;
    /// Sets up its own views and registers; returns its own rings.
    fn begin(&self, e: &mut Emitter, piece: &Piece) -> Vec<Ring>;
    /// From a full input to a full output.
    fn compute(&self, e: &mut Emitter, piece: &Piece);
}

/// A stage whose windows slide over images.
pub(super) struct Patches<'a> {
    pub(super) x: &'a Feature,
    pub(super) y: &'a Feature,
    /// How the window of a tile of output pixels slides from tile to tile.
    sliding: Sliding,
    kernel: &'a dyn Kernel,
}

impl<'a> Patches<'a> {
    pub(super) fn new(x: &'a Feature, y: &'a Feature, sliding: &Sliding, kernel: &'a dyn Kernel) -> Self {
        Self {
            x,
            y,
            sliding: sliding.of_tiles(kernel.tile()),
            kernel,
        }
    }

    /// Tiles of output pixels down and across.
    fn n_tiles(&self) -> [u64; 2] {
        let [down, across] = self.kernel.tile();
        [self.y.height / down, self.y.width / across]
    }

    fn piece(&self, cuts: &[Cut], n_buffers: u64) -> Piece {
        let [units, rows, columns] = [UNITS, ROWS, COLUMNS].map(|axis| cuts[axis].size);
        let [ux, uy] = self.kernel.unit();
        let [x_channels, y_channels] = [units * ux, units * uy];
        let [_, across] = self.kernel.tile();
        // In a buffer the pixels lie side by side.
        let strides = |feature: &Feature, width: u64, channels: u64| {
            if feature.is_resident() {
                [feature.row_bytes(), feature.pitch]
            } else {
                [width * channels, channels]
            }
        };
        Piece {
            rows,
            columns,
            tile: self.kernel.tile(),
            units,
            x_channels,
            y_channels,
            x_strides: strides(self.x, self.sliding.span(1, columns), x_channels),
            y_strides: strides(self.y, columns * across, y_channels),
            x_at: buffer(X_RING, n_buffers),
            y_at: buffer(Y_RING, n_buffers),
            y_address: 0,
            n_buffers,
            tables_change: cuts[UNITS].n_pieces() > 1,
        }
    }

    /// Bytes of a buffer of inputs.
    fn x_bytes(&self, piece: &Piece) -> u64 {
        if self.x.is_resident() {
            return 0;
        }
        self.sliding.span(0, piece.rows) * piece.x_strides[0]
    }

    /// Bytes of a buffer of results.
    fn y_bytes(&self, piece: &Piece) -> u64 {
        if self.y.is_resident() {
            return 0;
        }
        piece.pixels() * piece.y_channels
    }

    fn work(&self, piece: &Piece, machine: &MachineDescription) -> PieceWork {
        let (x, y) = (self.x, self.y);
        let units = piece.units;
        let [in_rows, in_columns] = [self.sliding.span(0, piece.rows), self.sliding.span(1, piece.columns)];
        let axes = |feature: &Feature, rows: u64, columns: u64, channels: u64| {
            if feature.is_resident() {
                return 0;
            }
            box_cycles(
                machine,
                &[
                    (rows, feature.row_bytes() as i64),
                    (columns, feature.pitch as i64),
                    (channels, 1),
                ],
            )
        };
        let [acc, elements, compute] = self.kernel.work(piece.positions(), units, machine);
        let mut work = PieceWork {
            spm: aligned(self.x_bytes(piece)) + aligned(self.y_bytes(piece)),
            acc,
            elements: elements.max(self.x_bytes(piece)),
            loads: axes(x, in_rows.min(x.height), in_columns.min(x.width), piece.x_channels),
            stores: axes(
                y,
                piece.rows * piece.tile[0],
                piece.columns * piece.tile[1],
                piece.y_channels,
            ),
            compute,
            ..PieceWork::default()
        };
        for table in self.kernel.tables() {
            let bytes = aligned(table.len(units) * table.element_bytes());
            if piece.tables_change && table.per_unit.is_some() {
                work.spm += bytes;
                work.loads += box_cycles(machine, &[(bytes, 1)]);
            } else {
                work.spm_fixed += bytes;
            }
        }
        work
    }

    /// The best pieces.
    ///
    /// # Errors
    /// What the smallest pieces need.
    pub(super) fn plan(&self, machine: &MachineDescription) -> Result<Plan, PieceWork> {
        let y = self.y;
        let n_units = y.channels / self.kernel.unit()[1];
        let [down, across] = self.n_tiles();
        let totals = [(y.images, 1), (n_units, n_units), (down, down), (across, across)];
        let cuts = totals.map(|(total, size)| Cut { total, size });
        plan(&cuts, machine, |sizes| {
            let cuts: Vec<Cut> = cuts
                .iter()
                .zip(sizes)
                .map(|(cut, &size)| Cut { size, ..*cut })
                .collect();
            self.work(&self.piece(&cuts, 1), machine)
        })
    }

    /// Appends the code of the stage in these pieces.
    pub(super) fn emit(&self, e: &mut Emitter, layer: &Stage, plan: &Plan, machine: &MachineDescription) {
        let mut piece = self.piece(&plan.cuts, plan.n_buffers);
        let tables = self.kernel.tables();
        let addresses: Vec<u64> = tables
            .iter()
            .map(|table| e.constants(format!("{}.{}", layer.name, table.name), table.bytes.clone()))
            .collect();
        e.layer(&layer.name, layer.op);
        let table_bytes = |table: &Table| {
            let n = if changes(table, &piece) { piece.n_buffers } else { 1 };
            aligned(table.len(piece.units) * table.element_bytes()) * n
        };
        let [x_bytes, y_bytes] =
            [self.x_bytes(&piece), self.y_bytes(&piece)].map(|bytes| aligned(bytes) * piece.n_buffers);
        let places = e.occupied.place(
            tables.iter().map(table_bytes).sum(),
            x_bytes + y_bytes,
            machine.spm.capacity_bytes(),
        );
        self.input_views(e, &piece, places.rest);
        let mut local = places.constants;
        for (i, table) in tables.iter().enumerate() {
            self.table_views(e, i, addresses[i], local, piece.units);
            local += table_bytes(table);
        }
        piece.y_address = if self.y.is_resident() {
            self.y.place.address
        } else {
            places.rest + x_bytes
        };
        self.output_views(e, &piece);
        begin_buffers(e, piece.n_buffers);
        let mut rings = rings(piece.n_buffers).to_vec();
        rings.extend(self.kernel.begin(e, &piece));
        e.follow(&rings);
        e.load_constants(&rings, places.is_early, |e| {
            for (i, table) in tables.iter().enumerate().filter(|(_, table)| !changes(table, &piece)) {
                e.op(load(TABLES[i], table.len(piece.units), Reg::ZERO, Reg::ZERO));
            }
        });
        let walk = Walk { cuts: &plan.cuts };
        walk.each(e, |e| self.one(e, &walk, &piece));
        e.hand_over(&rings);
    }

    fn input_views(&self, e: &mut Emitter, piece: &Piece, spm: u64) {
        let (x, s) = (self.x, &self.sliding);
        let [in_rows, in_columns] = [s.span(0, piece.rows), s.span(1, piece.columns)];
        let columns = [(in_rows, x.row_bytes()), (in_columns, x.pitch), (piece.x_channels, 1)];
        let image = View {
            space: x.place.space,
            format: x.format,
            base: x.place.address as i64 - (s.pads[0] * x.row_bytes() + s.pads[1] * x.pitch) as i64,
            zero_point: self.kernel.padding(),
            rows: &[],
            columns: &columns,
        };
        let buffer = View {
            space: Space::Spm,
            base: spm as i64,
            ..image
        };
        if !x.is_resident() {
            e.view(X[0], &image);
            let run = [(self.x_bytes(piece), 1)];
            e.view(
                X[1],
                &View {
                    columns: &run,
                    ..buffer
                },
            );
        }
        let [row, pixel] = piece.x_strides;
        let rows = [(piece.rows, s.strides[0] * row), (piece.columns, s.strides[1] * pixel)];
        let columns = [
            (s.kernel[0], s.dilations[0] * row),
            (s.kernel[1], s.dilations[1] * pixel),
            (self.kernel.window_channels(piece.units), 1),
        ];
        let windows = View {
            rows: &rows,
            columns: &columns,
            ..if x.is_resident() { image } else { buffer }
        };
        e.view(X[2], &windows);
    }

    fn table_views(&self, e: &mut Emitter, i: usize, address: u64, spm: u64, units: u64) {
        let table = &self.kernel.tables()[i];
        let run = [(table.len(units), 1)];
        let dram = View {
            space: Space::Dram,
            format: table.format,
            base: address as i64,
            zero_point: table.zero_point,
            rows: &[],
            columns: &run,
        };
        let local = e.buffered(TABLES[i][0], TABLES[i][1], &dram, spm);
        let [rows, columns] = self.kernel.table_levels(i, units);
        e.view(
            TABLES[i][2],
            &View {
                rows: &rows,
                columns: &columns,
                ..local
            },
        );
    }

    fn output_views(&self, e: &mut Emitter, piece: &Piece) {
        let y = self.y;
        let columns = [(piece.y_channels, 1)];
        let buffer = View {
            space: Space::Spm,
            format: y.format,
            base: piece.y_address as i64,
            zero_point: y.zero_point,
            rows: &[(piece.pixels(), piece.y_channels)],
            columns: &columns,
        };
        let [down, across] = piece.tile;
        let rows = [(piece.rows * down, y.row_bytes()), (piece.columns * across, y.pitch)];
        let image = View {
            space: y.place.space,
            base: y.place.address as i64,
            rows: &rows,
            ..buffer
        };
        e.view(Y, if y.is_resident() { &image } else { &buffer });
        clip(e, Y, self.kernel.clip());
        if !y.is_resident() {
            e.view(Y_DRAM, &image);
        }
    }

    /// Whether windows reach beyond the image along an axis.
    fn reaches_beyond(&self, axis: usize) -> bool {
        let (inside, n_outputs) = [(self.x.height, self.n_tiles()[0]), (self.x.width, self.n_tiles()[1])][axis];
        let s = &self.sliding;
        s.pads[axis] > 0 || s.span(axis, n_outputs) > inside
    }

    /// One piece.
    fn one(&self, e: &mut Emitter, walk: &Walk<'_>, piece: &Piece) {
        let (x, y, s) = (self.x, self.y, &self.sliding);
        self.bound(e, walk);
        let [ux, uy] = self.kernel.unit().map(|channels| channels as i64);
        let [down, right] = [s.strides[0] * x.row_bytes(), s.strides[1] * x.pitch].map(|bytes| bytes as i64);
        let offset = walk.offset(e, OFFSETS[X_RING], &[x.image_bytes() as i64, ux, down, right]);
        let mut piece = *piece;
        let mut loads = Vec::new();
        if x.is_resident() {
            piece.x_at = offset;
        } else {
            loads.push(load(X, self.x_bytes(&piece), offset, piece.x_at));
        }
        let [tile_rows, tile_columns] = piece.tile;
        let strides = [
            y.image_bytes(),
            uy as u64,
            tile_rows * y.row_bytes(),
            tile_columns * y.pitch,
        ]
        .map(|bytes| bytes as i64);
        let y_offset = walk.offset(e, OFFSETS[Y_RING], &strides);
        if y.is_resident() {
            piece.y_at = y_offset;
        }
        let piece = &piece;
        for (i, table) in self
            .kernel
            .tables()
            .iter()
            .enumerate()
            .filter(|(_, table)| changes(table, piece))
        {
            let step = table.len(1) * table.element_bytes();
            let offset = walk.offset(e, OFFSETS[TABLE_RINGS[i]], &[0, step as i64]);
            loads.push(load(TABLES[i], table.len(piece.units), offset, piece.table_buffer(i)));
        }
        load_all(e, loads);
        self.kernel.compute(e, piece);
        let store = if y.is_resident() {
            Op::StNop {}
        } else {
            Op::St {
                dst: at(Y_DRAM, y_offset),
                src: at(Y, piece.y_at),
                m: (piece.pixels() as i64).into(),
                n: (piece.y_channels as i64).into(),
            }
        };
        e.ordered(store, &[OUTPUT_FULL], &[OUTPUT_FREE]);
        if !x.is_resident() {
            e.toggle(piece.x_at, aligned(self.x_bytes(piece)), piece.n_buffers);
        }
        for (i, table) in self
            .kernel
            .tables()
            .iter()
            .enumerate()
            .filter(|(_, table)| changes(table, piece))
        {
            let bytes = table.len(piece.units) * table.element_bytes();
            e.toggle(piece.table_buffer(i), aligned(bytes), piece.n_buffers);
        }
        if !y.is_resident() {
            e.toggle(piece.y_at, aligned(self.y_bytes(piece)), piece.n_buffers);
        }
    }

    /// Bounds what is loaded, and what is read if the padding does not count, to the image.
    fn bound(&self, e: &mut Emitter, walk: &Walk<'_>) {
        let s = &self.sliding;
        let axes = [(Axis::Y, ROWS, self.x.height), (Axis::X, COLUMNS, self.x.width)];
        for (i, (axis, cut, extent)) in axes.into_iter().enumerate() {
            if !self.reaches_beyond(i) {
                continue;
            }
            let origin: Coord = match walk.at(cut) {
                None => (-(s.pads[i] as i64)).into(),
                Some(at) => {
                    e.op(Op::Mul {
                        rd: ORIGINS[i],
                        ra: at,
                        b: (s.strides[i] as i64).into(),
                    });
                    e.add(ORIGINS[i], -(s.pads[i] as i64));
                    ORIGINS[i].into()
                }
            };
            if !self.x.is_resident() {
                e.window(X[0], axis, [2, 3][i], 1, origin, extent);
            }
            if self.x.is_resident() || self.kernel.leaves_padding_out() {
                e.sliding_window(X[2], axis, [s.strides[i], s.dilations[i]], origin, extent);
            }
        }
    }
}

/// Limits what is written through a view.
pub(super) fn clip(e: &mut Emitter, d: Desc, (lo, hi): (i32, i32)) {
    e.op(Op::Clip {
        d,
        lo: Imm(i64::from(lo)),
        hi: Imm(i64::from(hi)),
    });
}

/// Whether a table is loaded for every piece.
fn changes(table: &Table, piece: &Piece) -> bool {
    piece.tables_change && table.per_unit.is_some()
}

/// Appends the code of a stage in the best pieces.
///
/// # Errors
/// If not even the smallest piece fits.
pub(super) fn emit_patches(
    e: &mut Emitter,
    layer: &Stage,
    patches: &Patches<'_>,
    machine: &MachineDescription,
) -> Result<(), FitError> {
    let plan = patches
        .plan(machine)
        .map_err(|work| does_not_fit(&layer.name, &work, machine))?;
    debug_assert_eq!(plan.cuts[IMAGES].size, 1, "one image at a time");
    patches.emit(e, layer, &plan, machine);
    Ok(())
}

//! Code for what the vector unit does without the array: pooling, addition, rescaling.
//!
//! All three have one shape: load pieces of the inputs, compute, store, each ring with two buffers where that fits.

use super::emitter::{Emitter, View, at};
use super::stage::{Feature, Sliding, Stage};
use super::tiling::{SPM_ALIGNMENT, aligned};
use super::{FitError, buffers};
use systole_isa::numerics::{AddParameters, RequantParameters};
use systole_isa::operand::{Axis, Desc, Imm, Reg, Scalar, Space, Token};
use systole_isa::{ElementFormat, MachineDescription, Op};

const INPUT_FULL: Token = Token::at(0);
const INPUT_FREE: Token = Token::at(1);
const OUTPUT_FULL: Token = Token::at(6);
const OUTPUT_FREE: Token = Token::at(7);

const A_DRAM: Desc = Desc::at(0);
const A_FILL: Desc = Desc::at(1);
const A: Desc = Desc::at(2);
const B_DRAM: Desc = Desc::at(3);
const B: Desc = Desc::at(4);
const P_DRAM: Desc = Desc::at(5);
const P_FILL: Desc = Desc::at(6);
const P: Desc = Desc::at(7);
const Y: Desc = Desc::at(8);
const Y_DRAM: Desc = Desc::at(9);

const LEFT: Reg = Reg::at(1);
const SIZE: Reg = Reg::at(2);
const A_OFFSET: Reg = Reg::at(3);
const X_ROW: Reg = Reg::at(4);
const A_BUFFER: Reg = Reg::at(5);
const B_BUFFER: Reg = Reg::at(6);
const Y_BUFFER: Reg = Reg::at(13);
const Y_OFFSET: Reg = Reg::at(19);

/// The largest piece, in steps of `unit`-halving from `whole`, whose buffers fit, and how many buffers each ring has.
fn piece(whole: u64, capacity: u64, bytes: impl Fn(u64) -> u64) -> Result<(u64, u64), u64> {
    let mut size = whole;
    loop {
        for n_buffers in [if size < whole { 2 } else { 1 }, 1] {
            if n_buffers * bytes(size) <= capacity {
                return Ok((size, n_buffers));
            }
        }
        if size == 1 {
            return Err(bytes(1));
        }
        size = size.div_ceil(2);
    }
}

fn rings(e: &mut Emitter, n_buffers: u64) -> [(Token, u64); 2] {
    e.credit(INPUT_FREE, n_buffers);
    e.credit(OUTPUT_FREE, n_buffers);
    for register in [A_OFFSET, A_BUFFER, B_BUFFER, Y_BUFFER, Y_OFFSET] {
        e.set(register, 0);
    }
    [(INPUT_FREE, n_buffers), (OUTPUT_FREE, n_buffers)]
}

/// Appends the code of a maximum pooling.
///
/// # Errors
/// If one row of output does not fit the scratchpad.
pub(crate) fn emit_max_pool(
    e: &mut Emitter,
    layer: &Stage,
    (x, y): (&Feature, &Feature),
    s: &Sliding,
    clip: (i32, i32),
    machine: &MachineDescription,
) -> Result<(), FitError> {
    let (in_cols, row_out) = (s.span(1, y.width), y.width * y.channels);
    let row = in_cols * x.channels;
    let bytes = |rows: u64| aligned(s.span(0, rows) * row) + aligned(rows * row_out);
    let (rows, n_buffers) = piece(y.height, machine.spm.capacity_bytes(), bytes)
        .map_err(|needed| FitError::new(&layer.name, needed, 0, machine))?;
    let in_rows = s.span(0, rows);
    let [a, out] = buffers([
        (aligned(in_rows * row), n_buffers),
        (aligned(rows * row_out), n_buffers),
    ]);
    e.layer(&layer.name, layer.op);
    // What lies in the padding must never be the maximum, so it is filled with the lowest value.
    let (format, lowest) = (x.format, x.format.range().0);
    let base = x.address as i64 - (s.pads[1] * x.channels) as i64;
    let columns = [(in_cols, x.channels), (x.channels, 1)];
    let dram = View {
        space: Space::Dram,
        format,
        base,
        zero_point: lowest,
        rows: &[(in_rows, x.row_bytes())],
        columns: &columns,
    };
    e.view(A_DRAM, &dram);
    if s.pads[1] > 0 || in_cols > x.width {
        e.window(A_DRAM, Axis::X, 3, 1, -(s.pads[1] as i64), x.width);
    }
    let fill = View {
        space: Space::Spm,
        base: a as i64,
        rows: &[(in_rows, row)],
        columns: &[(row, 1)],
        ..dram
    };
    e.view(A_FILL, &fill);
    let pixels = [(rows, s.strides[0] * row), (y.width, s.strides[1] * x.channels)];
    let taps = [
        (s.kernel[0], s.dilations[0] * row),
        (s.kernel[1], s.dilations[1] * x.channels),
        (x.channels, 1),
    ];
    e.view(
        A,
        &View {
            rows: &pixels,
            columns: &taps,
            ..fill
        },
    );
    output_views(e, y, out, (rows * y.width, y.channels), clip);
    let rings = rings(e, n_buffers);
    e.set(LEFT, y.height as i64);
    e.set(X_ROW, -(s.pads[0] as i64));
    e.set(A_OFFSET, -((s.pads[0] * x.row_bytes()) as i64));
    let n_blocks = y.height.div_ceil(rows);
    let needs_window = s.pads[0] > 0 || s.span(0, n_blocks * rows) > x.height + s.pads[0];
    e.repeat(n_blocks, |e| {
        e.op(Op::Min {
            rd: SIZE,
            ra: LEFT,
            b: (rows as i64).into(),
        });
        e.op(Op::Mul {
            rd: SIZE,
            ra: SIZE,
            b: (y.width as i64).into(),
        });
        if needs_window {
            e.window(A_DRAM, Axis::Y, 2, 1, X_ROW, x.height);
        }
        let load = Op::Ld {
            dst: at(A_FILL, A_BUFFER),
            src: at(A_DRAM, A_OFFSET),
            m: (in_rows as i64).into(),
            n: (row as i64).into(),
        };
        e.ordered(load, &[INPUT_FREE], &[INPUT_FULL]);
        let n = (y.channels as i64).into();
        let pool = Op::VxMaxPool {
            dst: at(Y, Y_BUFFER),
            src: at(A, A_BUFFER),
            m: SIZE.into(),
            n,
        };
        e.ordered(pool, &[INPUT_FULL, OUTPUT_FREE], &[INPUT_FREE, OUTPUT_FULL]);
        let store = Op::St {
            dst: at(Y_DRAM, Y_OFFSET),
            src: at(Y, Y_BUFFER),
            m: SIZE.into(),
            n,
        };
        e.ordered(store, &[OUTPUT_FULL], &[OUTPUT_FREE]);
        if n_blocks > 1 {
            e.toggle(A_BUFFER, aligned(in_rows * row), n_buffers);
            e.toggle(Y_BUFFER, aligned(rows * row_out), n_buffers);
            e.add(LEFT, -(rows as i64));
            e.add(X_ROW, (rows * s.strides[0]) as i64);
            e.add(A_OFFSET, (rows * s.strides[0] * x.row_bytes()) as i64);
            e.add(Y_OFFSET, (rows * row_out) as i64);
        }
    });
    e.end_layer(&rings);
    Ok(())
}

fn output_views(e: &mut Emitter, y: &Feature, spm: u64, (m, n): (u64, u64), clip: (i32, i32)) {
    let (rows, columns) = ([(m, n)], [(n, 1)]);
    let view = View {
        space: Space::Spm,
        format: y.format,
        base: spm as i64,
        zero_point: y.zero_point,
        rows: &rows,
        columns: &columns,
    };
    e.view(Y, &view);
    e.op(Op::Clip {
        d: Y,
        lo: Imm(i64::from(clip.0)),
        hi: Imm(i64::from(clip.1)),
    });
    e.view(
        Y_DRAM,
        &View {
            space: Space::Dram,
            base: y.address as i64,
            ..view
        },
    );
}

/// An operation on tensors as flat lists of elements.
struct Flat<'a> {
    layer: &'a Stage,
    inputs: &'a [Feature],
    y: &'a Feature,
    /// The parameter table, and whether its one row serves every column.
    table: Vec<i32>,
    clip: (i32, i32),
}

/// Appends the code of an addition with rescaling.
///
/// # Errors
/// If not even one element of each tensor fits the scratchpad.
pub(crate) fn emit_add(
    e: &mut Emitter,
    layer: &Stage,
    inputs: [Feature; 2],
    y: &Feature,
    parameters: &AddParameters,
    clip: (i32, i32),
    machine: &MachineDescription,
) -> Result<(), FitError> {
    let flat = Flat {
        layer,
        inputs: &inputs,
        y,
        table: parameters.words(),
        clip,
    };
    flat.emit(e, machine, |n| Op::VxAdd {
        dst: at(Y, Y_BUFFER),
        a: at(A, A_BUFFER),
        b: at(B, B_BUFFER),
        par: P.into(),
        m: 1.into(),
        n: n.into(),
        rounding: layer.rounding,
    })
}

/// Appends the code of a rescaling with one set of parameters.
///
/// # Errors
/// If not even one element of each tensor fits the scratchpad.
pub(crate) fn emit_requant(
    e: &mut Emitter,
    layer: &Stage,
    x: Feature,
    y: &Feature,
    parameters: RequantParameters,
    clip: (i32, i32),
    machine: &MachineDescription,
) -> Result<(), FitError> {
    let table = [parameters.bias, parameters.multiplier, parameters.shift];
    let flat = Flat {
        layer,
        inputs: &[x],
        y,
        table: table.to_vec(),
        clip,
    };
    flat.emit(e, machine, |n| Op::VxRequant {
        dst: at(Y, Y_BUFFER),
        src: at(A, A_BUFFER),
        par: P.into(),
        m: 1.into(),
        n: n.into(),
        rounding: layer.rounding,
    })
}

impl Flat<'_> {
    fn emit(&self, e: &mut Emitter, machine: &MachineDescription, compute: impl Fn(Reg) -> Op) -> Result<(), FitError> {
        let n_elements = self.y.n_elements();
        let table_bytes = SPM_ALIGNMENT;
        let n_rings = self.inputs.len() as u64 + 1;
        let capacity = machine.spm.capacity_bytes().saturating_sub(table_bytes);
        let (size, n_buffers) = piece(n_elements, capacity, |size| n_rings * aligned(size))
            .map_err(|needed| FitError::new(&self.layer.name, needed + table_bytes, 0, machine))?;
        let [par, a, b, out] = buffers([
            (table_bytes, 1),
            (aligned(size), n_buffers),
            (if self.inputs.len() > 1 { aligned(size) } else { 0 }, n_buffers),
            (aligned(size), n_buffers),
        ]);
        let table = self.table.iter().flat_map(|v| v.to_le_bytes()).collect();
        let table_address = e.constants(format!("{}.parameters", self.layer.name), table);
        e.layer(&self.layer.name, self.layer.op);
        self.table_views(e, table_address, par, size);
        for (x, dram, local, address) in [(0, A_DRAM, A, a), (1, B_DRAM, B, b)] {
            if let Some(x) = self.inputs.get(x) {
                let (format, zero_point, columns) = (x.format, x.zero_point, [(size, 1)]);
                let view = View {
                    space: Space::Dram,
                    format,
                    base: x.address as i64,
                    zero_point,
                    rows: &[],
                    columns: &columns,
                };
                e.buffered(dram, local, &view, address);
            }
        }
        output_views(e, self.y, out, (1, size), self.clip);
        let rings = rings(e, n_buffers);
        e.op(Op::Ld {
            dst: P_FILL.into(),
            src: P_DRAM.into(),
            m: 1.into(),
            n: 3.into(),
        });
        e.set(LEFT, n_elements as i64);
        self.pieces(e, n_elements.div_ceil(size), size, n_buffers, compute);
        e.end_layer(&rings);
        Ok(())
    }

    /// The table has one row; every column of the operation reads it.
    fn table_views(&self, e: &mut Emitter, address: u64, spm: u64, size: u64) {
        let columns = [(3, 1)];
        let view = View {
            space: Space::Dram,
            format: ElementFormat::I32,
            base: address as i64,
            zero_point: 0,
            rows: &[],
            columns: &columns,
        };
        let fill = e.buffered(P_DRAM, P_FILL, &view, spm);
        e.view(
            P,
            &View {
                rows: &[(size, 0)],
                ..fill
            },
        );
    }

    fn pieces(&self, e: &mut Emitter, n_pieces: u64, size: u64, n_buffers: u64, compute: impl Fn(Reg) -> Op) {
        e.repeat(n_pieces, |e| {
            e.op(Op::Min {
                rd: SIZE,
                ra: LEFT,
                b: Scalar::Imm(size as i64),
            });
            let n = SIZE.into();
            let load = Op::Ld {
                dst: at(A, A_BUFFER),
                src: at(A_DRAM, A_OFFSET),
                m: 1.into(),
                n,
            };
            if self.inputs.len() > 1 {
                e.ordered(load, &[INPUT_FREE], &[]);
                let load = Op::Ld {
                    dst: at(B, B_BUFFER),
                    src: at(B_DRAM, A_OFFSET),
                    m: 1.into(),
                    n,
                };
                e.ordered(load, &[], &[INPUT_FULL]);
            } else {
                e.ordered(load, &[INPUT_FREE], &[INPUT_FULL]);
            }
            e.ordered(compute(SIZE), &[INPUT_FULL, OUTPUT_FREE], &[INPUT_FREE, OUTPUT_FULL]);
            let store = Op::St {
                dst: at(Y_DRAM, Y_OFFSET),
                src: at(Y, Y_BUFFER),
                m: 1.into(),
                n,
            };
            e.ordered(store, &[OUTPUT_FULL], &[OUTPUT_FREE]);
            if n_pieces > 1 {
                for register in [A_BUFFER, B_BUFFER, Y_BUFFER] {
                    e.toggle(register, aligned(size), n_buffers);
                }
                e.add(LEFT, -(size as i64));
                e.add(A_OFFSET, size as i64);
                e.add(Y_OFFSET, size as i64);
            }
        });
    }
}

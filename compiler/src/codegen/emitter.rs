//! Collects instructions; turns repetition into counted loops and byte strings into DRAM segments.

use super::handover::Occupied;
use super::tiles::LayerTiles;
use std::sync::Arc;
use systole_isa::descriptor::N_LEVELS;
use systole_isa::operand::{Axis, Coord, Desc, DescRef, Imm, Reg, Scalar, Space, Target, Token};
use systole_isa::program::{Mark, Segment};
use systole_isa::{ElementFormat, Instruction, Op, Tokens};

/// Bytes to which everything in DRAM is aligned: one burst.
pub(crate) const DRAM_ALIGNMENT: u64 = 64;

/// Code and constants under construction.
#[derive(Default)]
pub(crate) struct Emitter {
    pub(crate) code: Vec<Instruction>,
    pub(crate) segments: Vec<Segment>,
    pub(crate) marks: Vec<Mark>,
    /// The tiles of the convolutions so far.
    pub(crate) tiles: Vec<LayerTiles>,
    /// What the layer before uses of the scratchpad.
    pub(super) occupied: Occupied,
    /// Whether there is a layer that others follow.
    pub(super) has_layers: bool,
    dram_bytes: u64,
}

/// A matrix view to be set up.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) space: Space,
    pub(crate) format: ElementFormat,
    pub(crate) base: i64,
    pub(crate) zero_point: i32,
    /// (count, stride in elements), outermost first.
    pub(crate) rows: &'a [(u64, u64)],
    /// (count, stride in elements), outermost first.
    pub(crate) columns: &'a [(u64, u64)],
}

/// When instructions are left out.
#[derive(Clone, Copy)]
pub(crate) enum Skip {
    /// If the register is zero.
    Zero(Reg),
    /// If the register is above zero.
    Above0(Reg),
    /// If the register is below a number.
    Below(Reg, i64),
    /// If the register is something else.
    NotEqual(Reg, u64),
}

/// A descriptor displaced by a register.
pub(crate) fn at(desc: Desc, offset: Reg) -> DescRef {
    DescRef { desc, offset }
}

impl Emitter {
    /// Reserves DRAM and returns its address.
    pub(crate) fn reserve_dram(&mut self, n_bytes: u64) -> u64 {
        let address = self.dram_bytes;
        self.dram_bytes = (address + n_bytes).next_multiple_of(DRAM_ALIGNMENT);
        address
    }

    /// Puts constants into DRAM and returns their address.
    pub(crate) fn constants(&mut self, name: String, bytes: Vec<u8>) -> u64 {
        let address = self.reserve_dram(bytes.len() as u64);
        self.segments.push(Segment {
            name,
            address,
            bytes: Arc::from(bytes),
        });
        address
    }

    /// Bytes of DRAM reserved so far.
    pub(crate) fn dram_bytes(&self) -> u64 {
        self.dram_bytes
    }

    /// Appends an instruction.
    pub(crate) fn op(&mut self, op: Op) {
        self.code.push(op.into());
    }

    /// Appends an instruction that waits for and posts tokens.
    pub(crate) fn ordered(&mut self, op: Op, waits: &[Token], posts: &[Token]) {
        let slots = |tokens: &[Token]| [tokens.first().copied(), tokens.get(1).copied()];
        debug_assert!(
            waits.len() <= 2 && posts.len() <= 2,
            "an instruction has two places each"
        );
        self.code.push(Instruction {
            op,
            tokens: Tokens {
                waits: slots(waits),
                posts: slots(posts),
            },
        });
    }

    /// Loads a constant.
    pub(crate) fn set(&mut self, register: Reg, value: i64) {
        self.op(Op::Li {
            rd: register,
            value: Imm(value),
        });
    }

    /// Copies a register.
    pub(crate) fn copy(&mut self, to: Reg, from: Reg) {
        self.op(Op::Add {
            rd: to,
            ra: from,
            b: 0.into(),
        });
    }

    /// Adds to a register.
    pub(crate) fn add(&mut self, register: Reg, amount: impl Into<Scalar>) {
        self.op(Op::Add {
            rd: register,
            ra: register,
            b: amount.into(),
        });
    }

    /// Swaps a register between 0 and `size`, unless there is only one buffer.
    pub(crate) fn toggle(&mut self, register: Reg, size: u64, n_buffers: u64) {
        if n_buffers > 1 {
            self.op(Op::Xor {
                rd: register,
                ra: register,
                b: (size as i64).into(),
            });
        }
    }

    /// Runs a body `count` times: a loop, or the body alone.
    pub(crate) fn repeat(&mut self, count: u64, body: impl FnOnce(&mut Self)) {
        match count {
            0 => {}
            1 => body(self),
            _ => {
                let head = self.code.len();
                self.op(Op::Loop {
                    count: (count as i64).into(),
                    end: Target(0),
                });
                body(self);
                let end = Target(self.code.len() as u32);
                self.code[head].op = Op::Loop {
                    count: (count as i64).into(),
                    end,
                };
            }
        }
    }

    /// Runs a body once, and again as long as it leaves the register above zero.
    pub(crate) fn repeat_while_above_0(&mut self, register: Reg, body: impl FnOnce(&mut Self)) {
        let start = Target(self.code.len() as u32);
        body(self);
        self.op(Op::Bge {
            ra: register,
            b: 1.into(),
            target: start,
        });
    }

    /// Runs a body unless the condition holds.
    pub(crate) fn unless(&mut self, skip: Skip, body: impl FnOnce(&mut Self)) {
        let branch = |target: Target| match skip {
            Skip::Zero(ra) => Op::Beq {
                ra,
                b: 0.into(),
                target,
            },
            Skip::Above0(ra) => Op::Bge {
                ra,
                b: 1.into(),
                target,
            },
            Skip::Below(ra, value) => Op::Blt {
                ra,
                b: value.into(),
                target,
            },
            Skip::NotEqual(ra, value) => Op::Bne {
                ra,
                b: (value as i64).into(),
                target,
            },
        };
        let head = self.code.len();
        self.op(branch(Target(0)));
        body(self);
        let end = Target(self.code.len() as u32);
        self.code[head].op = branch(end);
    }

    /// Sets up a descriptor. Levels that count once are left at their reset value.
    pub(crate) fn view(&mut self, d: Desc, view: &View<'_>) {
        let split = (N_LEVELS - view.columns.len()).max(view.rows.len());
        self.op(Op::Desc {
            d,
            space: view.space,
            format: view.format,
            base: view.base.into(),
            zero_point: Imm(i64::from(view.zero_point)),
            split: Imm(split as i64),
        });
        let first = |end: usize, levels: &[(u64, u64)]| end - levels.len();
        for (start, levels) in [
            (first(split, view.rows), view.rows),
            (first(N_LEVELS, view.columns), view.columns),
        ] {
            for (i, &(count, stride)) in levels.iter().enumerate().filter(|(_, (count, _))| *count > 1) {
                let index = Imm((start + i) as i64);
                self.op(Op::Level {
                    d,
                    index,
                    count: (count as i64).into(),
                    stride: (stride as i64).into(),
                });
            }
        }
    }

    /// Sets up a view of DRAM in `dram`, and in `spm` the same view of the scratchpad buffer that it is loaded into, at `address`.
    /// Returns the latter.
    pub(crate) fn buffered<'v>(&mut self, dram: Desc, spm: Desc, view: &View<'v>, address: u64) -> View<'v> {
        self.view(dram, view);
        let buffer = View {
            space: Space::Spm,
            base: address as i64,
            ..*view
        };
        self.view(spm, &buffer);
        buffer
    }

    /// Bounds a coordinate that follows one level in steps of `step`.
    pub(crate) fn window(&mut self, d: Desc, axis: Axis, level: u8, step: u64, origin: impl Into<Coord>, extent: u64) {
        let origin = origin.into();
        let level = Imm(i64::from(level));
        self.op(Op::Window {
            d,
            axis,
            outer: level,
            outer_step: Imm(step as i64),
            inner: level,
            inner_step: Imm(0),
            origin,
            extent: (extent as i64).into(),
        });
    }

    /// Bounds a coordinate of windows that slide over an image as a matrix of outputs' rows and columns by the rows, columns and channels of
    /// a window. Steps are those of the outputs and of the elements of a window.
    pub(super) fn sliding_window(
        &mut self,
        d: Desc,
        axis: Axis,
        [stride, dilation]: [u64; 2],
        origin: impl Into<Coord>,
        extent: u64,
    ) {
        let outer = match axis {
            Axis::Y => 0,
            Axis::X => 1,
        };
        self.op(Op::Window {
            d,
            axis,
            outer: Imm(outer),
            outer_step: Imm(stride as i64),
            inner: Imm(outer + 2),
            inner_step: Imm(dilation as i64),
            origin: origin.into(),
            extent: (extent as i64).into(),
        });
    }

    /// Starts a layer.
    pub(crate) fn layer(&mut self, name: &str, op: &str) {
        let id = self.marks.len() as i64;
        self.marks.push(Mark::new(name, op));
        self.op(Op::Mark {
            kind: systole_isa::operand::MarkKind::Layer,
            id: Imm(id),
        });
    }

    /// Gives a ring of `n` buffers its free tokens.
    pub(crate) fn credit(&mut self, token: Token, n: u64) {
        self.op(Op::Credit {
            token,
            n: Imm(n as i64),
        });
    }

    /// Ends the work of a program of one layer: waits for every unit and takes back the free tokens, so that every counter is zero again.
    pub(crate) fn end_alone(&mut self, rings: &[(Token, u64)]) {
        self.op(Op::Fence {});
        let tokens: Vec<Token> = rings
            .iter()
            .flat_map(|&(token, n)| std::iter::repeat_n(token, n as usize))
            .collect();
        for waits in tokens.chunks(2) {
            self.ordered(Op::Nop {}, waits, &[]);
        }
    }
}

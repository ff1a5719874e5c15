//! The scalar sequencer, as far as a program that a compiler made uses it.

use super::traffic;
use super::units::Work;
use systole_isa::descriptor::{Level, Window};
use systole_isa::operand::{Count, DescRef, MarkKind, N_DESCRIPTORS, N_REGISTERS, Reg, Scalar};
use systole_isa::{Descriptor, Op, Unit};

/// What an instruction asks for beyond the sequencer's own state.
pub(super) enum Step {
    Scalar,
    Mark(MarkKind, usize),
    Fence,
    Halt,
    Dispatch(Unit, Work),
}

struct Frame {
    start: u32,
    end: u32,
    left: i64,
}

pub(super) struct Sequencer {
    pub(super) pc: u32,
    registers: [i64; N_REGISTERS],
    descriptors: [Descriptor; N_DESCRIPTORS],
    loops: Vec<Frame>,
}

impl Sequencer {
    pub(super) fn new(entry: u32) -> Self {
        Self {
            pc: entry,
            registers: [0; N_REGISTERS],
            descriptors: std::array::from_fn(|_| Descriptor::default()),
            loops: Vec::new(),
        }
    }

    /// Performs an instruction and moves on to the next one.
    pub(super) fn step(&mut self, op: &Op) -> Step {
        let step = self.perform(op);
        let next = match *op {
            Op::Loop { count, end } => self.enter(count.resolve(&self.registers), end.0),
            _ => self.target(op).unwrap_or(self.pc + 1),
        };
        self.go_to(next);
        step
    }

    fn perform(&mut self, op: &Op) -> Step {
        match *op {
            Op::Halt {} | Op::Trap { .. } => return Step::Halt,
            Op::Fence {} => return Step::Fence,
            Op::Mark { kind, id } => return Step::Mark(kind, id.0 as usize),
            Op::Li { rd, value } => self.set(rd, value.0),
            Op::Desc { .. } | Op::Level { .. } | Op::Window { .. } | Op::Clip { .. } | Op::Move { .. } => {
                self.describe(op)
            }
            _ => {
                if let Some((rd, value)) = self.arithmetic(op) {
                    self.set(rd, value);
                } else if op.unit() != Unit::Seq {
                    return Step::Dispatch(op.unit(), self.work(op));
                }
            }
        }
        Step::Scalar
    }

    fn set(&mut self, register: Reg, value: i64) {
        if register != Reg::ZERO {
            self.registers[register.index()] = value;
        }
    }

    fn arithmetic(&self, op: &Op) -> Option<(Reg, i64)> {
        let r = |reg: Reg| self.registers[reg.index()];
        let v = |value: Scalar| value.resolve(&self.registers);
        Some(match *op {
            Op::Add { rd, ra, b } => (rd, r(ra).wrapping_add(v(b))),
            Op::Sub { rd, ra, b } => (rd, r(ra).wrapping_sub(v(b))),
            Op::Mul { rd, ra, b } => (rd, r(ra).wrapping_mul(v(b))),
            Op::And { rd, ra, b } => (rd, r(ra) & v(b)),
            Op::Or { rd, ra, b } => (rd, r(ra) | v(b)),
            Op::Xor { rd, ra, b } => (rd, r(ra) ^ v(b)),
            Op::Shl { rd, ra, b } => (rd, r(ra).wrapping_shl(v(b).rem_euclid(64) as u32)),
            Op::Shr { rd, ra, b } => (rd, r(ra).wrapping_shr(v(b).rem_euclid(64) as u32)),
            Op::Min { rd, ra, b } => (rd, r(ra).min(v(b))),
            Op::Max { rd, ra, b } => (rd, r(ra).max(v(b))),
            _ => return None,
        })
    }

    /// Where a branch that is taken leads.
    fn target(&self, op: &Op) -> Option<u32> {
        let r = |reg: Reg| self.registers[reg.index()];
        let v = |value: Scalar| value.resolve(&self.registers);
        let (is_taken, target) = match *op {
            Op::Jmp { target } => (true, target),
            Op::Beq { ra, b, target } => (r(ra) == v(b), target),
            Op::Bne { ra, b, target } => (r(ra) != v(b), target),
            Op::Blt { ra, b, target } => (r(ra) < v(b), target),
            Op::Bge { ra, b, target } => (r(ra) >= v(b), target),
            _ => return None,
        };
        is_taken.then_some(target.0)
    }

    fn enter(&mut self, count: i64, end: u32) -> u32 {
        let start = self.pc + 1;
        if count <= 0 || end <= start {
            return end;
        }
        self.loops.push(Frame {
            start,
            end,
            left: count,
        });
        start
    }

    /// Continues at `pc`: repeats or leaves the loops that end there.
    fn go_to(&mut self, pc: u32) {
        self.pc = pc;
        while let Some(frame) = self.loops.last_mut() {
            if self.pc == frame.end {
                frame.left -= 1;
                if frame.left > 0 {
                    self.pc = frame.start;
                    return;
                }
            } else if (frame.start..frame.end).contains(&self.pc) {
                return;
            }
            self.loops.pop();
        }
    }

    fn describe(&mut self, op: &Op) {
        let r = &self.registers;
        match *op {
            Op::Desc {
                d,
                space,
                format,
                base,
                zero_point,
                split,
            } => {
                self.descriptors[d.index()] =
                    Descriptor::new(space, format, base.resolve(r), zero_point.0 as i32, split.0 as u8);
            }
            Op::Level {
                d,
                index,
                count,
                stride,
            } => {
                let level = Level {
                    count: count.resolve(r) as u32,
                    stride: stride.resolve(r),
                };
                self.descriptors[d.index()].levels[index.0 as usize] = level;
            }
            Op::Window {
                d,
                axis,
                outer,
                outer_step,
                inner,
                inner_step,
                origin,
                extent,
            } => self.descriptors[d.index()].set_window(
                axis,
                Window {
                    outer: outer.0 as u8,
                    outer_step: outer_step.0 as i32,
                    inner: inner.0 as u8,
                    inner_step: inner_step.0 as i32,
                    origin: origin.resolve(r),
                    extent: extent.resolve(r),
                },
            ),
            Op::Move { d, bytes } => {
                let descriptor = &mut self.descriptors[d.index()];
                *descriptor = descriptor.displaced(bytes.resolve(r));
            }
            _ => {}
        }
    }

    fn count(&self, count: Count) -> u64 {
        count.resolve(&self.registers).max(0) as u64
    }

    fn view(&self, reference: DescRef) -> Descriptor {
        self.descriptors[reference.desc.index()].displaced(self.registers[reference.offset.index()])
    }

    /// The work of an instruction of another unit.
    fn work(&self, op: &Op) -> Work {
        let shape = |m: Count, n: Count| (self.count(m), self.count(n));
        let format = |reference: DescRef| self.descriptors[reference.desc.index()].format;
        let length = |value: i64| value.max(0) as u64;
        match *op {
            Op::MxWload { w, k, n } | Op::MxWskip { w, k, n, .. } | Op::MxWsparse { w, k, n, .. } => {
                let (k, _) = shape(k, n);
                Work::TileLoad { k, format: format(w) }
            }
            Op::MxAload { a, k, m } => {
                let (k, _) = shape(k, m);
                Work::TileLoad { k, format: format(a) }
            }
            Op::MxMm { a, m, weights, .. } => Work::Product {
                m: self.count(m),
                weights,
                format: format(a),
            },
            Op::MxRows { a, m, weights, .. } => Work::Product {
                m: length(m.resolve(&self.registers)),
                weights,
                format: format(a),
            },
            Op::MxOs { a, w, k, .. } => Work::OutputStationary {
                k: length(k.resolve(&self.registers)),
                formats: (format(w), format(a)),
            },
            Op::Ld { src, m, n, .. } => {
                let (m, n) = shape(m, n);
                Work::Copy(traffic::bursts(&self.view(src), m, n))
            }
            Op::St { dst, m, n, .. } => {
                let (m, n) = shape(m, n);
                Work::Copy(traffic::bursts(&self.view(dst), m, n))
            }
            _ => self.vector(op),
        }
    }

    fn vector(&self, op: &Op) -> Work {
        let shape = |m: Count, n: Count| (self.count(m), self.count(n));
        // Elements of a window times channels.
        let window = |src: DescRef| self.descriptors[src.desc.index()].n_columns();
        match *op {
            Op::VxRequant { m, n, .. }
            | Op::VxPrelu { m, n, .. }
            | Op::VxAdd { m, n, .. }
            | Op::VxMul { m, n, .. }
            | Op::VxMove { m, n, .. } => {
                let (m, n) = shape(m, n);
                Work::Elements(m * n)
            }
            Op::VxMaxPool { src, m, .. } | Op::VxDwConv { src, m, .. } => Work::Elements(self.count(m) * window(src)),
            Op::VxAvgPool { src, m, n, .. } => {
                let (m, n) = shape(m, n);
                Work::Elements(m * (window(src) + n))
            }
            Op::VxLut { src, m, n, .. } => {
                let (m, n) = shape(m, n);
                let n_entries = 1 << self.descriptors[src.desc.index()].format.bits();
                Work::Lookup(m * n, n_entries)
            }
            Op::VxSoftmax { m, n, .. } => {
                let (m, n) = shape(m, n);
                Work::Softmax(m, n)
            }
            Op::VxLayerNorm { m, n, .. } => {
                let (m, n) = shape(m, n);
                Work::LayerNorm(m, n)
            }
            Op::VxArgMax { m, n, .. } | Op::VxMask { m, n, .. } => {
                let (m, n) = shape(m, n);
                Work::Reduction(m, n)
            }
            _ => Work::Nothing,
        }
    }
}

//! The scalar part of a program, interpreted without a machine: enough to follow loops and descriptors and to list the transfers that a
//! program asks for. It shares no code with the simulator, so that the two check each other.

use systole_isa::descriptor::{Level, Window};
use systole_isa::operand::{Count, DescRef, N_REGISTERS, Reg, Scalar, Target};
use systole_isa::{Descriptor, Op, Program};

/// A transfer between DRAM and an on-chip memory.
#[derive(Clone, Copy, Debug)]
pub struct Copy {
    /// The DRAM side.
    pub dram_view: Descriptor,
    /// Rows copied.
    pub m: u64,
    /// Columns copied.
    pub n: u64,
    /// Whether it reads DRAM.
    pub is_load: bool,
}

/// Follows a program's control flow.
pub struct Interpreter<'p> {
    program: &'p Program,
    pc: usize,
    registers: [i64; N_REGISTERS],
    descriptors: Vec<Descriptor>,
    /// (first instruction of the body, one past the last, iterations left).
    loops: Vec<(usize, usize, i64)>,
}

impl<'p> Interpreter<'p> {
    /// Stands at the entry.
    pub fn new(program: &'p Program) -> Self {
        Self {
            program,
            pc: program.entry as usize,
            registers: [0; N_REGISTERS],
            descriptors: vec![Descriptor::default(); 32],
            loops: Vec::new(),
        }
    }

    fn scalar(&self, value: Scalar) -> i64 {
        value.resolve(&self.registers)
    }

    fn count(&self, value: Count) -> u64 {
        value.resolve(&self.registers) as u64
    }

    fn view(&self, reference: DescRef) -> Descriptor {
        let mut view = self.descriptors[reference.desc.index()];
        view.base += self.registers[reference.offset.index()];
        view
    }

    fn set(&mut self, register: Reg, value: i64) {
        self.registers[register.index()] = if register == Reg::ZERO { 0 } else { value };
    }

    /// Runs up to the next transfer; `None` at the end.
    ///
    /// # Panics
    /// On instructions that compiled programs do not use.
    pub fn next_copy(&mut self) -> Option<Copy> {
        loop {
            let op = self.program.code[self.pc].op;
            self.pc += 1;
            let found = match op {
                Op::Halt {} => return None,
                Op::Ld { src, m, n, .. } => Some((src, m, n, true)),
                Op::St { dst, m, n, .. } => Some((dst, m, n, false)),
                Op::Loop { count, end } => {
                    self.loops.push((self.pc, end.0 as usize, self.scalar(count)));
                    None
                }
                Op::Beq { ra, b, target } => self.branch(self.registers[ra.index()] == self.scalar(b), target),
                Op::Bne { ra, b, target } => self.branch(self.registers[ra.index()] != self.scalar(b), target),
                Op::Blt { ra, b, target } => self.branch(self.registers[ra.index()] < self.scalar(b), target),
                Op::Bge { ra, b, target } => self.branch(self.registers[ra.index()] >= self.scalar(b), target),
                _ => {
                    self.execute(&op);
                    None
                }
            };
            while let Some((start, end, left)) = self.loops.last_mut() {
                if self.pc != *end {
                    break;
                }
                *left -= 1;
                if *left > 0 {
                    self.pc = *start;
                } else {
                    self.loops.pop();
                }
            }
            if let Some((view, m, n, is_load)) = found {
                return Some(Copy {
                    dram_view: self.view(view),
                    m: self.count(m),
                    n: self.count(n),
                    is_load,
                });
            }
        }
    }

    /// Goes on elsewhere if the branch is taken. Compiled programs branch within one round of a loop only.
    fn branch<T>(&mut self, is_taken: bool, target: Target) -> Option<T> {
        if is_taken {
            self.pc = target.0 as usize;
        }
        None
    }

    fn execute(&mut self, op: &Op) {
        let r = |register: Reg| self.registers[register.index()];
        match *op {
            Op::Li { rd, value } => self.set(rd, value.0),
            Op::Add { rd, ra, b } => self.set(rd, r(ra) + self.scalar(b)),
            Op::Mul { rd, ra, b } => self.set(rd, r(ra) * self.scalar(b)),
            Op::Min { rd, ra, b } => self.set(rd, r(ra).min(self.scalar(b))),
            Op::Xor { rd, ra, b } => self.set(rd, r(ra) ^ self.scalar(b)),
            Op::Desc {
                d,
                space,
                format,
                base,
                zero_point,
                split,
            } => {
                let view = Descriptor::new(space, format, self.scalar(base), zero_point.0 as i32, split.0 as u8);
                self.descriptors[d.index()] = view;
            }
            Op::Level {
                d,
                index,
                count,
                stride,
            } => {
                let level = Level {
                    count: self.count(count) as u32,
                    stride: self.scalar(stride),
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
            } => {
                let window = Window {
                    outer: outer.0 as u8,
                    outer_step: outer_step.0 as i32,
                    inner: inner.0 as u8,
                    inner_step: inner_step.0 as i32,
                    origin: origin.resolve(&self.registers),
                    extent: extent.resolve(&self.registers),
                };
                self.descriptors[d.index()].set_window(axis, window);
            }
            Op::Move { d, bytes } => self.descriptors[d.index()].base += self.scalar(bytes),
            Op::Nop {} | Op::Fence {} | Op::Mark { .. } | Op::Credit { .. } | Op::Clip { .. } => {}
            _ if op.unit() != systole_isa::Unit::Seq => {}
            _ => panic!("`{}` is not used by compiled programs", op.mnemonic()),
        }
    }
}

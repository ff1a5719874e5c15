//! The scalar sequencer: registers, descriptors, loops and control flow.

use crate::fault::FaultKind;
use crate::work::{Operands, Work, resolve};
use systole_isa::descriptor::{Level, N_LEVELS, Window};
use systole_isa::operand::{N_DESCRIPTORS, N_REGISTERS, Reg, Target, Token};
use systole_isa::{Descriptor, Op, Unit};

const MAX_LOOP_DEPTH: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct LoopFrame {
    start: u32,
    end: u32,
    remaining: i64,
}

/// Architectural state of the sequencer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sequencer {
    pub(crate) pc: u32,
    pub(crate) registers: [i64; N_REGISTERS],
    pub(crate) descriptors: Vec<Descriptor>,
    loops: Vec<LoopFrame>,
    /// Layer slot: 0 before the first mark, else one more than the mark's id.
    pub(crate) layer: u32,
    /// Cycle in which it can execute again.
    pub(crate) ready_at: u64,
}

/// What an instruction asks the machine to do beyond the sequencer's own state.
pub(crate) enum Effect {
    /// Nothing; it takes one cycle.
    None,
    /// Nothing, and it takes no time.
    Free,
    /// Hands work to a unit.
    Dispatch(Unit, Box<Work>),
    /// Adds to a token.
    Credit(Token, u32),
    /// Waits until every unit is idle.
    Fence,
    /// Ends the program once every unit is idle.
    Halt,
}

/// What instructions can read about the machine.
pub(crate) struct Surroundings {
    pub(crate) now: u64,
    /// The counter that the instruction names, if it reads one.
    pub(crate) counter: u64,
}

fn bad(why: impl Into<String>) -> FaultKind {
    FaultKind::BadOperand { why: why.into() }
}

impl Sequencer {
    pub(crate) fn new(entry: u32) -> Self {
        Self {
            pc: entry,
            registers: [0; N_REGISTERS],
            descriptors: vec![Descriptor::default(); N_DESCRIPTORS],
            loops: Vec::new(),
            layer: 0,
            ready_at: 0,
        }
    }

    /// Whether both would run the same instructions from here on: nothing else decides where the program goes.
    pub(crate) fn goes_on_like(&self, other: &Self) -> bool {
        self.pc == other.pc && self.registers == other.registers && self.loops == other.loops
    }

    fn set(&mut self, register: Reg, value: i64) {
        if register != Reg::ZERO {
            self.registers[register.index()] = value;
        }
    }

    /// What the instruction asks for, without changing anything; the machine decides whether it can happen now.
    pub(crate) fn preview(&self, op: &Op) -> Result<Effect, FaultKind> {
        let operands = Operands {
            registers: &self.registers,
            descriptors: &self.descriptors,
        };
        if let Some((unit, work)) = resolve(op, &operands)? {
            return Ok(Effect::Dispatch(unit, work));
        }
        Ok(match *op {
            Op::Halt {} => Effect::Halt,
            Op::Fence {} => Effect::Fence,
            Op::Trap { code } => return Err(FaultKind::Trap { code: code.0 as u16 }),
            Op::Credit { token, n } => Effect::Credit(token, n.0 as u32),
            Op::Mark { .. } => Effect::Free,
            _ => Effect::None,
        })
    }

    /// Performs the instruction on the sequencer's own state and moves on to the next one.
    pub(crate) fn perform(&mut self, op: &Op, around: &Surroundings) -> Result<(), FaultKind> {
        let next = self.pc + 1;
        if let Some(target) = self.branch_target(op) {
            self.go_to(target.0);
            return Ok(());
        }
        match *op {
            Op::Loop { count, end } => return self.enter_loop(count.resolve(&self.registers), end.0),
            Op::Mark { id, .. } => self.layer = id.0 as u32 + 1,
            Op::Li { rd, value } => self.set(rd, value.0),
            Op::RdCycle { rd } => self.set(rd, around.now as i64),
            Op::RdPerf { rd, .. } => self.set(rd, around.counter as i64),
            Op::Add { .. }
            | Op::Sub { .. }
            | Op::Mul { .. }
            | Op::And { .. }
            | Op::Or { .. }
            | Op::Xor { .. }
            | Op::Shl { .. }
            | Op::Shr { .. }
            | Op::Min { .. }
            | Op::Max { .. } => self.arithmetic(op),
            Op::Desc { .. } | Op::Level { .. } | Op::Window { .. } | Op::Clip { .. } | Op::Move { .. } => {
                self.describe(op)?
            }
            _ => {}
        }
        self.go_to(next);
        Ok(())
    }

    fn arithmetic(&mut self, op: &Op) {
        let r = |reg: Reg| self.registers[reg.index()];
        let v = |val: systole_isa::operand::Scalar| val.resolve(&self.registers);
        let (rd, value) = match *op {
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
            _ => return,
        };
        self.set(rd, value);
    }

    fn branch_target(&self, op: &Op) -> Option<Target> {
        let r = |reg: Reg| self.registers[reg.index()];
        let v = |val: systole_isa::operand::Scalar| val.resolve(&self.registers);
        let (taken, target) = match *op {
            Op::Jmp { target } => (true, target),
            Op::Beq { ra, b, target } => (r(ra) == v(b), target),
            Op::Bne { ra, b, target } => (r(ra) != v(b), target),
            Op::Blt { ra, b, target } => (r(ra) < v(b), target),
            Op::Bge { ra, b, target } => (r(ra) >= v(b), target),
            _ => return None,
        };
        taken.then_some(target)
    }

    /// Continues at `pc`: ends or repeats the loops that end there and leaves the loops that do not contain it.
    fn go_to(&mut self, pc: u32) {
        self.pc = pc;
        while let Some(frame) = self.loops.last_mut() {
            if self.pc == frame.end {
                frame.remaining -= 1;
                if frame.remaining > 0 {
                    self.pc = frame.start;
                    return;
                }
            } else if (frame.start..frame.end).contains(&self.pc) {
                return;
            }
            self.loops.pop();
        }
    }

    fn enter_loop(&mut self, count: i64, end: u32) -> Result<(), FaultKind> {
        let start = self.pc + 1;
        if end < start {
            return Err(bad(format!(
                "the loop ends at instruction {end}, before its body at {start}"
            )));
        }
        if count <= 0 || end == start {
            self.go_to(end);
            return Ok(());
        }
        if self.loops.len() == MAX_LOOP_DEPTH {
            return Err(FaultKind::LoopDepth);
        }
        self.loops.push(LoopFrame {
            start,
            end,
            remaining: count,
        });
        self.pc = start;
        Ok(())
    }

    fn describe(&mut self, op: &Op) -> Result<(), FaultKind> {
        let registers = self.registers;
        let level = |index: i64| match usize::try_from(index) {
            Ok(index) if index < N_LEVELS => Ok(index as u8),
            _ => Err(bad(format!(
                "level {index} does not exist; descriptors have levels 0 to {}",
                N_LEVELS - 1
            ))),
        };
        match *op {
            Op::Desc {
                d,
                space,
                format,
                base,
                zero_point,
                split,
            } => {
                if split.0 as usize > N_LEVELS {
                    return Err(bad(format!("split {} is beyond the five levels", split.0)));
                }
                let base = base.resolve(&registers);
                self.descriptors[d.index()] = Descriptor::new(space, format, base, zero_point.0 as i32, split.0 as u8);
            }
            Op::Level {
                d,
                index,
                count,
                stride,
            } => {
                let count = count.resolve(&registers);
                let count = u32::try_from(count)
                    .ok()
                    .filter(|&count| count > 0)
                    .ok_or_else(|| bad(format!("a level counts {count} times; it has to count at least once")))?;
                self.descriptors[d.index()].levels[usize::from(level(index.0)?)] = Level {
                    count,
                    stride: stride.resolve(&registers),
                };
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
                    outer: level(outer.0)?,
                    outer_step: outer_step.0 as i32,
                    inner: level(inner.0)?,
                    inner_step: inner_step.0 as i32,
                    origin: origin.resolve(&registers),
                    extent: extent.resolve(&registers),
                };
                self.descriptors[d.index()].set_window(axis, window);
            }
            Op::Clip { d, lo, hi } => {
                let (floor, ceiling) = self.descriptors[d.index()].format.range();
                let within = |v: i64| v.clamp(i64::from(floor), i64::from(ceiling)) as i32;
                if lo.0 > hi.0 {
                    return Err(bad(format!(
                        "the lower limit {} is above the upper limit {}",
                        lo.0, hi.0
                    )));
                }
                self.descriptors[d.index()].clip = (within(lo.0), within(hi.0));
            }
            Op::Move { d, bytes } => {
                let descriptor = &mut self.descriptors[d.index()];
                *descriptor = descriptor.displaced(bytes.resolve(&registers));
            }
            _ => {}
        }
        Ok(())
    }
}

//! What descriptors hold at each instruction of a program, as far as it is the same on every way that leads there.
//!
//! It follows constants through registers and descriptors along all jumps and loops, runs nothing, and knows no machine.

use crate::format::Naming;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use systole_isa::descriptor::N_LEVELS;
use systole_isa::operand::{DescRef, N_DESCRIPTORS, N_REGISTERS, Operand, OperandKind, OperandValue, Reg, Space};
use systole_isa::{ElementFormat, Instruction, Op, Program};

/// How often each instruction is looked at on average before the search for constants is given up.
const MAX_VISITS: usize = 16;
/// The operand that names the register which an instruction sets.
const RESULT_OPERAND: &str = "rd";

/// A descriptor, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
struct View {
    space: Space,
    format: ElementFormat,
    base: Option<i64>,
    split: usize,
    counts: [Option<i64>; N_LEVELS],
    is_windowed: bool,
}

impl View {
    /// What both have in common, if they are views of the same kind.
    fn meet(&self, other: &View) -> Option<View> {
        let kind = |view: &View| (view.space, view.format, view.split, view.is_windowed);
        if kind(self) != kind(other) {
            return None;
        }
        let mut common = self.clone();
        common.base = common.base.filter(|_| self.base == other.base);
        for (mine, theirs) in common.counts.iter_mut().zip(&other.counts) {
            *mine = mine.filter(|_| mine == theirs);
        }
        Some(common)
    }
}

/// What is known before an instruction.
#[derive(Clone, PartialEq, Eq)]
struct State {
    registers: [Option<i64>; N_REGISTERS],
    descriptors: [Option<Rc<View>>; N_DESCRIPTORS],
}

impl State {
    /// Nothing is known.
    fn unknown() -> Self {
        Self {
            registers: [None; N_REGISTERS],
            descriptors: [const { None }; N_DESCRIPTORS],
        }
    }

    /// What both have in common.
    fn meet(&mut self, other: &State) {
        for (mine, theirs) in self.registers.iter_mut().zip(&other.registers) {
            *mine = mine.filter(|_| mine == theirs);
        }
        for (mine, theirs) in self.descriptors.iter_mut().zip(&other.descriptors) {
            if mine != theirs {
                *mine = mine
                    .take()
                    .zip(theirs.as_ref())
                    .and_then(|(mine, theirs)| mine.meet(theirs))
                    .map(Rc::new);
            }
        }
    }

    fn register(&self, reg: Reg) -> Option<i64> {
        if reg == Reg::ZERO {
            Some(0)
        } else {
            self.registers[reg.index()]
        }
    }

    /// The value of an operand that is a register or a constant.
    fn value(&self, operand: impl Operand) -> Option<i64> {
        match operand.to_value() {
            OperandValue::ValReg(reg) | OperandValue::Reg(reg) => self.register(reg),
            OperandValue::Imm(value) => Some(value),
            _ => None,
        }
    }

    fn binary(&self, ra: Reg, b: impl Operand, apply: impl FnOnce(i64, i64) -> i64) -> Option<i64> {
        Some(apply(self.register(ra)?, self.value(b)?))
    }

    fn change(&mut self, descriptor: usize, change: impl FnOnce(&mut View)) {
        if let Some(view) = &mut self.descriptors[descriptor] {
            change(Rc::make_mut(view));
        }
    }

    /// What is known behind an instruction.
    fn step(&mut self, op: &Op) {
        match *op {
            Op::Li { rd, value } => self.registers[rd.index()] = Some(value.0),
            Op::Add { rd, ra, b } => self.registers[rd.index()] = self.binary(ra, b, i64::wrapping_add),
            Op::Sub { rd, ra, b } => self.registers[rd.index()] = self.binary(ra, b, i64::wrapping_sub),
            Op::Mul { rd, ra, b } => self.registers[rd.index()] = self.binary(ra, b, i64::wrapping_mul),
            Op::Desc {
                d,
                space,
                format,
                base,
                split,
                ..
            } => {
                self.descriptors[d.index()] = Some(Rc::new(View {
                    space,
                    format,
                    base: self.value(base),
                    split: (split.0 as usize).min(N_LEVELS),
                    counts: [Some(1); N_LEVELS],
                    is_windowed: false,
                }));
            }
            Op::Level { d, index, count, .. } => {
                let count = self.value(count);
                self.change(d.index(), |view| {
                    if let Some(level) = view.counts.get_mut(index.0 as usize) {
                        *level = count;
                    }
                });
            }
            Op::Window { d, .. } => self.change(d.index(), |view| view.is_windowed = true),
            Op::Move { d, bytes } => {
                let bytes = self.value(bytes);
                self.change(d.index(), |view| {
                    view.base = view.base.zip(bytes).map(|(base, bytes)| base.wrapping_add(bytes));
                });
            }
            Op::Clip { .. } => {}
            _ => self.forget(op),
        }
    }

    /// Forgets what an instruction may change.
    fn forget(&mut self, op: &Op) {
        for (operand, value) in op.info().operands.iter().zip(op.operands()) {
            match value {
                OperandValue::Reg(reg) if operand.name == RESULT_OPERAND => self.registers[reg.index()] = None,
                OperandValue::Desc(desc) => self.descriptors[desc.index()] = None,
                _ => {}
            }
        }
    }
}

/// A descriptor that an instruction uses, and by how many bytes it is displaced, if that is known.
type Use = (DescRef, Rc<View>, Option<i64>);

/// What is known at each instruction of a program.
pub(crate) struct Flow {
    /// What each instruction uses, by its index.
    uses: BTreeMap<u32, Vec<Use>>,
}

impl Flow {
    /// Follows the constants of a program.
    pub(crate) fn new(program: &Program) -> Self {
        let mut uses = BTreeMap::new();
        let has_views = program
            .code
            .iter()
            .any(|instruction| matches!(instruction.op, Op::Desc { .. }));
        if !has_views {
            return Self { uses };
        }
        let ways = Ways::new(program);
        let Some(starts) = ways.states(program) else {
            return Self { uses };
        };
        for (&start, state) in &starts {
            let mut state = state.clone();
            for pc in start..ways.block_end(start) {
                let Some(instruction) = program.code.get(pc as usize) else {
                    break;
                };
                let used = used_views(instruction, &state);
                if !used.is_empty() {
                    uses.insert(pc, used);
                }
                state.step(&instruction.op);
            }
        }
        Self { uses }
    }

    /// The descriptors that an instruction uses, in words, as far as they are known.
    pub(crate) fn views(&self, pc: u32, instruction: &Instruction, naming: &dyn Naming) -> Vec<String> {
        let Some(uses) = self.uses.get(&pc) else {
            return Vec::new();
        };
        let mut texts = Vec::new();
        for operand in instruction.op.operands() {
            if let OperandValue::DescRef(desc) = operand
                && let Some((_, view, offset)) = uses.iter().find(|(used, ..)| *used == desc)
            {
                let text = view_text(desc, view, *offset, naming);
                if !texts.contains(&text) {
                    texts.push(text);
                }
            }
        }
        texts
    }
}

fn used_views(instruction: &Instruction, state: &State) -> Vec<Use> {
    let mut used = Vec::new();
    if !instruction
        .op
        .info()
        .operands
        .iter()
        .any(|operand| operand.kind == OperandKind::DescRef)
    {
        return used;
    }
    for value in instruction.op.operands() {
        if let OperandValue::DescRef(desc) = value
            && let Some(view) = &state.descriptors[desc.desc.index()]
        {
            used.push((desc, Rc::clone(view), state.register(desc.offset)));
        }
    }
    used
}

/// A descriptor in words, such as `d3 = spm weights i8 [16 x 16]`: memory, address, format, rows and columns.
fn view_text(desc: DescRef, view: &View, offset: Option<i64>, naming: &dyn Naming) -> String {
    let address = view.base.map(|base| base.wrapping_add(offset.unwrap_or(0)));
    let mut place = match address {
        Some(address) => naming.address(view.space, address).unwrap_or_else(|| {
            if address < 0 {
                address.to_string()
            } else {
                format!("{address:#x}")
            }
        }),
        None => "?".to_owned(),
    };
    if offset.is_none() {
        place = format!("{place}[{}]", desc.offset);
    }
    let side = |counts: &[Option<i64>]| {
        let factors: Vec<String> = counts
            .iter()
            .filter(|count| **count != Some(1))
            .map(|count| count.map_or_else(|| "?".to_owned(), |count| count.to_string()))
            .collect();
        if factors.is_empty() {
            "1".to_owned()
        } else {
            factors.join("*")
        }
    };
    let (rows, columns) = view.counts.split_at(view.split);
    let window = if view.is_windowed { " windowed" } else { "" };
    let (rows, columns) = (side(rows), side(columns));
    let (space, format) = (view.space, view.format.word());
    format!("{} = {space} {place} {format} [{rows} x {columns}]{window}", desc.desc)
}

/// The ways through a program.
struct Ways {
    /// Instructions at which ways meet or part, in ascending order, and the end of the program.
    starts: BTreeSet<u32>,
    /// The first instructions of the loops that end before an instruction.
    loops_by_end: BTreeMap<u32, Vec<u32>>,
}

impl Ways {
    fn new(program: &Program) -> Self {
        let mut starts = BTreeSet::from([0, program.entry, program.code.len() as u32]);
        let mut loops_by_end: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (pc, instruction) in (0_u32..).zip(&program.code) {
            if let Op::Loop { end, .. } = instruction.op {
                loops_by_end.entry(end.0).or_default().push(pc + 1);
            }
            let mut has_target = false;
            if let Some(target) = target_of(&instruction.op) {
                has_target = true;
                starts.insert(target);
            }
            if has_target || matches!(instruction.op, Op::Halt {} | Op::Trap { .. }) {
                starts.insert(pc + 1);
            }
        }
        Self { starts, loops_by_end }
    }

    /// One past the last instruction of the block that starts here.
    fn block_end(&self, start: u32) -> u32 {
        let next = self.starts.range(start.saturating_add(1)..).next();
        next.copied().unwrap_or(start)
    }

    /// Where the program may go on behind an instruction.
    fn successors(&self, pc: u32, op: &Op) -> Vec<u32> {
        let mut next = match (op, target_of(op)) {
            (Op::Halt {} | Op::Trap { .. }, _) => return Vec::new(),
            (Op::Jmp { target }, _) => vec![target.0],
            (_, Some(target)) => vec![pc + 1, target],
            (_, None) => vec![pc + 1],
        };
        for i in 0..next.len() {
            next.extend(self.loops_by_end.get(&next[i]).into_iter().flatten());
        }
        next
    }

    /// What is known at the start of every block that can be reached; `None` if that takes too long.
    fn states(&self, program: &Program) -> Option<BTreeMap<u32, State>> {
        let mut states = BTreeMap::from([(program.entry, State::unknown())]);
        let mut open = BTreeSet::from([program.entry]);
        let mut n_visits_left = program.code.len().saturating_mul(MAX_VISITS);
        while let Some(start) = open.pop_first() {
            let end = self.block_end(start);
            n_visits_left = n_visits_left.checked_sub((end - start) as usize)?;
            let Some(mut state) = states.get(&start).cloned() else {
                continue;
            };
            let Some(block) = program.code.get(start as usize..(end as usize).min(program.code.len())) else {
                continue;
            };
            let Some(last) = block.last() else { continue };
            for instruction in block {
                state.step(&instruction.op);
            }
            for next in self.successors(end - 1, &last.op) {
                let is_new = match states.get_mut(&next) {
                    None => {
                        states.insert(next, state.clone());
                        true
                    }
                    Some(known) => {
                        let before = known.clone();
                        known.meet(&state);
                        *known != before
                    }
                };
                if is_new {
                    open.insert(next);
                }
            }
        }
        Some(states)
    }
}

fn target_of(op: &Op) -> Option<u32> {
    let has_target = |operand: &OperandValue| match operand {
        OperandValue::Target(target) => Some(*target),
        _ => None,
    };
    op.operands().iter().find_map(has_target)
}

//! Why nothing can go on: who waits for which token, who would post it, and the cycle that this makes.

use super::Order;
use crate::fault::{FaultKind, Supply, Wait};
use crate::work::Dispatched;
use std::collections::VecDeque;
use systole_isa::operand::Token;
use systole_isa::{Op, Program, Tokens, Unit};

/// A machine in which nothing moves.
pub(crate) struct Standstill<'a> {
    pub(crate) program: &'a Program,
    /// The sequencer's next instruction.
    pub(crate) pc: u32,
    pub(crate) queues: &'a [VecDeque<Dispatched>; Unit::ALL.len()],
    pub(crate) counters: &'a [u32],
    pub(crate) order: &'a Order,
}

/// The tokens of an instruction that are not there.
pub(crate) fn missing_tokens(counters: &[u32], tokens: &Tokens) -> Vec<Token> {
    let [first, second] = tokens.waits;
    let mut missing = Vec::new();
    for (i, token) in [first, second].into_iter().flatten().enumerate() {
        let taken_before = u32::from(i == 1 && first == second);
        if counters[token.index()] <= taken_before {
            missing.push(token);
        }
    }
    missing
}

impl Standstill<'_> {
    /// The fault, with the instruction that it is charged to: the first that waits for a token.
    pub(crate) fn fault(&self) -> (FaultKind, u32) {
        let none = Tokens::NONE;
        let own = self.program.code.get(self.pc as usize);
        let mut waits = vec![self.wait(
            Unit::Seq,
            self.pc,
            own.filter(|i| i.op.unit() == Unit::Seq).map_or(&none, |i| &i.tokens),
        )];
        for unit in Unit::ALL {
            if let Some(head) = self.queues[unit.index()].front() {
                waits.push(self.wait(unit, head.pc, &head.tokens));
            }
        }
        let pc = waits
            .iter()
            .find(|wait| !wait.tokens.is_empty())
            .map_or(self.pc, |wait| wait.pc);
        let cycle = cycle(&waits);
        (FaultKind::Deadlock { waits, cycle }, pc)
    }

    fn wait(&self, unit: Unit, pc: u32, tokens: &Tokens) -> Wait {
        let tokens = missing_tokens(self.counters, tokens);
        let supplies = tokens.iter().map(|&token| self.supply(unit, token)).collect();
        Wait {
            unit,
            pc,
            line: self.line(pc),
            tokens,
            supplies,
        }
    }

    fn line(&self, pc: u32) -> Option<u32> {
        self.program.lines.get(pc as usize).copied()
    }

    fn supply(&self, waiter: Unit, token: Token) -> Supply {
        let posts = |tokens: &Tokens| tokens.posts.contains(&Some(token));
        let queued = |unit: Unit| {
            let found = self.queues[unit.index()].iter().find(|queued| posts(&queued.tokens))?;
            Some(Supply::Queued {
                unit,
                pc: found.pc,
                line: self.line(found.pc),
            })
        };
        // What waits behind another unit's head makes a cycle; what waits behind the own one can never come first.
        let others = Unit::ALL.into_iter().filter(|&unit| unit != waiter);
        if let Some(supply) = others.chain([waiter]).find_map(queued) {
            return supply;
        }
        let reachable = reachable(&self.program.code, self.pc);
        let later = self.program.code.iter().enumerate().find(|(pc, instruction)| {
            let credits = matches!(instruction.op, Op::Credit { token: credited, .. } if credited == token);
            reachable[*pc] && (posts(&instruction.tokens) || credits)
        });
        match later {
            Some((pc, instruction)) => Supply::Later {
                unit: instruction.op.unit(),
                pc: pc as u32,
                line: self.line(pc as u32),
            },
            None => Supply::Never {
                last: self.order.last_post(token),
            },
        }
    }
}

/// Which instructions the sequencer may still reach from `pc`.
fn reachable(code: &[systole_isa::Instruction], pc: u32) -> Vec<bool> {
    let mut loops_by_end: Vec<(u32, u32)> = code
        .iter()
        .enumerate()
        .filter_map(|(pc, i)| match i.op {
            Op::Loop { end, .. } => Some((end.0, pc as u32 + 1)),
            _ => None,
        })
        .collect();
    loops_by_end.sort_unstable();
    let mut reached = vec![false; code.len()];
    let mut to_do = vec![pc];
    while let Some(pc) = to_do.pop() {
        // At the end of a loop its body may follow.
        let from = loops_by_end.partition_point(|&(end, _)| end < pc);
        to_do.extend(
            loops_by_end[from..]
                .iter()
                .take_while(|&&(end, start)| end == pc && !reached.get(start as usize).copied().unwrap_or(true))
                .map(|&(_, start)| start),
        );
        let Some(seen) = reached.get_mut(pc as usize) else {
            continue;
        };
        if std::mem::replace(seen, true) {
            continue;
        }
        match code[pc as usize].op {
            Op::Halt {} | Op::Trap { .. } => {}
            Op::Jmp { target } => to_do.push(target.0),
            Op::Beq { target, .. } | Op::Bne { target, .. } | Op::Blt { target, .. } | Op::Bge { target, .. } => {
                to_do.extend([pc + 1, target.0]);
            }
            Op::Loop { end, .. } => to_do.extend([pc + 1, end.0]),
            _ => to_do.push(pc + 1),
        }
    }
    reached
}

/// Units of which each waits for the next one, and the last one for the first; empty if there is no such cycle.
fn cycle(waits: &[Wait]) -> Vec<Unit> {
    let waits_for = |unit: Unit| -> Vec<Unit> {
        let Some(wait) = waits.iter().find(|wait| wait.unit == unit) else {
            return vec![];
        };
        if wait.tokens.is_empty() {
            return waits
                .iter()
                .map(|wait| wait.unit)
                .filter(|&other| other != unit)
                .collect();
        }
        wait.supplies
            .iter()
            .filter_map(|supply| match supply {
                Supply::Queued { unit, .. } => Some(*unit),
                Supply::Later { .. } => Some(Unit::Seq),
                Supply::Never { .. } => None,
            })
            .collect()
    };
    fn search(path: &mut Vec<Unit>, next: &dyn Fn(Unit) -> Vec<Unit>) -> Option<Vec<Unit>> {
        for unit in next(*path.last()?) {
            if let Some(start) = path.iter().position(|&seen| seen == unit) {
                return Some(path[start..].to_vec());
            }
            path.push(unit);
            let found = search(path, next);
            if found.is_some() {
                return found;
            }
            path.pop();
        }
        None
    }
    // A cycle among the units themselves says more than one through the sequencer.
    let starts = waits.iter().skip(1).chain(waits.first());
    starts
        .filter_map(|wait| search(&mut vec![wait.unit], &waits_for))
        .min_by_key(|cycle| (cycle.contains(&Unit::Seq), cycle.len()))
        .unwrap_or_default()
}

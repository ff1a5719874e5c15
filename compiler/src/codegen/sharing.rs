//! Equal layers share their code.
//!
//! Every stage is a page of code, and pages of layers of one shape differ in nothing but the addresses of their tensors, constants and buffers. Such
//! a page stands in the program once, where it is needed first. Addresses then come in registers, and so does the number of the layer that goes
//! on behind it, since the machine has no instruction that calls. A later layer is its mark, its addresses and a jump.

use systole_isa::operand::{Imm, N_REGISTERS, OperandValue, Reg, Scalar, Space, Target};
use systole_isa::{Instruction, Op};

/// The program that consists of these pages, in their order. Jumps in a page count from its beginning.
pub(super) fn join(pages: Vec<Vec<Instruction>>) -> Vec<Instruction> {
    let mut shared: Vec<Option<Shared>> = pages.iter().map(|page| Shared::of(page)).collect();
    let groups = groups(&shared);
    for members in groups
        .iter()
        .enumerate()
        .filter(|(page, members)| members.first() == Some(page))
    {
        keep_common_addresses(&mut shared, members.1);
    }
    let mut code: Vec<Instruction> = Vec::new();
    // Per group: where its body begins, and the branches behind it that are still without a target.
    let mut places: Vec<Option<Place>> = vec![None; pages.len()];
    for (page, instructions) in pages.iter().enumerate() {
        let members = &groups[page];
        let (Some(shared), true) = (&shared[page], members.len() > 1) else {
            let start = code.len() as u32;
            code.extend(instructions.iter().map(|instruction| moved(instruction, start)));
            continue;
        };
        let nth = members.iter().position(|&member| member == page).unwrap_or(0);
        code.push(instructions[0]);
        shared.hand_over(&mut code, nth);
        match &places[members[0]] {
            None => {
                let start = code.len() as u32;
                code.extend(shared.body.iter().map(|instruction| moved(instruction, start)));
                places[page] = Some(Place {
                    start,
                    branches: code.len(),
                });
                code.extend((1..members.len()).map(|other| shared.branch_back(other, 0)));
            }
            Some(place) => {
                let (start, branch) = (place.start, place.branches + nth - 1);
                code.push(Op::Jmp { target: Target(start) }.into());
                code[branch] = shared.branch_back(nth, code.len() as u32);
            }
        }
    }
    code
}

#[derive(Clone, Copy)]
struct Place {
    start: u32,
    /// Index of the first branch behind the body.
    branches: usize,
}

/// Per page the pages with the same body, itself among them, in order.
fn groups(shared: &[Option<Shared>]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); shared.len()];
    for (page, body) in shared.iter().enumerate() {
        let Some(body) = body else { continue };
        let is_same = |other: &Option<Shared>| other.as_ref().is_some_and(|other| other.body == body.body);
        groups[page] = match shared[..page].iter().position(is_same) {
            None => (page..shared.len()).filter(|&other| is_same(&shared[other])).collect(),
            Some(first) => groups[first].clone(),
        };
    }
    groups
}

/// Addresses that are the same for all of these pages need no register.
fn keep_common_addresses(shared: &mut [Option<Shared>], members: &[usize]) {
    let Some(Some(first)) = members.first().map(|&page| &shared[page]) else {
        return;
    };
    let is_common = |nth: &usize| {
        let of = |page: usize| shared[page].as_ref().and_then(|other| other.addresses.get(*nth));
        members.iter().all(|&page| of(page) == first.addresses.get(*nth))
    };
    let common: Vec<(Reg, i64)> = (0..first.addresses.len())
        .filter(is_common)
        .map(|nth| first.addresses[nth])
        .collect();
    for &page in members {
        if let Some(page) = &mut shared[page] {
            page.keep(&common);
        }
    }
}

/// A page as it stands for several layers.
struct Shared {
    /// The page without its mark, with registers in place of addresses. Jumps count from its beginning.
    body: Vec<Instruction>,
    /// The addresses, and the registers that bring them.
    addresses: Vec<(Reg, i64)>,
    /// The register with the number of the layer that goes on behind the body.
    back: Reg,
}

impl Shared {
    /// `None` if a page cannot be shared: it has several marks, jumps to where addresses are used, or leaves too few registers.
    fn of(page: &[Instruction]) -> Option<Self> {
        let is_mark = |instruction: &Instruction| matches!(instruction.op, Op::Mark { .. });
        let (first, rest) = page.split_first()?;
        if !is_mark(first) || rest.iter().any(is_mark) {
            return None;
        }
        let mut body: Vec<Instruction> = rest.iter().map(|i| retargeted(i, |pc| pc.wrapping_sub(1))).collect();
        let prefix = body.iter().rposition(|i| base_address(i).is_some())? + 1;
        let is_repeated = body.iter().flat_map(targets).any(|target| (target as usize) < prefix);
        if is_repeated {
            return None;
        }
        let mut before = untouched(&body[..prefix]).into_iter();
        let back = untouched(&body).into_iter().next_back()?;
        let mut addresses: Vec<(Reg, i64)> = Vec::new();
        for instruction in &mut body[..prefix] {
            let Some(address) = base_address(instruction) else {
                continue;
            };
            let register = match addresses.iter().find(|(_, other)| *other == address) {
                Some(&(register, _)) => register,
                None => before.next().filter(|&register| register != back)?,
            };
            if addresses.iter().all(|(other, _)| *other != register) {
                addresses.push((register, address));
            }
            if let Op::Desc { base, .. } = &mut instruction.op {
                *base = Scalar::Reg(register);
            }
        }
        Some(Self { body, addresses, back })
    }

    /// Has these addresses in its body instead of in registers.
    fn keep(&mut self, common: &[(Reg, i64)]) {
        self.addresses.retain(|address| !common.contains(address));
        for instruction in &mut self.body {
            if let Op::Desc { space, base, .. } = &mut instruction.op
                && matches!(space, Space::Dram | Space::Spm)
                && let Scalar::Reg(register) = *base
                && let Some(&(_, address)) = common.iter().find(|(other, _)| *other == register)
            {
                *base = Scalar::Imm(address);
            }
        }
    }

    /// Appends what the body has to find in its registers for the layer with this number.
    fn hand_over(&self, code: &mut Vec<Instruction>, nth: usize) {
        let values = self.addresses.iter().copied().chain([(self.back, nth as i64)]);
        code.extend(values.map(|(rd, value)| Instruction::from(Op::Li { rd, value: Imm(value) })));
    }

    /// Goes on behind the layer with this number.
    fn branch_back(&self, nth: usize, target: u32) -> Instruction {
        Op::Beq {
            ra: self.back,
            b: (nth as i64).into(),
            target: Target(target),
        }
        .into()
    }
}

/// The base of a descriptor of DRAM or scratchpad that is set up with a constant one.
fn base_address(instruction: &Instruction) -> Option<i64> {
    match instruction.op {
        Op::Desc {
            space: Space::Dram | Space::Spm,
            base: Scalar::Imm(base),
            ..
        } => Some(base),
        _ => None,
    }
}

/// Registers but `r0` that no instruction reads or writes, in order.
fn untouched(code: &[Instruction]) -> Vec<Reg> {
    let mut touched = [false; N_REGISTERS];
    for operand in code.iter().flat_map(|instruction| instruction.op.operands()) {
        match operand {
            OperandValue::Reg(register) | OperandValue::ValReg(register) => touched[register.index()] = true,
            OperandValue::DescRef(reference) => touched[reference.offset.index()] = true,
            _ => {}
        }
    }
    (1..N_REGISTERS as u8)
        .filter(|&index| !touched[usize::from(index)])
        .filter_map(Reg::new)
        .collect()
}

fn targets(instruction: &Instruction) -> impl Iterator<Item = u32> {
    instruction
        .op
        .operands()
        .into_iter()
        .filter_map(|operand| match operand {
            OperandValue::Target(target) => Some(target),
            _ => None,
        })
}

/// An instruction of a page that begins at `start`.
fn moved(instruction: &Instruction, start: u32) -> Instruction {
    retargeted(instruction, |target| target + start)
}

fn retargeted(instruction: &Instruction, place: impl Fn(u32) -> u32) -> Instruction {
    let mut instruction = *instruction;
    match &mut instruction.op {
        Op::Jmp { target }
        | Op::Beq { target, .. }
        | Op::Bne { target, .. }
        | Op::Blt { target, .. }
        | Op::Bge { target, .. }
        | Op::Loop { end: target, .. } => target.0 = place(target.0),
        _ => {}
    }
    instruction
}

//! Which registers and descriptors depend on time.

use systole_isa::operand::OperandValue;
use systole_isa::{Op, Program};

/// What one instruction reads and sets, as sets of bits by index.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    reads_registers: u32,
    reads_descriptors: u32,
    sets_register: u32,
    sets_descriptor: u32,
}

/// The registers and descriptors that depend on time, while a program is walked.
pub(super) struct Taint {
    flows: Vec<Flow>,
    registers: u32,
    descriptors: u32,
}

fn flow_of(op: &Op) -> Flow {
    let mut flow = Flow::default();
    for (info, value) in op.info().operands.iter().zip(op.operands()) {
        match value {
            // Register 0 stays zero whatever is written.
            OperandValue::Reg(register) if info.name == "rd" => flow.sets_register |= (1 << register.index()) & !1,
            OperandValue::Reg(register) | OperandValue::ValReg(register) => {
                flow.reads_registers |= 1 << register.index();
            }
            OperandValue::Desc(desc) => flow.sets_descriptor |= 1 << desc.index(),
            OperandValue::DescRef(reference) => {
                flow.reads_descriptors |= 1 << reference.desc.index();
                flow.reads_registers |= 1 << reference.offset.index();
            }
            OperandValue::Imm(_) | OperandValue::Target(_) | OperandValue::Token(_) | OperandValue::Choice(_) => {}
        }
    }
    flow
}

impl Taint {
    /// Nothing depends on time at the start.
    pub(super) fn new(program: &Program) -> Self {
        Self {
            flows: program
                .code
                .iter()
                .map(|instruction| flow_of(&instruction.op))
                .collect(),
            registers: 0,
            descriptors: 0,
        }
    }

    /// Follows one instruction. True if it decides where the program goes, or what a unit does, by something that depends on time.
    pub(super) fn follow(&mut self, pc: u32, op: &Op) -> bool {
        let gives_time = matches!(op, Op::RdCycle { .. } | Op::RdPerf { .. });
        if self.registers | self.descriptors == 0 && !gives_time {
            return false;
        }
        let flow = self.flows[pc as usize];
        let depends = flow.reads_registers & self.registers != 0 || flow.reads_descriptors & self.descriptors != 0;
        let set = |bits: &mut u32, mask: u32, on: bool| *bits = if on { *bits | mask } else { *bits & !mask };
        set(&mut self.registers, flow.sets_register, depends || gives_time);
        // All but `desc` change only a part of the descriptor.
        if depends || matches!(op, Op::Desc { .. }) {
            set(&mut self.descriptors, flow.sets_descriptor, depends);
        }
        depends && flow.sets_register | flow.sets_descriptor == 0
    }
}

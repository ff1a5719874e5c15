//! A program with something in every part.

use systole_isa::format::ElementFormat;
use systole_isa::operand::{Desc, Imm, MarkKind, Reg, Target};
use systole_isa::program::{
    HostType, IoTensor, LayerPlan, MachineReference, Mark, Program, Quantization, Segment, Symbol, SymbolKind,
};
use systole_isa::{Instruction, Op};

fn symbol(name: &str, kind: SymbolKind, value: u64, size: u64) -> Symbol {
    Symbol {
        name: name.to_owned(),
        kind,
        value,
        size,
    }
}

fn tensor(name: &str, scale: f32) -> IoTensor {
    IoTensor {
        name: name.to_owned(),
        shape: vec![1, 2, 3],
        host_type: HostType::F32,
        format: ElementFormat::I8,
        quantization: Some(Quantization { scale, zero_point: -3 }),
        address: 0x100,
        strides: vec![6, 3, 1],
    }
}

fn code() -> Vec<Op> {
    vec![
        Op::Mark {
            kind: MarkKind::Layer,
            id: Imm(0),
        },
        Op::Li {
            rd: Reg::at(1),
            value: Imm(i64::MIN),
        },
        Op::Loop {
            count: 3.into(),
            end: Target(4),
        },
        Op::Move {
            d: Desc::at(2),
            bytes: Reg::at(1).into(),
        },
        Op::Halt {},
    ]
}

/// A program with something in every part.
pub(crate) fn sample() -> Program {
    Program {
        name: "sample \"1\"".to_owned(),
        machine: Some(MachineReference {
            name: "edge16x16".to_owned(),
            hash: u64::MAX,
        }),
        code: code().into_iter().map(Instruction::from).collect(),
        entry: 1,
        dram_bytes: 4096,
        // Not in the order of their addresses, and one of them empty.
        segments: vec![
            Segment {
                name: "weights".to_owned(),
                address: 0x200,
                bytes: (0..40).collect::<Vec<u8>>().into(),
            },
            Segment {
                name: "bias\u{1}".to_owned(),
                address: 0x100,
                bytes: vec![7; 3].into(),
            },
            Segment {
                name: "nothing".to_owned(),
                address: 0x300,
                bytes: Vec::new().into(),
            },
        ],
        symbols: vec![
            symbol("top", SymbolKind::Label, 2, 0),
            symbol("weights", SymbolKind::Dram, 0x200, 40),
            symbol("tile", SymbolKind::Spm, 0, 16),
            symbol("sums", SymbolKind::Acc, 64, 16),
            symbol("beyond", SymbolKind::Label, u64::MAX, 0),
        ],
        marks: vec![Mark {
            name: "conv1".to_owned(),
            op: "conv".to_owned(),
            plan: Some(LayerPlan {
                estimated_cycles: 1234,
                compulsory_bytes: 5678,
                macs: 90_123,
                weight_bytes: 4567,
            }),
        }],
        inputs: vec![tensor("x", 0.1)],
        outputs: vec![tensor("y", f32::MIN_POSITIVE)],
        lines: vec![3, 4, 5, 5, 9],
    }
}

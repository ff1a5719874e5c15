//! Random instructions and programs, drawn from the instruction table: a new row is covered without a change here.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::collections::BTreeSet;
use systole_isa::instruction::OPCODES;
use systole_isa::operand::{
    Desc, DescRef, N_DESCRIPTORS, N_REGISTERS, N_TOKENS, OperandKind, OperandValue, Reg, Token,
};
use systole_isa::program::{
    HostType, IoTensor, LayerPlan, MachineReference, Mark, Program, Quantization, Segment, Symbol, SymbolKind,
};
use systole_isa::{ElementFormat, Instruction, Op, Tokens};

fn register() -> impl Strategy<Value = Reg> {
    (0..N_REGISTERS as u8).prop_map(Reg::at)
}

fn descriptor() -> impl Strategy<Value = Desc> {
    (0..N_DESCRIPTORS as u8).prop_map(Desc::at)
}

fn token() -> impl Strategy<Value = Token> {
    (0..N_TOKENS as u8).prop_map(Token::at)
}

/// An integer of a field: its limits, small numbers and anything between.
fn integer(kind: OperandKind) -> BoxedStrategy<OperandValue> {
    let (lo, hi) = kind.range().expect("the kind takes integers");
    prop_oneof![Just(lo), Just(hi), lo.max(-16)..=16.min(hi), lo..=hi]
        .prop_map(OperandValue::Imm)
        .boxed()
}

fn operand(kind: OperandKind) -> BoxedStrategy<OperandValue> {
    match kind {
        OperandKind::Reg => register().prop_map(OperandValue::Reg).boxed(),
        OperandKind::Desc => descriptor().prop_map(OperandValue::Desc).boxed(),
        OperandKind::DescRef => (descriptor(), register())
            .prop_map(|(desc, offset)| OperandValue::DescRef(DescRef { desc, offset }))
            .boxed(),
        OperandKind::Val { .. } => prop_oneof![register().prop_map(OperandValue::ValReg), integer(kind)].boxed(),
        OperandKind::Imm { .. } => integer(kind),
        OperandKind::Target => (0_u32..1 << 24).prop_map(OperandValue::Target).boxed(),
        OperandKind::Token => token().prop_map(OperandValue::Token).boxed(),
        OperandKind::Choice(words) => (0..words.len() as u8).prop_map(OperandValue::Choice).boxed(),
    }
}

fn tokens() -> impl Strategy<Value = Tokens> {
    (vec(token(), 0..=2), vec(token(), 0..=2)).prop_map(|(waits, posts)| Tokens {
        waits: [waits.first().copied(), waits.get(1).copied()],
        posts: [posts.first().copied(), posts.get(1).copied()],
    })
}

/// Any instruction that has a word.
pub(crate) fn instruction() -> impl Strategy<Value = Instruction> {
    let op = proptest::sample::select(OPCODES).prop_flat_map(|row| {
        let operands: Vec<_> = row.operands.iter().map(|info| operand(info.kind)).collect();
        operands.prop_map(move |values| Op::from_operands(row.opcode, &values).expect("values are of the row's kinds"))
    });
    (op, tokens()).prop_map(|(op, tokens)| Instruction::from(op).with(tokens))
}

/// Instructions most of whose targets lie in the program.
fn code() -> impl Strategy<Value = Vec<Instruction>> {
    vec((instruction(), prop::bool::weighted(0.9)), 0..30).prop_map(|drawn| {
        let n_places = drawn.len() as u32 + 1;
        let settle = |(instruction, is_near): (Instruction, bool)| {
            let near = |value: OperandValue| match value {
                OperandValue::Target(pc) if is_near => OperandValue::Target(pc % n_places),
                other => other,
            };
            let operands: Vec<_> = instruction.op.operands().into_iter().map(near).collect();
            let opcode = instruction.op.info().opcode;
            let op = Op::from_operands(opcode, &operands).expect("a nearer target fits as well");
            Instruction { op, ..instruction }
        };
        drawn.into_iter().map(settle).collect()
    })
}

/// Names that are plain, names that mean something else in assembly, and names that cannot be written without quotes.
fn name() -> impl Strategy<Value = String> {
    let taken = [
        "r3", "d31", "t0", "r99", ".L1", ".entry", "spm", "over", "label", "inf", "",
    ];
    let mnemonics = proptest::sample::select(OPCODES).prop_map(|row| row.mnemonic.to_owned());
    prop_oneof![
        4 => "[a-z_][a-z0-9_.]{0,6}",
        1 => proptest::sample::select(taken.to_vec()).prop_map(str::to_owned),
        1 => mnemonics,
        1 => "[ -~]{0,8}",
        1 => any::<String>(),
    ]
}

/// Names of which no two are equal.
fn distinct_names(n_most: usize) -> impl Strategy<Value = Vec<String>> {
    vec(name(), 0..=n_most).prop_map(|names| {
        let mut seen = BTreeSet::new();
        names.into_iter().filter(|name| seen.insert(name.clone())).collect()
    })
}

fn symbols(n_instructions: usize) -> impl Strategy<Value = Vec<Symbol>> {
    distinct_names(8)
        .prop_flat_map(move |names| {
            let kinds = [SymbolKind::Label, SymbolKind::Dram, SymbolKind::Spm, SymbolKind::Acc];
            let label = (0..=n_instructions as u64, Just(0)).prop_map(|(value, size)| (SymbolKind::Label, value, size));
            let address = (proptest::sample::select(kinds.to_vec()), 0_u64..64, 0_u64..32);
            let anything = (proptest::sample::select(kinds.to_vec()), any::<u64>(), any::<u64>());
            let meaning = prop_oneof![4 => label, 2 => address, 1 => anything];
            names
                .into_iter()
                .map(|name| {
                    (Just(name), meaning.clone()).prop_map(|(name, (kind, value, size))| Symbol {
                        name,
                        kind,
                        value,
                        size,
                    })
                })
                .collect::<Vec<_>>()
        })
        .prop_flat_map(|symbols| (Just(symbols), 0_usize..8, 0_usize..6))
        .prop_map(|(mut symbols, place, like)| {
            // What says format and shape of a tensor, and what nearly does.
            let types = [("i8[4,2]", 8), ("i4[3]", 2), ("i8[4,2]", 7), ("i8[04]", 4), ("i8[]", 0)];
            if let (Some(&(typed, size)), Some(symbol)) = (types.get(like), symbols.get_mut(place)) {
                symbol.size = size;
                let typed = Symbol {
                    name: format!("{}:{typed}", symbol.name),
                    ..symbol.clone()
                };
                if symbols.iter().all(|other| other.name != typed.name) {
                    symbols.insert(place + 1, typed);
                }
            }
            symbols
        })
}

fn segments() -> impl Strategy<Value = Vec<Segment>> {
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..200),
        (0_usize..300).prop_map(|n| vec![0; n]),
        (vec(any::<u8>(), 0..70), 0_usize..200).prop_map(|(mut bytes, n)| {
            bytes.resize(bytes.len() + n, 0);
            bytes
        }),
    ];
    (distinct_names(4), vec((bytes, 0_u64..100), 4)).prop_map(|(names, contents)| {
        let mut end = 0;
        let place = |(name, (bytes, gap)): (String, (Vec<u8>, u64))| {
            let address = end + gap;
            end = address + bytes.len() as u64;
            Segment {
                name,
                address,
                bytes: bytes.into(),
            }
        };
        names.into_iter().zip(contents).map(place).collect()
    })
}

fn tensor() -> impl Strategy<Value = IoTensor> {
    let scale = any::<f32>()
        .prop_map(|scale| scale.abs())
        .prop_filter("a scale is finite and above zero", |scale| {
            scale.is_finite() && *scale > 0.0
        });
    let quantization = (scale, any::<i32>()).prop_map(|(scale, zero_point)| Quantization { scale, zero_point });
    (
        name(),
        vec((0_u64..5, 0_u64..1 << 32), 0..5),
        any::<bool>(),
        proptest::sample::select(ElementFormat::ALL),
        option::of(quantization),
        0_u64..1 << 40,
    )
        .prop_map(|(name, axes, is_float, format, quantization, address)| IoTensor {
            name,
            shape: axes.iter().map(|(n, _)| *n).collect(),
            host_type: if is_float { HostType::F32 } else { HostType::Integer },
            format,
            quantization,
            address,
            strides: axes.iter().map(|(_, stride)| *stride).collect(),
        })
}

/// Any program that has a file.
pub(crate) fn program() -> impl Strategy<Value = Program> {
    let machine = (name(), any::<u64>()).prop_map(|(name, hash)| MachineReference { name, hash });
    let plan = any::<[u64; 4]>().prop_map(|[estimated_cycles, compulsory_bytes, macs, weight_bytes]| LayerPlan {
        estimated_cycles,
        compulsory_bytes,
        macs,
        weight_bytes,
    });
    let mark = (name(), name(), option::of(plan)).prop_map(|(name, op, plan)| Mark { name, op, plan });
    let described = (
        name(),
        option::of(machine),
        (1_u64 << 16)..,
        vec(mark, 0..4),
        vec(tensor(), 0..3),
        vec(tensor(), 0..3),
        segments(),
    );
    (code(), described).prop_flat_map(|(code, described)| {
        let n = code.len();
        let entry = prop_oneof![3 => 0..=n as u32, 1 => any::<u32>()];
        let line = prop_oneof![1_u32..20, any::<u32>()];
        let lines = prop_oneof![
            Just(Vec::new()),
            vec(line, n),
            (1_u32..9).prop_map(move |first| (first..).take(n).collect())
        ];
        (Just(code), Just(described), symbols(n), entry, lines).prop_map(|(code, described, symbols, entry, lines)| {
            let (name, machine, dram_bytes, marks, inputs, outputs, segments) = described;
            Program {
                name,
                machine,
                code,
                entry,
                dram_bytes,
                segments,
                symbols,
                marks,
                inputs,
                outputs,
                lines,
            }
        })
    })
}

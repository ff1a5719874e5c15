//! The encoding as a whole: every instruction has one word, and every word is one instruction or none and says which.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use support::config;
use systole_isa::instruction::{OPCODES, OpcodeInfo};
use systole_isa::operand::{
    Desc, DescRef, N_DESCRIPTORS, N_REGISTERS, N_TOKENS, OperandKind, OperandValue, Reg, Token,
};
use systole_isa::{Instruction, Op, Tokens};

fn reg() -> impl Strategy<Value = Reg> {
    (0..N_REGISTERS as u8).prop_map(Reg::at)
}

fn desc() -> impl Strategy<Value = Desc> {
    (0..N_DESCRIPTORS as u8).prop_map(Desc::at)
}

fn token() -> impl Strategy<Value = Token> {
    (0..N_TOKENS as u8).prop_map(Token::at)
}

/// Any integer of the kind, the outermost ones often.
fn integer(kind: OperandKind) -> impl Strategy<Value = i64> {
    let (lo, hi) = kind.range().unwrap();
    prop_oneof![4 => lo..=hi, 1 => Just(lo), 1 => Just(hi), 1 => Just(0)]
}

fn operand(kind: OperandKind) -> BoxedStrategy<OperandValue> {
    match kind {
        OperandKind::Reg => reg().prop_map(OperandValue::Reg).boxed(),
        OperandKind::Desc => desc().prop_map(OperandValue::Desc).boxed(),
        OperandKind::DescRef => (desc(), reg())
            .prop_map(|(desc, offset)| OperandValue::DescRef(DescRef { desc, offset }))
            .boxed(),
        OperandKind::Val { .. } => prop_oneof![
            integer(kind).prop_map(OperandValue::Imm),
            reg().prop_map(OperandValue::ValReg)
        ]
        .boxed(),
        OperandKind::Imm { .. } => integer(kind).prop_map(OperandValue::Imm).boxed(),
        OperandKind::Target => integer(kind)
            .prop_map(|target| OperandValue::Target(target as u32))
            .boxed(),
        OperandKind::Token => token().prop_map(OperandValue::Token).boxed(),
        OperandKind::Choice(words) => (0..words.len() as u8).prop_map(OperandValue::Choice).boxed(),
    }
}

/// None, one or two tokens, as many as a word can hold.
fn token_pair() -> impl Strategy<Value = [Option<Token>; 2]> {
    prop_oneof![
        Just([None, None]),
        token().prop_map(|first| [Some(first), None]),
        (token(), token()).prop_map(|(first, second)| [Some(first), Some(second)]),
    ]
}

fn instruction_of(row: &'static OpcodeInfo) -> impl Strategy<Value = Instruction> {
    let operands: Vec<_> = row.operands.iter().map(|info| operand(info.kind)).collect();
    (operands, token_pair(), token_pair()).prop_map(|(operands, waits, posts)| Instruction {
        op: Op::from_operands(row.opcode, &operands).expect("the values are of their kind and range"),
        tokens: Tokens { waits, posts },
    })
}

fn any_instruction() -> impl Strategy<Value = Instruction> {
    (0..OPCODES.len()).prop_flat_map(|i| instruction_of(&OPCODES[i]))
}

/// Words whose operand fields hold anything, with nothing outside them: most are instructions.
fn word_of_a_row() -> impl Strategy<Value = u128> {
    let row = proptest::sample::select(OPCODES);
    (row, any::<u128>(), 0_u32..1 << 20, prop::bool::weighted(0.5)).prop_map(|(row, bits, tokens, has_tokens)| {
        let tokens = if has_tokens { u128::from(tokens) << 8 } else { 0 };
        u128::from(row.opcode) | tokens | bits & operand_mask(&row)
    })
}

fn operand_mask(row: &OpcodeInfo) -> u128 {
    row.operands
        .iter()
        .fold(0, |mask, operand| mask | ((1 << operand.bits) - 1) << operand.low_bit)
}

/// A word is either no instruction, or the word of the instruction that it decodes to.
fn check_word(word: u128) {
    match Instruction::decode(word) {
        Ok(instruction) => assert_eq!(instruction.encode(), Ok(word), "{instruction:?}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// An instruction is the one that its word decodes to, and its operands are those that its fields hold.
fn check_instruction(instruction: Instruction) {
    let word = instruction
        .encode()
        .unwrap_or_else(|error| panic!("{instruction:?}: {error}"));
    assert_eq!(Instruction::decode(word), Ok(instruction), "{word:#034x}");
    let row = instruction.op.info();
    assert_eq!(word as u8, row.opcode);
    assert_eq!(
        word & !(operand_mask(row) | ((1 << 28) - 1)),
        0,
        "{instruction:?} sets reserved bits"
    );
    assert_eq!(
        Op::from_operands(row.opcode, &instruction.op.operands()),
        Some(instruction.op)
    );
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_instruction_is_what_its_word_decodes_to(instruction in any_instruction()) {
        check_instruction(instruction);
    }

    #[test]
    fn a_word_that_decodes_encodes_to_itself(word in word_of_a_row()) {
        check_word(word);
    }

    #[test]
    fn any_word_decodes_to_itself_or_not_at_all(word in any::<u128>()) {
        check_word(word);
    }

    #[test]
    fn a_flipped_bit_never_goes_unnoticed(word in word_of_a_row(), bit in 0_u32..128) {
        if let (Ok(before), Ok(after)) = (Instruction::decode(word), Instruction::decode(word ^ 1 << bit)) {
            prop_assert_ne!(before, after);
        }
    }
}

#[test]
fn every_row_has_instructions_with_words_of_their_own() {
    let mut runner = TestRunner::new(config());
    for row in OPCODES {
        let mut seen = BTreeMap::new();
        for _ in 0..100 {
            let instruction = instruction_of(row).new_tree(&mut runner).unwrap().current();
            check_instruction(instruction);
            let other = seen.insert(instruction.encode().unwrap(), instruction);
            assert!(other.is_none_or(|other| other == instruction), "{}", row.mnemonic);
        }
        assert!(seen.len() > 50, "{}: {} different words", row.mnemonic, seen.len());
    }
}

#[test]
fn words_of_the_table_do_decode() {
    let decoded = OPCODES
        .iter()
        .filter(|row| Instruction::decode(u128::from(row.opcode)).is_ok())
        .count();
    assert_eq!(
        decoded,
        OPCODES.len(),
        "all-zero operands are an instruction in every row"
    );
}

#[test]
fn most_words_of_rows_are_instructions() {
    let mut runner = TestRunner::new(config());
    let words = (0..1000).map(|_| word_of_a_row().new_tree(&mut runner).unwrap().current());
    let n_decoded = words.filter(|&word| Instruction::decode(word).is_ok()).count();
    assert!(
        n_decoded > 200,
        "the property tests look at instructions, too: {n_decoded} of 1000"
    );
}

#[test]
fn rows_tell_exactly_which_bits_have_a_meaning() {
    for row in OPCODES {
        let owned = operand_mask(row) | ((1 << 28) - 1);
        for bit in 0..128 {
            let is_reserved = owned >> bit & 1 == 0;
            let error = Instruction::decode(u128::from(row.opcode) | 1 << bit).err();
            let says_reserved = error.is_some_and(|error| error.to_string().contains("reserved"));
            assert!(!is_reserved || says_reserved, "{} bit {bit}", row.mnemonic);
        }
    }
}

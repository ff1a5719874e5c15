//! The encoding as a whole: every word is one instruction or none, and says which.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use systole_isa::Instruction;
use systole_isa::instruction::{OPCODES, OpcodeInfo};

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

proptest! {
    #![proptest_config(ProptestConfig::default())]

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

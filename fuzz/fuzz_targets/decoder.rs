//! Any word is the word of the instruction that it decodes to, or a decode error; the instruction's text assembles to it again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use systole_assembler::{assemble, format_instruction};
use systole_isa::Instruction;

fuzz_target!(|bytes: &[u8]| {
    for word in bytes.as_chunks::<16>().0 {
        let word = u128::from_le_bytes(*word);
        match Instruction::decode(word) {
            Ok(instruction) => {
                assert_eq!(instruction.encode(), Ok(word), "{instruction:?}");
                let text = format_instruction(&instruction, &|_| None);
                // A jump may name an instruction that a program of one line does not have.
                if let Ok(program) = assemble(&text, "fuzz.sasm") {
                    assert_eq!(program.code, [instruction], "{text}");
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});

//! Any text is a program or a list of errors that each have a place or a reason; a program written as text is the same program.

#![no_main]

use libfuzzer_sys::fuzz_target;
use systole_assembler::{assemble, disassemble};

fuzz_target!(|text: &str| {
    match assemble(text, "fuzz.sasm") {
        Ok(program) => {
            let written = disassemble(&program);
            match assemble(&written, "again.sasm") {
                Ok(again) => assert_eq!(again.hash(), program.hash(), "{written}"),
                Err(errors) => panic!("{}\n{written}", errors[0]),
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!(!error.to_string().is_empty());
            }
        }
    }
});

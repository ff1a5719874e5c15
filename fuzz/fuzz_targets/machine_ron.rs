//! Any text is a machine description or every reason why not; a description written as text is the same description.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use systole_isa::{MachineDescription, Op, Program};
use systole_simulator::{Machine, Mode};

fuzz_target!(|text: &str| {
    match MachineDescription::from_ron(text, "fuzz.ron") {
        Ok(description) => {
            let written = description.to_ron();
            let again = MachineDescription::from_ron(&written, "again.ron");
            assert_eq!(again.as_ref(), Ok(&description), "{written}");
            // What is accepted has to run; memories of many GiB only take the fuzzer's own.
            if u64::from(description.spm.capacity_kib) + u64::from(description.acc.capacity_kib) < 1 << 16 {
                let program = Program {
                    code: vec![Op::Halt {}.into()],
                    ..Program::default()
                };
                let loaded = Machine::new(Arc::new(program), Arc::new(description), Mode::Full);
                loaded
                    .expect("an empty program fits every machine")
                    .advance_to(100, &mut ());
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(!problem.to_string().is_empty());
            }
        }
    }
});

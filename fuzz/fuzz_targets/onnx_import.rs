//! Any bytes are a model or every reason why not; a model that was read can be shown and lowered, or is refused with reasons.

#![no_main]

use libfuzzer_sys::fuzz_target;
use systole_compiler::{import_onnx, lower};

fuzz_target!(|bytes: &[u8]| {
    match import_onnx(bytes) {
        Ok(graph) => {
            assert!(!graph.to_string().is_empty());
            if let Err(errors) = lower(graph) {
                assert!(!errors.is_empty());
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

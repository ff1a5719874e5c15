//! Where the models of the tests are, and how models are written by hand.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "every test file uses a part of this"
)]

use ndarray::ArrayD;
use ndarray_npy::ReadNpyExt;
use std::path::PathBuf;

mod model_writer;
pub use model_writer::{ModelWriter, int, ints, string};

/// A file of the folder with real models; `None`, with a note, where there is none.
pub fn model_file(path: &str) -> Option<PathBuf> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/models");
    let folder = std::env::var_os("SYSTOLE_MODELS").map_or_else(default, PathBuf::from);
    let file = folder.join(path);
    if !file.exists() {
        println!(
            "SKIPPED: {} does not exist; set SYSTOLE_MODELS to the folder of models",
            file.display()
        );
        return None;
    }
    Some(file)
}

/// The bytes of a model file.
pub fn model_bytes(path: &str) -> Option<Vec<u8>> {
    model_file(path).map(|file| std::fs::read(file).unwrap())
}

/// A .npy file of f32.
pub fn floats(path: &str) -> Option<ArrayD<f32>> {
    let file = std::fs::File::open(model_file(path)?).unwrap();
    Some(ArrayD::read_npy(file).unwrap())
}

/// A .npy file of i64.
pub fn integers(path: &str) -> Option<ArrayD<i64>> {
    let file = std::fs::File::open(model_file(path)?).unwrap();
    Some(ArrayD::read_npy(file).unwrap())
}

/// A .npy file of u8.
pub fn bytes(path: &str) -> Option<ArrayD<u8>> {
    let file = std::fs::File::open(model_file(path)?).unwrap();
    Some(ArrayD::read_npy(file).unwrap())
}

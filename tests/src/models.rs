//! Where the real models lie, and a reader for the two kinds of NumPy arrays that they come with.

use std::path::PathBuf;

/// The folder of a model under `SYSTOLE_MODELS` (default: `../shared/models` beside the project); `None`, with a message, if it is absent.
pub fn models(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SYSTOLE_MODELS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/models"),
        PathBuf::from,
    );
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {} does not exist; set SYSTOLE_MODELS", folder.display());
    None
}

/// Shape and raw data of a version 1 array in C order with the given type.
fn npy<'b>(bytes: &'b [u8], descr: &str) -> (Vec<usize>, &'b [u8]) {
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + length]).expect("the header of an array is ASCII");
    assert!(
        header.contains(descr) && header.contains("'fortran_order': False"),
        "{header}"
    );
    let shape = header
        .split(['(', ')'])
        .nth(1)
        .expect("the header of an array holds its shape");
    let shape = shape.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    (shape, &bytes[10 + length..])
}

/// Shape and values of a float32 array.
///
/// # Panics
/// If it is none.
pub fn npy_f32(bytes: &[u8]) -> (Vec<usize>, Vec<f32>) {
    let (shape, data) = npy(bytes, "'<f4'");
    (
        shape,
        data.chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect(),
    )
}

/// Values of an int64 array.
///
/// # Panics
/// If it is none.
pub fn npy_i64(bytes: &[u8]) -> Vec<i64> {
    let (_, data) = npy(bytes, "'<i8'");
    data.chunks_exact(8)
        .map(|b| i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))
        .collect()
}

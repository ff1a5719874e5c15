//! Arrays in NumPy's `.npy` format as data.

use ndarray::ArrayD;
use ndarray_npy::{ReadNpyExt, ReadableElement};
use std::io::Cursor;
use systole_isa::ElementFormat;

/// The content of an array, in logical order: last axis fastest.
pub(crate) enum NpyValues {
    Integers(Vec<i64>),
    Floats(Vec<f32>),
}

/// An array that was read.
pub(crate) struct NpyArray {
    pub(crate) shape: Vec<u64>,
    pub(crate) values: NpyValues,
    /// The element format that holds every value of the array's own type, if there is one.
    pub(crate) format: Option<ElementFormat>,
}

impl NpyArray {
    pub(crate) fn n_elements(&self) -> u64 {
        match &self.values {
            NpyValues::Integers(values) => values.len() as u64,
            NpyValues::Floats(values) => values.len() as u64,
        }
    }
}

/// Reads an array.
///
/// # Errors
/// Why these bytes are none that can be used.
pub(crate) fn parse(bytes: &[u8]) -> Result<NpyArray, String> {
    use ElementFormat::{I8, I16, I32, U8, U16};
    let integers = attempt::<i8>(bytes, Some(I8))
        .or_else(|| attempt::<u8>(bytes, Some(U8)))
        .or_else(|| attempt::<i16>(bytes, Some(I16)))
        .or_else(|| attempt::<u16>(bytes, Some(U16)))
        .or_else(|| attempt::<i32>(bytes, Some(I32)))
        .or_else(|| attempt::<u32>(bytes, None))
        .or_else(|| attempt::<i64>(bytes, None))
        .or_else(|| attempt::<bool>(bytes, None));
    if let Some(array) = integers {
        return Ok(array);
    }
    match ArrayD::<f32>::read_npy(Cursor::new(bytes)) {
        Ok(array) => Ok(NpyArray {
            shape: shape_of(&array),
            values: NpyValues::Floats(array.iter().copied().collect()),
            format: None,
        }),
        Err(error) => Err(error.to_string()),
    }
}

fn attempt<T: ReadableElement + Clone + Into<i64>>(bytes: &[u8], format: Option<ElementFormat>) -> Option<NpyArray> {
    let array = ArrayD::<T>::read_npy(Cursor::new(bytes)).ok()?;
    Some(NpyArray {
        shape: shape_of(&array),
        values: NpyValues::Integers(array.iter().cloned().map(Into::into).collect()),
        format,
    })
}

fn shape_of<T>(array: &ArrayD<T>) -> Vec<u64> {
    array.shape().iter().map(|&length| length as u64).collect()
}

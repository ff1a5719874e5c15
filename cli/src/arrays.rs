//! NumPy arrays in and out.

use ndarray::{ArrayD, IxDyn};
use ndarray_npy::{ReadNpyExt, ReadableElement, WriteNpyExt};
use std::io::Cursor;
use std::path::Path;
use systole_isa::Diagnostic;
use systole_isa::program::IoTensor;
use systole_simulator::host::HostValues;

/// An array of any of the supported element types.
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: HostValues,
}

fn attempt<T: ReadableElement + Clone>(bytes: &[u8], wrap: impl Fn(Vec<T>) -> HostValues) -> Option<Array> {
    let array = ArrayD::<T>::read_npy(Cursor::new(bytes)).ok()?;
    let shape = array.shape().to_vec();
    // Iteration is in logical order, whatever the order in memory.
    Some(Array {
        shape,
        values: wrap(array.iter().cloned().collect()),
    })
}

fn integers<T: Into<i64>>(values: Vec<T>) -> HostValues {
    HostValues::Integer(values.into_iter().map(Into::into).collect())
}

/// Parses a NumPy array.
///
/// # Errors
/// If these bytes are none, or its element type is not one of f32, f64, u8, i8, i16, i32, i64.
pub(crate) fn parse(bytes: &[u8], name: &str) -> Result<Array, Diagnostic> {
    attempt::<f32>(bytes, HostValues::F32)
        .or_else(|| attempt::<f64>(bytes, |v| HostValues::F32(v.into_iter().map(|x| x as f32).collect())))
        .or_else(|| attempt::<u8>(bytes, integers))
        .or_else(|| attempt::<i8>(bytes, integers))
        .or_else(|| attempt::<i16>(bytes, integers))
        .or_else(|| attempt::<i32>(bytes, integers))
        .or_else(|| attempt::<i64>(bytes, integers))
        .ok_or_else(|| {
            let why = ArrayD::<f32>::read_npy(Cursor::new(bytes))
                .err()
                .map_or(String::new(), |e| e.to_string());
            Diagnostic::error("F0005", format!("`{name}` is no NumPy array that can be used here"))
                .because(why)
                .help("save it with numpy.save as float32, float64, uint8, int8, int16, int32 or int64")
        })
}

/// Reads a NumPy array from a file.
pub(crate) fn load(path: &Path) -> Result<Array, Diagnostic> {
    parse(&crate::source::read(path)?, &path.display().to_string())
}

impl Array {
    /// Splits along axis 0 into inferences for an input.
    ///
    /// # Errors
    /// If the other axes differ from the input's.
    pub(crate) fn inferences(&self, tensor: &IoTensor) -> Result<Vec<HostValues>, Diagnostic> {
        let expected: Vec<usize> = tensor.shape.iter().map(|&length| length as usize).collect();
        let (n, rest) = match self.shape.split_first() {
            Some((&n, rest)) => (n, rest),
            None => (1, &[][..]),
        };
        let n_images = expected.first().copied().unwrap_or(1);
        let tail = expected.get(1..).unwrap_or(&[]);
        let is_flat = rest.len() == 1 && rest[0] == tail.iter().product::<usize>();
        // A model without a batch axis, such as a matrix product, takes the array whole.
        let is_whole = self.shape == expected;
        let is_divisible = !expected.is_empty() && n.is_multiple_of(n_images);
        if !(is_whole || is_divisible && (rest == tail || is_flat)) {
            return Err(
                Diagnostic::error("F0006", format!("input `{}` has shape {:?}", tensor.name, self.shape))
                    .because(format!(
                        "the program takes [n{}], n a multiple of {n_images}",
                        tail.iter().map(|l| format!(", {l}")).collect::<String>()
                    ))
                    .help("reshape the array; inferences run along axis 0"),
            );
        }
        let n = if is_whole { 1 } else { n / n_images };
        let size = expected.iter().product::<usize>();
        Ok((0..n)
            .map(|i| match &self.values {
                HostValues::F32(values) => HostValues::F32(values[i * size..(i + 1) * size].to_vec()),
                HostValues::Integer(values) => HostValues::Integer(values[i * size..(i + 1) * size].to_vec()),
            })
            .collect())
    }

    /// The inferences for an input of a shape that need not be known, as real numbers. An array of just this shape is one inference.
    pub(crate) fn rows(&self, shape: Option<&[usize]>) -> Vec<Vec<f32>> {
        let values: Vec<f32> = match &self.values {
            HostValues::F32(values) => values.clone(),
            HostValues::Integer(values) => values.iter().map(|&v| v as f32).collect(),
        };
        if shape == Some(&self.shape) {
            return vec![values];
        }
        let n = self.shape.first().copied().unwrap_or(1);
        values
            .chunks_exact((values.len() / n.max(1)).max(1))
            .map(<[f32]>::to_vec)
            .collect()
    }

    /// All values as real numbers.
    pub(crate) fn reals(&self) -> Vec<f64> {
        reals(&self.values)
    }
}

/// Values as real numbers.
pub(crate) fn reals(values: &HostValues) -> Vec<f64> {
    match values {
        HostValues::F32(values) => values.iter().map(|&v| f64::from(v)).collect(),
        HostValues::Integer(values) => values.iter().map(|&v| v as f64).collect(),
    }
}

/// Writes the values of all inferences as one array.
pub(crate) fn save(path: &Path, tensor: &IoTensor, inferences: &[&HostValues]) -> Result<(), Diagnostic> {
    let mut shape: Vec<usize> = tensor.shape.iter().map(|&length| length as usize).collect();
    if let Some(first) = shape.first_mut() {
        *first *= inferences.len();
    }
    let mut bytes = Vec::new();
    let failed = |why: String| Diagnostic::error("F0002", format!("`{}` cannot be written: {why}", path.display()));
    if let Some(HostValues::F32(_)) = inferences.first() {
        let values: Vec<f32> = inferences.iter().flat_map(|v| reals(v)).map(|v| v as f32).collect();
        let array = ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|error| failed(error.to_string()))?;
        array.write_npy(&mut bytes).map_err(|error| failed(error.to_string()))?;
    } else {
        let values: Vec<i64> = inferences.iter().flat_map(|v| reals(v)).map(|v| v as i64).collect();
        let array = ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|error| failed(error.to_string()))?;
        array.write_npy(&mut bytes).map_err(|error| failed(error.to_string()))?;
    }
    crate::source::write(path, &bytes)
}

/// Writes bytes as an array of one axis.
pub(crate) fn save_bytes(path: &Path, values: &[u8]) -> Result<(), Diagnostic> {
    let mut bytes = Vec::new();
    ndarray::ArrayView1::from(values)
        .write_npy(&mut bytes)
        .map_err(|error| Diagnostic::error("F0002", format!("`{}` cannot be written: {error}", path.display())))?;
    crate::source::write(path, &bytes)
}

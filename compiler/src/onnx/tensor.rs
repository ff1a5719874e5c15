//! Constants and declared types of a model file.

use crate::error::{ImportError, ImportErrorKind, Subject};
use crate::graph::{DType, MAX_ELEMENTS, TensorData, element_count};
use rten_onnx::onnx::{DataLocation, DataType, TensorProto, TensorShapeProto};

/// The element type of a file's type number.
pub(super) fn dtype(declared: Option<DataType>, subject: &Subject) -> Result<DType, ImportError> {
    let known = match declared {
        Some(DataType::FLOAT) => Some(DType::F32),
        Some(DataType::UINT8) => Some(DType::U8),
        Some(DataType::INT8) => Some(DType::I8),
        Some(DataType::UINT16) => Some(DType::U16),
        Some(DataType::INT16) => Some(DType::I16),
        Some(DataType::INT32) => Some(DType::I32),
        Some(DataType::INT64) => Some(DType::I64),
        Some(DataType::BOOL) => Some(DType::Bool),
        _ => None,
    };
    known.ok_or_else(|| {
        ImportError::new(
            ImportErrorKind::ElementType,
            subject.clone(),
            declared.map_or("no element type".into(), |t| format!("element type {t}")),
            "FLOAT, UINT8, INT8, UINT16, INT16, INT32, INT64 or BOOL",
            "convert the tensor when exporting the model",
        )
    })
}

/// The element type with a type number as an attribute states it; `None` if unknown.
pub(super) fn dtype_from_number(number: i64) -> Option<DType> {
    let number = i32::try_from(number).ok()?;
    dtype(Some(DataType(number)), &Subject::Model).ok()
}

/// A declared shape; a symbolic first axis is the batch and counts as 1.
pub(super) fn declared_shape(shape: Option<&TensorShapeProto>, subject: &Subject) -> Result<Vec<usize>, ImportError> {
    let fault = |found: String, expected: &str| {
        let help = "fix the shape when exporting the model; only the batch axis may stay symbolic";
        ImportError::new(ImportErrorKind::Shape, subject.clone(), found, expected, help)
    };
    let Some(shape) = shape else {
        return Err(fault("no shape".into(), "a shape"));
    };
    let mut lengths = Vec::with_capacity(shape.dim.len());
    for (axis, dim) in shape.dim.iter().enumerate() {
        lengths.push(match (dim.dim_value, &dim.dim_param) {
            (Some(len), _) if len > 0 => len as usize,
            (Some(len), _) => return Err(fault(format!("length {len} of axis {axis}"), "at least 1")),
            (None, _) if axis == 0 => 1,
            (None, name) => {
                let name = name.as_deref().unwrap_or("?");
                return Err(fault(format!("symbolic length `{name}` of axis {axis}"), "a number"));
            }
        });
    }
    if element_count(&lengths).is_none() {
        return Err(fault(format!("shape {lengths:?}"), "at most 2^28 elements"));
    }
    Ok(lengths)
}

/// Shape and elements of a constant.
pub(super) fn constant(tensor: &TensorProto, subject: &Subject) -> Result<(Vec<usize>, TensorData), ImportError> {
    let fault = |found: String, expected: String| {
        let help = "export the model again with its weights inside the file";
        ImportError::new(ImportErrorKind::Data, subject.clone(), found, expected, help)
    };
    let dtype = dtype(tensor.data_type, subject)?;
    if tensor.data_location == Some(DataLocation::EXTERNAL) || !tensor.external_data.is_empty() {
        return Err(fault(
            "data in an external file".into(),
            "data inside the model file".into(),
        ));
    }
    let shape = tensor
        .dims
        .iter()
        .map(|&len| usize::try_from(len).ok())
        .collect::<Option<Vec<_>>>();
    let Some((shape, n_elements)) = shape.and_then(|s| element_count(&s).map(|n| (s, n))) else {
        let found = format!("shape {:?}", tensor.dims);
        return Err(fault(
            found,
            format!("lengths of at least 0, at most {MAX_ELEMENTS} elements"),
        ));
    };
    let data = elements(tensor, dtype)
        .ok_or_else(|| fault("elements outside of their type".into(), format!("{dtype} values")))?;
    if data.len() != n_elements {
        let found = format!("{} elements of data", data.len());
        return Err(fault(found, format!("{n_elements} for shape {shape:?}")));
    }
    Ok((shape, data))
}

/// The elements, from raw little-endian bytes or from the typed field; `None` if a value does not fit its type or the
/// raw bytes end within an element.
fn elements(tensor: &TensorProto, dtype: DType) -> Option<TensorData> {
    let raw = tensor.raw_data.as_ref().map(|raw| raw.borrow());
    match &raw {
        Some(bytes) => raw_elements(bytes, dtype),
        None => typed_elements(tensor, dtype),
    }
}

fn raw_elements(bytes: &[u8], dtype: DType) -> Option<TensorData> {
    fn split<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Option<Vec<T>> {
        let (elements, rest) = bytes.as_chunks::<N>();
        rest.is_empty().then(|| elements.iter().map(|&e| read(e)).collect())
    }
    Some(match dtype {
        DType::F32 => TensorData::F32(split(bytes, f32::from_le_bytes)?),
        DType::U8 => TensorData::U8(bytes.to_vec()),
        DType::I8 => TensorData::I8(split(bytes, i8::from_le_bytes)?),
        DType::U16 => TensorData::U16(split(bytes, u16::from_le_bytes)?),
        DType::I16 => TensorData::I16(split(bytes, i16::from_le_bytes)?),
        DType::I32 => TensorData::I32(split(bytes, i32::from_le_bytes)?),
        DType::I64 => TensorData::I64(split(bytes, i64::from_le_bytes)?),
        DType::Bool => TensorData::Bool(bytes.iter().map(|&b| b != 0).collect()),
    })
}

/// Types of at most 32 bits share one field of the file.
fn typed_elements(tensor: &TensorProto, dtype: DType) -> Option<TensorData> {
    fn narrow<T: TryFrom<i32>>(values: &[i32]) -> Option<Vec<T>> {
        values.iter().map(|&v| T::try_from(v).ok()).collect()
    }
    let ints = tensor.int32_data.as_slice();
    Some(match dtype {
        DType::F32 => TensorData::F32(tensor.float_data.clone()),
        DType::U8 => TensorData::U8(narrow(ints)?),
        DType::I8 => TensorData::I8(narrow(ints)?),
        DType::U16 => TensorData::U16(narrow(ints)?),
        DType::I16 => TensorData::I16(narrow(ints)?),
        DType::I32 => TensorData::I32(ints.to_vec()),
        DType::I64 => TensorData::I64(tensor.int64_data.clone()),
        DType::Bool => TensorData::Bool(ints.iter().map(|&v| v != 0).collect()),
    })
}

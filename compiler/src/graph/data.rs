//! Element types and the data of constants.

use std::fmt;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// IEEE binary32.
    F32,
    /// Unsigned, 8 bits.
    U8,
    /// Signed, 8 bits.
    I8,
    /// Unsigned, 16 bits.
    U16,
    /// Signed, 16 bits.
    I16,
    /// Signed, 32 bits.
    I32,
    /// Signed, 64 bits: shapes and axes.
    I64,
    /// Truth values.
    Bool,
}

impl DType {
    /// The name in dumps and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::Bool => "bool",
        }
    }

    /// Smallest and largest value of a type of at most 32 integer bits that can hold quantized numbers.
    pub const fn range(self) -> Option<(i32, i32)> {
        match self {
            Self::U8 => Some((0, 255)),
            Self::I8 => Some((-128, 127)),
            Self::U16 => Some((0, 65535)),
            Self::I16 => Some((-32768, 32767)),
            Self::I32 => Some((i32::MIN, i32::MAX)),
            Self::F32 | Self::I64 | Self::Bool => None,
        }
    }

    /// Whether the machine keeps activations and weights in this type.
    pub const fn is_byte(self) -> bool {
        matches!(self, Self::U8 | Self::I8)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The elements of a constant, row-major.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TensorData {
    /// IEEE binary32.
    F32(Vec<f32>),
    /// Unsigned, 8 bits.
    U8(Vec<u8>),
    /// Signed, 8 bits.
    I8(Vec<i8>),
    /// Unsigned, 16 bits.
    U16(Vec<u16>),
    /// Signed, 16 bits.
    I16(Vec<i16>),
    /// Signed, 32 bits.
    I32(Vec<i32>),
    /// Signed, 64 bits.
    I64(Vec<i64>),
    /// Truth values.
    Bool(Vec<bool>),
}

macro_rules! for_each_variant {
    ($self:expr, $values:ident => $body:expr) => {
        match $self {
            TensorData::F32($values) => $body,
            TensorData::U8($values) => $body,
            TensorData::I8($values) => $body,
            TensorData::U16($values) => $body,
            TensorData::I16($values) => $body,
            TensorData::I32($values) => $body,
            TensorData::I64($values) => $body,
            TensorData::Bool($values) => $body,
        }
    };
}

impl TensorData {
    /// The element type.
    pub const fn dtype(&self) -> DType {
        match self {
            Self::F32(_) => DType::F32,
            Self::U8(_) => DType::U8,
            Self::I8(_) => DType::I8,
            Self::U16(_) => DType::U16,
            Self::I16(_) => DType::I16,
            Self::I32(_) => DType::I32,
            Self::I64(_) => DType::I64,
            Self::Bool(_) => DType::Bool,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        for_each_variant!(self, values => values.len())
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements as 32-bit integers, for the types that fit.
    pub fn to_i32(&self) -> Option<Vec<i32>> {
        match self {
            Self::U8(values) => Some(values.iter().map(|&v| v.into()).collect()),
            Self::I8(values) => Some(values.iter().map(|&v| v.into()).collect()),
            Self::U16(values) => Some(values.iter().map(|&v| v.into()).collect()),
            Self::I16(values) => Some(values.iter().map(|&v| v.into()).collect()),
            Self::I32(values) => Some(values.clone()),
            Self::F32(_) | Self::I64(_) | Self::Bool(_) => None,
        }
    }

    /// The elements as shape entries.
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        match self {
            Self::I64(values) => Some(values.clone()),
            Self::I32(values) => Some(values.iter().map(|&v| v.into()).collect()),
            _ => None,
        }
    }

    /// The elements as floats, if they are.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match self {
            Self::F32(values) => Some(values),
            _ => None,
        }
    }

    /// Integers in a given quantized type; values outside of it are clipped. `None` if it is not a quantized type.
    pub fn from_i32(values: &[i32], dtype: DType) -> Option<Self> {
        let (lo, hi) = dtype.range()?;
        let clipped = values.iter().map(|v| *v.max(&lo).min(&hi));
        match dtype {
            DType::U8 => Some(Self::U8(clipped.map(|v| v as u8).collect())),
            DType::I8 => Some(Self::I8(clipped.map(|v| v as i8).collect())),
            DType::U16 => Some(Self::U16(clipped.map(|v| v as u16).collect())),
            DType::I16 => Some(Self::I16(clipped.map(|v| v as i16).collect())),
            DType::I32 => Some(Self::I32(clipped.collect())),
            DType::F32 | DType::I64 | DType::Bool => None,
        }
    }

    /// The elements as little-endian bytes, one after the other.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        match self {
            Self::F32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::U8(values) => values.clone(),
            Self::I8(values) => values.iter().map(|&v| v as u8).collect(),
            Self::U16(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::I16(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::I32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::I64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::Bool(values) => values.iter().map(|&v| v.into()).collect(),
        }
    }

    /// The elements of these little-endian bytes. `None` if they are no whole number of elements, or no truth values.
    pub fn from_le_bytes(bytes: &[u8], dtype: DType) -> Option<Self> {
        macro_rules! words {
            ($variant:ident, $word:ty) => {{
                let (words, rest) = bytes.as_chunks();
                rest.is_empty()
                    .then(|| Self::$variant(words.iter().map(|&word| <$word>::from_le_bytes(word)).collect()))
            }};
        }
        match dtype {
            DType::F32 => words!(F32, f32),
            DType::U8 => Some(Self::U8(bytes.to_vec())),
            DType::I8 => words!(I8, i8),
            DType::U16 => words!(U16, u16),
            DType::I16 => words!(I16, i16),
            DType::I32 => words!(I32, i32),
            DType::I64 => words!(I64, i64),
            DType::Bool => {
                let flag = |&byte: &u8| (byte < 2).then_some(byte == 1);
                Some(Self::Bool(bytes.iter().map(flag).collect::<Option<_>>()?))
            }
        }
    }

    /// The elements of a row-major array of `shape` after its axes are reordered: new axis `i` is old axis `axes[i]`.
    ///
    /// # Panics
    /// If `axes` is not a permutation of the axes of `shape`, or the shape has more elements than there are.
    pub fn transposed(&self, shape: &[usize], axes: &[usize]) -> Self {
        match self {
            Self::F32(values) => Self::F32(transpose(values, shape, axes)),
            Self::U8(values) => Self::U8(transpose(values, shape, axes)),
            Self::I8(values) => Self::I8(transpose(values, shape, axes)),
            Self::U16(values) => Self::U16(transpose(values, shape, axes)),
            Self::I16(values) => Self::I16(transpose(values, shape, axes)),
            Self::I32(values) => Self::I32(transpose(values, shape, axes)),
            Self::I64(values) => Self::I64(transpose(values, shape, axes)),
            Self::Bool(values) => Self::Bool(transpose(values, shape, axes)),
        }
    }

    /// The elements picked by index, in that order.
    ///
    /// # Panics
    /// If an index is not below [`len`](Self::len).
    pub fn gather(&self, indices: &[usize]) -> Self {
        macro_rules! pick {
            ($variant:ident, $values:expr) => {
                Self::$variant(indices.iter().map(|&i| $values[i]).collect())
            };
        }
        match self {
            Self::F32(values) => pick!(F32, values),
            Self::U8(values) => pick!(U8, values),
            Self::I8(values) => pick!(I8, values),
            Self::U16(values) => pick!(U16, values),
            Self::I16(values) => pick!(I16, values),
            Self::I32(values) => pick!(I32, values),
            Self::I64(values) => pick!(I64, values),
            Self::Bool(values) => pick!(Bool, values),
        }
    }
}

/// Copies without a list of indices, which for the weights of large layers would be eight times their size.
fn transpose<T: Copy>(values: &[T], shape: &[usize], axes: &[usize]) -> Vec<T> {
    let strides = strides(shape);
    let Some((&last, outer)) = axes.split_last() else {
        return values.to_vec();
    };
    let (n_inner, inner_stride) = (shape[last], strides[last]);
    let n_elements: usize = shape.iter().product();
    let mut result = Vec::with_capacity(n_elements);
    let (mut position, mut base) = (vec![0; outer.len()], 0);
    while result.len() < n_elements {
        result.extend((0..n_inner).map(|i| values[base + i * inner_stride]));
        for (index, &axis) in position.iter_mut().zip(outer).rev() {
            *index += 1;
            base += strides[axis];
            if *index < shape[axis] {
                break;
            }
            base -= *index * strides[axis];
            *index = 0;
        }
    }
    result
}

/// Distances between neighbours along each axis of a row-major array.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1];
    }
    strides
}

/// For a row-major array of `shape` whose axes are reordered to `axes` (new axis `i` is old axis `axes[i]`), the old
/// flat index of every new element.
///
/// # Panics
/// If `axes` is not a permutation of the axes of `shape`.
pub fn transposed_indices(shape: &[usize], axes: &[usize]) -> Vec<usize> {
    assert_eq!(shape.len(), axes.len(), "one entry per axis");
    let strides = strides(shape);
    let mut indices = vec![0];
    for &axis in axes {
        indices = indices
            .iter()
            .flat_map(|base| (0..shape[axis]).map(move |i| (base, i)))
            .map(|(base, i)| base + i * strides[axis])
            .collect();
    }
    indices
}

/// Number of elements and first element of `start..end` by `step`, which is not zero, along an axis of `length`, as in numpy: negative places count from the end.
pub fn sliced(length: usize, start: i64, end: i64, step: i64) -> (usize, usize) {
    let length = length as i64;
    let from_end = |place: i64| if place < 0 { place.saturating_add(length) } else { place };
    let (lo, hi) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let (first, last) = (from_end(start).clamp(lo, hi), from_end(end).clamp(lo, hi));
    let distance = if step > 0 { last - first } else { first - last };
    let n = if distance > 0 {
        (distance - 1) / step.saturating_abs() + 1
    } else {
        0
    };
    (n as usize, first.max(0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transposition_lists_old_indices_in_new_order() {
        assert_eq!(transposed_indices(&[2, 3], &[1, 0]), [0, 3, 1, 4, 2, 5]);
        // [c=2, h=1, w=2] to (h, w, c).
        assert_eq!(transposed_indices(&[2, 1, 2], &[1, 2, 0]), [0, 2, 1, 3]);
        assert_eq!(transposed_indices(&[], &[]), [0]);
    }

    #[test]
    fn elements_follow_the_list_of_indices() {
        let data = TensorData::I32((0..120).collect());
        for axes in [[0, 1, 2, 3], [2, 3, 1, 0], [0, 2, 3, 1], [3, 0, 2, 1]] {
            let shape = [2, 3, 4, 5];
            assert_eq!(
                data.transposed(&shape, &axes),
                data.gather(&transposed_indices(&shape, &axes))
            );
        }
        assert_eq!(TensorData::I8(vec![7]).transposed(&[], &[]), TensorData::I8(vec![7]));
        assert!(TensorData::I8(vec![]).transposed(&[2, 0], &[1, 0]).is_empty());
    }

    #[test]
    fn integers_are_clipped_into_their_type() {
        assert_eq!(
            TensorData::from_i32(&[-200, 5, 200], DType::I8),
            Some(TensorData::I8(vec![-128, 5, 127]))
        );
        assert_eq!(TensorData::from_i32(&[1], DType::F32), None);
    }

    #[test]
    fn slices_follow_numpy() {
        assert_eq!(sliced(10, 2, 8, 3), (2, 2));
        assert_eq!(sliced(10, -3, i64::MAX, 1), (3, 7));
        assert_eq!(sliced(10, i64::MAX, i64::MIN, -1), (10, 9));
        assert_eq!(sliced(10, 8, 2, -2), (3, 8));
        assert_eq!(sliced(10, 5, 5, 1), (0, 5));
    }
}

//! The values that flow through a graph, and how nodes read them.

use crate::error::{CompileError, CompileErrorKind, Subject};
use crate::graph::{DType, Node, TensorData};
use std::borrow::Cow;

/// The elements of a tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Lengths of the axes.
    pub shape: Vec<usize>,
    /// The elements.
    pub data: TensorData,
}

impl Value {
    /// A value of f32.
    pub fn floats(shape: impl Into<Vec<usize>>, values: Vec<f32>) -> Self {
        Self {
            shape: shape.into(),
            data: TensorData::F32(values),
        }
    }

    /// The value, borrowed.
    pub fn view(&self) -> ValueRef<'_> {
        ValueRef {
            shape: &self.shape,
            data: &self.data,
        }
    }
}

/// A value that lies elsewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueRef<'a> {
    /// Lengths of the axes.
    pub shape: &'a [usize],
    /// The elements.
    pub data: &'a TensorData,
}

/// The operands of a node, and the shapes of its results.
pub(super) struct Call<'a> {
    pub(super) node: &'a Node,
    pub(super) operands: Vec<Option<ValueRef<'a>>>,
    pub(super) results: Vec<&'a [usize]>,
}

impl<'a> Call<'a> {
    /// The operand at a position, which must be there.
    pub(super) fn operand(&self, position: usize) -> Result<ValueRef<'a>, CompileError> {
        self.optional(position)
            .ok_or_else(|| self.fault(format!("no operand {position}"), "an operand there"))
    }

    /// The operand at a position, if there is one.
    pub(super) fn optional(&self, position: usize) -> Option<ValueRef<'a>> {
        self.operands.get(position).copied().flatten()
    }

    /// Shape of the first result.
    pub(super) fn result(&self) -> &'a [usize] {
        self.results[0]
    }

    /// The f32 elements of an operand.
    pub(super) fn floats(&self, position: usize) -> Result<&'a [f32], CompileError> {
        let data = self.operand(position)?.data;
        data.as_f32()
            .ok_or_else(|| self.type_fault(position, data.dtype(), "f32"))
    }

    /// The f32 elements of an operand, if there is one.
    pub(super) fn optional_floats(&self, position: usize) -> Result<Option<&'a [f32]>, CompileError> {
        self.optional(position).map(|_| self.floats(position)).transpose()
    }

    /// The elements of an operand as i32.
    pub(super) fn integers(&self, position: usize) -> Result<Vec<i32>, CompileError> {
        let data = self.operand(position)?.data;
        data.to_i32()
            .ok_or_else(|| self.type_fault(position, data.dtype(), "integers of at most 32 bits"))
    }

    /// The elements of an operand as i32, or zero if it is left out.
    pub(super) fn integers_or_zero(&self, position: usize) -> Result<Vec<i32>, CompileError> {
        match self.optional(position) {
            Some(_) => self.integers(position),
            None => Ok(vec![0]),
        }
    }

    pub(super) fn type_fault(&self, position: usize, found: DType, expected: &str) -> CompileError {
        CompileError::new(
            CompileErrorKind::ElementType,
            Subject::node(&self.node.name),
            format!("operand {position} of {} in {found}", self.node.op.name()),
            expected,
            "insert a Cast or a (De)QuantizeLinear into the model",
        )
    }

    pub(super) fn fault(&self, found: String, expected: &str) -> CompileError {
        crate::graph::movement::shape_error(self.node, found, expected)
    }
}

/// Elements repeated along the axes of length one until they have the shape `to`, into which `from` can be broadcast.
pub(super) fn expanded<'v, T: Copy>(values: &'v [T], from: &[usize], to: &[usize]) -> Cow<'v, [T]> {
    if from == to || values.len() == to.iter().product::<usize>() {
        return Cow::Borrowed(values);
    }
    let mut shape = vec![1; to.len().saturating_sub(from.len())];
    shape.extend_from_slice(from);
    let mut current = Cow::Borrowed(values);
    // From the innermost axis outwards: `inner` elements already have their final order.
    let mut inner = 1;
    for axis in (0..to.len()).rev() {
        if shape[axis] == 1 && to[axis] != 1 {
            let mut repeated = Vec::with_capacity(current.len() * to[axis]);
            for block in current.chunks(inner.max(1)) {
                (0..to[axis]).for_each(|_| repeated.extend_from_slice(block));
            }
            current = Cow::Owned(repeated);
        }
        inner *= to[axis];
    }
    current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_of_length_one_are_repeated() {
        assert_eq!(*expanded(&[1, 2], &[2, 1], &[2, 2, 2]), [1, 1, 2, 2, 1, 1, 2, 2]);
        assert_eq!(*expanded(&[1, 2], &[2], &[3, 2]), [1, 2, 1, 2, 1, 2]);
        assert_eq!(*expanded(&[7], &[], &[2, 1]), [7, 7]);
        assert_eq!(*expanded(&[1, 2, 3], &[3, 1], &[1, 3, 1]), [1, 2, 3]);
        assert_eq!(*expanded(&[1], &[1], &[2, 0]), [0i32; 0]);
    }
}

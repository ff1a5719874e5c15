//! Shapes of matrix products.

use super::super::movement::shape_error;
use super::shape::broadcast_shapes;
use crate::error::CompileError;
use crate::graph::{Node, Tensor};

pub(super) fn product(node: &Node, a: &Tensor, b: &Tensor, trans_b: bool) -> Result<Option<Vec<usize>>, CompileError> {
    let (Some(left), Some(right)) = (&a.shape, &b.shape) else {
        return Ok(None);
    };
    let &[rows, columns] = right.as_slice() else {
        return Err(shape_error(
            node,
            format!("second operand `{}` of shape {right:?}", b.name),
            "a matrix",
        ));
    };
    let (k, n) = if trans_b { (columns, rows) } else { (rows, columns) };
    match left.split_last() {
        Some((&depth, outer)) if depth == k && !outer.is_empty() => {
            Ok(Some(outer.iter().copied().chain([n]).collect()))
        }
        _ => Err(shape_error(
            node,
            format!("operands `{}` of shape {left:?} and `{}` of {k} x {n}", a.name, b.name),
            "as many columns on the left as rows on the right",
        )),
    }
}

/// `alpha a b + beta c` of two matrices, either of them transposed.
pub(super) fn gemm(
    node: &Node,
    [a, b]: [&Tensor; 2],
    c: Option<&Tensor>,
    [trans_a, trans_b]: [bool; 2],
) -> Result<Option<Vec<usize>>, CompileError> {
    let shape = if trans_a {
        let mut transposed = Tensor::named(&a.name);
        transposed.shape = match a.shape.as_deref() {
            Some(&[k, m]) => Some(vec![m, k]),
            Some(other) => {
                let found = format!("`{}` of shape {other:?}", a.name);
                return Err(shape_error(node, found, "a matrix"));
            }
            None => None,
        };
        product(node, &transposed, b, trans_b)?
    } else {
        product(node, a, b, trans_b)?
    };
    if let (Some(shape), Some(summand)) = (&shape, c.and_then(|c| c.shape.as_ref()))
        && broadcast_shapes(shape, summand).as_ref() != Some(shape)
    {
        let found = format!("a summand of shape {summand:?} for a product of shape {shape:?}");
        return Err(shape_error(
            node,
            found,
            "a shape that can be broadcast to that of the product",
        ));
    }
    Ok(shape)
}

/// A matrix product with any number of batch axes on either side.
pub(super) fn mat_mul(node: &Node, a: &Tensor, b: &Tensor) -> Result<Option<Vec<usize>>, CompileError> {
    let (Some(left), Some(right)) = (&a.shape, &b.shape) else {
        return Ok(None);
    };
    if right.len() <= 2 {
        return product(node, a, b, false);
    }
    let wrong = || {
        let found = format!(
            "operands `{}` of shape {left:?} and `{}` of shape {right:?}",
            a.name, b.name
        );
        shape_error(
            node,
            found,
            "as many columns on the left as rows on the right, and batches that fit",
        )
    };
    let (outer_b, &[rows, columns]) = right.split_last_chunk().ok_or_else(wrong)?;
    let (outer_a, &[m, depth]) = left.split_last_chunk().ok_or_else(wrong)?;
    let outer = broadcast_shapes(outer_a, outer_b)
        .filter(|_| depth == rows)
        .ok_or_else(wrong)?;
    Ok(Some([&outer[..], &[m, columns]].concat()))
}

//! Operators that move elements, as pieces.

use super::super::{QAxis, QMove, QOp, QPiece};
use super::Resolver;
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::data::sliced;
use crate::graph::{ResizeMode, TensorId};

/// Distances between neighbours along each axis of a row-major tensor.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1];
    }
    strides
}

/// Without axes of one element, and with neighbouring axes made one where they run on in both tensors.
fn simplified(axes: impl IntoIterator<Item = QAxis>) -> Vec<QAxis> {
    let mut merged: Vec<QAxis> = Vec::new();
    for axis in axes.into_iter().filter(|axis| axis.length != 1) {
        match merged.last_mut() {
            Some(outer)
                if outer.from_stride == axis.length as isize * axis.from_stride
                    && outer.to_stride == axis.length * axis.to_stride =>
            {
                *outer = QAxis {
                    length: outer.length * axis.length,
                    ..axis
                };
            }
            _ => merged.push(axis),
        }
    }
    merged
}

/// Elements of an axis of the result that show elements of the operand in equal steps.
#[derive(Clone, Debug)]
struct Run {
    /// First element shown.
    from: usize,
    /// First element of the result.
    to: usize,
    /// Outermost first: number, step in the operand, step in the result.
    levels: Vec<(usize, isize, usize)>,
}

/// The runs of an axis whose element `i` shows `sources[i]`: one, if every source is repeated equally often and sources lie in equal steps.
fn runs(sources: &[usize]) -> Vec<Run> {
    let Some(&first) = sources.first() else {
        return Vec::new();
    };
    let repeat = sources.iter().take_while(|&&s| s == first).count();
    let step = sources.get(repeat).map_or(0, |&next| next as isize - first as isize);
    let is_even = |i: usize| sources[i] as isize == first as isize + (i / repeat) as isize * step;
    let n_even = (0..sources.len()).take_while(|&i| is_even(i)).count();
    let groups = (n_even / repeat).max(1);
    let length = if groups == 1 {
        n_even.min(repeat)
    } else {
        groups * repeat
    };
    let run = Run {
        from: first,
        to: 0,
        levels: vec![(groups, step, repeat), (length / groups, 0, 1)],
    };
    let rest = runs(&sources[length..]).into_iter().map(|run| Run {
        to: run.to + length,
        ..run
    });
    [run].into_iter().chain(rest).collect()
}

impl Resolver<'_> {
    /// A piece of `input` for each combination of runs, one list of runs per axis of both tensors.
    fn pieces(self, input: TensorId, output: TensorId, axes: &[Vec<Run>]) -> Vec<QPiece> {
        let (from_strides, to_strides) = (strides(self.shape(input)), strides(self.shape(output)));
        let mut pieces = vec![(0, 0, Vec::new())];
        for (axis, runs) in axes.iter().enumerate() {
            let (from_stride, to_stride) = (from_strides[axis], to_strides[axis]);
            let extend = |(from, to, outer): &(usize, usize, Vec<QAxis>), run: &Run| {
                let level = |&(length, from_step, to_step): &(usize, isize, usize)| QAxis {
                    length,
                    from_stride: from_step * from_stride as isize,
                    to_stride: to_step * to_stride,
                };
                let axes = outer.iter().copied().chain(run.levels.iter().map(level)).collect();
                (from + run.from * from_stride, to + run.to * to_stride, axes)
            };
            pieces = pieces
                .iter()
                .flat_map(|piece| runs.iter().map(move |run| extend(piece, run)))
                .collect();
        }
        let piece = |(from, to, axes)| QPiece {
            input,
            from,
            to,
            axes: simplified(axes),
        };
        let pieces = pieces.into_iter().map(piece);
        pieces
            .filter(|piece| piece.axes.iter().all(|axis| axis.length > 0))
            .collect()
    }

    /// The move of an operand of which every axis shows one run: the length, the first element and the step in the operand, and the first element in the result.
    fn box_move(self, input: TensorId, output: TensorId, axes: &[(usize, usize, isize, usize)]) -> Vec<QPiece> {
        let run = |&(length, from, step, to): &(usize, usize, isize, usize)| {
            vec![Run {
                from,
                to,
                levels: vec![(length, step, 1)],
            }]
        };
        self.pieces(input, output, &axes.iter().map(run).collect::<Vec<_>>())
    }

    /// An axis of a tensor; negative ones count from the end.
    fn axis(self, id: TensorId, axis: i64) -> Result<usize, CompileError> {
        let rank = self.shape(id).len();
        let counted = if axis < 0 { axis + rank as i64 } else { axis };
        usize::try_from(counted)
            .ok()
            .filter(|&axis| axis < rank)
            .ok_or_else(|| {
                let found = format!("axis {axis} of a tensor of {rank} axes");
                self.error(
                    CompileErrorKind::Shape,
                    found,
                    "an axis of the operand",
                    "repair the model",
                )
            })
    }

    /// The integers of a constant operand that says where elements go.
    fn places(self, position: usize) -> Result<Option<Vec<i64>>, CompileError> {
        let Some(id) = self.node.input(position) else {
            return Ok(None);
        };
        let tensor = self.graph.tensor(id);
        let data = tensor.data.as_ref().and_then(|data| data.to_i64());
        data.map(Some).ok_or_else(|| {
            let found = format!("`{}` that is no constant of i32 or i64", tensor.name);
            self.error(
                CompileErrorKind::NotConstant,
                found,
                "a constant",
                "turn it into an initializer of the model",
            )
        })
    }

    fn required_places(self, position: usize) -> Result<Vec<i64>, CompileError> {
        self.operand(position)?;
        Ok(self.places(position)?.unwrap_or_default())
    }

    pub(super) fn concat(self, axis: i64) -> Result<QMove, CompileError> {
        let output = self.output();
        let axis = self.axis(output, axis)?;
        let (mut pieces, mut start) = (Vec::new(), 0);
        for input in self.node.inputs.iter().flatten().copied() {
            self.same_quantization(input, output)?;
            let shape = self.shape(input);
            if !self.is_equal_but_along(axis, input, output) {
                return Err(self.misfit(input));
            }
            let axes = shape
                .iter()
                .enumerate()
                .map(|(own, &length)| (length, 0, 1, if own == axis { start } else { 0 }));
            pieces.extend(self.box_move(input, output, &axes.collect::<Vec<_>>()));
            start += shape[axis];
        }
        self.finish(pieces, output, None)
    }

    pub(super) fn split(self, axis: i64, sizes: Option<&[usize]>) -> Result<Vec<QOp>, CompileError> {
        let input = self.operand(0)?;
        let axis = self.axis(input, axis)?;
        let (mut moves, mut start) = (Vec::new(), 0);
        for (index, &output) in self.node.outputs.iter().enumerate() {
            self.same_quantization(input, output)?;
            let shape = self.shape(output);
            let stated = sizes.and_then(|sizes| sizes.get(index).copied());
            if !self.is_equal_but_along(axis, input, output)
                || stated.is_some_and(|size| size != shape[axis])
                || start + shape[axis] > self.shape(input)[axis]
            {
                return Err(self.misfit(output));
            }
            let axes = shape
                .iter()
                .enumerate()
                .map(|(own, &length)| (length, if own == axis { start } else { 0 }, 1, 0));
            let pieces = self.box_move(input, output, &axes.collect::<Vec<_>>());
            moves.push(QOp::Move(self.finish(pieces, output, None)?));
            start += shape[axis];
        }
        Ok(moves)
    }

    pub(super) fn slice(self) -> Result<QMove, CompileError> {
        let (input, output) = (self.operand(0)?, self.output());
        self.same_quantization(input, output)?;
        let (starts, ends) = (self.required_places(1)?, self.required_places(2)?);
        let axes = self.places(3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = self.places(4)?.unwrap_or_else(|| vec![1; starts.len()]);
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] || steps.contains(&0) {
            let found = format!("{starts:?}..{ends:?} along {axes:?} by {steps:?}");
            return Err(self.error(
                CompileErrorKind::Shape,
                found,
                "one of each per axis, steps other than 0",
                "repair the model",
            ));
        }
        let shape = self.shape(input);
        let mut boxes: Vec<(usize, usize, isize, usize)> = shape.iter().map(|&length| (length, 0, 1, 0)).collect();
        for (((&start, &end), &axis), &step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
            let axis = self.axis(input, axis)?;
            let (length, first) = sliced(shape[axis], start, end, step);
            boxes[axis] = (length, first, step as isize, 0);
        }
        if boxes.iter().map(|of| of.0).ne(self.shape(output).iter().copied()) {
            return Err(self.misfit(output));
        }
        self.finish(self.box_move(input, output, &boxes), output, None)
    }

    pub(super) fn pad(self) -> Result<QMove, CompileError> {
        let (input, output) = (self.operand(0)?, self.output());
        self.same_quantization(input, output)?;
        let (pads, shape) = (self.required_places(1)?, self.shape(input));
        let axes = self.places(3)?.unwrap_or_else(|| (0..shape.len() as i64).collect());
        if pads.len() != 2 * axes.len() {
            let found = format!("{} paddings for {} axes", pads.len(), axes.len());
            return Err(self.error(CompileErrorKind::Shape, found, "two per axis", "repair the model"));
        }
        let mut boxes: Vec<(usize, usize, isize, usize)> = shape.iter().map(|&length| (length, 0, 1, 0)).collect();
        for (index, &axis) in axes.iter().enumerate() {
            let axis = self.axis(input, axis)?;
            let (before, after) = (pads[index], pads[axes.len() + index]);
            let kept = shape[axis] as i64 + before.min(0) + after.min(0);
            let resized = shape[axis] as i64 + before + after;
            if self.shape(output).get(axis).map(|&length| length as i64) != Some(resized) {
                return Err(self.misfit(output));
            }
            boxes[axis] = (
                kept.max(0) as usize,
                (-before).max(0) as usize,
                1,
                before.max(0) as usize,
            );
        }
        if self.shape(output).len() != shape.len() {
            return Err(self.misfit(output));
        }
        let fill = match self.node.input(2) {
            Some(value) => self.integers(value)?.first().copied(),
            None => Some(self.quantization(output)?.1),
        };
        self.finish(self.box_move(input, output, &boxes), output, fill)
    }

    pub(super) fn transpose(self, permutation: Option<&[usize]>) -> Result<QMove, CompileError> {
        let (input, output) = (self.operand(0)?, self.output());
        self.same_quantization(input, output)?;
        let (shape, to) = (self.shape(input), strides(self.shape(output)));
        let from = strides(shape);
        let reversed: Vec<usize> = (0..shape.len()).rev().collect();
        let permutation = permutation.unwrap_or(&reversed);
        if permutation.len() != shape.len()
            || permutation.iter().any(|&axis| axis >= shape.len())
            || to.len() != shape.len()
        {
            return Err(self.misfit(output));
        }
        let axis = |(&old, &to_stride): (&usize, &usize)| QAxis {
            length: shape[old],
            from_stride: from[old] as isize,
            to_stride,
        };
        let axes = simplified(permutation.iter().zip(&to).map(axis));
        let piece = QPiece {
            input,
            from: 0,
            to: 0,
            axes,
        };
        self.finish(vec![piece], output, None)
    }

    pub(super) fn resize(self, mode: ResizeMode) -> Result<QMove, CompileError> {
        let (input, output) = (self.operand(0)?, self.output());
        self.same_quantization(input, output)?;
        let (from, to) = (self.shape(input), self.shape(output));
        if from.len() != to.len() {
            return Err(self.misfit(output));
        }
        let scales = self
            .node
            .input(2)
            .and_then(|id| self.graph.tensor(id).data.as_ref())
            .and_then(|data| data.as_f32());
        let axis = |axis: usize| {
            let (length, resized) = (from[axis], to[axis]);
            let stated = scales
                .and_then(|scales| scales.get(axis))
                .map(|&scale| f64::from(scale));
            let scale = stated.unwrap_or(resized as f64 / length.max(1) as f64);
            let source = |index| mode.source(index, length, resized, scale);
            runs(&(0..resized).map(source).collect::<Vec<_>>())
        };
        let axes: Vec<Vec<Run>> = (0..to.len()).map(axis).collect();
        self.finish(self.pieces(input, output, &axes), output, None)
    }

    fn is_equal_but_along(self, axis: usize, a: TensorId, b: TensorId) -> bool {
        let (a, b) = (self.shape(a), self.shape(b));
        a.len() == b.len() && (0..a.len()).all(|other| other == axis || a[other] == b[other])
    }

    fn misfit(self, id: TensorId) -> CompileError {
        let tensor = self.graph.tensor(id);
        let found = format!("`{}` of shape {:?}", tensor.name, tensor.shape);
        self.error(
            CompileErrorKind::Shape,
            found,
            "shapes of operands and result that fit together",
            "repair the model",
        )
    }

    /// Every element is written once: by a piece, or filled.
    fn finish(self, pieces: Vec<QPiece>, output: TensorId, fill: Option<i32>) -> Result<QMove, CompileError> {
        let written: usize = pieces
            .iter()
            .map(|piece| piece.axes.iter().map(|axis| axis.length).product::<usize>())
            .sum();
        let total: usize = self.shape(output).iter().product();
        if written > total || (written < total && fill.is_none()) {
            return Err(self.misfit(output));
        }
        Ok(QMove {
            pieces,
            output,
            fill: fill.filter(|_| written < total),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The elements that runs show, in the order of the result.
    fn shown(runs: &[Run], length: usize) -> Vec<usize> {
        let mut shown = vec![usize::MAX; length];
        for run in runs {
            let [(n, step, to_step), (m, inner, inner_to)] = run.levels[..] else {
                panic!("two levels")
            };
            for (i, j) in (0..n).flat_map(|i| (0..m).map(move |j| (i, j))) {
                let to = run.to + i * to_step + j * inner_to;
                assert_eq!(shown[to], usize::MAX);
                shown[to] = (run.from as isize + i as isize * step + j as isize * inner) as usize;
            }
        }
        shown
    }

    #[test]
    fn repeated_elements_make_few_runs() {
        for (sources, n) in [
            (vec![0, 0, 1, 1, 2, 2], 1),
            (vec![0, 1, 2], 1),
            (vec![0, 2, 4], 1),
            (vec![5, 5, 5], 1),
            (vec![0, 0, 1, 2, 2, 3], 4),
            (vec![0, 0, 1, 1, 2], 2),
            (vec![], 0),
        ] {
            let runs = runs(&sources);
            assert_eq!(shown(&runs, sources.len()), sources);
            assert!(runs.len() <= n, "{sources:?}: {runs:?}");
        }
    }
}

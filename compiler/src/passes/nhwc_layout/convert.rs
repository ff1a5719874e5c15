//! Tensors in another layout: by a view where no element has to move, by a Transpose otherwise.

use super::{Graph, make_nhwc};
use crate::error::{CompileError, CompileErrorKind, Subject};
use crate::graph::edit::add_sibling;
use crate::graph::{Layout, Node, Op, TensorId};
use crate::passes::support::shape_of;
use std::collections::{BTreeMap, BTreeSet};

/// Memory axis `i` of an image is axis `NHWC[i]` of its shape in the model.
pub(super) const NHWC: [usize; 4] = [0, 2, 3, 1];
/// The other way round.
pub(super) const NCHW: [usize; 4] = [0, 3, 1, 2];

/// The graph, and the nodes laid out so far.
pub(super) struct Converter<'g> {
    pub(super) graph: &'g mut Graph,
    pub(super) nodes: Vec<Node>,
    /// Tensors that windows slide over.
    pub(super) windowed: BTreeSet<TensorId>,
    images: BTreeMap<TensorId, TensorId>,
    logical: BTreeMap<TensorId, TensorId>,
}

impl<'g> Converter<'g> {
    pub(super) fn new(graph: &'g mut Graph, windowed: BTreeSet<TensorId>) -> Self {
        Self {
            graph,
            nodes: Vec::new(),
            windowed,
            images: BTreeMap::new(),
            logical: BTreeMap::new(),
        }
    }

    /// An activation of four axes as an image with channels last.
    pub(super) fn nhwc_copy(&mut self, node: &Node, id: TensorId) -> Result<TensorId, CompileError> {
        let tensor = self.graph.tensor(id);
        if tensor.layout == Layout::Nhwc {
            return Ok(id);
        }
        if let Some(&image) = self.images.get(&id) {
            return Ok(image);
        }
        let shape = shape_of(self.graph, id);
        let (Layout::Logical, 4) = (tensor.layout, shape.len()) else {
            return Err(layout_error(self.graph, node, id, "an image of 4 axes"));
        };
        let image = add_sibling(self.graph, id, "nhwc", Some(shape.clone()));
        make_nhwc(self.graph, image);
        self.reorder(id, image, &shape, &NHWC);
        self.images.insert(id, image);
        Ok(image)
    }

    /// An activation in the order of the model.
    pub(super) fn logical_copy(&mut self, node: &Node, id: TensorId) -> Result<TensorId, CompileError> {
        if let Some(&logical) = self.logical.get(&id) {
            return Ok(logical);
        }
        let shape = shape_of(self.graph, id);
        let logical = match (self.graph.tensor(id).layout, shape.as_slice()) {
            (Layout::Logical, _) => return Ok(id),
            (Layout::Nhwc, &[n, h, w, c]) => {
                let logical = add_sibling(self.graph, id, "nchw", Some(vec![n, c, h, w]));
                self.reorder(id, logical, &shape, &NCHW);
                logical
            }
            (Layout::FlattenedNhwc { c, h, w }, &[n, _]) => {
                let image = add_sibling(self.graph, id, "image", Some(vec![n, c, h, w]));
                make_nhwc(self.graph, image);
                self.view(id, image);
                let image_shape = shape_of(self.graph, image);
                let ordered = add_sibling(self.graph, id, "nchw", Some(vec![n, c, h, w]));
                self.reorder(image, ordered, &image_shape, &NCHW);
                let logical = add_sibling(self.graph, id, "flat", Some(shape));
                self.view(ordered, logical);
                logical
            }
            _ => return Err(layout_error(self.graph, node, id, "an image or a flattened one")),
        };
        self.logical.insert(id, logical);
        Ok(logical)
    }

    /// A constant of the model in a layout; lengths of one stay what they are.
    pub(super) fn constant_in(&mut self, node: &Node, id: TensorId, layout: Layout) -> Result<TensorId, CompileError> {
        if self.graph.tensor(id).layout == layout {
            return Ok(id);
        }
        let shape = shape_of(self.graph, id);
        let mut placed = self.graph.tensor(id).clone();
        let data = placed.data.take();
        let reordered = |shape: &[usize], axes: &[usize]| data.as_ref().map(|data| data.transposed(shape, axes));
        (placed.data, placed.shape) = match (layout, shape.as_slice()) {
            (Layout::Nhwc, &[n, c, h, w]) => (reordered(&shape, &NHWC), Some(vec![n, h, w, c])),
            (Layout::FlattenedNhwc { c, h, w }, &[n, columns]) if columns == c * h * w => {
                (reordered(&[n, c, h, w], &NHWC), Some(shape))
            }
            (Layout::FlattenedNhwc { .. }, &[_, 1]) => (data.clone(), Some(shape)),
            _ => return Err(layout_error(self.graph, node, id, &format!("layout {layout:?}"))),
        };
        placed.name = format!("{}.nhwc", placed.name);
        placed.layout = layout;
        Ok(self.graph.add_tensor(placed))
    }

    /// Writes `from`, whose memory has `shape`, into `to` with its axes reordered.
    pub(super) fn reorder(&mut self, from: TensorId, to: TensorId, shape: &[usize], axes: &[usize]) {
        if stays_in_place(shape, axes) {
            self.view(from, to);
            return;
        }
        let name = self.graph.tensor(to).name.clone();
        let op = Op::Transpose {
            permutation: Some(axes.to_vec()),
        };
        self.nodes.push(Node::new(name, op, &[from], to));
    }

    fn view(&mut self, from: TensorId, to: TensorId) {
        let name = self.graph.tensor(to).name.clone();
        self.nodes.push(Node::new(name, Op::View, &[from], to));
    }
}

/// Whether a reordering of axes moves no element, because only axes of length one change places.
pub(super) fn stays_in_place(shape: &[usize], axes: &[usize]) -> bool {
    axes.iter().filter(|&&axis| shape[axis] != 1).is_sorted()
}

pub(super) fn layout_error(graph: &Graph, node: &Node, id: TensorId, expected: &str) -> CompileError {
    let tensor = graph.tensor(id);
    let found = format!(
        "`{}` of shape {:?} in layout {:?}",
        tensor.name,
        shape_of(graph, id),
        tensor.layout
    );
    let help = "the compiler cannot reorder this tensor; restructure the reshapes of the model around this node";
    CompileError::new(
        CompileErrorKind::Layout,
        Subject::node(&node.name),
        found,
        expected,
        help,
    )
}

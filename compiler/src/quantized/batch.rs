//! Several images at once: the graph of one image becomes the graph of a batch.
//!
//! Only the outermost axis grows, so every image of the batch is computed as it would be alone, to the same bits.

use super::{IoTensor, QAxis, QOp, QPiece, QuantizedGraph, TensorId};
use crate::error::{CompileError, CompileErrorKind, Subject};
use std::collections::BTreeSet;

impl QuantizedGraph {
    /// Makes it the graph of so many images, which lie one after the other along the first axis of every activation.
    ///
    /// # Errors
    /// Every tensor whose first axis is not the batch: something else than one image long. The graph is what it was.
    pub fn batch(&mut self, n_images: usize) -> Result<(), Vec<CompileError>> {
        if n_images == 1 {
            return Ok(());
        }
        let inputs = self.inputs.iter().map(|io| io.tensor);
        let activations: BTreeSet<TensorId> = inputs.chain(self.nodes.iter().map(|node| node.op.output())).collect();
        let tensors = activations.iter().map(|id| &self.tensors[id.index()]);
        let names = tensors
            .filter(|tensor| tensor.shape.len() < 2 || tensor.shape[0] != 1)
            .map(|tensor| (&tensor.name, &tensor.shape));
        let io = self.inputs.iter().chain(&self.outputs);
        let shown = io
            .filter(|io| batch_axis(io).is_none())
            .map(|io| (&io.name, &io.view_shape));
        let errors: Vec<CompileError> = names.chain(shown).map(|(name, shape)| no_batch(name, shape)).collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        let sizes: Vec<usize> = self.tensors.iter().map(|tensor| tensor.len()).collect();
        let steps: Vec<usize> = (0..sizes.len())
            .map(|i| {
                if activations.contains(&TensorId(i as u32)) {
                    sizes[i]
                } else {
                    0
                }
            })
            .collect();
        for node in &mut self.nodes {
            match &mut node.op {
                QOp::Dense(op) => op.m *= n_images,
                QOp::Move(op) => {
                    let output = sizes[op.output.index()];
                    op.pieces
                        .iter_mut()
                        .for_each(|piece| repeat(piece, n_images, steps[piece.input.index()], output));
                }
                _ => {}
            }
        }
        for id in activations {
            self.tensors[id.index()].shape[0] = n_images;
        }
        for io in self.inputs.iter_mut().chain(&mut self.outputs) {
            io.shape[0] = n_images;
            io.view_shape[0] = n_images;
        }
        Ok(())
    }
}

/// Moves a piece once per image, from images `from` elements apart to images `to` elements apart; a constant is the same for each image.
fn repeat(piece: &mut QPiece, n_images: usize, from: usize, to: usize) {
    let image = QAxis {
        length: n_images,
        from_stride: from as isize,
        to_stride: to,
    };
    piece.axes.insert(0, image);
}

/// The first axis of the user's array, if it is one image long and the outermost one in memory.
fn batch_axis(io: &IoTensor) -> Option<usize> {
    let is_first =
        io.shape.first() == Some(&1) && io.view_shape.first() == Some(&1) && io.permutation.first() == Some(&0);
    is_first.then_some(0)
}

fn no_batch(name: &str, shape: &[usize]) -> CompileError {
    CompileError::new(
        CompileErrorKind::Shape,
        Subject::tensor(name),
        format!("the shape {shape:?}, whose first axis is no batch of one image"),
        "one image in front of every activation, which a batch makes several",
        "run the images one after the other, or export the model with the batch as first axis",
    )
}

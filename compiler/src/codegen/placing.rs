//! Where tensors lie within one another: the parts of a concatenation are written where it wants them, and a slice of channels is read
//! where it is, so that nothing has to move.
//!
//! A part has its pixels at equal distances, its pitch. Whatever writes it or reads it needs no more than that.

use crate::quantized::{QAxis, QMove, QNode, QOp, QPiece, QuantizedGraph, TensorId};
use std::collections::BTreeSet;

/// A tensor within another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    /// The tensor that has memory of its own.
    pub(super) root: TensorId,
    /// Elements before the first one.
    pub(super) offset: u64,
    /// Elements from a pixel to the next.
    pub(super) pitch: u64,
}

/// Where all tensors lie.
pub(super) struct Placing {
    slices: Vec<Slice>,
    channels: Vec<u64>,
    /// Pieces that need no move: index of the node, index of the piece.
    done: BTreeSet<(usize, usize)>,
}

impl Placing {
    /// Finds what can lie within something else.
    pub(super) fn of(graph: &QuantizedGraph) -> Self {
        let channels: Vec<u64> = graph.tensors.iter().map(|tensor| channels(&tensor.shape)).collect();
        let whole = |(i, &pitch): (usize, &u64)| Slice {
            root: TensorId(i as u32),
            offset: 0,
            pitch,
        };
        let mut placing = Self {
            slices: channels.iter().enumerate().map(whole).collect(),
            channels,
            done: BTreeSet::new(),
        };
        // Later concatenations first: what they hold may itself be made of parts.
        for (i, node) in graph.nodes.iter().enumerate().rev() {
            if let QOp::Move(op) = &node.op {
                placing.concatenation(graph, i, op);
            }
        }
        for (i, node) in graph.nodes.iter().enumerate() {
            match &node.op {
                QOp::Move(op) => placing.slice_of_channels(graph, i, op),
                QOp::View(op) => {
                    let shown = placing.slices[op.input.index()];
                    placing.slices[op.output.index()] = Slice {
                        pitch: placing.channels[op.output.index()],
                        ..shown
                    };
                }
                _ => {}
            }
        }
        placing
    }

    /// Where a tensor lies.
    pub(super) fn slice(&self, id: TensorId) -> Slice {
        self.slices[id.index()]
    }

    /// The pieces of a node that remain to be moved, in memory.
    pub(super) fn moves(&self, node: usize, op: &QMove) -> Vec<(TensorId, Moved)> {
        let pieces = op.pieces.iter().enumerate();
        let left = pieces.filter(|(i, _)| !self.done.contains(&(node, *i)));
        left.map(|(_, piece)| {
            let moved = self.moved(op, piece);
            let moved = moved.expect("parts are only made where every move can address them");
            (piece.input, moved)
        })
        .collect()
    }

    fn is_root(&self, id: TensorId) -> bool {
        self.slices[id.index()].root == id
    }

    /// A piece in memory, if boxes can describe it.
    fn moved(&self, op: &QMove, piece: &QPiece) -> Option<Moved> {
        let axes = piece.axes.iter();
        let axes = axes.map(|axis| (axis.length as u64, [axis.from_stride as i64, axis.to_stride as i64]));
        let moved = Moved {
            first: [piece.from as u64, piece.to as u64],
            axes: axes.collect(),
        };
        let channels = |id: TensorId| self.channels[id.index()];
        moved
            .located(0, channels(piece.input), self.slice(piece.input))?
            .located(1, channels(op.output), self.slice(op.output))
    }

    /// Gives the parts of a concatenation their places in it.
    fn concatenation(&mut self, graph: &QuantizedGraph, node: usize, op: &QMove) {
        if op.fill.is_some() {
            return;
        }
        for (i, piece) in op.pieces.iter().enumerate() {
            let part = piece.input;
            let c = self.channels[part.index()];
            let Some(pitch) = spacing(piece, c, graph.tensor(part).len()) else {
                continue;
            };
            let Some(slice) = self.within(op.output, piece.to as u64, pitch, c) else {
                continue;
            };
            if !self.is_root(part) || !can_be_part(graph, part) {
                continue;
            }
            let before = std::mem::replace(&mut self.slices[part.index()], slice);
            if self.moves_can_address(graph, part) {
                self.done.insert((node, i));
            } else {
                self.slices[part.index()] = before;
            }
        }
    }

    /// Lets a slice of channels be read where it is.
    fn slice_of_channels(&mut self, graph: &QuantizedGraph, node: usize, op: &QMove) {
        let ([piece], None, false) = (&op.pieces[..], op.fill, self.done.contains(&(node, 0))) else {
            return;
        };
        let (input, output) = (piece.input, op.output);
        let c = self.channels[output.index()];
        let backwards = QPiece {
            from: piece.to,
            to: piece.from,
            axes: piece.axes.iter().filter_map(reversed).collect(),
            ..*piece
        };
        let is_whole = backwards.axes.len() == piece.axes.len();
        let Some(pitch) = spacing(&backwards, c, graph.tensor(output).len()).filter(|_| is_whole) else {
            return;
        };
        let Some(slice) = self.within(input, piece.from as u64, pitch, c) else {
            return;
        };
        let is_constant = graph.tensor(input).data.is_some();
        if is_constant || !self.is_root(output) || !can_be_part(graph, output) {
            return;
        }
        let before = std::mem::replace(&mut self.slices[output.index()], slice);
        if self.moves_can_address(graph, output) {
            self.done.insert((node, 0));
        } else {
            self.slices[output.index()] = before;
        }
    }

    /// The place of a part whose first element is the holder's element `first` and whose pixels of `c` channels are `pitch` of the holder's
    /// elements apart.
    fn within(&self, holder: TensorId, first: u64, pitch: u64, c: u64) -> Option<Slice> {
        let (slice, channels) = (self.slice(holder), self.channels[holder.index()]);
        if slice.pitch == channels {
            return Some(Slice {
                offset: slice.offset + first,
                pitch,
                ..slice
            });
        }
        let fits = pitch.is_multiple_of(channels) && first % channels + c <= channels;
        fits.then(|| Slice {
            offset: slice.offset + first / channels * slice.pitch + first % channels,
            pitch: pitch / channels * slice.pitch,
            ..slice
        })
    }

    /// Whether every move from and to a tensor can still be described.
    fn moves_can_address(&self, graph: &QuantizedGraph, id: TensorId) -> bool {
        graph.nodes.iter().all(|node| match &node.op {
            QOp::Move(op) => op.pieces.iter().all(|piece| {
                let concerns = piece.input == id || op.output == id;
                !concerns || ((op.output != id || op.fill.is_none()) && self.moved(op, piece).is_some())
            }),
            _ => true,
        })
    }
}

/// A box of elements in the source and in the destination: the first one, counted from the start of the root, and (length, strides) per
/// axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) first: [u64; 2],
    pub(super) axes: Vec<(u64, [i64; 2])>,
}

impl Moved {
    /// The box where its tensor of so many channels lies, on one side. An axis that runs through pixels and channels alike becomes two.
    fn located(self, side: usize, channels: u64, slice: Slice) -> Option<Self> {
        let Self { mut first, axes } = self;
        let index = first[side];
        if slice.pitch == channels {
            first[side] = slice.offset + index;
            return Some(Self { first, axes });
        }
        let (c, channel) = (channels as i64, (index % channels) as i64);
        first[side] = slice.offset + index / channels * slice.pitch + index % channels;
        // The lowest and the highest channel that axes within a pixel reach.
        let (mut lowest, mut highest) = (channel, channel);
        let mut located = Vec::new();
        for (n, mut strides) in axes {
            let stride = strides[side];
            if stride % c == 0 {
                strides[side] = stride / c * slice.pitch as i64;
                located.push((n, strides));
            } else if stride == 1 && n.is_multiple_of(channels) {
                let outer = strides[1 - side] * c;
                let mut pixels = [outer; 2];
                pixels[side] = slice.pitch as i64;
                located.extend([(n / channels, pixels), (channels, strides)]);
                highest += c - 1;
            } else {
                let reach = (n as i64 - 1) * stride;
                lowest += reach.min(0);
                highest += reach.max(0);
                located.push((n, strides));
            }
        }
        let axes = located;
        (lowest >= 0 && highest < c).then_some(Self { first, axes })
    }
}

/// Channels: the last axis.
fn channels(shape: &[usize]) -> u64 {
    shape.last().copied().unwrap_or(1).max(1) as u64
}

fn reversed(axis: &QAxis) -> Option<QAxis> {
    Some(QAxis {
        length: axis.length,
        from_stride: axis.to_stride as isize,
        to_stride: usize::try_from(axis.from_stride).ok()?,
    })
}

/// The distance in the destination from a pixel of `c` channels to the next, if a piece takes all `len` elements of its source in order and
/// puts pixels at equal distances.
fn spacing(piece: &QPiece, c: u64, len: usize) -> Option<u64> {
    let mut axes: Vec<(u64, i64, u64)> = piece
        .axes
        .iter()
        .filter(|axis| axis.length > 1)
        .map(|axis| (axis.length as u64, axis.from_stride as i64, axis.to_stride as u64))
        .collect();
    axes.sort_by_key(|&(_, from, _)| std::cmp::Reverse(from));
    let mut joined: Vec<(u64, i64, u64)> = Vec::new();
    for (n, from, to) in axes {
        match joined.last_mut() {
            Some(outer) if outer.1 == n as i64 * from && outer.2 == n * to => *outer = (outer.0 * n, from, to),
            _ => joined.push((n, from, to)),
        }
    }
    let n_elements: u64 = joined.iter().map(|(n, ..)| n).product();
    if piece.from != 0 || n_elements != len as u64 {
        return None;
    }
    match joined[..] {
        [] => Some(c),
        [(_, 1, 1)] => Some(c),
        // Pixels of one channel.
        [(_, 1, pitch)] if c == 1 && pitch > 0 => Some(pitch),
        [(_, from, pitch), (n, 1, 1)] if from as u64 == n && n == c && pitch >= c => Some(pitch),
        _ => None,
    }
}

/// Whether a tensor may lie within another one: something computes it, and neither the host nor another shape's view of it needs its
/// elements side by side.
fn can_be_part(graph: &QuantizedGraph, id: TensorId) -> bool {
    let is_seen_by_host = graph.inputs.iter().chain(&graph.outputs).any(|io| io.tensor == id);
    let writer = graph.nodes.iter().find(|node| node.op.output() == id);
    let is_viewed = |node: &QNode| matches!(&node.op, QOp::View(view) if view.input == id || view.output == id);
    !is_seen_by_host && writer.is_some() && !graph.nodes.iter().any(is_viewed)
}

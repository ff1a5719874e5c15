//! The graph of a model: tensors and the nodes between them, both in dense tables.
//!
//! One type serves all stages. An imported graph holds the operators of the model file; [passes](crate::passes)
//! rewrite it step by step until only machine-level operators on integer tensors are left. What a graph is *not*
//! allowed to be is stated once, in [`verify`](mod@verify).

mod bind;
pub mod data;
pub mod display;
pub(crate) mod edit;
pub mod infer;
pub mod macs;
pub mod movement;
pub mod op;
mod operands;
pub mod quantization;
pub mod resize;
pub mod unary;
pub mod verify;
pub mod window;

pub use data::{DType, TensorData};
pub use macs::n_macs;
pub use op::{ClipRange, Op};
pub use quantization::Quantization;
pub use resize::{CoordinateTransform, NearestRounding, ResizeMode};
pub use unary::Unary;
pub use verify::verify;
pub use window::{Padding, Pads, Window, WindowAttributes};

use std::fmt;
use systole_isa::operand::Rounding;

/// The most elements one tensor may have, 2^28. Larger shapes come from damaged files.
pub const MAX_ELEMENTS: usize = 1 << 28;

/// The index of a tensor in [`Graph::tensors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct TensorId(pub u32);

impl TensorId {
    /// The index as a table index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for TensorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

/// The index of a node in [`Graph::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The index as a table index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// In which order the elements of a tensor lie in memory, relative to the shape the model gives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Layout {
    /// Row-major in the shape of the model.
    #[default]
    Logical,
    /// An image whose shape was `[n, c, h, w]` in the model and is `[n, h, w, c]` now, row-major.
    Nhwc,
    /// A matrix `[n, c * h * w]` whose rows run over `(h, w, c)` instead of over `(c, h, w)`: a flattened image.
    FlattenedNhwc {
        /// Number of channels.
        c: usize,
        /// Height.
        h: usize,
        /// Width.
        w: usize,
    },
}

/// A value that flows between nodes, or a constant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensor {
    /// Name in the model, or one derived from it.
    pub name: String,
    /// Lengths of the axes, outermost first; a symbolic batch axis counts as 1. Unknown until shapes are inferred.
    pub shape: Option<Vec<usize>>,
    /// Type of an element. Unknown until shapes are inferred.
    pub dtype: Option<DType>,
    /// What the integers of the tensor mean as real numbers.
    pub quantization: Option<Quantization>,
    /// The elements of a constant, row-major in `shape`.
    pub data: Option<TensorData>,
    /// Order of the elements in memory.
    pub layout: Layout,
}

impl Tensor {
    /// A tensor of which only the name is known.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// A tensor that some node or the host fills.
    pub fn value(name: impl Into<String>, dtype: DType, shape: Vec<usize>) -> Self {
        Self {
            shape: Some(shape),
            dtype: Some(dtype),
            ..Self::named(name)
        }
    }

    /// A constant; `data` is row-major in `shape`.
    pub fn constant(name: impl Into<String>, shape: Vec<usize>, data: TensorData) -> Self {
        Self {
            shape: Some(shape),
            dtype: Some(data.dtype()),
            data: Some(data),
            ..Self::named(name)
        }
    }

    /// The same with a quantization.
    pub fn with_quantization(mut self, quantization: Quantization) -> Self {
        self.quantization = Some(quantization);
        self
    }

    /// Axes `[n, c, h, w]` of an image in whichever order they lie; `None` if this is not an image.
    pub fn image_axes(&self) -> Option<[usize; 4]> {
        let &[a, b, c, d] = self.shape.as_deref()? else {
            return None;
        };
        match self.layout {
            Layout::Logical => Some([a, b, c, d]),
            Layout::Nhwc => Some([a, d, b, c]),
            Layout::FlattenedNhwc { .. } => None,
        }
    }
}

/// One operation. The meaning of each input position is documented at [`Op`].
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Name in the model; nodes without one are named after their operator and place.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// What it reads; an omitted optional operand is `None`.
    pub inputs: Vec<Option<TensorId>>,
    /// What it writes.
    pub outputs: Vec<TensorId>,
}

impl Node {
    /// A node with one output and all its operands.
    pub fn new(name: impl Into<String>, op: Op, inputs: &[TensorId], output: TensorId) -> Self {
        Self {
            name: name.into(),
            op,
            inputs: inputs.iter().copied().map(Some).collect(),
            outputs: vec![output],
        }
    }

    /// The operand at a position, if there is one.
    pub fn input(&self, position: usize) -> Option<TensorId> {
        self.inputs.get(position).copied().flatten()
    }
}

/// An input or output of the graph, as the user sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphIo {
    /// Name in the model.
    pub name: String,
    /// The tensor that carries it inside the graph.
    pub tensor: TensorId,
    /// Shape in the model, whatever layout the tensor has by now.
    pub shape: Option<Vec<usize>>,
    /// Element type in the model, although the tensor may be an integer one by now.
    pub dtype: Option<DType>,
}

/// A model.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// Name of the model, for people.
    pub name: String,
    /// How its integer operators round.
    pub rounding: Rounding,
    /// Whether the model itself has the channels of its images last: its nodes and its user have them in the machine's order from the beginning.
    pub channels_last: bool,
    /// All tensors; [`TensorId`] is the index.
    pub tensors: Vec<Tensor>,
    /// All nodes in an order in which they can be executed; [`NodeId`] is the index.
    pub nodes: Vec<Node>,
    /// What the host provides.
    pub inputs: Vec<GraphIo>,
    /// What the host reads.
    pub outputs: Vec<GraphIo>,
}

impl Default for Graph {
    fn default() -> Self {
        Self {
            name: String::new(),
            rounding: Rounding::Float,
            channels_last: false,
            tensors: Vec::new(),
            nodes: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }
}

impl Graph {
    /// Adds a tensor.
    pub fn add_tensor(&mut self, tensor: Tensor) -> TensorId {
        let id = u32::try_from(self.tensors.len()).expect("a model file is shorter than 2^32 bytes");
        self.tensors.push(tensor);
        TensorId(id)
    }

    /// Adds a node at the end.
    pub fn add_node(&mut self, node: Node) -> NodeId {
        let id = u32::try_from(self.nodes.len()).expect("a model file is shorter than 2^32 bytes");
        self.nodes.push(node);
        NodeId(id)
    }

    /// Declares a tensor to be an input under its own name.
    pub fn add_input(&mut self, tensor: TensorId) {
        let io = self.io_of(tensor);
        self.inputs.push(io);
    }

    /// Declares a tensor to be an output under its own name.
    pub fn add_output(&mut self, tensor: TensorId) {
        let io = self.io_of(tensor);
        self.outputs.push(io);
    }

    fn io_of(&self, id: TensorId) -> GraphIo {
        let tensor = self.tensor(id);
        GraphIo {
            name: tensor.name.clone(),
            tensor: id,
            shape: tensor.shape.clone(),
            dtype: tensor.dtype,
        }
    }

    /// The tensor with this index.
    ///
    /// # Panics
    /// If the id is not of this graph.
    pub fn tensor(&self, id: TensorId) -> &Tensor {
        &self.tensors[id.index()]
    }

    /// The tensor with this index, to be changed.
    ///
    /// # Panics
    /// If the id is not of this graph.
    pub fn tensor_mut(&mut self, id: TensorId) -> &mut Tensor {
        &mut self.tensors[id.index()]
    }

    /// For every tensor the node that writes it.
    pub fn producers(&self) -> Vec<Option<NodeId>> {
        let mut producers = vec![None; self.tensors.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for output in &node.outputs {
                producers[output.index()] = Some(NodeId(index as u32));
            }
        }
        producers
    }

    /// For every tensor the nodes that read it, in order; a node that reads it twice is listed twice.
    pub fn consumers(&self) -> Vec<Vec<NodeId>> {
        let mut consumers = vec![Vec::new(); self.tensors.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for input in node.inputs.iter().flatten() {
                consumers[input.index()].push(NodeId(index as u32));
            }
        }
        consumers
    }

    /// Whether the host reads this tensor.
    pub fn is_output(&self, tensor: TensorId) -> bool {
        self.outputs.iter().any(|io| io.tensor == tensor)
    }
}

/// Number of elements of a shape; `None` if the product of its non-zero lengths is beyond [`MAX_ELEMENTS`].
pub fn element_count(shape: &[usize]) -> Option<usize> {
    let non_zero = shape
        .iter()
        .filter(|&&len| len > 0)
        .try_fold(1usize, |n, &len| n.checked_mul(len))
        .filter(|&n| n <= MAX_ELEMENTS)?;
    Some(if shape.contains(&0) { 0 } else { non_zero })
}

//! Stages: what the machine is to do layer by layer, with every tensor at its place. Code generation sees nothing else.

use systole_isa::ElementFormat;
use systole_isa::numerics::{AddParameters, RequantParameters, Scale};
use systole_isa::operand::{Divide, Rounding, Space};

/// An activation tensor, images x height x width x channels, channels innermost. A matrix of M rows has height M and width 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Feature {
    pub(crate) place: Place,
    pub(crate) images: u64,
    pub(crate) height: u64,
    pub(crate) width: u64,
    pub(crate) channels: u64,
    /// Elements from a pixel to its neighbour: more than the channels if the tensor is a slice of another one.
    pub(crate) pitch: u64,
    pub(crate) format: ElementFormat,
    pub(crate) zero_point: i32,
}

impl Feature {
    /// Whether it lies in the scratchpad.
    pub(crate) fn is_resident(&self) -> bool {
        self.place.is_resident()
    }

    pub(crate) fn n_elements(&self) -> u64 {
        self.images * self.height * self.width * self.channels
    }

    /// Bytes from a row of an image to the next.
    pub(crate) fn row_bytes(&self) -> u64 {
        self.width * self.pitch
    }

    /// Bytes from an image to the next.
    pub(crate) fn image_bytes(&self) -> u64 {
        self.height * self.row_bytes()
    }
}

/// Where a tensor begins: in DRAM, or in the scratchpad if it stays there from the layer that makes it to the last one that reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) space: Space,
    /// Byte address.
    pub(crate) address: u64,
}

impl Place {
    pub(crate) fn in_dram(address: u64) -> Self {
        Self {
            space: Space::Dram,
            address,
        }
    }

    /// Whether it lies in the scratchpad.
    pub(crate) fn is_resident(&self) -> bool {
        self.space == Space::Spm
    }

    /// So many bytes behind it.
    pub(crate) fn behind(self, bytes: u64) -> Self {
        Self {
            address: self.address + bytes,
            ..self
        }
    }
}

/// How a window slides over an image; pairs are vertical, horizontal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sliding {
    pub(crate) kernel: [u64; 2],
    pub(crate) strides: [u64; 2],
    pub(crate) dilations: [u64; 2],
    /// Padding above and on the left; what is needed below and on the right follows from the output's size.
    pub(crate) pads: [u64; 2],
}

impl Sliding {
    /// Window of a matrix product.
    pub(crate) const POINT: Self = Self {
        kernel: [1, 1],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [0, 0],
    };

    /// Steps between the pixels of the image that any window touches: a point-wise window skips those between its strides.
    pub(crate) fn sampling(&self) -> [u64; 2] {
        if self.kernel == [1, 1] { self.strides } else { [1, 1] }
    }

    /// How the window slides over the pixels that [`Self::sampling`] leaves.
    pub(crate) fn sampled(&self) -> Self {
        if self.kernel == [1, 1] {
            Self {
                strides: [1, 1],
                ..*self
            }
        } else {
            *self
        }
    }

    /// Input rows (axis 0) or columns (axis 1) that `n_outputs` neighbouring windows span.
    pub(crate) fn span(&self, axis: usize, n_outputs: u64) -> u64 {
        (n_outputs - 1) * self.strides[axis] + (self.kernel[axis] - 1) * self.dilations[axis] + 1
    }

    /// How the union of the windows of a tile of output pixels slides from tile to tile.
    pub(crate) fn of_tiles(&self, tile: [u64; 2]) -> Self {
        if tile == [1, 1] {
            return *self;
        }
        let axes = [0, 1];
        Self {
            kernel: axes.map(|axis| self.span(axis, tile[axis])),
            strides: axes.map(|axis| self.strides[axis] * tile[axis]),
            dilations: [1, 1],
            pads: self.pads,
        }
    }
}

/// A convolution or matrix product with requantization.
#[derive(Clone, Debug)]
pub(crate) struct ConvStage {
    pub(crate) x: Feature,
    pub(crate) y: Feature,
    pub(crate) sliding: Sliding,
    /// `k x n` weights, row-major; `k` runs over kernel rows, kernel columns and input channels.
    pub(crate) weights: Vec<u8>,
    pub(crate) weight_format: ElementFormat,
    pub(crate) weight_zero_point: i32,
    /// One per output channel.
    pub(crate) parameters: Vec<RequantParameters>,
    pub(crate) clip: (i32, i32),
    /// What is added to the requantized products before they are stored; `y` and `clip` are those of the sum.
    pub(crate) residual: Option<Residual>,
}

/// An addition that a convolution ends with: its products never leave the scratchpad.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Residual {
    /// The other operand, of the shape and pitch of the sum.
    pub(crate) x: Feature,
    /// Whether it is the first operand.
    pub(crate) is_first: bool,
    pub(crate) parameters: AddParameters,
    /// Format, zero point and clipping of the products.
    pub(crate) products: (ElementFormat, i32, (i32, i32)),
}

impl ConvStage {
    pub(crate) fn k(&self) -> u64 {
        self.sliding.kernel[0] * self.sliding.kernel[1] * self.x.channels
    }

    pub(crate) fn n(&self) -> u64 {
        self.y.channels
    }

    fn places(&mut self) -> (Vec<&mut Place>, Option<&mut Place>) {
        let added = self.residual.as_mut().map(|residual| &mut residual.x.place);
        let read = [&mut self.x.place].into_iter().chain(added);
        (read.collect(), Some(&mut self.y.place))
    }

    /// Whether what is to be added has to be loaded.
    pub(crate) fn loads_addition(&self) -> bool {
        self.residual.is_some_and(|residual| !residual.x.is_resident())
    }

    /// How often the vector unit sees each result.
    pub(crate) fn n_vector_passes(&self) -> u64 {
        1 + u64::from(self.residual.is_some())
    }
}

/// An operand of a stage that works element by element: its first element and a stride per axis of the stage, zero where it is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operand {
    pub(crate) place: Place,
    pub(crate) format: ElementFormat,
    pub(crate) zero_point: i32,
    /// Elements from an index to the next, per axis.
    pub(crate) strides: Vec<u64>,
}

/// What happens to an element or a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Requant,
    Prelu,
    Lut,
    Add,
    Mul,
    Softmax,
    LayerNorm,
}

/// An operation on elements or on rows, which are the last axis.
#[derive(Clone, Debug)]
pub(crate) struct ElementStage {
    pub(crate) function: Function,
    /// Lengths of the nested axes, outermost first.
    pub(crate) axes: Vec<u64>,
    pub(crate) inputs: Vec<Operand>,
    pub(crate) output: Operand,
    /// Elements of the function's table, and their format.
    pub(crate) table: Vec<u8>,
    pub(crate) table_format: ElementFormat,
    pub(crate) clip: (i32, i32),
}

/// What becomes of the elements of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pooling {
    Max,
    Average { divide: Divide, scale: Scale },
}

/// A pooling.
#[derive(Clone, Debug)]
pub(crate) struct PoolStage {
    pub(crate) x: Feature,
    pub(crate) y: Feature,
    pub(crate) sliding: Sliding,
    pub(crate) pooling: Pooling,
    pub(crate) clip: (i32, i32),
}

/// A convolution in groups: each sees its own slice of the input's channels and makes its own slice of the output's.
#[derive(Clone, Debug)]
pub(crate) struct GroupedStage {
    /// The whole tensors; weights are `[kernel rows, kernel columns, input channels of a group] x [all output channels]`.
    pub(crate) conv: ConvStage,
    pub(crate) groups: u64,
}

/// A box of elements that is copied: (length, stride in the source, stride in the destination) per axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) axes: Vec<(u64, i64, u64)>,
}

/// Elements in other places.
#[derive(Clone, Debug)]
pub(crate) struct MoveStage {
    pub(crate) format: ElementFormat,
    pub(crate) copies: Vec<Copy>,
    /// Address, length and value of what is filled before.
    pub(crate) fill: Option<(u64, u64, i32)>,
}

/// What a stage computes.
#[derive(Clone, Debug)]
pub(crate) enum StageKind {
    Conv(Box<ConvStage>),
    Grouped(Box<GroupedStage>),
    Pool(PoolStage),
    Elements(ElementStage),
    Move(MoveStage),
}

impl StageKind {
    /// Places of the tensors that it reads, and of the one that it writes; none of a move, which stays in DRAM.
    pub(crate) fn places(&mut self) -> (Vec<&mut Place>, Option<&mut Place>) {
        match self {
            Self::Conv(conv) => conv.places(),
            Self::Grouped(grouped) => grouped.conv.places(),
            Self::Pool(pool) => (vec![&mut pool.x.place], Some(&mut pool.y.place)),
            Self::Elements(stage) => {
                let inputs = stage.inputs.iter_mut().map(|input| &mut input.place);
                (inputs.collect(), Some(&mut stage.output.place))
            }
            Self::Move(_) => (vec![], None),
        }
    }

    /// First bytes in DRAM of what a move reads and writes.
    pub(crate) fn moved(&self) -> Vec<u64> {
        let Self::Move(moves) = self else { return vec![] };
        let copies = moves.copies.iter().flat_map(|copy| [copy.from, copy.to]);
        copies.chain(moves.fill.map(|(address, ..)| address)).collect()
    }
}

/// One layer.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) name: String,
    /// Kind of operation, as reports print it.
    pub(crate) op: &'static str,
    /// How its results are rounded.
    pub(crate) rounding: Rounding,
    pub(crate) kind: StageKind,
}

//! Poolings on the vector unit, or averages as sums on the array where it has none.

mod averages;

use super::TilingPolicy;
use super::elementwise::words;
use super::emitter::{Emitter, at};
use super::grouped::{self, emit_grouped};
use super::handover::Ring;
use super::patches::{Kernel, Patches, Piece, TABLES, Table, X, Y, emit_patches};
use super::pieces::{INPUT_FREE, INPUT_FULL, OUTPUT_FREE, OUTPUT_FULL};
use super::stage::{PoolStage, Pooling, Stage};
use crate::error::{CompileError, CompileErrorKind, Subject};
use systole_isa::operand::{Count, Divide, Rounding};
use systole_isa::{MachineDescription, Op, latency};

struct Pool<'a> {
    stage: &'a PoolStage,
    rounding: Rounding,
    tables: Vec<Table>,
}

/// Appends the code of a pooling.
///
/// # Errors
/// If not even one window of one channel fits the scratchpad, or the machine has no instruction for it.
pub(super) fn emit_pool(
    e: &mut Emitter,
    layer: &Stage,
    stage: &PoolStage,
    machine: &MachineDescription,
) -> Result<(), CompileError> {
    if !machine.vector.pooling {
        let sums = averages::as_sums(stage, layer.rounding).ok_or_else(|| lacks_pooling(layer, machine))?;
        return Ok(emit_grouped(e, layer, &sums, machine, TilingPolicy::Fastest)?);
    }
    let kernel = Pool::new(stage, layer.rounding);
    let patches = Patches::new(&stage.x, &stage.y, &stage.sliding, &kernel);
    Ok(emit_patches(e, layer, &patches, machine)?)
}

/// The estimated cycles of a pooling; `None` if it does not fit or the machine has no instruction for it.
pub(super) fn cycles(stage: &PoolStage, rounding: Rounding, machine: &MachineDescription) -> Option<u64> {
    if !machine.vector.pooling {
        let sums = averages::as_sums(stage, rounding)?;
        return grouped::cycles(&sums, rounding, machine, TilingPolicy::Fastest);
    }
    let kernel = Pool::new(stage, rounding);
    let patches = Patches::new(&stage.x, &stage.y, &stage.sliding, &kernel);
    patches.plan(machine).ok().map(|plan| plan.cycles)
}

impl<'a> Pool<'a> {
    fn new(stage: &'a PoolStage, rounding: Rounding) -> Self {
        let tables = match stage.pooling {
            Pooling::Max => vec![],
            Pooling::Average { scale, .. } => {
                let (bytes, format) = words(&[scale.multiplier, scale.shift]);
                vec![Table {
                    name: "parameters",
                    bytes,
                    format,
                    zero_point: 0,
                    per_unit: None,
                }]
            }
        };
        Self {
            stage,
            rounding,
            tables,
        }
    }
}

fn lacks_pooling(layer: &Stage, machine: &MachineDescription) -> CompileError {
    CompileError::new(
        CompileErrorKind::Feature,
        Subject::node(&layer.name),
        format!(
            "a pooling on the machine `{}`, whose `vector.pooling` is false",
            machine.name
        ),
        "a machine with the vector unit's operations on windows, or an average that the array computes to the same bits",
        "choose a machine with `pooling: true` in `vector`",
    )
}

impl Kernel for Pool<'_> {
    fn unit(&self) -> [u64; 2] {
        [1, 1]
    }

    fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// What lies in the padding must never be the maximum, and counts as zero in an average.
    fn padding(&self) -> i32 {
        match self.stage.pooling {
            Pooling::Max => self.stage.x.format.range().0,
            Pooling::Average { .. } => self.stage.x.zero_point,
        }
    }

    fn clip(&self) -> (i32, i32) {
        self.stage.clip
    }

    fn work(&self, pixels: u64, units: u64, machine: &MachineDescription) -> [u64; 3] {
        let [height, width] = self.stage.sliding.kernel;
        let elements = pixels * units * height * width;
        let passes = match self.stage.pooling {
            Pooling::Max => elements,
            Pooling::Average { .. } => elements + pixels * units,
        };
        [0, elements, latency::vector(machine, passes).0]
    }

    fn table_levels(&self, _: usize, _: u64) -> [Vec<(u64, u64)>; 2] {
        [vec![], vec![(2, 1)]]
    }

    fn window_channels(&self, units: u64) -> u64 {
        units
    }

    fn leaves_padding_out(&self) -> bool {
        let divide = match self.stage.pooling {
            Pooling::Max => return false,
            Pooling::Average { divide, .. } => divide,
        };
        divide == Divide::Valid
    }

    fn begin(&self, _: &mut Emitter, _: &Piece) -> Vec<Ring> {
        vec![]
    }

    fn compute(&self, e: &mut Emitter, piece: &Piece) {
        let (m, n): (Count, Count) = ((piece.pixels() as i64).into(), (piece.units as i64).into());
        let (dst, src) = (at(Y, piece.y_at), at(X[2], piece.x_at));
        let op = match self.stage.pooling {
            Pooling::Max => Op::VxMaxPool { dst, src, m, n },
            Pooling::Average { divide, .. } => Op::VxAvgPool {
                dst,
                src,
                par: TABLES[0][2].into(),
                m,
                n,
                divide,
                rounding: self.rounding,
            },
        };
        e.ordered(op, &[INPUT_FULL, OUTPUT_FREE], &[INPUT_FREE, OUTPUT_FULL]);
    }
}

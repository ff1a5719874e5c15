//! Convolutions in groups: a depthwise one on the vector unit, several groups at a time on the array, or group by group as convolutions
//! of their own, whichever the latency formulas say is fastest.
//!
//! On the array, neighbouring groups share a tile of weights that is zero outside its diagonal blocks, and so do neighbouring output
//! pixels, whose windows overlap: that wastes multiplications, but fewer columns of the array stay idle.

mod depthwise;
mod diagonal;

use super::emitter::Emitter;
use super::patches::{Kernel, Patches, Table};
use super::pieces::{PieceWork, Plan, does_not_fit};
use super::stage::{ConvStage, Feature, GroupedStage, Stage, StageKind};
use super::{FitError, TilingPolicy, conv, tiling};
use depthwise::Depthwise;
use diagonal::Diagonal;
use systole_isa::MachineDescription;
use systole_isa::operand::Rounding;

/// So few groups are convolutions of their own.
const FEW_GROUPS: u64 = 4;

impl GroupedStage {
    /// Input and output channels of a group.
    fn group_channels(&self) -> [u64; 2] {
        [self.conv.x.channels, self.conv.y.channels].map(|channels| channels / self.groups)
    }

    fn n_taps(&self) -> u64 {
        self.conv.sliding.kernel[0] * self.conv.sliding.kernel[1]
    }

    /// The weight of a tap and an input channel of the group, for an output channel of the layer.
    fn weight(&self, tap: u64, channel: u64, output: u64) -> u8 {
        let [ci, _] = self.group_channels();
        self.conv.weights[((tap * ci + channel) * self.conv.y.channels + output) as usize]
    }

    /// The tap of an output pixel of a tile that meets an element of the tile's window, both as row and column; without tiles, elements are taps.
    fn tap(&self, at: [u64; 2], pixel: [u64; 2]) -> Option<u64> {
        let s = &self.conv.sliding;
        let along = |axis: usize| {
            let tap = at[axis].checked_sub(pixel[axis] * s.strides[axis])?;
            (tap < s.kernel[axis]).then_some(tap)
        };
        Some(along(0)? * s.kernel[1] + along(1)?)
    }

    /// Whether the output consists of whole tiles of pixels whose windows overlap.
    fn has_tiles(&self, tile: [u64; 2]) -> bool {
        let (s, y) = (&self.conv.sliding, &self.conv.y);
        s.dilations == [1, 1] && y.height.is_multiple_of(tile[0]) && y.width.is_multiple_of(tile[1])
    }

    fn is_depthwise(&self) -> bool {
        self.group_channels()[0] == 1
    }

    /// Requantization parameters of all output channels.
    fn parameter_table(&self) -> Table {
        let words = self
            .conv
            .parameters
            .iter()
            .flat_map(|p| [p.bias, p.multiplier, p.shift]);
        let (bytes, format) = super::elementwise::words(&words.collect::<Vec<_>>());
        Table {
            name: "parameters",
            bytes,
            format,
            zero_point: 0,
            per_unit: None,
        }
    }

    fn patches<'a>(&'a self, kernel: &'a dyn Kernel) -> Patches<'a> {
        Patches::new(&self.conv.x, &self.conv.y, &self.conv.sliding, kernel)
    }

    /// A group as a convolution of slices of the channels.
    fn group(&self, group: u64) -> ConvStage {
        let [ci, co] = self.group_channels();
        let conv = &self.conv;
        let slice = |feature: &Feature, channels: u64| Feature {
            place: feature.place.behind(group * channels),
            channels,
            ..*feature
        };
        let columns = (group * co) as usize..((group + 1) * co) as usize;
        let rows = conv.weights.chunks_exact(conv.y.channels as usize);
        ConvStage {
            x: slice(&conv.x, ci),
            y: slice(&conv.y, co),
            weights: rows.flat_map(|row| &row[columns.clone()]).copied().collect(),
            parameters: conv.parameters[columns.clone()].to_vec(),
            ..*conv
        }
    }
}

/// Appends the code of a convolution in groups.
///
/// # Errors
/// If the smallest pieces of the best way do not fit.
pub(super) fn emit_grouped(
    e: &mut Emitter,
    layer: &Stage,
    stage: &GroupedStage,
    machine: &MachineDescription,
    policy: TilingPolicy,
) -> Result<(), FitError> {
    let kernels = kernels(stage, layer.rounding, machine);
    match best(stage, &kernels, machine) {
        Ok((plan, kernel)) => stage.patches(kernel).emit(e, layer, &plan, machine),
        Err(Some(work)) if stage.is_depthwise() => return Err(does_not_fit(&layer.name, &work, machine)),
        Err(_) => return each_group(e, layer, stage, machine, policy),
    }
    Ok(())
}

/// The estimated cycles of a convolution in groups; `None` if it does not fit.
pub(super) fn cycles(
    stage: &GroupedStage,
    rounding: Rounding,
    machine: &MachineDescription,
    policy: TilingPolicy,
) -> Option<u64> {
    match best(stage, &kernels(stage, rounding, machine), machine) {
        Ok((plan, _)) => Some(plan.cycles),
        Err(Some(_)) if stage.is_depthwise() => None,
        Err(_) => {
            let group = tiling::tile_with_cycles(&stage.group(0), machine, policy).ok();
            group.map(|(cycles, _)| cycles * stage.groups)
        }
    }
}

/// The ways to do several groups at a time.
fn kernels<'a>(stage: &'a GroupedStage, rounding: Rounding, machine: &MachineDescription) -> Vec<Box<dyn Kernel + 'a>> {
    let mut kernels: Vec<Box<dyn Kernel + 'a>> = Vec::new();
    if stage.groups <= FEW_GROUPS && !stage.is_depthwise() {
        return kernels;
    }
    if stage.is_depthwise() && machine.vector.pooling {
        kernels.push(Box::new(Depthwise::new(stage, rounding)));
    }
    for kernel in Diagonal::candidates(stage, rounding, machine) {
        kernels.push(Box::new(kernel));
    }
    kernels
}

/// The fastest of some kernels that fit, with its pieces.
///
/// # Errors
/// What the smallest pieces of the one with the least needs take, if there is any.
fn best<'k, 'a>(
    stage: &GroupedStage,
    kernels: &'k [Box<dyn Kernel + 'a>],
    machine: &MachineDescription,
) -> Result<(Plan, &'k (dyn Kernel + 'a)), Option<PieceWork>> {
    let mut best: Option<(Plan, &'k (dyn Kernel + 'a))> = None;
    let mut smallest: Option<PieceWork> = None;
    for kernel in kernels {
        match stage.patches(kernel.as_ref()).plan(machine) {
            Ok(plan) if best.as_ref().is_none_or(|(least, _)| plan.cycles < least.cycles) => {
                best = Some((plan, kernel.as_ref()));
            }
            Ok(_) => {}
            Err(work) if smallest.is_none_or(|least| work.spm < least.spm) => smallest = Some(work),
            Err(_) => {}
        }
    }
    best.ok_or(smallest)
}

/// One convolution per group.
fn each_group(
    e: &mut Emitter,
    layer: &Stage,
    stage: &GroupedStage,
    machine: &MachineDescription,
    policy: TilingPolicy,
) -> Result<(), FitError> {
    for group in 0..stage.groups {
        let conv = stage.group(group);
        let tiling = tiling::tile_conv(&conv, machine, policy)
            .map_err(|needs| FitError::new(&layer.name, needs.spm_needed, needs.acc_needed, machine))?;
        let part = Stage {
            name: format!("{}.{group}", layer.name),
            op: layer.op,
            rounding: layer.rounding,
            kind: StageKind::Conv(Box::new(conv)),
        };
        let StageKind::Conv(conv) = &part.kind else { continue };
        conv::emit_conv(e, &part, conv, tiling, machine);
    }
    Ok(())
}

//! Lanes with more spans than pixels: for each pixel of time a column that shows how its cycles are shared, all lanes in one texture.

use crate::dram_lanes::CHANNEL_ACTIVITIES;
use crate::frame::{ActivityClass, ActivityId, Bins, Lane, ProgramInfo};
use crate::theme::Palette;
use egui::{Color32, ColorImage, Rect, TextureHandle, TextureId, TextureOptions, Ui, pos2};

/// Rows of the texture for each lane.
const ROWS: usize = 24;

/// Activities with their colours, from the bottom of a lane up.
pub(crate) type Layers = Vec<(usize, Color32)>;

/// The textures of the timeline's lanes.
#[derive(Default)]
pub(crate) struct LaneTextures {
    /// The lanes of the units.
    pub(crate) units: DensityTexture,
    /// The lanes of the DRAM's channels.
    pub(crate) channels: DensityTexture,
}

/// A texture, and of what it is.
#[derive(Default)]
pub(crate) struct DensityTexture {
    texture: Option<TextureHandle>,
    /// Frame and palette that it was made of.
    made_of: Option<(u64, *const Palette)>,
}

impl DensityTexture {
    /// The texture and the part of it that shows the lane `lane_idx` of `lanes`; made anew when the frame or the theme is another.
    pub(crate) fn of_lane<'a>(
        &mut self,
        ui: &Ui,
        (sequence, palette): (u64, &'static Palette),
        lanes: &dyn Fn() -> Vec<(&'a Lane, Layers)>,
        (lane_idx, n_lanes): (usize, usize),
    ) -> Option<(TextureId, Rect)> {
        let made_of = (sequence, std::ptr::from_ref(palette));
        if self.made_of != Some(made_of) {
            let image = image(&lanes())?;
            match &mut self.texture {
                Some(texture) => texture.set(image, TextureOptions::NEAREST),
                None => self.texture = Some(ui.ctx().load_texture("lanes", image, TextureOptions::NEAREST)),
            }
            self.made_of = Some(made_of);
        }
        let (top, bottom) = (lane_idx as f32 / n_lanes as f32, (lane_idx + 1) as f32 / n_lanes as f32);
        let uv = Rect::from_min_max(pos2(0.0, top), pos2(1.0, bottom));
        self.texture.as_ref().map(|texture| (texture.id(), uv))
    }
}

/// The columns of all lanes, transparent where a lane shows spans.
fn image(lanes: &[(&Lane, Layers)]) -> Option<ColorImage> {
    let n_bins = lanes.iter().find_map(|(lane, _)| match lane {
        Lane::Bins(bins) => Some(bins.n_bins),
        Lane::Spans(_) => None,
    })?;
    let mut image = ColorImage::filled([n_bins, ROWS * lanes.len()], Color32::TRANSPARENT);
    for (lane_idx, (lane, layers)) in lanes.iter().enumerate() {
        if let Lane::Bins(bins) = lane {
            fill(&mut image.pixels[lane_idx * ROWS * n_bins..], bins, layers);
        }
    }
    Some(image)
}

/// The layers of a unit's lane: work first, then stalls.
pub(crate) fn unit_layers(lane_idx: usize, program: &ProgramInfo, palette: &Palette) -> Layers {
    let of_class = |class: ActivityClass| {
        let activities = program.activities.iter().enumerate();
        activities
            .filter(move |(_, info)| info.class == class)
            .map(|(idx, _)| idx)
    };
    let order = of_class(ActivityClass::Busy).chain(of_class(ActivityClass::Stalled));
    let color = |idx: usize| palette.activity(lane_idx, ActivityId(idx as u8), &program.activities);
    order.filter_map(|idx| Some((idx, color(idx)?))).collect()
}

/// The layers of a channel's lane.
pub(crate) fn channel_layers(palette: &Palette) -> Layers {
    let color = |idx: usize| palette.channel_activity(ActivityId(idx as u8));
    (0..CHANNEL_ACTIVITIES.len())
        .filter_map(|idx| Some((idx, color(idx)?)))
        .collect()
}

fn fill(pixels: &mut [Color32], bins: &Bins, layers: &[(usize, Color32)]) {
    for bin_idx in 0..bins.n_bins {
        let cycles = bins.bin(bin_idx);
        let total: u64 = cycles.iter().sum();
        let (mut sum, mut row) = (0, 0);
        for (idx, color) in layers.iter().filter(|_| total > 0) {
            sum += cycles[*idx];
            // Rounded up, so that even a single cycle of work can be seen.
            let until = (sum * ROWS as u64).div_ceil(total) as usize;
            for from_bottom in row..until {
                pixels[(ROWS - 1 - from_bottom) * bins.n_bins + bin_idx] = *color;
            }
            row = row.max(until);
        }
    }
}

//! Lanes with more spans than pixels: for each pixel of time a column that shows how its cycles are shared, all lanes in one texture.

use crate::frame::{ActivityClass, ActivityId, Bins, Frame, Lane, ProgramInfo};
use crate::theme::Palette;
use egui::{Color32, ColorImage, Rect, TextureHandle, TextureId, TextureOptions, Ui, pos2};

/// Rows of the texture for each lane.
const ROWS: usize = 24;

/// The texture, and of what it is.
#[derive(Default)]
pub(crate) struct DensityTexture {
    texture: Option<TextureHandle>,
    /// Frame and palette that it was made of.
    made_of: Option<(u64, *const Palette)>,
}

impl DensityTexture {
    /// The texture and the part of it that shows a lane; made anew when the frame or the theme is another.
    pub(crate) fn of_lane(
        &mut self,
        ui: &Ui,
        frame: &Frame,
        program: &ProgramInfo,
        palette: &'static Palette,
        lane_idx: usize,
    ) -> Option<(TextureId, Rect)> {
        let made_of = (frame.sequence, std::ptr::from_ref(palette));
        if self.made_of != Some(made_of) {
            let image = image(&frame.now.timeline.lanes, program, palette)?;
            match &mut self.texture {
                Some(texture) => texture.set(image, TextureOptions::NEAREST),
                None => self.texture = Some(ui.ctx().load_texture("lanes", image, TextureOptions::NEAREST)),
            }
            self.made_of = Some(made_of);
        }
        let n_lanes = frame.now.timeline.lanes.len() as f32;
        let (top, bottom) = (lane_idx as f32 / n_lanes, (lane_idx + 1) as f32 / n_lanes);
        let uv = Rect::from_min_max(pos2(0.0, top), pos2(1.0, bottom));
        self.texture.as_ref().map(|texture| (texture.id(), uv))
    }
}

/// The columns of all lanes, transparent where a lane shows spans.
fn image(lanes: &[Lane], program: &ProgramInfo, palette: &Palette) -> Option<ColorImage> {
    let n_bins = lanes.iter().find_map(|lane| match lane {
        Lane::Bins(bins) => Some(bins.n_bins),
        Lane::Spans(_) => None,
    })?;
    let mut image = ColorImage::filled([n_bins, ROWS * lanes.len()], Color32::TRANSPARENT);
    for (lane_idx, lane) in lanes.iter().enumerate() {
        if let Lane::Bins(bins) = lane {
            let pixels = &mut image.pixels[lane_idx * ROWS * n_bins..];
            fill(pixels, bins, &layers(lane_idx, program, palette));
        }
    }
    Some(image)
}

/// Activities from the bottom up with their colours: work first, then stalls.
fn layers(lane_idx: usize, program: &ProgramInfo, palette: &Palette) -> Vec<(usize, Color32)> {
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

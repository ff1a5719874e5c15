//! A panel drawn without a window, as a picture for a file: text stays text in SVG, PNG is painted by the processor.
//!
//! Both take the same shapes that the window shows. Pictures have the light theme, because they end up on paper and slides.

mod raster;
mod svg;

use crate::theme::{self, Palette};
use egui::epaint::{ClippedShape, ImageData};
use egui::{Color32, ColorImage, Context, RawInput, Rect, TextureId, Theme, Ui, pos2, vec2};
use std::collections::BTreeMap;

/// Size of a picture, in points.
const SIZE: [f32; 2] = [1_280.0, 560.0];

/// Pixels per point of a PNG for a file.
pub(crate) const PIXELS_PER_POINT: f32 = 2.0;

/// Passes until every part has found its size.
const N_PASSES: usize = 3;

/// The shapes of a panel and the images that they use.
struct Picture {
    ctx: Context,
    shapes: Vec<ClippedShape>,
    images: BTreeMap<TextureId, ColorImage>,
    background: Color32,
    size: [f32; 2],
}

impl Picture {
    fn of(pixels_per_point: f32, mut draw: impl FnMut(&mut Ui)) -> Self {
        let ctx = Context::default();
        theme::apply(&ctx);
        ctx.set_theme(Theme::Light);
        ctx.set_pixels_per_point(pixels_per_point);
        let mut picture = Self {
            background: Palette::of(&ctx.style_of(Theme::Light).visuals).panel,
            ctx,
            shapes: Vec::new(),
            images: BTreeMap::new(),
            size: SIZE,
        };
        for pass in 0..N_PASSES {
            let input = RawInput {
                screen_rect: Some(Rect::from_min_size(pos2(0.0, 0.0), vec2(SIZE[0], SIZE[1]))),
                time: Some(pass as f64),
                ..RawInput::default()
            };
            let mut output = picture.ctx.run_ui(input, |ui| {
                let margin = egui::Frame::new().inner_margin(16);
                margin.show(ui, |ui| draw(ui));
            });
            for (id, deltas) in &output.textures_delta.set {
                deltas
                    .iter()
                    .for_each(|delta| picture.apply(*id, &delta.image, delta.pos));
            }
            output.textures_delta.clear();
            picture.shapes = output.shapes;
        }
        picture
    }

    /// Sets an image or a part of it.
    fn apply(&mut self, id: TextureId, image: &ImageData, at: Option<[usize; 2]>) {
        let ImageData::Color(part) = image;
        let (Some([left, top]), Some(whole)) = (at, self.images.get_mut(&id)) else {
            self.images.insert(id, part.as_ref().clone());
            return;
        };
        let [width, height] = part.size;
        for row in 0..height {
            let to = (top + row) * whole.size[0] + left;
            whole.pixels[to..to + width].copy_from_slice(&part.pixels[row * width..(row + 1) * width]);
        }
    }
}

/// A panel as an SVG document.
pub(crate) fn svg(draw: impl FnMut(&mut Ui)) -> Result<Vec<u8>, String> {
    svg::document(&Picture::of(1.0, draw)).map(String::into_bytes)
}

/// A panel as a PNG image.
pub(crate) fn png(pixels_per_point: f32, draw: impl FnMut(&mut Ui)) -> Result<Vec<u8>, String> {
    encode(&raster::paint(Picture::of(pixels_per_point, draw)))
}

/// An image as PNG.
pub(crate) fn encode(image: &ColorImage) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let [width, height] = image.size.map(|n| n as u32);
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let pixels: Vec<u8> = image.pixels.iter().flat_map(Color32::to_srgba_unmultiplied).collect();
    let mut writer = encoder.write_header().map_err(|error| error.to_string())?;
    writer.write_image_data(&pixels).map_err(|error| error.to_string())?;
    writer.finish().map_err(|error| error.to_string())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::{Color32, Sense};

    fn draw(ui: &mut Ui) {
        ui.label("stalls < 5 %");
        let (rect, _) = ui.allocate_exact_size(vec2(100.0, 50.0), Sense::hover());
        ui.painter().rect_filled(rect, 0.0, Color32::RED);
    }

    #[test]
    fn an_svg_has_the_text_as_text_and_the_shapes() {
        let text = String::from_utf8(svg(draw).expect("it can be drawn")).expect("SVG is text");
        assert!(text.contains("stalls &lt; 5 %</text>"), "{text}");
        assert!(
            text.contains("width=\"100\" height=\"50\"") && text.contains("#ff0000"),
            "{text}"
        );
        assert!(text.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn a_png_has_the_shapes_in_their_colours_and_places() {
        let image = raster::paint(Picture::of(1.0, draw));
        assert_eq!(image.size, [1_280, 560]);
        let n_red = image.pixels.iter().filter(|pixel| **pixel == Color32::RED).count();
        assert!(
            (4_800..=5_000).contains(&n_red),
            "{n_red} red pixels of 5,000, edges are soft"
        );
        let background = image.pixels[image.pixels.len() - 1];
        let n_text = image
            .pixels
            .iter()
            .filter(|pixel| **pixel != background && **pixel != Color32::RED)
            .count();
        assert!(n_text > 100, "text covers {n_text} pixels");
        let bytes = png(PIXELS_PER_POINT, draw).expect("it can be drawn");
        let reader = png::Decoder::new(std::io::Cursor::new(bytes))
            .read_info()
            .expect("it is a PNG");
        assert_eq!((reader.info().width, reader.info().height), (2_560, 1_120));
    }
}

//! Shapes as SVG 1.1. Text becomes text, coloured meshes become polygons, images are embedded.

use super::{Picture, encode};
use egui::epaint::{ClippedShape, ColorMode, Mesh, PathShape, TextShape};
use egui::{Color32, ColorImage, Pos2, Rect, Shape, Stroke, TextureId};
use std::fmt::Write;

/// The whole document.
pub(super) fn document(picture: &Picture) -> Result<String, String> {
    let [width, height] = picture.size;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" version=\"1.1\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"Ubuntu, 'Segoe UI', Helvetica, Arial, sans-serif\">\n"
    );
    let _ = writeln!(
        out,
        "<rect width=\"{width}\" height=\"{height}\"{}/>",
        fill(picture.background)
    );
    let mut writer = Writer {
        picture,
        out,
        n_clips: 0,
        clip: None,
    };
    for shape in &picture.shapes {
        writer.clipped(shape)?;
    }
    if writer.clip.is_some() {
        writer.out.push_str("</g>\n");
    }
    writer.out.push_str("</svg>\n");
    Ok(writer.out)
}

fn paint(name: &str, color: Color32) -> String {
    let [r, g, b, a] = color.to_srgba_unmultiplied();
    let opacity = match a {
        255 => String::new(),
        a => format!(" {name}-opacity=\"{:.3}\"", f32::from(a) / 255.0),
    };
    format!(" {name}=\"#{r:02x}{g:02x}{b:02x}\"{opacity}")
}

fn fill(color: Color32) -> String {
    match color {
        Color32::TRANSPARENT => " fill=\"none\"".to_owned(),
        color => paint("fill", color),
    }
}

fn stroke(stroke: Stroke) -> String {
    if stroke.is_empty() {
        return String::new();
    }
    format!("{} stroke-width=\"{}\"", paint("stroke", stroke.color), stroke.width)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn points(points: &[Pos2]) -> String {
    let pairs: Vec<String> = points.iter().map(|p| format!("{:.2},{:.2}", p.x, p.y)).collect();
    pairs.join(" ")
}

struct Writer<'a> {
    picture: &'a Picture,
    out: String,
    n_clips: usize,
    clip: Option<Rect>,
}

impl Writer<'_> {
    fn clipped(&mut self, clipped: &ClippedShape) -> Result<(), String> {
        if self.clip != Some(clipped.clip_rect) {
            if self.clip.is_some() {
                self.out.push_str("</g>\n");
            }
            let rect = clipped
                .clip_rect
                .intersect(Rect::from_min_size(Pos2::ZERO, self.picture.size.into()));
            let (n, width, height) = (self.n_clips, rect.width().max(0.0), rect.height().max(0.0));
            let _ = writeln!(
                self.out,
                "<clipPath id=\"clip{n}\"><rect x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{height}\"/></clipPath><g clip-path=\"url(#clip{n})\">",
                rect.min.x, rect.min.y
            );
            self.n_clips += 1;
            self.clip = Some(clipped.clip_rect);
        }
        self.shape(&clipped.shape)
    }

    fn shape(&mut self, shape: &Shape) -> Result<(), String> {
        match shape {
            Shape::Vec(shapes) => shapes.iter().try_for_each(|shape| self.shape(shape))?,
            Shape::Circle(circle) => {
                let (at, look) = (circle.center, fill(circle.fill) + &stroke(circle.stroke));
                let _ = writeln!(
                    self.out,
                    "<circle cx=\"{:.2}\" cy=\"{:.2}\" r=\"{}\"{look}/>",
                    at.x, at.y, circle.radius
                );
            }
            Shape::LineSegment {
                points: ends,
                stroke: line,
            } => {
                let _ = writeln!(
                    self.out,
                    "<polyline points=\"{}\" fill=\"none\"{}/>",
                    points(ends),
                    stroke(*line)
                );
            }
            Shape::Path(path) => self.path(path),
            Shape::Rect(rect) => {
                let (place, radius) = (rect.rect, rect.corner_radius.nw);
                let look = fill(rect.fill) + &stroke(rect.stroke);
                let _ = writeln!(
                    self.out,
                    "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{}\" height=\"{}\" rx=\"{radius}\"{look}/>",
                    place.min.x,
                    place.min.y,
                    place.width().max(0.0),
                    place.height().max(0.0)
                );
            }
            Shape::Text(text) => self.text(text),
            Shape::Mesh(mesh) => self.mesh(mesh)?,
            // Panels draw no curves, ellipses, bands or callbacks.
            _ => {}
        }
        Ok(())
    }

    fn path(&mut self, path: &PathShape) {
        let name = if path.closed { "polygon" } else { "polyline" };
        let color = match path.stroke.color {
            ColorMode::Solid(color) => color,
            ColorMode::UV(_) => Color32::GRAY,
        };
        let look = fill(path.fill) + &stroke(Stroke::new(path.stroke.width, color));
        let _ = writeln!(self.out, "<{name} points=\"{}\"{look}/>", points(&path.points));
    }

    fn text(&mut self, text: &TextShape) {
        let section = text.galley.job.sections.first();
        let format = section.map(|section| &section.format);
        let own = format.map_or(Color32::PLACEHOLDER, |format| format.color);
        let color = text.override_text_color.unwrap_or(match own {
            Color32::PLACEHOLDER => text.fallback_color,
            color => color,
        });
        let size = format.map_or(12.0, |format| format.font_id.size);
        let is_mono = format.is_some_and(|format| format.font_id.family == egui::FontFamily::Monospace);
        let family = if is_mono {
            " font-family=\"Hack, Consolas, monospace\""
        } else {
            ""
        };
        for row in &text.galley.rows {
            let words: String = row.glyphs.iter().map(|glyph| glyph.chr).collect();
            let Some(first) = row.glyphs.first().filter(|_| !words.trim().is_empty()) else {
                continue;
            };
            let at = text.pos + row.pos.to_vec2() + first.pos.to_vec2();
            let turn = match text.angle {
                0.0 => String::new(),
                angle => format!(
                    " transform=\"rotate({:.1} {:.2} {:.2})\"",
                    angle.to_degrees(),
                    text.pos.x,
                    text.pos.y
                ),
            };
            let length = row.size.x;
            let _ = writeln!(
                self.out,
                "<text x=\"{:.2}\" y=\"{:.2}\" font-size=\"{size}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\"{family}{turn}{}>{}</text>",
                at.x,
                at.y,
                fill(color),
                escaped(&words)
            );
        }
    }

    fn mesh(&mut self, mesh: &Mesh) -> Result<(), String> {
        if let Some(image) = self
            .picture
            .images
            .get(&mesh.texture_id)
            .filter(|_| mesh.texture_id != TextureId::default())
        {
            return self.image(mesh, image);
        }
        // Two triangles of one colour that share an edge are a quadrangle.
        for triangle in mesh.indices.chunks(3) {
            let corners: Vec<Pos2> = triangle.iter().map(|idx| mesh.vertices[*idx as usize].pos).collect();
            let color = mesh.vertices[triangle[0] as usize].color;
            let _ = writeln!(self.out, "<polygon points=\"{}\"{}/>", points(&corners), fill(color));
        }
        Ok(())
    }

    /// Embeds the part of an image that a rectangle shows.
    fn image(&mut self, mesh: &Mesh, image: &ColorImage) -> Result<(), String> {
        let place = mesh.calc_bounds();
        let uvs = mesh.vertices.iter().map(|vertex| vertex.uv);
        let uv = uvs.fold(Rect::NOTHING, |rect, uv| rect.union(Rect::from_min_max(uv, uv)));
        let [width, height] = image.size;
        let rows = (uv.min.y * height as f32).round() as usize..(uv.max.y * height as f32).round() as usize;
        let part = ColorImage::new(
            [width, rows.len()],
            image.pixels[rows.start * width..rows.end * width].to_vec(),
        );
        let data = base64(&encode(&part)?);
        let _ = writeln!(
            self.out,
            "<image x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{:.2}\" preserveAspectRatio=\"none\" image-rendering=\"pixelated\" \
             xlink:href=\"data:image/png;base64,{data}\"/>",
            place.min.x,
            place.min.y,
            place.width(),
            place.height()
        );
        Ok(())
    }
}

/// Bytes in the alphabet of RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .enumerate()
            .fold(0_u32, |bits, (i, byte)| bits | (u32::from(*byte) << (16 - 8 * i)));
        for i in 0..4 {
            let digit = (bits >> (18 - 6 * i)) & 63;
            text.push(if i <= group.len() {
                char::from(ALPHABET[digit as usize])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_equals_the_standards_examples() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in cases {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}

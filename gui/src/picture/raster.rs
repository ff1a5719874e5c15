//! Triangles as pixels: what a graphics card does, once, for a file.

use super::Picture;
use egui::epaint::{Mesh, Primitive, Vertex};
use egui::{Color32, ColorImage, Pos2, Rect};

/// Paints the picture.
pub(super) fn paint(mut picture: Picture) -> ColorImage {
    let scale = picture.ctx.pixels_per_point();
    let size = picture.size.map(|points| (points * scale).round() as usize);
    let mut image = ColorImage::filled(size, picture.background);
    let shapes = std::mem::take(&mut picture.shapes);
    for clipped in picture.ctx.tessellate(shapes, scale) {
        if let Primitive::Mesh(mesh) = &clipped.primitive {
            let texture = picture.images.get(&mesh.texture_id);
            let clip = scaled(clipped.clip_rect, scale);
            paint_mesh(&mut image, mesh, texture, clip, scale);
        }
    }
    image
}

fn scaled(rect: Rect, scale: f32) -> Rect {
    Rect::from_min_max(
        (rect.min.to_vec2() * scale).to_pos2(),
        (rect.max.to_vec2() * scale).to_pos2(),
    )
}

fn paint_mesh(image: &mut ColorImage, mesh: &Mesh, texture: Option<&ColorImage>, clip: Rect, scale: f32) {
    for triangle in mesh.indices.chunks(3) {
        let corners = [triangle[0], triangle[1], triangle[2]].map(|idx| mesh.vertices[idx as usize]);
        paint_triangle(image, corners, texture, clip, scale);
    }
}

/// Twice the area of a triangle, positive if it turns to the right.
fn area(a: Pos2, b: Pos2, c: Pos2) -> f32 {
    (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x)
}

/// Whether pixels whose centre lies exactly on the edge from `a` to `b` belong to the triangle on its right, so that of two triangles
/// that share an edge only one paints them.
fn owns_edge(a: Pos2, b: Pos2) -> bool {
    (a.y == b.y && b.x > a.x) || b.y < a.y
}

fn paint_triangle(
    image: &mut ColorImage,
    mut corners: [Vertex; 3],
    texture: Option<&ColorImage>,
    clip: Rect,
    scale: f32,
) {
    for corner in &mut corners {
        corner.pos = (corner.pos.to_vec2() * scale).to_pos2();
    }
    if area(corners[0].pos, corners[1].pos, corners[2].pos) < 0.0 {
        corners.swap(1, 2);
    }
    let [a, b, c] = corners.map(|corner| corner.pos);
    let whole = area(a, b, c);
    let bounds = Rect::from_points(&[a, b, c]).intersect(clip);
    let [width, height] = image.size;
    if whole <= 0.0 || !bounds.is_positive() {
        return;
    }
    let columns = bounds.min.x.max(0.0).floor() as usize..(bounds.max.x.ceil().max(0.0) as usize).min(width);
    let rows = bounds.min.y.max(0.0).floor() as usize..(bounds.max.y.ceil().max(0.0) as usize).min(height);
    for row in rows {
        for column in columns.clone() {
            let at = Pos2::new(column as f32 + 0.5, row as f32 + 0.5);
            let parts = [area(b, c, at), area(c, a, at), area(a, b, at)];
            let edges = [(b, c), (c, a), (a, b)];
            let is_inside = parts
                .iter()
                .zip(edges)
                .all(|(part, (from, to))| *part > 0.0 || (*part == 0.0 && owns_edge(from, to)));
            if is_inside && clip.contains(at) {
                let pixel = &mut image.pixels[row * width + column];
                *pixel = pixel.blend(color_at(&corners, parts.map(|part| part / whole), texture));
            }
        }
    }
}

/// The colour of a triangle at a point that is given by the weights of its corners.
fn color_at(corners: &[Vertex; 3], weights: [f32; 3], texture: Option<&ColorImage>) -> Color32 {
    let mix = |of: &dyn Fn(&Vertex) -> f32| {
        corners
            .iter()
            .zip(weights)
            .map(|(corner, weight)| of(corner) * weight)
            .sum::<f32>()
    };
    let channel = |idx: usize| mix(&|corner: &Vertex| f32::from(corner.color.to_array()[idx])).round() as u8;
    let color = Color32::from_rgba_premultiplied(channel(0), channel(1), channel(2), channel(3));
    let Some(texture) = texture else { return color };
    let [width, height] = texture.size;
    let texel = |share: f32, n: usize| ((share * n as f32) as usize).min(n.saturating_sub(1));
    let (u, v) = (mix(&|corner: &Vertex| corner.uv.x), mix(&|corner: &Vertex| corner.uv.y));
    let sample = texture.pixels.get(texel(v, height) * width + texel(u, width)).copied();
    sample.map_or(color, |sample| color * sample)
}

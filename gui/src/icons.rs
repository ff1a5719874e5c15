//! Symbols drawn from lines and polygons, because the default fonts lack many of the usual ones.

use crate::command::Icon;
use egui::epaint::PathShape;
use egui::{Color32, Painter, Pos2, Rect, Shape, Stroke, pos2, vec2};

/// Draws a symbol into a square.
pub(crate) fn paint_icon(painter: &Painter, square: Rect, icon: Icon, color: Color32) {
    let at = |x: f32, y: f32| square.min + vec2(x, y) * square.size();
    let bar = |x0: f32, x1: f32| {
        painter.rect_filled(Rect::from_min_max(at(x0, 0.14), at(x1, 0.86)), 1.0, color);
    };
    match icon {
        Icon::Play => triangle(painter, [at(0.22, 0.1), at(0.9, 0.5), at(0.22, 0.9)], color),
        Icon::Pause => {
            bar(0.2, 0.4);
            bar(0.6, 0.8);
        }
        Icon::StepForward => {
            triangle(painter, [at(0.12, 0.14), at(0.68, 0.5), at(0.12, 0.86)], color);
            bar(0.74, 0.88);
        }
        Icon::StepBack => {
            triangle(painter, [at(0.88, 0.14), at(0.32, 0.5), at(0.88, 0.86)], color);
            bar(0.12, 0.26);
        }
        Icon::ToEnd => {
            triangle(painter, [at(0.04, 0.18), at(0.44, 0.5), at(0.04, 0.82)], color);
            triangle(painter, [at(0.42, 0.18), at(0.82, 0.5), at(0.42, 0.82)], color);
            bar(0.84, 0.96);
        }
        Icon::NextInstruction => {
            let stroke = Stroke::new(1.6, color);
            for (y, width) in [(0.16, 0.9), (0.5, 0.42), (0.84, 0.9)] {
                painter.line_segment([at(0.1, y), at(width, y)], stroke);
            }
            triangle(painter, [at(0.6, 0.3), at(0.94, 0.5), at(0.6, 0.7)], color);
        }
        Icon::Restart => restart(painter, square, color),
        Icon::Folder => {
            let outline = [
                at(0.06, 0.8),
                at(0.06, 0.2),
                at(0.38, 0.2),
                at(0.48, 0.32),
                at(0.94, 0.32),
                at(0.94, 0.8),
            ];
            painter.add(PathShape::closed_line(outline.to_vec(), Stroke::new(1.5, color)));
        }
    }
}

fn triangle(painter: &Painter, corners: [Pos2; 3], color: Color32) {
    painter.add(Shape::convex_polygon(corners.to_vec(), color, Stroke::NONE));
}

/// Three quarters of a circle with an arrow head at its beginning.
fn restart(painter: &Painter, square: Rect, color: Color32) {
    let center = square.center();
    let radius = square.width() * 0.36;
    let points = (0..=24).map(|i| {
        let angle = std::f32::consts::TAU * (-0.15 + 0.78 * i as f32 / 24.0);
        center + radius * vec2(angle.cos(), angle.sin())
    });
    painter.add(PathShape::line(points.collect(), Stroke::new(1.6, color)));
    let tip = center + radius * vec2(0.588, -0.809);
    let size = square.width() * 0.26;
    triangle(
        painter,
        [
            pos2(tip.x - size, tip.y - size * 0.1),
            pos2(tip.x + size * 0.5, tip.y - size),
            pos2(tip.x + size * 0.5, tip.y + size * 0.6),
        ],
        color,
    );
}

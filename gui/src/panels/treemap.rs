//! A treemap's arithmetic: divides a rectangle among values so that areas are proportional to them and shapes close to squares.

use egui::{Rect, pos2, vec2};

/// One rectangle per value, in the order of the values; those of zero get none of the area.
pub(crate) fn treemap(rect: Rect, values: &[f64]) -> Vec<Rect> {
    let mut order: Vec<usize> = (0..values.len()).filter(|idx| values[*idx] > 0.0).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    let mut rects = vec![Rect::from_min_size(rect.min, vec2(0.0, 0.0)); values.len()];
    let mut rest = rect;
    let mut sum: f64 = order.iter().map(|idx| values[*idx]).sum();
    let mut from = 0;
    while from < order.len() {
        let area = f64::from(rest.width()) * f64::from(rest.height()) / sum;
        let side = f64::from(rest.width().min(rest.height()));
        let row = row_length(&order[from..], values, area, side);
        let row = &order[from..from + row];
        let row_sum: f64 = row.iter().map(|idx| values[*idx]).sum();
        rest = place_row(rest, row, values, row_sum, row_sum / sum, &mut rects);
        sum -= row_sum;
        from += row.len();
    }
    rects
}

/// How many of the next values share a row along the short side before its worst shape would get worse.
fn row_length(order: &[usize], values: &[f64], area: f64, side: f64) -> usize {
    let (mut sum, mut worst_before) = (0.0, f64::INFINITY);
    for (n, idx) in order.iter().enumerate() {
        sum += values[*idx];
        let thickness = sum * area / side.max(f64::MIN_POSITIVE);
        let shape = |value: f64| {
            let length = value * area / thickness.max(f64::MIN_POSITIVE);
            (length / thickness).max(thickness / length)
        };
        let worst = shape(values[order[0]]).max(shape(values[*idx]));
        if worst > worst_before {
            return n;
        }
        worst_before = worst;
    }
    order.len()
}

/// Places a row of values along the short side of `rest`; gives back what is left of it.
fn place_row(rest: Rect, row: &[usize], values: &[f64], row_sum: f64, share: f64, rects: &mut [Rect]) -> Rect {
    let is_column = rest.width() >= rest.height();
    let (thickness, length) = match is_column {
        true => (rest.width() * share as f32, rest.height()),
        false => (rest.height() * share as f32, rest.width()),
    };
    let mut at = 0.0;
    for idx in row {
        let part = length * (values[*idx] / row_sum) as f32;
        rects[*idx] = match is_column {
            true => Rect::from_min_size(pos2(rest.min.x, rest.min.y + at), vec2(thickness, part)),
            false => Rect::from_min_size(pos2(rest.min.x + at, rest.min.y), vec2(part, thickness)),
        };
        at += part;
    }
    match is_column {
        true => rest.with_min_x(rest.min.x + thickness),
        false => rest.with_min_y(rest.min.y + thickness),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_proportional_and_nothing_overlaps() {
        let rect = Rect::from_min_size(pos2(10.0, 20.0), vec2(600.0, 200.0));
        let values = [6.0, 0.0, 6.0, 4.0, 3.0, 2.0, 2.0, 1.0];
        let rects = treemap(rect, &values);
        let total: f64 = values.iter().sum();
        for (each, value) in rects.iter().zip(values) {
            let share = f64::from(each.area()) / f64::from(rect.area());
            assert!((share - value / total).abs() < 1e-4, "{each:?} has {share} for {value}");
            assert!(rect.expand(0.01).contains_rect(*each), "{each:?}");
            let is_flat = value > 0.0 && (each.aspect_ratio() > 4.0 || each.aspect_ratio() < 0.25);
            assert!(!is_flat, "{each:?} is far from a square");
        }
        for (i, a) in rects.iter().enumerate() {
            for b in &rects[i + 1..] {
                assert!(
                    a.shrink(0.01).intersect(b.shrink(0.01)).area() <= 0.0
                        || !a.shrink(0.01).intersects(b.shrink(0.01))
                );
            }
        }
    }

    #[test]
    fn nothing_has_no_area() {
        let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(10.0, 10.0));
        assert!(treemap(rect, &[]).is_empty());
        assert_eq!(treemap(rect, &[0.0])[0].area(), 0.0);
    }
}

//! The timeline's arithmetic: cycles to points and back, tick marks, zooming, and the colour of a bin.

use crate::frame::{Span, TimelineView};
use crate::view::Action;
use egui::{Rangef, Response, Ui};

/// A linear map from cycles to points.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Where the stretch is drawn.
    pub(crate) x: Rangef,
    /// First cycle.
    pub(crate) start: u64,
    /// First cycle behind the stretch.
    pub(crate) end: u64,
}

impl Scale {
    /// The point at which a cycle begins. Cycles outside the stretch lie outside the range, by at most its width.
    pub(crate) fn x(&self, cycle: u64) -> f32 {
        self.x_of(cycle as f64)
    }

    /// The point of a time in cycles that need not be whole.
    pub(crate) fn x_of(&self, cycles: f64) -> f32 {
        let n_cycles = (self.end - self.start) as f64;
        let offset = cycles - self.start as f64;
        self.x.min + (offset / n_cycles).clamp(-1.0, 2.0) as f32 * self.x.span()
    }

    /// The cycle at a point of the range.
    pub(crate) fn cycle(&self, x: f32) -> u64 {
        let share = f64::from(((x - self.x.min) / self.x.span()).clamp(0.0, 1.0));
        let offset = (share * (self.end - self.start) as f64) as u64;
        self.start + offset.min(self.end - self.start - 1)
    }

    /// Whether a cycle lies within the stretch.
    pub(crate) fn contains(&self, cycle: u64) -> bool {
        self.start <= cycle && cycle < self.end
    }

    /// Width of one cycle in points.
    pub(crate) fn cycle_width(&self) -> f32 {
        (f64::from(self.x.span()) / (self.end - self.start) as f64) as f32
    }

    /// Distance between tick marks in cycles: 1, 2 or 5 times a power of ten, at least `min_distance` points.
    pub(crate) fn tick_cycles(&self, min_distance: f32) -> u64 {
        let wanted = f64::from(min_distance) / f64::from(self.cycle_width()).max(f64::MIN_POSITIVE);
        let mut power: u64 = 1;
        loop {
            for factor in [1, 2, 5] {
                let tick = power.saturating_mul(factor);
                if tick as f64 >= wanted || tick > u64::MAX / 20 {
                    return tick;
                }
            }
            power *= 10;
        }
    }

    /// The stretch seen through a zoom by `factor` (above 1: less time) that leaves the cycle at `x` where it is.
    pub(crate) fn zoomed(&self, x: f32, factor: f64) -> TimelineView {
        let share = f64::from(((x - self.x.min) / self.x.span()).clamp(0.0, 1.0));
        let old = (self.end - self.start) as f64;
        let new = (old / factor).clamp(MIN_SPAN as f64, MAX_SPAN as f64);
        let start = (self.start as f64 + share * (old - new)).max(0.0).round() as u64;
        TimelineView::Range {
            start,
            end: start.saturating_add(new.round() as u64),
        }
    }

    /// The stretch moved by a number of points to the right (which shows earlier cycles).
    pub(crate) fn panned(&self, points: f32) -> TimelineView {
        let offset = (f64::from(-points) / f64::from(self.cycle_width())).round();
        let start = (self.start as f64 + offset).max(0.0) as u64;
        TimelineView::Range {
            start,
            end: start.saturating_add(self.end - self.start),
        }
    }
}

/// Lets a drag move the stretch and the wheel zoom it, in every panel along time.
pub(crate) fn navigate(ui: &Ui, response: &Response, scale: &Scale, actions: &mut Vec<Action>) {
    if response.dragged() && response.drag_delta().x != 0.0 {
        actions.push(Action::SetTimeline(scale.panned(response.drag_delta().x)));
    }
    let Some(pointer) = response.hover_pos().filter(|pos| scale.x.contains(pos.x)) else {
        return;
    };
    let (scroll, zoom) = ui.input(|input| (input.smooth_scroll_delta(), input.zoom_delta()));
    let factor = f64::from(zoom) * f64::from(scroll.y / 160.0).exp();
    if factor != 1.0 {
        actions.push(Action::SetTimeline(scale.zoomed(pointer.x, factor)));
        // The wheel zooms here, so the panel around must not scroll as well.
        ui.input_mut(|input| input.smooth_scroll_delta.y = 0.0);
    } else if scroll.x != 0.0 {
        actions.push(Action::SetTimeline(scale.panned(scroll.x)));
    }
}

/// The stretch of a span with a quarter of its length before and behind it.
pub(crate) fn around(start: u64, end: u64) -> TimelineView {
    let margin = ((end - start) / 4).max(MIN_SPAN / 2);
    TimelineView::Range {
        start: start.saturating_sub(margin),
        end: end.saturating_add(margin),
    }
}

/// A stretch as long as the one that is shown, with a cycle in its middle.
pub(crate) fn centered(view: TimelineView, now: u64, cycle: u64) -> TimelineView {
    let (start, end) = view.window(now);
    let start_centered = cycle.saturating_sub((end - start) / 2);
    TimelineView::Range {
        start: start_centered,
        end: start_centered.saturating_add(end - start),
    }
}

/// The shortest stretch that can be shown, in cycles.
const MIN_SPAN: u64 = 8;

/// The longest stretch that can be shown, in cycles.
const MAX_SPAN: u64 = 1 << 50;

/// What a zoom command makes of a view: following stays following, everything else keeps its middle.
pub(crate) fn zoomed_view(view: TimelineView, now: u64, factor: f64) -> TimelineView {
    if let TimelineView::Follow { span } = view {
        let span = (span as f64 / factor).round() as u64;
        return TimelineView::Follow {
            span: span.clamp(MIN_SPAN, MAX_SPAN),
        };
    }
    let (start, end) = view.window(now);
    Scale {
        x: Rangef::new(0.0, 1.0),
        start,
        end,
    }
    .zoomed(0.5, factor)
}

/// The span at a cycle, in spans sorted by start.
pub(crate) fn span_at(spans: &[Span], cycle: u64) -> Option<&Span> {
    let behind = spans.partition_point(|span| span.start <= cycle);
    spans.get(behind.checked_sub(1)?).filter(|span| cycle < span.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALE: Scale = Scale {
        x: Rangef { min: 100.0, max: 900.0 },
        start: 1_000,
        end: 1_400,
    };

    #[test]
    fn points_and_cycles_are_inverse() {
        for cycle in 1_000..1_400 {
            assert_eq!(SCALE.cycle(SCALE.x(cycle) + 0.5), cycle);
        }
    }

    #[test]
    fn ticks_are_round_and_far_enough_apart() {
        for (min_distance, tick) in [(1.0, 1), (3.0, 2), (80.0, 50), (81.0, 50), (110.0, 100)] {
            assert_eq!(SCALE.tick_cycles(min_distance), tick);
        }
        let whole = Scale {
            x: Rangef::new(0.0, 10.0),
            start: 0,
            end: u64::MAX,
        };
        assert!(whole.tick_cycles(80.0) > 0);
    }

    #[test]
    fn zooming_keeps_the_cycle_under_the_pointer() {
        let x = 300.0;
        let TimelineView::Range { start, end } = SCALE.zoomed(x, 2.0) else {
            panic!("zooming gives a range")
        };
        assert_eq!(end - start, 200);
        let after = Scale { start, end, ..SCALE };
        assert!(after.cycle(x).abs_diff(SCALE.cycle(x)) <= 1);
        assert_eq!(
            zoomed_view(TimelineView::Follow { span: 100 }, 0, 2.0),
            TimelineView::Follow { span: 50 }
        );
        assert_eq!(
            zoomed_view(TimelineView::Follow { span: 8 }, 0, 2.0),
            TimelineView::Follow { span: 8 }
        );
    }

    #[test]
    fn panning_stops_at_cycle_zero() {
        assert_eq!(
            SCALE.panned(-20.0),
            TimelineView::Range {
                start: 1_010,
                end: 1_410
            }
        );
        assert_eq!(SCALE.panned(1e9), TimelineView::Range { start: 0, end: 400 });
    }

    #[test]
    fn spans_are_found_by_cycle() {
        let span = |start, end| Span {
            start,
            end,
            activity: crate::frame::ActivityId(1),
            pc: None,
        };
        let spans = [span(10, 20), span(30, 40)];
        assert_eq!(span_at(&spans, 9), None);
        assert_eq!(span_at(&spans, 10), Some(&spans[0]));
        assert_eq!(span_at(&spans, 20), None);
        assert_eq!(span_at(&spans, 39), Some(&spans[1]));
    }
}

//! A roofline as a picture: log-log axes with units, roofs, labelled points, legend; dark on light.

use super::scale::{LogAxis, prefixed};
use super::{Point, Roofline};
use std::fmt::Write;

const WIDTH: f64 = 1040.0;
const HEIGHT: f64 = 640.0;
const LEFT: f64 = 96.0;
const RIGHT: f64 = 760.0;
const TOP: f64 = 84.0;
const BOTTOM: f64 = 560.0;
/// Left edge of the legend.
const LEGEND: f64 = 788.0;
/// More points than these carry numbers, and the legend their names.
const MAX_NAMED: usize = 14;
/// Most points that the legend lists.
const MAX_LISTED: usize = 24;

const INK: &str = "#1f2933";
const FAINT: &str = "#52606d";
const GRID: &str = "#d9e2ec";
const FINE_GRID: &str = "#f0f4f8";
const COMPUTE: &str = "#0072b2";
const MEMORY: &str = "#b34a00";
const LAYER: &str = "#007a5a";
const NETWORK: &str = "#8a3ffc";

/// Text safe between tags and in attributes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // Control characters are not allowed in XML.
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// A picture under construction.
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, from: (f64, f64), to: (f64, f64), style: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.text,
            r#"<line x1="{x1:.2}" y1="{y1:.2}" x2="{x2:.2}" y2="{y2:.2}" {style}/>"#
        );
    }

    fn label(&mut self, (x, y): (f64, f64), style: &str, text: &str) {
        let _ = writeln!(
            self.text,
            r#"<text x="{x:.2}" y="{y:.2}" {style}>{}</text>"#,
            escaped(text)
        );
    }

    /// A label that begins at the origin of a turned coordinate system.
    fn turned(&mut self, (x, y): (f64, f64), degrees: f64, up: f64, style: &str, text: &str) {
        let _ = writeln!(
            self.text,
            r#"<g transform="translate({x:.2} {y:.2}) rotate({degrees:.2})"><text x="0" y="{:.2}" text-anchor="middle" {style}>{}</text></g>"#,
            -up,
            escaped(text)
        );
    }

    fn dot(&mut self, (x, y): (f64, f64), radius: f64, fill: &str, title: &str) {
        let _ = writeln!(
            self.text,
            r##"<g><title>{}</title><circle cx="{x:.2}" cy="{y:.2}" r="{radius}" fill="{fill}" stroke="#ffffff" stroke-width="1.2"/></g>"##,
            escaped(title)
        );
    }
}

/// Writes a roofline as a complete SVG 1.1 document.
pub fn to_svg(roofline: &Roofline) -> String {
    let top_compute = roofline.compute_roofs.last().map_or(1.0, |roof| roof.macs_per_second);
    let intensities = roofline.points.iter().filter_map(|point| point.macs_per_byte);
    let ridges = roofline
        .memory_roofs
        .iter()
        .map(|roof| top_compute / roof.bytes_per_second);
    let x = LogAxis::around(intensities.chain(ridges), LEFT, RIGHT);
    let rates = roofline.points.iter().map(|point| point.macs_per_second);
    let roofs = roofline.compute_roofs.iter().map(|roof| roof.macs_per_second);
    let y = LogAxis::around(rates.chain(roofs), BOTTOM, TOP);
    let mut page = Page {
        text: format!(
            r##"<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" version="1.1" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="Inter, 'Segoe UI', Helvetica, Arial, sans-serif">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>
"##
        ),
    };
    header(&mut page, roofline);
    axes(&mut page, &x, &y);
    draw_roofs(&mut page, roofline, (&x, &y));
    points(&mut page, roofline, (&x, &y));
    legend(&mut page, roofline);
    page.text.push_str("</svg>\n");
    page.text
}

fn header(page: &mut Page, roofline: &Roofline) {
    let title = format!("Roofline of {} on {}", roofline.program, roofline.machine);
    page.label(
        (LEFT, 38.0),
        &format!(r#"font-size="21" font-weight="600" fill="{INK}""#),
        &title,
    );
    let ridge = format!(
        "{}; ridge at {}MAC/B for 8 x 8 bits and peak bandwidth",
        roofline.operation,
        prefixed(roofline.ridge_macs_per_byte)
    );
    page.label((LEFT, 61.0), &format!(r#"font-size="13" fill="{FAINT}""#), &ridge);
}

fn axes(page: &mut Page, x: &LogAxis, y: &LogAxis) {
    let stroke = |colour: &str, width: f64| format!(r#"stroke="{colour}" stroke-width="{width}""#);
    for (values, style) in [
        (x.minor().collect::<Vec<_>>(), stroke(FINE_GRID, 1.0)),
        (x.decades().collect(), stroke(GRID, 1.0)),
    ] {
        for value in values {
            page.line((x.place(value), TOP), (x.place(value), BOTTOM), &style);
        }
    }
    for (values, style) in [
        (y.minor().collect::<Vec<_>>(), stroke(FINE_GRID, 1.0)),
        (y.decades().collect(), stroke(GRID, 1.0)),
    ] {
        for value in values {
            page.line((LEFT, y.place(value)), (RIGHT, y.place(value)), &style);
        }
    }
    page.line((LEFT, BOTTOM), (RIGHT, BOTTOM), &stroke(INK, 1.4));
    page.line((LEFT, TOP), (LEFT, BOTTOM), &stroke(INK, 1.4));
    let tick = format!(r#"font-size="12.5" fill="{INK}""#);
    for value in x.decades() {
        let place = (x.place(value), BOTTOM + 20.0);
        page.label(
            place,
            &format!(r#"{tick} text-anchor="middle""#),
            prefixed(value).trim_end(),
        );
    }
    for value in y.decades() {
        let place = (LEFT - 9.0, y.place(value) + 4.0);
        page.label(
            place,
            &format!(r#"{tick} text-anchor="end""#),
            prefixed(value).trim_end(),
        );
    }
    let name = format!(r#"font-size="14" font-weight="600" fill="{INK}" text-anchor="middle""#);
    let middle = ((LEFT + RIGHT) / 2.0, (TOP + BOTTOM) / 2.0);
    page.label(
        (middle.0, BOTTOM + 48.0),
        &name,
        "operational intensity [MAC per DRAM byte]",
    );
    let name = format!(r#"font-size="14" font-weight="600" fill="{INK}""#);
    page.turned((28.0, middle.1), -90.0, 0.0, &name, "performance [MAC/s]");
}

fn draw_roofs(page: &mut Page, roofline: &Roofline, (x, y): (&LogAxis, &LogAxis)) {
    let top = roofline.compute_roofs.last().map_or(1.0, |roof| roof.macs_per_second);
    let bandwidth = roofline.memory_roofs.first().map_or(1.0, |roof| roof.bytes_per_second);
    let (x_range, y_range) = (x.range(), y.range());
    for roof in &roofline.compute_roofs {
        let start = (roof.macs_per_second / bandwidth).clamp(x_range.0, x_range.1);
        let height = y.place(roof.macs_per_second);
        page.line(
            (x.place(start), height),
            (RIGHT, height),
            &format!(r#"class="roof" stroke="{COMPUTE}" stroke-width="2.4""#),
        );
        let text = format!(
            "{}: {}MAC/s",
            roof.precisions.join(", "),
            prefixed(roof.macs_per_second)
        );
        let style = format!(r#"font-size="12" fill="{COMPUTE}" text-anchor="end""#);
        page.label((RIGHT - 6.0, height - 7.0), &style, &text);
    }
    for (index, roof) in roofline.memory_roofs.iter().enumerate() {
        // From where the roof enters the frame to where it meets the highest roof of the array.
        let start = x_range.0.max(y_range.0 / roof.bytes_per_second);
        let end = x_range.1.min(top / roof.bytes_per_second);
        if start >= end {
            continue;
        }
        let dash = if index == 0 { "" } else { r#" stroke-dasharray="7 5""# };
        let at = |intensity: f64| (x.place(intensity), y.place(intensity * roof.bytes_per_second));
        page.line(
            at(start),
            at(end),
            &format!(r#"class="roof" stroke="{MEMORY}" stroke-width="2.4"{dash}"#),
        );
        let text = format!("DRAM {}: {}B/s", roof.name, prefixed(roof.bytes_per_second));
        let (from, to) = (at(start), at(end));
        let angle = (to.1 - from.1).atan2(to.0 - from.0).to_degrees();
        // Above the peak, below the measured one, so that neighbours do not touch.
        let share = if index == 0 { 0.30 } else { 0.55 };
        let place = (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
        let up = if index == 0 { 8.0 } else { -17.0 };
        page.turned(place, angle, up, &format!(r#"font-size="12" fill="{MEMORY}""#), &text);
    }
}

/// A rectangle that a label covers: left, top, right, bottom.
type Covered = (f64, f64, f64, f64);

fn overlap(a: &Covered, b: &Covered) -> bool {
    a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
}

/// A place for a label beside its point that covers no other one, if there is one.
fn label_place((px, py): (f64, f64), width: f64, taken: &[Covered]) -> Option<(f64, f64, Covered)> {
    let sides = [
        (9.0, 4.0),
        (-9.0 - width, 4.0),
        (-width / 2.0, -11.0),
        (-width / 2.0, 20.0),
        (9.0, -9.0),
        (9.0, 18.0),
    ];
    let further = [
        (-9.0 - width, -9.0),
        (-9.0 - width, 18.0),
        (-width / 2.0, -26.0),
        (-width / 2.0, 35.0),
    ];
    sides.into_iter().chain(further).find_map(|(dx, dy)| {
        let (x, y) = (px + dx, py + dy);
        let covered = (x, y - 11.0, x + width, y + 3.0);
        let is_inside = x > LEFT && x + width < RIGHT && y - 11.0 > TOP && y + 3.0 < BOTTOM;
        let is_free = !taken.iter().any(|other| overlap(&covered, other));
        (is_inside && is_free).then_some((x, y, covered))
    })
}

fn description(point: &Point) -> String {
    let intensity = point
        .macs_per_byte
        .map_or("no DRAM traffic".to_owned(), |v| format!("{}MAC/B", prefixed(v)));
    format!(
        "{}: {intensity}, {}MAC/s, {:.0} % of the roofline",
        point.name,
        prefixed(point.macs_per_second),
        100.0 * point.ratio
    )
}

fn points(page: &mut Page, roofline: &Roofline, (x, y): (&LogAxis, &LogAxis)) {
    let place = |point: &Point| {
        let intensity = point.macs_per_byte.unwrap_or(f64::INFINITY);
        (x.place(intensity), y.place(point.macs_per_second))
    };
    let mut taken: Vec<Covered> = roofline
        .points
        .iter()
        .map(place)
        .map(|(px, py)| (px - 6.0, py - 6.0, px + 6.0, py + 6.0))
        .collect();
    let is_named = roofline.points.len() <= MAX_NAMED;
    // The network comes first and is drawn last, on top.
    for (index, point) in roofline.points.iter().enumerate().rev() {
        let (fill, radius) = if index == 0 { (NETWORK, 6.5) } else { (LAYER, 5.0) };
        page.dot(place(point), radius, fill, &description(point));
        let text = if is_named || index == 0 {
            point.name.clone()
        } else {
            index.to_string()
        };
        // Digits and letters of this size are about 6.6 wide.
        let width = 6.6 * text.chars().count() as f64;
        if let Some((lx, ly, covered)) = label_place(place(point), width, &taken) {
            page.label((lx, ly), &format!(r#"font-size="12" fill="{INK}""#), &text);
            taken.push(covered);
        }
    }
}

fn legend(page: &mut Page, roofline: &Roofline) {
    let text = format!(r#"font-size="12.5" fill="{INK}""#);
    let mut at = TOP + 6.0;
    let mut entry = |page: &mut Page, draw: &dyn Fn(&mut Page, f64), label: &str| {
        draw(page, at - 4.0);
        page.label((LEGEND + 34.0, at), &text, label);
        at += 22.0;
    };
    let stroke = |colour: &str, dash: &str| format!(r#"stroke="{colour}" stroke-width="2.4"{dash}"#);
    let line = |style: String| move |page: &mut Page, y: f64| page.line((LEGEND, y), (LEGEND + 24.0, y), &style);
    entry(page, &line(stroke(COMPUTE, "")), "array, by precision");
    for (roof, dash) in roofline.memory_roofs.iter().zip(["", r#" stroke-dasharray="7 5""#]) {
        entry(page, &line(stroke(MEMORY, dash)), &format!("DRAM, {}", roof.name));
    }
    let dot = |colour: &'static str, radius: f64| {
        move |page: &mut Page, y: f64| page.dot((LEGEND + 12.0, y), radius, colour, "legend")
    };
    entry(page, &dot(NETWORK, 6.5), "network");
    entry(page, &dot(LAYER, 5.0), "layer");
    at += 10.0;
    let small = format!(r#"font-size="11.5" fill="{FAINT}""#);
    page.label((LEGEND, at), &small, "reached / allowed by the roofs");
    let n_listed = roofline.points.len().min(MAX_LISTED + 1);
    for (index, point) in roofline.points.iter().enumerate().take(n_listed) {
        at += 16.0;
        let number = if roofline.points.len() > MAX_NAMED && index > 0 {
            format!("{index} ")
        } else {
            String::new()
        };
        let name: String = point.name.chars().take(22).collect();
        page.label((LEGEND, at), &small, &format!("{number}{name}"));
        let style = format!(r#"{small} text-anchor="end""#);
        page.label((WIDTH - 24.0, at), &style, &format!("{:.0} %", 100.0 * point.ratio));
    }
    if roofline.points.len() > n_listed {
        let more = format!("and {} more", roofline.points.len() - n_listed);
        page.label((LEGEND, at + 16.0), &small, &more);
    }
}

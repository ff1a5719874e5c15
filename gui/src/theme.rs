//! Every colour and every size of the dashboard, for the dark and the light theme.
//!
//! Unit colours are variations of the Okabe-Ito palette, which readers with the common colour vision deficiencies can tell
//! apart; stalls also differ from work by their height and never by colour alone. No other file names a colour.

use crate::dram_lanes::{ACTIVATE, PRECHARGE, READ, READS_FULL, REFRESH, WRITE, WRITES_FULL};
use crate::frame::{ActivityClass, ActivityId, ActivityInfo, N_UNITS, PeState};
use crate::inspect::Bound;
use egui::{
    Color32, Context, CornerRadius, FontFamily, FontId, Margin, Shadow, Stroke, Style, TextStyle, Theme, Vec2, Visuals,
    vec2,
};
use serde::{Deserialize, Serialize};
use systole_assembler::service::Colour;

/// Space between neighbouring things, in points.
pub(crate) const GAP: f32 = 8.0;

/// Margin inside a panel, in points.
pub(crate) const PANEL_MARGIN: i8 = 10;

/// Height of a toolbar button, in points.
pub(crate) const BUTTON_HEIGHT: f32 = 28.0;

/// Height of a row of the program listing, in points.
pub(crate) const ROW_HEIGHT: f32 = 20.0;

/// The least height of a timeline lane, in points; with less room the timeline scrolls.
pub(crate) const MIN_LANE_HEIGHT: f32 = 20.0;

/// Height of a timeline lane, in points.
pub(crate) const LANE_HEIGHT: f32 = 26.0;

/// Height of the two lanes of a DRAM channel together, in points.
pub(crate) const CHANNEL_HEIGHT: f32 = 26.0;

/// Width of the column with the names of the lanes, in points.
pub(crate) const LANE_LABEL_WIDTH: f32 = 44.0;

/// Cells at least this wide show a number, in points.
pub(crate) const CELL_WITH_NUMBER: f32 = 24.0;

/// Cells at least this wide show weight, activation and partial sum, in points.
pub(crate) const CELL_WITH_DETAILS: f32 = 68.0;

/// Cells wider than this only waste room, in points.
pub(crate) const MAX_CELL: f32 = 132.0;

/// Corner radius of filled shapes, in points.
pub(crate) const RADIUS: u8 = 4;

/// The colours of one theme.
#[derive(Debug)]
pub(crate) struct Palette {
    /// Behind all panels and in the gaps between them.
    pub(crate) backdrop: Color32,
    /// Behind a panel's content.
    pub(crate) panel: Color32,
    /// Buttons, cells and lanes at rest.
    pub(crate) raised: Color32,
    /// The same under the pointer.
    pub(crate) hovered: Color32,
    /// Thin lines.
    pub(crate) line: Color32,
    /// Text.
    pub(crate) text: Color32,
    /// Text that explains other text.
    pub(crate) weak_text: Color32,
    /// The one accent: selection, focus, the current cycle.
    pub(crate) accent: Color32,
    /// Text and symbols on a filled accent.
    pub(crate) on_accent: Color32,
    /// Something went wrong.
    pub(crate) error: Color32,
    /// One colour for each unit.
    pub(crate) units: [Color32; N_UNITS],
    /// One colour for each stall reason, used again from the start when there are more.
    pub(crate) stalls: [Color32; 4],
    /// The PE states: idle, loading, active, gated, passing, zero operand.
    pub(crate) pe_states: [Color32; 6],
    /// Values below zero, zero and above zero.
    pub(crate) diverging: [Color32; 3],
    /// Dark text for light fills and light text for dark fills.
    pub(crate) ink: [Color32; 2],
}

const DARK: Palette = Palette {
    backdrop: Color32::from_rgb(0x10, 0x13, 0x18),
    panel: Color32::from_rgb(0x17, 0x1b, 0x22),
    raised: Color32::from_rgb(0x22, 0x28, 0x32),
    hovered: Color32::from_rgb(0x2d, 0x35, 0x42),
    line: Color32::from_rgb(0x2c, 0x33, 0x3e),
    text: Color32::from_rgb(0xdc, 0xe2, 0xea),
    weak_text: Color32::from_rgb(0x8f, 0x9a, 0xa9),
    accent: Color32::from_rgb(0x6c, 0xab, 0xf7),
    on_accent: Color32::from_rgb(0x0c, 0x16, 0x24),
    error: Color32::from_rgb(0xf0, 0x8a, 0x7a),
    units: [
        Color32::from_rgb(0xc9, 0x92, 0xbd),
        Color32::from_rgb(0x5e, 0xb6, 0xe8),
        Color32::from_rgb(0xe5, 0x9b, 0x50),
        Color32::from_rgb(0x35, 0xbd, 0x98),
        Color32::from_rgb(0xe4, 0xd1, 0x66),
    ],
    stalls: [
        Color32::from_rgb(0x9c, 0x5b, 0x4c),
        Color32::from_rgb(0x84, 0x6a, 0x4a),
        Color32::from_rgb(0x74, 0x57, 0x78),
        Color32::from_rgb(0x5f, 0x68, 0x78),
    ],
    pe_states: [
        Color32::from_rgb(0x1f, 0x25, 0x2e),
        Color32::from_rgb(0x2f, 0x66, 0x8f),
        Color32::from_rgb(0x35, 0xbd, 0x98),
        Color32::from_rgb(0x2a, 0x57, 0x51),
        Color32::from_rgb(0x3a, 0x42, 0x50),
        Color32::from_rgb(0x57, 0x86, 0x46),
    ],
    diverging: [
        Color32::from_rgb(0x4f, 0x9f, 0xe6),
        Color32::from_rgb(0x24, 0x2a, 0x33),
        Color32::from_rgb(0xea, 0x93, 0x3f),
    ],
    ink: [Color32::from_rgb(0x0d, 0x14, 0x1a), Color32::from_rgb(0xe6, 0xec, 0xf2)],
};

const LIGHT: Palette = Palette {
    backdrop: Color32::from_rgb(0xe3, 0xe7, 0xec),
    panel: Color32::from_rgb(0xfb, 0xfc, 0xfd),
    raised: Color32::from_rgb(0xed, 0xf0, 0xf4),
    hovered: Color32::from_rgb(0xdf, 0xe5, 0xed),
    line: Color32::from_rgb(0xd5, 0xdb, 0xe3),
    text: Color32::from_rgb(0x1c, 0x24, 0x2e),
    weak_text: Color32::from_rgb(0x5b, 0x67, 0x77),
    accent: Color32::from_rgb(0x1d, 0x66, 0xc9),
    on_accent: Color32::from_rgb(0xff, 0xff, 0xff),
    error: Color32::from_rgb(0xb3, 0x36, 0x22),
    units: [
        Color32::from_rgb(0x9d, 0x55, 0x8c),
        Color32::from_rgb(0x1c, 0x7f, 0xba),
        Color32::from_rgb(0xc2, 0x66, 0x14),
        Color32::from_rgb(0x0c, 0x8b, 0x69),
        Color32::from_rgb(0x94, 0x7d, 0x0a),
    ],
    stalls: [
        Color32::from_rgb(0xe0, 0xa3, 0x94),
        Color32::from_rgb(0xd9, 0xc2, 0x9c),
        Color32::from_rgb(0xc7, 0xab, 0xcb),
        Color32::from_rgb(0xb7, 0xbf, 0xcb),
    ],
    pe_states: [
        Color32::from_rgb(0xea, 0xee, 0xf2),
        Color32::from_rgb(0x93, 0xc4, 0xe6),
        Color32::from_rgb(0x2f, 0xa8, 0x85),
        Color32::from_rgb(0xbc, 0xdd, 0xd2),
        Color32::from_rgb(0xcf, 0xd6, 0xdf),
        Color32::from_rgb(0xcd, 0xdf, 0xa0),
    ],
    diverging: [
        Color32::from_rgb(0x2b, 0x7b, 0xc6),
        Color32::from_rgb(0xee, 0xf1, 0xf4),
        Color32::from_rgb(0xdb, 0x7a, 0x1c),
    ],
    ink: [Color32::from_rgb(0x14, 0x1c, 0x24), Color32::from_rgb(0xff, 0xff, 0xff)],
};

/// The dark theme in the pure colours of Okabe and Ito, whose brightness differs as well as their hue.
const SAFE: Palette = Palette {
    backdrop: Color32::from_rgb(0x0c, 0x0e, 0x12),
    panel: Color32::from_rgb(0x13, 0x16, 0x1c),
    raised: Color32::from_rgb(0x20, 0x25, 0x2e),
    hovered: Color32::from_rgb(0x2c, 0x34, 0x40),
    line: Color32::from_rgb(0x38, 0x40, 0x4c),
    text: Color32::from_rgb(0xf0, 0xf3, 0xf7),
    weak_text: Color32::from_rgb(0xa6, 0xb0, 0xbd),
    accent: Color32::from_rgb(0x56, 0xb4, 0xe9),
    on_accent: Color32::from_rgb(0x08, 0x12, 0x1c),
    error: Color32::from_rgb(0xff, 0x9a, 0x3c),
    units: [
        Color32::from_rgb(0xcc, 0x79, 0xa7),
        Color32::from_rgb(0x56, 0xb4, 0xe9),
        Color32::from_rgb(0xe6, 0x9f, 0x00),
        Color32::from_rgb(0x00, 0x9e, 0x73),
        Color32::from_rgb(0xf0, 0xe4, 0x42),
    ],
    stalls: [
        Color32::from_rgb(0xa6, 0x4b, 0x00),
        Color32::from_rgb(0x8a, 0x6d, 0x3b),
        Color32::from_rgb(0x6f, 0x5a, 0x86),
        Color32::from_rgb(0x66, 0x70, 0x80),
    ],
    pe_states: [
        Color32::from_rgb(0x1b, 0x20, 0x29),
        Color32::from_rgb(0x00, 0x72, 0xb2),
        Color32::from_rgb(0xf0, 0xe4, 0x42),
        Color32::from_rgb(0x7a, 0x58, 0x10),
        Color32::from_rgb(0x3e, 0x47, 0x56),
        Color32::from_rgb(0xcc, 0x79, 0xa7),
    ],
    diverging: [
        Color32::from_rgb(0x56, 0xb4, 0xe9),
        Color32::from_rgb(0x22, 0x28, 0x31),
        Color32::from_rgb(0xe6, 0x9f, 0x00),
    ],
    ink: [Color32::from_rgb(0x08, 0x0c, 0x10), Color32::from_rgb(0xff, 0xff, 0xff)],
};

/// A theme that the user can choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Look {
    /// Light on dark.
    #[default]
    Dark,
    /// Dark on light.
    Light,
    /// Light on dark, in colours that everybody can tell apart.
    Safe,
}

impl Look {
    /// The theme that follows, and the first after the last.
    pub(crate) fn next(self) -> Look {
        match self {
            Look::Dark => Look::Light,
            Look::Light => Look::Safe,
            Look::Safe => Look::Dark,
        }
    }

    fn palette(self) -> &'static Palette {
        match self {
            Look::Dark => &DARK,
            Look::Light => &LIGHT,
            Look::Safe => &SAFE,
        }
    }
}

/// The theme that is in use.
pub(crate) fn look(ctx: &Context) -> Look {
    let fill = ctx.global_style().visuals.panel_fill;
    let looks = [Look::Dark, Look::Light, Look::Safe];
    let used = looks.into_iter().find(|look| look.palette().panel == fill);
    used.unwrap_or_default()
}

/// Changes to a theme.
pub(crate) fn use_look(ctx: &Context, look: Look) {
    let theme = if look == Look::Light { Theme::Light } else { Theme::Dark };
    set_style(ctx, theme, look.palette());
    ctx.set_theme(theme);
}

impl Palette {
    /// The palette of the theme that is in use.
    pub(crate) fn of(visuals: &Visuals) -> &'static Palette {
        if !visuals.dark_mode {
            &LIGHT
        } else if visuals.panel_fill == SAFE.panel {
            &SAFE
        } else {
            &DARK
        }
    }

    /// The colour of an activity in a unit's lane. Busy kinds are shades of the unit's colour; `None` for idle.
    pub(crate) fn activity(&self, unit_idx: usize, id: ActivityId, activities: &[ActivityInfo]) -> Option<Color32> {
        let info = activities.get(usize::from(id.0))?;
        match info.class {
            ActivityClass::Idle => None,
            ActivityClass::Stalled => Some(self.stalls[usize::from(info.shade) % self.stalls.len()]),
            ActivityClass::Busy => Some(self.shade(self.units[unit_idx % N_UNITS], info.shade)),
        }
    }

    /// The fill of what a channel of the DRAM does; none while it rests.
    pub(crate) fn channel_activity(&self, id: ActivityId) -> Option<Color32> {
        match id {
            // As the units that ask for it.
            READ => Some(self.units[1]),
            WRITE => Some(self.units[2]),
            ACTIVATE => Some(self.units[3]),
            PRECHARGE => Some(self.units[0]),
            REFRESH => Some(self.units[4]),
            READS_FULL => Some(self.stalls[0]),
            WRITES_FULL => Some(self.stalls[2]),
            _ => None,
        }
    }

    /// A variation of a colour: itself for 0, then mixed more and more with the panel's background, in three steps.
    fn shade(&self, color: Color32, shade: u8) -> Color32 {
        let share = [0.0, 0.3, 0.55][usize::from(shade) % 3];
        color.lerp_to_gamma(self.panel, share)
    }

    /// The fill of a PE in a state.
    pub(crate) fn pe_state(&self, state: PeState) -> Color32 {
        match state {
            PeState::Idle => self.pe_states[0],
            PeState::Loading => self.pe_states[1],
            PeState::Active => self.pe_states[2],
            PeState::Gated => self.pe_states[3],
            PeState::Passing => self.pe_states[4],
            PeState::Zero => self.pe_states[5],
        }
    }

    /// The colour of a tensor; neighbours in number differ, and after some the colours come again.
    pub(crate) fn tensor(&self, tensor_idx: usize) -> Color32 {
        let color = self.units[tensor_idx % N_UNITS];
        self.shade(color, (tensor_idx / N_UNITS % 3) as u8)
    }

    /// The colour of what bounds a layer: that of the unit, or neutral.
    pub(crate) fn bound(&self, bound: Bound) -> Color32 {
        match bound {
            Bound::Compute => self.units[crate::frame::MX],
            Bound::Bandwidth => self.units[1],
            Bound::Vector => self.units[4],
            Bound::Control => self.stalls[3],
        }
    }

    /// The fill for a value: blue below zero, neutral at zero, orange above, full at `magnitude`.
    pub(crate) fn value(&self, value: i64, magnitude: u64) -> Color32 {
        let share = value.unsigned_abs() as f64 / magnitude.max(1) as f64;
        // The square root lets small values stand out from zero.
        let share = share.min(1.0).sqrt() as f32;
        let end = if value < 0 {
            self.diverging[0]
        } else {
            self.diverging[2]
        };
        self.diverging[1].lerp_to_gamma(end, share)
    }

    /// The colour of a part of a source text, if it is no mnemonic.
    pub(crate) fn token(&self, colour: Colour) -> Color32 {
        match colour {
            Colour::Comment | Colour::ArgumentName => self.weak_text,
            Colour::Mnemonic | Colour::Directive | Colour::Macro => self.accent,
            Colour::Label | Colour::Symbol => self.units[4],
            Colour::Register => self.units[1],
            Colour::Choice | Colour::Text => self.units[3],
            Colour::Number => self.units[2],
        }
    }

    /// The colour of a port's traffic: reads in the colour of who works with it, writes in a lighter one.
    pub(crate) fn port(&self, port_idx: usize) -> Color32 {
        const UNIT_OF_MEMORY: [usize; 3] = [1, 2, 3];
        let color = self.units[UNIT_OF_MEMORY[(port_idx / 2) % UNIT_OF_MEMORY.len()]];
        if port_idx.is_multiple_of(2) {
            color
        } else {
            color.lerp_to_gamma(self.text, 0.5)
        }
    }

    /// The colour of a component of energy.
    pub(crate) fn component(&self, component_idx: usize) -> Color32 {
        // Array, scratchpad, accumulators, DRAM, vector lanes, control; clock and leakage in two greys.
        const UNIT_OF_COMPONENT: [usize; 6] = [3, 2, 3, 1, 4, 0];
        match UNIT_OF_COMPONENT.get(component_idx) {
            Some(&unit_idx) if component_idx == 2 => self.shade(self.units[unit_idx], 2),
            Some(&unit_idx) => self.units[unit_idx],
            None => self
                .weak_text
                .lerp_to_gamma(self.panel, if component_idx == 6 { 0.2 } else { 0.55 }),
        }
    }

    /// A text colour that is readable on a fill.
    pub(crate) fn ink_on(&self, fill: Color32) -> Color32 {
        let [dark, light] = self.ink;
        if contrast(dark, fill) >= contrast(light, fill) {
            dark
        } else {
            light
        }
    }
}

/// The monospace font for numbers and code, in a size relative to the normal one.
pub(crate) fn mono(size: f32) -> FontId {
    FontId::new(size, FontFamily::Monospace)
}

/// Sets fonts, spacing and colours of both themes.
pub(crate) fn apply(ctx: &Context) {
    set_style(ctx, Theme::Dark, &DARK);
    set_style(ctx, Theme::Light, &LIGHT);
}

/// Makes text as large as a page to read beside the other panels needs it, also for those in the last row of a lecture hall.
pub(crate) fn enlarge_for_reading(style: &mut Style) {
    let sizes = [
        (TextStyle::Small, 13.5),
        (TextStyle::Body, 16.5),
        (TextStyle::Button, 15.5),
        (TextStyle::Heading, 23.0),
        (TextStyle::Monospace, 15.0),
    ];
    for (text_style, size) in sizes {
        if let Some(font) = style.text_styles.get_mut(&text_style) {
            font.size = size;
        }
    }
}

fn set_style(ctx: &Context, theme: Theme, palette: &Palette) {
    let mut style = Style {
        visuals: visuals(theme, palette),
        ..Style::default()
    };
    style.text_styles = [
        (TextStyle::Small, FontId::proportional(11.5)),
        (TextStyle::Body, FontId::proportional(13.5)),
        (TextStyle::Button, FontId::proportional(13.5)),
        (TextStyle::Heading, FontId::proportional(19.0)),
        (TextStyle::Monospace, mono(12.5)),
    ]
    .into();
    style.spacing.item_spacing = vec2(GAP, 6.0);
    style.spacing.button_padding = vec2(9.0, 4.0);
    style.spacing.menu_margin = Margin::same(6);
    style.spacing.window_margin = Margin::same(16);
    style.spacing.interact_size = Vec2::new(28.0, 22.0);
    style.spacing.scroll.bar_width = 8.0;
    style.interaction.selectable_labels = false;
    style.interaction.tooltip_delay = 0.25;
    ctx.set_style_of(theme, style);
}

fn visuals(theme: Theme, palette: &Palette) -> Visuals {
    let mut visuals = theme.default_visuals();
    visuals.panel_fill = palette.panel;
    visuals.window_fill = palette.panel;
    visuals.extreme_bg_color = palette.backdrop;
    visuals.text_edit_bg_color = Some(palette.raised);
    visuals.code_bg_color = palette.raised;
    visuals.faint_bg_color = palette.raised.gamma_multiply(0.5);
    visuals.weak_text_color = Some(palette.weak_text);
    visuals.hyperlink_color = palette.accent;
    visuals.error_fg_color = palette.error;
    visuals.window_stroke = Stroke::new(1.0, palette.line);
    visuals.window_corner_radius = CornerRadius::same(8);
    visuals.menu_corner_radius = CornerRadius::same(6);
    visuals.window_shadow = Shadow {
        offset: [0, 8],
        blur: 24,
        spread: 0,
        color: Color32::from_black_alpha(70),
    };
    visuals.popup_shadow = Shadow {
        offset: [0, 4],
        blur: 12,
        spread: 0,
        color: Color32::from_black_alpha(60),
    };
    visuals.selection.bg_fill = palette.accent.gamma_multiply(0.35);
    visuals.selection.stroke = Stroke::new(1.0, palette.accent);
    let radius = CornerRadius::same(RADIUS);
    let widgets = &mut visuals.widgets;
    let states = [
        (&mut widgets.noninteractive, palette.panel, palette.line),
        (&mut widgets.inactive, palette.raised, Color32::TRANSPARENT),
        (&mut widgets.hovered, palette.hovered, Color32::TRANSPARENT),
        (&mut widgets.active, palette.hovered, palette.accent),
        (&mut widgets.open, palette.hovered, Color32::TRANSPARENT),
    ];
    for (state, fill, outline) in states {
        state.bg_fill = fill;
        state.weak_bg_fill = fill;
        state.bg_stroke = Stroke::new(1.0, outline);
        state.fg_stroke = Stroke::new(1.0, palette.text);
        state.corner_radius = radius;
        state.expansion = 0.0;
    }
    visuals
}

fn luminance(color: Color32) -> f32 {
    let linear = egui::Rgba::from(color);
    0.2126 * linear.r() + 0.7152 * linear.g() + 0.0722 * linear.b()
}

/// The contrast ratio of two colours, from 1 to 21.
fn contrast(a: Color32, b: Color32) -> f32 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_readable_in_every_theme() {
        for palette in [&DARK, &LIGHT, &SAFE] {
            for (text, fill) in [
                (palette.text, palette.panel),
                (palette.text, palette.raised),
                (palette.weak_text, palette.panel),
                (palette.error, palette.panel),
                (palette.on_accent, palette.accent),
            ] {
                assert!(
                    contrast(text, fill) >= 4.5,
                    "{text:?} on {fill:?}: {}",
                    contrast(text, fill)
                );
            }
            for fill in palette.units.iter().chain(&palette.pe_states).chain(&palette.diverging) {
                let ink = palette.ink_on(*fill);
                assert!(
                    contrast(ink, *fill) >= 4.0,
                    "{ink:?} on {fill:?}: {}",
                    contrast(ink, *fill)
                );
            }
        }
    }
}

//! The machines that are shipped, as RON texts with comments.

use super::MachineDescription;

/// A shipped machine description.
struct Preset {
    name: &'static str,
    text: &'static str,
}

const PRESETS: &[Preset] = &[
    Preset {
        name: "tiny4x4",
        text: include_str!("presets/tiny4x4.ron"),
    },
    Preset {
        name: "edge16x16",
        text: include_str!("presets/edge16x16.ron"),
    },
    Preset {
        name: "mid32x32",
        text: include_str!("presets/mid32x32.ron"),
    },
    Preset {
        name: "big128x128",
        text: include_str!("presets/big128x128.ron"),
    },
    Preset {
        name: "tpu_v1",
        text: include_str!("presets/tpu_v1.ron"),
    },
    Preset {
        name: "stonne16x16",
        text: include_str!("presets/stonne16x16.ron"),
    },
];

/// Names of the shipped machines.
pub fn preset_names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|preset| preset.name)
}

/// The RON text of a shipped machine, with its comments.
pub fn preset_text(name: &str) -> Option<&'static str> {
    PRESETS
        .iter()
        .find(|preset| preset.name == name)
        .map(|preset| preset.text)
}

/// A shipped machine.
pub fn preset(name: &str) -> Option<MachineDescription> {
    let text = preset_text(name)?;
    Some(MachineDescription::from_ron(text, name).expect("shipped machine descriptions are tested to be valid"))
}

//! The machine that the user makes up: a RON text, what it describes or everything that is wrong with it, and the fields of
//! the form, which are another way to write the same text.

use std::ops::RangeInclusive;
use systole_isa::dram::DramStandard;
use systole_isa::energy::Node;
use systole_isa::machine::{MAX_SIDE, Overlap, preset_names, preset_text};
use systole_isa::{Diagnostic, MachineDescription};

/// A description that is being written.
#[derive(Clone, Debug, Default)]
pub(crate) struct MachineDraft {
    text: String,
    description: Option<MachineDescription>,
    problems: Vec<Diagnostic>,
}

impl MachineDraft {
    /// A draft from the text of a description.
    pub(crate) fn new(text: String) -> Self {
        let (description, problems) = match MachineDescription::from_ron(&text, "machine") {
            Ok(description) => (Some(description), Vec::new()),
            Err(problems) => (None, problems),
        };
        Self {
            text,
            description,
            problems,
        }
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What the text describes; `None` while something is wrong with it.
    pub(crate) fn description(&self) -> Option<&MachineDescription> {
        self.description.as_ref()
    }

    /// Everything that is wrong with the text.
    pub(crate) fn problems(&self) -> &[Diagnostic] {
        &self.problems
    }

    /// The text with a change of the description, values outside of what a machine may have included.
    pub(crate) fn with(&self, change: impl FnOnce(&mut MachineDescription)) -> Option<String> {
        let mut description = self.description.clone()?;
        change(&mut description);
        Some(description.to_ron())
    }
}

/// Names and texts of the machines that are shipped.
pub(crate) fn shipped() -> impl Iterator<Item = (&'static str, &'static str)> {
    preset_names().filter_map(|name| Some((name, preset_text(name)?)))
}

/// A number of the description.
pub(crate) struct Field {
    /// Its name in the form.
    pub(crate) label: &'static str,
    /// What it counts.
    pub(crate) unit: &'static str,
    /// What it means.
    pub(crate) help: &'static str,
    /// Values that the form offers.
    pub(crate) range: RangeInclusive<u32>,
    /// Where it stands.
    pub(crate) place: fn(&mut MachineDescription) -> &mut u32,
}

/// The numbers of the form. What is not among them can be changed in the text.
pub(crate) const FIELDS: [Field; 10] = [
    Field {
        label: "Rows",
        unit: "PEs",
        help: "Rows of the array: the depth of a weight tile",
        range: 1..=MAX_SIDE,
        place: |machine| &mut machine.rows,
    },
    Field {
        label: "Columns",
        unit: "PEs",
        help: "Columns of the array: the output channels of a weight tile",
        range: 1..=MAX_SIDE,
        place: |machine| &mut machine.cols,
    },
    Field {
        label: "Clock",
        unit: "MHz",
        help: "Core clock; DRAM keeps its own",
        range: 1..=10_000,
        place: |machine| &mut machine.clock_mhz,
    },
    Field {
        label: "Queue depth",
        unit: "instructions",
        help: "Instructions that wait in front of each unit",
        range: 1..=1024,
        place: |machine| &mut machine.queue_depth,
    },
    Field {
        label: "Scratchpad",
        unit: "KiB",
        help: "Memory on the chip that operands are streamed from",
        range: 1..=1 << 20,
        place: |machine| &mut machine.spm.capacity_kib,
    },
    Field {
        label: "Accumulators",
        unit: "KiB",
        help: "Memory for partial sums, 32 bits each",
        range: 1..=1 << 20,
        place: |machine| &mut machine.acc.capacity_kib,
    },
    Field {
        label: "Vector lanes",
        unit: "lanes",
        help: "Elements that the vector unit processes per cycle",
        range: 1..=4096,
        place: |machine| &mut machine.vector.n_lanes,
    },
    Field {
        label: "DRAM channels",
        unit: "channels",
        help: "Independent channels, a power of two",
        range: 1..=64,
        place: |machine| &mut machine.dram.n_channels,
    },
    Field {
        label: "DRAM capacity",
        unit: "MiB",
        help: "Capacity over all channels",
        range: 1..=1 << 20,
        place: |machine| &mut machine.dram.capacity_mib,
    },
    Field {
        label: "Bursts under way",
        unit: "bursts",
        help: "Bursts that one DMA unit may wait for at a time",
        range: 1..=1024,
        place: |machine| &mut machine.dram.max_outstanding,
    },
];

/// A field with a few named values.
pub(crate) struct Choice {
    /// Its name in the form.
    pub(crate) label: &'static str,
    /// Names of the values.
    pub(crate) names: fn() -> Vec<String>,
    /// Position of the present value.
    pub(crate) get: fn(&MachineDescription) -> usize,
    /// Sets the value at a position of `names`.
    pub(crate) set: fn(&mut MachineDescription, usize),
}

/// The named choices of the form.
pub(crate) const CHOICES: [Choice; 3] = [
    Choice {
        label: "Overlap",
        names: || ["none", "full"].map(str::to_owned).to_vec(),
        get: |machine| usize::from(machine.overlap == Overlap::Full),
        set: |machine, idx| machine.overlap = [Overlap::None, Overlap::Full][idx],
    },
    Choice {
        label: "DRAM",
        names: || DramStandard::ALL.iter().map(ToString::to_string).collect(),
        get: |machine| position(DramStandard::ALL, machine.dram.standard),
        set: |machine, idx| machine.dram.standard = DramStandard::ALL[idx],
    },
    Choice {
        label: "Node",
        names: || Node::ALL.iter().map(ToString::to_string).collect(),
        get: |machine| position(Node::ALL, machine.node),
        set: |machine, idx| machine.node = Node::ALL[idx],
    },
];

fn position<T: PartialEq + Copy>(all: &[T], value: T) -> usize {
    all.iter().position(|&other| other == value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_the_form_is_a_change_of_the_text_and_of_nothing_else() {
        for (name, text) in shipped() {
            let draft = MachineDraft::new(text.to_owned());
            let before = draft.description().expect("shipped machines are valid").clone();
            for field in &FIELDS {
                let changed = draft
                    .with(|machine| *(field.place)(machine) = 2)
                    .expect("the draft is valid");
                let mut expected = before.clone();
                *(field.place)(&mut expected) = 2;
                let after = MachineDraft::new(changed);
                if let Some(after) = after.description() {
                    assert_eq!(*after, expected, "{} of {name}", field.label);
                } else {
                    assert!(!after.problems().is_empty(), "{} of {name}", field.label);
                }
            }
            for choice in &CHOICES {
                for idx in 0..(choice.names)().len() {
                    let mut changed = before.clone();
                    (choice.set)(&mut changed, idx);
                    assert_eq!((choice.get)(&changed), idx, "{} of {name}", choice.label);
                }
            }
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let (_, text) = shipped().next().expect("machines are shipped");
        let draft = MachineDraft::new(text.to_owned());
        let text = draft
            .with(|machine| (machine.rows, machine.cols) = (0, 5000))
            .expect("the draft is valid");
        let draft = MachineDraft::new(text);
        assert!(draft.description().is_none());
        assert_eq!(draft.problems().len(), 2, "{:?}", draft.problems());
        assert!(!MachineDraft::new("(rows: 4".to_owned()).problems().is_empty());
    }
}

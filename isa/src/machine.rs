//! Machine descriptions: everything about a machine that a user may vary, in RON.

mod presets;

pub use presets::{preset, preset_names, preset_text};

use crate::diagnostic::{CodeInfo, Diagnostic, Place, code_list};
use crate::dram::{DramStandard, MAX_RANKS, Mapping, PagePolicy};
use crate::energy::{Node, OperatingPoint, sram};
use crate::hash::stable_hash;
use crate::latency::banks::SpmBanks;
use crate::throughput::{FormatPair, Rate, SparsityFeatures, Throughput};
use serde::{Deserialize, Serialize};

/// How far the array overlaps the phases of consecutive tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// Weight load, stream and drain of a tile all end before the next tile starts.
    None,
    /// The next tile's weights load while this one streams, and streams follow each other without waiting for the drain.
    Full,
}

/// An on-chip memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sram {
    /// Capacity in KiB.
    pub capacity_kib: u32,
    /// Bits of one access, by which its energy per bit falls; 64 if left out. It limits no bandwidth.
    #[serde(default = "access_bits")]
    pub access_bits: u32,
}

fn access_bits() -> u32 {
    64
}

impl Sram {
    /// Capacity in bytes.
    pub fn capacity_bytes(&self) -> u64 {
        u64::from(self.capacity_kib) * 1024
    }
}

/// The vector unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorUnit {
    /// Elements that it processes per cycle.
    pub n_lanes: u32,
    /// Whether it performs the operations with a window: `vx.maxpool`, `vx.avgpool` and `vx.dwconv`.
    #[serde(default = "yes")]
    pub pooling: bool,
}

fn yes() -> bool {
    true
}

/// The off-chip memory and the way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DramSystem {
    /// Standard and speed grade.
    pub standard: DramStandard,
    /// Independent channels.
    pub n_channels: u32,
    /// Ranks that share each channel.
    #[serde(default = "one")]
    pub n_ranks: u32,
    /// Capacity in MiB, over all channels.
    pub capacity_mib: u32,
    /// Bursts that one DMA unit may have under way.
    pub max_outstanding: u32,
    /// Instructions that one DMA unit may have under way: the bursts of one follow those of the one before it, whose data may still be
    /// on their way.
    #[serde(default = "four")]
    pub max_transfers: u32,
    /// Which address bits choose channel, rank, bank group, bank, row and column.
    #[serde(default)]
    pub mapping: Mapping,
    /// What happens to rows that no waiting request wants.
    #[serde(default = "open_pages")]
    pub page_policy: PagePolicy,
}

fn one() -> u32 {
    1
}

fn four() -> u32 {
    4
}

fn open_pages() -> PagePolicy {
    PagePolicy::Open
}

impl DramSystem {
    /// Bytes that the devices hold, over all channels and ranks.
    pub fn device_bytes(&self) -> u64 {
        self.standard.organization().rank_bytes() * u64::from(self.n_channels) * u64::from(self.n_ranks)
    }
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineDescription {
    /// Name for reports.
    pub name: String,
    /// Rows of the PE array: the reduction dimension of a weight tile.
    pub rows: u32,
    /// Columns of the PE array: the output channels of a weight tile.
    pub cols: u32,
    /// Overlap of tiles.
    pub overlap: Overlap,
    /// Registers between the last PE of a column and the accumulators; each delays every sum by a cycle. None if left out.
    #[serde(default)]
    pub exit_stages: u32,
    /// Core clock in MHz.
    pub clock_mhz: u32,
    /// Instructions that each unit's queue holds.
    pub queue_depth: u32,
    /// Scratchpad.
    pub spm: Sram,
    /// Banks of the scratchpad; if left out it has as many ports as anyone asks for and never limits.
    #[serde(default)]
    pub spm_banks: Option<SpmBanks>,
    /// Accumulators, 32 bits each.
    pub acc: Sram,
    /// Vector unit.
    pub vector: VectorUnit,
    /// Off-chip memory.
    pub dram: DramSystem,
    /// Technology node, which chooses the energy table.
    pub node: Node,
    /// Voltage and transistors; nominal and low-standby-power if left out.
    #[serde(default)]
    pub power: OperatingPoint,
    /// Throughput of a PE by operand widths; as a bit-brick PE if left out.
    #[serde(default)]
    pub throughput: Throughput,
    /// Mechanisms for sparse operands; all of them if left out.
    #[serde(default)]
    pub sparsity: SparsityFeatures,
}

/// Codes of what can be wrong with a description.
pub const CODES: &[CodeInfo] = &code_list([
    (
        "H0001",
        "not a machine description",
        "A machine description is RON text with the fields of a shipped one. `systole machine show edge16x16` prints one to start from; an unknown or missing field is named with its place.",
    ),
    (
        "H0002",
        "value out of range",
        "Every field has a range in which the models of time and energy hold. All fields that are out of range are listed at once.",
    ),
    (
        "H0003",
        "number of channels or ranks is no power of two",
        "Channel and rank are bit fields of the address; so there are 1, 2, 4, ... channels, and 1, 2 or 4 ranks.",
    ),
    (
        "H0004",
        "machine without a name",
        "Reports, and programs that are bound to a machine, name it.",
    ),
    (
        "H0005",
        "throughput is no power of two",
        "`throughput` says how many multiply-accumulates a PE performs per cycle for each pair of operand widths (`w4: (a8: 2, ...)` for 4-bit weights and 8-bit activations). Operands that share a PE are neighbours along K, and wider ones enter in passes of equal length, so a rate is 1/16, 1/8, ..., 1/2, 1, 2, ... or 64.",
    ),
    (
        "H0010",
        "voltage outside the model",
        "Dynamic energy follows the square of the voltage between 60 and 130 % of the node's nominal one (docs/energy.md). Below, transistors switch near their threshold; above, they do not last.",
    ),
    (
        "H0011",
        "access width that is no power of two",
        "`access_bits` of a memory is 32, 64, 128 or 256: a row of its cells is cut into equal words.",
    ),
    (
        "H0012",
        "banks that cannot be",
        "`spm_banks: (n_banks: 16, word_bytes: 16, ports: 2)` divides the scratchpad into banks of words: neighbouring words lie in neighbouring banks, and each bank serves so many words per cycle. Banks and bytes of a word are powers of two. docs/timing.md says what a conflict costs.",
    ),
    (
        "H0006",
        "capacity beyond the devices",
        "A standard fixes the size of a rank; channels times ranks times that size is what the machine can hold at most. docs/dram.md lists the sizes.",
    ),
]);

/// Largest number of rows or columns, which keeps every cycle formula far from overflow.
pub const MAX_SIDE: u32 = 1024;

impl MachineDescription {
    /// Reads and checks a description.
    ///
    /// # Errors
    /// The place of a syntax error, or every reason why the values make no machine, at once.
    pub fn from_ron(text: &str, file: &str) -> Result<Self, Vec<Diagnostic>> {
        // An optional value is written as it is, without `Some`.
        let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
        let description: Self = options.from_str(text).map_err(|error| {
            let position = error.span.start;
            let (line, column) = (position.line as u32, position.col as u32);
            let line_text = text
                .lines()
                .nth(position.line.saturating_sub(1))
                .unwrap_or("")
                .to_owned();
            let place = Place {
                file: file.to_owned(),
                line,
                column,
                length: 1,
                text: line_text,
            };
            vec![
                Diagnostic::error("H0001", format!("this is no machine description: {}", error.code))
                    .at(place)
                    .help("`systole machine show edge16x16` prints a complete one to start from"),
            ]
        })?;
        let problems = description.problems();
        if problems.is_empty() {
            Ok(description)
        } else {
            Err(problems)
        }
    }

    /// The description as RON.
    pub fn to_ron(&self) -> String {
        ron::ser::to_string_pretty(self, ron::ser::PrettyConfig::default().depth_limit(2))
            .expect("plain data of known types serializes")
    }

    /// Every reason why the values make no machine; empty if they do.
    pub fn problems(&self) -> Vec<Diagnostic> {
        let range = |name: &str, value: u32, lo: u32, hi: u32, why: &str| {
            (value < lo || value > hi).then(|| {
                Diagnostic::error("H0002", format!("`{name}` is {value}, which is outside {lo}..={hi}"))
                    .because(why.to_owned())
                    .help(format!("choose `{name}` between {lo} and {hi}"))
            })
        };
        let mut problems: Vec<Diagnostic> = [
            range(
                "rows",
                self.rows,
                1,
                MAX_SIDE,
                "an array has at least one PE, and the dashboard draws at most 1024 a side",
            ),
            range(
                "cols",
                self.cols,
                1,
                MAX_SIDE,
                "an array has at least one PE, and the dashboard draws at most 1024 a side",
            ),
            range(
                "exit_stages",
                self.exit_stages,
                0,
                1024,
                "sums reach the accumulators some cycles after they leave the array",
            ),
            range(
                "clock_mhz",
                self.clock_mhz,
                1,
                10_000,
                "the clock converts DRAM time into core cycles",
            ),
            range(
                "queue_depth",
                self.queue_depth,
                1,
                1024,
                "each unit needs room for the instruction that it runs next",
            ),
            range(
                "spm.capacity_kib",
                self.spm.capacity_kib,
                1,
                1 << 20,
                "operands are streamed from the scratchpad",
            ),
            range(
                "acc.capacity_kib",
                self.acc.capacity_kib,
                1,
                1 << 20,
                "results of the array go to the accumulators",
            ),
            range(
                "vector.n_lanes",
                self.vector.n_lanes,
                1,
                4096,
                "results are requantized by the vector unit",
            ),
            range(
                "dram.n_channels",
                self.dram.n_channels,
                1,
                64,
                "programs and tensors live in DRAM",
            ),
            range(
                "dram.n_ranks",
                self.dram.n_ranks,
                1,
                MAX_RANKS,
                "the ranks of a channel share its buses",
            ),
            range(
                "dram.capacity_mib",
                self.dram.capacity_mib,
                1,
                1 << 20,
                "programs and tensors live in DRAM",
            ),
            range(
                "dram.max_outstanding",
                self.dram.max_outstanding,
                1,
                1024,
                "a DMA unit needs room for one burst",
            ),
            range(
                "dram.max_transfers",
                self.dram.max_transfers,
                1,
                64,
                "a DMA unit works on one instruction at least, and the DRAM counts for 64 of each unit apart",
            ),
        ]
        .into_iter()
        .flatten()
        .collect();
        for (name, value) in [
            ("dram.n_channels", self.dram.n_channels),
            ("dram.n_ranks", self.dram.n_ranks),
        ] {
            if !value.is_power_of_two() {
                problems.push(
                    Diagnostic::error("H0003", format!("`{name}` is {value}, which is no power of two"))
                        .because("channel and rank are bit fields of the address")
                        .help(format!(
                            "choose {} or {}",
                            (value.next_power_of_two() / 2).max(1),
                            value.next_power_of_two()
                        )),
                );
            }
        }
        if problems.is_empty() && u64::from(self.dram.capacity_mib) << 20 > self.dram.device_bytes() {
            problems.push(
                Diagnostic::error(
                    "H0006",
                    format!(
                        "`dram.capacity_mib` is {}, more than the devices hold",
                        self.dram.capacity_mib
                    ),
                )
                .because(format!(
                    "{} channels with {} ranks of {} hold {} MiB",
                    self.dram.n_channels,
                    self.dram.n_ranks,
                    self.dram.standard,
                    self.dram.device_bytes() >> 20
                ))
                .help("lower the capacity, or give the machine more channels or ranks"),
            );
        }
        problems.extend(self.power.problem(self.node));
        problems.extend(self.spm_banks.iter().flat_map(SpmBanks::problems));
        for (name, memory) in [("spm", &self.spm), ("acc", &self.acc)] {
            if !memory.access_bits.is_power_of_two() || !sram::ACCESS_BITS.contains(&memory.access_bits) {
                let message = format!("`{name}.access_bits` is {}", memory.access_bits);
                problems.push(
                    Diagnostic::error("H0011", message)
                        .because("the energy of a memory is known for words of 32, 64, 128 and 256 bits")
                        .help("choose 32, 64, 128 or 256, or leave it out"),
                );
            }
        }
        for (weights, activations) in self.throughput.invalid() {
            problems.push(
                Diagnostic::error(
                    "H0005",
                    format!("`throughput.w{weights}.a{activations}` is no power of two from 1/16 to 64"),
                )
                .because("operands share a PE in equal parts, or enter it in passes of equal length")
                .help("choose 0.0625, 0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32 or 64"),
            );
        }
        if self.name.trim().is_empty() {
            problems.push(
                Diagnostic::error("H0004", "`name` is empty")
                    .because("reports and program files refer to a machine by name"),
            );
        }
        problems
    }

    /// Hash of every field but the name and the operating point, on which no program depends: programs carry it, so that they are not
    /// run on another machine by mistake.
    pub fn hash(&self) -> u64 {
        let nameless = Self {
            name: String::new(),
            power: OperatingPoint::default(),
            ..self.clone()
        };
        stable_hash(
            ron::to_string(&nameless)
                .expect("plain data of known types serializes")
                .as_bytes(),
        )
    }

    /// The fields in which two descriptions differ, as `field: here, there`.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let (mine, theirs) = (self.to_ron(), other.to_ron());
        mine.lines()
            .zip(theirs.lines())
            .filter(|(a, b)| a != b)
            .map(|(a, b)| format!("{} here, {} there", a.trim(), b.trim()))
            .collect()
    }

    /// Multiply-accumulates per cycle with every PE busy, at one per PE.
    pub fn peak_macs_per_cycle(&self) -> u64 {
        u64::from(self.rows) * u64::from(self.cols)
    }

    /// Multiply-accumulates of one PE per cycle for a pair of operand formats.
    pub fn rate(&self, pair: FormatPair) -> Rate {
        self.throughput.of(pair.weights.bits(), pair.activations.bits())
    }

    /// Peak DRAM bandwidth in bytes per core cycle, all channels together.
    pub fn peak_dram_bytes_per_cycle(&self) -> f64 {
        let per_second = self.dram.standard.peak_bytes_per_second() * f64::from(self.dram.n_channels);
        per_second / (f64::from(self.clock_mhz) * 1e6)
    }

    /// Length of a core cycle in picoseconds.
    pub fn clock_ps(&self) -> f64 {
        1e6 / f64::from(self.clock_mhz)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_machines_are_valid_and_named_as_their_preset() {
        for name in preset_names() {
            assert_eq!(preset(name).unwrap().name, name);
        }
    }

    #[test]
    fn all_reasons_come_at_once() {
        let mut description = preset("edge16x16").unwrap();
        (description.rows, description.clock_mhz, description.dram.n_channels) = (0, 0, 3);
        let problems = MachineDescription::from_ron(&description.to_ron(), "m.ron").unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    #[test]
    fn voltage_and_width_may_be_left_out_and_are_checked() {
        let text = preset_text("tiny4x4")
            .unwrap()
            .replace("(capacity_kib: 32)", "(capacity_kib: 32, access_bits: 128)");
        let with = |fields: &str| {
            let text = text.trim_end().strip_suffix(')').unwrap().to_owned() + fields + ")";
            MachineDescription::from_ron(&text, "m.ron")
        };
        let plain = with("").unwrap();
        assert_eq!(
            (plain.spm.access_bits, plain.acc.access_bits, plain.power),
            (128, 64, OperatingPoint::default())
        );
        let fast = with("power: (voltage_mv: 1000, transistors: \"high_performance\"),").unwrap();
        assert_eq!(fast.power.voltage_mv, Some(1000));
        assert_eq!(fast.hash(), plain.hash(), "no program depends on the voltage");
        assert_eq!(MachineDescription::from_ron(&fast.to_ron(), "m.ron").unwrap(), fast);
        let problems = with("power: (voltage_mv: 5000),").unwrap_err();
        assert_eq!(problems[0].code, "H0010");
        let odd = MachineDescription::from_ron(&text.replace("128", "100"), "m.ron").unwrap_err();
        assert_eq!(odd[0].code, "H0011");
    }

    #[test]
    fn a_throughput_or_a_feature_may_be_left_out_and_a_rate_is_a_power_of_two() {
        let short = preset_text("tiny4x4").unwrap();
        let with = |fields: &str| {
            let text = short.trim_end().strip_suffix(')').unwrap().to_owned() + fields + ")";
            MachineDescription::from_ron(&text, "m.ron")
        };
        let machine = with("sparsity: (n_m: false),").unwrap();
        assert!(machine.sparsity.skip && !machine.sparsity.n_m);
        assert_eq!(machine.throughput, Throughput::default());
        let shown = machine.to_ron();
        assert!(
            shown.contains("w4: (a1: 8.0, a2: 8.0, a4: 4.0, a8: 2.0, a16: 1.0),"),
            "{shown}"
        );
        let wrong = shown.replace("a4: 4.0, a8: 2.0, a16: 1.0", "a4: 3, a8: 0.3, a16: 128");
        let problems = MachineDescription::from_ron(&wrong, "m.ron").unwrap_err();
        assert_eq!(problems.iter().map(|p| p.code).collect::<Vec<_>>(), ["H0005"; 3]);
        assert!(problems[1].message.contains("throughput.w4.a8"));
    }

    #[test]
    fn a_syntax_error_has_a_place_and_an_unknown_field_is_refused() {
        let problems = MachineDescription::from_ron("(name: \"x\",\n rows: oops)", "m.ron").unwrap_err();
        assert_eq!(problems[0].place.as_ref().unwrap().line, 2);
        let typo = preset_text("tiny4x4").unwrap().replace("rows:", "rwos:");
        assert!(
            MachineDescription::from_ron(&typo, "m.ron").unwrap_err()[0]
                .message
                .contains("rwos")
        );
    }

    #[test]
    fn a_description_survives_a_round_trip_and_its_hash_ignores_the_name() {
        let description = preset("big128x128").unwrap();
        let mut again = MachineDescription::from_ron(&description.to_ron(), "m.ron").unwrap();
        assert_eq!(again, description);
        again.name = "other".into();
        assert_eq!(again.hash(), description.hash());
        again.rows = 64;
        assert_ne!(again.hash(), description.hash());
        assert_eq!(
            again.differences(&description),
            [
                "name: \"other\", here, name: \"big128x128\", there",
                "rows: 64, here, rows: 128, there"
            ]
        );
    }
}

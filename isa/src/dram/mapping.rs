//! Address mappings: which bits of an address choose channel, rank, bank group, bank, row and column.

use super::DramOrganization;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A part of a DRAM address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// Row of a bank.
    Row = 0,
    /// Channel.
    Channel = 1,
    /// Rank of a channel.
    Rank = 2,
    /// Bank of a bank group.
    Bank = 3,
    /// Bank group of a rank.
    BankGroup = 4,
    /// Burst of a row.
    Column = 5,
}

const N_FIELDS: usize = 6;

impl Field {
    /// Every field.
    pub const ALL: [Self; N_FIELDS] = [
        Self::Row,
        Self::Channel,
        Self::Rank,
        Self::Bank,
        Self::BankGroup,
        Self::Column,
    ];

    /// Its two letters in the name of a mapping.
    pub const fn letters(self) -> &'static str {
        match self {
            Self::Row => "ro",
            Self::Channel => "ch",
            Self::Rank => "ra",
            Self::Bank => "ba",
            Self::BankGroup => "bg",
            Self::Column => "co",
        }
    }
}

/// An order of the fields from the most to the least significant, written as their letters: `rochrababgco`. Every order is a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mapping([Field; N_FIELDS]);

impl Mapping {
    /// Consecutive bursts go to consecutive channels, then bank groups, then columns: what streams best, because only one bank of each group
    /// changes its row at a time, and the next ones are known in time to open theirs.
    pub const STREAMING: Self = Self([
        Field::Row,
        Field::Rank,
        Field::Bank,
        Field::Column,
        Field::BankGroup,
        Field::Channel,
    ]);

    /// The fields from the most to the least significant.
    pub const fn fields(&self) -> &[Field; N_FIELDS] {
        &self.0
    }
}

impl Default for Mapping {
    fn default() -> Self {
        Self::STREAMING
    }
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|field| f.write_str(field.letters()))
    }
}

impl std::str::FromStr for Mapping {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{name}` is no mapping: write each of ro, ch, ra, ba, bg and co once, the most significant first, as in rochrababgco"
            )
        };
        let mut fields = Vec::new();
        for at in (0..name.len()).step_by(2) {
            let letters = name.get(at..at + 2).ok_or_else(wrong)?;
            let field = Field::ALL.into_iter().find(|field| field.letters() == letters);
            fields.push(field.filter(|field| !fields.contains(field)).ok_or_else(wrong)?);
        }
        Ok(Self(fields.try_into().map_err(|_| wrong())?))
    }
}

impl TryFrom<String> for Mapping {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl From<Mapping> for String {
    fn from(mapping: Mapping) -> String {
        mapping.to_string()
    }
}

/// Where a burst lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// Channel.
    pub channel: u32,
    /// Bank within the channel: ranks one after the other, in them bank groups, in them banks.
    pub bank: u32,
    /// Row of the bank.
    pub row: u32,
    /// Burst of the row.
    pub column: u32,
}

/// A mapping for the sizes of one DRAM: the position and width of each field. Addresses beyond its capacity wrap around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressMap {
    /// Lowest bit and mask by [`Field`], above the bits within a burst.
    fields: [(u32, u64); N_FIELDS],
    burst_shift: u32,
    banks_shift: u32,
    groups_shift: u32,
}

impl AddressMap {
    /// The map of a DRAM with these numbers of channels and ranks, which are powers of two.
    pub fn new(mapping: Mapping, organization: &DramOrganization, n_channels: u64, n_ranks: u64) -> Self {
        let size = |field: Field| match field {
            Field::Row => organization.n_rows,
            Field::Channel => n_channels,
            Field::Rank => n_ranks,
            Field::Bank => organization.n_banks_per_group,
            Field::BankGroup => organization.n_bank_groups,
            Field::Column => organization.n_columns(),
        };
        let mut fields = [(0, 0); N_FIELDS];
        let mut low = 0;
        for &field in mapping.0.iter().rev() {
            fields[field as usize] = (low, size(field) - 1);
            low += size(field).trailing_zeros();
        }
        Self {
            fields,
            burst_shift: organization.burst_bytes.trailing_zeros(),
            banks_shift: organization.n_banks_per_group.trailing_zeros(),
            groups_shift: organization.n_bank_groups.trailing_zeros(),
        }
    }

    /// Lowest and highest address bit of a field; `None` where it has a single value.
    pub fn bits(&self, field: Field) -> Option<(u32, u32)> {
        let (low, mask) = self.fields[field as usize];
        let first = low + self.burst_shift;
        (mask > 0).then(|| (first, first + mask.count_ones() - 1))
    }

    /// Where the burst with this byte address lies.
    pub fn locate(&self, address: u64) -> Location {
        let burst = address >> self.burst_shift;
        let take = |field: Field| {
            let (low, mask) = self.fields[field as usize];
            ((burst >> low) & mask) as u32
        };
        let group = (take(Field::Rank) << self.groups_shift) | take(Field::BankGroup);
        Location {
            channel: take(Field::Channel),
            bank: (group << self.banks_shift) | take(Field::Bank),
            row: take(Field::Row),
            column: take(Field::Column),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dram::DramStandard;

    #[test]
    fn names_are_orders_of_the_fields() {
        for name in ["rochrababgco", "rochracobabg", "rorabacobgch", "rorabgbachco"] {
            assert_eq!(name.parse::<Mapping>().unwrap().to_string(), name);
        }
        assert_eq!(Mapping::default().to_string(), "rorabacobgch");
        for wrong in [
            "",
            "ro",
            "rochrababgcoco",
            "rochrababgc",
            "rorochrababg",
            "rochrababgxx",
            "röchrababgco",
        ] {
            assert!(wrong.parse::<Mapping>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_fields_are_where_the_traces_definition_says() {
        let ddr4 = DramStandard::Ddr4_2400.organization();
        let bits = |name: &str| {
            let map = AddressMap::new(name.parse().unwrap(), &ddr4, 1, 1);
            [Field::Column, Field::BankGroup, Field::Bank, Field::Row].map(|field| map.bits(field).unwrap())
        };
        // Bits of the 64-byte line, plus 6.
        assert_eq!(bits("rochrababgco"), [(6, 12), (13, 14), (15, 16), (17, 32)]);
        assert_eq!(bits("rochracobabg"), [(10, 16), (6, 7), (8, 9), (17, 32)]);
    }

    #[test]
    fn every_burst_of_a_small_window_has_a_place_of_its_own() {
        let organization = DramStandard::Lpddr5_6400.organization();
        let map = AddressMap::new("corochrabgba".parse().unwrap(), &organization, 2, 2);
        let mut seen = std::collections::BTreeSet::new();
        for burst in 0..4096u64 {
            let at = map.locate(burst * organization.burst_bytes);
            assert!(seen.insert((at.channel, at.bank, at.row, at.column)));
            assert!(at.channel < 2 && u64::from(at.bank) < 2 * organization.n_banks());
        }
    }
}

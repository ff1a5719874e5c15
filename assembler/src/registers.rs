//! Names with an index: registers, descriptors and tokens.

use systole_isa::operand::{N_DESCRIPTORS, N_REGISTERS, N_TOKENS};

/// A family of names that consist of a letter and an index.
pub(crate) struct Family {
    pub(crate) letter: char,
    pub(crate) name: &'static str,
    pub(crate) count: usize,
}

/// `r0` to `r31`.
pub(crate) const REGISTERS: Family = Family {
    letter: 'r',
    name: "register",
    count: N_REGISTERS,
};
/// `d0` to `d31`.
pub(crate) const DESCRIPTORS: Family = Family {
    letter: 'd',
    name: "descriptor",
    count: N_DESCRIPTORS,
};
/// `t0` to `t15`.
pub(crate) const TOKENS: Family = Family {
    letter: 't',
    name: "token",
    count: N_TOKENS,
};

impl Family {
    /// Whether a name has this family's form, whether or not there is such an index.
    pub(crate) fn claims(&self, name: &str) -> bool {
        let digits = name.strip_prefix(self.letter);
        digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
    }

    /// The index of a name of this family; `None` if the index is too large or has leading zeros.
    pub(crate) fn index(&self, name: &str) -> Option<u8> {
        let digits = name.strip_prefix(self.letter)?;
        let index: u8 = digits.parse().ok()?;
        (usize::from(index) < self.count && digits == index.to_string()).then_some(index)
    }

    /// First and last name.
    pub(crate) fn range(&self) -> String {
        format!("`{0}0` to `{0}{1}`", self.letter, self.count - 1)
    }
}

/// What a name that nothing else may have stands for.
pub(crate) fn kind_of(name: &str) -> Option<&'static str> {
    let families = [REGISTERS, DESCRIPTORS, TOKENS];
    families
        .iter()
        .find(|family| family.claims(name))
        .map(|family| family.name)
}

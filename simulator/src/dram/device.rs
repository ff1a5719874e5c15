//! The devices of one channel: which rows are open, and from which clock on each command may go to each bank.
//!
//! [`DeviceState::earliest`] reads, [`DeviceState::commit`] changes; both only apply the constraint rows of the standard. Which command is worth
//! sending is not known here.

use systole_isa::dram::{Command, DramOrganization, DramTiming, Scope};

const N_COMMANDS: usize = Command::ALL.len();

/// Clock from which each command is allowed, by [`Command`].
type Ready = [u64; N_COMMANDS];

/// A constraint as it is applied when its previous command goes out.
#[derive(Clone, Copy, Debug)]
struct Rule {
    next: Command,
    scope: Scope,
    clocks: u64,
    is_window: bool,
}

/// The constants of a channel's devices.
#[derive(Clone, Debug)]
pub struct DeviceRules {
    rules: [Vec<Rule>; N_COMMANDS],
    /// Banks of a group as a power of two, as those of a rank.
    group_shift: u32,
    rank_shift: u32,
    groups_per_rank: usize,
    n_ranks: usize,
    has_dual_command_bus: bool,
}

impl DeviceRules {
    /// The rules of a channel with this many ranks.
    pub fn new(timing: &DramTiming, organization: &DramOrganization, n_ranks: u64) -> Self {
        let mut rules: [Vec<Rule>; N_COMMANDS] = Default::default();
        let alone = |scope: Scope| n_ranks == 1 && scope == Scope::OtherRanks;
        for row in timing.constraints().into_iter().filter(|row| !alone(row.scope)) {
            rules[row.previous as usize].push(Rule {
                next: row.next,
                scope: row.scope,
                clocks: row.clocks,
                is_window: row.window > 1,
            });
        }
        Self {
            rules,
            group_shift: organization.n_banks_per_group.trailing_zeros(),
            rank_shift: organization.n_banks().trailing_zeros(),
            groups_per_rank: organization.n_bank_groups as usize,
            n_ranks: n_ranks as usize,
            has_dual_command_bus: organization.has_dual_command_bus,
        }
    }

    /// Banks of the channel.
    pub fn n_banks(&self) -> usize {
        self.n_ranks << self.rank_shift
    }

    /// Ranks of the channel.
    pub fn n_ranks(&self) -> usize {
        self.n_ranks
    }

    /// Bank groups of the channel.
    pub fn n_groups(&self) -> usize {
        self.groups_per_rank * self.n_ranks
    }

    /// Rank of a bank.
    #[inline]
    pub fn rank_of(&self, bank: usize) -> usize {
        bank >> self.rank_shift
    }

    /// Bank group of a bank, counted over all ranks.
    #[inline]
    pub fn group_of(&self, bank: usize) -> usize {
        bank >> self.group_shift
    }

    /// Banks of a rank.
    pub fn banks_of(&self, rank: usize) -> std::ops::Range<usize> {
        rank << self.rank_shift..(rank + 1) << self.rank_shift
    }
}

/// State of the devices of one channel. Clocks are those of the DRAM.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeviceState {
    open_rows: Vec<Option<u32>>,
    banks: Vec<Ready>,
    groups: Vec<Ready>,
    ranks: Vec<Ready>,
    /// The last four activates of each rank, the oldest first.
    activates: Vec<[Option<u64>; 4]>,
    row_bus_from: u64,
    column_bus_from: u64,
}

impl DeviceState {
    /// Every row closed, every command allowed.
    pub fn new(rules: &DeviceRules) -> Self {
        Self {
            open_rows: vec![None; rules.n_banks()],
            banks: vec![Ready::default(); rules.n_banks()],
            groups: vec![Ready::default(); rules.n_groups()],
            ranks: vec![Ready::default(); rules.n_ranks],
            activates: vec![[None; 4]; rules.n_ranks],
            row_bus_from: 0,
            column_bus_from: 0,
        }
    }

    /// The open row of a bank.
    #[inline]
    pub fn open_row(&self, bank: usize) -> Option<u32> {
        self.open_rows[bank]
    }

    /// The first clock in which the constraints allow a command to a bank (any bank of the rank for a refresh). Whether a row is open is
    /// the caller's matter.
    #[inline]
    pub fn earliest(&self, rules: &DeviceRules, command: Command, bank: usize) -> u64 {
        self.ready_bank(command, bank)
            .max(self.ready_group(rules, command, rules.group_of(bank)))
    }

    /// The part of [`Self::earliest`] that only commands to the bank itself change.
    #[inline]
    pub(super) fn ready_bank(&self, command: Command, bank: usize) -> u64 {
        self.banks[bank][command as usize]
    }

    /// The part of [`Self::earliest`] that all banks of a group share.
    #[inline]
    pub(super) fn ready_group(&self, rules: &DeviceRules, command: Command, group: usize) -> u64 {
        let c = command as usize;
        let bus = match command {
            Command::Read | Command::Write => self.column_bus_from,
            Command::Activate | Command::Precharge | Command::Refresh => self.row_bus_from,
        };
        let rank = (group << rules.group_shift) >> rules.rank_shift;
        self.groups[group][c].max(self.ranks[rank][c]).max(bus)
    }

    /// Sends a command in clock `at`; an activate opens `row`.
    pub fn commit(&mut self, rules: &DeviceRules, command: Command, bank: usize, row: u32, at: u64) {
        self.occupy_bus(rules, command, at);
        self.apply(rules, command, bank, row, at);
    }

    /// Sends one precharge to all open banks of a rank.
    pub fn precharge_all(&mut self, rules: &DeviceRules, rank: usize, at: u64) -> u64 {
        self.occupy_bus(rules, Command::Precharge, at);
        let mut n_closed = 0;
        for bank in rules.banks_of(rank) {
            if self.open_rows[bank].is_some() {
                self.apply(rules, Command::Precharge, bank, 0, at);
                n_closed += 1;
            }
        }
        n_closed
    }

    /// Closes a bank by itself as soon as the constraints allow it, which takes no command; returns that clock.
    pub fn precharge_itself(&mut self, rules: &DeviceRules, bank: usize) -> u64 {
        let c = Command::Precharge as usize;
        let at = self.banks[bank][c]
            .max(self.groups[rules.group_of(bank)][c])
            .max(self.ranks[rules.rank_of(bank)][c]);
        self.apply(rules, Command::Precharge, bank, 0, at);
        at
    }

    fn occupy_bus(&mut self, rules: &DeviceRules, command: Command, at: u64) {
        let is_column = matches!(command, Command::Read | Command::Write);
        if is_column || !rules.has_dual_command_bus {
            self.column_bus_from = at + 1;
        }
        if !is_column || !rules.has_dual_command_bus {
            self.row_bus_from = at + 1;
        }
    }

    fn apply(&mut self, rules: &DeviceRules, command: Command, bank: usize, row: u32, at: u64) {
        let (group, rank) = (rules.group_of(bank), rules.rank_of(bank));
        match command {
            Command::Activate => {
                self.open_rows[bank] = Some(row);
                self.activates[rank].rotate_left(1);
                self.activates[rank][3] = Some(at);
            }
            Command::Precharge => self.open_rows[bank] = None,
            Command::Read | Command::Write | Command::Refresh => {}
        }
        for rule in &rules.rules[command as usize] {
            let c = rule.next as usize;
            let raise = |ready: &mut Ready, from: u64| ready[c] = ready[c].max(from + rule.clocks);
            match rule.scope {
                Scope::Bank => raise(&mut self.banks[bank], at),
                Scope::BankGroup => raise(&mut self.groups[group], at),
                Scope::Rank if rule.is_window => {
                    if let Some(oldest) = self.activates[rank][0] {
                        raise(&mut self.ranks[rank], oldest);
                    }
                }
                Scope::Rank => raise(&mut self.ranks[rank], at),
                Scope::OtherRanks => {
                    let others = self.ranks.iter_mut().enumerate().filter(|&(other, _)| other != rank);
                    others.for_each(|(_, ready)| raise(ready, at));
                }
            }
        }
    }
}

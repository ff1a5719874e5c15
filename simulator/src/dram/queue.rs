//! A request queue of a channel: bounded, in order of arrival, and by bank, so that the scheduler looks at banks and not at requests.

use super::event::Request;
use super::request::Burst;
use std::hash::{Hash, Hasher};

/// Requests that a queue holds.
pub const QUEUE_DEPTH: usize = 32;

/// A waiting request for one burst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) bank: u8,
    /// Whoever asked.
    pub(crate) master: u8,
    /// Whether a row was opened for it.
    pub(crate) opened_row: bool,
    /// Whether a row was closed for it.
    pub(crate) closed_row: bool,
    pub(crate) row: u32,
    pub(crate) column: u32,
    /// Order of arrival over both queues of the channel.
    pub(crate) sequence: u64,
    /// Clock of arrival.
    pub(crate) arrived_at: u64,
    next: Option<u8>,
    /// The instruction that asked, for observers.
    pc: u32,
}

impl Entry {
    pub(crate) fn of(burst: &Burst) -> Self {
        Self {
            bank: burst.bank as u8,
            master: burst.master,
            row: burst.row,
            column: burst.column,
            pc: burst.pc,
            ..Self::default()
        }
    }

    /// The request as observers hear of it.
    pub(crate) fn request(&self, is_write: bool) -> Request {
        Request {
            pc: self.pc,
            is_write,
            bank: u32::from(self.bank),
            row: self.row,
            column: self.column,
            arrived_at: self.arrived_at,
        }
    }
}

/// Everything that decides what happens next, which the instruction's number does not.
impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            bank,
            master,
            opened_row,
            closed_row,
            row,
            column,
            sequence,
            arrived_at,
            next,
            pc: _,
        } = self;
        (bank, master, opened_row, closed_row).hash(state);
        (row, column, sequence, arrived_at, next).hash(state);
    }
}

/// The requests of one bank, and what the scheduler wants to know of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct BankList {
    first: Option<u8>,
    last: Option<u8>,
    /// The oldest request for the open row.
    hit: Option<u8>,
    /// How many requests for the open row went before an older one for another row.
    n_bypassed: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Queue {
    entries: [Entry; QUEUE_DEPTH],
    /// One bit per free entry.
    free: u32,
    lists: Vec<BankList>,
    /// One bit per bank with requests.
    banks: u64,
    /// One bit per bank with requests for its open row.
    hit_banks: u64,
}

impl Queue {
    pub(crate) fn new(n_banks: usize) -> Self {
        Self {
            entries: [Entry::default(); QUEUE_DEPTH],
            free: u32::MAX,
            lists: vec![BankList::default(); n_banks],
            banks: 0,
            hit_banks: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        QUEUE_DEPTH - self.free.count_ones() as usize
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.free == u32::MAX
    }

    pub(crate) fn is_full(&self) -> bool {
        self.free == 0
    }

    /// One bit per bank with requests.
    pub(crate) fn banks(&self) -> u64 {
        self.banks
    }

    pub(crate) fn entry(&self, slot: u8) -> &Entry {
        &self.entries[usize::from(slot)]
    }

    pub(crate) fn entry_mut(&mut self, slot: u8) -> &mut Entry {
        &mut self.entries[usize::from(slot)]
    }

    /// The oldest request of a bank.
    pub(crate) fn oldest(&self, bank: usize) -> Option<u8> {
        self.lists[bank].first
    }

    /// The oldest request for the open row of a bank, unless others have waited behind such requests for too long.
    pub(crate) fn hit(&self, bank: usize, max_bypassed: u8) -> Option<u8> {
        let list = &self.lists[bank];
        list.hit.filter(|_| list.n_bypassed < max_bypassed)
    }

    /// Whether a request for the open row waits.
    pub(crate) fn has_hit(&self, bank: usize) -> bool {
        self.hit_banks >> bank & 1 != 0
    }

    /// Whether a request for an open row waits.
    pub(crate) fn has_any_hit(&self) -> bool {
        self.hit_banks != 0
    }

    /// Whether every bank with requests has one for its open row, and no older one for another row.
    pub(crate) fn has_only_hits(&self) -> bool {
        self.hit_banks == self.banks && self.lists.iter().all(|list| list.hit == list.first)
    }

    /// The requests of a full queue in order of arrival.
    pub(crate) fn in_order(&self) -> [Entry; QUEUE_DEPTH] {
        let mut entries = self.entries;
        entries.sort_unstable_by_key(|entry| entry.sequence);
        entries
    }

    /// Whether a request for this burst waits.
    pub(crate) fn holds(&self, bank: usize, row: u32, column: u32) -> bool {
        let mut at = self.lists[bank].first;
        while let Some(slot) = at {
            let entry = self.entry(slot);
            if (entry.row, entry.column) == (row, column) {
                return true;
            }
            at = entry.next;
        }
        false
    }

    /// Appends a request; the queue is not full.
    pub(crate) fn push(&mut self, mut entry: Entry, open_row: Option<u32>) {
        let slot = self.free.trailing_zeros() as u8;
        self.free &= self.free - 1;
        entry.next = None;
        let list = &mut self.lists[usize::from(entry.bank)];
        match list.last {
            Some(last) => self.entries[usize::from(last)].next = Some(slot),
            None => list.first = Some(slot),
        }
        list.last = Some(slot);
        if list.hit.is_none() && open_row == Some(entry.row) {
            list.hit = Some(slot);
            self.hit_banks |= 1 << entry.bank;
        }
        self.banks |= 1 << entry.bank;
        self.entries[usize::from(slot)] = entry;
    }

    /// Notes that a bank's open row changed.
    pub(crate) fn row_changed(&mut self, bank: usize, open_row: Option<u32>) {
        self.lists[bank].n_bypassed = 0;
        let hit = open_row.and_then(|row| self.next_of_row(self.lists[bank].first, row));
        self.set_hit(bank, hit);
    }

    fn set_hit(&mut self, bank: usize, hit: Option<u8>) {
        self.lists[bank].hit = hit;
        self.hit_banks = self.hit_banks & !(1 << bank) | u64::from(hit.is_some()) << bank;
    }

    fn next_of_row(&self, mut at: Option<u8>, row: u32) -> Option<u8> {
        while let Some(slot) = at {
            if self.entry(slot).row == row {
                break;
            }
            at = self.entry(slot).next;
        }
        at
    }

    /// Takes out the oldest request for the open row of a bank.
    pub(crate) fn take_hit(&mut self, bank: usize) -> Option<Entry> {
        let slot = self.lists[bank].hit?;
        let entry = *self.entry(slot);
        if self.lists[bank].first == Some(slot) {
            self.lists[bank].first = entry.next;
            self.lists[bank].n_bypassed = 0;
            if entry.next.is_none() {
                self.lists[bank].last = None;
                self.banks &= !(1 << bank);
            }
        } else {
            let before = self.before(bank, slot)?;
            self.entry_mut(before).next = entry.next;
            if entry.next.is_none() {
                self.lists[bank].last = Some(before);
            }
            self.lists[bank].n_bypassed = self.lists[bank].n_bypassed.saturating_add(1);
        }
        self.set_hit(bank, self.next_of_row(entry.next, entry.row));
        self.free |= 1 << slot;
        Some(entry)
    }

    fn before(&self, bank: usize, slot: u8) -> Option<u8> {
        let mut at = self.lists[bank].first;
        while let Some(candidate) = at {
            if self.entry(candidate).next == Some(slot) {
                return at;
            }
            at = self.entry(candidate).next;
        }
        None
    }
}

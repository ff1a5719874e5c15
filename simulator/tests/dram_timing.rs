//! Every timing constraint of every standard: not ready one clock before, ready on the clock.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use systole_isa::dram::{Command, DramStandard, PagePolicy, Scope};
use systole_simulator::dram::{
    Accepted, Burst, Channel, ChannelEvent, ChannelEventKind, ChannelRules, DeviceState, QUEUE_DEPTH, Request,
};

fn rules(standard: DramStandard, n_ranks: u64) -> ChannelRules {
    ChannelRules::new(standard.timing(), standard.organization(), n_ranks, PagePolicy::Open)
}

fn burst(bank: u32, row: u32, column: u32, is_write: bool) -> Burst {
    Burst {
        bank,
        row,
        column,
        is_write,
        master: 0,
        pc: 0,
    }
}

/// The request that an event says to be served, and the clock at which its data are there.
fn served(event: &ChannelEvent) -> Option<(Request, u64)> {
    match event.kind {
        ChannelEventKind::Column { request, data, .. } => Some((request, data.1)),
        _ => None,
    }
}

fn data_end(event: &ChannelEvent) -> Option<u64> {
    served(event).map(|(_, end)| end)
}

fn is_write(event: &ChannelEvent) -> Option<bool> {
    served(event).map(|(request, _)| request.is_write)
}

/// A bank in this relation to bank 0, and in no closer one; `None` if the standard has none.
fn partner(standard: DramStandard, scope: Scope) -> Option<usize> {
    let o = standard.organization();
    match scope {
        Scope::Bank => Some(0),
        Scope::BankGroup => Some(1),
        Scope::Rank => (o.n_bank_groups > 1).then_some(o.n_banks_per_group as usize),
        Scope::OtherRanks => Some(o.n_banks() as usize),
    }
}

/// The largest of all constraints between two commands that are this far apart.
fn expected(standard: DramStandard, previous: Command, next: Command, scope: Scope) -> u64 {
    let holds = |row: Scope| match scope {
        Scope::OtherRanks => row == Scope::OtherRanks,
        _ => row >= scope && row != Scope::OtherRanks,
    };
    let constraints = standard.timing().constraints();
    let rows = constraints
        .iter()
        .filter(|row| row.previous == previous && row.next == next && row.window == 1);
    rows.filter(|row| holds(row.scope)).map(|row| row.clocks).max().unwrap()
}

#[test]
fn every_constraint_holds_to_the_clock() {
    let start = 10_000;
    let mut n_checked = 0;
    for &standard in DramStandard::ALL {
        let rules = rules(standard, 2);
        for row in standard.timing().constraints().iter().filter(|row| row.window == 1) {
            let Some(bank) = partner(standard, row.scope) else {
                continue;
            };
            let mut device = DeviceState::new(&rules.device);
            device.commit(&rules.device, row.previous, 0, 7, start);
            let ready = device.earliest(&rules.device, row.next, bank);
            let clocks = expected(standard, row.previous, row.next, row.scope);
            let is_ready = |at: u64| ready <= at;
            assert!(!is_ready(start + clocks - 1), "{standard} {row:?}: ready too early");
            assert!(
                is_ready(start + clocks),
                "{standard} {row:?}: ready at {}",
                ready - start
            );
            n_checked += 1;
        }
    }
    assert!(n_checked >= 7 * 20, "{n_checked}");
}

#[test]
fn at_most_four_activates_fall_into_the_window() {
    for &standard in DramStandard::ALL {
        let rules = rules(standard, 1);
        let timing = standard.timing();
        let mut device = DeviceState::new(&rules.device);
        let mut at = 1000;
        for bank in 0..4 {
            at = device.earliest(&rules.device, Command::Activate, bank).max(at);
            device.commit(&rules.device, Command::Activate, bank, 0, at);
        }
        let fifth = device.earliest(&rules.device, Command::Activate, 4);
        assert!(fifth >= 1000 + timing.faw, "{standard}: {fifth}");
        assert_eq!(fifth, (1000 + timing.faw).max(at + timing.rrd_s), "{standard}");
    }
}

#[test]
fn looking_changes_nothing() {
    let rules = rules(DramStandard::Ddr4_2400, 1);
    let mut device = DeviceState::new(&rules.device);
    device.commit(&rules.device, Command::Activate, 3, 9, 50);
    let before = device.clone();
    for command in Command::ALL {
        device.earliest(&rules.device, command, 3);
    }
    assert_eq!(device, before);
    assert_eq!(device.open_row(3), Some(9));
}

#[test]
fn row_and_column_commands_share_a_clock_on_hbm_alone() {
    for &standard in DramStandard::ALL {
        let rules = rules(standard, 1);
        let mut device = DeviceState::new(&rules.device);
        device.commit(&rules.device, Command::Activate, 0, 1, 0);
        device.commit(&rules.device, Command::Read, 0, 1, 100);
        let other = device.earliest(&rules.device, Command::Activate, 2);
        assert_eq!(other <= 100, standard == DramStandard::Hbm2, "{standard}");
    }
}

/// The worked example of docs/dram.md.
#[test]
fn a_miss_a_hit_and_a_conflict_take_what_the_book_says() {
    let rules = rules(DramStandard::Ddr4_2400, 1);
    let mut channel = Channel::new(&rules);
    let mut done = Vec::new();
    for (row, at) in [(0, 0), (0, 1), (1, 2)] {
        channel.advance(&rules, at, &mut |event| done.extend(data_end(&event)));
        assert_eq!(
            channel.offer(&rules, burst(0, row, at as u32, false), at, &mut |_| ()),
            Accepted::Queued
        );
    }
    channel.advance(&rules, 1000, &mut |event| done.extend(data_end(&event)));
    let t = &rules.timing;
    let miss = t.rcd + t.cl + t.burst_clocks;
    let conflict = t.ras.max(t.rcd + t.ccd_l + t.rtp) + t.rp + miss;
    assert_eq!(done, [miss, miss + t.ccd_l, conflict]);
    assert_eq!(done, [38, 44, 94]);
    let counts = channel.counts_at(1000);
    assert_eq!(
        (counts.row_misses, counts.read_row_hits, counts.row_conflicts),
        (1, 1, 1)
    );
    assert_eq!((counts.activates, counts.precharges, counts.reads), (2, 1, 3));
}

#[test]
fn a_refresh_comes_on_its_clock_and_blocks_the_rank_alone() {
    let rules = rules(DramStandard::Ddr4_2400, 2);
    let t = rules.timing;
    let mut channel = Channel::new(&rules);
    // The ranks take turns: the first one at half the interval.
    let due = t.refi / 2;
    channel.advance(&rules, due, &mut |_| ());
    assert_eq!(channel.counts_at(due).refreshes, 0);
    channel.advance(&rules, due + 1, &mut |_| ());
    assert_eq!(channel.counts_at(due).refreshes, 1);
    let mut done = Vec::new();
    channel.offer(&rules, burst(0, 5, 0, false), due + 1, &mut |_| ());
    channel.offer(&rules, burst(16, 5, 0, false), due + 1, &mut |_| ());
    channel.advance(&rules, due + 2000, &mut |event| done.extend(data_end(&event)));
    let miss = t.rcd + t.cl + t.burst_clocks;
    assert_eq!(done, [due + 1 + miss, due + t.rfc + miss]);
}

#[test]
fn idle_time_passes_in_closed_form_with_every_refresh() {
    let rules = rules(DramStandard::Hbm2, 2);
    let (mut leap, mut steps) = (Channel::new(&rules), Channel::new(&rules));
    for channel in [&mut leap, &mut steps] {
        channel.offer(&rules, burst(20, 1, 0, false), 10, &mut |_| ());
    }
    let until = 100 * rules.timing.refi + 17;
    leap.advance(&rules, until, &mut |_| ());
    for clock in (1000..until).step_by(777) {
        steps.advance(&rules, clock, &mut |_| ());
    }
    steps.advance(&rules, until, &mut |_| ());
    assert_eq!(leap, steps);
    assert_eq!(leap.counts_at(until).refreshes, 200);
}

#[test]
fn writes_wait_until_reads_rest_or_their_queue_is_full_and_serve_later_reads() {
    let rules = rules(DramStandard::Ddr4_2400, 1);
    let mut channel = Channel::new(&rules);
    channel.offer(&rules, burst(0, 0, 0, false), 0, &mut |_| ());
    channel.offer(&rules, burst(1, 0, 0, true), 0, &mut |_| ());
    assert_eq!(
        channel.offer(&rules, burst(1, 0, 0, false), 0, &mut |_| ()),
        Accepted::Forwarded(1)
    );
    assert_eq!(
        channel.offer(&rules, burst(1, 0, 0, true), 0, &mut |_| ()),
        Accepted::Merged
    );
    let mut order = Vec::new();
    channel.advance(&rules, 500, &mut |event| order.extend(is_write(&event)));
    assert_eq!(order, [false, true]);
    // A write queue that is full is emptied although reads wait.
    for i in 0..QUEUE_DEPTH as u32 {
        assert!(channel.has_room(true));
        channel.offer(&rules, burst(i % 16, 3, i, true), 500, &mut |_| ());
        channel.offer(&rules, burst(i % 16, 4, i, false), 500, &mut |_| ());
    }
    assert!(!channel.has_room(true) && !channel.has_room(false));
    order.clear();
    channel.advance(&rules, 5000, &mut |event| order.extend(is_write(&event)));
    assert_eq!(order.len(), 2 * QUEUE_DEPTH);
    assert!(order.iter().position(|&write| write).unwrap() <= QUEUE_DEPTH);
    assert!(channel.is_idle());
}

#[test]
fn a_stream_of_hits_does_not_starve_another_row() {
    let rules = rules(DramStandard::Ddr4_2400, 1);
    let mut channel = Channel::new(&rules);
    let mut clock = 0;
    let mut other_row_done = None;
    channel.offer(&rules, burst(0, 0, 0, false), 0, &mut |_| ());
    channel.advance(&rules, 30, &mut |_| ());
    for i in 0..2000u32 {
        let row = if i == 10 { 9 } else { 0 };
        while !channel.has_room(false) {
            clock += 1;
            channel.advance(&rules, clock, &mut |_| ());
        }
        channel.offer(&rules, burst(0, row, i, false), clock.max(30), &mut |_| ());
        if channel.counts_at(clock).row_conflicts > 0 && other_row_done.is_none() {
            other_row_done = Some(i);
        }
    }
    assert!(other_row_done.unwrap() < 200, "{other_row_done:?}");
}

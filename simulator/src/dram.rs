//! DRAM timing: bank and row state, command spacing, bus occupancy and refresh, burst by burst in order of arrival.
//!
//! The model belongs to no unit: whoever wants a burst asks for it with an address and an instant and is told when the data has
//! moved. Times inside are cycles of the DRAM clock; the border converts core cycles, rounding towards later.

use systole_isa::MachineDescription;
use systole_isa::dram::DramTiming;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Bank {
    open_row: Option<u64>,
    activate_from: u64,
    column_from: u64,
    precharge_from: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Channel {
    banks: Vec<Bank>,
    last_column: Option<(u64, u64)>,
    read_from: u64,
    write_from: u64,
    bus_free_at: u64,
    recent_activates: Vec<u64>,
    refresh_due: u64,
}

/// What one burst took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BurstOutcome {
    /// Core cycle in which its data has moved.
    pub(crate) done_at: u64,
    /// Whether its row was open.
    pub(crate) row_hit: bool,
}

/// All channels of a machine's DRAM.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Dram {
    channels: Vec<Channel>,
}

/// The constants of a machine's DRAM.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DramParameters {
    timing: DramTiming,
    clock_mhz: u64,
    n_channels: u64,
}

impl DramParameters {
    pub(crate) fn of(machine: &MachineDescription) -> Self {
        Self {
            timing: machine.dram.standard.timing(),
            clock_mhz: u64::from(machine.clock_mhz),
            n_channels: u64::from(machine.dram.n_channels),
        }
    }

    /// Bytes of one burst.
    pub(crate) fn burst_bytes(&self) -> u64 {
        self.timing.burst_bytes
    }

    fn dram_from_core(&self, core_cycle: u64) -> u64 {
        (u128::from(core_cycle) * 1_000_000).div_ceil(u128::from(self.clock_mhz) * u128::from(self.timing.clock_ps))
            as u64
    }

    fn core_from_dram(&self, dram_cycle: u64) -> u64 {
        (u128::from(dram_cycle) * u128::from(self.clock_mhz) * u128::from(self.timing.clock_ps)).div_ceil(1_000_000)
            as u64
    }
}

/// Where a burst lies. From the least significant bit of the burst's index: channel, bank group, bank, column, row.
struct Location {
    channel: usize,
    bank: usize,
    bank_group: u64,
    row: u64,
}

fn locate(p: &DramParameters, address: u64) -> Location {
    let t = &p.timing;
    let mut rest = address / t.burst_bytes;
    let mut take = |n: u64| {
        let field = rest % n;
        rest /= n;
        field
    };
    let channel = take(p.n_channels) as usize;
    let bank_group = take(t.n_bank_groups);
    let bank_in_group = take(t.n_banks / t.n_bank_groups);
    let _column = take(t.row_bytes / t.burst_bytes);
    let bank = (bank_group * (t.n_banks / t.n_bank_groups) + bank_in_group) as usize;
    Location {
        channel,
        bank,
        bank_group,
        row: rest,
    }
}

impl Dram {
    /// Every row closed, nothing under way.
    pub(crate) fn new(p: &DramParameters) -> Self {
        let bank = Bank {
            open_row: None,
            activate_from: 0,
            column_from: 0,
            precharge_from: 0,
        };
        let channel = Channel {
            banks: vec![bank; p.timing.n_banks as usize],
            last_column: None,
            read_from: 0,
            write_from: 0,
            bus_free_at: 0,
            recent_activates: Vec::new(),
            refresh_due: p.timing.refi,
        };
        Self {
            channels: vec![channel; p.n_channels as usize],
        }
    }

    /// Performs one burst that arrives in core cycle `now`.
    pub(crate) fn burst(&mut self, p: &DramParameters, now: u64, address: u64, is_write: bool) -> BurstOutcome {
        let at = locate(p, address);
        let arrival = p.dram_from_core(now);
        let channel = &mut self.channels[at.channel];
        channel.refresh_until(&p.timing, arrival);
        let row_hit = channel.banks[at.bank].open_row == Some(at.row);
        if !row_hit {
            channel.open_row(&p.timing, &at, arrival);
        }
        let data_end = channel.column(&p.timing, &at, arrival, is_write);
        BurstOutcome {
            done_at: p.core_from_dram(data_end).max(now + 1),
            row_hit,
        }
    }
}

impl Channel {
    /// Performs the refreshes that are due; each closes every row.
    fn refresh_until(&mut self, t: &DramTiming, now: u64) {
        while self.refresh_due <= now {
            let quiet = self
                .banks
                .iter()
                .map(|bank| bank.precharge_from)
                .max()
                .unwrap_or(0)
                .max(self.refresh_due);
            let ready = quiet + t.rp + t.rfc;
            for bank in &mut self.banks {
                bank.open_row = None;
                bank.activate_from = bank.activate_from.max(ready);
            }
            self.refresh_due += t.refi;
        }
    }

    fn open_row(&mut self, t: &DramTiming, at: &Location, now: u64) {
        let bank = &self.banks[at.bank];
        let mut activate = now.max(bank.activate_from);
        if bank.open_row.is_some() {
            activate = activate.max(now.max(bank.precharge_from) + t.rp);
        }
        if let Some(&last) = self.recent_activates.last() {
            activate = activate.max(last + t.rrd);
        }
        if let [.., fourth_last, _, _, _] = self.recent_activates[..] {
            activate = activate.max(fourth_last + t.faw);
        }
        self.recent_activates.push(activate);
        if self.recent_activates.len() > 4 {
            self.recent_activates.remove(0);
        }
        let bank = &mut self.banks[at.bank];
        bank.open_row = Some(at.row);
        bank.column_from = activate + t.rcd;
        bank.precharge_from = activate + t.ras;
        bank.activate_from = activate + t.ras + t.rp;
    }

    /// Issues the read or write command and returns when its data has moved.
    fn column(&mut self, t: &DramTiming, at: &Location, now: u64, is_write: bool) -> u64 {
        let bank = &mut self.banks[at.bank];
        let latency = if is_write { t.cwl } else { t.cl };
        let mut command = now
            .max(bank.column_from)
            .max(if is_write { self.write_from } else { self.read_from });
        if let Some((last, group)) = self.last_column {
            command = command.max(last + if group == at.bank_group { t.ccd_l } else { t.ccd_s });
        }
        command = command.max(self.bus_free_at.saturating_sub(latency));
        let data_end = command + latency + t.burst_clocks;
        self.last_column = Some((command, at.bank_group));
        self.bus_free_at = data_end;
        if is_write {
            bank.precharge_from = bank.precharge_from.max(data_end + t.wr);
            self.read_from = data_end + t.wtr;
        } else {
            bank.precharge_from = bank.precharge_from.max(command + t.rtp);
            // The bus turns around in two clocks after the last read data.
            self.write_from = (data_end + 2).saturating_sub(t.cwl);
        }
        data_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use systole_isa::machine::preset;

    fn ddr4() -> (DramParameters, Dram) {
        let mut machine = preset("edge16x16").unwrap();
        // One core cycle per picosecond-exact DRAM cycle is not expressible in MHz; 1000 MHz against 0.83 ns is what ships.
        machine.dram.n_channels = 1;
        let p = DramParameters::of(&machine);
        let dram = Dram::new(&p);
        (p, dram)
    }

    #[test]
    fn the_first_read_opens_its_row_and_the_second_hits_it() {
        let (p, mut dram) = ddr4();
        let t = p.timing;
        let first = dram.burst(&p, 0, 0, false);
        assert_eq!(
            (first.done_at, first.row_hit),
            (p.core_from_dram(t.rcd + t.cl + t.burst_clocks), false)
        );
        let row_mate = t.burst_bytes * t.n_banks;
        let second = dram.burst(&p, 0, row_mate, false);
        assert_eq!(
            (second.done_at, second.row_hit),
            (p.core_from_dram(t.rcd + t.ccd_l + t.cl + t.burst_clocks), true)
        );
    }

    #[test]
    fn another_row_of_the_same_bank_waits_for_the_precharge() {
        let (p, mut dram) = ddr4();
        let t = p.timing;
        dram.burst(&p, 0, 0, false);
        let conflict = dram.burst(&p, 0, t.row_bytes * t.n_banks, false);
        let expected = p.core_from_dram(t.ras + t.rp + t.rcd + t.cl + t.burst_clocks);
        assert_eq!((conflict.done_at, conflict.row_hit), (expected, false));
    }

    #[test]
    fn a_stream_of_reads_reaches_the_peak_less_refresh() {
        let (p, mut dram) = ddr4();
        let t = p.timing;
        let n = 200_000;
        let mut done = 0u64;
        for i in 0..n {
            done = dram
                .burst(&p, done.saturating_sub(60), i * t.burst_bytes, false)
                .done_at;
        }
        let ideal = p.core_from_dram(n * t.burst_clocks) as f64 * (1.0 + t.rfc as f64 / t.refi as f64);
        let ratio = done as f64 / ideal;
        assert!((0.99..1.03).contains(&ratio), "{ratio}");
    }
}

//! The DRAM: channels of banks behind queues, from command to command, in clocks of the DRAM.
//!
//! The standard's data (`systole_isa::dram`) say what is allowed, [`DeviceState`] applies it, [`Channel`] chooses among what is allowed. A DRAM
//! belongs to no unit: masters offer bursts to its channels and are told when their data have moved. What the bytes are is not known here.

mod channel;
mod counts;
mod device;
mod event;
mod plan;
mod queue;
mod request;
mod stream;
mod trace;
mod trace_text;

pub use channel::{Channel, ChannelRules, DRAIN_FROM, DRAIN_TO, MAX_BYPASSED};
pub use counts::{DramCounts, DramEnergyBreakdown};
pub use device::{DeviceRules, DeviceState};
pub use event::{ChannelEvent, ChannelEventKind, Request, RowOutcome};
pub use queue::QUEUE_DEPTH;
pub use request::{Accepted, Burst, Served};
pub use trace::{TraceRequest, TraceRun, TraceSummary};
pub use trace_text::{CODES, TraceReader};

use systole_isa::MachineDescription;
use systole_isa::dram::{AddressMap, DramStandard, Mapping, PagePolicy};

/// What DRAM there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DramConfig {
    /// Standard and speed grade.
    pub standard: DramStandard,
    /// Channels, a power of two.
    pub n_channels: u32,
    /// Ranks per channel, a power of two.
    pub n_ranks: u32,
    /// Address mapping.
    pub mapping: Mapping,
    /// What happens to rows that nobody wants.
    pub page_policy: PagePolicy,
}

impl DramConfig {
    /// One channel with one rank, open rows and the mapping that streams best.
    pub fn new(standard: DramStandard) -> Self {
        Self {
            standard,
            n_channels: 1,
            n_ranks: 1,
            mapping: Mapping::default(),
            page_policy: PagePolicy::Open,
        }
    }

    /// The DRAM of a machine.
    pub fn of(machine: &MachineDescription) -> Self {
        let dram = &machine.dram;
        Self {
            standard: dram.standard,
            n_channels: dram.n_channels,
            n_ranks: dram.n_ranks,
            mapping: dram.mapping,
            page_policy: dram.page_policy,
        }
    }

    /// Peak bandwidth of all channels in bytes per second.
    pub fn peak_bytes_per_second(&self) -> f64 {
        self.standard.peak_bytes_per_second() * f64::from(self.n_channels)
    }

    /// The address map.
    pub fn address_map(&self) -> AddressMap {
        let organization = self.standard.organization();
        AddressMap::new(
            self.mapping,
            &organization,
            u64::from(self.n_channels),
            u64::from(self.n_ranks),
        )
    }

    /// The constants of each channel.
    pub fn channel_rules(&self) -> ChannelRules {
        ChannelRules::new(
            self.standard.timing(),
            self.standard.organization(),
            u64::from(self.n_ranks),
            self.page_policy,
        )
    }
}

//! Cycle-level simulator: a program on a machine becomes values, time, bandwidth and energy.
//!
//! Two halves that know nothing of each other meet in [`machine::Machine`]: `exec` computes what an instruction does and
//! knows no cycle; the units in this module know sizes and addresses and never a tensor value. The only thing that moves time is
//! [`Machine::advance_to`].

mod access;
pub mod activity;
mod bank_use;
pub mod check;
mod clock;
pub mod counts;
mod dma;
pub mod dram;
pub mod energy;
mod exec;
mod facts;
pub mod fault;
pub mod history;
pub mod host;
pub mod machine;
pub mod memory;
mod memory_use;
mod mx;
pub mod observer;
mod order;
pub mod pe_view;
mod race;
pub mod report;
pub mod roofline;
mod sequencer;
pub mod session;
pub mod trace;
mod vx;
mod work;

pub use activity::{Activity, BusyKind, StallReason, UnitStatus};
pub use check::{CheckReport, Finding, check};
pub use counts::EventCounts;
pub use fault::{Fault, FaultKind, Overflow};
pub use history::{History, Replay};
pub use machine::{LoadError, Machine, Mode, Status};
pub use memory_use::{MemoryUse, for_each_memory_use};
pub use observer::{Event, Observer};
pub use pe_view::{Pack, PeCell, PeOrigins, PeState, PeView};
pub use report::Report;

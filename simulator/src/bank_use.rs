//! What an instruction asks of the scratchpad's banks: the operands that it streams, and how much of each per beat.

use crate::work::matrix::{Product, TileLoad, TileShape};
use crate::work::{Role, Work};
use systole_isa::latency::{self, banks::BankLoad, banks::BankUse, banks::SpmBanks};
use systole_isa::operand::Space;
use systole_isa::{Descriptor, MachineDescription};

/// Rate and share of a piece of work; `tile` is what a matrix product uses. A machine whose banks never limit has neither.
pub(crate) fn bank_use(machine: &MachineDescription, work: &Work, tile: Option<&TileShape>) -> BankUse {
    let Some(banks) = &machine.spm_banks else {
        return BankUse::NONE;
    };
    let load = match work {
        Work::Copy { dst, src, m, n } => [dst, src]
            .map(|view| operand(banks, view, (*m, *n), elements_per_offer(machine, view)))
            .into_iter()
            .fold(BankLoad::default(), |sum, load| sum + load),
        Work::TileLoad(load) => tile_load(machine, banks, load),
        Work::Product(product) => tile.map_or_else(BankLoad::default, |tile| moving_rows(banks, product, tile)),
        Work::OutputStationary(product) => {
            // Both operands run along K, and the edges hold the rest of each word: what counts is the average.
            let bits = product.w.shape.n * u64::from(product.w.source.format.bits())
                + product.m * u64::from(product.a.format.bits());
            return BankUse {
                interval: 1,
                words_per_cycle: bits
                    .div_ceil(u64::from(banks.word_bytes) * 8)
                    .min(banks.words_per_cycle()),
            };
        }
        Work::Vector(vector) => {
            let lanes = u64::from(machine.vector.n_lanes);
            let times = |role| match role {
                // Parameters stay in registers.
                Role::Table => 0,
                Role::Input | Role::Output => 1,
                Role::Update => 2,
            };
            let operands = vector.operands().into_iter().flat_map(|x| {
                let load = operand(banks, x.view, (x.n_rows, x.n_columns), lanes);
                std::iter::repeat_n(load, times(x.role))
            });
            operands.fold(BankLoad::default(), |sum, load| sum + load)
        }
        Work::Sync => return BankUse::NONE,
    };
    banks.serve(load)
}

/// Elements of the bursts that a DMA unit offers in a cycle.
fn elements_per_offer(machine: &MachineDescription, view: &Descriptor) -> u64 {
    let bits = machine.dram.standard.organization().burst_bytes * 8 * u64::from(machine.dram.n_channels);
    (bits / u64::from(view.format.bits())).max(1)
}

fn operand(banks: &SpmBanks, view: &Descriptor, (m, n): (u64, u64), n_per_beat: u64) -> BankLoad {
    if view.space == Space::Spm {
        banks.elements(view, m, n, n_per_beat)
    } else {
        BankLoad::default()
    }
}

/// One shift takes as many rows as share a PE.
fn tile_load(machine: &MachineDescription, banks: &SpmBanks, load: &TileLoad) -> BankLoad {
    let shape = &load.shape;
    let packing = latency::packing(machine, shape.n_rows());
    let columns = (0, shape.n);
    match &load.index {
        Some(index) => [&load.source, &**index]
            .map(|view| banks.rows(view, (0, shape.n_rows()), columns, packing))
            .into_iter()
            .fold(BankLoad::default(), |sum, load| sum + load),
        None => {
            let parts = shape.live.ranges();
            let loads = parts.map(|rows| banks.rows(&load.source, rows, columns, packing));
            loads.fold(BankLoad::default(), |worst, load| BankLoad {
                busiest: worst.busiest.max(load.busiest),
                words: worst.words.max(load.words),
            })
        }
    }
}

/// One row per beat, without the columns that the tile leaves out.
fn moving_rows(banks: &SpmBanks, product: &Product, tile: &TileShape) -> BankLoad {
    let rows = (product.m0, product.m);
    let parts = tile.live.ranges();
    let loads = parts.map(|(first, n)| banks.rows(&product.a, rows, (product.k0 + first, n), 1));
    loads.fold(BankLoad::default(), |sum, load| sum + load)
}

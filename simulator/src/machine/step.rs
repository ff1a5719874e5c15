//! What happens within the cycle of an event: completions, the sequencer's instruction, starts.

use super::*;
use crate::bank_use::bank_use;
use crate::mx::MxInFlight;
use crate::observer::Transfer;
use crate::work::matrix::TileShape;
use systole_isa::FormatPair;
use systole_isa::latency::banks::BankUse;

impl Machine {
    /// Completes the work that ends now, in the fixed order LD, ST, MX, VX.
    pub(super) fn complete(&mut self, changes: &mut Changes, observer: &mut impl Observer) -> Result<(), Fault> {
        let now = self.state.now;
        if self.state.ahead.event <= now {
            for unit in [Unit::Ld, Unit::St] {
                changes.add(unit);
                self.complete_transfers(unit, changes, observer);
            }
        }
        if self.state.mx_event <= now {
            changes.add(Unit::Mx);
            self.complete_mx(changes, observer);
        }
        if self.state.vx.as_ref().is_some_and(|vx| vx.done_at <= now)
            && let Some(done) = self.state.vx.take()
        {
            changes.add(Unit::Vx);
            let counts = static_counts(&done.dispatched.work);
            self.execute_vx(&done.dispatched.work);
            let what = (&done.dispatched, &done.release);
            self.retire(Unit::Vx, what, (done.started_at, &counts), changes, observer);
        }
        Ok(())
    }

    fn complete_mx(&mut self, changes: &mut Changes, observer: &mut impl Observer) {
        let now = self.state.now;
        while let Some(at) = self.state.mx.in_flight.iter().position(|x| x.done_at <= now) {
            let done = self.state.mx.in_flight.remove(at).expect("the position was just found");
            let mut counts = EventCounts::one_instruction();
            self.execute_mx(&done, &mut counts);
            let what = (&done.dispatched, &done.release);
            self.retire(Unit::Mx, what, (done.started_at, &counts), changes, observer);
        }
    }

    fn complete_transfers(&mut self, unit: Unit, changes: &mut Changes, observer: &mut impl Observer) {
        let index = unit.index() - Unit::Ld.index();
        while let Some(done) = self.state.dma[index].take_done(self.state.now) {
            let mut counts = static_counts(&done.dispatched.work);
            counts.add(&done.counts);
            let commands = self
                .state
                .dram_timing
                .take_counts(&self.dram_parameters, &self.state.dma[index]);
            add_dram_counts(&commands, &mut counts);
            if let Work::Copy { dst, src, m, n } = &*done.dispatched.work {
                if self.mode == Mode::Full {
                    exec::copy(&mut self.state.memories, dst, src, *m, *n);
                }
                observer.transfer(&Transfer {
                    unit,
                    pc: done.dispatched.pc,
                    end: self.state.now,
                    dst,
                    src,
                    m: *m,
                    n: *n,
                });
            }
            let what = (&done.dispatched, &done.release);
            self.retire(unit, what, (done.started_at, &counts), changes, observer);
        }
    }

    /// Performs an instruction of the array and counts what happened.
    fn execute_mx(&mut self, done: &MxInFlight, counts: &mut EventCounts) {
        let (work, tile) = (&*done.dispatched.work, done.tile.as_ref());
        let shape = tile.map(|tile| &tile.shape);
        counts.add_matrix_work(&self.description, work, shape, done.facts);
        let has_values = self.mode == Mode::Full;
        match work {
            Work::TileLoad(load) => {
                let tile = if has_values {
                    exec::load_tile(&self.state.memories, load)
                } else {
                    exec::Tile::without_values(load.shape.clone())
                };
                self.state.mx.finish_load(Arc::new(tile));
            }
            Work::Product(product) if has_values => {
                if let Some(tile) = tile {
                    let multiplied = exec::multiply(&mut self.state.memories, tile, product);
                    let pair = tile.shape.pair(product.a.format);
                    self.note(done, pair, &multiplied, counts);
                }
            }
            Work::OutputStationary(product) if has_values => {
                let multiplied = exec::output_stationary(&mut self.state.memories, product);
                let pair = product.w.shape.pair(product.a.format);
                self.note(done, pair, &multiplied, counts);
            }
            _ => {}
        }
    }

    /// Counts what only the values of a product tell, and keeps the first overflow.
    fn note(&mut self, done: &MxInFlight, pair: FormatPair, multiplied: &exec::Multiplied, counts: &mut EventCounts) {
        counts.count_gated(&self.description, pair, multiplied.n_zero);
        counts.overflows = multiplied.n_overflows;
        if let (None, Some(address)) = (self.state.first_overflow, multiplied.first_overflow) {
            self.state.first_overflow = Some(Overflow {
                pc: done.dispatched.pc,
                cycle: self.state.now,
                address,
            });
        }
    }

    fn execute_vx(&mut self, work: &Work) {
        if self.mode == Mode::TimingOnly {
            return;
        }
        match work {
            Work::Vector(vector) => exec::vector(&mut self.state.memories, vector),
            Work::TileLoad(_) | Work::Product(_) | Work::OutputStationary(_) | Work::Copy { .. } | Work::Sync => {}
        }
    }

    fn retire(
        &mut self,
        unit: Unit,
        (done, release): (&Dispatched, &Release),
        (start, counts): (u64, &EventCounts),
        changes: &mut Changes,
        observer: &mut impl Observer,
    ) {
        self.post_tokens(&done.tokens, changes);
        self.state.order.post(&done.tokens, release);
        let end = self.state.now;
        self.account(done.layer, counts, end);
        observer.event(&Event::Completed {
            unit,
            pc: done.pc,
            layer: done.layer,
            start,
            end,
            counts: *counts,
        });
    }

    fn account(&mut self, layer: u32, counts: &EventCounts, end: u64) {
        if let Some(stats) = self.state.layers.get_mut(layer as usize) {
            stats.counts.add(counts);
            stats.end = stats.end.max(end);
        }
    }

    /// Executes the sequencer's instruction if it is due, and says what the sequencer does in this cycle.
    pub(super) fn run_sequencer(
        &mut self,
        changes: &mut Changes,
        observer: &mut impl Observer,
    ) -> Result<Activity, Fault> {
        for _ in 0..MAX_MARKS_PER_CYCLE {
            if self.state.sequencer.ready_at > self.state.now {
                return Ok(Activity::Busy(BusyKind::Scalar));
            }
            let pc = self.state.sequencer.pc;
            let Some(&instruction) = self.program.code.get(pc as usize) else {
                return Err(self.fault(FaultKind::EndOfProgram, pc));
            };
            if self.still_finds_queue_full(pc, instruction.op.unit()) {
                return Ok(Activity::Stalled(StallReason::QueueFull));
            }
            let effect = match self.waiting_dispatch.take() {
                Some((unit, work)) => Effect::Dispatch(unit, work),
                None => self
                    .state
                    .sequencer
                    .preview(&instruction.op)
                    .map_err(|kind| self.fault(kind, pc))?,
            };
            if let Some(stall) = self.sequencer_stall(&instruction, &effect) {
                if let Effect::Dispatch(unit, work) = effect {
                    self.waiting_dispatch = Some((unit, work));
                }
                return Ok(Activity::Stalled(stall));
            }
            let is_free = matches!(effect, Effect::Free);
            self.execute_scalar(pc, &instruction, effect, changes, observer)?;
            if !is_free {
                self.state.sequencer.ready_at = self.state.now + 1;
                return Ok(Activity::Busy(BusyKind::Scalar));
            }
        }
        self.state.sequencer.ready_at = self.state.now + 1;
        Ok(Activity::Busy(BusyKind::Scalar))
    }

    /// Whether the sequencer has waited since the cycle before to dispatch this instruction, and still has to.
    fn still_finds_queue_full(&self, pc: u32, unit: Unit) -> bool {
        let status = &self.state.statuses[Unit::Seq.index()];
        status.activity == Activity::Stalled(StallReason::QueueFull)
            && status.pc == Some(pc)
            && self.queue_is_full(unit)
    }

    fn queue_is_full(&self, unit: Unit) -> bool {
        self.state.queues[unit.index()].len() >= self.description.queue_depth as usize
    }

    fn sequencer_stall(&self, instruction: &Instruction, effect: &Effect) -> Option<StallReason> {
        match effect {
            Effect::Dispatch(unit, _) => self.queue_is_full(*unit).then_some(StallReason::QueueFull),
            _ if !has_tokens(&self.state.tokens, &instruction.tokens) => Some(StallReason::Token),
            Effect::Fence => (!self.all_units_idle()).then_some(StallReason::Fence),
            Effect::Halt => {
                let dram_end = self.state.dram_timing.drained_at(&self.dram_parameters);
                (!self.all_units_idle() || dram_end > self.state.now).then_some(StallReason::Fence)
            }
            Effect::None | Effect::Free | Effect::Credit(..) => None,
        }
    }

    fn execute_scalar(
        &mut self,
        pc: u32,
        instruction: &Instruction,
        effect: Effect,
        changes: &mut Changes,
        observer: &mut impl Observer,
    ) -> Result<(), Fault> {
        let now = self.state.now;
        let layer = match instruction.op {
            // A mark belongs to what it starts.
            systole_isa::Op::Mark { id, .. } => id.0 as u32 + 1,
            _ => self.state.sequencer.layer,
        };
        let takes_time = !matches!(effect, Effect::Free);
        if let Effect::Dispatch(unit, work) = effect {
            let dispatched = Dispatched {
                work,
                tokens: instruction.tokens,
                pc,
                layer,
            };
            self.state.queues[unit.index()].push_back(dispatched);
            changes.add(unit);
            self.state.order.dispatch(unit);
        } else {
            self.take_tokens(&instruction.tokens);
            self.post_tokens(&instruction.tokens, changes);
            if matches!(effect, Effect::Fence) {
                self.state.order.fence();
            }
            self.state.order.sequence(pc, &instruction.tokens);
            let mut counts = EventCounts::one_instruction();
            if matches!(effect, Effect::Halt) {
                for unit in &self.state.dma {
                    let commands = self.state.dram_timing.take_counts(&self.dram_parameters, unit);
                    add_dram_counts(&commands, &mut counts);
                }
                self.account(layer, &counts, now);
            } else if let Some(stats) = self.state.layers.get_mut(layer as usize) {
                stats.counts.instructions += 1;
                stats.end = stats.end.max(now);
            }
            observer.event(&Event::Completed {
                unit: Unit::Seq,
                pc,
                layer,
                start: now,
                end: now + u64::from(takes_time),
                counts,
            });
            match effect {
                Effect::Credit(token, n) => {
                    let counter = &mut self.state.tokens[token.index()];
                    *counter = counter.saturating_add(n);
                    self.wake(token, changes);
                    self.state.order.credit(pc, token, n);
                }
                Effect::Halt => {
                    self.state.status = Status::Halted;
                    return Ok(());
                }
                Effect::None | Effect::Free | Effect::Fence | Effect::Dispatch(..) => {}
            }
        }
        let counter = match instruction.op {
            systole_isa::Op::RdPerf { counter, .. } => self.perf_counter(counter),
            _ => 0,
        };
        let around = Surroundings { now, counter };
        self.state
            .sequencer
            .perform(&instruction.op, &around)
            .map_err(|kind| Fault { kind, pc, cycle: now })
    }

    fn perf_counter(&self, counter: PerfCounter) -> u64 {
        let totals = self.counts();
        match counter {
            PerfCounter::Macs => totals.macs,
            PerfCounter::DramReadBytes => totals.dram_read_bytes,
            PerfCounter::DramWriteBytes => totals.dram_write_bytes,
            PerfCounter::MxStream => self.unit_cycles(Unit::Mx).of(Activity::Busy(BusyKind::Stream)),
            PerfCounter::VectorOps => totals.vector_ops,
            PerfCounter::VxBusy => self.unit_cycles(Unit::Vx).of(Activity::Busy(BusyKind::Vector)),
            PerfCounter::Overflows => totals.overflows,
            PerfCounter::GatedMacs => totals.gated_macs,
            PerfCounter::SkippedMacs => totals.skipped_macs,
        }
    }

    /// Starts the instruction at the head of a unit's queue if it can start now.
    pub(super) fn start_head(&mut self, unit: Unit) -> Result<bool, Fault> {
        let Some(head) = self.state.queues[unit.index()].front() else {
            return Ok(false);
        };
        let pc = head.pc;
        if !self
            .unit_is_free(unit, &head.work)
            .map_err(|kind| self.fault(kind, pc))?
        {
            return Ok(false);
        }
        if !has_tokens(&self.state.tokens, &head.tokens) {
            return Ok(false);
        }
        let tile = self.tile_of(&head.work);
        let mut touches = Touches::new();
        let spm_end = self
            .check_touches(unit, &head.work, tile, &mut touches)
            .map_err(|kind| self.fault(kind, pc))?;
        let banks = bank_use(&self.description, &head.work, tile);
        if !self.banks_admit(banks) {
            return Ok(false);
        }
        let head = self.state.queues[unit.index()]
            .pop_front()
            .expect("the head was just inspected");
        self.take_tokens(&head.tokens);
        self.state.spm_peak_bytes = self.state.spm_peak_bytes.max(spm_end);
        let release = self.ordered(unit, &head, &mut touches)?;
        self.begin(unit, head, release, banks);
        Ok(true)
    }

    fn unit_is_free(&self, unit: Unit, work: &Work) -> Result<bool, FaultKind> {
        let state = &self.state;
        match unit {
            Unit::Seq => Ok(false),
            Unit::Ld | Unit::St => {
                let dma = &state.dma[unit.index() - Unit::Ld.index()];
                Ok(dma.is_free(&self.dram_parameters, state.now))
            }
            Unit::Vx => Ok(state.vx.is_none()),
            Unit::Mx => {
                if let Some(why) = state.mx.never_startable(work) {
                    return Err(FaultKind::BadOperand { why: why.to_owned() });
                }
                Ok(matches!(state.mx.start(&self.description, work, state.now), Start::Now))
            }
        }
    }

    /// Whether the scratchpad's banks have so many words per cycle left. An instruction alone always fits.
    fn banks_admit(&self, wanted: BankUse) -> bool {
        let Some(banks) = &self.description.spm_banks else {
            return true;
        };
        let state = &self.state;
        let taken = state.dma.iter().map(DmaUnit::words_per_cycle).sum::<u64>()
            + state.mx.words_per_cycle(state.now)
            + state.vx.as_ref().map_or(0, |vx| vx.banks.words_per_cycle);
        wanted.words_per_cycle == 0 || taken + wanted.words_per_cycle <= banks.words_per_cycle()
    }

    /// The tile that a product would use now.
    fn tile_of(&self, work: &Work) -> Option<&TileShape> {
        match work {
            Work::Product(product) => self.state.mx.tile_for(product.weights).map(|tile| &tile.shape),
            _ => None,
        }
    }

    fn facts(&self, work: &Work) -> Facts {
        match self.mode {
            Mode::Full => Facts::observed(work, &self.state.memories),
            Mode::TimingOnly => Facts::dense(work),
        }
    }

    /// Checks operands and bounds of an instruction that could start, lists what it touches, and says what is one past its highest byte
    /// of the scratchpad.
    fn check_touches(
        &self,
        unit: Unit,
        work: &Work,
        tile: Option<&TileShape>,
        touches: &mut Touches,
    ) -> Result<u64, FaultKind> {
        work::check(unit, work, &self.description, tile)?;
        let accesses = race::accesses(work, tile);
        let capacity = |space| self.state.memories.of(space).capacity_bytes();
        race::check_bounds(&accesses, capacity)?;
        let spm_end = accesses.iter().filter_map(|access| access.end_in(Space::Spm)).max();
        touches.extend(accesses.iter().map(Touch::of));
        Ok(spm_end.unwrap_or(0))
    }

    /// Looks for races of an instruction that starts now, whose tokens are taken.
    fn ordered(&mut self, unit: Unit, head: &Dispatched, touches: &mut Touches) -> Result<Release, Fault> {
        let place = (unit, head.pc);
        let (release, conflicts) = self
            .state
            .order
            .start(place, head.work.array_use(), &head.tokens, touches);
        match conflicts.first() {
            None => Ok(release),
            Some(conflict) => Err(self.fault(fault::race(conflict, place, &self.program), head.pc)),
        }
    }

    fn begin(&mut self, unit: Unit, dispatched: Dispatched, release: Release, banks: BankUse) {
        let now = self.state.now;
        match unit {
            Unit::Seq => {}
            Unit::Ld | Unit::St => {
                let is_write = unit == Unit::St;
                let traffic = match &*dispatched.work {
                    Work::Copy { dst, src, m, n } => bursts_of(
                        if is_write { dst } else { src },
                        *m,
                        *n,
                        self.dram_parameters.burst_bytes(),
                    ),
                    _ => (Vec::new(), 0),
                };
                let dma = &mut self.state.dma[unit.index() - Unit::Ld.index()];
                dma.begin(&self.dram_parameters, (dispatched, release), traffic, banks, now);
            }
            Unit::Mx => {
                let facts = self.facts(&dispatched.work);
                let mx = &mut self.state.mx;
                mx.begin(&self.description, dispatched, release, (facts, banks), now);
            }
            Unit::Vx => {
                let done_at = now + vx::duration(&self.description, &dispatched.work, banks);
                self.state.vx = Some(VxInFlight {
                    dispatched,
                    release,
                    started_at: now,
                    done_at,
                    banks,
                });
            }
        }
    }

    /// Notes what each unit does from now on.
    pub(super) fn update_statuses(
        &mut self,
        sequencer_activity: Activity,
        changes: Changes,
        observer: &mut impl Observer,
    ) {
        let status = self.sequencer_status(sequencer_activity);
        self.update_status(Unit::Seq, status, observer);
        for unit in changes.units() {
            let status = self.current_status(unit);
            self.update_status(unit, status, observer);
        }
    }

    #[inline]
    fn update_status(&mut self, unit: Unit, status: UnitStatus, observer: &mut impl Observer) {
        if !status.continues(&self.state.statuses[unit.index()]) {
            self.close_span(unit, status, observer);
        }
    }

    fn sequencer_status(&self, activity: Activity) -> UnitStatus {
        let sequencer = &self.state.sequencer;
        let pc = matches!(activity, Activity::Stalled(_)).then_some(sequencer.pc);
        UnitStatus {
            activity,
            pc,
            layer: sequencer.layer,
            started_at: None,
            since: self.state.now,
        }
    }

    fn current_status(&self, unit: Unit) -> UnitStatus {
        let state = &self.state;
        let now = state.now;
        let busy = |dispatched: &Dispatched, started_at: u64, kind: BusyKind| {
            let kind = if matches!(*dispatched.work, Work::Sync) {
                BusyKind::Sync
            } else {
                kind
            };
            UnitStatus::busy(kind, dispatched.pc, dispatched.layer, started_at, now)
        };
        let status = match unit {
            Unit::Seq => None,
            // The oldest one, for whose data everything behind it waits.
            Unit::Ld | Unit::St => state.dma[unit.index() - Unit::Ld.index()]
                .oldest()
                .map(|transfer| busy(&transfer.dispatched, transfer.started_at, BusyKind::Transfer)),
            Unit::Mx => state.mx.status(now),
            Unit::Vx => state
                .vx
                .as_ref()
                .map(|vx| busy(&vx.dispatched, vx.started_at, BusyKind::Vector)),
        };
        let idle = UnitStatus {
            activity: Activity::Idle,
            pc: None,
            layer: state.statuses[unit.index()].layer,
            started_at: None,
            since: now,
        };
        let waiting = || {
            let head = state.queues[unit.index()].front()?;
            let reason = if has_tokens(&state.tokens, &head.tokens) {
                StallReason::SpmBank
            } else {
                StallReason::Token
            };
            let activity = Activity::Stalled(reason);
            Some(UnitStatus {
                activity,
                pc: Some(head.pc),
                layer: head.layer,
                ..idle
            })
        };
        status.or_else(waiting).unwrap_or(idle)
    }

    pub(super) fn close_span(&mut self, unit: Unit, next: UnitStatus, observer: &mut impl Observer) {
        let old = std::mem::replace(&mut self.state.statuses[unit.index()], next);
        let cycles = self.state.now - old.since;
        if cycles == 0 {
            return;
        }
        self.state.cycles[unit.index()].add(old.activity, cycles);
        if let (Activity::Busy(_), Some(layer)) = (old.activity, self.state.layers.get_mut(old.layer as usize)) {
            layer.busy[unit.index()] += cycles;
        }
        observer.event(&Event::Span {
            unit,
            activity: old.activity,
            pc: old.pc,
            layer: old.layer,
            start: old.since,
            end: self.state.now,
        });
    }
}

/// Adds the row hits and row commands that transfers have caused. A store is complete before the last of its bursts is in the devices; what
/// those cause counts with the unit's next transfer, or with the halt.
fn add_dram_counts(commands: &DramCounts, counts: &mut EventCounts) {
    counts.dram_row_hits += commands.row_hits();
    counts.dram_activates += commands.activates;
    counts.dram_precharges += commands.precharges;
}

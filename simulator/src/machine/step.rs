//! What happens within the cycle of an event: completions, the sequencer's instruction, starts.

use super::*;

impl Machine {
    /// Completes the work that ends now, in the fixed order LD, ST, MX, VX.
    pub(super) fn complete(&mut self, observer: &mut impl Observer) -> Result<(), Fault> {
        for unit in [Unit::Ld, Unit::St] {
            self.advance_transfer(unit, observer);
        }
        let now = self.state.now;
        while let Some(at) = self.state.mx.in_flight.iter().position(|x| x.done_at <= now) {
            let done = self.state.mx.in_flight.remove(at).expect("the position was just found");
            let tile = (done.tile.k, done.tile.n);
            let mut counts = static_counts(&done.dispatched.work, tile);
            counts.gated_macs = self.execute_mx(&done)?;
            self.retire(Unit::Mx, &done.dispatched, done.started_at, counts, observer);
        }
        if self.state.vx.as_ref().is_some_and(|vx| vx.done_at <= now)
            && let Some(done) = self.state.vx.take()
        {
            let counts = static_counts(&done.dispatched.work, (0, 0));
            self.execute_vx(&done.dispatched.work);
            self.retire(Unit::Vx, &done.dispatched, done.started_at, counts, observer);
        }
        Ok(())
    }

    fn advance_transfer(&mut self, unit: Unit, observer: &mut impl Observer) {
        let slot = &mut self.state.transfers[unit.index() - Unit::Ld.index()];
        let done_at = slot.as_ref().and_then(Transfer::done_at);
        if done_at.is_none_or(|at| at > self.state.now) {
            return;
        }
        let Some(done) = slot.take() else {
            return;
        };
        let mut counts = static_counts(&done.dispatched.work, (0, 0));
        counts.add(&done.counts);
        self.add_dram_counts(unit, &mut counts);
        if let Work::Copy { dst, src, m, n } = &*done.dispatched.work
            && self.mode == Mode::Full
        {
            exec::copy(&mut self.state.memories, dst, src, *m, *n);
        }
        self.retire(unit, &done.dispatched, done.started_at, counts, observer);
    }

    /// Adds the row hits and row commands that a DMA unit has caused since this was last done. A store is complete before the last of its
    /// bursts is in the devices; what those cause counts with the unit's next transfer, or with the halt.
    fn add_dram_counts(&mut self, unit: Unit, counts: &mut EventCounts) {
        let commands = self.state.dram_timing.take_counts(unit.index() - Unit::Ld.index());
        counts.dram_row_hits += commands.row_hits();
        counts.dram_activates += commands.activates;
        counts.dram_precharges += commands.precharges;
    }

    /// Performs an array instruction; returns its gated multiply-accumulates.
    fn execute_mx(&mut self, done: &crate::mx::MxInFlight) -> Result<u64, Fault> {
        let values = self.mode == Mode::Full;
        match &*done.dispatched.work {
            Work::WeightLoad { w, k, n } => {
                let tile = if values {
                    exec::load_weights(&self.state.memories, w, *k, *n)
                } else {
                    exec::WeightTile {
                        k: *k,
                        n: *n,
                        weights: Vec::new(),
                    }
                };
                self.state.mx.finish_load(Arc::new(tile));
                Ok(0)
            }
            Work::MatMul {
                c, a, m0, m, k0, mode, ..
            } if values => {
                let op = exec::MatMul {
                    c,
                    a,
                    m0: *m0,
                    m: *m,
                    k0: *k0,
                    mode: *mode,
                };
                exec::matmul(&mut self.state.memories, &done.tile, &op).map_err(|overflow| {
                    self.fault(
                        FaultKind::Overflow {
                            address: overflow.address,
                        },
                        done.dispatched.pc,
                    )
                })
            }
            _ => Ok(0),
        }
    }

    fn execute_vx(&mut self, work: &Work) {
        if self.mode == Mode::TimingOnly {
            return;
        }
        let memories = &mut self.state.memories;
        match work {
            Work::Requant {
                dst,
                src,
                par,
                m,
                n,
                rounding,
            } => {
                exec::requantize(memories, [dst, src, par], (*m, *n), *rounding);
            }
            Work::MaxPool { dst, src, m, n } => exec::max_pool(memories, dst, src, *m, *n),
            Work::AddRescaled { dst, a, b, par, m, n } => exec::add_rescaled(memories, [dst, a, b, par], (*m, *n)),
            Work::WeightLoad { .. } | Work::MatMul { .. } | Work::Copy { .. } | Work::Sync => {}
        }
    }

    fn retire(&mut self, unit: Unit, done: &Dispatched, start: u64, counts: EventCounts, observer: &mut impl Observer) {
        self.post_tokens(&done.tokens);
        let end = self.state.now;
        self.account(done.layer, &counts, end);
        observer.event(&Event::Completed {
            unit,
            pc: done.pc,
            layer: done.layer,
            start,
            end,
            counts,
        });
    }

    fn account(&mut self, layer: u32, counts: &EventCounts, end: u64) {
        if let Some(stats) = self.state.layers.get_mut(layer as usize) {
            stats.counts.add(counts);
            stats.end = stats.end.max(end);
        }
    }

    /// Executes the sequencer's instruction if it is due, and says what the sequencer does in this cycle.
    pub(super) fn run_sequencer(&mut self, observer: &mut impl Observer) -> Result<Activity, Fault> {
        for _ in 0..MAX_MARKS_PER_CYCLE {
            if self.state.sequencer.ready_at > self.state.now {
                return Ok(Activity::Busy(BusyKind::Scalar));
            }
            let pc = self.state.sequencer.pc;
            let Some(&instruction) = self.program.code.get(pc as usize) else {
                return Err(self.fault(FaultKind::EndOfProgram, pc));
            };
            let effect = self
                .state
                .sequencer
                .preview(&instruction.op)
                .map_err(|kind| self.fault(kind, pc))?;
            if let Some(stall) = self.sequencer_stall(&instruction, &effect) {
                return Ok(Activity::Stalled(stall));
            }
            let is_free = matches!(effect, Effect::Free);
            self.execute_scalar(pc, &instruction, effect, observer)?;
            if !is_free {
                self.state.sequencer.ready_at = self.state.now + 1;
                return Ok(Activity::Busy(BusyKind::Scalar));
            }
        }
        self.state.sequencer.ready_at = self.state.now + 1;
        Ok(Activity::Busy(BusyKind::Scalar))
    }

    fn sequencer_stall(&self, instruction: &Instruction, effect: &Effect) -> Option<StallReason> {
        match effect {
            Effect::Dispatch(unit, _) => {
                let is_full = self.state.queues[unit.index()].len() >= self.description.queue_depth as usize;
                is_full.then_some(StallReason::QueueFull)
            }
            _ if !self.missing_tokens(&instruction.tokens).is_empty() => Some(StallReason::Token),
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
        observer: &mut impl Observer,
    ) -> Result<(), Fault> {
        let now = self.state.now;
        let layer = match instruction.op {
            // A mark belongs to what it starts.
            systole_isa::Op::Mark { id, .. } => id.0 as u32 + 1,
            _ => self.state.sequencer.layer,
        };
        if let Effect::Dispatch(unit, work) = effect {
            let dispatched = Dispatched {
                work,
                tokens: instruction.tokens,
                pc,
                layer,
            };
            self.state.queues[unit.index()].push_back(dispatched);
        } else {
            self.take_tokens(&instruction.tokens);
            self.post_tokens(&instruction.tokens);
            let mut counts = EventCounts {
                instructions: 1,
                ..EventCounts::default()
            };
            if matches!(effect, Effect::Halt) {
                self.add_dram_counts(Unit::Ld, &mut counts);
                self.add_dram_counts(Unit::St, &mut counts);
            }
            self.account(layer, &counts, now);
            observer.event(&Event::Completed {
                unit: Unit::Seq,
                pc,
                layer,
                start: now,
                end: now + 1,
                counts,
            });
            match effect {
                Effect::Credit(token, n) => self.state.tokens[token] = self.state.tokens[token].saturating_add(n),
                Effect::Halt => {
                    self.state.status = Status::Halted;
                    return Ok(());
                }
                Effect::None | Effect::Free | Effect::Fence | Effect::Dispatch(..) => {}
            }
        }
        let totals = self.counts_if_read(&instruction.op);
        let stream = self.unit_cycles(Unit::Mx).of(Activity::Busy(BusyKind::Stream));
        let counter = |counter: PerfCounter| match counter {
            PerfCounter::Macs => totals.macs,
            PerfCounter::DramReadBytes => totals.dram_read_bytes,
            PerfCounter::DramWriteBytes => totals.dram_write_bytes,
            PerfCounter::MxStream => stream,
        };
        let around = Surroundings { now, counter: &counter };
        self.state
            .sequencer
            .perform(&instruction.op, &around)
            .map_err(|kind| Fault { kind, pc, cycle: now })
    }

    /// The totals, summed only for the one instruction that reads them.
    fn counts_if_read(&self, op: &systole_isa::Op) -> EventCounts {
        if matches!(op, systole_isa::Op::RdPerf { .. }) {
            self.counts()
        } else {
            EventCounts::default()
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
        if !self.missing_tokens(&head.tokens).is_empty() {
            return Ok(false);
        }
        let tile = self.tile_size(&head.work);
        let accesses = self.checked_accesses(unit, pc, &head.work, tile)?;
        let head = self.state.queues[unit.index()]
            .pop_front()
            .expect("the head was just inspected");
        self.take_tokens(&head.tokens);
        self.begin(unit, head, accesses);
        Ok(true)
    }

    fn unit_is_free(&self, unit: Unit, work: &Work) -> Result<bool, FaultKind> {
        let state = &self.state;
        match unit {
            Unit::Seq => Ok(false),
            Unit::Ld | Unit::St => Ok(state.transfers[unit.index() - Unit::Ld.index()].is_none()),
            Unit::Vx => Ok(state.vx.is_none()),
            Unit::Mx => {
                if let Some(why) = state.mx.never_startable(work) {
                    return Err(FaultKind::BadOperand { why: why.to_owned() });
                }
                Ok(matches!(state.mx.start(&self.description, work, state.now), Start::Now))
            }
        }
    }

    fn tile_size(&self, work: &Work) -> (u64, u64) {
        match work {
            Work::MatMul { weights, .. } => self.state.mx.tile_for(*weights).map_or((0, 0), |tile| (tile.k, tile.n)),
            _ => (0, 0),
        }
    }

    fn checked_accesses(&self, unit: Unit, pc: u32, work: &Work, tile: (u64, u64)) -> Result<Vec<Access>, Fault> {
        work::check(unit, work, &self.description, tile).map_err(|kind| self.fault(kind, pc))?;
        let accesses = race::accesses(work, tile);
        let capacity = |space| self.state.memories.of(space).capacity_bytes();
        race::check_bounds(&accesses, capacity).map_err(|kind| self.fault(kind, pc))?;
        for (other_unit, other_pc, theirs) in self.under_way() {
            if other_unit != unit
                && let Some((space, address)) = race::conflict(&accesses, theirs)
            {
                return Err(self.fault(
                    FaultKind::Race {
                        other_pc,
                        space,
                        address,
                    },
                    pc,
                ));
            }
        }
        Ok(accesses)
    }

    fn under_way(&self) -> impl Iterator<Item = (Unit, u32, &[Access])> {
        let state = &self.state;
        let transfers = [Unit::Ld, Unit::St].into_iter().zip(&state.transfers);
        transfers
            .filter_map(|(unit, t)| t.as_ref().map(|t| (unit, t.dispatched.pc, &t.accesses[..])))
            .chain(
                state
                    .mx
                    .in_flight
                    .iter()
                    .map(|x| (Unit::Mx, x.dispatched.pc, &x.accesses[..])),
            )
            .chain(state.vx.iter().map(|x| (Unit::Vx, x.dispatched.pc, &x.accesses[..])))
    }

    fn begin(&mut self, unit: Unit, dispatched: Dispatched, accesses: Vec<Access>) {
        let now = self.state.now;
        let spm_end = accesses
            .iter()
            .filter_map(|access| access.end_in(Space::Spm))
            .max()
            .unwrap_or(0);
        self.state.spm_peak_bytes = self.state.spm_peak_bytes.max(spm_end);
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
                let transfer = Transfer::begin(dispatched, accesses, traffic, is_write, now);
                self.state.transfers[unit.index() - Unit::Ld.index()] = Some(transfer);
            }
            Unit::Mx => self.state.mx.begin(&self.description, dispatched, accesses, now),
            Unit::Vx => {
                let done_at = now + vx::duration(&self.description, &dispatched.work);
                self.state.vx = Some(VxInFlight {
                    dispatched,
                    accesses,
                    started_at: now,
                    done_at,
                });
            }
        }
    }

    /// Notes what each unit does from now on.
    pub(super) fn update_statuses(&mut self, sequencer_activity: Activity, observer: &mut impl Observer) {
        for unit in Unit::ALL {
            let status = match unit {
                Unit::Seq => self.sequencer_status(sequencer_activity),
                Unit::Ld | Unit::St | Unit::Mx | Unit::Vx => self.current_status(unit),
            };
            if !status.continues(&self.state.statuses[unit.index()]) {
                self.close_span(unit, status, observer);
            }
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
            Unit::Ld | Unit::St => state.transfers[unit.index() - Unit::Ld.index()]
                .as_ref()
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
            let activity = Activity::Stalled(StallReason::Token);
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

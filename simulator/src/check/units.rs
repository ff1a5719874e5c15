//! The units without time: each performs its queue in order, as far as its tokens allow.

use super::finding::{Finding, Findings};
use super::written::Written;
use crate::fault::FaultKind;
use crate::order::deadlock::{Standstill, missing_tokens};
use crate::order::{self, ArrayUse, Order, Touch, Touches};
use crate::race;
use crate::work::matrix::TileShape;
use crate::work::{self, Dispatched, Work};
use std::collections::VecDeque;
use systole_isa::operand::{N_TOKENS, Space, Token, Weights};
use systole_isa::{MachineDescription, Program, Tokens, Unit};

const WEIGHTS_HELP: &str = "pair every `mx.wload` with one product that says `swap`";

/// The units that the sequencer dispatches to.
const DISPATCHED_TO: [Unit; 4] = [Unit::Ld, Unit::St, Unit::Mx, Unit::Vx];

/// The tiles in the array.
#[derive(Debug, Default)]
struct ArrayRegisters {
    shadow: Option<TileShape>,
    active: Option<TileShape>,
}

/// Queues, tokens and memories, as far as they do not depend on time.
pub(super) struct Units<'a> {
    program: &'a Program,
    machine: &'a MachineDescription,
    queues: [VecDeque<Dispatched>; Unit::ALL.len()],
    counters: [u32; N_TOKENS],
    order: Order,
    array: ArrayRegisters,
    spm: Written,
    acc: Written,
}

impl<'a> Units<'a> {
    pub(super) fn new(program: &'a Program, machine: &'a MachineDescription) -> Self {
        Self {
            program,
            machine,
            queues: Default::default(),
            counters: [0; N_TOKENS],
            order: Order::default(),
            array: ArrayRegisters::default(),
            spm: Written::default(),
            acc: Written::default(),
        }
    }

    /// Puts an instruction into its queue; false if the queue is full and stays so.
    pub(super) fn dispatch(&mut self, unit: Unit, dispatched: Dispatched, findings: &mut Findings) -> bool {
        let depth = self.machine.queue_depth as usize;
        if self.queues[unit.index()].len() >= depth {
            self.perform_all(findings);
        }
        if self.queues[unit.index()].len() >= depth {
            return false;
        }
        self.queues[unit.index()].push_back(dispatched);
        self.order.dispatch(unit);
        true
    }

    /// Takes and posts for an instruction of the sequencer; false if its tokens never come.
    pub(super) fn sequence(&mut self, pc: u32, tokens: &Tokens, findings: &mut Findings) -> bool {
        if !missing_tokens(&self.counters, tokens).is_empty() {
            self.perform_all(findings);
        }
        if !missing_tokens(&self.counters, tokens).is_empty() {
            return false;
        }
        self.take(tokens);
        self.order.sequence(pc, tokens);
        self.post(tokens);
        true
    }

    /// Waits until every unit is idle; false if one never is.
    pub(super) fn fence(&mut self, findings: &mut Findings) -> bool {
        self.perform_all(findings);
        let is_idle = self.queues.iter().all(VecDeque::is_empty);
        if is_idle {
            self.order.fence();
        }
        is_idle
    }

    /// Adds to a token.
    pub(super) fn credit(&mut self, pc: u32, token: Token, n: u32) {
        let counter = &mut self.counters[token.index()];
        *counter = counter.saturating_add(n);
        self.order.credit(pc, token, n);
    }

    fn take(&mut self, tokens: &Tokens) {
        for token in tokens.waits.iter().flatten() {
            self.counters[token.index()] -= 1;
        }
    }

    fn post(&mut self, tokens: &Tokens) {
        for token in tokens.posts.iter().flatten() {
            let counter = &mut self.counters[token.index()];
            *counter = counter.saturating_add(1);
        }
    }

    /// Performs what can be performed until nothing can.
    fn perform_all(&mut self, findings: &mut Findings) {
        let mut progress = true;
        while progress {
            progress = false;
            for unit in DISPATCHED_TO {
                while let Some(head) = self.queues[unit.index()].front()
                    && missing_tokens(&self.counters, &head.tokens).is_empty()
                    && let Some(head) = self.queues[unit.index()].pop_front()
                {
                    self.perform(unit, &head, findings);
                    progress = true;
                }
            }
        }
    }

    fn perform(&mut self, unit: Unit, head: &Dispatched, findings: &mut Findings) {
        self.take(&head.tokens);
        let array = head.work.array_use();
        self.use_array(head, findings);
        let tile = self.array.active.as_ref();
        let mut touches = Touches::new();
        if let Err(kind) = self.check(unit, &head.work, tile, &mut touches) {
            findings.add(unit_fault(
                &kind,
                head.pc,
                tile.is_none() && matches!(array, ArrayUse::Product { .. }),
            ));
        }
        self.look_for_unwritten(head, &touches, findings);
        let (release, conflicts) = self.order.start((unit, head.pc), array, &head.tokens, &mut touches);
        for conflict in &conflicts {
            let kind = crate::fault::race(conflict, (unit, head.pc), self.program);
            findings.add(Finding::error(
                "K0002",
                &[conflict.other_pc, head.pc],
                format!("instruction {}: {kind}", head.pc),
                "order the two instructions: let the first post a token (`!t`) that the second waits for (`?t`)",
            ));
        }
        self.order.post(&head.tokens, &release);
        self.post(&head.tokens);
    }

    /// Loads, swaps or clobbers the registers of the array.
    fn use_array(&mut self, head: &Dispatched, findings: &mut Findings) {
        let mut complain = |message: &str| findings.add(Finding::error("K0007", &[head.pc], message, WEIGHTS_HELP));
        match &*head.work {
            Work::TileLoad(load) => {
                if self.array.shadow.replace(load.shape.clone()).is_some() {
                    complain(
                        "the shadow registers hold weights that no product has swapped in; this load would lose them",
                    );
                }
            }
            Work::Product(product) if product.weights == Weights::Swap => match self.array.shadow.take() {
                Some(tile) => self.array.active = Some(tile),
                None => complain("there are no weights in the shadow registers to swap in"),
            },
            Work::OutputStationary(_) => self.array.active = None,
            Work::Product(_) | Work::Vector(_) | Work::Copy { .. } | Work::Sync => {}
        }
    }

    /// Checks operands and bounds and lists what is touched.
    fn check(&self, unit: Unit, work: &Work, tile: Option<&TileShape>, touches: &mut Touches) -> Result<(), FaultKind> {
        work::check(unit, work, self.machine, tile)?;
        let accesses = race::accesses(work, tile);
        race::check_bounds(&accesses, |space| match space {
            Space::Spm => self.machine.spm.capacity_bytes(),
            Space::Acc => self.machine.acc.capacity_bytes(),
            Space::Dram => self.program.dram_bytes,
        })?;
        touches.extend(accesses.iter().map(Touch::of));
        Ok(())
    }

    /// Looks for reads of on-chip bytes that nothing has written, and notes the writes.
    fn look_for_unwritten(&mut self, head: &Dispatched, touches: &[Touch], findings: &mut Findings) {
        for touch in touches {
            let written = match touch.space {
                Space::Spm => &mut self.spm,
                Space::Acc => &mut self.acc,
                Space::Dram => continue,
            };
            let reads = !touch.writes || head.work.accumulates();
            if reads
                && !findings.has("K0008", head.pc)
                && let Some((first, end)) = written.missing(&touch.footprint)
            {
                let message = format!(
                    "instruction {} reads {} bytes {first:#x}..{end:#x}, not all of which have been written",
                    head.pc, touch.space
                );
                findings.add(Finding::warning(
                    "K0008",
                    &[head.pc],
                    message,
                    "load or compute the bytes first, or shrink the view to what is needed",
                ));
            }
            if touch.writes {
                written.add(&touch.footprint);
            }
        }
    }

    /// The finding that nothing can go on, with the sequencer at `pc`.
    pub(super) fn deadlock(&self, pc: u32) -> Finding {
        let standstill = Standstill {
            program: self.program,
            pc,
            queues: &self.queues,
            counters: &self.counters,
            order: &self.order,
        };
        let (kind, _) = standstill.fault();
        let pcs: Vec<u32> = match &kind {
            FaultKind::Deadlock { waits, .. } => waits.iter().map(|wait| wait.pc).collect(),
            _ => vec![pc],
        };
        let finding = Finding::error(
            "K0001",
            &pcs,
            kind.to_string(),
            "post a token for every wait: give one of the instructions before it `!t`, or start with `credit`",
        );
        let full = self
            .program
            .code
            .get(pc as usize)
            .map(|instruction| instruction.op.unit());
        match full {
            Some(unit) if unit != Unit::Seq => finding.because(format!(
                "the sequencer cannot go beyond instruction {pc}, since the queue of {} holds {} instructions and is full",
                unit.name(),
                self.machine.queue_depth
            )),
            _ => finding,
        }
    }

    /// What the tokens say at the end of the walk; `ended` if the program came to its end.
    pub(super) fn finish(&self, ended: bool, findings: &mut Findings) {
        for ambiguity in self.order.ambiguities() {
            let verb = if ambiguity.posts { "post" } else { "wait for" };
            let unit = |event: &order::clock::Event| event.chain.unit().name();
            let message = format!(
                "instruction {} ({}) and instruction {} ({}) {verb} {} in no fixed order",
                ambiguity.first.pc,
                unit(&ambiguity.first),
                ambiguity.second.pc,
                unit(&ambiguity.second),
                ambiguity.token
            );
            let finding = Finding::error(
                "K0003",
                &[ambiguity.first.pc, ambiguity.second.pc],
                message,
                "use a token of its own for each pair of units, or a fence between the uses",
            );
            findings.add(finding.because(
                "which post a wait follows depends on timing, so the order of what it protects cannot be proven",
            ));
        }
        for (index, &n) in self.counters.iter().enumerate().filter(|&(_, &n)| n > 0 && ended) {
            let Some(token) = Token::new(index as u8) else { continue };
            let pcs: Vec<u32> = self.order.last_post(token).into_iter().collect();
            findings.add(Finding::warning(
                "K0004",
                &pcs,
                format!("{token} ends at {n}, but it began at 0"),
                "remove the post or credit that nobody waits for, or take the tokens back with `nop ?t` at the end",
            ));
        }
    }
}

fn unit_fault(kind: &FaultKind, pc: u32, lacks_tile: bool) -> Finding {
    let message = format!("instruction {pc}: {kind}");
    match kind {
        FaultKind::OutOfRange { .. } => Finding::error(
            "K0005",
            &[pc],
            message,
            "check base, counts and strides of the descriptor against the size of the memory",
        ),
        _ if lacks_tile => Finding::error("K0007", &[pc], message, WEIGHTS_HELP),
        _ => Finding::error(
            "K0006",
            &[pc],
            message,
            "see the instruction's description for the values that it takes",
        ),
    }
}

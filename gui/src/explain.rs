//! A span in words: what the lane did, and for a stall who it waited for, since when, and what it has cost.

use crate::format;
use crate::frame::{ProgramInfo, Span, UNIT_NAMES};
use crate::overview::{Fact, SpanReport};
use crate::recording::{Recording, activity};
use crate::token_log::TokenLink;
use systole_isa::Unit;
use systole_isa::operand::Token;
use systole_simulator::{Activity, Machine, StallReason};

/// Most candidates that are named when nobody has been given an instruction that posts a token.
const MAX_CANDIDATES: usize = 3;

/// What is known of the span at a cycle of a lane; `None` if no exact span is recorded there.
pub(crate) fn explain(
    machine: &Machine,
    recording: &Recording,
    program: &ProgramInfo,
    (lane_idx, cycle): (usize, u64),
) -> Option<SpanReport> {
    let span = recording.lanes.get(lane_idx)?.span_at(cycle, machine.now())?;
    let subject = Subject {
        machine,
        recording,
        program,
        lane_idx,
        span,
    };
    let (title, facts) = subject.report();
    Some(SpanReport {
        lane_idx,
        span,
        title,
        facts,
    })
}

struct Subject<'a> {
    machine: &'a Machine,
    recording: &'a Recording,
    program: &'a ProgramInfo,
    lane_idx: usize,
    span: Span,
}

impl Subject<'_> {
    fn report(&self) -> (String, Vec<Fact>) {
        let name = UNIT_NAMES[self.lane_idx];
        let mut facts = self.instruction();
        facts.push(self.time());
        let title = match activity(self.span.activity) {
            Activity::Idle => format!("{name} has nothing to do"),
            Activity::Busy(kind) => format!("{name} works: {}", kind.name().replace('_', " ")),
            Activity::Stalled(reason) => {
                facts.extend(match reason {
                    StallReason::Token => self.tokens(),
                    StallReason::QueueFull => self.full_queue(),
                    StallReason::Fence | StallReason::SpmBank => self.others(),
                });
                facts.extend(self.cost(reason));
                match reason {
                    StallReason::Token => format!("{name} waits for a token"),
                    StallReason::QueueFull => format!("{name} waits for a place in a queue"),
                    StallReason::Fence => format!("{name} waits until the other units are done"),
                    StallReason::SpmBank => format!("{name} waits for banks of the scratchpad"),
                }
            }
        };
        (title, facts)
    }

    fn is_going_on(&self) -> bool {
        self.span.end == self.machine.now()
            && self.machine.unit_status(Unit::ALL[self.lane_idx]).since == self.span.start
    }

    fn instruction(&self) -> Vec<Fact> {
        let Some(pc) = self.span.pc else { return Vec::new() };
        let mut facts = vec![Fact {
            label: "Instruction",
            text: self.text_of(pc),
            pc: Some(pc),
            cycle: None,
        }];
        let line = self.program.lines.get(pc as usize);
        if let Some(layer) = line.and_then(|line| self.program.layers.get(line.layer_idx?)) {
            facts.push(fact("Layer", layer.clone()));
        }
        facts
    }

    /// An instruction with its number.
    fn text_of(&self, pc: u32) -> String {
        match self.program.lines.get(pc as usize) {
            Some(line) => format!("{pc}  {} {}", line.mnemonic, line.operands),
            None => pc.to_string(),
        }
    }

    fn time(&self) -> Fact {
        let n_cycles = format::cycles(self.span.end - self.span.start);
        let start = format::grouped(self.span.start);
        let text = if self.is_going_on() {
            format!("since cycle {start}, {n_cycles} so far")
        } else {
            format!("cycles {start} to {}, {n_cycles}", format::grouped(self.span.end))
        };
        Fact {
            label: "Time",
            text,
            pc: None,
            cycle: Some(self.span.start),
        }
    }

    fn waits(&self) -> impl Iterator<Item = Token> {
        let pc = self.span.pc.map_or(usize::MAX, |pc| pc as usize);
        let instruction = self.machine.program().code.get(pc);
        let waits = instruction.map_or([None; 2], |instruction| instruction.tokens.waits);
        waits.into_iter().flatten()
    }

    fn tokens(&self) -> Vec<Fact> {
        if self.is_going_on() {
            let missing = self.waits().filter(|token| self.machine.tokens()[token.index()] == 0);
            return missing.flat_map(|token| self.missing(token)).collect();
        }
        let pc = self.span.pc.unwrap_or(u32::MAX);
        let links = self.waits().filter_map(|token| {
            let link = self
                .recording
                .tokens
                .link_of_take(token.index() as u8, pc, self.span.end)?;
            Some((token, link))
        });
        let mut links: Vec<(Token, TokenLink)> = links.collect();
        // What came last is what it waited for.
        links.sort_by_key(|(_, link)| std::cmp::Reverse(link.post.cycle));
        let posted = |(token, link): (Token, TokenLink)| Fact {
            label: "Posted by",
            text: format!(
                "{token}: {} in cycle {}, {}",
                UNIT_NAMES[link.post.unit_idx],
                format::grouped(link.post.cycle),
                self.text_of(link.post.pc)
            ),
            pc: Some(link.post.pc),
            cycle: Some(link.post.cycle),
        };
        let waits: Vec<String> = self.waits().map(|token| token.to_string()).collect();
        let mut facts = vec![fact("Waits for", format!("token {}", waits.join(" and ")))];
        if links.is_empty() {
            facts.push(fact("Posted by", "no longer recorded, or not taken yet".to_owned()));
        }
        facts.extend(links.into_iter().map(posted));
        facts
    }

    /// A token that nobody has posted yet, and who will.
    fn missing(&self, token: Token) -> Vec<Fact> {
        let code = &self.machine.program().code;
        let posts = |pc: u32| {
            let instruction = code.get(pc as usize);
            instruction.is_some_and(|instruction| instruction.tokens.posts.contains(&Some(token)))
        };
        let waits = fact("Waits for", format!("token {token}, which nobody has posted"));
        let mut will = fact("Will post", String::new());
        for unit in Unit::ALL {
            let status = self.machine.unit_status(unit);
            if let Some(pc) = status.pc.filter(|&pc| posts(pc) && status.started_at.is_some()) {
                let since = format::grouped(status.started_at.unwrap_or(status.since));
                will.text = format!("{} works on it since cycle {since}: {}", unit.name(), self.text_of(pc));
                will.pc = Some(pc);
                return vec![waits, will];
            }
            if let Some((place, pc)) = self.machine.queued(unit).enumerate().find(|(_, pc)| posts(*pc)) {
                let place = format::counted(place as u64, "instruction");
                will.text = format!("{}, after {place} in its queue: {}", unit.name(), self.text_of(pc));
                will.pc = Some(pc);
                return vec![waits, will, self.state_of(unit)];
            }
        }
        let candidates = (0..code.len() as u32).filter(|&pc| posts(pc)).take(MAX_CANDIDATES);
        let candidates: Vec<Fact> = candidates
            .map(|pc| Fact {
                label: "May post",
                text: format!("{}, not handed out yet", self.text_of(pc)),
                pc: Some(pc),
                cycle: None,
            })
            .collect();
        if candidates.is_empty() {
            will.text = "no instruction of this program".to_owned();
            return vec![waits, will];
        }
        let mut facts = vec![waits];
        facts.extend(candidates);
        facts.push(self.state_of(Unit::Seq));
        facts
    }

    /// What a unit does now.
    fn state_of(&self, unit: Unit) -> Fact {
        let status = self.machine.unit_status(unit);
        let doing = match status.activity {
            Activity::Idle => "is idle".to_owned(),
            Activity::Busy(kind) => format!("is busy: {}", kind.name().replace('_', " ")),
            Activity::Stalled(reason) => format!("is stalled itself: {}", reason.name().replace('_', " ")),
        };
        let pc = status.pc.or((unit == Unit::Seq).then(|| self.machine.pc()));
        let of = pc.map_or(String::new(), |pc| format!(", {}", self.text_of(pc)));
        let since = format::grouped(status.since);
        Fact {
            label: "Meanwhile",
            text: format!("{} {doing} since cycle {since}{of}", unit.name()),
            pc,
            cycle: Some(status.since),
        }
    }

    fn full_queue(&self) -> Vec<Fact> {
        let line = self.span.pc.and_then(|pc| self.program.lines.get(pc as usize));
        let Some(unit_idx) = line.map(|line| line.unit) else {
            return Vec::new();
        };
        let depth = format::counted(u64::from(self.machine.description().queue_depth), "instruction");
        let text = format!("a place in the queue of {}, which holds {depth}", UNIT_NAMES[unit_idx]);
        let mut facts = vec![fact("Waits for", text)];
        facts.extend(self.meanwhile(unit_idx));
        facts
    }

    /// What every other unit was doing when the stall began.
    fn others(&self) -> Vec<Fact> {
        let others = (0..UNIT_NAMES.len()).filter(|&unit_idx| unit_idx != self.lane_idx);
        others.filter_map(|unit_idx| self.meanwhile(unit_idx)).collect()
    }

    /// What a unit was doing when the stall began; nothing for one that was idle.
    fn meanwhile(&self, unit_idx: usize) -> Option<Fact> {
        let lane = &self.recording.lanes[unit_idx];
        let other = lane.span_at(self.span.start, self.machine.now())?;
        let doing = match activity(other.activity) {
            Activity::Idle => return None,
            Activity::Busy(kind) => format!("was busy: {}", kind.name().replace('_', " ")),
            Activity::Stalled(reason) => format!("was stalled: {}", reason.name().replace('_', " ")),
        };
        let of = other.pc.map_or(String::new(), |pc| format!(", {}", self.text_of(pc)));
        let end = format::grouped(other.end);
        Some(Fact {
            label: "Meanwhile",
            text: format!("{} {doing} until cycle {end}{of}", UNIT_NAMES[unit_idx]),
            pc: other.pc,
            cycle: Some(other.start),
        })
    }

    /// What this stall, all of its instruction, and all of its kind have cost.
    fn cost(&self, reason: StallReason) -> Vec<Fact> {
        let (lane, now) = (&self.recording.lanes[self.lane_idx], self.machine.now());
        let same = lane
            .spans(lane.exact_from(), now, now)
            .filter(|span| span.activity == self.span.activity && span.pc == self.span.pc);
        let (n_times, n_cycles) = same.fold((0, 0), |(n, cycles), span| (n + 1, cycles + span.end - span.start));
        let all = self
            .machine
            .unit_cycles(Unit::ALL[self.lane_idx])
            .of(Activity::Stalled(reason));
        let share = |cycles: u64| format::share(cycles as f64 / now.max(1) as f64);
        vec![
            fact(
                "Cost",
                format!(
                    "this instruction has waited so {}: {}, {} of the run",
                    format::counted(n_times, "time"),
                    format::cycles(n_cycles),
                    share(n_cycles)
                ),
            ),
            fact(
                "In all",
                format!(
                    "{} has been stalled by {} for {}, {} of the run",
                    UNIT_NAMES[self.lane_idx],
                    reason.name().replace('_', " "),
                    format::cycles(all),
                    share(all)
                ),
            ),
        ]
    }
}

fn fact(label: &'static str, text: String) -> Fact {
    Fact {
        label,
        text,
        ..Fact::default()
    }
}

//! Searching the lanes for spans by what their instruction, its layer or their activity is called.

use crate::frame::{ActivityClass, ProgramInfo, Span};
use crate::lane_log::LaneLog;

/// Which spans a text matches.
pub(crate) struct Matches {
    /// By instruction.
    instructions: Vec<bool>,
    /// By activity.
    activities: Vec<bool>,
}

impl Matches {
    /// Spans whose instruction (as it is listed), layer or activity contains `text`, whatever the case. Idle spans never match.
    pub(crate) fn new(program: &ProgramInfo, text: &str) -> Self {
        let text = text.trim().to_lowercase();
        let is_in = |name: &str| !text.is_empty() && name.to_lowercase().contains(&text);
        let layers: Vec<bool> = program.layers.iter().map(|layer| is_in(layer)).collect();
        let instructions = program.lines.iter().map(|line| {
            let is_in_layer = line.layer_idx.is_some_and(|idx| layers.get(idx) == Some(&true));
            is_in_layer || is_in(&format!("{} {}", line.mnemonic, line.operands))
        });
        let activities = program.activities.iter();
        Self {
            instructions: instructions.collect(),
            activities: activities
                .map(|info| info.class != ActivityClass::Idle && is_in(&info.title()))
                .collect(),
        }
    }

    fn contain(&self, span: &Span) -> bool {
        let of_instruction = span.pc.and_then(|pc| self.instructions.get(pc as usize));
        let of_activity = self.activities.get(usize::from(span.activity.0));
        of_instruction == Some(&true) || of_activity == Some(&true)
    }

    /// The first match that begins after cycle `from` of a run that has reached `now`, or the last one that begins before it.
    pub(crate) fn find(&self, lanes: &[LaneLog], from: u64, now: u64, is_forward: bool) -> Option<(usize, Span)> {
        let of_lane = |lane: &LaneLog| {
            if is_forward {
                let mut behind = lane.spans(from, now, now);
                behind.find(|span| span.start > from && self.contain(span))
            } else {
                let mut before = lane.spans(lane.exact_from(), from, now).rev();
                before.find(|span| span.start < from && self.contain(span))
            }
        };
        let found = lanes
            .iter()
            .enumerate()
            .filter_map(|(idx, lane)| Some((idx, of_lane(lane)?)));
        if is_forward {
            found.min_by_key(|(_, span)| span.start)
        } else {
            found.max_by_key(|(_, span)| span.start)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{ActivityId, ActivityInfo, ProgramLine};

    fn program() -> ProgramInfo {
        let activity = |name: &str, class| ActivityInfo {
            name: name.to_owned(),
            class,
            shade: 0,
        };
        let line = |mnemonic: &str, layer_idx| ProgramLine {
            mnemonic: mnemonic.to_owned(),
            layer_idx,
            ..ProgramLine::default()
        };
        ProgramInfo {
            lines: vec![line("ld", Some(0)), line("mx.mm", Some(1))],
            layers: vec!["conv1".to_owned(), "dense".to_owned()],
            activities: vec![
                activity("idle", ActivityClass::Idle),
                activity("stream", ActivityClass::Busy),
                activity("token", ActivityClass::Stalled),
            ],
            ..ProgramInfo::default()
        }
    }

    #[test]
    fn instruction_layer_and_activity_are_searched_in_both_directions() {
        let mut lanes = vec![LaneLog::new(3), LaneLog::new(3)];
        lanes[0].change(10, ActivityId(1), Some(0));
        lanes[0].change(20, ActivityId(2), Some(1));
        lanes[1].change(15, ActivityId(1), Some(1));
        lanes[1].change(30, ActivityId(0), None);
        let find = |text: &str, from, is_forward| {
            let found = Matches::new(&program(), text).find(&lanes, from, 40, is_forward);
            found.map(|(lane_idx, span)| (lane_idx, span.start))
        };
        assert_eq!(find("MX.", 0, true), Some((1, 15)));
        assert_eq!(find("mx.", 15, true), Some((0, 20)));
        assert_eq!(find("mx.", 20, true), None);
        assert_eq!(find("stream", 40, false), Some((1, 15)));
        assert_eq!(find("conv1", 40, false), Some((0, 10)));
        assert_eq!(find("stalled", 0, true), Some((0, 20)));
        assert_eq!(find("idle", 0, true), None);
        assert_eq!(find(" ", 0, true), None);
    }
}

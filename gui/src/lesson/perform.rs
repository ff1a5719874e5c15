//! How a lesson's directives become requests and effects.

use super::directive::{Directive, Move};
use super::player::{Effect, Player};
use super::state::MachineScope;
use crate::driver::Request;
use crate::engine::Landmark;
use crate::frame::{Frame, ProgramInfo, UNIT_NAMES};
use std::sync::Arc;

/// What a step waits for before it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Nothing.
    No,
    /// The worker has done what it was asked.
    ForWorker,
    /// The same, and it has found something before the program's end; the text says what it means if not.
    ToFind(String),
}

impl Player {
    /// Performs one directive.
    pub(super) fn perform(
        &mut self,
        directive: &Directive,
        frame: &Arc<Frame>,
        effects: &mut Vec<Effect>,
    ) -> Result<Wait, String> {
        let scope = MachineScope {
            frame,
            notes: &self.notes,
        };
        match directive {
            Directive::Open { name, machine } => {
                self.example = Some(name.clone());
                effects.extend(opening(name, machine.as_deref()));
                return Ok(Wait::ForWorker);
            }
            Directive::Machine(machine) => {
                let name = self.example.clone().ok_or("Do the step that opens a program first.")?;
                effects.extend(opening(&name, Some(machine)));
                return Ok(Wait::ForWorker);
            }
            Directive::Move(motion) => {
                let program = frame.program.as_ref();
                let program = program.ok_or("Nothing is open. Do the step that opens a program first.")?;
                let (request, wait) = request(motion, program)?;
                effects.extend([Request::DismissNotice, request].map(Effect::Request));
                return Ok(wait);
            }
            Directive::Show(shown) => effects.push(Effect::Show(*shown)),
            Directive::SelectPe(row_idx, col_idx) => effects.push(Effect::SelectPe(*row_idx, *col_idx)),
            Directive::Color(coloring) => effects.push(Effect::Color(*coloring)),
            Directive::FitTimeline => effects.push(Effect::FitTimeline),
            Directive::Note(name, expression) => {
                let value = expression
                    .evaluate(&scope)
                    .ok_or_else(|| format!("`{expression}` has no value now."))?;
                self.notes.insert(name.clone(), value);
            }
            Directive::Claim(left, right) => {
                let values = left.evaluate(&scope).zip(right.evaluate(&scope));
                let (l, r) = values.ok_or_else(|| format!("`{left} = {right}` has no value now."))?;
                if (l - r).abs() > 1e-6 * r.abs().max(1.0) {
                    return Err(format!(
                        "The text says that {left} is {right}, which is {r}, but the machine gives {l}."
                    ));
                }
            }
        }
        Ok(Wait::No)
    }
}

fn opening(name: &str, machine: Option<&str>) -> [Effect; 2] {
    let open = Request::OpenExample {
        name: name.to_owned(),
        machine: machine.map(str::to_owned),
    };
    [Request::DismissNotice, open].map(Effect::Request)
}

/// The request that moves time, with what to wait for.
fn request(motion: &Move, program: &ProgramInfo) -> Result<(Request, Wait), String> {
    Ok(match motion {
        Move::ToCycle(cycle) => (Request::GoTo(*cycle), Wait::ForWorker),
        Move::ToLayer(name) => {
            let layers = &program.layers;
            let layer_idx = layers.iter().position(|layer| layer == name);
            let layer_idx = layer_idx.or_else(|| layers.iter().position(|layer| layer.contains(name)));
            let layer_idx = layer_idx.ok_or_else(|| format!("No layer of {} is called `{name}`.", program.name))?;
            find(
                Landmark::LayerOf(layer_idx),
                format!("Layer `{name}` does not begin any more from here on."),
            )
        }
        Move::ToStall(unit_idx) => {
            let missing = match unit_idx {
                None => "No unit begins to wait any more from here on.".to_owned(),
                Some(idx) => format!("{} does not begin to wait any more from here on.", UNIT_NAMES[*idx]),
            };
            find(Landmark::Stall(*unit_idx), missing)
        }
        Move::ToInstruction(mnemonic) => {
            let lines = program.lines.iter().zip(0..);
            let of_that_name = lines.filter(|(line, _)| line.mnemonic == *mnemonic);
            let pcs: std::collections::BTreeSet<u32> = of_that_name.map(|(_, pc)| pc).collect();
            if pcs.is_empty() {
                return Err(format!("{} has no instruction `{mnemonic}`.", program.name));
            }
            let missing = format!("No `{mnemonic}` starts any more from here on.");
            find(Landmark::Instructions(Arc::new(pcs)), missing)
        }
        Move::ToEnd => (Request::RunToEnd, Wait::ForWorker),
        Move::Step(n_cycles) => (Request::Step(*n_cycles), Wait::ForWorker),
        Move::Back(n_cycles) => (Request::StepBack(*n_cycles), Wait::ForWorker),
        Move::Restart => (Request::Restart, Wait::ForWorker),
    })
}

fn find(landmark: Landmark, missing: String) -> (Request, Wait) {
    (Request::ToNext(landmark), Wait::ToFind(missing))
}

//! What may stand in each place of a statement, read from the instruction table and from the forms of directives.

use crate::directives::directive;
use systole_isa::ElementFormat;
use systole_isa::instruction::{OpcodeInfo, OperandInfo, opcode_by_mnemonic};

/// What may stand in a place.
#[derive(Clone, Debug)]
pub(super) enum Slot {
    /// An operand of an instruction.
    Operand(&'static OpcodeInfo, &'static OperandInfo),
    /// One of these words.
    Words(Vec<&'static str>),
    /// A name that is being defined.
    Definition,
    /// A label of an instruction.
    Label,
    /// An expression.
    Expression,
    /// Something that has no names in it.
    Other,
}

/// The place of an argument: by its position, counted from 0, or by its name.
pub(super) fn slot(head: &str, position: usize, name: Option<&str>) -> Slot {
    if let Some(row) = opcode_by_mnemonic(head) {
        let operand = match name {
            Some(name) => row.operands.iter().find(|operand| operand.name == name),
            None => row.operands.get(position),
        };
        return operand.map_or(Slot::Other, |operand| Slot::Operand(row, operand));
    }
    match directive(head) {
        Some(info) => slot_of_form(info.form, position, name),
        None => Slot::Expression,
    }
}

/// Names by which the arguments of a statement can be given.
pub(super) fn argument_names(head: &str) -> Vec<&'static str> {
    if let Some(row) = opcode_by_mnemonic(head) {
        return row.operands.iter().map(|operand| operand.name).collect();
    }
    let items = directive(head).map_or(Vec::new(), |info| items(info.form));
    items
        .iter()
        .filter_map(|item| item.split_once('='))
        .map(|(name, _)| name)
        .collect()
}

fn slot_of_form(form: &'static str, position: usize, name: Option<&str>) -> Slot {
    let items = items(form);
    if items
        .first()
        .is_some_and(|item| item.contains(' ') && !item.starts_with('"'))
    {
        // The form of a macro's definition: its name and those of its parameters.
        return if position == 0 { Slot::Definition } else { Slot::Other };
    }
    let item = match name {
        Some(name) => items
            .iter()
            .filter_map(|item| item.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value),
        None if items.last() == Some(&"..") && position + 1 >= items.len() => {
            items.len().checked_sub(2).map(|i| items[i])
        }
        None => items.get(position).copied(),
    };
    match item {
        None => Slot::Other,
        Some("NAME") if position == 0 => Slot::Definition,
        Some("LABEL") => Slot::Label,
        Some("FORMAT") => Slot::Words(ElementFormat::ALL.iter().map(|format| format.word()).collect()),
        Some(item) if item.contains('|') => Slot::Words(item.split('|').collect()),
        Some(item) if item.starts_with('"') => Slot::Other,
        Some(_) => Slot::Expression,
    }
}

/// The parts of a form, which commas outside of brackets and quotes separate.
fn items(form: &'static str) -> Vec<&'static str> {
    let mut items = Vec::new();
    let (mut start, mut depth, mut is_quoted) = (0, 0_i32, false);
    for (i, c) in form.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            '[' => depth += 1,
            ']' => depth -= 1,
            ',' if depth == 0 && !is_quoted => {
                items.push(form[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    items.push(form[start..].trim());
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_say_what_stands_where() {
        assert!(matches!(slot(".equ", 0, None), Slot::Definition));
        assert!(matches!(slot(".equ", 1, None), Slot::Expression));
        assert!(matches!(slot(".symbol", 1, None), Slot::Words(words) if words == ["label", "dram", "spm", "acc"]));
        assert!(matches!(slot(".input", 1, Some("host")), Slot::Words(words) if words == ["f32", "integer"]));
        assert!(matches!(slot(".input", 1, Some("format")), Slot::Words(words) if words.contains(&"i8")));
        assert!(matches!(slot(".input", 0, None), Slot::Other));
        assert!(matches!(slot(".hex", 0, None), Slot::Other));
        assert!(matches!(slot(".i8", 7, None), Slot::Expression));
        assert!(matches!(slot(".entry", 0, None), Slot::Label));
        assert!(matches!(slot("mx.mm", 1, None), Slot::Operand(_, operand) if operand.name == "a"));
        assert!(matches!(slot("mx.mm", 1, Some("mode")), Slot::Operand(_, operand) if operand.name == "mode"));
        assert!(matches!(slot("mx.mm", 70, None), Slot::Other));
        assert!(matches!(
            slot_of_form("NAME PARAMETER, PARAMETER=DEFAULT, ..", 1, None),
            Slot::Other
        ));
        assert_eq!(argument_names(".input")[..2], ["shape", "host"]);
    }
}

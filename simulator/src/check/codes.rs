//! Codes of the static check.

use systole_isa::diagnostic::{CodeInfo, code_list};

/// What the check can find, with the long texts of `systole explain`.
pub const CODES: &[CodeInfo] = &code_list([
    (
        "K0001",
        "wait that is never satisfied",
        "The program comes to a point from which no unit can go on, whatever the timing. The message lists which unit waits where for which token, which instruction would post it, and the cycle that the waits make. A full queue counts too: the sequencer stops in front of it and cannot reach the post that would empty it. Every wait needs one post, or one `credit` before.",
    ),
    (
        "K0002",
        "race",
        "Two instructions of different units touch the same byte, one of them writes, and nothing orders them: no token from the first to the second, no fence between them, and the second was not dispatched after the sequencer knew the first to be complete. The result depends on timing, even if every run so far was right. Let the first post a token (`!t`) that the second waits for (`?t`). What a post of the array tells: a product's, that it and the products before it are complete, and the loads whose weights were swapped in; a load's, that the loads are; that of `mx.nop`, that everything before it is.",
    ),
    (
        "K0003",
        "token whose order is not unique",
        "Two instructions post the same token in no fixed order, or two units wait for it in no fixed order. Which post a wait follows then depends on timing, so nothing can be proven from it. Give each pair of units a token of its own, or put a fence between the uses.",
    ),
    (
        "K0004",
        "tokens left over",
        "A token's counter does not end where it began, at zero. The program works, but a wait too few or a post too many is a common mistake, and code that is put behind it finds the counter changed. Take back what `credit` gave with `nop ?t` behind a fence.",
    ),
    (
        "K0005",
        "access beyond a memory",
        "An element that a descriptor names lies outside its memory. Elements outside a window are not fetched and may lie anywhere; all others must exist. Check base, counts and strides.",
    ),
    (
        "K0006",
        "operand that the machine cannot execute",
        "A count is negative, a tile is larger than the array, a view is smaller than the instruction uses, or an operand is in a memory that the unit is not wired to. The message says which and what would be right.",
    ),
    (
        "K0007",
        "product without weights, or weights without a product",
        "The array multiplies by the tile that `swap` made active last. Each `mx.wload` fills the shadow registers, which one product then has to swap in: a product before that has no weights, and a second load would lose the first.",
    ),
    (
        "K0008",
        "bytes read before anything wrote them",
        "An instruction reads bytes of the scratchpad or of the accumulators that no instruction before it has written. They hold zero when the machine is switched on, and whatever an earlier program left otherwise.",
    ),
    (
        "K0009",
        "depends on time",
        "`rdcycle` and `rdperf` give values that depend on timing. A branch, a loop count, an address or a size that is computed from one is different from machine to machine, so nothing behind it can be proven; the check ends there.",
    ),
    (
        "K0010",
        "program that does not end",
        "The sequencer came back to an instruction with the same registers and the same loops under way, so it will do so for ever; or it executed more instructions than the check's limit, which `--limit` raises.",
    ),
    (
        "K0011",
        "program that ends with a fault",
        "The program executes `trap`, runs past its last instruction, or nests more than eight loops. The check ends there.",
    ),
    (
        "K0012",
        "more findings",
        "Only the first findings are shown in full, each kind once per pair of instructions. Often one mistake causes many: fix the first ones and check again.",
    ),
]);

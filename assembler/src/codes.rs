//! The codes of the assembler's diagnostics, with the long text that `systole explain` prints.

use systole_isa::diagnostic::CodeInfo;

macro_rules! codes {
    ($($name:ident $code:literal $title:literal $explanation:literal)+) => {
        $(#[doc = $title] pub(crate) const $name: &str = $code;)+

        /// Every code that the assembler reports.
        pub const CODES: &[CodeInfo] = &[$(
            CodeInfo { code: $code, title: $title, explanation: $explanation },
        )+];
    };
}

codes! {
    UNKNOWN_CHARACTER "A0001" "character that no token starts with"
        "Outside texts and comments a source consists of names, numbers, texts in double quotes and the marks , : = ( ) [ ] + - * / % << >> & | ? ! @ and .. only. A comment starts with ; or //."
    BAD_TEXT "A0002" "text that is not closed or holds an unknown escape"
        "A text ends with a double quote on the line on which it began. In a text \\\\, \\\", \\n, \\r, \\t, \\0 and \\u{HEX} stand for characters that cannot be written as themselves."
    BAD_NUMBER "A0003" "malformed number"
        "Integers are decimal, hexadecimal after 0x or binary after 0b; _ may stand between digits. Numbers with a point or an exponent, such as 0.5 or 1e-3, are for scales and .f32 data."
    SYNTAX "A0004" "something else was expected here"
        "A line is: labels, each with a colon; then one instruction or directive with its operands, separated by commas; then the tokens to wait for (?t1) and to post (!t2); then a comment."
    TOO_DEEP "A0005" "expression that is too long or nested too deep"
        "One expression has at most 256 parts and 64 nested parentheses, and a constant is defined through at most a few hundred others. Name intermediate results with .equ, each before its use."
    TOO_MANY "A0006" "more errors in this line"
        "The first errors of a line are shown. The rest often follows from them."
    UNKNOWN_MNEMONIC "A0010" "no such instruction"
        "The first word of a line that is no label and no directive is an instruction's mnemonic."
    TOO_MANY_OPERANDS "A0011" "more operands than the instruction has"
        "Operands stand in the order of the instruction table, each once, or are given as name=value."
    MISSING_OPERAND "A0012" "operand missing"
        "Every operand of an instruction has to be given; none has a default."
    UNKNOWN_OPERAND "A0013" "no operand of this name"
        "In name=value the name is one of the instruction's operand names."
    DUPLICATE_OPERAND "A0014" "operand given twice"
        "An operand is given once: by its position or by its name."
    POSITION_AFTER_NAME "A0015" "operand by position after one by name"
        "Once an operand was given by name, the position of the following ones says nothing any more, so they need names, too."
    WRONG_KIND "A0016" "operand of another kind"
        "Each operand is a register, a descriptor, a token, a constant, a label or one of a list of words. A constant cannot stand for a register, nor the other way round, unless the operand takes both."
    OUT_OF_RANGE "A0017" "value outside the range of its field"
        "A constant operand is stored in a field of the instruction word and has to fit. Load larger values into a register where the operand takes one."
    NO_SUCH_REGISTER "A0018" "no such register, descriptor or token"
        "There are 32 registers r0 to r31, 32 descriptors d0 to d31 and 16 tokens t0 to t15. Numbers have no leading zeros."
    UNKNOWN_CHOICE "A0019" "none of the words that may stand here"
        "The operand is one of a few words; the message lists them."
    TOO_MANY_TOKENS "A0020" "more than two tokens to wait for or to post"
        "An instruction waits for up to two tokens and posts up to two. For more, put an instruction of the same unit that does nothing before or after it."
    UNKNOWN_NAME "A0030" "unknown name"
        "A name in an expression is a label, a symbol or a constant that the source defines, before or after its use."
    DUPLICATE_NAME "A0031" "name defined twice"
        "Labels, symbols, tensors, masks and constants share one set of names, macros another. Local names, which start with a point, are unique between two labels without one. A label may repeat a .symbol only if both mean the same instruction."
    RESERVED_NAME "A0032" "name that means something else already"
        "A letter r, d or t with a number names a register, descriptor or token, so that it cannot name anything else. Only labels and constants may start with a point; those are local and make no symbol. A macro cannot have the name of an instruction."
    CYCLE "A0033" "name defined by itself"
        "The value of a constant or symbol may depend on others, but in the end on numbers and labels."
    ARITHMETIC "A0034" "expression without a value"
        "Expressions are evaluated with 128 bits. Division by zero, overflow and shifts by a negative amount or by more than 127 have no value."
    NOT_YET_KNOWN "A0035" "address that is not known yet"
        "The place of a segment and the length of .zero decide where later labels are, so they can depend only on names whose value does not depend on what follows. How often .rept repeats and whether .if holds depends only on constants that are defined before. The bits of a mask are known once data are, so lengths and addresses cannot depend on them."
    NO_LABEL "A0036" "not a label"
        "A jump goes to an instruction: a label, a label plus or minus a number of instructions, or @ and an index."
    UNKNOWN_DIRECTIVE "A0040" "no such directive"
        "A word that starts with a point and has no colon is a directive."
    BAD_ARGUMENT "A0041" "wrong argument of a directive"
        "The message shows the directive's form."
    BAD_KEY "A0042" "unknown, missing or repeated key"
        "Inputs and outputs are described by key=value pairs; the message lists the keys."
    GIVEN_TWICE "A0043" "directive that may stand only once"
        "A program has one name, one machine, one entry and one size of DRAM."
    WRONG_SECTION "A0044" "instruction within a segment, or data outside one"
        "Data directives belong to the segment opened last by .segment; .code goes back to instructions."
    UNKNOWN_MACHINE "A0045" "machine without a hash that is no shipped one"
        "The hash of a shipped machine is known; for any other give it: .machine \"name\", 0xHASH. `systole machine show` prints it."
    BAD_DATA "A0046" "malformed data"
        "In .hex each byte is two hexadecimal digits; blanks may stand between bytes. A range runs from its smaller end to its larger one."
    BAD_SEGMENT "A0047" "segment without a place"
        "Segments lie in DRAM below 2^48, do not overlap, have names of their own and hold at most 1 GiB of bytes together."
    MARK_ORDER "A0048" "mark with another id than its place in the list"
        "The id of a mark is its index in the list of marks, counted from 0. It may be left out."
    LINE_COUNT "A0049" "line table of another length than the program"
        ".lines gives one source line for each instruction."
    TOO_LARGE "A0050" "program that is too large"
        "A program has fewer than 2^24 instructions, so that a jump can name each of them and the end. Its texts, and the uses of its macros counted as if they were written out, have less than 4 GiB together."
    UNCLOSED_BLOCK "A0051" "block that is not closed, or nothing to close"
        "`.macro` ends with `.endm`, `.rept` with `.endr`, `.if` with `.endif` and `.scope` with `.endscope`, in the file and in the macro in which it begins."
    UNKNOWN_PARAMETER "A0052" "no parameter of this name"
        "In a macro a backslash and a name stand for the argument of a parameter of the macro, or for the counter of a `.rept` in it; `\\@` stands for the number of the use."
    NOT_A_WORD "A0053" "argument that cannot be part of a word"
        "Where `\\parameter` is the whole of an operand, its argument may be any operand. As part of a longer word, or as a label, a mnemonic, a token or a register in brackets, it has to be a word, or a number within a longer word."
    EXPANSION "A0054" "macros that make too much"
        "Macros, repetitions and included files stand in each other at most 64 deep, and together make at most 2^22 lines and parts of expressions. A macro that uses itself needs an `.if` around it that is false in the end."
    NO_FILE "A0055" "file that cannot be read"
        "The paths behind `.include` and `.npy` are relative to the file in which they are written. Included files are UTF-8 text."
    INCLUDE_CYCLE "A0056" "file that includes itself"
        "A file may be included several times, but not, directly or by way of others, by itself. What two files need of each other belongs into a third."
    BAD_ARRAY "A0057" "array that cannot be data"
        "`.npy` takes NumPy arrays of bool, of integers of up to 64 bits and of float32. Every value has to fit the format that is given, that of the tensor which it fills, or else that of the array's own type."
    BAD_TENSOR "A0058" "tensor without a place, or data that do not fit it"
        "In a segment a tensor begins where it stands, and the data behind it, up to the next label or tensor, are its elements; what they lack is zero. Outside of segments it names memory that the program uses: at an address or, on the chip, behind the tensor before it in the same memory."
    BAD_MASK "A0059" "mask without data, or of too many blocks"
        "A mask has one bit for each block of 2^BLOCK rows of a tensor, or of data behind a label, up to 64. The bit of a block is 1 if one of its elements differs from zero. A tensor's rows run along its first axis; for other data `columns=N` says how long a row is."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_have_texts() {
        for pair in CODES.windows(2) {
            assert!(pair[0].code < pair[1].code, "{} {}", pair[0].code, pair[1].code);
        }
        for info in CODES {
            assert!(
                !info.title.is_empty() && info.explanation.ends_with('.'),
                "{}",
                info.code
            );
        }
    }
}

//! The third pass: where segments, tensors and labels are, and which bytes they hold.

use crate::codes;
use crate::context::Context;
use crate::data::{self, Bits, Encoding};
use crate::outline::{DataItem, Item, Outline, SegmentPlan, Size, SymbolPlan};
use crate::shape::ALIGNMENT;
use crate::source::Span;
use std::collections::BTreeMap;
use systole_isa::container::CODE_BASE;
use systole_isa::operand::Space;
use systole_isa::program::Segment;
use systole_isa::{Diagnostic, ElementFormat};

/// Bytes of all segments together; a few characters of source can ask for any number of zeros.
const MAX_BYTES: u64 = 1 << 30;

/// Where everything is.
pub(crate) struct Layout<'a> {
    /// One for each segment of the outline.
    segments: Vec<SegmentLayout<'a>>,
    /// What is named within segments, by the place of its definition.
    pub(crate) named: BTreeMap<Span, NamedData>,
}

/// What a segment consists of, and where it is.
struct SegmentLayout<'a> {
    steps: Vec<Step<'a>>,
    /// `None` if it has no place, which was reported.
    placed: Option<Placed>,
}

/// The place of a segment.
struct Placed {
    address: u64,
    n_bytes: u64,
    span: Span,
}

/// Bytes to be.
enum Step<'a> {
    /// Zeros up to the next whole byte and so many bytes more.
    Zeros(u64),
    /// The values of a directive.
    Data {
        item: DataItem<'a>,
        encoding: Encoding,
        /// Whether the bits follow those before without a gap.
        continues: bool,
    },
}

/// Data with a name.
#[derive(Clone, Debug)]
pub(crate) struct NamedData {
    segment: usize,
    steps: std::ops::Range<usize>,
    /// The format of the first elements.
    pub(crate) format: Option<ElementFormat>,
    /// Its tensor, if it is one.
    pub(crate) tensor: Option<usize>,
}

impl<'a> Layout<'a> {
    /// The bytes of data with a name. What is missing is reported.
    pub(crate) fn bytes(&self, named: &NamedData, context: &mut Context<'a>) -> Vec<u8> {
        bytes_of(&self.segments[named.segment].steps[named.steps.clone()], 0, context)
    }
}

/// Finds the place of every segment, tensor and label. A segment without a place is reported.
pub(crate) fn layout<'a>(outline: &mut Outline<'a>, context: &mut Context<'a>) -> Layout<'a> {
    place_tensors(outline, context);
    let mut result = Layout {
        segments: Vec::new(),
        named: BTreeMap::new(),
    };
    let mut n_left = MAX_BYTES;
    let mut end_before = Some(0);
    for (i, plan) in outline.segments.iter().enumerate() {
        let head = plan.placed.statement.head;
        context.enter(plan.placed.scope, head);
        let address = match plan.placed.statement.arguments.get(1) {
            Some(written) => {
                let range = 0..=i128::from(CODE_BASE);
                let address = context.integer(&written.value, range, "the address of a segment");
                address.and_then(|address| u64::try_from(address).ok())
            }
            None => end_before.map(|end: u64| end.next_multiple_of(ALIGNMENT)),
        };
        let mut walk = Walk {
            context: &mut *context,
            symbols: &mut outline.symbols,
            n_left: &mut n_left,
            segment: i,
            address,
            n_bits: Some(0),
            packed: None,
            steps: Vec::new(),
            open_label: None,
            open_data: None,
            named: &mut result.named,
        };
        walk.run(plan);
        let (steps, n_bits) = (walk.steps, walk.n_bits);
        let placed = place(plan, address, n_bits.map(|n_bits| n_bits.div_ceil(8)), context);
        end_before = placed.as_ref().map(|placed| placed.address + placed.n_bytes);
        result.segments.push(SegmentLayout { steps, placed });
    }
    report_overlaps(&result.segments, context);
    result
}

/// Gives tensors on the chip that have no address one: behind the tensor before them.
fn place_tensors(outline: &Outline, context: &mut Context) {
    let mut ends: [Option<u64>; 3] = [Some(0); 3];
    for symbol in &outline.symbols {
        let Size::Tensor(tensor) = symbol.size else { continue };
        let plan = &context.names.tensors[tensor];
        let (space, scope, name) = (plan.space, plan.scope, plan.name);
        let is_free = plan.address.is_none() && !plan.is_in_segment;
        if space == Space::Dram {
            continue;
        }
        context.enter(scope, name);
        let end = &mut ends[space as usize];
        if is_free {
            let address = end.map(|end| end.next_multiple_of(ALIGNMENT));
            context.names.set_address(&symbol.name, address);
        }
        let address = context.names.value(&symbol.name, &mut context.problems);
        let n_bytes = context.names.tensor_bytes(tensor, &mut context.problems);
        // Addresses have at most 48 bits, so that round ones above them can be expressed.
        *end = address
            .and_then(|address| u64::try_from(address).ok())
            .zip(n_bytes)
            .map(|(address, n_bytes)| address.saturating_add(n_bytes).min(CODE_BASE));
    }
}

fn place(plan: &SegmentPlan, address: Option<u64>, n_bytes: Option<u64>, context: &mut Context) -> Option<Placed> {
    let (address, n_bytes) = address.zip(n_bytes)?;
    let statement = plan.placed.statement;
    let span = statement
        .arguments
        .get(1)
        .map_or(statement.head, |written| written.value.span);
    if address + n_bytes > CODE_BASE {
        let diagnostic = Diagnostic::error(codes::BAD_SEGMENT, "the segment reaches beyond the end of all DRAM")
            .because(format!("it has {n_bytes} bytes, and addresses end at {CODE_BASE:#x}"));
        context.report(span, diagnostic);
        return None;
    }
    Some(Placed { address, n_bytes, span })
}

/// Walks the items of one segment.
struct Walk<'c, 'a> {
    context: &'c mut Context<'a>,
    symbols: &'c mut [SymbolPlan<'a>],
    /// Bytes that all segments may still take.
    n_left: &'c mut u64,
    segment: usize,
    address: Option<u64>,
    /// Bits so far; `None` if something has no length, which was reported. The walk goes on, for the sake of other mistakes.
    n_bits: Option<u64>,
    /// The format of the elements before, to which others can be packed.
    packed: Option<ElementFormat>,
    steps: Vec<Step<'a>>,
    /// Symbol and first byte of the label before.
    open_label: Option<(usize, u64)>,
    open_data: Option<OpenData>,
    named: &'c mut BTreeMap<Span, NamedData>,
}

/// What was named and has not ended yet.
struct OpenData {
    name: Span,
    first_step: usize,
    first_bit: Option<u64>,
    format: Option<ElementFormat>,
    tensor: Option<usize>,
}

impl<'a> Walk<'_, 'a> {
    fn run(&mut self, plan: &SegmentPlan<'a>) {
        for item in &plan.items {
            match item {
                Item::Label(symbol_idx, span) => {
                    self.close();
                    let name = self.symbols[*symbol_idx].name.clone();
                    self.open(*symbol_idx, &name, *span, None);
                }
                Item::Tensor(tensor, symbol_idx) => {
                    self.close();
                    let name = self.symbols[*symbol_idx].name.clone();
                    let span = self.context.names.tensors[*tensor].name;
                    self.open(*symbol_idx, &name, span, Some(*tensor));
                }
                Item::Align(info, placed) => {
                    self.context.enter(placed.scope, placed.statement.head);
                    self.close_data();
                    let range = 1..=i128::from(MAX_BYTES);
                    let argument = &placed.statement.arguments[0].value;
                    let multiple = self
                        .context
                        .integer(argument, range, &format!("the argument of `{}`", info.name));
                    let here = self
                        .address
                        .zip(self.n_bits)
                        .map(|(address, n_bits)| address + n_bits / 8);
                    let n_zeros = multiple.zip(here).map(|(multiple, here)| {
                        let multiple = multiple as u64;
                        (multiple - here % multiple) % multiple
                    });
                    self.zeros(n_zeros, placed.statement.head);
                }
                Item::Data(item) => {
                    self.context.enter(item.placed.scope, item.placed.statement.head);
                    self.data(*item);
                }
            }
        }
        self.close();
    }

    fn open(&mut self, symbol_idx: usize, name: &str, span: Span, tensor: Option<usize>) {
        let here = self.address.zip(self.n_bits);
        let here = here.map(|(address, n_bits)| address + n_bits / 8);
        self.context.names.set_address(name, here);
        if tensor.is_none() {
            self.open_label = self.n_bits.map(|n_bits| (symbol_idx, n_bits / 8));
        }
        self.open_data = Some(OpenData {
            name: span,
            first_step: self.steps.len(),
            first_bit: self.n_bits,
            format: tensor.map(|tensor| self.context.names.tensors[tensor].format),
            tensor,
        });
    }

    /// Ends what was named before.
    fn close(&mut self) {
        self.close_data();
        if let Some(((symbol_idx, start), n_bits)) = self.open_label.take().zip(self.n_bits) {
            self.symbols[symbol_idx].size = Size::Known(n_bits.div_ceil(8) - start);
        }
    }

    /// Ends the data with a name: what a tensor lacks is zero.
    fn close_data(&mut self) {
        if let Some(open) = self.open_data.take() {
            let n_missing = open.tensor.map(|tensor| self.missing_bytes(tensor, &open));
            if let Some(n_missing) = n_missing {
                self.zeros(n_missing, open.name);
            }
            let named = NamedData {
                segment: self.segment,
                steps: open.first_step..self.steps.len(),
                format: open.format,
                tensor: open.tensor,
            };
            self.named.insert(open.name, named);
        }
        // What follows starts with a whole byte.
        self.packed = None;
        self.n_bits = self.n_bits.map(|n_bits| n_bits.next_multiple_of(8));
    }

    /// Bytes that a tensor needs beyond the data behind it; `None` is reported.
    fn missing_bytes(&mut self, tensor: usize, open: &OpenData) -> Option<u64> {
        let n_bytes = self.context.names.tensor_bytes(tensor, &mut self.context.problems)?;
        let shape = self.context.names.shape(tensor, &mut self.context.problems)?;
        let n_bits = self.n_bits? - open.first_bit?;
        let n_elements: u64 = shape.iter().product();
        let element_bits = u64::from(self.context.names.tensors[tensor].format.bits());
        let is_too_much = match self.packed {
            Some(_) => n_bits > n_elements * element_bits,
            None => n_bits > n_bytes * 8,
        };
        if is_too_much {
            let name = self.context.slice(open.name);
            let message = format!("the data behind `{name}` do not fit it");
            let diagnostic = Diagnostic::error(codes::BAD_TENSOR, message)
                .because(format!(
                    "they have {} elements, and its shape {shape:?} has {n_elements}",
                    n_bits / element_bits
                ))
                .help("correct the shape, or put a label before the data that do not belong to it");
            self.context.report(open.name, diagnostic);
            return None;
        }
        Some(n_bytes - n_bits.div_ceil(8))
    }

    /// Adds zero bytes.
    fn zeros(&mut self, n_bytes: Option<u64>, place: Span) {
        if n_bytes == Some(0) {
            return;
        }
        self.packed = None;
        self.n_bits = self.n_bits.map(|n_bits| n_bits.next_multiple_of(8));
        let n_bits = n_bytes.map(|n_bytes| n_bytes.saturating_mul(8));
        if self.grow(n_bits, place) {
            self.steps.push(Step::Zeros(n_bytes.unwrap_or(0)));
        }
    }

    /// Whether there is room for more bits; reported if not.
    fn grow(&mut self, n_more: Option<u64>, place: Span) -> bool {
        let before = self.n_bits.unwrap_or(0);
        let Some(after) = n_more.map(|n_more| before.saturating_add(n_more)) else {
            self.n_bits = None;
            return false;
        };
        let n_bytes = after.div_ceil(8) - before.div_ceil(8);
        if n_bytes > *self.n_left {
            self.n_bits = None;
            let diagnostic = Diagnostic::error(codes::BAD_SEGMENT, "the segments hold too many bytes")
                .because(format!("together they hold at most {MAX_BYTES} bytes"))
                .help("DRAM is zero where no segment is, so that zeros at an end can be left out");
            self.context.report(place, diagnostic);
            return false;
        }
        *self.n_left -= n_bytes;
        self.n_bits = self.n_bits.map(|_| after);
        true
    }

    fn data(&mut self, item: DataItem<'a>) {
        let open = self.open_data.as_ref();
        let tensor = open.and_then(|open| open.tensor);
        let tensor_format = tensor.map(|tensor| self.context.names.tensors[tensor].format);
        let head = item.placed.statement.head;
        let Some(encoding) = data::encoding(&item, tensor_format, self.context) else {
            self.n_bits = None;
            return;
        };
        if let (Some(expected), Some(found)) = (tensor_format, encoding.format())
            && expected != found
        {
            let message = format!(
                "elements of `{}` stand in a tensor of `{}`",
                found.word(),
                expected.word()
            );
            let diagnostic = Diagnostic::error(codes::BAD_TENSOR, message)
                .because("the tensor would not hold the numbers that are written")
                .help(format!(
                    "write `.{}`, or put a label before other data",
                    expected.word()
                ));
            self.context.report(head, diagnostic);
        }
        self.check_array(&item, tensor);
        let format = encoding.format();
        let continues = format.is_some() && format == self.packed;
        if let Some(open) = self.open_data.as_mut() {
            open.format = open.format.or(format);
        }
        if !continues {
            self.n_bits = self.n_bits.map(|n_bits| n_bits.next_multiple_of(8));
        }
        let n_bits = data::n_bits(&item, encoding, self.context);
        let is_room = self.grow(n_bits, head);
        self.packed = format;
        if is_room {
            self.steps.push(Step::Data {
                item,
                encoding,
                continues,
            });
        }
    }
}

impl Walk<'_, '_> {
    /// Reports an array that begins a tensor and has another number of elements.
    fn check_array(&mut self, item: &DataItem, tensor: Option<usize>) {
        let head = item.placed.statement.head;
        let is_first = self
            .open_data
            .as_ref()
            .is_some_and(|open| open.first_bit == self.n_bits);
        let Some((array, tensor)) = self.context.arrays.get(&head).zip(tensor.filter(|_| is_first)) else {
            return;
        };
        let Some(shape) = self.context.names.shape(tensor, &mut self.context.problems) else {
            return;
        };
        let n_elements: u64 = shape.iter().product();
        if n_elements != array.n_elements() {
            let name = self.context.slice(self.context.names.tensors[tensor].name);
            let message = format!(
                "an array of shape {:?} stands in tensor `{name}` of shape {shape:?}",
                array.shape
            );
            let diagnostic = Diagnostic::error(codes::BAD_ARRAY, message)
                .because(format!("it has {} elements, not {n_elements}", array.n_elements()))
                .help("correct the shape of the tensor");
            self.context.report(head, diagnostic);
        }
    }
}

/// The bytes of some steps. What is missing is reported.
fn bytes_of<'a>(steps: &[Step<'a>], n_bytes: u64, context: &mut Context<'a>) -> Vec<u8> {
    let mut bits = Bits::with_capacity(n_bytes as usize);
    for step in steps {
        match step {
            Step::Zeros(n_bytes) => bits.zeros(*n_bytes),
            Step::Data {
                item,
                encoding,
                continues,
            } => {
                context.enter(item.placed.scope, item.placed.statement.head);
                if !continues {
                    bits.fill_byte();
                }
                data::append(&mut bits, item, *encoding, context);
            }
        }
    }
    bits.into_bytes()
}

fn report_overlaps(segments: &[SegmentLayout], context: &mut Context) {
    let placed = segments.iter().filter_map(|segment| segment.placed.as_ref());
    let mut by_address: Vec<&Placed> = placed.filter(|segment| segment.n_bytes > 0).collect();
    by_address.sort_by_key(|segment| (segment.address, segment.span));
    let mut furthest: Option<&Placed> = None;
    for segment in by_address {
        if let Some(before) = furthest.filter(|before| segment.address < before.address + before.n_bytes) {
            let place = context.name_of_place(before.span, segment.span);
            let end = before.address + before.n_bytes;
            let diagnostic = Diagnostic::error(codes::BAD_SEGMENT, "the segment overlaps another one")
                .because(format!(
                    "it starts at {:#x}, and the one of {place} ends at {end:#x}",
                    segment.address
                ))
                .help(format!("move it to {end:#x} or further"));
            context.report(segment.span, diagnostic);
        }
        let reaches_further = |before: &Placed| segment.address + segment.n_bytes > before.address + before.n_bytes;
        if furthest.is_none_or(reaches_further) {
            furthest = Some(segment);
        }
    }
}

/// The segments with their bytes. What is missing was reported.
pub(crate) fn segments<'a>(outline: &Outline<'a>, layout: &Layout<'a>, context: &mut Context<'a>) -> Vec<Segment> {
    let mut places_of_names: BTreeMap<&str, Span> = BTreeMap::new();
    let mut segments = Vec::new();
    for (plan, laid_out) in outline.segments.iter().zip(&layout.segments) {
        let statement = plan.placed.statement;
        context.enter(plan.placed.scope, statement.head);
        let name = match statement.arguments.first() {
            Some(argument) => context.text(&argument.value, plan.info, "the name of a segment"),
            None => None,
        };
        if let (Some(name), Some(argument)) = (name, statement.arguments.first())
            && let Some(other) = places_of_names.insert(name, statement.head)
        {
            let place = context.name_of_place(other, statement.head);
            let message = format!("two segments are named `{}`", crate::literal::escape(name));
            let diagnostic = Diagnostic::error(codes::BAD_SEGMENT, message)
                .because(format!("{place} begins a segment of this name already"));
            context.report(argument.value.span, diagnostic);
        }
        let n_bytes = laid_out.placed.as_ref().map_or(0, |placed| placed.n_bytes);
        let bytes = bytes_of(&laid_out.steps, n_bytes, context);
        if let (Some(name), Some(placed)) = (name, &laid_out.placed) {
            segments.push(Segment {
                name: name.to_owned(),
                address: placed.address,
                bytes: bytes.into(),
            });
        }
    }
    segments
}

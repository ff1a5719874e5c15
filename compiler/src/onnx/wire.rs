//! Checks the protobuf framing of a model before it is read.
//!
//! The reader trusts lengths: a wrong one would make it allocate or skip without bound, and a message cut off between
//! two fields would pass for a complete one. This walk over the same message types proves that every length lies
//! inside its message, that packed fields hold whole elements, and that nesting is shallow.

use std::fmt;

/// Messages nested deeper than this are refused. Real models stay below 20.
const MAX_DEPTH: usize = 64;

/// A fault in the framing, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WireFault {
    offset: usize,
    message: &'static str,
    what: &'static str,
}

impl fmt::Display for WireFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} at byte {}", self.what, self.message, self.offset)
    }
}

/// The message types the reader decodes.
#[derive(Clone, Copy)]
enum Message {
    Model,
    OperatorSet,
    Graph,
    Node,
    Attribute,
    Tensor,
    StringPair,
    ValueInfo,
    Type,
    TensorType,
    SequenceType,
    Shape,
    Dimension,
}

/// How the bytes of a length-delimited field are to be understood.
enum Content {
    Opaque,
    Message(Message),
    Varints,
    Fixed(usize),
}

impl Message {
    const fn name(self) -> &'static str {
        match self {
            Self::Model => "ModelProto",
            Self::OperatorSet => "OperatorSetIdProto",
            Self::Graph => "GraphProto",
            Self::Node => "NodeProto",
            Self::Attribute => "AttributeProto",
            Self::Tensor => "TensorProto",
            Self::StringPair => "StringStringEntryProto",
            Self::ValueInfo => "ValueInfoProto",
            Self::Type => "TypeProto",
            Self::TensorType => "TypeProto.Tensor",
            Self::SequenceType => "TypeProto.Sequence",
            Self::Shape => "TensorShapeProto",
            Self::Dimension => "TensorShapeProto.Dimension",
        }
    }

    /// Field numbers are those of `onnx.proto`.
    const fn content(self, field: u64) -> Content {
        use Content::{Fixed, Opaque, Varints};
        match (self, field) {
            (Self::Model, 7) => Content::Message(Self::Graph),
            (Self::Model, 8) => Content::Message(Self::OperatorSet),
            (Self::Model, 14) => Content::Message(Self::StringPair),
            (Self::Graph, 1) => Content::Message(Self::Node),
            (Self::Graph, 5) => Content::Message(Self::Tensor),
            (Self::Graph, 11..=13) => Content::Message(Self::ValueInfo),
            (Self::Node, 5) => Content::Message(Self::Attribute),
            (Self::Attribute, 5) => Content::Message(Self::Tensor),
            (Self::Attribute, 6) => Content::Message(Self::Graph),
            (Self::Tensor, 4) => Fixed(4),
            (Self::Tensor, 5 | 7) => Varints,
            (Self::Tensor, 10) => Fixed(8),
            (Self::Tensor, 13) => Content::Message(Self::StringPair),
            (Self::ValueInfo, 2) => Content::Message(Self::Type),
            (Self::Type, 1) => Content::Message(Self::TensorType),
            (Self::Type, 4) => Content::Message(Self::SequenceType),
            (Self::TensorType, 2) => Content::Message(Self::Shape),
            (Self::SequenceType, 1) => Content::Message(Self::Type),
            (Self::Shape, 1) => Content::Message(Self::Dimension),
            _ => Opaque,
        }
    }
}

/// Checks a whole file.
pub(super) fn check_model(bytes: &[u8]) -> Result<(), WireFault> {
    if bytes.is_empty() {
        return Err(WireFault {
            offset: 0,
            message: Message::Model.name(),
            what: "an empty file",
        });
    }
    Cursor { bytes, offset: 0 }.check(Message::Model, bytes.len(), 0)
}

struct Cursor<'b> {
    bytes: &'b [u8],
    offset: usize,
}

impl Cursor<'_> {
    fn check(&mut self, message: Message, end: usize, depth: usize) -> Result<(), WireFault> {
        let name = message.name();
        if depth > MAX_DEPTH {
            return Err(self.fault(name, "more than 64 nested messages"));
        }
        while self.offset < end {
            let tag = self.varint(name, end)?;
            match tag & 7 {
                0 => drop(self.varint(name, end)?),
                1 => self.skip(8, name, end)?,
                2 => {
                    let len = usize::try_from(self.varint(name, end)?).unwrap_or(usize::MAX);
                    if len > end - self.offset {
                        return Err(self.fault(name, "a field that is longer than what is left (truncated?)"));
                    }
                    self.check_content(message, tag >> 3, self.offset + len, depth)?;
                }
                5 => self.skip(4, name, end)?,
                _ => return Err(self.fault(name, "an unknown wire type")),
            }
        }
        Ok(())
    }

    fn check_content(&mut self, message: Message, field: u64, end: usize, depth: usize) -> Result<(), WireFault> {
        match message.content(field) {
            Content::Opaque => self.offset = end,
            Content::Message(inner) => self.check(inner, end, depth + 1)?,
            Content::Varints => {
                while self.offset < end {
                    self.varint(message.name(), end)?;
                }
            }
            Content::Fixed(size) if (end - self.offset).is_multiple_of(size) => self.offset = end,
            Content::Fixed(_) => return Err(self.fault(message.name(), "a cut element of a packed field")),
        }
        Ok(())
    }

    fn fault(&self, message: &'static str, what: &'static str) -> WireFault {
        WireFault {
            offset: self.offset,
            message,
            what,
        }
    }

    fn skip(&mut self, n: usize, message: &'static str, end: usize) -> Result<(), WireFault> {
        if n > end - self.offset {
            return Err(self.fault(message, "a cut number (truncated?)"));
        }
        self.offset += n;
        Ok(())
    }

    fn varint(&mut self, message: &'static str, end: usize) -> Result<u64, WireFault> {
        let mut value = 0;
        for (i, &byte) in self.bytes[self.offset..end].iter().take(10).enumerate() {
            if i == 9 && byte > 1 {
                return Err(self.fault(message, "a number of more than 64 bits"));
            }
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.offset += i + 1;
                return Ok(value);
            }
        }
        Err(self.fault(message, "a cut number (truncated?)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(bytes: &[u8]) -> &'static str {
        check_model(bytes).unwrap_err().what
    }

    #[test]
    fn well_formed_framing_passes() {
        // ir_version 8, then a graph with one empty node.
        assert_eq!(check_model(&[0x08, 8, 0x3a, 2, 0x0a, 0]), Ok(()));
    }

    #[test]
    fn lengths_that_lie_are_found() {
        assert!(what(&[]).contains("empty"));
        assert!(what(&[0x3a, 2, 0x0a]).contains("longer"));
        assert!(what(&[0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).contains("longer"));
        // An inner length that fits into the file but not into the message around it.
        assert!(what(&[0x3a, 2, 0x0a, 3, 0, 0, 0]).contains("longer"));
        assert!(what(&[0x08, 0x80]).contains("cut number"));
        assert!(what(&[0x0b]).contains("wire type"));
        // Three bytes of packed f32.
        assert!(what(&[0x3a, 7, 0x2a, 5, 0x22, 3, 0, 0, 0]).contains("cut element"));
    }

    #[test]
    fn deep_nesting_is_refused() {
        // From the inside: a graph (field 6) of an attribute (5) of a node (1) of a graph, again and again.
        let mut bytes = Vec::new();
        for i in 0..200 {
            let tag = [0x32, 0x2a, 0x0a][i % 3];
            let mut field = vec![tag];
            let mut len = bytes.len();
            while len >= 0x80 {
                field.push(len as u8 | 0x80);
                len >>= 7;
            }
            field.push(len as u8);
            field.extend(&bytes);
            bytes = field;
        }
        // The outermost field of the 200 is an attribute.
        let inner = Cursor {
            bytes: &bytes,
            offset: 0,
        }
        .check(Message::Node, bytes.len(), 0);
        assert!(inner.unwrap_err().what.contains("nested"));
    }
}

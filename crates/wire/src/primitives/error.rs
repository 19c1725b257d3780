//! Why bytes could not be read or a message could not be written, and where.
//!
//! Both errors are one pointer wide, so that the hundreds of `Result`s on the way of a good frame stay cheap; the
//! path to the field is put together only when something is wrong.

use std::fmt;

/// What is wrong with the bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The message ends before the field does.
    #[error("{need} bytes needed, {left} left")]
    Truncated {
        /// Bytes that the field needs.
        need: usize,
        /// Bytes that are there.
        left: usize,
    },
    /// A length or count below zero where null is not a value.
    #[error("length {0} is negative")]
    NegativeLength(i64),
    /// A string longer than the protocol allows.
    #[error("string of {0} bytes is longer than {max}", max = super::STRING_BYTES_MAX)]
    StringTooLong(usize),
    /// More elements than the bytes that are left can hold.
    #[error("{count} elements cannot fit in the {left} bytes left")]
    CountTooLarge {
        /// Elements that the message claims.
        count: u64,
        /// Bytes that are there.
        left: usize,
    },
    /// The decoded form would need far more memory than the bytes that arrived.
    #[error("decoded form needs more memory than allowed for this many bytes")]
    TooMuchMemory,
    /// Null where the protocol does not allow it.
    #[error("null is not allowed here")]
    UnexpectedNull,
    /// A string that is not UTF-8.
    #[error("string is not UTF-8")]
    NotUtf8,
    /// A variable-length integer that does not end in time.
    #[error("variable-length integer is too long")]
    VarintTooLong,
    /// More tagged fields than anyone sends.
    #[error("{0} tagged fields are more than {max}", max = super::TAGS_MAX)]
    TooManyTags(u32),
    /// Tagged fields must ascend; a repeated tag is refused by the same rule.
    #[error("tag {tag} follows tag {previous}")]
    TagOrder {
        /// The tag that came too late.
        tag: u32,
        /// The tag before it.
        previous: u32,
    },
    /// The content of a tagged field does not fill its declared size.
    #[error("tagged field declares {declared} bytes and has {used}")]
    TagSize {
        /// Bytes declared.
        declared: usize,
        /// Bytes that its content took.
        used: usize,
    },
    /// A version of the message that is not spoken here.
    #[error("version {version} is not within {min} to {max}")]
    UnsupportedVersion {
        /// The version asked for.
        version: i16,
        /// Lowest version spoken.
        min: i16,
        /// Highest version spoken.
        max: i16,
    },
    /// Bytes are left over after the message.
    #[error("{0} bytes are left over at the end")]
    TrailingBytes(usize),
}

/// One step on the way from a message to the field at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Field(&'static str),
    Index(usize),
}

/// Bytes that are not a message: which field, at which byte, and why.
///
/// What to do: the sender is broken or hostile, or speaks another version; close the connection. Reading the same bytes
/// again will not help.
#[derive(Clone, PartialEq, Eq)]
pub struct DecodeError(Box<DecodeFault>);

#[derive(Clone, PartialEq, Eq)]
struct DecodeFault {
    kind: DecodeErrorKind,
    at: usize,
    /// Innermost step first.
    path: Vec<Step>,
}

impl DecodeError {
    #[cold]
    pub(crate) fn new(kind: DecodeErrorKind, at: usize) -> Self {
        Self(Box::new(DecodeFault { kind, at, path: Vec::new() }))
    }

    /// What is wrong.
    pub fn kind(&self) -> &DecodeErrorKind {
        &self.0.kind
    }

    /// The byte at which it was noticed, counted from the start of the [`Reader`](super::Reader)'s input.
    pub fn position(&self) -> usize {
        self.0.at
    }

    /// Message and field, as `MetadataRequest.topics[2].name`.
    pub fn path(&self) -> String {
        path_text(&self.0.path)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "decode {} at byte {}: {}", self.path(), self.0.at, self.0.kind)
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for DecodeError {}

/// Why a message cannot be written in the version asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeErrorKind {
    /// The field has a value that matters and does not exist in this version.
    #[error("has a value, and the field does not exist in version {0}")]
    NotInVersion(i16),
    /// Null in a version that has no null there.
    #[error("is null, which version {0} cannot say")]
    NullNotAllowed(i16),
    /// Too long for its length prefix.
    #[error("has length {length}, the most is {max}")]
    TooLong {
        /// Bytes or elements.
        length: usize,
        /// The most that can be written.
        max: usize,
    },
    /// A version of the message that is not spoken here.
    #[error("version {version} is not within {min} to {max}")]
    UnsupportedVersion {
        /// The version asked for.
        version: i16,
        /// Lowest version spoken.
        min: i16,
        /// Highest version spoken.
        max: i16,
    },
}

/// A message that its version cannot carry: which field and why.
///
/// What to do: leave the field at its default, or speak a version that has it. It is a mistake of the caller, never of
/// the peer.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodeError(Box<EncodeFault>);

#[derive(Clone, PartialEq, Eq)]
struct EncodeFault {
    kind: EncodeErrorKind,
    path: Vec<Step>,
}

impl EncodeError {
    #[cold]
    pub(crate) fn new(kind: EncodeErrorKind) -> Self {
        Self(Box::new(EncodeFault { kind, path: Vec::new() }))
    }

    /// What is wrong.
    pub fn kind(&self) -> &EncodeErrorKind {
        &self.0.kind
    }

    /// Message and field, as `MetadataRequest.topics[2].name`.
    pub fn path(&self) -> String {
        path_text(&self.0.path)
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "encode: {} {}", self.path(), self.0.kind)
    }
}

impl fmt::Debug for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for EncodeError {}

/// Adds the enclosing field, element or message to an error on its way out.
pub(crate) trait ErrorContext {
    fn within(self, step: Step) -> Self;
}

impl<T> ErrorContext for Result<T, DecodeError> {
    #[inline]
    fn within(mut self, step: Step) -> Self {
        if let Err(error) = &mut self {
            error.0.path.push(step);
        }
        self
    }
}

impl<T> ErrorContext for Result<T, EncodeError> {
    #[inline]
    fn within(mut self, step: Step) -> Self {
        if let Err(error) = &mut self {
            error.0.path.push(step);
        }
        self
    }
}

fn path_text(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path.iter().rev() {
        match step {
            Step::Field(name) if text.is_empty() => text.push_str(name),
            Step::Field(name) => {
                text.push('.');
                text.push_str(name);
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    if text.is_empty() { "input".into() } else { text }
}

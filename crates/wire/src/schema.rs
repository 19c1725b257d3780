//! How a message is declared and what the declaration means: the [`Message`] and [`Request`] traits, the `message!` and
//! `api!` macros, and the codec of every field type.
//!
//! ```text
//! message! {
//!     /// What the struct is for.
//!     struct FetchPartition {
//!         partition: i32 [0..],                          // in every version
//!         current_leader_epoch: i32 [9..; ignorable] = -1, // from version 9; dropped before it
//!     }
//!     tags {                                             // tagged fields (KIP-482), by tag
//!         0 replica_directory_id: Uuid [17..; ignorable],
//!     }
//! }
//! ```
//! `[versions; null versions; ignorable]`: `null` says in which versions an `Option` may be null (all, if not given).
//! A field that a version does not have decodes to its default: the value after `=`, else empty, zero or false (and
//! `Some` of that for an `Option`, as the protocol defines it). Writing another value in such a version is an error,
//! unless the field is `ignorable`: then it is dropped.

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::{
    ApiKey, ErrorCode,
    primitives::{
        DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind, ErrorContext, Reader, Step, Str, Uuid,
        Writer,
    },
};

/// A request or a response: a struct that has versions of its own.
pub trait Message: Default + Clone + std::fmt::Debug + PartialEq + Send + Sync + 'static {
    /// Its name in the protocol.
    const NAME: &'static str;
    /// Versions that can be read and written.
    const VERSIONS: RangeInclusive<i16>;
    /// The first version with compact lengths and tagged fields (KIP-482); `i16::MAX` if there is none.
    const FLEXIBLE_FROM: i16;

    /// Reads a body. Bytes left over are not its concern: see [`Reader::finish`].
    fn decode(reader: &mut Reader, version: i16) -> Result<Self, DecodeError>;

    /// Writes a body.
    fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError>;
}

/// A request, with the key that announces it and the response that answers it.
pub trait Request: Message {
    /// The key that announces it.
    const KEY: ApiKey;
    /// What answers it, in the same version.
    type Response: Message;
}

/// What a field's codec must know about the message around it.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(any(test, feature = "sample")),
    expect(
        unreachable_pub,
        reason = "the signature of a public trait needs it, behind the feature `sample`"
    )
)]
pub struct Cx {
    pub(crate) version: i16,
    pub(crate) flexible: bool,
}

/// Checks the version and reads the body of `M`.
pub(crate) fn decode_message<M: Message + Wire>(reader: &mut Reader, version: i16) -> Result<M, DecodeError> {
    let body = if M::VERSIONS.contains(&version) {
        M::read(reader, Cx { version, flexible: version >= M::FLEXIBLE_FROM })
    } else {
        let (min, max) = (*M::VERSIONS.start(), *M::VERSIONS.end());
        Err(reader.error(DecodeErrorKind::UnsupportedVersion { version, min, max }))
    };
    body.within(Step::Field(M::NAME))
}

/// Checks the version and writes the body of `M`.
pub(crate) fn encode_message<M: Message + Wire>(
    message: &M,
    writer: &mut Writer,
    version: i16,
) -> Result<(), EncodeError> {
    let written = if M::VERSIONS.contains(&version) {
        message.write(writer, Cx { version, flexible: version >= M::FLEXIBLE_FROM })
    } else {
        let (min, max) = (*M::VERSIONS.start(), *M::VERSIONS.end());
        Err(EncodeError::new(EncodeErrorKind::UnsupportedVersion { version, min, max }))
    };
    written.within(Step::Field(M::NAME))
}

/// A type that a field can have.
pub(crate) trait Wire: Sized + PartialEq {
    /// The fewest bytes that a value takes, so that counts can be refused before memory is taken.
    fn bytes_min(cx: Cx) -> usize;
    /// The default that the protocol gives a field that states none.
    fn initial() -> Self;
    fn is_null(&self) -> bool {
        false
    }
    fn read(reader: &mut Reader, cx: Cx) -> Result<Self, DecodeError>;
    fn write(&self, writer: &mut Writer, cx: Cx) -> Result<(), EncodeError>;
}

/// A type that also has a null form.
pub(crate) trait NullableWire: Wire {
    fn null_bytes_min(cx: Cx) -> usize {
        Self::bytes_min(cx)
    }
    fn read_nullable(reader: &mut Reader, cx: Cx) -> Result<Option<Self>, DecodeError>;
    fn write_nullable(value: Option<&Self>, writer: &mut Writer, cx: Cx) -> Result<(), EncodeError>;
}

impl<T: NullableWire> Wire for Option<T> {
    fn bytes_min(cx: Cx) -> usize {
        T::null_bytes_min(cx)
    }

    fn initial() -> Self {
        Some(T::initial())
    }

    fn is_null(&self) -> bool {
        self.is_none()
    }

    fn read(reader: &mut Reader, cx: Cx) -> Result<Self, DecodeError> {
        T::read_nullable(reader, cx)
    }

    fn write(&self, writer: &mut Writer, cx: Cx) -> Result<(), EncodeError> {
        T::write_nullable(self.as_ref(), writer, cx)
    }
}

/// Reads a value in a place that has no null.
fn read_present<T: NullableWire>(reader: &mut Reader, cx: Cx) -> Result<T, DecodeError> {
    T::read_nullable(reader, cx)?.ok_or_else(|| reader.error(DecodeErrorKind::UnexpectedNull))
}

macro_rules! fixed {
    ($($ty:ty, $method:ident, $bytes:literal;)*) => {$(
        impl Wire for $ty {
            fn bytes_min(_: Cx) -> usize {
                $bytes
            }

            fn initial() -> Self {
                Self::default()
            }

            fn read(reader: &mut Reader, _: Cx) -> Result<Self, DecodeError> {
                reader.$method()
            }

            fn write(&self, writer: &mut Writer, _: Cx) -> Result<(), EncodeError> {
                writer.$method(*self);
                Ok(())
            }
        }
    )*};
}

fixed! {
    bool, bool, 1;
    i8, i8, 1;
    i16, i16, 2;
    u16, u16, 2;
    i32, i32, 4;
    i64, i64, 8;
    f64, f64, 8;
    Uuid, uuid, 16;
}

impl Wire for ErrorCode {
    fn bytes_min(_: Cx) -> usize {
        2
    }

    fn initial() -> Self {
        Self::None
    }

    fn read(reader: &mut Reader, _: Cx) -> Result<Self, DecodeError> {
        Ok(Self::from_code(reader.i16()?))
    }

    fn write(&self, writer: &mut Writer, _: Cx) -> Result<(), EncodeError> {
        writer.i16(self.code());
        Ok(())
    }
}

/// `Wire` for a type whose plain form is its nullable form without null.
macro_rules! wire_by_null_form {
    ([$($generics:tt)*] $ty:ty, $bytes:literal) => {
        impl $($generics)* Wire for $ty {
            fn bytes_min(cx: Cx) -> usize {
                if cx.flexible { 1 } else { $bytes }
            }

            fn initial() -> Self {
                Self::default()
            }

            fn read(reader: &mut Reader, cx: Cx) -> Result<Self, DecodeError> {
                read_present(reader, cx)
            }

            fn write(&self, writer: &mut Writer, cx: Cx) -> Result<(), EncodeError> {
                Self::write_nullable(Some(self), writer, cx)
            }
        }
    };
}

wire_by_null_form!([] Str, 2);
wire_by_null_form!([] Bytes, 4);
wire_by_null_form!([<T: Wire>] Vec<T>, 4);

impl NullableWire for Str {
    fn read_nullable(reader: &mut Reader, cx: Cx) -> Result<Option<Self>, DecodeError> {
        match reader.text_length(cx.flexible)? {
            Some(length) => reader.text(length).map(Some),
            None => Ok(None),
        }
    }

    fn write_nullable(value: Option<&Self>, writer: &mut Writer, cx: Cx) -> Result<(), EncodeError> {
        writer.text_length(value.map(|text| text.len()), cx.flexible)?;
        writer.raw(value.map_or(&[], |text| text.as_bytes()));
        Ok(())
    }
}

impl NullableWire for Bytes {
    fn read_nullable(reader: &mut Reader, cx: Cx) -> Result<Option<Self>, DecodeError> {
        match reader.length(cx.flexible)? {
            Some(length) => reader.slice(length).map(Some),
            None => Ok(None),
        }
    }

    fn write_nullable(value: Option<&Self>, writer: &mut Writer, cx: Cx) -> Result<(), EncodeError> {
        writer.length(value.map(Bytes::len), cx.flexible)?;
        if let Some(bytes) = value {
            writer.shared(bytes);
        }
        Ok(())
    }
}

impl<T: Wire> NullableWire for Vec<T> {
    fn read_nullable(reader: &mut Reader, cx: Cx) -> Result<Option<Self>, DecodeError> {
        let Some(count) = reader.length(cx.flexible)? else { return Ok(None) };
        let mut elements = reader.vec_for(count, T::bytes_min(cx))?;
        for index in 0..count {
            elements.push(T::read(reader, cx).within(Step::Index(index))?);
        }
        Ok(Some(elements))
    }

    fn write_nullable(value: Option<&Self>, writer: &mut Writer, cx: Cx) -> Result<(), EncodeError> {
        writer.length(value.map(Vec::len), cx.flexible)?;
        for (index, element) in value.into_iter().flatten().enumerate() {
            element.write(writer, cx).within(Step::Index(index))?;
        }
        Ok(())
    }
}

/// Reads one field and refuses a null that its version does not have.
pub(crate) fn read_field<T: Wire>(
    reader: &mut Reader,
    cx: Cx,
    name: &'static str,
    nullable: bool,
) -> Result<T, DecodeError> {
    let value = T::read(reader, cx).within(Step::Field(name))?;
    if value.is_null() && !nullable {
        return Err(reader.error(DecodeErrorKind::UnexpectedNull)).within(Step::Field(name));
    }
    Ok(value)
}

/// Writes one field and refuses a null that its version does not have.
pub(crate) fn write_field<T: Wire>(
    value: &T,
    writer: &mut Writer,
    cx: Cx,
    name: &'static str,
    nullable: bool,
) -> Result<(), EncodeError> {
    let written = if value.is_null() && !nullable {
        Err(EncodeError::new(EncodeErrorKind::NullNotAllowed(cx.version)))
    } else {
        value.write(writer, cx)
    };
    written.within(Step::Field(name))
}

/// Decides about a field that the version does not have: at its default or ignorable, it is left out.
pub(crate) fn leave_out(
    droppable: bool,
    is_default: impl FnOnce() -> bool,
    cx: Cx,
    name: &'static str,
) -> Result<(), EncodeError> {
    if droppable || is_default() {
        return Ok(());
    }
    Err(EncodeError::new(EncodeErrorKind::NotInVersion(cx.version))).within(Step::Field(name))
}

/// Whether a field exists in a version.
macro_rules! present {
    ($cx:ident, $versions:expr $(; $($rest:tt)*)?) => {
        ($versions).contains(&$cx.version)
    };
}

/// Whether a field may be null in a version.
macro_rules! nullable {
    ($cx:ident, $versions:expr; null $null:expr $(; $($rest:tt)*)?) => {
        ($null).contains(&$cx.version)
    };
    ($cx:ident, $($rest:tt)*) => {
        true
    };
}

/// Whether a field may be dropped in a version that does not have it.
macro_rules! ignorable {
    ($versions:expr; null $null:expr; ignorable) => {
        true
    };
    ($versions:expr; ignorable) => {
        true
    };
    ($($rest:tt)*) => {
        false
    };
}

/// The default of a field.
macro_rules! default_of {
    ($ty:ty, $default:expr) => {
        $default
    };
    ($ty:ty) => {
        <$ty as $crate::schema::Wire>::initial()
    };
}

/// Reads the tagged fields of a struct that is otherwise complete.
macro_rules! read_tags {
    ($reader:ident, $cx:ident, $value:ident) => {
        if $cx.flexible {
            $reader.tags(|_, _| Ok(false))?;
        }
        return Ok($value)
    };
    ($reader:ident, $cx:ident, $value:ident, $($tag:literal $field:ident [$($spec:tt)*],)+) => {
        let mut value = $value;
        if $cx.flexible {
            $reader.tags(|tag, reader| {
                match tag {
                    $($tag if present!($cx, $($spec)*) => {
                        value.$field = $crate::schema::read_field(
                            reader, $cx, stringify!($field), nullable!($cx, $($spec)*),
                        )?;
                    })+
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        return Ok(value)
    };
}

/// Declares structs of the protocol; the module's documentation explains the form.
macro_rules! message {
    ($(
        $(#[$meta:meta])*
        struct $name:ident {
            $($(#[$fmeta:meta])* $field:ident: $ty:ty [$($spec:tt)*] $(= $default:expr)?,)*
        }
        $(tags {
            $($(#[$tmeta:meta])* $tag:literal $tfield:ident: $tty:ty [$($tspec:tt)*] $(= $tdefault:expr)?,)*
        })?
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $(
                $(#[$fmeta])*
                #[doc = concat!("`", stringify!($field), "` in versions ", stringify!($($spec)*), ".")]
                pub $field: $ty,
            )*
            $($(
                $(#[$tmeta])*
                #[doc = concat!("`", stringify!($tfield), "`, tag ", $tag, " in versions ", stringify!($($tspec)*), ".")]
                pub $tfield: $tty,
            )*)?
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: default_of!($ty $(, $default)?),)*
                    $($($tfield: default_of!($tty $(, $tdefault)?),)*)?
                }
            }
        }

        impl $crate::schema::Wire for $name {
            fn bytes_min(cx: $crate::schema::Cx) -> usize {
                usize::from(cx.flexible)
                    $(+ if present!(cx, $($spec)*) { <$ty as $crate::schema::Wire>::bytes_min(cx) } else { 0 })*
            }

            fn initial() -> Self {
                Self::default()
            }

            fn read(
                reader: &mut $crate::primitives::Reader,
                cx: $crate::schema::Cx,
            ) -> Result<Self, $crate::primitives::DecodeError> {
                let value = Self {
                    $($field: if present!(cx, $($spec)*) {
                        $crate::schema::read_field(reader, cx, stringify!($field), nullable!(cx, $($spec)*))?
                    } else {
                        default_of!($ty $(, $default)?)
                    },)*
                    $($($tfield: default_of!($tty $(, $tdefault)?),)*)?
                };
                read_tags!(reader, cx, value $(, $($tag $tfield [$($tspec)*],)*)?);
            }

            fn write(
                &self,
                writer: &mut $crate::primitives::Writer,
                cx: $crate::schema::Cx,
            ) -> Result<(), $crate::primitives::EncodeError> {
                $(if present!(cx, $($spec)*) {
                    let nullable = nullable!(cx, $($spec)*);
                    $crate::schema::write_field(&self.$field, writer, cx, stringify!($field), nullable)?;
                } else {
                    let is_default = || self.$field == default_of!($ty $(, $default)?);
                    $crate::schema::leave_out(ignorable!($($spec)*), is_default, cx, stringify!($field))?;
                })*
                $($(if !(cx.flexible && present!(cx, $($tspec)*)) {
                    let is_default = || self.$tfield == default_of!($tty $(, $tdefault)?);
                    $crate::schema::leave_out(ignorable!($($tspec)*), is_default, cx, stringify!($tfield))?;
                })*)?
                if cx.flexible {
                    let tags = $crate::primitives::TagWriter::default();
                    $($(let tags = if present!(cx, $($tspec)*) && self.$tfield != default_of!($tty $(, $tdefault)?) {
                        let nullable = nullable!(cx, $($tspec)*);
                        tags.with($tag, |field| {
                            $crate::schema::write_field(&self.$tfield, field, cx, stringify!($tfield), nullable)
                        })?
                    } else {
                        tags
                    };)*)?
                    tags.finish(writer);
                }
                Ok(())
            }
        }

        impl $crate::schema::NullableWire for $name {
            fn null_bytes_min(_: $crate::schema::Cx) -> usize {
                1
            }

            fn read_nullable(
                reader: &mut $crate::primitives::Reader,
                cx: $crate::schema::Cx,
            ) -> Result<Option<Self>, $crate::primitives::DecodeError> {
                if reader.i8()? < 0 { Ok(None) } else { $crate::schema::Wire::read(reader, cx).map(Some) }
            }

            fn write_nullable(
                value: Option<&Self>,
                writer: &mut $crate::primitives::Writer,
                cx: $crate::schema::Cx,
            ) -> Result<(), $crate::primitives::EncodeError> {
                writer.i8(if value.is_some() { 1 } else { -1 });
                value.map_or(Ok(()), |value| $crate::schema::Wire::write(value, writer, cx))
            }
        }

        #[cfg(any(test, feature = "sample"))]
        impl $crate::sample::Sample for $name {
            fn sample(choices: &mut $crate::sample::Choices<'_>, cx: $crate::schema::Cx) -> Self {
                Self {
                    $($field: if present!(cx, $($spec)*) {
                        $crate::sample::field(choices, cx, nullable!(cx, $($spec)*))
                    } else {
                        default_of!($ty $(, $default)?)
                    },)*
                    $($($tfield: if cx.flexible && present!(cx, $($tspec)*) && choices.flag() {
                        $crate::sample::field(choices, cx, nullable!(cx, $($tspec)*))
                    } else {
                        default_of!($tty $(, $tdefault)?)
                    },)*)?
                }
            }
        }
    )*};
}

/// Gives declared structs their place in the protocol: `api! { Name: Request => Response, versions a..=b, flexible n }`.
macro_rules! api {
    ($key:ident: $request:ident => $response:ident, versions $versions:expr, flexible $flexible:tt) => {
        api!(@message $request, $versions, $flexible);
        api!(@message $response, $versions, $flexible);

        impl $crate::Request for $request {
            const KEY: $crate::ApiKey = $crate::ApiKey::$key;
            type Response = $response;
        }
    };
    (@message $name:ident, $versions:expr, none) => { api!(@message $name, $versions, (i16::MAX)); };
    (@message $name:ident, $versions:expr, $flexible:tt) => {
        impl $crate::Message for $name {
            const NAME: &'static str = stringify!($name);
            const VERSIONS: std::ops::RangeInclusive<i16> = $versions;
            const FLEXIBLE_FROM: i16 = $flexible;

            fn decode(
                reader: &mut $crate::primitives::Reader,
                version: i16,
            ) -> Result<Self, $crate::primitives::DecodeError> {
                $crate::schema::decode_message(reader, version)
            }

            fn encode(
                &self,
                writer: &mut $crate::primitives::Writer,
                version: i16,
            ) -> Result<(), $crate::primitives::EncodeError> {
                $crate::schema::encode_message(self, writer, version)
            }
        }
    };
}

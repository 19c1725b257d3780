//! Records out of a batch that someone else wrote: a stored one or a fetched one. Every bound is checked again, since
//! the reader cannot know who validated it; nothing is trusted but the slice itself.

use bytes::Bytes;

use super::{
    BatchError, BatchErrorKind, BatchHeader, DECOMPRESSED_BYTES_MAX, HEADER_BYTES, decompress,
    source::{Slice, Source},
};
use crate::Str;

type Result<T> = std::result::Result<T, BatchError>;

/// A record, sharing memory with its batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Its offset.
    pub offset: i64,
    /// When it was made, or appended, in ms; -1 if it does not say.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; none marks a deletion in a compacted topic.
    pub value: Option<Bytes>,
    /// Its headers, in order, repeated names included.
    pub headers: Vec<Header>,
}

impl Record {
    /// The value of the first header of that name.
    pub fn header(&self, key: &str) -> Option<&Bytes> {
        self.headers.iter().find(|header| header.key == *key)?.value.as_ref()
    }
}

/// A header of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name; bytes that are not UTF-8 are replaced, as Java clients do.
    pub key: Str,
    /// Its value.
    pub value: Option<Bytes>,
}

impl Header {
    /// A header.
    pub fn new(key: impl Into<Str>, value: impl Into<Bytes>) -> Self {
        Self { key: key.into(), value: Some(value.into()) }
    }
}

/// A record, borrowed from the decompressed bytes of its batch.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    /// Its offset.
    pub offset: i64,
    /// When it was made, or appended, in ms; -1 if it does not say.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: HeaderViews<'a>,
}

/// The headers of a borrowed record, as (name, value). Their bounds were checked when the record was read.
#[derive(Clone, Copy, Debug)]
pub struct HeaderViews<'a> {
    bytes: &'a [u8],
    left: i32,
}

impl<'a> Iterator for HeaderViews<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1).filter(|left| *left >= 0)?;
        let mut source = Slice::new(self.bytes, 0);
        let header = read_header(&mut source).ok()?;
        self.bytes = &self.bytes[source.position()..];
        Some(header)
    }
}

/// The records of one whole batch. Control batches are records too: see [`BatchHeader::is_control`].
pub fn records(batch: &Bytes) -> Result<Records> {
    let header = BatchHeader::parse(batch)?;
    let size = header.size();
    if batch.len() < size {
        return Err(BatchError::new(BatchErrorKind::Truncated { need: size, left: batch.len() }, 8));
    }
    let body = decompress(header.compression()?, &batch.slice(HEADER_BYTES..size), DECOMPRESSED_BYTES_MAX)?;
    Ok(Records { header, body, at: 0, index: 0 })
}

/// See [`records`]. After an error there are no more records.
#[derive(Clone, Debug)]
pub struct Records {
    header: BatchHeader,
    body: Bytes,
    at: usize,
    index: i32,
}

impl Records {
    /// The batch's header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Bytes of the decompressed records that were taken so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The records, decompressed.
    pub(super) fn body(&self) -> &Bytes {
        &self.body
    }

    /// The next record, borrowed: nothing is allocated for it.
    pub fn next_view(&mut self) -> Option<Result<RecordView<'_>>> {
        if self.index >= self.header.record_count {
            return None;
        }
        let index = self.index;
        self.index = self.header.record_count;
        let mut source = Slice::new(&self.body, self.at);
        match read_record(&mut source, &self.header) {
            Ok(view) => {
                self.index = index + 1;
                self.at = source.position();
                Some(Ok(view))
            }
            Err(error) => Some(Err(error.in_record(index))),
        }
    }
}

impl Iterator for Records {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        let body = self.body.clone();
        let view = match self.next_view()? {
            Ok(view) => view,
            Err(error) => return Some(Err(error)),
        };
        let shared = |bytes: Option<&[u8]>| bytes.map(|bytes| body.slice_ref(bytes));
        let headers = view.headers.map(|(key, value)| Header {
            key: Str::from(&*String::from_utf8_lossy(key)),
            value: shared(value),
        });
        Some(Ok(Record {
            offset: view.offset,
            timestamp: view.timestamp,
            key: shared(view.key),
            value: shared(view.value),
            headers: headers.collect(),
        }))
    }
}

fn read_record<'a>(source: &mut Slice<'a>, header: &BatchHeader) -> Result<RecordView<'a>> {
    let record = field(source, "record")?;
    let mut source = Slice::new(record, 0);
    source.byte()?; // Attributes of a record: none are defined.
    let timestamp_delta = source.varlong()?;
    let offset_delta = source.varint()?;
    if offset_delta < 0 || offset_delta > header.last_offset_delta {
        let kind = BatchErrorKind::OffsetDelta { found: offset_delta, expected: header.last_offset_delta };
        return Err(BatchError::new(kind, source.position()));
    }
    let key = nullable_field(&mut source, "key")?;
    let value = nullable_field(&mut source, "value")?;
    let headers = read_headers(&mut source, record)?;
    source.finish()?;
    Ok(RecordView {
        offset: header.base_offset.saturating_add(offset_delta.into()),
        timestamp: if header.is_log_append_time() {
            header.max_timestamp
        } else {
            header.base_timestamp.saturating_add(timestamp_delta)
        },
        key,
        value,
        headers,
    })
}

fn read_headers<'a>(source: &mut Slice<'a>, record: &'a [u8]) -> Result<HeaderViews<'a>> {
    let count = source.varint()?;
    if count < 0 || count as usize > (record.len() - source.position()) / 2 {
        let kind = BatchErrorKind::FieldLength { field: "header count", length: count.into() };
        return Err(BatchError::new(kind, source.position()));
    }
    let bytes = &record[source.position()..];
    for _ in 0..count {
        read_header(source)?;
    }
    Ok(HeaderViews { bytes, left: count })
}

fn read_header<'a>(source: &mut Slice<'a>) -> Result<(&'a [u8], Option<&'a [u8]>)> {
    Ok((field(source, "header key")?, nullable_field(source, "header value")?))
}

fn field<'a>(source: &mut Slice<'a>, name: &'static str) -> Result<&'a [u8]> {
    let length = source.varint()?;
    sized(source, name, length)
}

fn sized<'a>(source: &mut Slice<'a>, name: &'static str, length: i32) -> Result<&'a [u8]> {
    match usize::try_from(length) {
        Ok(size) => source.take(size),
        Err(_) => {
            let kind = BatchErrorKind::FieldLength { field: name, length: length.into() };
            Err(BatchError::new(kind, source.position()))
        }
    }
}

fn nullable_field<'a>(source: &mut Slice<'a>, name: &'static str) -> Result<Option<&'a [u8]>> {
    match source.varint()? {
        -1 => Ok(None),
        length => sized(source, name, length).map(Some),
    }
}

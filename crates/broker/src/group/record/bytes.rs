//! Writing and reading the fields of a record: fixed integers, length-prefixed text and bytes.

use bytes::Bytes;
use poruka_wire::{Str, Uuid};

use super::RecordError;
use crate::group::limits::RECORD_FIELD_BYTES_MAX;
use crate::group::partitions::{Partitions, TopicPartition};

/// Fields in the order in which they are written.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn uuid(&mut self, value: Uuid) {
        self.0.extend_from_slice(&value.0);
    }

    pub(crate) fn count(&mut self, count: usize) {
        // A count is bounded by limits far below 2^32 before anything is persisted.
        self.0.extend_from_slice(&(count as u32).to_be_bytes());
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.count(value.len());
        self.0.extend_from_slice(value);
    }

    pub(crate) fn str(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    pub(crate) fn opt_str(&mut self, value: Option<&Str>) {
        self.u8(value.is_some().into());
        if let Some(value) = value {
            self.str(value);
        }
    }

    pub(crate) fn opt_i64(&mut self, value: Option<i64>) {
        self.u8(value.is_some().into());
        if let Some(value) = value {
            self.i64(value);
        }
    }

    /// Partitions with one number each, grouped by topic.
    pub(crate) fn partitions(&mut self, partitions: &Partitions) {
        let mut rest = partitions.iter().peekable();
        let topics = partitions.keys().fold((0, None), |(count, last), (topic, _)| {
            if last == Some(*topic) { (count, last) } else { (count + 1, Some(*topic)) }
        });
        self.count(topics.0);
        while let Some(((topic, _), _)) = rest.peek() {
            let topic = *topic;
            self.uuid(topic);
            let range = partitions.range((topic, i32::MIN)..=(topic, i32::MAX));
            self.count(range.count());
            while let Some(((_, partition), epoch)) = rest.next_if(|((next, _), _)| *next == topic) {
                self.i32(*partition);
                self.i32(*epoch);
            }
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Fields still to be read.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], RecordError> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(RecordError::Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        self.take(N)?.try_into().map_err(|_| RecordError::Truncated)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, RecordError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn i32(&mut self) -> Result<i32, RecordError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, RecordError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, RecordError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(crate) fn uuid(&mut self) -> Result<Uuid, RecordError> {
        Ok(Uuid(self.array()?))
    }

    /// A count of things that take at least `bytes_each` bytes, bounded by the bytes that remain.
    pub(crate) fn count(&mut self, bytes_each: usize) -> Result<usize, RecordError> {
        let count = u32::from_be_bytes(self.array()?) as usize;
        if count > self.0.len() / bytes_each.max(1) { Err(RecordError::Truncated) } else { Ok(count) }
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, RecordError> {
        Ok(Bytes::copy_from_slice(self.raw()?))
    }

    fn raw(&mut self) -> Result<&'a [u8], RecordError> {
        let len = self.count(1)?;
        if len > RECORD_FIELD_BYTES_MAX {
            return Err(RecordError::BadField { field: "length", value: len as i64 });
        }
        self.take(len)
    }

    pub(crate) fn string(&mut self) -> Result<Str, RecordError> {
        let raw = self.raw()?;
        std::str::from_utf8(raw).map(Str::from).map_err(|_| RecordError::NotUtf8)
    }

    fn flag(&mut self) -> Result<bool, RecordError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(RecordError::BadField { field: "presence", value: other.into() }),
        }
    }

    pub(crate) fn opt_string(&mut self) -> Result<Option<Str>, RecordError> {
        if self.flag()? { self.string().map(Some) } else { Ok(None) }
    }

    pub(crate) fn opt_i64(&mut self) -> Result<Option<i64>, RecordError> {
        if self.flag()? { self.i64().map(Some) } else { Ok(None) }
    }

    pub(crate) fn partitions(&mut self) -> Result<Partitions, RecordError> {
        let mut partitions = Partitions::new();
        for _ in 0..self.count(20)? {
            let topic = self.uuid()?;
            for _ in 0..self.count(8)? {
                let key: TopicPartition = (topic, self.i32()?);
                partitions.insert(key, self.i32()?);
            }
        }
        Ok(partitions)
    }

    /// Checks the version byte of a value.
    pub(crate) fn version(&mut self, what: &'static str, newest: u8) -> Result<u8, RecordError> {
        let version = self.u8()?;
        if version > newest { Err(RecordError::Newer { what, number: version }) } else { Ok(version) }
    }

    pub(crate) fn end(self) -> Result<(), RecordError> {
        if self.0.is_empty() { Ok(()) } else { Err(RecordError::Trailing(self.0.len())) }
    }
}

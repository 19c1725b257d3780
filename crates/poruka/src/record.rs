//! Records as they are sent, and as they are received.

use bytes::Bytes;

/// A record to be sent: a value, and what goes with it.
///
/// ```
/// use poruka::Record;
/// let record = Record::new("shipped").key("order-7").header("trace", "abc");
/// assert_eq!(record.key.as_deref(), Some(b"order-7".as_slice()));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// What decides the partition, if anything does.
    pub key: Option<Bytes>,
    /// The content; `None` deletes the key from a compacted topic.
    pub value: Option<Bytes>,
    /// Names and values in order; a name may stand more than once.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// Milliseconds since 1970; `None` takes the time at which it is sent.
    pub timestamp_ms: Option<i64>,
    /// The partition; `None` lets the key decide. Not for ordered topics, where the key must decide.
    pub partition: Option<i32>,
}

impl Record {
    /// A record with this value and nothing else.
    pub fn new(value: impl Into<Bytes>) -> Record {
        Record { value: Some(value.into()), ..Record::default() }
    }

    /// With a key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Bytes>) -> Record {
        self.key = Some(key.into());
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Bytes>) -> Record {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// With a timestamp, in milliseconds since 1970.
    #[must_use]
    pub fn timestamp_ms(mut self, ms: i64) -> Record {
        self.timestamp_ms = Some(ms);
        self
    }

    /// For this partition.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Record {
        self.partition = Some(partition);
        self
    }
}

/// A record that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its partition.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970, as the producer or the broker stamped it.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers, the sequence header included.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// On ordered topics: its sequence number came before, so it was very likely delivered before.
    pub repeat: bool,
}

impl Received {
    /// The last header of this name that has a value.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().rev().find(|(known, value)| known == name && value.is_some());
        found.and_then(|(_, value)| value.as_deref())
    }
}

//! Fuzz targets: each takes any bytes and panics if a promise is broken. They run as ordinary tests (`main.rs`) and
//! under a fuzzer (`fuzz/` at the root of the repository), which includes this file as it is.

use poruka_wire::frame::{self, FrameDecoder, FrameError, OWN_BUFFER_BYTES_MIN, READ_AHEAD_FACTOR_MAX};
use poruka_wire::records::{
    self, BatchBuilder, BatchError, BatchInfo, Compression, HEADER_BYTES, Header, Limits, Origin, Record,
};
use poruka_wire::sample::{Choices, Sample, Visitor, visit_all};
use poruka_wire::{ApiKey, Bytes, Message, Reader, Request, Writer, consumer_protocol};

/// A target and its name.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// Every target.
pub(crate) const TARGETS: [Target; 8] = [
    ("frames", frames),
    ("request_frame", request_frame),
    ("request", request),
    ("response", response),
    ("batch", batch),
    ("compressed", compressed),
    ("builder", builder),
    ("subscription", subscription),
];

/// The most bytes that a few decompress to here, so that a fuzzer keeps its speed.
const DECOMPRESSED_BYTES_MAX: usize = 1 << 20;

/// A stream is cut into the same frames however it arrives, and holds no memory for what did not.
pub(crate) fn frames(data: &[u8]) {
    let Some((seed, stream)) = data.split_first_chunk::<8>() else { return };
    let mut choices = Choices::seeded(u64::from_be_bytes(*seed));
    let whole = cut(stream, |left| left);
    let parts = cut(stream, |left| 1 + choices.below(left.min(64)));
    assert_eq!(whole, parts);
}

fn cut(stream: &[u8], mut next: impl FnMut(usize) -> usize) -> (Vec<Bytes>, Option<FrameError>) {
    let mut decoder = FrameDecoder::default();
    let (mut frames, mut rest) = (Vec::new(), stream);
    loop {
        loop {
            match decoder.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        if rest.is_empty() {
            return (frames, None);
        }
        let room = decoder.read_buffer();
        let capacity = room.get_ref().capacity();
        assert!(
            capacity <= READ_AHEAD_FACTOR_MAX * stream.len() + 4 * OWN_BUFFER_BYTES_MIN,
            "{capacity} bytes"
        );
        let (now, later) = rest.split_at(next(rest.len()).min(room.limit()));
        room.into_inner().extend_from_slice(now);
        rest = later;
    }
}

/// Any bytes as a request with its header.
pub(crate) fn request_frame(data: &[u8]) {
    let mut reader = Reader::new(Bytes::copy_from_slice(data));
    let Ok(header) = frame::decode_request_header(&mut reader) else { return };
    let Some(key) = header.key().filter(|_| header.is_spoken()) else { return };
    let body = &data[reader.position()..];
    visit_all(&mut OneOf { key, version: header.api_version, body, side: Side::Request });
}

/// Any bytes as the body of any request: two bytes choose which.
pub(crate) fn request(data: &[u8]) {
    body(data, Side::Request);
}

/// Any bytes as the body of any response.
pub(crate) fn response(data: &[u8]) {
    body(data, Side::Response);
}

fn body(data: &[u8], side: Side) {
    let Some((&[key, version], body)) = data.split_first_chunk() else { return };
    let key = ApiKey::ALL[usize::from(key) % ApiKey::ALL.len()];
    let versions = key.versions();
    let count = versions.end() - versions.start() + 1;
    let version = versions.start() + i16::from(version) % count;
    visit_all(&mut OneOf { key, version, body, side });
}

#[derive(Clone, Copy)]
enum Side {
    Request,
    Response,
}

struct OneOf<'a> {
    key: ApiKey,
    version: i16,
    body: &'a [u8],
    side: Side,
}

impl Visitor for OneOf<'_> {
    fn visit<R: Request<Response: Sample> + Sample>(&mut self) {
        if R::KEY == self.key {
            match self.side {
                Side::Request => reads_as_it_is_written::<R>(self.body, self.version),
                Side::Response => reads_as_it_is_written::<R::Response>(self.body, self.version),
            }
        }
    }
}

fn reads_as_it_is_written<M: Message>(bytes: &[u8], version: i16) {
    let mut reader = Reader::new(Bytes::copy_from_slice(bytes));
    match M::decode(&mut reader, version) {
        Ok(message) => {
            let written = written(&message, version);
            let again = M::decode(&mut Reader::new(written.clone()), version).expect("it was written");
            assert_eq!(self::written(&again, version), written);
        }
        Err(error) => {
            assert!(error.position() <= bytes.len(), "{error}");
            assert!(error.path().starts_with(M::NAME), "{error}");
        }
    }
}

fn written<M: Message>(message: &M, version: i16) -> Bytes {
    let mut writer = Writer::new();
    message.encode(&mut writer, version).expect("what was read can be written");
    writer.into_bytes()
}

/// Any bytes as a batch, once as they are and once with length, format and checksum put right: what validation takes,
/// a reader reads.
pub(crate) fn batch(data: &[u8]) {
    one_batch(data);
    if data.len() < HEADER_BYTES {
        return;
    }
    let mut sealed = data.to_vec();
    sealed[8..12].copy_from_slice(&(data.len() as i32 - 12).to_be_bytes());
    sealed[16] = 2;
    let newest = i64::from_be_bytes(std::array::from_fn(|index| data[35 + index]));
    records::set_max_timestamp(&mut sealed, newest, data[22] & 8 != 0);
    one_batch(&sealed);
}

fn one_batch(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    for origin in [Origin::Client, Origin::Broker] {
        let limits = Limits { decompressed_bytes_max: DECOMPRESSED_BYTES_MAX, origin, ..Limits::default() };
        match records::validate(data, &limits) {
            Ok(info) => agrees(&bytes, &info),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    // A reader that did not validate survives too.
    if let Ok(records) = records::records(&bytes) {
        records.take(1_000).for_each(drop);
    }
    for found in records::batches(data) {
        assert!(found.is_err() || found.is_ok_and(|(header, batch)| header.size() == batch.len()));
    }
}

fn agrees(batch: &Bytes, info: &BatchInfo) {
    let read: Result<Vec<Record>, BatchError> = records::records(batch).and_then(Iterator::collect);
    let read = read.expect("what validation takes is read");
    assert_eq!(read.len(), info.header.record_count as usize);
    let keyless = read.iter().position(|record| record.key.is_none());
    assert_eq!(info.keyless, keyless.map(|index| index as i32));
    if !info.header.is_log_append_time() {
        let newest = read.iter().map(|record| record.timestamp).max().unwrap_or(-1);
        assert_eq!(newest.max(-1), info.max_timestamp);
    }
    assert!(records::crc_ok(&info.header, batch));
}

/// Any bytes as the compressed records of a batch: the first byte chooses the codec. Output stays below the limit.
pub(crate) fn compressed(data: &[u8]) {
    let Some((&codec, data)) = data.split_first() else { return };
    let codec = Compression::ALL[1 + usize::from(codec) % 4];
    let bytes = Bytes::copy_from_slice(data);
    match records::decompress(codec, &bytes, DECOMPRESSED_BYTES_MAX) {
        Ok(content) => assert!(content.len() <= DECOMPRESSED_BYTES_MAX),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Any records, built into a batch of any codec: it is sound, and reads back.
pub(crate) fn builder(data: &[u8]) {
    let mut choices = Choices::of_bytes(data);
    let codec = *choices.one_of(&Compression::ALL);
    let mut builder = BatchBuilder::new(codec);
    if choices.flag() {
        builder.set_producer(choices.below(1 << 40) as i64, choices.byte().into(), choices.byte().into());
    }
    let base = if choices.flag() { choices.number() as i64 >> 2 } else { 0 };
    let mut expected = Vec::new();
    for offset in 0..1 + choices.below(5) as i64 {
        let record = Record {
            offset,
            timestamp: base + i64::from(choices.byte() as i8),
            key: optional(&mut choices),
            value: optional(&mut choices),
            headers: (0..choices.below(3))
                .map(|_| Header {
                    key: ["a", "b", "ž"][choices.below(3)].into(),
                    value: optional(&mut choices),
                })
                .collect(),
        };
        builder
            .push(record.timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers)
            .expect("few records fit");
        expected.push(record);
    }
    let batch = builder.build();
    let info = records::validate(&batch, &Limits::default()).expect("what is built is sound");
    agrees(&batch, &info);
    assert_eq!(info.compression, codec);
    let read: Vec<Record> =
        records::records(&batch).expect("sound").collect::<Result<_, _>>().expect("sound");
    assert_eq!(read, expected);
}

fn optional(choices: &mut Choices<'_>) -> Option<Bytes> {
    let length = match choices.below(4) {
        0 => return None,
        1 => 0,
        2 => choices.below(8),
        _ => choices.below(2_000),
    };
    Some((0..length).map(|_| choices.byte()).collect())
}

/// Any bytes as what members of a group tell each other.
pub(crate) fn subscription(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let known = |version: i16| version.min(consumer_protocol::VERSION_MAX);
    if let Ok((version, read)) =
        consumer_protocol::decode::<consumer_protocol::ConsumerSubscription>(bytes.clone())
    {
        consumer_protocol::encode(&read, known(version)).expect("what was read can be written");
    }
    if let Ok((version, read)) = consumer_protocol::decode::<consumer_protocol::ConsumerAssignment>(bytes) {
        consumer_protocol::encode(&read, known(version)).expect("what was read can be written");
    }
}

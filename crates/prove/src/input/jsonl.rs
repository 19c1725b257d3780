//! JSON lines, plain or gzip, streamed one line at a time.
//!
//! Hostile input is the normal case: the length of a line is bounded while it is read, gzip is decoded in
//! pieces, and every refusal names the file, the line and what was expected there. Numbers are taken by their
//! text (`1` and `1.0` are two keys), so that no digit is lost in a conversion.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use serde_json::value::RawValue;

use super::{Collector, Full, NAME_BYTES_MAX};
use crate::text::long_count;

/// Bytes of one line at most.
pub(crate) const LINE_BYTES_MAX: usize = 16 << 20;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const BUFFER_BYTES: usize = 256 << 10;

/// Which fields of a line hold the key, the id and the parents.
#[derive(Clone, Debug, Default)]
pub struct JsonFields {
    /// The field that holds the key; without it no record has one.
    pub key: Option<String>,
    /// The field that holds the id; without it the line number is the id.
    pub id: Option<String>,
    /// The field that holds the ids of the records that came before: checked for its form, not used yet.
    pub parents: Option<String>,
}

/// Why an input could not be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file cannot be opened or read.
    #[error("read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line does not have the expected form.
    #[error("{}:{line}: {problem}; expected {expected}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
        /// What would have been right.
        expected: String,
    },
    /// A key field that no line has: a slip of the hand would switch the check of order off.
    #[error("no line of {} has the key field {field:?}; expected it in at least one", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// The field.
        field: String,
    },
    /// There is nothing to send.
    #[error("{what} holds no records; expected at least one line")]
    Empty {
        /// The source.
        what: String,
    },
    /// More than fits into memory.
    #[error(
        "more than {} records or {} bytes; use --records to take fewer",
        super::RECORDS_MAX,
        super::BODY_BYTES_TOTAL_MAX
    )]
    TooLarge,
    /// The reading thread could not be started or ended early.
    #[error("start the reading thread: {0}")]
    Thread(io::Error),
}

/// Reads the file into the collector, at most `limit` records.
///
/// # Errors
/// See [`InputError`]. The first bad line ends the reading: nothing is sent from a file that is not understood.
fn read_from(
    path: &Path,
    source: impl Read,
    fields: &JsonFields,
    limit: Option<usize>,
    collector: &mut Collector,
) -> Result<(), InputError> {
    let io_error = |source| InputError::Io { path: path.to_owned(), source };
    let mut plain = BufReader::with_capacity(BUFFER_BYTES, source);
    let is_gzip = plain.fill_buf().map_err(io_error)?.starts_with(&GZIP_MAGIC);
    let mut lines: Box<dyn BufRead> = if is_gzip {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(plain)))
    } else {
        Box::new(plain)
    };
    let limit = limit.unwrap_or(usize::MAX);
    let (mut missing_keys, mut records) = (0_u64, 0_u64);
    let mut number = 0_u64;
    let mut line = Vec::new();
    while collector.len() < limit {
        line.clear();
        number += 1;
        let bad = |problem: String, expected: &str| InputError::Line {
            path: path.to_owned(),
            line: number,
            problem,
            expected: expected.to_owned(),
        };
        let taken = (&mut lines)
            .take(LINE_BYTES_MAX as u64 + 1)
            .read_until(b'\n', &mut line)
            .map_err(|source| bad(format!("cannot be read ({source})"), "a readable line"))?;
        if taken == 0 {
            break;
        }
        if taken > LINE_BYTES_MAX {
            return Err(bad(format!("longer than {LINE_BYTES_MAX} bytes"), "one JSON object per line"));
        }
        let text = if number == 1 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line) } else { &line };
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let parsed = parse(text, fields, number).map_err(|(problem, expected)| bad(problem, &expected))?;
        missing_keys += u64::from(fields.key.is_some() && parsed.key.is_none());
        records += 1;
        collector
            .add(&parsed.id, parsed.key.as_deref(), text, number)
            .map_err(|Full| InputError::TooLarge)?;
    }
    // A part of a file that was cut off by the limit proves nothing.
    let whole = records > 0 && collector.len() < limit;
    if let (Some(field), true) = (&fields.key, whole && missing_keys == records) {
        return Err(InputError::NoKey { path: path.to_owned(), field: field.clone() });
    }
    note_source(path, is_gzip, fields, missing_keys, collector);
    Ok(())
}

/// Opens and reads the file into the collector.
///
/// # Errors
/// See [`InputError`].
pub(crate) fn read_file(
    path: &Path,
    fields: &JsonFields,
    limit: Option<usize>,
    collector: &mut Collector,
) -> Result<(), InputError> {
    let io_error = |source| InputError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io_error)?;
    if file.metadata().map_err(io_error)?.is_dir() {
        return Err(io_error(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    read_from(path, file, fields, limit, collector)
}

fn note_source(path: &Path, gzip: bool, fields: &JsonFields, missing_keys: u64, collector: &mut Collector) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let form = if gzip { ", gzip" } else { "" };
    let or_none = |field: &Option<String>, none: &str| field.clone().unwrap_or_else(|| none.to_owned());
    collector.note(format!(
        "{} records from {name}{form} (key: {}, id: {})",
        long_count(collector.len() as u64),
        or_none(&fields.key, "none"),
        or_none(&fields.id, "line number"),
    ));
    if let (Some(key), 1..) = (&fields.key, missing_keys) {
        collector
            .note(format!("in {} lines the key field {key:?} is null or missing", long_count(missing_keys)));
    }
    if fields.parents.is_some() {
        collector.note("parents are checked for their form only: causal is not built yet".to_owned());
    }
}

struct Parsed {
    id: String,
    key: Option<String>,
}

type Problem = (String, String);

fn parse(text: &[u8], fields: &JsonFields, number: u64) -> Result<Parsed, Problem> {
    let text = std::str::from_utf8(text)
        .map_err(|e| (format!("not UTF-8 at byte {}", e.valid_up_to() + 1), "UTF-8 text".to_owned()))?;
    let object: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text)
        .map_err(|e| (format!("not a JSON object ({e})"), expected_line(fields)))?;
    let id = match &fields.id {
        None => number.to_string(),
        Some(field) => scalar(&object, field)?
            .ok_or_else(|| (format!("the id field {field:?} is null or missing"), expected_line(fields)))?,
    };
    let key = match &fields.key {
        None => None,
        Some(field) => scalar(&object, field)?,
    };
    if let Some(field) = &fields.parents
        && let Some(raw) = object.get(field.as_str())
    {
        serde_json::from_str::<Option<Vec<&RawValue>>>(raw.get()).map_err(|_| {
            (format!("the parents field {field:?} is no list"), "a list of ids, or null".to_owned())
        })?;
    }
    Ok(Parsed { id, key })
}

fn expected_line(fields: &JsonFields) -> String {
    let named: Vec<String> =
        [&fields.id, &fields.key].into_iter().flatten().map(|field| format!("{field:?}")).collect();
    match named.is_empty() {
        true => "one JSON object per line".to_owned(),
        false => format!("one JSON object per line with the fields {}", named.join(" and ")),
    }
}

/// The text of a string or the digits of a number; `None` when it is null or not there.
fn scalar(object: &HashMap<Cow<'_, str>, &RawValue>, field: &str) -> Result<Option<String>, Problem> {
    let Some(raw) = object.get(field) else { return Ok(None) };
    let raw = raw.get();
    let text = match raw.as_bytes().first() {
        Some(b'n') => return Ok(None),
        Some(b'"') => serde_json::from_str::<String>(raw)
            .map_err(|e| (format!("the field {field:?} is no valid string ({e})"), "a string".to_owned()))?,
        Some(b'{' | b'[') => {
            return Err((
                format!("the field {field:?} is a list or an object"),
                "a string or a number".to_owned(),
            ));
        }
        _ => raw.to_owned(),
    };
    if text.len() > NAME_BYTES_MAX {
        return Err((
            format!("the field {field:?} is {} bytes long", text.len()),
            format!("at most {NAME_BYTES_MAX} bytes"),
        ));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::input::Workload;

    fn fields(key: &str, id: &str) -> JsonFields {
        JsonFields { key: Some(key.into()), id: Some(id.into()), parents: None }
    }

    fn read(bytes: &[u8], fields: &JsonFields, limit: Option<usize>) -> Result<Workload, InputError> {
        let mut collector = Collector::default();
        read_from(Path::new("in.jsonl"), bytes, fields, limit, &mut collector)?;
        Ok(collector.finish())
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("to memory");
        encoder.finish().expect("to memory")
    }

    const LINES: &str =
        "{\"n\":1,\"k\":\"ključ\"}\r\n\n{\"n\":2,\"k\":null}\n{\"n\":3.0,\"k\":17}\n{\"n\":\"鍵\"}";

    #[test]
    fn strings_numbers_and_other_scripts_are_keys_and_ids() {
        let workload = read(LINES.as_bytes(), &fields("k", "n"), None).expect("well formed");
        let ids: Vec<&str> = workload.records.iter().map(|r| &*r.id).collect();
        assert_eq!(ids, ["1", "2", "3.0", "鍵"]);
        let keys: Vec<Option<&str>> = (0..4).map(|i| workload.key_of(i)).collect();
        assert_eq!(keys, [Some("ključ"), None, Some("17"), None]);
        assert!(workload.notes.iter().any(|n| n.contains("2 lines") && n.contains("null or missing")));
    }

    #[test]
    fn gzip_is_known_by_its_content_even_in_several_members() {
        let (first, second) = LINES.split_at(20);
        let mut packed = gzip(first.as_bytes());
        packed.extend(gzip(second.as_bytes()));
        let workload = read(&packed, &fields("k", "n"), None).expect("well formed");
        assert_eq!(workload.records.len(), 4);
    }

    #[test]
    fn a_limit_stops_before_what_it_does_not_need() {
        let workload = read(b"{\"n\":1}\nnonsense", &fields("k", "n"), Some(1)).expect("one is enough");
        assert_eq!(workload.records.len(), 1);
    }

    #[test]
    fn a_bad_line_is_named_with_its_number_and_what_was_expected() {
        let cases: [(&[u8], &str); 6] = [
            (b"{\"n\":1}\n{\"n\":", "in.jsonl:2: not a JSON object"),
            (b"[1]\n", "in.jsonl:1: not a JSON object"),
            (b"{\"k\":1}\n", "in.jsonl:1: the id field \"n\" is null or missing; expected one JSON object"),
            (b"{\"n\":[1]}\n", "expected a string or a number"),
            (b"{\"n\":1}\n\n{\"n\":\"\xff\"}\n", "in.jsonl:3: not UTF-8"),
            (b"{\"n\":\"\\ud800\"}\n", "no valid string"),
        ];
        for (bytes, expected) in cases {
            let told = read(bytes, &fields("k", "n"), None).expect_err("bad line").to_string();
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn damaged_gzip_is_an_error_and_not_a_shorter_file() {
        let mut packed = gzip(LINES.as_bytes());
        packed.truncate(packed.len() - 9);
        let told = read(&packed, &fields("k", "n"), None).expect_err("cut").to_string();
        assert!(told.contains("cannot be read"), "{told}");
    }

    #[test]
    fn a_key_field_that_no_line_has_is_a_slip_and_told() {
        let said = |limit| {
            read(b"{\"n\":1}\n{\"n\":2}\n", &fields("k", "n"), limit).err().map(|error| error.to_string())
        };
        assert_eq!(
            said(None).as_deref(),
            Some("no line of in.jsonl has the key field \"k\"; expected it in at least one")
        );
        assert_eq!(said(Some(1)), None);
    }

    #[test]
    fn parents_must_be_a_list() {
        let with_parents = JsonFields { parents: Some("p".into()), ..fields("k", "n") };
        assert!(
            read(b"{\"n\":1,\"k\":1,\"p\":[\"0\",2]}\n{\"n\":2,\"p\":null}", &with_parents, None).is_ok()
        );
        assert!(read(b"{\"n\":1,\"p\":3}", &with_parents, None).is_err());
    }
}

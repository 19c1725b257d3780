//! Lines to records: what `poruka produce` reads from a file or standard input.
//!
//! A line is a record's value, byte for byte without its line end. With `--key-field` a line must be a JSON object,
//! and its key is that field: a string as it is, a number or boolean as JSON writes it. Empty lines are skipped. Lines
//! are bounded, since a file without line ends would otherwise be one record of any size.

use std::io::BufRead;

/// The longest line. A broker's own default for a record batch is 1 MiB.
pub(crate) const LINE_BYTES_MAX: usize = 8 << 20;

/// One line, ready to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Vec<u8>,
}

/// What is wrong with a line, or with reading it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadLine {
    #[error("{file}, line {number}: {wrong}")]
    Malformed { file: String, number: u64, wrong: String },
    #[error("cannot read {file} after line {number}: {error}")]
    Unreadable { file: String, number: u64, error: std::io::Error },
}

/// Reads records line by line.
pub(crate) struct Lines<R> {
    from: R,
    file: String,
    key_field: Option<String>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// `file` names the source in errors.
    pub(crate) fn new(from: R, file: impl Into<String>, key_field: Option<String>) -> Lines<R> {
        Lines { from, file: file.into(), key_field, number: 0 }
    }

    /// The next record; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Line>, BadLine> {
        loop {
            let mut line = Vec::new();
            let limit = LINE_BYTES_MAX as u64 + 2;
            let read = std::io::Read::take(&mut self.from, limit).read_until(b'\n', &mut line);
            let (file, number) = (self.file.clone(), self.number);
            if read.map_err(|error| BadLine::Unreadable { file, number, error })? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if line.last() == Some(&b'\n') {
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
            }
            if line.len() > LINE_BYTES_MAX {
                return Err(
                    self.malformed(format!("longer than {LINE_BYTES_MAX} bytes; is it text with line ends?"))
                );
            }
            if self.number == 1 && line.starts_with(&[0x1f, 0x8b]) {
                return Err(
                    self.malformed("this is gzip; unpack it first: gunzip -c FILE | poruka produce TOPIC -")
                );
            }
            if !line.is_empty() {
                return self.record(line).map(Some);
            }
        }
    }

    fn record(&self, value: Vec<u8>) -> Result<Line, BadLine> {
        let key = match &self.key_field {
            None => None,
            Some(field) => Some(key_of(&value, field).map_err(|wrong| self.malformed(wrong))?),
        };
        Ok(Line { number: self.number, key, value })
    }

    fn malformed(&self, wrong: impl Into<String>) -> BadLine {
        BadLine::Malformed { file: self.file.clone(), number: self.number, wrong: wrong.into() }
    }
}

fn key_of(line: &[u8], field: &str) -> Result<Vec<u8>, String> {
    use serde_json::Value;
    let value: Value = serde_json::from_slice(line)
        .map_err(|error| format!("expected a JSON object with the field {field:?}: {error}"))?;
    let Value::Object(object) = value else {
        return Err(format!("expected a JSON object with the field {field:?}, found another JSON value"));
    };
    match object.get(field) {
        Some(Value::String(text)) => Ok(text.clone().into_bytes()),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string().into_bytes()),
        Some(_) => Err(format!("expected a string, number or boolean in the field {field:?}")),
        None => Err(format!("expected the field {field:?}; found {}", known_fields(&object))),
    }
}

fn known_fields(object: &serde_json::Map<String, serde_json::Value>) -> String {
    const SHOWN_MAX: usize = 10;
    let names: Vec<String> = object.keys().take(SHOWN_MAX).map(|name| format!("{name:?}")).collect();
    if names.is_empty() { "no fields".to_string() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8], key_field: Option<&str>) -> Result<Vec<Line>, String> {
        let mut lines = Lines::new(text, "in.jsonl", key_field.map(str::to_string));
        let mut found = Vec::new();
        while let Some(line) = lines.next().map_err(|bad| bad.to_string())? {
            found.push(line);
        }
        Ok(found)
    }

    #[test]
    fn a_line_is_a_value_byte_for_byte_without_its_end() {
        let found = all(b"one\r\n\n tw\xff o \nlast", None).unwrap();
        let values: Vec<(u64, &[u8])> =
            found.iter().map(|line| (line.number, line.value.as_slice())).collect();
        assert_eq!(values, [(1, &b"one"[..]), (3, b" tw\xff o "), (4, b"last")]);
    }

    #[test]
    fn the_key_is_the_named_field() {
        let found = all("{\"клуч\": \"N1\"}\n{\"клуч\": 17}\n".as_bytes(), Some("клуч")).unwrap();
        let keys: Vec<&[u8]> = found.iter().filter_map(|line| line.key.as_deref()).collect();
        assert_eq!(keys, [&b"N1"[..], b"17"]);
    }

    #[test]
    fn a_bad_line_is_named_with_what_was_expected() {
        let said = all(b"{\"a\":1}\n{\"a\":\n", Some("a")).unwrap_err();
        assert!(said.starts_with("in.jsonl, line 2: expected a JSON object with the field \"a\""), "{said}");
        let said = all(b"{\"b\":1}\n", Some("a")).unwrap_err();
        assert_eq!(said, "in.jsonl, line 1: expected the field \"a\"; found \"b\"");
        let said = all(b"[1]\n", Some("a")).unwrap_err();
        assert!(said.contains("found another JSON value"), "{said}");
        let said = all(b"{\"a\":null}\n", Some("a")).unwrap_err();
        assert!(said.contains("expected a string, number or boolean"), "{said}");
    }

    #[test]
    fn a_packed_or_endless_file_is_refused_at_once() {
        assert!(all(&[0x1f, 0x8b, 8, 0], None).unwrap_err().contains("gzip"));
        let said = all(&vec![b'x'; LINE_BYTES_MAX + 10], None).unwrap_err();
        assert!(said.contains("longer than"), "{said}");
    }
}

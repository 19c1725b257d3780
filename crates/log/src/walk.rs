//! Walks over the batches of a segment's file, with few and bounded reads.
//!
//! Assumes nothing about the bytes: a header that makes no sense, or (when asked to check) a wrong checksum, ends the
//! walk at a named position. Whether that is damage or a torn tail is for the caller to know.

use std::io;

use poruka_env::DiskFile;

use crate::batch::{HEADER_BYTES, Head};

/// Bytes read at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// Where a walk is.
#[derive(Debug)]
pub(crate) enum Step {
    /// A batch at that position.
    Batch { at: u64, head: Head },
    /// The region is over, exactly at a batch boundary.
    End,
    /// No batch is at that position, but the region goes on.
    Bad { at: u64 },
}

/// A walk from one position to another.
pub(crate) struct Walk<'a> {
    window: Window<'a>,
    at: u64,
    until: u64,
    check: bool,
}

impl<'a> Walk<'a> {
    /// `check`: read bodies too and compare checksums.
    pub(crate) fn new(file: &'a dyn DiskFile, from: u64, until: u64, check: bool) -> Self {
        Self { window: Window::new(file, until, CHUNK_BYTES), at: from, until, check }
    }

    /// The next batch.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        if self.at >= self.until {
            return Ok(Step::End);
        }
        let at = self.at;
        let Some(head) = self.window.bytes(at, HEADER_BYTES)?.and_then(Head::read) else {
            return Ok(Step::Bad { at });
        };
        if at + head.size as u64 > self.until {
            return Ok(Step::Bad { at });
        }
        if self.check {
            let whole = self.window.bytes(at, head.size)?.and_then(Head::read_whole);
            if whole != Some(head) {
                return Ok(Step::Bad { at });
            }
        }
        self.at += head.size as u64;
        Ok(Step::Batch { at, head })
    }
}

/// A region of a file, seen through a buffer that follows the place that is looked at.
pub(crate) struct Window<'a> {
    file: &'a dyn DiskFile,
    until: u64,
    /// Bytes read at a time, unless more are asked for.
    chunk_bytes: usize,
    buffer: Vec<u8>,
    buffer_at: u64,
    buffer_len: usize,
}

impl<'a> Window<'a> {
    /// The region ends at `until`.
    pub(crate) fn new(file: &'a dyn DiskFile, until: u64, chunk_bytes: usize) -> Self {
        Self { file, until, chunk_bytes, buffer: Vec::new(), buffer_at: 0, buffer_len: 0 }
    }

    /// `count` bytes at `at`, when the region and the file have them.
    pub(crate) fn bytes(&mut self, at: u64, count: usize) -> io::Result<Option<&[u8]>> {
        if at + count as u64 > self.until {
            return Ok(None);
        }
        let held = at >= self.buffer_at && at + count as u64 <= self.buffer_at + self.buffer_len as u64;
        if !held {
            let wanted = count.max(self.chunk_bytes).min((self.until - at) as usize);
            if self.buffer.len() < wanted {
                self.buffer.resize(wanted, 0);
            }
            let mut len = 0;
            while len < wanted {
                match self.file.read_at(&mut self.buffer[len..wanted], at + len as u64)? {
                    0 => break,
                    read => len += read,
                }
            }
            (self.buffer_at, self.buffer_len) = (at, len);
        }
        let start = (at - self.buffer_at) as usize;
        Ok(self.buffer[..self.buffer_len].get(start..start + count))
    }
}

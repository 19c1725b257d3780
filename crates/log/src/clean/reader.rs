//! Whole batches out of closed segments, one after the other, in bounded memory.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::batch::{HEADER_BYTES, Head};
use crate::partition::PartitionLog;
use crate::segment::SegmentRecord;
use crate::segment_file::SegmentFile;

/// Bytes read at a time, or one batch, if that is larger.
const CHUNK_BYTES: usize = 256 << 10;

/// Why a segment could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    /// It is not there any more: retention dropped it, or its partition is gone.
    #[error("a segment is not there any more")]
    Gone,
    /// It does not hold a whole batch where one must be.
    #[error("{file} is damaged at byte {at}")]
    Damaged { file: PathBuf, at: u64 },
    #[error("read {file}: {error}")]
    Io {
        file: PathBuf,
        #[source]
        error: io::Error,
    },
}

/// See the module.
pub(crate) struct Reader {
    log: Arc<PartitionLog>,
    segments: VecDeque<SegmentRecord>,
    /// The segment that is being read, and its length. One at a time, so that descriptors are bounded.
    file: Option<(Arc<SegmentFile>, u64)>,
    /// Position in the file of the first byte in `held`.
    at: u64,
    held: BytesMut,
    /// Bytes read from files.
    pub(crate) bytes: u64,
}

impl Reader {
    pub(crate) fn new(log: &Arc<PartitionLog>, segments: impl IntoIterator<Item = SegmentRecord>) -> Reader {
        let (log, segments) = (Arc::clone(log), segments.into_iter().collect());
        Reader { log, segments, file: None, at: 0, held: BytesMut::new(), bytes: 0 }
    }

    /// The next batch, whole and with a right checksum.
    pub(crate) fn next(&mut self) -> Result<Option<(Head, Bytes)>, ScanError> {
        loop {
            let Some((file, len)) = self.file.clone() else {
                let Some(next) = self.segments.pop_front() else { return Ok(None) };
                let opened = self.log.open_closed(&next);
                let file = opened.map_err(|error| ScanError::Io { file: self.log.topic().into(), error })?;
                self.file = Some((file.ok_or(ScanError::Gone)?, u64::from(next.len)));
                self.at = 0;
                continue;
            };
            if self.at == len {
                self.file = None;
                continue;
            }
            let (path, at) = (|| file.path().to_owned(), self.at);
            self.fill(&file, len, HEADER_BYTES)?;
            let head = Head::read(&self.held).ok_or_else(|| ScanError::Damaged { file: path(), at })?;
            self.fill(&file, len, head.size)?;
            if Head::read_whole(&self.held) != Some(head) {
                return Err(ScanError::Damaged { file: path(), at });
            }
            self.at += head.size as u64;
            return Ok(Some((head, self.held.split_to(head.size).freeze())));
        }
    }

    /// Makes `held` at least `count` bytes long.
    fn fill(&mut self, file: &SegmentFile, len: u64, count: usize) -> Result<(), ScanError> {
        if self.held.len() >= count {
            return Ok(());
        }
        let from = self.at + self.held.len() as u64;
        let left = usize::try_from(len - from).unwrap_or(usize::MAX);
        if left < count - self.held.len() {
            return Err(ScanError::Damaged { file: file.path().to_owned(), at: self.at });
        }
        let more = (count - self.held.len()).max(CHUNK_BYTES).min(left);
        let start = self.held.len();
        self.held.resize(start + more, 0);
        self.bytes += more as u64;
        match file.file().read_exact_at(&mut self.held[start..], from) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(ScanError::Damaged { file: file.path().to_owned(), at: from })
            }
            Err(error) => Err(ScanError::Io { file: file.path().to_owned(), error }),
        }
    }
}

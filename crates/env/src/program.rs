//! What is known of a program of ours that another one starts: where it listens, and what it said.
//!
//! The contract: one line on standard output when it serves, with [`READY_MARK`] and its address in it; everything else
//! goes to standard error, which its starter keeps in a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// What stands before the address in the line that says that a program is ready.
pub const READY_MARK: &str = "ready on ";
/// Bytes of a program's log that are told when it does not start.
const LOG_TAIL_BYTES_MAX: u64 = 2_000;

/// The address in the line of a program that is ready. `None`: it said something else.
pub fn ready_address(line: &str) -> Option<&str> {
    line.split_once(READY_MARK)?.1.split_whitespace().next()
}

/// The end of what a program said into `log`, or in brackets why that is not known.
pub fn log_tail(log: &Path) -> String {
    let read = || {
        let mut file = File::open(log)?;
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(end.saturating_sub(LOG_TAIL_BYTES_MAX)))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    match read() {
        Ok(text) if text.is_empty() => "(nothing)".to_owned(),
        Ok(text) => text,
        Err(error) => format!("({error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_word_behind_the_mark() {
        let line = "poruka: ready on 127.0.0.1:9092 (data /tmp/a b, durability synced)\n";
        assert_eq!(ready_address(line), Some("127.0.0.1:9092"));
        assert_eq!(ready_address("floor: ready on 127.0.0.1:1\n"), Some("127.0.0.1:1"));
        assert_eq!(ready_address("error: the port is in use\n"), None);
        assert_eq!(ready_address(""), None);
    }
}

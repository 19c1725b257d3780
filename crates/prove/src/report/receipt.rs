//! Writes report.json and report.html, each complete or not at all.
//!
//! The receipt's hash is the SHA-256 of the same JSON text with the hash left empty: whoever wants to check it puts
//! `""` there and hashes again.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::sha256::sha256_hex;
use super::{Report, html};

/// Where the report is.
#[derive(Clone, Debug)]
pub struct Written {
    /// report.json.
    pub json: PathBuf,
    /// report.html.
    pub html: PathBuf,
    /// The receipt's hash.
    pub hash: String,
}

#[derive(Serialize)]
struct Hashed<'a> {
    receipt_sha256: &'a str,
    #[serde(flatten)]
    report: &'a Report,
}

/// The JSON text and its hash.
pub(crate) fn json(report: &Report) -> io::Result<(String, String)> {
    let text = |receipt_sha256: &str| {
        serde_json::to_string_pretty(&Hashed { receipt_sha256, report }).map_err(io::Error::other)
    };
    let hash = sha256_hex(text("")?.as_bytes());
    Ok((text(&hash)?, hash))
}

/// Writes both files into `folder`, which is made when it is not there.
///
/// # Errors
/// What the system says.
pub fn write(report: &Report, folder: &Path) -> io::Result<Written> {
    let (json, hash) = json(report)?;
    std::fs::create_dir_all(folder)?;
    let written = Written { json: folder.join("report.json"), html: folder.join("report.html"), hash };
    replace(&written.json, json.as_bytes())?;
    replace(&written.html, html::render(report, &written.hash).as_bytes())?;
    Ok(written)
}

/// Under another name first: nobody reads half a report.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    std::fs::write(&unfinished, bytes)?;
    std::fs::rename(&unfinished, path)
}

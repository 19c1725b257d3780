//! What a command prints on standard output: a table for people, or JSON for programs.

use std::io::{self, Write};

use crate::exit::Exit;
use crate::problem::{Problem, Result};

/// The form of what a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// Tables and sentences.
    Text,
    /// One JSON document, or one a line where records or rows stream.
    Json,
}

/// Prints one line. A reader that went away (`poruka ... | head`) is no error; the caller is told to stop.
pub(crate) fn line(text: &str) -> Result<Reader> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(Reader::Listens),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Left),
        Err(error) => Err(Problem::new(Exit::Machine, "cannot write to standard output").because(&error)),
    }
}

/// Whether anybody still reads what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Listens,
    Left,
}

/// Prints JSON, or the text if that form was asked for.
pub(crate) fn either(form: Form, json: &serde_json::Value, text: impl FnOnce() -> String) -> Result<()> {
    match form {
        Form::Json => line(&json.to_string()),
        Form::Text => line(text().trim_end()),
    }
    .map(drop)
}

/// Columns as wide as their widest cell, two spaces apart.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .chain(head.get(column).map(|h| h.chars().count()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut text = line(head.to_vec());
    for row in rows {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_line_up_in_any_script() {
        let rows = vec![vec!["поруке".to_string(), "3".to_string()], vec!["a".to_string(), "12".to_string()]];
        let wanted = "topic   partitions\nпоруке  3\na       12\n";
        assert_eq!(super::table(&["topic", "partitions"], &rows), wanted);
    }
}

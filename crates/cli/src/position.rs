//! A place in a topic as people write it: `beginning`, `end`, an offset, or a moment.

use std::fmt;
use std::str::FromStr;

/// Where to read from, or where to set a group to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    Beginning,
    End,
    Offset(i64),
    /// The first record at or after this many milliseconds since 1970.
    Time(i64),
}

/// What `--help` says of a position.
pub(crate) const POSITION_HELP: &str = "beginning, end, an offset such as 42, or @MILLISECONDS since 1970";

impl FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Position, String> {
        let number = |digits: &str| digits.parse::<i64>().ok().filter(|number| *number >= 0);
        let position = match text {
            "beginning" | "earliest" | "start" => Some(Position::Beginning),
            "end" | "latest" => Some(Position::End),
            _ => match text.strip_prefix('@') {
                Some(moment) => number(moment).map(Position::Time),
                None => number(text).map(Position::Offset),
            },
        };
        position.ok_or_else(|| format!("expected {POSITION_HELP}"))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Beginning => f.write_str("beginning"),
            Position::End => f.write_str("end"),
            Position::Offset(offset) => write!(f, "{offset}"),
            Position::Time(ms) => write!(f, "@{ms}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_is_read_as_it_is_written() {
        for position in
            [Position::Beginning, Position::End, Position::Offset(42), Position::Time(1_700_000_000_000)]
        {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for wrong in ["-1", "", "@", "@-5", "middle", "9223372036854775808"] {
            assert!(wrong.parse::<Position>().is_err(), "{wrong}");
        }
    }
}

//! Topic ids and their kin, in the 22-character form that Kafka's tools print.

use std::{fmt, str::FromStr};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Characters of a printed id: 128 bits, six to a character.
const TEXT_CHARS: usize = 22;

/// Sixteen bytes of id. The zero id means "none". Printed as unpadded base64url, as Kafka prints it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// The id that means "none".
    pub const ZERO: Self = Self([0; 16]);

    /// Whether this is the id that means "none".
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_be_bytes(self.0);
        let mut text = String::with_capacity(TEXT_CHARS);
        for index in 0..TEXT_CHARS {
            // 21 characters of six bits, then the last two bits in the high end of a character.
            let six = if index < 21 { bits >> (122 - 6 * index) } else { bits << 4 };
            text.push(char::from(ALPHABET[(six & 0x3f) as usize]));
        }
        f.pad(&text)
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("id is not 22 characters of base64url")]
pub struct ParseUuidError;

impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, ParseUuidError> {
        if text.len() != TEXT_CHARS {
            return Err(ParseUuidError);
        }
        let mut bits = 0u128;
        for (index, byte) in text.bytes().enumerate() {
            let six = ALPHABET.iter().position(|&known| known == byte).ok_or(ParseUuidError)? as u128;
            if index < 21 {
                bits = bits << 6 | six;
            } else if six & 0xf == 0 {
                bits = bits << 2 | six >> 4;
            } else {
                return Err(ParseUuidError);
            }
        }
        Ok(Self(bits.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_prints_as_kafka_prints_it_and_reads_back() {
        let one = Uuid(1u128.to_be_bytes());
        assert_eq!(one.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        for id in [Uuid::ZERO, one, Uuid([0xff; 16]), Uuid(*b"sixteen bytes ok")] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn text_that_is_no_id_is_refused() {
        for text in ["", "AAAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAB", "!AAAAAAAAAAAAAAAAAAAAA", "ж"]
        {
            assert_eq!(text.parse::<Uuid>(), Err(ParseUuidError), "{text}");
        }
    }
}

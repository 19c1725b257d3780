//! The changes that an attacker or a bug makes to bytes.

use super::Choices;

/// Numbers that lengths, counts, sizes and versions are replaced by, as four bytes.
const NUMBERS: [[u8; 4]; 8] = [
    [0xff, 0xff, 0xff, 0xff],
    [0x7f, 0xff, 0xff, 0xff],
    [0x80, 0, 0, 0],
    [0, 0, 0xff, 0xff],
    [0, 1, 0, 0],
    [0xff, 0xff, 0xff, 0x0f],
    [0x80, 0x80, 0x80, 0x80],
    [0, 0, 0, 0],
];

/// Makes one change to `bytes`; `other` is where foreign parts come from.
pub fn mutate(choices: &mut Choices<'_>, bytes: &mut Vec<u8>, other: &[u8]) {
    if bytes.is_empty() {
        bytes.push(choices.byte());
        return;
    }
    let at = choices.below(bytes.len());
    match choices.below(11) {
        0 => bytes[at] ^= 1 << choices.below(8),
        1 => bytes[at] = choices.byte(),
        2 => bytes.truncate(at),
        3 | 4 => {
            let number = choices.one_of(&NUMBERS);
            let end = bytes.len().min(at + 1 + choices.below(4));
            bytes[at..end].copy_from_slice(&number[..end - at]);
        }
        5 => bytes[at] = bytes[at].wrapping_add(1),
        6 => bytes[at] = bytes[at].wrapping_sub(1),
        7 => bytes.insert(at, choices.byte()),
        8 => {
            bytes.remove(at);
        }
        // A part once more: a repeated element, tag or nesting.
        9 => {
            let part = bytes[at..bytes.len().min(at + 1 + choices.below(16))].to_vec();
            bytes.splice(at..at, part);
        }
        // The rest of something else.
        _ => {
            let from = choices.below(other.len().max(1)).min(other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
    }
}

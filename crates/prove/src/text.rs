//! Numbers and text for people: counts, times and shares in a few characters.

/// A count in at most five characters: exact below 10,000, then three digits and a unit.
pub(crate) fn short_count(count: u64) -> String {
    match count {
        0..10_000 => count.to_string(),
        10_000..100_000 => format!("{}.{}k", count / 1000, count / 100 % 10),
        100_000..1_000_000 => format!("{}k", count / 1000),
        _ => format!("{}.{}M", count / 1_000_000, count / 100_000 % 10),
    }
}

/// A count with its thousands apart.
pub(crate) fn long_count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A time in microseconds with two or three digits and a unit.
pub(crate) fn time_us(us: u64) -> String {
    match us {
        0 => "0".to_owned(),
        1..1_000 => format!("{us} µs"),
        1_000..10_000 => format!("{}.{} ms", us / 1000, us / 100 % 10),
        10_000..1_000_000 => format!("{} ms", us / 1000),
        _ => format!("{}.{} s", us / 1_000_000, us / 100_000 % 10),
    }
}

/// Text of a record, safe for a terminal and for a page: control characters and those that turn the direction of
/// writing become a mark.
pub(crate) fn plain(text: &str) -> String {
    let hides = |char: char| {
        char.is_control()
            || matches!(char, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|char| if hides(char) { '\u{fffd}' } else { char }).collect()
}

/// "once" or "7 times".
pub(crate) fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        _ => format!("{} times", long_count(count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_short_and_true() {
        assert_eq!(
            [0, 9_999, 40_123, 336_776, 3_367_760].map(short_count),
            ["0", "9999", "40.1k", "336k", "3.3M"]
        );
        assert_eq!([7, 1_000, 1_234_567].map(long_count), ["7", "1,000", "1,234,567"]);
        assert_eq!(plain("a\u{1b}[31m\u{202e}č"), "a\u{fffd}[31m\u{fffd}č");
        assert_eq!([7, 1_250, 45_678, 3_250_000].map(time_us), ["7 µs", "1.2 ms", "45 ms", "3.2 s"]);
    }
}

//! Topic names: what Apache Kafka accepts, so that every client and tool agrees with us about a name.

/// The longest topic name, as in Kafka: it leaves room for "-partition" within a file name of 255 bytes.
pub(crate) const TOPIC_NAME_BYTES_MAX: usize = 249;

/// The topics that Kafka keeps its own state in. They do not exist here and nobody may create them.
const INTERNAL: [&str; 4] =
    ["__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"];

/// Why a string is no topic name. Reads after "topic name is invalid: ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadTopicName {
    #[error("the empty string is not allowed")]
    Empty,
    #[error("'{0}' is not allowed")]
    Dots(String),
    #[error("the length of '{0}' is longer than the max allowed length {TOPIC_NAME_BYTES_MAX}")]
    TooLong(String),
    #[error("'{0}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")]
    Characters(String),
}

/// Checks a name's form. That it is free is the catalog's question.
pub(crate) fn check(name: &str) -> Result<(), BadTopicName> {
    if name.is_empty() {
        return Err(BadTopicName::Empty);
    }
    if name == "." || name == ".." {
        return Err(BadTopicName::Dots(name.to_owned()));
    }
    if name.len() > TOPIC_NAME_BYTES_MAX {
        return Err(BadTopicName::TooLong(name.chars().take(TOPIC_NAME_BYTES_MAX + 1).collect()));
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        return Err(BadTopicName::Characters(name.to_owned()));
    }
    Ok(())
}

/// The broker's own state logs have names that start with this.
const STATE_PREFIX: &str = "__poruka_";

/// True for the names of Kafka's own state topics and of our state logs.
pub(crate) fn is_internal(name: &str) -> bool {
    INTERNAL.contains(&name) || is_state_log(name)
}

/// True for the names of our state logs.
pub(crate) fn is_state_log(name: &str) -> bool {
    name.starts_with(STATE_PREFIX)
}

/// True when two names differ only in '.' and '_'. Kafka refuses such pairs because its metric names cannot tell
/// them apart; tools rely on the refusal, so we refuse too.
pub(crate) fn collide(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().map(folded).eq(other.bytes().map(folded))
}

fn folded(byte: u8) -> u8 {
    if byte == b'.' { b'_' } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_kafka_accepts_are_accepted() {
        for name in ["a", "orders.v1", "A_b-9", &"x".repeat(TOPIC_NAME_BYTES_MAX)] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_that_kafka_refuses_are_refused() {
        for name in ["", ".", "..", "a b", "ä", "a/b", "a\0", &"x".repeat(TOPIC_NAME_BYTES_MAX + 1)] {
            assert!(check(name).is_err(), "{name}");
        }
    }

    #[test]
    fn names_that_differ_in_dots_and_underscores_collide() {
        assert!(collide("a.b", "a_b"));
        assert!(!collide("a.b", "a-b"));
        assert!(!collide("a.b", "a_bc"));
    }
}

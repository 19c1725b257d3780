//! The topics that a consumer's protocol metadata names: version 0 of `ConsumerProtocolSubscription`, which every later
//! version starts with. Metadata comes from clients, so every length is checked; what cannot be read is `None`.

/// Topic names of a subscription.
pub(super) fn topics(metadata: &[u8]) -> Option<Vec<&str>> {
    let (version, rest) = metadata.split_first_chunk::<2>()?;
    if i16::from_be_bytes(*version) < 0 {
        return None;
    }
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    let count = usize::try_from(i32::from_be_bytes(*count)).ok()?;
    if count > rest.len() / 2 {
        return None;
    }
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        let (len, after) = rest.split_first_chunk::<2>()?;
        let len = usize::try_from(i16::from_be_bytes(*len)).ok()?;
        let (name, after) = after.split_at_checked(len)?;
        topics.push(std::str::from_utf8(name).ok()?);
        rest = after;
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_from_any_version_of_a_subscription() {
        let metadata = [0, 3, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c', 9, 9, 9];
        assert_eq!(topics(&metadata), Some(vec!["a", "bc"]));
    }

    #[test]
    fn metadata_that_is_no_subscription_is_told_apart_from_one_without_topics() {
        assert_eq!(topics(&[0, 0, 0, 0, 0, 0]), Some(vec![]));
        for bad in [
            &[][..],
            &[0, 0, 0x7f, 0xff, 0xff, 0xff],
            &[0, 0, 0, 0, 0, 1, 0, 9, b'a'],
            &[0xff, 0xff, 0, 0, 0, 0],
        ] {
            assert_eq!(topics(bad), None);
        }
    }
}

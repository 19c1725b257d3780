//! What compaction may leave of a log of keys and values, whatever happened to it.
//!
//! 1. What is there was appended, at that offset, and the order is the order of offsets.
//! 2. The last value of every key is there.
//! 3. A deletion that is gone was old enough, and no older value of its key is there any more.

use std::collections::HashMap;

/// A record, appended or found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keyed {
    pub(crate) offset: i64,
    pub(crate) key: u8,
    /// None deletes the key.
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) timestamp: i64,
}

/// Checks what was found against all that was appended (and is not lost otherwise). Deletions from before `deletable_ms` may
/// be gone.
pub(crate) fn check(appended: &[Keyed], found: &[Keyed], deletable_ms: i64) -> Result<(), String> {
    if let Some(pair) = found.windows(2).find(|pair| pair[0].offset >= pair[1].offset) {
        return Err(format!("offset {} comes after {}", pair[1].offset, pair[0].offset));
    }
    let by_offset: HashMap<i64, &Keyed> = appended.iter().map(|record| (record.offset, record)).collect();
    for record in found {
        if by_offset.get(&record.offset) != Some(&record) {
            return Err(format!("{record:?} was never appended"));
        }
    }
    let last: HashMap<u8, &Keyed> = appended.iter().map(|record| (record.key, record)).collect();
    for (key, last) in last {
        if found.iter().any(|record| record.offset == last.offset) {
            continue;
        }
        if last.value.is_some() {
            return Err(format!("the last value of key {key}, at offset {}, is lost", last.offset));
        }
        if last.timestamp > deletable_ms {
            return Err(format!("the deletion of key {key} at offset {} went too early", last.offset));
        }
        if let Some(back) = found.iter().find(|record| record.key == key) {
            return Err(format!("key {key} was deleted and is back with offset {}", back.offset));
        }
    }
    Ok(())
}

fn record(offset: i64, key: u8, value: Option<&[u8]>) -> Keyed {
    Keyed { offset, key, value: value.map(<[u8]>::to_vec), timestamp: offset }
}

#[test]
fn a_right_compaction_passes() {
    let appended =
        [record(0, 1, Some(b"a")), record(1, 2, Some(b"b")), record(2, 1, Some(b"c")), record(3, 2, None)];
    for left in [&[0, 1, 2, 3][..], &[2, 3], &[1, 2, 3], &[2]] {
        let found: Vec<_> = left.iter().map(|at| appended[*at].clone()).collect();
        assert_eq!(check(&appended, &found, 3), Ok(()));
    }
}

#[test]
fn a_compactor_that_drops_the_last_value_or_brings_something_back_is_caught() {
    let appended =
        [record(0, 1, Some(b"a")), record(1, 2, Some(b"b")), record(2, 1, Some(b"c")), record(3, 2, None)];
    let pick = |left: &[usize]| left.iter().map(|at| appended[*at].clone()).collect::<Vec<_>>();
    assert!(check(&appended, &pick(&[0, 3]), 3).is_err_and(|why| why.contains("last value of key 1")));
    assert!(check(&appended, &pick(&[2]), 2).is_err_and(|why| why.contains("too early")));
    assert!(check(&appended, &pick(&[1, 2]), 3).is_err_and(|why| why.contains("is back")));
    assert!(check(&appended, &pick(&[3, 2]), 3).is_err_and(|why| why.contains("comes after")));
    let mut moved = pick(&[2, 3]);
    moved[0].offset = 1;
    assert!(check(&appended, &moved, 3).is_err_and(|why| why.contains("never appended")));
}

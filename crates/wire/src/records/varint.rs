//! Variable-length integers of records: zig-zag, seven bits to a byte, lowest first.

use bytes::{BufMut, BytesMut};

/// Writes up to ten bytes; values of 32 bits take at most five.
pub(crate) fn put(buffer: &mut BytesMut, value: i64) {
    let mut rest = zigzag(value);
    while rest >= 0x80 {
        buffer.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    buffer.put_u8(rest as u8);
}

/// Bytes that [`put`] writes.
pub(crate) fn size(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_what_is_written() {
        for shift in 0..64 {
            for value in [1i64 << shift, -1i64 << shift, (1i64 << shift).wrapping_sub(1)] {
                let mut buffer = BytesMut::new();
                put(&mut buffer, value);
                assert_eq!(buffer.len(), size(value), "{value}");
                assert_eq!(unzigzag(zigzag(value)), value);
            }
        }
    }
}

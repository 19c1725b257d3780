//! What members of a classic consumer group tell each other through the broker: subscriptions and assignments. To the
//! broker they are bytes, except where it must know which topics a group reads (OffsetDelete, descriptions).
//!
//! Each is a 16-bit version and a body (KIP-54; v1: owned partitions, KIP-429; v2: generation, KIP-792; v3: rack,
//! KIP-881). A version above the newest known is read as the newest known, and bytes after it are left alone: that is
//! how the protocol grows.

use bytes::Bytes;

use crate::{DecodeError, EncodeError, Message, Reader, Str, Writer};

/// Newest version of subscription and assignment.
pub const VERSION_MAX: i16 = 3;

api!(@message ConsumerSubscription, 0..=VERSION_MAX, none);
api!(@message ConsumerAssignment, 0..=VERSION_MAX, none);

message! {
    /// What a member reads, and what it owns.
    struct ConsumerSubscription {
        topics: Vec<Str> [0..],
        user_data: Option<Bytes> [0..] = None,
        owned_partitions: Vec<ConsumerTopicPartitions> [1..; ignorable],
        generation_id: i32 [2..; ignorable] = -1,
        rack_id: Option<Str> [3..; ignorable] = None,
    }

    /// Partitions of one topic.
    struct ConsumerTopicPartitions {
        topic: Str [0..],
        partitions: Vec<i32> [0..],
    }

    /// What a member is to read.
    struct ConsumerAssignment {
        assigned_partitions: Vec<ConsumerTopicPartitions> [0..],
        user_data: Option<Bytes> [0..] = None,
    }
}

/// Reads a version and a body.
pub fn decode<M: Message>(bytes: Bytes) -> Result<(i16, M), DecodeError> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?;
    let known = if version < 0 { version } else { version.min(VERSION_MAX) };
    Ok((version, M::decode(&mut reader, known)?))
}

/// Writes a version and a body.
pub fn encode<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new();
    writer.i16(version);
    message.encode(&mut writer, version)?;
    Ok(writer.into_bytes())
}

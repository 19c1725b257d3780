//! Record kind 3: one member of a classic group, with the assignment of the group's generation (key: group, member).

use bytes::Bytes;
use poruka_wire::Str;

use super::RecordError;
use super::bytes::{Reader, Writer};

const VERSION: u8 = 0;

/// A member of a classic group as it stood in the last generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClassicMemberRecord {
    pub(crate) instance_id: Option<Str>,
    pub(crate) client_id: Str,
    pub(crate) client_host: Str,
    pub(crate) rebalance_timeout_ms: u64,
    pub(crate) session_timeout_ms: u64,
    /// Protocol names and metadata in the member's order of preference.
    pub(crate) protocols: Vec<(Str, Bytes)>,
    pub(crate) assignment: Bytes,
}

impl ClassicMemberRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.u8(VERSION);
        out.opt_str(self.instance_id.as_ref());
        out.str(&self.client_id);
        out.str(&self.client_host);
        out.u64(self.rebalance_timeout_ms);
        out.u64(self.session_timeout_ms);
        out.count(self.protocols.len());
        for (name, metadata) in &self.protocols {
            out.str(name);
            out.bytes(metadata);
        }
        out.bytes(&self.assignment);
        out.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut input = Reader::new(bytes);
        input.version("classic member version", VERSION)?;
        let record = Self {
            instance_id: input.opt_string()?,
            client_id: input.string()?,
            client_host: input.string()?,
            rebalance_timeout_ms: input.u64()?,
            session_timeout_ms: input.u64()?,
            protocols: {
                let count = input.count(8)?;
                (0..count)
                    .map(|_| Ok((input.string()?, input.bytes()?)))
                    .collect::<Result<_, RecordError>>()?
            },
            assignment: input.bytes()?,
        };
        input.end()?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::group::record::any_str;

    fn any_bytes() -> impl Strategy<Value = Bytes> {
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from)
    }

    proptest! {
        #[test]
        fn members_come_back_as_they_were_written(
            instance_id in proptest::option::of(any_str()),
            client_id in any_str(),
            client_host in any_str(),
            rebalance_timeout_ms: u64,
            session_timeout_ms: u64,
            protocols in proptest::collection::vec((any_str(), any_bytes()), 0..4),
            assignment in any_bytes(),
        ) {
            let record = ClassicMemberRecord {
                instance_id, client_id, client_host, rebalance_timeout_ms, session_timeout_ms, protocols, assignment,
            };
            prop_assert_eq!(ClassicMemberRecord::decode(&record.encode()), Ok(record));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = ClassicMemberRecord::decode(&bytes);
        }
    }
}

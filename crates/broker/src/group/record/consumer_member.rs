//! Record kind 5: what one consumer-protocol member said of itself (key: group, member).

use std::collections::BTreeSet;

use poruka_wire::Str;

use super::RecordError;
use super::bytes::{Reader, Writer};

const VERSION: u8 = 0;

/// Identity and subscription of a consumer-protocol member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ConsumerMemberRecord {
    pub(crate) instance_id: Option<Str>,
    pub(crate) rack_id: Option<Str>,
    pub(crate) client_id: Str,
    pub(crate) client_host: Str,
    pub(crate) rebalance_timeout_ms: u64,
    /// The assignor that the member asks for.
    pub(crate) assignor: Option<Str>,
    pub(crate) topic_names: BTreeSet<Str>,
    pub(crate) topic_regex: Option<Str>,
}

impl ConsumerMemberRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.u8(VERSION);
        out.opt_str(self.instance_id.as_ref());
        out.opt_str(self.rack_id.as_ref());
        out.str(&self.client_id);
        out.str(&self.client_host);
        out.u64(self.rebalance_timeout_ms);
        out.opt_str(self.assignor.as_ref());
        out.count(self.topic_names.len());
        for name in &self.topic_names {
            out.str(name);
        }
        out.opt_str(self.topic_regex.as_ref());
        out.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut input = Reader::new(bytes);
        input.version("consumer member version", VERSION)?;
        let record = Self {
            instance_id: input.opt_string()?,
            rack_id: input.opt_string()?,
            client_id: input.string()?,
            client_host: input.string()?,
            rebalance_timeout_ms: input.u64()?,
            assignor: input.opt_string()?,
            topic_names: {
                let count = input.count(4)?;
                (0..count).map(|_| input.string()).collect::<Result<_, RecordError>>()?
            },
            topic_regex: input.opt_string()?,
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

    proptest! {
        #[test]
        fn members_come_back_as_they_were_written(
            options in proptest::array::uniform4(proptest::option::of(any_str())),
            client_id in any_str(),
            client_host in any_str(),
            rebalance_timeout_ms: u64,
            topic_names in proptest::collection::btree_set(any_str(), 0..5),
        ) {
            let [instance_id, rack_id, assignor, topic_regex] = options;
            let record = ConsumerMemberRecord {
                instance_id, rack_id, client_id, client_host, rebalance_timeout_ms, assignor, topic_names, topic_regex,
            };
            prop_assert_eq!(ConsumerMemberRecord::decode(&record.encode()), Ok(record));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = ConsumerMemberRecord::decode(&bytes);
        }
    }
}

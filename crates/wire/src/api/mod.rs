//! The requests that can be spoken, one file each, and the table of them.
//!
//! A file declares a request and its response; `apis!` below gives it its key. The structs keep the protocol's own names
//! (a prefix where two messages use one name), and fields are the protocol's in snake case.

use std::{fmt, ops::RangeInclusive};

use crate::{Message, Request};

macro_rules! apis {
    ($($code:literal, $module:ident, $name:ident, $request:ident;)*) => {
        $(mod $module;)*
        $(pub use $module::*;)*

        /// The kind of a request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i16)]
        pub enum ApiKey {
            $(
                #[doc = concat!("[`", stringify!($request), "`].")]
                $name = $code,
            )*
        }

        impl ApiKey {
            /// Every request that can be spoken, by number.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The request with this number, if it can be spoken.
            pub const fn from_code(code: i16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Its name in the protocol.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// The versions that can be spoken.
            pub fn versions(self) -> RangeInclusive<i16> {
                match self {
                    $(Self::$name => $request::VERSIONS,)*
                }
            }

            /// The first version with compact lengths and tagged fields; `i16::MAX` if there is none.
            pub const fn flexible_from(self) -> i16 {
                match self {
                    $(Self::$name => $request::FLEXIBLE_FROM,)*
                }
            }
        }

        const TABLE: &[ApiInfo] = &[$(ApiInfo {
            key: ApiKey::$name,
            name: stringify!($name),
            min: *$request::VERSIONS.start(),
            max: *$request::VERSIONS.end(),
        }),*];

        const _: () = {
            $(assert!($request::KEY as i16 == $code, "a request is listed under another's number");)*
        };

        /// Calls a visitor with every request.
        #[cfg(any(test, feature = "sample"))]
        pub fn visit_all(visitor: &mut impl crate::sample::Visitor) {
            $(visitor.visit::<$request>();)*
        }
    };
}

apis! {
    0, p00_produce, Produce, ProduceRequest;
    1, p01_fetch, Fetch, FetchRequest;
    2, p02_list_offsets, ListOffsets, ListOffsetsRequest;
    3, p03_metadata, Metadata, MetadataRequest;
    8, p08_offset_commit, OffsetCommit, OffsetCommitRequest;
    9, p09_offset_fetch, OffsetFetch, OffsetFetchRequest;
    10, p10_find_coordinator, FindCoordinator, FindCoordinatorRequest;
    11, p11_join_group, JoinGroup, JoinGroupRequest;
    12, p12_heartbeat, Heartbeat, HeartbeatRequest;
    13, p13_leave_group, LeaveGroup, LeaveGroupRequest;
    14, p14_sync_group, SyncGroup, SyncGroupRequest;
    15, p15_describe_groups, DescribeGroups, DescribeGroupsRequest;
    16, p16_list_groups, ListGroups, ListGroupsRequest;
    18, p18_api_versions, ApiVersions, ApiVersionsRequest;
    19, p19_create_topics, CreateTopics, CreateTopicsRequest;
    20, p20_delete_topics, DeleteTopics, DeleteTopicsRequest;
    21, p21_delete_records, DeleteRecords, DeleteRecordsRequest;
    22, p22_init_producer_id, InitProducerId, InitProducerIdRequest;
    23, p23_offset_for_leader_epoch, OffsetForLeaderEpoch, OffsetForLeaderEpochRequest;
    24, p24_add_partitions_to_txn, AddPartitionsToTxn, AddPartitionsToTxnRequest;
    25, p25_add_offsets_to_txn, AddOffsetsToTxn, AddOffsetsToTxnRequest;
    26, p26_end_txn, EndTxn, EndTxnRequest;
    27, p27_write_txn_markers, WriteTxnMarkers, WriteTxnMarkersRequest;
    28, p28_txn_offset_commit, TxnOffsetCommit, TxnOffsetCommitRequest;
    32, p32_describe_configs, DescribeConfigs, DescribeConfigsRequest;
    33, p33_alter_configs, AlterConfigs, AlterConfigsRequest;
    37, p37_create_partitions, CreatePartitions, CreatePartitionsRequest;
    42, p42_delete_groups, DeleteGroups, DeleteGroupsRequest;
    44, p44_incremental_alter_configs, IncrementalAlterConfigs, IncrementalAlterConfigsRequest;
    47, p47_offset_delete, OffsetDelete, OffsetDeleteRequest;
    60, p60_describe_cluster, DescribeCluster, DescribeClusterRequest;
    61, p61_describe_producers, DescribeProducers, DescribeProducersRequest;
    65, p65_describe_transactions, DescribeTransactions, DescribeTransactionsRequest;
    66, p66_list_transactions, ListTransactions, ListTransactionsRequest;
    68, p68_consumer_group_heartbeat, ConsumerGroupHeartbeat, ConsumerGroupHeartbeatRequest;
    69, p69_consumer_group_describe, ConsumerGroupDescribe, ConsumerGroupDescribeRequest;
    74, p74_list_config_resources, ListConfigResources, ListConfigResourcesRequest;
    75, p75_describe_topic_partitions, DescribeTopicPartitions, DescribeTopicPartitionsRequest;
}

impl ApiKey {
    /// The number on the wire.
    pub const fn code(self) -> i16 {
        self as i16
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One line of the table of what can be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiInfo {
    /// The request.
    pub key: ApiKey,
    /// Its name in the protocol.
    pub name: &'static str,
    /// Lowest version spoken.
    pub min: i16,
    /// Highest version spoken.
    pub max: i16,
}

/// What can be spoken, by number: the stuff that an ApiVersions answer, or a client's choice of versions, is made of.
pub const fn api_table() -> &'static [ApiInfo] {
    TABLE
}

/// The line of the table for one request.
pub fn api_info(key: ApiKey) -> ApiInfo {
    let versions = key.versions();
    ApiInfo { key, name: key.name(), min: *versions.start(), max: *versions.end() }
}

//! The APIs: one numbered file for each, its card at the top, its registration beside its handler.
//!
//! ApiVersions is built from the registrations: what is not registered is not advertised, and a version outside a
//! registration ends the connection, as Apache Kafka does it.
//!
//! A handler gets a decoded request and gives an [`Answer`]. What can be answered at once is; what waits (for a
//! sync, for records, for a group) leaves a future behind whose effect has already been had; what has its effect only
//! while it waits (making a topic) keeps the next request of its connection out until it is done.

mod altering;
mod registry;
mod support;

mod p00_produce;
mod p01_fetch;
mod p02_list_offsets;
mod p03_metadata;
mod p08_offset_commit;
mod p09_offset_fetch;
mod p10_find_coordinator;
mod p11_join_group;
mod p12_heartbeat;
mod p13_leave_group;
mod p14_sync_group;
mod p15_describe_groups;
mod p16_list_groups;
mod p18_api_versions;
mod p19_create_topics;
mod p20_delete_topics;
mod p21_delete_records;
mod p22_init_producer_id;
mod p23_offset_for_leader_epoch;
mod p32_describe_configs;
mod p33_alter_configs;
mod p37_create_partitions;
mod p42_delete_groups;
mod p44_incremental_alter_configs;
mod p47_offset_delete;
mod p60_describe_cluster;
mod p68_consumer_group_heartbeat;
mod p69_consumer_group_describe;
mod p74_list_config_resources;
mod p75_describe_topic_partitions;

pub(crate) use p01_fetch::FETCH_BYTES_MAX;
use registry::{Answer, Api, Context, api};
pub(crate) use registry::{Peer, Session};

/// Every API that is spoken, by key.
const APIS: &[&Api] = &[
    &p00_produce::API,
    &p01_fetch::API,
    &p02_list_offsets::API,
    &p03_metadata::API,
    &p08_offset_commit::API,
    &p09_offset_fetch::API,
    &p10_find_coordinator::API,
    &p11_join_group::API,
    &p12_heartbeat::API,
    &p13_leave_group::API,
    &p14_sync_group::API,
    &p15_describe_groups::API,
    &p16_list_groups::API,
    &p18_api_versions::API,
    &p19_create_topics::API,
    &p20_delete_topics::API,
    &p21_delete_records::API,
    &p22_init_producer_id::API,
    &p23_offset_for_leader_epoch::API,
    &p32_describe_configs::API,
    &p33_alter_configs::API,
    &p37_create_partitions::API,
    &p42_delete_groups::API,
    &p44_incremental_alter_configs::API,
    &p47_offset_delete::API,
    &p60_describe_cluster::API,
    &p68_consumer_group_heartbeat::API,
    &p69_consumer_group_describe::API,
    &p74_list_config_resources::API,
    &p75_describe_topic_partitions::API,
];

/// Whether requests of that kind are answered.
pub(crate) fn is_spoken(key: poruka_wire::ApiKey) -> bool {
    APIS.iter().any(|api| api.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apis_are_registered_once_and_in_order() {
        assert!(APIS.windows(2).all(|pair| pair[0].key.code() < pair[1].key.code()));
    }

    #[test]
    fn the_versions_that_old_librdkafka_insists_on_are_advertised() {
        // librdkafka up to 2.10 switches a feature off when one of these is missing.
        let needed: &[(i16, &[i16])] = &[
            (0, &[0, 2, 3, 7]),
            (1, &[4, 10]),
            (2, &[1]),
            (8, &[2]),
            (9, &[1]),
            (10, &[0]),
            (11, &[0]),
            (12, &[0]),
            (13, &[0]),
            (14, &[0]),
            (18, &[0]),
            (22, &[0]),
            (23, &[2]),
        ];
        for (key, versions) in needed {
            let api = APIS.iter().find(|api| api.key.code() == *key).expect("registered");
            for version in *versions {
                assert!((api.advertised_min..=api.max).contains(version), "{key} v{version}");
            }
        }
    }
}

//! Every error that an answer can carry, as of Apache Kafka 4.3.1: code, name, whether the same request may succeed later
//! without a change, and a line of meaning. A code from a newer broker stays readable as [`ErrorCode::Other`].

use std::fmt;

macro_rules! error_codes {
    ($($code:literal, $name:ident, $text:literal, $retry:ident, $meaning:literal;)*) => {
        /// An error code of the protocol.
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $(
                #[doc = $meaning]
                $name,
            )*
            /// A code that Apache Kafka 4.3.1 does not define.
            Other(i16),
        }

        impl ErrorCode {
            /// Every code that Apache Kafka 4.3.1 defines.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code for this number.
            pub const fn from_code(code: i16) -> Self {
                match code {
                    $($code => Self::$name,)*
                    other => Self::Other(other),
                }
            }

            /// The number on the wire.
            pub const fn code(self) -> i16 {
                match self {
                    $(Self::$name => $code,)*
                    Self::Other(code) => code,
                }
            }

            /// The name in Kafka's documentation and tools.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other(_) => "UNKNOWN_CODE",
                }
            }

            /// One line of meaning.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)*
                    Self::Other(_) => "A code that this version does not know.",
                }
            }

            /// Whether Apache Kafka counts the error as one that may pass when the same request is sent again. It does
            /// not say whether the request took effect.
            pub const fn is_retriable(self) -> bool {
                match self {
                    $(Self::$name => error_codes!(@$retry),)*
                    Self::Other(_) => false,
                }
            }
        }
    };
    (@retry) => { true };
    (@stop) => { false };
}

error_codes! {
    -1, UnknownServerError, "UNKNOWN_SERVER_ERROR", stop, "The broker failed in a way it cannot name; the request may have taken effect.";
    0, None, "NONE", stop, "Success.";
    1, OffsetOutOfRange, "OFFSET_OUT_OF_RANGE", stop, "The offset is outside what the partition holds.";
    2, CorruptMessage, "CORRUPT_MESSAGE", retry, "The records fail their checksum or are malformed.";
    3, UnknownTopicOrPartition, "UNKNOWN_TOPIC_OR_PARTITION", retry, "This broker does not host the topic or partition, or it does not exist.";
    4, InvalidFetchSize, "INVALID_FETCH_SIZE", stop, "The fetch size makes no sense.";
    5, LeaderNotAvailable, "LEADER_NOT_AVAILABLE", retry, "The partition has no leader for now.";
    6, NotLeaderOrFollower, "NOT_LEADER_OR_FOLLOWER", retry, "This broker neither leads nor follows the partition any more.";
    7, RequestTimedOut, "REQUEST_TIMED_OUT", retry, "The request took longer than its timeout; it may have taken effect.";
    8, BrokerNotAvailable, "BROKER_NOT_AVAILABLE", stop, "The broker is not available.";
    9, ReplicaNotAvailable, "REPLICA_NOT_AVAILABLE", retry, "The replica is not available here.";
    10, MessageTooLarge, "MESSAGE_TOO_LARGE", stop, "The batch is larger than the topic allows.";
    11, StaleControllerEpoch, "STALE_CONTROLLER_EPOCH", stop, "The controller speaks for an older epoch.";
    12, OffsetMetadataTooLarge, "OFFSET_METADATA_TOO_LARGE", stop, "The metadata beside the offset is too long.";
    13, NetworkException, "NETWORK_EXCEPTION", retry, "The connection broke before an answer came; the request may have taken effect.";
    14, CoordinatorLoadInProgress, "COORDINATOR_LOAD_IN_PROGRESS", retry, "The coordinator is still reading its state.";
    15, CoordinatorNotAvailable, "COORDINATOR_NOT_AVAILABLE", retry, "There is no coordinator for now.";
    16, NotCoordinator, "NOT_COORDINATOR", retry, "This broker is not the coordinator.";
    17, InvalidTopicException, "INVALID_TOPIC_EXCEPTION", stop, "The topic name is not allowed, or the operation is not allowed on it.";
    18, RecordListTooLarge, "RECORD_LIST_TOO_LARGE", stop, "The records are larger than one segment.";
    19, NotEnoughReplicas, "NOT_ENOUGH_REPLICAS", retry, "Fewer replicas are in sync than the topic demands; nothing was written.";
    20, NotEnoughReplicasAfterAppend, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", retry, "The records were written, and then fewer replicas were in sync than the topic demands.";
    21, InvalidRequiredAcks, "INVALID_REQUIRED_ACKS", stop, "acks is not -1, 0 or 1.";
    22, IllegalGeneration, "ILLEGAL_GENERATION", stop, "The member speaks for another generation of the group.";
    23, InconsistentGroupProtocol, "INCONSISTENT_GROUP_PROTOCOL", stop, "The member shares no protocol type or assignment protocol with the group.";
    24, InvalidGroupId, "INVALID_GROUP_ID", stop, "The group id is empty or not allowed.";
    25, UnknownMemberId, "UNKNOWN_MEMBER_ID", stop, "The group does not know this member.";
    26, InvalidSessionTimeout, "INVALID_SESSION_TIMEOUT", stop, "The session timeout is outside what the broker allows.";
    27, RebalanceInProgress, "REBALANCE_IN_PROGRESS", stop, "The group is rebalancing; the member must join again.";
    28, InvalidCommitOffsetSize, "INVALID_COMMIT_OFFSET_SIZE", stop, "The offset commit is too large to store.";
    29, TopicAuthorizationFailed, "TOPIC_AUTHORIZATION_FAILED", stop, "Not authorized for the topic.";
    30, GroupAuthorizationFailed, "GROUP_AUTHORIZATION_FAILED", stop, "Not authorized for the group.";
    31, ClusterAuthorizationFailed, "CLUSTER_AUTHORIZATION_FAILED", stop, "Not authorized for the cluster.";
    32, InvalidTimestamp, "INVALID_TIMESTAMP", stop, "A record's timestamp is outside what the topic allows.";
    33, UnsupportedSaslMechanism, "UNSUPPORTED_SASL_MECHANISM", stop, "The broker does not know the SASL mechanism.";
    34, IllegalSaslState, "ILLEGAL_SASL_STATE", stop, "The request does not fit the state of the SASL handshake.";
    35, UnsupportedVersion, "UNSUPPORTED_VERSION", stop, "The broker does not speak this version of the request.";
    36, TopicAlreadyExists, "TOPIC_ALREADY_EXISTS", stop, "A topic of that name exists.";
    37, InvalidPartitions, "INVALID_PARTITIONS", stop, "The number of partitions makes no sense.";
    38, InvalidReplicationFactor, "INVALID_REPLICATION_FACTOR", stop, "The replication factor is below 1 or above the number of brokers.";
    39, InvalidReplicaAssignment, "INVALID_REPLICA_ASSIGNMENT", stop, "The replica assignment makes no sense.";
    40, InvalidConfig, "INVALID_CONFIG", stop, "A configuration value is not allowed.";
    41, NotController, "NOT_CONTROLLER", retry, "This broker is not the controller.";
    42, InvalidRequest, "INVALID_REQUEST", stop, "The request contradicts itself or the protocol.";
    43, UnsupportedForMessageFormat, "UNSUPPORTED_FOR_MESSAGE_FORMAT", stop, "The stored message format cannot do this.";
    44, PolicyViolation, "POLICY_VIOLATION", stop, "A policy of the broker refuses the request.";
    45, OutOfOrderSequenceNumber, "OUT_OF_ORDER_SEQUENCE_NUMBER", stop, "A sequence number is missing before this batch.";
    46, DuplicateSequenceNumber, "DUPLICATE_SEQUENCE_NUMBER", stop, "The batch was written before and is too old for its offset to be known.";
    47, InvalidProducerEpoch, "INVALID_PRODUCER_EPOCH", stop, "A newer producer took over this producer id.";
    48, InvalidTxnState, "INVALID_TXN_STATE", stop, "The transaction is not in a state that allows this.";
    49, InvalidProducerIdMapping, "INVALID_PRODUCER_ID_MAPPING", stop, "The producer id does not belong to the transactional id.";
    50, InvalidTransactionTimeout, "INVALID_TRANSACTION_TIMEOUT", stop, "The transaction timeout is longer than the broker allows.";
    51, ConcurrentTransactions, "CONCURRENT_TRANSACTIONS", retry, "The transactional id has an operation under way.";
    52, TransactionCoordinatorFenced, "TRANSACTION_COORDINATOR_FENCED", stop, "The transaction coordinator speaks for an older epoch.";
    53, TransactionalIdAuthorizationFailed, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", stop, "Not authorized for the transactional id.";
    54, SecurityDisabled, "SECURITY_DISABLED", stop, "Security features are off.";
    55, OperationNotAttempted, "OPERATION_NOT_ATTEMPTED", stop, "Not tried, because another part of the request failed.";
    56, KafkaStorageError, "KAFKA_STORAGE_ERROR", retry, "The disk failed; the request may have taken effect.";
    57, LogDirNotFound, "LOG_DIR_NOT_FOUND", stop, "The log directory does not exist.";
    58, SaslAuthenticationFailed, "SASL_AUTHENTICATION_FAILED", stop, "The credentials are wrong.";
    59, UnknownProducerId, "UNKNOWN_PRODUCER_ID", stop, "The producer's state is gone from this partition.";
    60, ReassignmentInProgress, "REASSIGNMENT_IN_PROGRESS", stop, "A reassignment of the partition is under way.";
    61, DelegationTokenAuthDisabled, "DELEGATION_TOKEN_AUTH_DISABLED", stop, "Delegation tokens are off.";
    62, DelegationTokenNotFound, "DELEGATION_TOKEN_NOT_FOUND", stop, "The delegation token does not exist.";
    63, DelegationTokenOwnerMismatch, "DELEGATION_TOKEN_OWNER_MISMATCH", stop, "The delegation token belongs to someone else.";
    64, DelegationTokenRequestNotAllowed, "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", stop, "Delegation tokens cannot be asked for over this connection.";
    65, DelegationTokenAuthorizationFailed, "DELEGATION_TOKEN_AUTHORIZATION_FAILED", stop, "Not authorized for the delegation token.";
    66, DelegationTokenExpired, "DELEGATION_TOKEN_EXPIRED", stop, "The delegation token has expired.";
    67, InvalidPrincipalType, "INVALID_PRINCIPAL_TYPE", stop, "The principal type is not supported.";
    68, NonEmptyGroup, "NON_EMPTY_GROUP", stop, "The group has members.";
    69, GroupIdNotFound, "GROUP_ID_NOT_FOUND", stop, "The group does not exist.";
    70, FetchSessionIdNotFound, "FETCH_SESSION_ID_NOT_FOUND", retry, "The fetch session does not exist.";
    71, InvalidFetchSessionEpoch, "INVALID_FETCH_SESSION_EPOCH", retry, "The fetch session is at another epoch.";
    72, ListenerNotFound, "LISTENER_NOT_FOUND", retry, "The leader has no listener of the name the client used.";
    73, TopicDeletionDisabled, "TOPIC_DELETION_DISABLED", stop, "Topics may not be deleted.";
    74, FencedLeaderEpoch, "FENCED_LEADER_EPOCH", retry, "The client knows an older leader epoch than the broker.";
    75, UnknownLeaderEpoch, "UNKNOWN_LEADER_EPOCH", retry, "The client knows a newer leader epoch than the broker.";
    76, UnsupportedCompressionType, "UNSUPPORTED_COMPRESSION_TYPE", stop, "The codec cannot be used in this version.";
    77, StaleBrokerEpoch, "STALE_BROKER_EPOCH", stop, "The broker epoch is older than the controller's.";
    78, OffsetNotAvailable, "OFFSET_NOT_AVAILABLE", retry, "The leader cannot say yet how far its log is committed.";
    79, MemberIdRequired, "MEMBER_ID_REQUIRED", stop, "The member must join again with the id it was given.";
    80, PreferredLeaderNotAvailable, "PREFERRED_LEADER_NOT_AVAILABLE", retry, "The preferred leader is not available.";
    81, GroupMaxSizeReached, "GROUP_MAX_SIZE_REACHED", stop, "The group is full.";
    82, FencedInstanceId, "FENCED_INSTANCE_ID", stop, "Another member took over this group instance id.";
    83, EligibleLeadersNotAvailable, "ELIGIBLE_LEADERS_NOT_AVAILABLE", retry, "No replica may become leader.";
    84, ElectionNotNeeded, "ELECTION_NOT_NEEDED", retry, "The partition has its preferred leader already.";
    85, NoReassignmentInProgress, "NO_REASSIGNMENT_IN_PROGRESS", stop, "No reassignment is under way.";
    86, GroupSubscribedToTopic, "GROUP_SUBSCRIBED_TO_TOPIC", stop, "The group still reads the topic.";
    87, InvalidRecord, "INVALID_RECORD", stop, "A record breaks a rule of the broker.";
    88, UnstableOffsetCommit, "UNSTABLE_OFFSET_COMMIT", retry, "Offsets of an undecided transaction are pending.";
    89, ThrottlingQuotaExceeded, "THROTTLING_QUOTA_EXCEEDED", retry, "A quota is used up; wait.";
    90, ProducerFenced, "PRODUCER_FENCED", stop, "A newer producer with this transactional id took over.";
    91, ResourceNotFound, "RESOURCE_NOT_FOUND", stop, "The resource does not exist.";
    92, DuplicateResource, "DUPLICATE_RESOURCE", stop, "The resource exists already.";
    93, UnacceptableCredential, "UNACCEPTABLE_CREDENTIAL", stop, "The credential is not acceptable.";
    94, InconsistentVoterSet, "INCONSISTENT_VOTER_SET", stop, "The voter sets differ.";
    95, InvalidUpdateVersion, "INVALID_UPDATE_VERSION", stop, "The version of the update makes no sense.";
    96, FeatureUpdateFailed, "FEATURE_UPDATE_FAILED", stop, "The feature update could not be applied.";
    97, PrincipalDeserializationFailure, "PRINCIPAL_DESERIALIZATION_FAILURE", stop, "The forwarded principal cannot be read.";
    98, SnapshotNotFound, "SNAPSHOT_NOT_FOUND", stop, "The snapshot does not exist.";
    99, PositionOutOfRange, "POSITION_OUT_OF_RANGE", stop, "The position is outside the snapshot.";
    100, UnknownTopicId, "UNKNOWN_TOPIC_ID", retry, "No topic has this id.";
    101, DuplicateBrokerRegistration, "DUPLICATE_BROKER_REGISTRATION", stop, "A broker of this id is registered.";
    102, BrokerIdNotRegistered, "BROKER_ID_NOT_REGISTERED", stop, "No broker of this id is registered.";
    103, InconsistentTopicId, "INCONSISTENT_TOPIC_ID", retry, "The topic id does not belong to the topic's name.";
    104, InconsistentClusterId, "INCONSISTENT_CLUSTER_ID", stop, "The request is meant for another cluster.";
    105, TransactionalIdNotFound, "TRANSACTIONAL_ID_NOT_FOUND", stop, "The transactional id does not exist.";
    106, FetchSessionTopicIdError, "FETCH_SESSION_TOPIC_ID_ERROR", retry, "A topic's id changed within the fetch session.";
    107, IneligibleReplica, "INELIGIBLE_REPLICA", stop, "The replica may not join the in-sync set.";
    108, NewLeaderElected, "NEW_LEADER_ELECTED", stop, "A new leader was elected by this change.";
    109, OffsetMovedToTieredStorage, "OFFSET_MOVED_TO_TIERED_STORAGE", stop, "The offset lives in tiered storage.";
    110, FencedMemberEpoch, "FENCED_MEMBER_EPOCH", stop, "The member's epoch is over; it must join again.";
    111, UnreleasedInstanceId, "UNRELEASED_INSTANCE_ID", stop, "The group instance id is held by a live member.";
    112, UnsupportedAssignor, "UNSUPPORTED_ASSIGNOR", stop, "The broker does not know the assignor.";
    113, StaleMemberEpoch, "STALE_MEMBER_EPOCH", stop, "The member's epoch is behind; it must heartbeat first.";
    114, MismatchedEndpointType, "MISMATCHED_ENDPOINT_TYPE", stop, "The request went to the wrong kind of listener.";
    115, UnsupportedEndpointType, "UNSUPPORTED_ENDPOINT_TYPE", stop, "The broker does not know this kind of endpoint.";
    116, UnknownControllerId, "UNKNOWN_CONTROLLER_ID", stop, "No controller has this id.";
    117, UnknownSubscriptionId, "UNKNOWN_SUBSCRIPTION_ID", stop, "No telemetry subscription has this id.";
    118, TelemetryTooLarge, "TELEMETRY_TOO_LARGE", stop, "The telemetry is larger than the broker accepts.";
    119, InvalidRegistration, "INVALID_REGISTRATION", stop, "The registration makes no sense.";
    120, TransactionAbortable, "TRANSACTION_ABORTABLE", stop, "The transaction must be aborted; the producer can go on.";
    121, InvalidRecordState, "INVALID_RECORD_STATE", stop, "The record is not in a state that allows this acknowledgement.";
    122, ShareSessionNotFound, "SHARE_SESSION_NOT_FOUND", retry, "The share session does not exist.";
    123, InvalidShareSessionEpoch, "INVALID_SHARE_SESSION_EPOCH", retry, "The share session is at another epoch.";
    124, FencedStateEpoch, "FENCED_STATE_EPOCH", stop, "The share coordinator knows a newer state epoch.";
    125, InvalidVoterKey, "INVALID_VOTER_KEY", stop, "The voter key does not match.";
    126, DuplicateVoter, "DUPLICATE_VOTER", stop, "The voter is in the set already.";
    127, VoterNotFound, "VOTER_NOT_FOUND", stop, "The voter is not in the set.";
    128, InvalidRegularExpression, "INVALID_REGULAR_EXPRESSION", stop, "The regular expression cannot be parsed.";
    129, RebootstrapRequired, "REBOOTSTRAP_REQUIRED", stop, "The client must find the cluster again from its bootstrap servers.";
    130, StreamsInvalidTopology, "STREAMS_INVALID_TOPOLOGY", stop, "The streams topology makes no sense.";
    131, StreamsInvalidTopologyEpoch, "STREAMS_INVALID_TOPOLOGY_EPOCH", stop, "The streams topology epoch makes no sense.";
    132, StreamsTopologyFenced, "STREAMS_TOPOLOGY_FENCED", stop, "The streams topology epoch is behind.";
    133, ShareSessionLimitReached, "SHARE_SESSION_LIMIT_REACHED", retry, "The broker holds as many share sessions as it may.";
}

impl ErrorCode {
    /// Whether this is success.
    pub const fn is_none(self) -> bool {
        matches!(self, Self::None)
    }

    /// Success, or the error.
    pub const fn ok(self) -> Result<(), Self> {
        if self.is_none() { Ok(()) } else { Err(self) }
    }
}

#[expect(clippy::derivable_impls, reason = "the macro cannot mark one of its variants")]
impl Default for ErrorCode {
    fn default() -> Self {
        Self::None
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.code())
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ErrorCode {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_reads_back_as_itself() {
        for code in i16::MIN..=i16::MAX {
            assert_eq!(ErrorCode::from_code(code).code(), code);
        }
        assert_eq!(ErrorCode::ALL.len(), 135);
    }

    #[test]
    fn an_unknown_code_keeps_its_number() {
        assert_eq!(ErrorCode::from_code(4242).to_string(), "UNKNOWN_CODE (4242)");
        assert_eq!(ErrorCode::from_code(3).to_string(), "UNKNOWN_TOPIC_OR_PARTITION (3)");
    }
}

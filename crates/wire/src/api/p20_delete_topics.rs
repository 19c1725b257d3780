//! DeleteTopics (key 20), v1-6. v4: flexible. v5: error messages (KIP-599). v6: topics by id (KIP-516).

use crate::{ErrorCode, Str, Uuid};

api!(DeleteTopics: DeleteTopicsRequest => DeleteTopicsResponse, versions 1..=6, flexible 4);

message! {
    /// Deletes topics.
    struct DeleteTopicsRequest {
        topics: Vec<DeleteTopicState> [6..],
        topic_names: Vec<Str> [0..=5; ignorable],
        timeout_ms: i32 [0..],
    }

    /// A topic, by name or by id, from version 6.
    struct DeleteTopicState {
        name: Option<Str> [6..] = None,
        topic_id: Uuid [6..],
    }
}

message! {
    /// What became of each topic.
    struct DeleteTopicsResponse {
        throttle_time_ms: i32 [0..],
        responses: Vec<DeletableTopicResult> [0..],
    }

    /// The outcome for one topic.
    struct DeletableTopicResult {
        name: Option<Str> [0..; null 6..],
        topic_id: Uuid [6..; ignorable],
        error_code: ErrorCode [0..],
        error_message: Option<Str> [5..; ignorable] = None,
    }
}

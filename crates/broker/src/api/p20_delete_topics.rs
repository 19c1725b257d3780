//! DeleteTopics (key 20), v1-6: deletes topics with everything in them. v5: messages. v6: by name or by id.

use std::sync::Arc;

use poruka_wire::api::{DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
use poruka_wire::{ErrorCode, Str};

use super::support::{finished, message};
use super::{Answer, Context, api};
use crate::topics::Refusal;

api!(DeleteTopicsRequest, versions = 1..=6, handler = delete_topics);

fn delete_topics(context: Context, request: DeleteTopicsRequest) -> Answer<DeleteTopicsResponse> {
    let asked = if context.version() >= 6 {
        request.topics
    } else {
        let by_name = |name| DeleteTopicState { name: Some(name), ..DeleteTopicState::default() };
        request.topic_names.into_iter().map(by_name).collect()
    };
    Answer::alone(async move {
        let mut responses = Vec::with_capacity(asked.len());
        for topic in asked {
            responses.push(delete(&context, topic).await);
        }
        DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() }
    })
}

async fn delete(context: &Context, asked: DeleteTopicState) -> DeletableTopicResult {
    let deleted = match name_of(context, &asked) {
        Ok(name) => {
            let (server, topic) = (Arc::clone(&context.server), name.clone());
            finished(Arc::clone(&context.server), async move { server.delete_topic(&topic).await })
                .await
                .map(|id| (name, id))
        }
        Err(refusal) => Err(refusal),
    };
    match deleted {
        Ok((name, topic_id)) => DeletableTopicResult {
            name: Some(name),
            topic_id,
            error_code: ErrorCode::None,
            error_message: None,
        },
        Err(refusal) => DeletableTopicResult {
            name: asked.name,
            topic_id: asked.topic_id,
            error_code: refusal.code,
            error_message: message(&refusal),
        },
    }
}

fn name_of(context: &Context, asked: &DeleteTopicState) -> Result<Str, Refusal> {
    match &asked.name {
        Some(name) if asked.topic_id.is_zero() => Ok(name.clone()),
        Some(_) => {
            Err(Refusal::new(ErrorCode::InvalidRequest, "You may not specify both topic name and topic id."))
        }
        None if asked.topic_id.is_zero() => {
            Err(Refusal::new(ErrorCode::InvalidRequest, "Neither topic name nor id were specified."))
        }
        None => {
            context.server.catalog().by_id(asked.topic_id).map(|topic| topic.name.clone()).ok_or_else(|| {
                Refusal::new(ErrorCode::UnknownTopicId, "This server does not host this topic ID.")
            })
        }
    }
}

//! InitProducerId (key 22), v0-5: an id for an idempotent producer, unique for as long as the data folder lives.
//!
//! v3: a producer that lost track gives its id and epoch (KIP-360); without transactions a fresh id serves it as
//! well, which is what Kafka answers too. v4: PRODUCER_FENCED. v6 (two-phase commit) is not spoken.
//!
//! A transactional id is refused with TRANSACTIONAL_ID_AUTHORIZATION_FAILED: there are no transactions yet, and this is
//! a code that every client treats as final, where an unsupported version is retried by some.

use std::sync::Arc;

use poruka_wire::ErrorCode;
use poruka_wire::api::{InitProducerIdRequest, InitProducerIdResponse};

use super::{Answer, Context, api};

api!(InitProducerIdRequest, versions = 0..=5, handler = init_producer_id);

fn init_producer_id(context: Context, request: InitProducerIdRequest) -> Answer<InitProducerIdResponse> {
    match request.transactional_id.as_deref() {
        None => {}
        Some("") => return Answer::Now(refused(ErrorCode::InvalidRequest)),
        Some(_) => return Answer::Now(refused(ErrorCode::TransactionalIdAuthorizationFailed)),
    }
    let server = Arc::clone(&context.server);
    let taken = match server.producer_ids.take() {
        Ok(taken) => taken,
        Err(error) => {
            tracing::error!(%error, "producer ids could not be reserved");
            return Answer::Now(refused(ErrorCode::CoordinatorNotAvailable));
        }
    };
    if server.producer_ids.is_durable(taken) {
        return Answer::Now(given(taken.id));
    }
    Answer::later(async move {
        match server.producer_ids.durable(taken).await {
            Ok(()) => given(taken.id),
            Err(_) => refused(ErrorCode::CoordinatorNotAvailable),
        }
    })
}

fn given(producer_id: i64) -> InitProducerIdResponse {
    InitProducerIdResponse { producer_id, producer_epoch: 0, ..InitProducerIdResponse::default() }
}

fn refused(error_code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse {
        error_code,
        producer_id: -1,
        producer_epoch: -1,
        ..InitProducerIdResponse::default()
    }
}

//! CreatePartitions (key 37), v0-3: gives topics more partitions, or only says whether it could (`validate_only`).

use std::sync::Arc;

use poruka_wire::ErrorCode;
use poruka_wire::api::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, CreatePartitionsTopicResult,
};

use super::p19_create_topics::check_assignment;
use super::support::{finished, message, repeated};
use super::{Answer, Context, api};
use crate::topics::Refusal;

api!(CreatePartitionsRequest, versions = 0..=3, handler = create_partitions);

fn create_partitions(context: Context, request: CreatePartitionsRequest) -> Answer<CreatePartitionsResponse> {
    Answer::alone(async move {
        let mut results = Vec::with_capacity(request.topics.len());
        let repeated = repeated(request.topics.iter().map(|topic| &topic.name));
        for asked in &request.topics {
            let added = if repeated.contains(&asked.name) {
                Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name."))
            } else {
                add(&context, asked, request.validate_only).await
            };
            let (error_code, error_message) = match added {
                Ok(()) => (ErrorCode::None, None),
                Err(refusal) => (refusal.code, message(&refusal)),
            };
            results.push(CreatePartitionsTopicResult { name: asked.name.clone(), error_code, error_message });
        }
        CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() }
    })
}

async fn add(context: &Context, asked: &CreatePartitionsTopic, only_check: bool) -> Result<(), Refusal> {
    if let Some(assignments) = &asked.assignments {
        check_assignments(context, asked, assignments.len())?;
        for assignment in assignments {
            check_assignment(&assignment.broker_ids)
                .map_err(|why| Refusal::new(ErrorCode::InvalidReplicaAssignment, why))?;
        }
    }
    let (server, name, count) = (Arc::clone(&context.server), asked.name.clone(), asked.count);
    finished(
        Arc::clone(&context.server),
        async move { server.add_partitions(&name, count, only_check).await },
    )
    .await
}

fn check_assignments(context: &Context, asked: &CreatePartitionsTopic, given: usize) -> Result<(), Refusal> {
    let now = context.server.catalog().get(&asked.name).map_or(asked.count, |topic| topic.count());
    let added = i64::from(asked.count) - i64::from(now);
    if added > 0 && usize::try_from(added) != Ok(given) {
        let message = format!(
            "Attempted to add {added} additional partition(s), but only {given} assignment(s) were specified."
        );
        return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
    }
    Ok(())
}

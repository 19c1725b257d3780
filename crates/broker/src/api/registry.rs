//! From a frame to a handler and back: what a registration is, and what a handler is given.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use poruka_log::Piece;
use poruka_wire::frame::{RequestHeader, decode_request_header, encode_response_chunks};
use poruka_wire::{ApiKey, Message, Reader, Request, Str, Uuid};

use super::APIS;
use crate::catalog::Topic;
use crate::connection::{Boxed, CloseReason, Handle, Outcome, Reply, filled};
use crate::metrics::Errors;
use crate::server::Server;

/// Who is at the other end of a connection.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The address in text, for logs.
    pub(crate) address: String,
    /// The host as Kafka prints it in group descriptions: "/127.0.0.1".
    pub(crate) host: Str,
    /// Where this peer is told to find the broker.
    pub(crate) advertised: (Str, i32),
}

impl Peer {
    pub(crate) fn new(address: String, advertised: (Str, i32)) -> Peer {
        let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = match host.parse::<IpAddr>() {
            Ok(ip) => Str::from(format!("/{ip}")),
            Err(_) => Str::from(format!("/{host}")),
        };
        Peer { address, host, advertised }
    }
}

/// What a handler knows about the request beside its body.
pub(super) struct Context {
    pub(super) server: Arc<Server>,
    pub(super) peer: Arc<Peer>,
    pub(super) header: RequestHeader,
}

impl Context {
    pub(super) fn version(&self) -> i16 {
        self.header.api_version
    }

    /// A topic by its id or by its name. The catalog is not held: what follows may take its time.
    pub(super) fn topic(&self, by_id: bool, name: &str, id: Uuid) -> Option<Arc<Topic>> {
        let catalog = self.server.catalog();
        if by_id { catalog.by_id(id).cloned() } else { catalog.get(name).cloned() }
    }
}

/// What a handler gives back; see [`Reply`] for the difference between `Later` and `Alone`.
pub(super) enum Answer<T> {
    Now(T),
    Later(Boxed<Result<T, CloseReason>>),
    /// As `Later`, with records that take the places of stand-ins in the response.
    Filled(Boxed<(T, Vec<Vec<Piece>>)>),
    Alone(Boxed<Result<T, CloseReason>>),
    /// No response: a produce with acks=0. The next request waits for the future, if there is one.
    Nothing(Option<Boxed<()>>),
    Close(CloseReason),
}

impl<T> Answer<T> {
    pub(super) fn later(future: impl Future<Output = T> + Send + 'static) -> Answer<T> {
        Answer::Later(Box::pin(async move { Ok(future.await) }))
    }

    pub(super) fn alone(future: impl Future<Output = T> + Send + 'static) -> Answer<T> {
        Answer::Alone(Box::pin(async move { Ok(future.await) }))
    }
}

/// One registered API.
pub(super) struct Api {
    pub(super) key: ApiKey,
    /// The lowest version that ApiVersions shows; below `min` for Produce only.
    pub(super) advertised_min: i16,
    pub(super) min: i16,
    pub(super) max: i16,
    pub(super) handle: fn(Context, Reader) -> Reply,
}

/// Registers a handler: `api!(FetchRequest, versions = 4..=18, handler = fetch);`, with `advertised_from = 0` where
/// the lowest version shown is another than the lowest one answered.
macro_rules! api {
    ($request:ty, versions = $min:literal..=$max:literal, handler = $handler:path) => {
        api!($request, versions = $min..=$max, advertised_from = $min, handler = $handler);
    };
    ($request:ty, versions = $min:literal..=$max:literal, advertised_from = $shown:literal, handler = $handler:path) => {
        pub(super) const API: $crate::api::Api = $crate::api::Api {
            key: <$request as poruka_wire::Request>::KEY,
            advertised_min: $shown,
            min: $min,
            max: $max,
            handle: |context, body| $crate::api::registry::run::<$request>(context, body, $handler),
        };
    };
}
pub(super) use api;

/// Decodes the body, calls the handler, and arranges for the response to be encoded when it is there.
pub(super) fn run<R>(
    context: Context,
    mut body: Reader,
    handler: fn(Context, R) -> Answer<R::Response>,
) -> Reply
where
    R: Request,
    R::Response: Errors,
{
    let version = context.header.api_version;
    let correlation_id = context.header.correlation_id;
    // Bytes after the body are passed over, as Apache Kafka does: librdkafka 2.16 sends three too many with Metadata v13.
    let request = match R::decode(&mut body, version) {
        Ok(request) => request,
        Err(error) => return close(CloseReason::BadFrame(error.to_string())),
    };
    // The handler is the only owner of the request's bytes then, and may write into them.
    drop(body);
    let server = Arc::clone(&context.server);
    server.metrics.requested(R::KEY);
    let encode = move |response: R::Response, records: Vec<Vec<Piece>>| {
        response.errors(&mut |code| server.metrics.told(R::KEY, code));
        encoded::<R>(correlation_id, &response, records, version)
    };
    match handler(context, request) {
        Answer::Now(response) => Reply::Now(encode(response, Vec::new())),
        Answer::Later(future) => Reply::Later(Box::pin(async move { encode(future.await?, Vec::new()) })),
        Answer::Filled(future) => Reply::Later(Box::pin(async move {
            let (response, records) = future.await;
            encode(response, records)
        })),
        Answer::Alone(future) => Reply::Alone(Box::pin(async move { encode(future.await?, Vec::new()) })),
        Answer::Nothing(None) => Reply::Now(Ok(None)),
        Answer::Nothing(Some(room)) => Reply::Alone(Box::pin(async move {
            room.await;
            Ok(None)
        })),
        Answer::Close(reason) => close(reason),
    }
}

fn encoded<R: Request>(
    correlation_id: i32,
    response: &R::Response,
    records: Vec<Vec<Piece>>,
    version: i16,
) -> Outcome {
    match encode_response_chunks::<R>(correlation_id, response, version) {
        Ok(chunks) => Ok(Some(filled(chunks, records))),
        Err(error) => Err(CloseReason::Refused(format!(
            "response {} v{version} could not be encoded: {error}; please report this",
            <R::Response as Message>::NAME
        ))),
    }
}

fn close(reason: CloseReason) -> Reply {
    Reply::Now(Err(reason))
}

/// One connection's way to the handlers.
pub(crate) struct Session {
    pub(crate) server: Arc<Server>,
    pub(crate) peer: Arc<Peer>,
}

impl Handle for Session {
    fn handle(&self, frame: Bytes) -> Reply {
        if self.server.is_draining() {
            return close(CloseReason::Draining);
        }
        let (Some(&[k0, k1]), Some(&[v0, v1])) =
            (frame.first_chunk::<2>(), frame.get(2..).and_then(<[u8]>::first_chunk::<2>))
        else {
            return close(CloseReason::BadFrame("request is shorter than its header".to_owned()));
        };
        let (key, version) = (i16::from_be_bytes([k0, k1]), i16::from_be_bytes([v0, v1]));
        let Some(api) = APIS.iter().find(|api| api.key.code() == key) else {
            return close(CloseReason::Refused(format!("API key {key} is not spoken here")));
        };
        if !(api.min..=api.max).contains(&version) {
            if let Some(reply) = super::p18_api_versions::answer_unknown_version(api, &frame) {
                return reply;
            }
            let reason = format!("{:?} v{version} is not within {} to {}", api.key, api.min, api.max);
            return close(CloseReason::Refused(reason));
        }
        let mut reader = Reader::new(frame);
        match decode_request_header(&mut reader) {
            Ok(header) => {
                let context =
                    Context { server: Arc::clone(&self.server), peer: Arc::clone(&self.peer), header };
                (api.handle)(context, reader)
            }
            Err(error) => close(CloseReason::BadFrame(error.to_string())),
        }
    }
}

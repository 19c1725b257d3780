//! Typed requests over one transport: headers, correlation ids, versions, time limits.
//!
//! A request that is not answered in time closes the connection, since whatever comes later on it could no longer be told
//! apart from an answer to something else; everything still open on it ends as lost.
//! At most `OPEN_REQUESTS_MAX` awaited requests are open at once; `call` waits for its turn, `submit` leaves that bound
//! to its caller.

use std::future::Future;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use poruka_env::Env;
use poruka_wire::api::ApiVersionsRequest;
use poruka_wire::{DecodeError, EncodeError, Request, Str, frame};
use tokio::sync::Semaphore;

use super::transport::{Transport, TransportError};
use super::versions::{Unsupported, Versions};

/// Requests of one connection that may wait for an answer at once.
const OPEN_REQUESTS_MAX: usize = 64;
/// Version of ApiVersions that we ask with; an older broker answers it in version 0.
const API_VERSIONS_VERSION: i16 = 3;

/// Why a request has no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// See [`TransportError`].
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The broker lacks this API, so nothing was sent.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The request could not be encoded, so nothing was sent.
    #[error("encode the request: {0}")]
    Encode(#[from] EncodeError),
    /// An answer came and could not be read: the request may have been processed.
    #[error("decode the answer: {0}")]
    Decode(#[from] DecodeError),
}

impl CallError {
    /// Whether the request may have been processed.
    pub fn may_be_processed(&self) -> bool {
        matches!(self, CallError::Transport(TransportError::Lost(_)) | CallError::Decode(_))
    }

    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, CallError::Transport(_))
    }
}

/// A request on its way: its place in the order is taken, its answer is awaited.
pub type Reply<R> =
    std::pin::Pin<Box<dyn Future<Output = Result<Option<<R as Request>::Response>, CallError>> + Send>>;

/// A connection to a broker whose versions are known. Cheap to clone; closed when the last clone is dropped.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    env: Env,
    transport: Arc<dyn Transport>,
    versions: OnceLock<Versions>,
    client_id: Str,
    next_correlation: AtomicI32,
    open: Semaphore,
    request_timeout: Duration,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.transport.close();
    }
}

impl Connection {
    /// Asks the broker for its versions and refuses it if it lacks what this client needs.
    ///
    /// # Errors
    /// `Unsupported` for a broker that is too old; else as for any request.
    pub async fn open(
        env: Env,
        transport: Arc<dyn Transport>,
        client_id: Str,
        request_timeout: Duration,
    ) -> Result<Connection, CallError> {
        let inner = Inner {
            env,
            transport,
            versions: OnceLock::new(),
            client_id,
            next_correlation: AtomicI32::new(0),
            open: Semaphore::new(OPEN_REQUESTS_MAX),
            request_timeout,
        };
        let connection = Connection { inner: Arc::new(inner) };
        let versions = connection.ask_versions().await?;
        versions.check()?;
        let _ = connection.inner.versions.set(versions);
        Ok(connection)
    }

    /// Asks in version 3, and again in version 0 when the broker is too old for that.
    async fn ask_versions(&self) -> Result<Versions, CallError> {
        let limit = self.inner.request_timeout;
        let mut request = ApiVersionsRequest {
            client_software_name: Str::from("poruka"),
            client_software_version: Str::from(env!("CARGO_PKG_VERSION")),
        };
        // A broker that does not know version 3 answers in version 0, which cannot be read as version 3.
        let answer = match self.submit_as(&request, API_VERSIONS_VERSION, true, limit)?.await {
            Ok(Some(answer)) if answer.error_code.is_none() => answer,
            Ok(_) | Err(CallError::Decode(_)) => {
                request = ApiVersionsRequest::default();
                self.submit_as(&request, 0, true, limit)?.await?.unwrap_or_default()
            }
            Err(error) => return Err(error),
        };
        Ok(Versions::new(answer.api_keys.iter().map(|api| (api.api_key, api.min_version, api.max_version))))
    }

    /// The version spoken for `R`.
    pub fn version<R: Request>(&self) -> Result<i16, Unsupported> {
        self.inner
            .versions
            .get()
            .map_or_else(|| Versions::default().pick::<R>(), |versions| versions.pick::<R>())
    }

    /// Sends a request and waits for its answer. Waits first when too many requests are open on this connection.
    ///
    /// Cancel safety: dropping the future may leave the request to be processed; only the answer is lost.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Response, CallError> {
        self.call_within(request, self.inner.request_timeout).await
    }

    /// As [`Connection::call`], with a time limit of its own.
    pub async fn call_within<R: Request>(
        &self,
        request: &R,
        limit: Duration,
    ) -> Result<R::Response, CallError> {
        let version = self.version::<R>()?;
        let Ok(_turn) = self.inner.open.acquire().await else {
            return Err(TransportError::NotSent("the connection is closed".to_owned()).into());
        };
        let lost = || TransportError::Lost("the connection gave no answer".to_owned());
        self.submit_as(request, version, true, limit)?.await?.ok_or_else(|| lost().into())
    }

    /// Takes a place in the order of requests at once; the future waits for the answer. The caller bounds how many are
    /// open. With `expects_response` false the future is ready, with `None`, once the request is written.
    pub fn submit<R: Request>(
        &self,
        request: &R,
        expects_response: bool,
        limit: Duration,
    ) -> Result<Reply<R>, CallError> {
        self.submit_as(request, self.version::<R>()?, expects_response, limit)
    }

    fn submit_as<R: Request>(
        &self,
        request: &R,
        version: i16,
        answered: bool,
        limit: Duration,
    ) -> Result<Reply<R>, CallError> {
        let inner = &self.inner;
        let correlation_id = inner.next_correlation.fetch_add(1, Ordering::Relaxed) & i32::MAX;
        let frame = frame::encode_request(correlation_id, Some(&inner.client_id), request, version)?;
        let sent = inner.transport.call(frame, answered);
        let (env, transport) = (inner.env.clone(), Arc::clone(&inner.transport));
        Ok(Box::pin(async move {
            let Ok(answer) = env.timeout(limit, sent).await else {
                transport.close();
                return Err(TransportError::Lost(format!("no answer within {limit:?}")).into());
            };
            match answer? {
                None => Ok(None),
                Some(frame) => read_answer::<R>(frame, version).map(Some),
            }
        }))
    }

    /// Closes the connection; see [`Transport::close`].
    pub fn close(&self) {
        self.inner.transport.close();
    }

    /// Whether the connection is closed or broken.
    pub fn is_closed(&self) -> bool {
        self.inner.transport.is_closed()
    }

    /// Ready once the connection is closed or broken.
    pub async fn closed(&self) {
        self.inner.transport.closed().await;
    }
}

fn read_answer<R: Request>(frame: Bytes, version: i16) -> Result<R::Response, CallError> {
    let (_, answer) = frame::decode_response::<R>(frame, version)?;
    Ok(answer)
}

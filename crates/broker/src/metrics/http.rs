//! As much HTTP/1.1 as it takes to answer `GET /metrics` (RFC 9112), and nothing else.
//!
//! One request per connection, then it is closed. A request is bounded in size and in time, and so is the number of
//! connections: a hostile client costs its own connection. No TLS, no authentication, no keep-alive, no compression.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use poruka_env::{Env, Listener, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Gathering;

/// The most connections at one time; more are closed as they arrive.
pub const METRICS_CONNECTIONS_MAX: usize = 16;
/// The longest request that is read: its line and its headers.
const REQUEST_BYTES_MAX: usize = 8 * 1024;
/// How long a connection may take for its request, and again for the answer, in milliseconds.
const STEP_MS_MAX: u64 = 5_000;
/// How long accepting pauses after an error, in milliseconds.
const ACCEPT_PAUSE_MS: u64 = 100;
/// Bytes that are read and thrown away after the answer, so that closing does not cut it off.
const LEFTOVER_BYTES_MAX: usize = 64 * 1024;

/// The content type of Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const HELP: &str = "This is Poruka. GET /metrics gives its numbers; docs/metrics.md says what they mean.\n";

/// Serves what connects, until the broker takes nothing new.
pub(crate) async fn serve(gathering: Gathering, listener: Box<dyn Listener>) {
    let mut draining = gathering.server.draining();
    let env = gathering.server.env.clone();
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut draining => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(_) if open.load(Ordering::Acquire) >= METRICS_CONNECTIONS_MAX => {
                tracing::warn!(max = METRICS_CONNECTIONS_MAX, "too many connections for metrics; closed one");
            }
            Ok((stream, _)) => {
                open.fetch_add(1, Ordering::AcqRel);
                let counted = Counted(Arc::clone(&open));
                let (env, gathering) = (env.clone(), gathering.clone());
                gathering.server.env.clone().spawn("metrics", async move {
                    let _counted = counted;
                    let closed = gathering.server.closed();
                    tokio::select! {
                        biased;
                        () = closed => {}
                        () = answer(env, stream, &gathering) => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection for metrics failed");
                env.sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            }
        }
    }
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Reads one request and answers it. A peer that is too slow gets nothing.
async fn answer(env: Env, mut stream: Box<dyn Stream>, gathering: &Gathering) {
    let step = Duration::from_millis(STEP_MS_MAX);
    let Ok(request) = env.timeout(step, read_request(&mut *stream)).await else { return };
    let response = match request {
        Read::Gone => return,
        Read::TooLarge => Response::plain("431 Request Header Fields Too Large", "request is too large\n"),
        Read::Request(request) => respond(&request, || gathering.page().to_string()),
    };
    let write = async {
        stream.write_all(&response.encode()).await?;
        stream.shutdown().await?;
        let (mut leftover, mut buffer) = (0, [0; 1024]);
        while leftover < LEFTOVER_BYTES_MAX {
            match stream.read(&mut buffer).await? {
                0 => break,
                read => leftover += read,
            }
        }
        Ok::<(), std::io::Error>(())
    };
    // The peer may be gone: that is its own business.
    let _ = env.timeout(step, write).await;
}

enum Read {
    Request(Vec<u8>),
    TooLarge,
    /// Closed, or broken, before the request was complete.
    Gone,
}

/// Reads up to the empty line that ends the headers.
async fn read_request(stream: &mut dyn Stream) -> Read {
    let mut request = Vec::with_capacity(1024);
    let mut buffer = [0; 1024];
    loop {
        let Ok(read @ 1..) = stream.read(&mut buffer).await else { return Read::Gone };
        request.extend_from_slice(&buffer[..read]);
        if ends(&request) {
            return Read::Request(request);
        }
        if request.len() >= REQUEST_BYTES_MAX {
            return Read::TooLarge;
        }
    }
}

fn ends(request: &[u8]) -> bool {
    request.windows(4).any(|four| four == b"\r\n\r\n") || request.windows(2).any(|two| two == b"\n\n")
}

struct Response {
    status: &'static str,
    content_type: &'static str,
    body: String,
}

impl Response {
    fn plain(status: &'static str, body: &str) -> Response {
        Response { status, content_type: TEXT, body: body.to_owned() }
    }

    fn encode(&self) -> Vec<u8> {
        let Response { status, content_type, body } = self;
        let allow = if status.starts_with("405") { "Allow: GET\r\n" } else { "" };
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n{allow}\
             Connection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

fn respond(request: &[u8], page: impl FnOnce() -> String) -> Response {
    let line = request.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Ok(line) = std::str::from_utf8(line) else { return Response::plain("400 Bad Request", "not HTTP\n") };
    let mut words = line.trim_end_matches('\r').split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Response::plain("400 Bad Request", "not HTTP/1.1\n");
    };
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    match (method, path) {
        ("GET", "/metrics") => Response { status: "200 OK", content_type: METRICS_TYPE, body: page() },
        ("GET", "/") => Response::plain("200 OK", HELP),
        (_, "/" | "/metrics") => Response::plain("405 Method Not Allowed", "only GET is answered here\n"),
        _ => Response::plain("404 Not Found", "there is only /metrics here\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(request: &str) -> &'static str {
        respond(request.as_bytes(), || "x 1\n".to_owned()).status
    }

    #[test]
    fn only_get_metrics_and_the_line_of_help_are_answered() {
        for (request, wanted) in [
            ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK"),
            ("GET /metrics?name=x HTTP/1.0\r\n\r\n", "200 OK"),
            ("GET / HTTP/1.1\r\n\r\n", "200 OK"),
            ("POST /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
            ("HEAD / HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
            ("GET /metrics/ HTTP/1.1\r\n\r\n", "404 Not Found"),
            ("DELETE /x HTTP/1.1\r\n\r\n", "404 Not Found"),
            ("GET  /metrics HTTP/1.1\r\n\r\n", "400 Bad Request"),
            ("GET /metrics HTTP/2\r\n\r\n", "400 Bad Request"),
            ("GET /metrics\r\n\r\n", "400 Bad Request"),
            ("\r\n\r\n", "400 Bad Request"),
        ] {
            assert_eq!(status(request), wanted, "{request:?}");
        }
        assert_eq!(respond(b"\xff\xfe /metrics HTTP/1.1\r\n\r\n", String::new).status, "400 Bad Request");
    }

    #[test]
    fn a_response_says_how_long_it_is_and_that_the_connection_ends() {
        let response = respond(b"GET /metrics HTTP/1.1\r\n\r\n", || "x 1\n".to_owned());
        let text = String::from_utf8(response.encode()).expect("text");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"), "{text}");
        assert!(text.contains("\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\nx 1\n"), "{text}");
    }
}

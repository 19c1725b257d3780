//! The real host: the operating system's clock, randomness and threads, tokio's tasks and sockets.

use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

use crate::disk::DiskFile;
use crate::host::{Boxed, Host, ThreadHandle};
use crate::mono::Mono;
use crate::net::{Accepting, Listener, Stream, copy_file};
use crate::process::ProcessFigures;

/// Tasks far in the future sleep in pieces of this length, the longest that tokio's timer is known to take.
const SLEEP_PIECE_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

pub(crate) struct RealHost {
    runtime: Option<Handle>,
}

impl RealHost {
    pub(crate) fn new() -> RealHost {
        RealHost { runtime: Handle::try_current().ok() }
    }

    fn runtime(&self) -> Handle {
        match Handle::try_current() {
            Ok(current) => current,
            Err(_) => self.runtime.clone().expect("Env::real() was built and used outside a tokio runtime"),
        }
    }
}

/// The start of this process's monotonic clock.
#[expect(clippy::disallowed_methods, reason = "this is the place that everyone else's time comes from")]
fn now() -> Mono {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = *START.get_or_init(Instant::now);
    Mono::ZERO + start.elapsed()
}

impl Host for RealHost {
    fn now(&self) -> Mono {
        now()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the place that everyone else's time comes from")]
    fn wall_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn fill_random(&self, into: &mut [u8]) {
        getrandom::fill(into).expect("the operating system must have random bytes");
    }

    fn random_u64(&self) -> u64 {
        getrandom::u64().expect("the operating system must have random bytes")
    }

    #[expect(clippy::disallowed_methods, reason = "Env::sleep is made of this")]
    fn sleep_until(&self, until: Mono) -> Boxed<()> {
        let runtime = self.runtime();
        Box::pin(async move {
            loop {
                let left = until - now();
                if left.is_zero() {
                    return;
                }
                let sleep = {
                    let _inside = runtime.enter();
                    tokio::time::sleep(left.min(SLEEP_PIECE_MAX))
                };
                sleep.await;
            }
        })
    }

    fn spawn(&self, _name: &'static str, body: Boxed<()>) {
        drop(self.runtime().spawn(body));
    }

    fn has_threads(&self) -> bool {
        true
    }

    fn spawn_thread(&self, name: &'static str, body: Box<dyn FnOnce() + Send>) -> io::Result<ThreadHandle> {
        let inner = std::thread::Builder::new().name(name.to_owned()).spawn(body)?;
        Ok(ThreadHandle { inner })
    }

    fn process(&self) -> Option<ProcessFigures> {
        crate::process::figures()
    }

    #[expect(clippy::disallowed_methods, reason = "Env::connect is made of this")]
    fn connect(&self, addr: String) -> Boxed<io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let stream = TcpStream::connect(&addr).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }

    #[expect(clippy::disallowed_methods, reason = "Env::listen is made of this")]
    fn listen(&self, addr: String) -> Boxed<io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = TcpListener::bind(&addr).await?;
            Ok(Box::new(RealListener { listener }) as Box<dyn Listener>)
        })
    }
}

impl Stream for TcpStream {
    #[cfg(target_os = "linux")]
    fn poll_send_file(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        file: &dyn DiskFile,
        at: u64,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        let Some(system) = file.system_file() else { return copy_file(self, cx, file, at, count) };
        loop {
            ready!(self.poll_write_ready(cx))?;
            let sent = self.try_io(Interest::WRITABLE, || {
                let mut offset = at;
                Ok(rustix::fs::sendfile(&*self, system, Some(&mut offset), count)?)
            });
            match sent {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                sent => return Poll::Ready(sent),
            }
        }
    }
}

struct RealListener {
    listener: TcpListener,
}

impl Listener for RealListener {
    fn local_addr(&self) -> io::Result<String> {
        Ok(self.listener.local_addr()?.to_string())
    }

    fn accept(&self) -> Accepting<'_> {
        Box::pin(async move {
            let (stream, peer) = self.listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok((Box::new(stream) as Box<dyn Stream>, peer.to_string()))
        })
    }
}

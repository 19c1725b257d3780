//! From a request to its response: transports (frames), connections (typed requests), and which version is spoken.

mod connection;
mod tcp;
mod transport;
mod versions;

pub use connection::{CallError, Connection, Reply};
pub use tcp::{TcpDialer, TcpTransport};
pub use transport::{Dial, Dialer, FrameReply, Transport, TransportError};
pub use versions::{Unsupported, Versions};

//! What a broker costs: load generators, the machine's own floor for the same work, and the report.
//!
//! [`bench()`] starts a broker (or takes the address of any that speaks Kafka's protocol), puts each case's load on it,
//! does the same work with the least program that can do it ([`floor`]), and returns a [`report::Report`]. Nothing is
//! believed: every acknowledgement must name the offset that was due, every record must come back once and in order, or
//! there is no figure.
//!
//! Time, randomness and threads come from [`poruka_env::Env`]. Sockets and the floor's files are the standard library's
//! blocking ones, on purpose: the generator and the floor are to cost as little as the machine allows, and there is no
//! simulated machine to measure.
//!
//! What it does not do: clusters, transactions, groups, compression, TLS.

mod admin;
mod case;
mod conn;
mod error;
pub mod floor;
mod load;
mod machine;
mod measure;
mod options;
mod payload;
mod proc;
mod process;
pub mod report;
mod speech;
mod stats;
mod stop;

pub use error::BenchError;
pub use machine::Machine;
pub use measure::bench;
pub use options::{Options, PACED_BYTES, RATE, RUNS, Settings, Target, case_list};
pub use stats::Spread;
pub use stop::Stop;

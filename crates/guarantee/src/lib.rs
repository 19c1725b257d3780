//! The vocabulary of Poruka: three dials, seven names, ten anomalies, and the contract that ties them.
//!
//! A delivery guarantee is a point on three independent dials ([`Delivery`], [`Order`], [`Durability`]).
//! A [`Name`] is a preset of the three. What a point promises is its *contract*: for each [`Failure`]
//! that can happen, the set of [`Anomaly`]s that must not be seen. Everything here is data, without I/O
//! and without dependencies: the library plans from it, the broker enforces it, the prover judges by it,
//! and the tables in the documents are printed from it, so that none of them can disagree.
//!
//! ```
//! use poruka_guarantee::{Anomaly, Claim, Failure, Name};
//!
//! let durable: Name = "durable".parse().expect("a known name");
//! let contract = durable.guarantee().contract();
//! assert_eq!(contract.claim(Anomaly::ForgottenAfterPowerLoss, Failure::PowerLoss), Claim::Forbidden);
//! assert_eq!(contract.claim(Anomaly::Duplicated, Failure::NetworkCut), Claim::Allowed);
//! ```

mod anomaly;
mod contract;
mod controls;
mod dials;
mod failure;
mod name;
pub mod table;

pub use anomaly::{Anomaly, AnomalySet};
pub use contract::{Claim, Contract};
pub use controls::{CONTROLS, Control, controls_of};
pub use dials::{BadCombination, Delivery, Durability, Guarantee, Order, UnknownPosition};
pub use failure::Failure;
pub use name::{Name, UnknownName};

//! Negative controls: which weaker name must show the anomaly that a name forbids.
//!
//! A prover that never sees an anomaly proves nothing unless the same faults make a weaker guarantee
//! show it. Each line here names that weaker guarantee. Where no name allows the anomaly (a phantom is
//! forbidden to all) there is no line, and the prover plants the anomaly in a copy of its own history.

use crate::{Anomaly, Name};

/// For `name` to be called kept in respect of `anomaly`, a run of `weaker` under the same workload and
/// the same faults has to show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// The guarantee under test.
    pub name: Name,
    /// The anomaly that it forbids.
    pub anomaly: Anomaly,
    /// The guarantee that allows the anomaly and has to show it.
    pub weaker: Name,
    /// What the weaker guarantee does that lets the anomaly happen.
    pub because: &'static str,
}

const RETRIES: &str = "a retry after a lost response, and a redelivery, repeat the record";
const NO_RETRY: &str = "a request that is cut is not sent again";
const NO_KEY: &str = "records of one key go to several partitions";
const MEMORY: &str = "the log is gone with the process";
const CACHED: &str = "the page cache is gone with the power";

const fn control(name: Name, anomaly: Anomaly, weaker: Name, because: &'static str) -> Control {
    Control { name, anomaly, weaker, because }
}

/// Every negative control.
pub const CONTROLS: &[Control] = &[
    control(Name::AtMostOnce, Anomaly::Duplicated, Name::AtLeastOnce, RETRIES),
    control(Name::AtLeastOnce, Anomaly::Lost, Name::AtMostOnce, NO_RETRY),
    control(Name::AtLeastOnce, Anomaly::ForgottenAfterKill, Name::BestEffort, MEMORY),
    control(Name::ExactlyOnce, Anomaly::Lost, Name::AtMostOnce, NO_RETRY),
    control(Name::ExactlyOnce, Anomaly::Duplicated, Name::AtLeastOnce, RETRIES),
    control(Name::ExactlyOnce, Anomaly::Reordered, Name::AtLeastOnce, NO_KEY),
    control(Name::ExactlyOnce, Anomaly::ForgottenAfterKill, Name::BestEffort, MEMORY),
    control(Name::ExactlyOnce, Anomaly::ForgottenAfterPowerLoss, Name::AtLeastOnce, CACHED),
    control(Name::Ordered, Anomaly::Lost, Name::AtMostOnce, NO_RETRY),
    control(Name::Ordered, Anomaly::Reordered, Name::AtLeastOnce, NO_KEY),
    control(Name::Ordered, Anomaly::ForgottenAfterKill, Name::BestEffort, MEMORY),
    control(Name::Causal, Anomaly::Lost, Name::AtMostOnce, NO_RETRY),
    control(Name::Causal, Anomaly::CausalInversion, Name::Ordered, "order holds within a key only"),
    control(Name::Causal, Anomaly::ForgottenAfterKill, Name::BestEffort, MEMORY),
    control(Name::Causal, Anomaly::ForgottenAfterPowerLoss, Name::AtLeastOnce, CACHED),
    control(Name::Durable, Anomaly::Lost, Name::AtMostOnce, NO_RETRY),
    control(Name::Durable, Anomaly::ForgottenAfterKill, Name::BestEffort, MEMORY),
    control(Name::Durable, Anomaly::ForgottenAfterPowerLoss, Name::AtLeastOnce, CACHED),
];

/// The controls that a verdict on `name` needs.
pub fn controls_of(name: Name) -> impl Iterator<Item = &'static Control> {
    CONTROLS.iter().filter(move |control| control.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Guarantee;

    #[test]
    fn a_control_forbids_nothing_that_it_has_to_show() {
        let forbids = |guarantee: Guarantee, anomaly| guarantee.contract().forbidden_ever().contains(anomaly);
        for control in CONTROLS {
            assert!(forbids(control.name.guarantee(), control.anomaly), "{control:?}");
            assert!(!forbids(control.weaker.guarantee(), control.anomaly), "{control:?}");
        }
    }

    #[test]
    fn every_forbidden_anomaly_that_some_built_name_allows_has_a_control() {
        for name in Name::ALL {
            for anomaly in name.guarantee().contract().forbidden_ever().iter() {
                let planted = matches!(anomaly, Anomaly::Phantom | Anomaly::Torn | Anomaly::Stalled)
                    || (anomaly == Anomaly::Reordered && name == Name::Causal);
                let listed = controls_of(name).any(|control| control.anomaly == anomaly);
                assert!(listed || planted, "{name} forbids {anomaly} without a control");
            }
        }
    }
}

//! What each guarantee forbids, per failure. This file is the contract; everything else prints it.

use crate::{Anomaly, AnomalySet, Delivery, Durability, Failure, Guarantee, Order};

/// What a guarantee says of one anomaly under one failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It must not be seen. One sighting refutes the guarantee.
    Forbidden,
    /// It may be seen; a prover counts it.
    Allowed,
    /// The anomaly is defined by another failure than this one.
    NotApplicable,
}

/// The anomalies that a guarantee forbids, per failure that it survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contract {
    guarantee: Guarantee,
}

/// One line of the contract: the anomaly, what forbids it, and through which failures.
struct Rule {
    anomaly: Anomaly,
    forbidden_by: fn(Guarantee) -> bool,
    holds_through: Through,
}

enum Through {
    /// Every failure that leaves the log in place.
    EveryFailureSurvived,
    /// Exactly this one, which is part of the anomaly's definition.
    Only(Failure),
}

const RULES: [Rule; 10] = [
    Rule {
        anomaly: Anomaly::Lost,
        forbidden_by: |g| g.delivery >= Delivery::AtLeastOnce,
        holds_through: Through::EveryFailureSurvived,
    },
    Rule {
        anomaly: Anomaly::Duplicated,
        forbidden_by: |g| matches!(g.delivery, Delivery::AtMostOnce | Delivery::ExactlyOnce),
        holds_through: Through::EveryFailureSurvived,
    },
    Rule {
        anomaly: Anomaly::Reordered,
        forbidden_by: |g| g.order >= Order::PerKey,
        holds_through: Through::EveryFailureSurvived,
    },
    Rule {
        anomaly: Anomaly::CausalInversion,
        forbidden_by: |g| g.order >= Order::Causal,
        holds_through: Through::EveryFailureSurvived,
    },
    Rule { anomaly: Anomaly::Phantom, forbidden_by: |_| true, holds_through: Through::EveryFailureSurvived },
    Rule {
        anomaly: Anomaly::Torn,
        forbidden_by: |g| g.delivery >= Delivery::ExactlyOnce,
        holds_through: Through::EveryFailureSurvived,
    },
    Rule {
        anomaly: Anomaly::ForgottenAfterKill,
        forbidden_by: |g| g.durability >= Durability::Cached,
        holds_through: Through::Only(Failure::ProcessKill),
    },
    Rule {
        anomaly: Anomaly::ForgottenAfterPowerLoss,
        forbidden_by: |g| g.durability >= Durability::Synced,
        holds_through: Through::Only(Failure::PowerLoss),
    },
    Rule {
        anomaly: Anomaly::ForgottenAfterNodeLoss,
        forbidden_by: |g| g.replicated,
        holds_through: Through::Only(Failure::NodeLoss),
    },
    Rule {
        anomaly: Anomaly::Stalled,
        forbidden_by: |g| g.delivery >= Delivery::AtLeastOnce,
        holds_through: Through::EveryFailureSurvived,
    },
];

impl Guarantee {
    /// What this point on the dials promises.
    pub const fn contract(self) -> Contract {
        Contract { guarantee: self }
    }

    /// Whether anything is promised through this failure.
    ///
    /// The log itself must be there afterwards: losing the only disk or the only node voids every
    /// promise, and a guarantee says so rather than leaving it to be found out. Replicas survive the
    /// loss of one of them, and a power loss unless all lose power together.
    pub const fn survives(self, failure: Failure) -> bool {
        match failure {
            Failure::NetworkCut
            | Failure::ProducerCrash
            | Failure::ConsumerCrash
            | Failure::ProcessKill
            | Failure::PowerLoss => true,
            Failure::DiskLoss | Failure::NodeLoss => self.replicated,
        }
    }
}

impl Contract {
    /// What is claimed of one anomaly under one failure.
    pub fn claim(&self, anomaly: Anomaly, failure: Failure) -> Claim {
        let rule = rule_of(anomaly);
        match rule.holds_through {
            Through::Only(only) if only != failure => Claim::NotApplicable,
            _ if !self.guarantee.survives(failure) => Claim::Allowed,
            _ if (rule.forbidden_by)(self.guarantee) => Claim::Forbidden,
            _ => Claim::Allowed,
        }
    }

    /// Everything that must not be seen under one failure.
    pub fn forbidden(&self, failure: Failure) -> AnomalySet {
        Anomaly::ALL.into_iter().filter(|a| self.claim(*a, failure) == Claim::Forbidden).collect()
    }

    /// Everything that is forbidden under at least one failure: the guarantee in one line.
    pub fn forbidden_ever(&self) -> AnomalySet {
        Anomaly::ALL
            .into_iter()
            .filter(|a| Failure::ALL.iter().any(|f| self.claim(*a, *f) == Claim::Forbidden))
            .collect()
    }
}

fn rule_of(anomaly: Anomaly) -> &'static Rule {
    let rule = &RULES[anomaly as usize];
    assert!(rule.anomaly == anomaly, "rules stand in the order of the anomalies");
    rule
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Name;

    fn codes(name: Name) -> Vec<&'static str> {
        name.guarantee().contract().forbidden_ever().iter().map(Anomaly::code).collect()
    }

    #[test]
    fn the_seven_names_forbid_what_the_design_says() {
        assert_eq!(codes(Name::BestEffort), ["A5"]);
        assert_eq!(codes(Name::AtMostOnce), ["A2", "A5"]);
        assert_eq!(codes(Name::AtLeastOnce), ["A1", "A5", "A7", "A10"]);
        assert_eq!(codes(Name::ExactlyOnce), ["A1", "A2", "A3", "A5", "A6", "A7", "A8", "A10"]);
        assert_eq!(codes(Name::Ordered), ["A1", "A3", "A5", "A7", "A10"]);
        assert_eq!(codes(Name::Causal), ["A1", "A3", "A4", "A5", "A7", "A8", "A10"]);
        assert_eq!(codes(Name::Durable), ["A1", "A5", "A7", "A8", "A10"]);
    }

    #[test]
    fn on_one_node_nothing_survives_the_loss_of_the_disk() {
        for name in Name::ALL {
            let forbidden = name.guarantee().contract().forbidden(Failure::DiskLoss);
            assert_eq!(forbidden, AnomalySet::EMPTY, "{name}");
        }
    }

    #[test]
    fn turning_a_dial_further_never_takes_a_promise_away_except_for_retries() {
        for delivery in Delivery::ALL {
            for order in Order::ALL {
                for weak in Durability::ALL {
                    for strong in Durability::ALL.iter().filter(|strong| *strong > weak) {
                        let at = |durability: &Durability| Guarantee {
                            delivery: *delivery,
                            order: *order,
                            durability: *durability,
                            replicated: false,
                        };
                        for failure in Failure::ALL {
                            let more = at(strong).contract().forbidden(failure);
                            assert!(more.includes(at(weak).contract().forbidden(failure)));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn forgetting_is_claimed_under_its_own_failure_only() {
        let durable = Name::Durable.guarantee().contract();
        let claim = |failure| durable.claim(Anomaly::ForgottenAfterPowerLoss, failure);
        assert_eq!(claim(Failure::PowerLoss), Claim::Forbidden);
        assert_eq!(claim(Failure::ProcessKill), Claim::NotApplicable);
    }
}

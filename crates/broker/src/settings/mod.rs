//! Settings: names, types, defaults and rules of the configs that topics and the node have.
//!
//! Names, types, defaults and refusals are those of Apache Kafka 4.3, so that kafka-configs and kafka-topics work
//! unchanged; settings of ours start with "poruka.". A setting is a row of a table: what the table says is what is
//! described, validated and applied.
//!
//! Not here: storing them (`state`), and requests (`api`).

mod node;
mod topic;

pub(crate) use node::{NODE_SETTINGS, NodeOverrides, static_value};
pub(crate) use topic::{
    DURABILITY, TOPIC_SETTINGS, TimestampType, TopicSetting, TopicSettings, check_all, class_of,
};

/// The longest value of a setting that is taken, so that a request cannot grow the state log without bound.
pub(crate) const SETTING_VALUE_BYTES_MAX: usize = 8 * 1024;

/// The type of a setting's value, with Kafka's number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Text,
    Int,
    Long,
    Double,
    List,
}

impl Kind {
    /// The number that DescribeConfigs v3+ reports.
    pub(crate) fn code(self) -> i8 {
        match self {
            Kind::Boolean => 1,
            Kind::Text => 2,
            Kind::Int => 3,
            Kind::Long => 5,
            Kind::Double => 6,
            Kind::List => 7,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Boolean => "BOOLEAN",
            Kind::Text => "STRING",
            Kind::Int => "INT",
            Kind::Long => "LONG",
            Kind::Double => "DOUBLE",
            Kind::List => "LIST",
        }
    }
}

/// Where a described value comes from, with Kafka's number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Topic = 1,
    Node = 2,
    NodeDefault = 3,
    Static = 4,
    Default = 5,
}

impl Source {
    /// The number that DescribeConfigs and CreateTopics report.
    pub(crate) fn code(self) -> i8 {
        self as i8
    }
}

/// What a value must satisfy beyond its type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    BetweenOr(i64, i64, i64),
    Ratio,
    OneOf(&'static [&'static str]),
    EachOf(&'static [&'static str]),
    ThrottledReplicas,
    /// Only this value: we do not have what the others would ask for.
    Only(&'static str, &'static str),
}

/// A value that was refused, worded as Kafka words it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadSetting {
    #[error("Unknown topic config name: {0}")]
    UnknownTopicSetting(String),
    #[error("Invalid value {value} for configuration {name}: {reason}")]
    Value { name: String, value: String, reason: String },
    #[error("{0}")]
    Conflict(String),
}

/// Checks one value against the type and rule of its setting.
pub(crate) fn check_value(name: &str, kind: Kind, rule: Rule, raw: &str) -> Result<(), BadSetting> {
    let value = raw.trim();
    let refuse = |reason: String| BadSetting::Value { name: name.to_owned(), value: shortened(raw), reason };
    if raw.len() > SETTING_VALUE_BYTES_MAX {
        return Err(refuse(format!("longer than {SETTING_VALUE_BYTES_MAX} bytes")));
    }
    let not_a_number = || refuse(format!("Not a number of type {}", kind.name()));
    let number = match kind {
        Kind::Int => Some(i64::from(value.parse::<i32>().map_err(|_| not_a_number())?)),
        Kind::Long => Some(value.parse::<i64>().map_err(|_| not_a_number())?),
        Kind::Double => {
            let ratio = value.parse::<f64>().map_err(|_| not_a_number())?;
            return check_ratio(rule, ratio).map_err(refuse);
        }
        Kind::Boolean if !value.eq_ignore_ascii_case("true") && !value.eq_ignore_ascii_case("false") => {
            return Err(refuse("Expected value to be either true or false".to_owned()));
        }
        Kind::Boolean | Kind::Text | Kind::List => None,
    };
    check_rule(rule, value, number).map_err(refuse)
}

fn check_ratio(rule: Rule, ratio: f64) -> Result<(), String> {
    match rule {
        Rule::Ratio if ratio.is_nan() || ratio > 1.0 => Err("Value must be no more than 1".to_owned()),
        Rule::Ratio if ratio < 0.0 => Err("Value must be at least 0".to_owned()),
        _ => Ok(()),
    }
}

fn check_rule(rule: Rule, value: &str, number: Option<i64>) -> Result<(), String> {
    let n = number.unwrap_or_default();
    match rule {
        Rule::AtLeast(low) if n < low => Err(format!("Value must be at least {low}")),
        Rule::Between(low, _) if n < low => Err(format!("Value must be at least {low}")),
        Rule::Between(_, high) if n > high => Err(format!("Value must be no more than {high}")),
        Rule::BetweenOr(low, high, or) if n != or && !(low..=high).contains(&n) => {
            Err(format!("Value must be between {low} and {high} or equal to {or}"))
        }
        Rule::OneOf(words) if !words.contains(&value) => {
            Err(format!("String must be one of: {}", words.join(", ")))
        }
        Rule::EachOf(words) => match list(value).find(|item| !words.contains(item)) {
            Some(_) => Err(format!("String must be one of: {}", words.join(", "))),
            None => Ok(()),
        },
        Rule::ThrottledReplicas if !throttled_replicas(value) => {
            Err("must be the literal '*' or a list of replicas in the following format: \
                 [partitionId]:[brokerId],[partitionId]:[brokerId],..."
                .to_owned())
        }
        Rule::Only(only, why) if !value.eq_ignore_ascii_case(only) => Err(why.to_owned()),
        _ => Ok(()),
    }
}

fn throttled_replicas(value: &str) -> bool {
    value == "*"
        || list(value).all(|item| {
            item.split_once(':').is_some_and(|(p, b)| p.parse::<u32>().is_ok() && b.parse::<u32>().is_ok())
        })
}

/// The items of a LIST value.
pub(crate) fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn shortened(value: &str) -> String {
    value.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(kind: Kind, rule: Rule, value: &str) -> String {
        check_value("x", kind, rule, value).expect_err("refused").to_string()
    }

    #[test]
    fn refusals_read_as_kafkas_do() {
        assert_eq!(
            refusal(Kind::Long, Rule::Any, "abc"),
            "Invalid value abc for configuration x: Not a number of type LONG"
        );
        assert_eq!(
            refusal(Kind::Int, Rule::Between(5, 9), "4"),
            "Invalid value 4 for configuration x: Value must be at least 5"
        );
        assert_eq!(
            refusal(Kind::Boolean, Rule::Any, "yes"),
            "Invalid value yes for configuration x: Expected value to be either true or false"
        );
        assert_eq!(
            refusal(Kind::Text, Rule::OneOf(&["a", "b"]), "c"),
            "Invalid value c for configuration x: String must be one of: a, b"
        );
        assert!(refusal(Kind::Double, Rule::Ratio, "NaN").contains("no more than 1"));
    }

    #[test]
    fn blanks_around_values_and_items_do_not_matter() {
        assert_eq!(check_value("x", Kind::Long, Rule::AtLeast(1), " 17 "), Ok(()));
        assert_eq!(
            check_value("x", Kind::List, Rule::EachOf(&["compact", "delete"]), " compact , delete"),
            Ok(())
        );
    }

    #[test]
    fn a_value_without_bound_is_refused() {
        let long = "x".repeat(SETTING_VALUE_BYTES_MAX + 1);
        assert!(check_value("x", Kind::Text, Rule::Any, &long).is_err());
    }
}

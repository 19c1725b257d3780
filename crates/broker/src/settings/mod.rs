//! Settings: names, types, defaults and rules of the configs that topics and the node have.
//!
//! Names, types, defaults and refusals are those of Apache Kafka 4.3, so that kafka-configs and kafka-topics work
//! unchanged; settings of ours start with "poruka.". A setting is a row of a table: what the table says is what is
//! described, validated and applied.
//!
//! Not here: storing them (`state`), and requests (`api`).

#[cfg(test)]
mod as_kafka;
mod node;
mod topic;

pub(crate) use node::{NODE_SETTINGS, NodeOverrides, NodeSetting, static_value};
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
    Short,
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
            Kind::Short => 4,
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
            Kind::Short => "SHORT",
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
    /// Of the values of its kind only this one: we do not have what the others would ask for, and say so.
    Only(&'static str, &'static str),
}

impl Rule {
    /// What a setting with this rule takes, for whoever got it wrong.
    fn takes(self, kind: Kind) -> String {
        let kind = if kind == Kind::Int { "an INT".to_owned() } else { format!("a {}", kind.name()) };
        match self {
            Rule::Any => kind,
            Rule::AtLeast(low) => format!("{kind} of at least {low}"),
            Rule::Between(low, high) => format!("{kind} from {low} to {high}"),
            Rule::BetweenOr(low, high, or) => format!("{kind} from {low} to {high}, or {or}"),
            Rule::Ratio => format!("{kind} from 0 to 1"),
            Rule::OneOf(words) => format!("one of {}", words.join(", ")),
            Rule::EachOf(words) => format!("any of {}, joined by commas", words.join(", ")),
            Rule::ThrottledReplicas => "*, or pairs such as 0:1,1:1".to_owned(),
            Rule::Only(only, _) => only.to_owned(),
        }
    }
}

/// A value that was refused: Kafka's words first, then what would be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadSetting {
    #[error(
        "Unknown topic config name: {0} (kafka-configs --describe --all shows those that a topic may have)"
    )]
    UnknownTopicSetting(String),
    #[error("Invalid value {value} for configuration {name}: {reason} (takes {takes})")]
    Value { name: String, value: String, reason: String, takes: String },
    #[error("{0}")]
    Conflict(String),
}

/// Checks one value against the type and rule of its setting. A refusal begins with Kafka's words, and goes on with what
/// the setting takes.
pub(crate) fn check_value(name: &str, kind: Kind, rule: Rule, raw: &str) -> Result<(), BadSetting> {
    let value = raw.trim();
    if raw.len() > SETTING_VALUE_BYTES_MAX {
        return Err(refused(name, rule, kind, raw, &format!("longer than {SETTING_VALUE_BYTES_MAX} bytes")));
    }
    let no_number = || refused(name, rule, kind, raw, &format!("Not a number of type {}", kind.name()));
    let number = match kind {
        Kind::Int => Some(i64::from(value.parse::<i32>().map_err(|_| no_number())?)),
        Kind::Long => Some(value.parse::<i64>().map_err(|_| no_number())?),
        Kind::Double => {
            let ratio = double(value).ok_or_else(no_number)?;
            return check_ratio(rule, ratio).map_err(|why| refused(name, rule, kind, value, &why));
        }
        Kind::Boolean if !value.eq_ignore_ascii_case("true") && !value.eq_ignore_ascii_case("false") => {
            return Err(refused(name, rule, kind, raw, "Expected value to be either true or false"));
        }
        Kind::List => return check_list(name, rule, value),
        Kind::Boolean | Kind::Text | Kind::Short => None,
    };
    let shown = number.map_or_else(|| value.to_owned(), |number| number.to_string());
    check_rule(rule, value, number).map_err(|why| refused(name, rule, kind, &shown, &why))
}

fn refused(name: &str, rule: Rule, kind: Kind, value: &str, reason: &str) -> BadSetting {
    BadSetting::Value {
        name: name.to_owned(),
        value: shortened(value),
        reason: reason.to_owned(),
        takes: rule.takes(kind),
    }
}

/// A number as Java reads it: a suffix for its width is passed over, and only two words are numbers.
pub(crate) fn double(value: &str) -> Option<f64> {
    let value = value.trim();
    let digits = value.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(value);
    match digits.trim_start_matches(['+', '-']) {
        "NaN" | "Infinity" => value.parse().ok(),
        plain if plain.starts_with(|c: char| c.is_ascii_digit() || c == '.') => digits.parse().ok(),
        _ => None,
    }
}

fn check_ratio(rule: Rule, ratio: f64) -> Result<(), String> {
    match rule {
        // Apache Kafka takes NaN, and then never compacts.
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
        _ => Ok(()),
    }
}

fn check_list(name: &str, rule: Rule, value: &str) -> Result<(), BadSetting> {
    match rule {
        Rule::EachOf(words) if !value.is_empty() => {
            let items: Vec<&str> = value.split(',').map(str::trim).collect();
            if items.iter().any(|item| item.is_empty()) {
                return Err(BadSetting::Conflict(format!(
                    "Configuration '{name}' values must not be empty."
                )));
            }
            let wrong = items.iter().find(|item| !words.contains(item));
            let why = format!("String must be one of: {}", words.join(", "));
            wrong.map_or(Ok(()), |wrong| Err(refused(name, rule, Kind::List, wrong, &why)))
        }
        Rule::ThrottledReplicas if !throttled_replicas(value) => {
            let items: Vec<&str> = list(value).collect();
            let why = format!(
                "{name} must be the literal '*' or a list of replicas in the following format: \
                 [partitionId]:[brokerId],[partitionId]:[brokerId],..."
            );
            Err(refused(name, rule, Kind::List, &format!("[{}]", items.join(", ")), &why))
        }
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
    fn a_refusal_names_key_value_reason_and_what_is_taken() {
        assert_eq!(
            refusal(Kind::Int, Rule::Between(5, 9), "4"),
            "Invalid value 4 for configuration x: Value must be at least 5 (takes an INT from 5 to 9)"
        );
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

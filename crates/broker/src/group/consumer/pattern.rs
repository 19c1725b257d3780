//! Subscription by pattern. Apache Kafka uses RE2; the `regex` crate has its syntax in all that matters here and its
//! promise: time linear in the text, and no more memory than allowed. A pattern must match a topic's whole name.

use std::collections::BTreeSet;

use poruka_wire::{ErrorCode, Str};
use regex::{Regex, RegexBuilder};

use super::{ConsumerGroup, Refused};
use crate::group::limits::{REGEX_BYTES_MAX, REGEX_COMPILED_BYTES_MAX};
use crate::group::topics::TopicView;

fn build(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text)
        .size_limit(REGEX_COMPILED_BYTES_MAX)
        .dfa_size_limit(REGEX_COMPILED_BYTES_MAX)
        .build()
}

/// Compiles a pattern so that it matches whole names.
pub(super) fn compile(text: &str) -> Result<Regex, Refused> {
    let refuse = |why: String| Refused::new(ErrorCode::InvalidRegularExpression, why);
    if text.len() > REGEX_BYTES_MAX {
        return Err(refuse(format!("the pattern is longer than {REGEX_BYTES_MAX} bytes")));
    }
    // On its own first: `a)|(b` is only valid inside the brackets that follow.
    build(text).map_err(|error| refuse(format!("the pattern is not valid: {error}")))?;
    build(&format!(r"\A(?:{text})\z")).map_err(|error| refuse(format!("the pattern is not valid: {error}")))
}

pub(super) fn matching(pattern: &Regex, topics: &TopicView) -> BTreeSet<Str> {
    topics.names().filter(|name| pattern.is_match(name)).map(Str::from).collect()
}

impl ConsumerGroup {
    /// Matches every subscribed pattern with the topics there are now.
    pub(super) fn match_patterns(&mut self, topics: &TopicView) {
        let texts: BTreeSet<Str> =
            self.members.values().filter_map(|member| member.said.topic_regex.clone()).collect();
        // A pattern that was valid when it was persisted compiles again; if it does not, it matches nothing.
        let resolve = |text: Str| {
            let topics = compile(&text).map(|pattern| matching(&pattern, topics)).unwrap_or_default();
            (text, topics)
        };
        self.patterns = texts.into_iter().filter(|text| !text.is_empty()).map(resolve).collect();
    }

    /// Forgets patterns that nobody subscribes to any more.
    pub(super) fn prune_patterns(&mut self) {
        let members = &self.members;
        self.patterns
            .retain(|text, _| members.values().any(|member| member.said.topic_regex.as_ref() == Some(text)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_names_only() {
        let pattern = compile("foo|bar.*").expect("valid");
        assert!(pattern.is_match("foo") && pattern.is_match("bar-1"));
        assert!(!pattern.is_match("foo2") && !pattern.is_match("a-bar"));
    }

    #[test]
    fn patterns_that_are_wrong_or_too_big_are_refused() {
        for bad in
            ["(", "a)|(b", "[", &"a".repeat(REGEX_BYTES_MAX + 1), "(?:a{1000}){1000}", r"(a)\1", "(?=a)b"]
        {
            assert_eq!(
                compile(bad).map_err(|refused| refused.code).err(),
                Some(ErrorCode::InvalidRegularExpression)
            );
        }
    }
}

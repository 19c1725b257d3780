//! A strict reader of Prometheus' text format 0.0.4: what it does not take, a scraper might not take either.

use std::collections::BTreeMap;

/// Every sample by its name and labels as they stand in the text; panics at what the format does not allow.
pub(crate) fn parse(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'), "the last line ends too");
    let mut samples = BTreeMap::new();
    let mut seen = Vec::new();
    let (mut helped, mut family, mut kind) = ("", "", "");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a name and a help");
            assert!(!seen.contains(&name) && !help.is_empty(), "{line}");
            helped = name;
            seen.push(name);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            (family, kind) = rest.split_once(' ').expect("a name and a type");
            assert!(family == helped && ["counter", "gauge", "histogram"].contains(&kind), "{line}");
        } else {
            let (key, value) = line.rsplit_once(' ').expect("a sample");
            let name = key.split_once('{').map_or(key, |(name, labels)| {
                check_labels(labels.strip_suffix('}').expect("closed"));
                name
            });
            let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("{line} is not of {family}"));
            let allowed: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(allowed.contains(&suffix), "{line}");
            let value: f64 = value.parse().expect("a number");
            assert!(value.is_finite() && (value >= 0.0 || kind == "gauge"), "{line}");
            assert_eq!(samples.insert(key.to_owned(), value), None, "{line} is there twice");
        }
    }
    check_histograms(text, &samples);
    samples
}

fn check_labels(mut labels: &str) {
    while !labels.is_empty() {
        let (name, rest) = labels.split_once("=\"").expect("a label");
        assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        let end = rest.find('"').expect("closed");
        assert!(!rest[..end].contains('\\'), "no value here needs escapes: {rest}");
        labels = &rest[end + 1..];
        labels = labels.strip_prefix(',').unwrap_or(labels);
    }
}

/// Buckets rise in bound and in count, and the last one holds all.
fn check_histograms(text: &str, samples: &BTreeMap<String, f64>) {
    let mut last: Option<(String, f64, f64)> = None;
    for line in text.lines().filter(|line| line.contains("le=\"")) {
        let (key, count) = line.rsplit_once(' ').expect("a sample");
        let (before, bound) = key.split_once("le=\"").expect("a bound");
        let bound = bound.trim_end_matches("\"}");
        let count: f64 = count.parse().expect("a count");
        let bound_value = if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect("a bound") };
        if let Some((of, bound, below)) = last.take().filter(|(of, ..)| of == before) {
            assert!(bound < bound_value && below <= count, "{of}");
        }
        if bound == "+Inf" {
            let plain = before.trim_end_matches([',', '{']).replacen("_bucket", "_count", 1);
            let plain = if plain.contains('{') { format!("{plain}}}") } else { plain };
            assert_eq!(samples.get(&plain), Some(&count), "{plain}");
        } else {
            last = Some((before.to_owned(), bound_value, count));
        }
    }
}

#[test]
#[should_panic(expected = "is there twice")]
fn a_number_that_is_there_twice_is_seen() {
    parse("# HELP a A.\n# TYPE a gauge\na 1\na 2\n");
}

#[test]
#[should_panic(expected = "a_count")]
fn a_histogram_that_does_not_add_up_is_seen() {
    parse(
        "# HELP a A.\n# TYPE a histogram\na_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 2\na_sum 3\na_count 3\n",
    );
}

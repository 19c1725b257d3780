//! The page: numbers under the names of the table, as text in Prometheus' exposition format 0.0.4.

use std::fmt;

use poruka_log::Histogram;

use super::families::{FAMILIES, Kind};

/// One number.
#[derive(Debug)]
struct Sample {
    /// Which row of the table.
    family: usize,
    /// "", "_bucket", "_sum" or "_count".
    suffix: &'static str,
    labels: Vec<(&'static str, String)>,
    value: f64,
}

/// What a broker tells about itself at one moment. Its text is what `GET /metrics` answers.
#[derive(Debug, Default)]
pub struct MetricsPage {
    samples: Vec<Sample>,
}

impl MetricsPage {
    /// One number of the page: `value("poruka_produced_records_total", &[("class", "synced")])`. Of a histogram ask for
    /// `..._count`, `..._sum`, or `..._bucket` with its `le`.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let found = self.samples.iter().find(|sample| {
            name.strip_prefix(FAMILIES[sample.family].name) == Some(sample.suffix)
                && sample.labels.len() == labels.len()
                && sample.labels.iter().zip(labels).all(|(have, want)| (have.0, have.1.as_str()) == *want)
        })?;
        Some(found.value)
    }

    /// Adds a number. `labels` are the values of the family's labels, in the table's order.
    pub(super) fn add(&mut self, name: &str, labels: &[&str], value: f64) {
        let (family, labels) = find(name, labels);
        self.samples.push(Sample { family, suffix: "", labels, value });
    }

    /// Adds a histogram; `per` is how many of what it counts in make one of the unit in the name.
    pub(super) fn add_histogram(&mut self, name: &str, labels: &[&str], histogram: &Histogram, per: f64) {
        let (family, labels) = find(name, labels);
        let sum = histogram.sum() as f64 / per;
        let mut count = 0;
        for (bound, below) in histogram.cumulative() {
            let le = bound.map_or("+Inf".to_owned(), |bound| (bound as f64 / per).to_string());
            let labels = labels.iter().cloned().chain([("le", le)]).collect();
            self.samples.push(Sample { family, suffix: "_bucket", labels, value: below as f64 });
            count = below;
        }
        self.samples.push(Sample { family, suffix: "_sum", labels: labels.clone(), value: sum });
        self.samples.push(Sample { family, suffix: "_count", labels, value: count as f64 });
    }
}

fn find(name: &str, labels: &[&str]) -> (usize, Vec<(&'static str, String)>) {
    let family = FAMILIES.iter().position(|family| family.name == name).expect("the table holds every name");
    let names = FAMILIES[family].labels;
    assert_eq!(names.len(), labels.len(), "{name} has these labels");
    (family, names.iter().copied().zip(labels.iter().map(|label| (*label).to_owned())).collect())
}

impl fmt::Display for MetricsPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, family) in FAMILIES.iter().enumerate() {
            let mut samples = self.samples.iter().filter(|sample| sample.family == number).peekable();
            if samples.peek().is_none() {
                continue;
            }
            writeln!(f, "# HELP {} {}", family.name, family.help)?;
            writeln!(f, "# TYPE {} {}", family.name, family.kind.name())?;
            for sample in samples {
                write!(f, "{}{}", family.name, sample.suffix)?;
                for (place, (label, value)) in sample.labels.iter().enumerate() {
                    let before = if place == 0 { "{" } else { "," };
                    write!(f, "{before}{label}=\"{}\"", Escaped(value))?;
                }
                let after = if sample.labels.is_empty() { "" } else { "}" };
                debug_assert_eq!(sample.suffix.is_empty(), family.kind != Kind::Histogram);
                writeln!(f, "{after} {}", sample.value)?;
            }
        }
        Ok(())
    }
}

/// A label's value as the format wants it.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            c => write!(f, "{c}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_the_exposition_format() {
        let mut page = MetricsPage::default();
        page.add("poruka_build_info", &["1\"\\\n2"], 1.0);
        let histogram = Histogram::new(&[25, 1_000_000]);
        histogram.observe(25);
        histogram.observe(500_000);
        page.add_histogram("poruka_produce_ack_seconds", &["synced"], &histogram, 1e6);
        let wanted = "\
# HELP poruka_build_info Always 1; the version that runs.
# TYPE poruka_build_info gauge
poruka_build_info{version=\"1\\\"\\\\\\n2\"} 1
# HELP poruka_produce_ack_seconds From the arrival of a produce request to its answer: what the durability of the topic costs.
# TYPE poruka_produce_ack_seconds histogram
poruka_produce_ack_seconds_bucket{class=\"synced\",le=\"0.000025\"} 1
poruka_produce_ack_seconds_bucket{class=\"synced\",le=\"1\"} 2
poruka_produce_ack_seconds_bucket{class=\"synced\",le=\"+Inf\"} 2
poruka_produce_ack_seconds_sum{class=\"synced\"} 0.500025
poruka_produce_ack_seconds_count{class=\"synced\"} 2
";
        assert_eq!(page.to_string(), wanted);
        let count = page.value("poruka_produce_ack_seconds_count", &[("class", "synced")]);
        assert_eq!(count, Some(2.0));
        assert_eq!(page.value("poruka_produce_ack_seconds_count", &[("class", "cached")]), None);
    }
}

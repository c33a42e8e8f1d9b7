//! A strict reader of the text format of Prometheus, version 0.0.4. What it does not understand is an error.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};

/// All figures of a text, by the name of their family.
#[derive(Debug, Default)]
pub struct Figures {
    pub families: BTreeMap<String, Family>,
}

/// The figures of one name.
#[derive(Debug)]
pub struct Family {
    pub kind: String,
    pub samples: Vec<Sample>,
}

/// One line.
#[derive(Debug)]
pub struct Sample {
    /// That of the family, and for a histogram with an ending.
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// The parts of a histogram.
#[derive(Default)]
struct Parts {
    /// The upper limit of each, and what it holds.
    buckets: Vec<(f64, f64)>,
    sum: Option<f64>,
    count: Option<f64>,
}

impl Figures {
    /// # Errors
    ///
    /// When a line is not of the format, a family is torn apart, a series comes twice, or the parts of a histogram contradict each
    /// other.
    pub fn parse(text: &str) -> Result<Self> {
        ensure!(text.ends_with('\n'), "the last line has no end");
        let (mut figures, mut open, mut helped) = (Self::default(), None::<String>, None);
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').context("HELP without words")?;
                ensure!(is_name(name) && !words.is_empty(), "{line}");
                helped = Some(name.to_owned());
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').context("TYPE without a type")?;
                ensure!(helped.take().as_deref() == Some(name), "no HELP right before: {line}");
                ensure!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                let family = Family { kind: kind.to_owned(), samples: Vec::new() };
                ensure!(
                    figures.families.insert(name.to_owned(), family).is_none(),
                    "a second family: {line}"
                );
                open = Some(name.to_owned());
            } else {
                let sample = sample(line).with_context(|| format!("not a line of the format: {line}"))?;
                let name = open.as_deref().context("a figure without a type")?;
                let family = figures.families.get_mut(name).context("no family")?;
                let endings: &[&str] =
                    if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
                let is_of_it = endings.iter().any(|ending| sample.name == format!("{name}{ending}"));
                ensure!(is_of_it, "not of the family {name}: {line}");
                family.samples.push(sample);
            }
        }
        ensure!(helped.is_none(), "HELP without a type");
        for (name, family) in &figures.families {
            family.check(name).with_context(|| format!("the family {name}"))?;
        }
        Ok(figures)
    }

    /// The figure with this name and exactly these labels.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: BTreeMap<_, _> =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut samples = self.families.values().flat_map(|family| &family.samples);
        samples.find(|sample| sample.name == name && sample.labels == labels).map(|sample| sample.value)
    }

    /// All names that a query can ask for.
    pub fn names(&self) -> BTreeSet<&str> {
        self.families.values().flat_map(|family| &family.samples).map(|sample| sample.name.as_str()).collect()
    }
}

impl Family {
    fn check(&self, name: &str) -> Result<()> {
        ensure!(!self.samples.is_empty(), "no figures");
        let mut series = BTreeSet::new();
        for Sample { name, labels, .. } in &self.samples {
            ensure!(series.insert((name, labels)), "{name} {labels:?} comes twice");
        }
        match self.kind.as_str() {
            "counter" => {
                ensure!(name.ends_with("_total"), "a counter ends with _total");
                for Sample { value, labels, .. } in &self.samples {
                    ensure!(*value >= 0.0 && value.is_finite(), "{labels:?} is {value}");
                }
            }
            "histogram" => self.check_histogram(name)?,
            _ => ensure!(!name.ends_with("_total"), "only a counter ends with _total"),
        }
        Ok(())
    }

    /// Buckets hold what the smaller ones hold, and the last one holds all.
    fn check_histogram(&self, name: &str) -> Result<()> {
        let mut of_labels: BTreeMap<_, Parts> = BTreeMap::new();
        for Sample { name: of, labels, value } in &self.samples {
            let mut labels = labels.clone();
            let limit = labels.remove("le");
            let Parts { buckets, sum, count } = of_labels.entry(labels).or_default();
            match (of.strip_prefix(name), limit) {
                (Some("_bucket"), Some(limit)) => buckets.push((number(&limit)?, *value)),
                (Some("_sum"), None) => *sum = Some(*value),
                (Some("_count"), None) => *count = Some(*value),
                _ => bail!("{of} has the labels of another part"),
            }
        }
        for (labels, Parts { buckets, sum, count }) in of_labels {
            let rises = buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
            ensure!(rises, "{labels:?}: {buckets:?}");
            let last = buckets.last().context("no buckets")?;
            ensure!(last.0 == f64::INFINITY && Some(last.1) == count, "{labels:?}: {last:?} of {count:?}");
            ensure!(sum.is_some_and(f64::is_finite), "{labels:?}: no sum");
        }
        Ok(())
    }
}

fn sample(line: &str) -> Result<Sample> {
    let end = line.find(['{', ' ']).context("no value")?;
    let (name, mut rest) = line.split_at(end);
    ensure!(is_name(name), "{name} is no name");
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").context("no label")?;
            ensure!(
                is_name(label) && !label.contains(':') && !label.starts_with("__"),
                "{label} is no label"
            );
            let (value, after) = quoted(after)?;
            ensure!(labels.insert(label.to_owned(), value).is_none(), "{label} comes twice");
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None => {
                    rest = after.strip_prefix('}').context("no end of the labels")?;
                    break;
                }
            }
        }
    }
    let value = number(rest.strip_prefix(' ').context("no space before the value")?)?;
    Ok(Sample { name: name.to_owned(), labels, value })
}

/// A text until its closing quote, and what comes after.
fn quoted(text: &str) -> Result<(String, &str)> {
    let (mut value, mut characters) = (String::new(), text.char_indices());
    while let Some((place, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[place + 1..])),
            '\\' => value.push(match characters.next().context("an escape without a character")?.1 {
                'n' => '\n',
                escaped @ ('\\' | '"') => escaped,
                other => bail!("the escape \\{other}"),
            }),
            other => value.push(other),
        }
    }
    bail!("no closing quote")
}

fn number(text: &str) -> Result<f64> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        _ => {
            let number: f64 = text.parse().with_context(|| format!("{text} is no number"))?;
            ensure!(number.is_finite(), "{text} is no number of the format");
            Ok(number)
        }
    }
}

fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || "_:".contains(first))
        && characters.all(|next| next.is_ascii_alphanumeric() || "_:".contains(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"1\\\"2\",y=\"\"} 3\na_total 4\n# HELP h Sizes.\n\
                        # TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 7.5\nh_count 2\n";

    #[test]
    fn a_good_text_is_read() {
        let figures = Figures::parse(GOOD).unwrap();
        assert_eq!(figures.value("a_total", &[("x", "1\"2"), ("y", "")]), Some(3.0));
        assert_eq!(figures.value("a_total", &[("x", "1\"2")]), None);
        assert_eq!(figures.value("h_bucket", &[("le", "+Inf")]), Some(2.0));
        assert_eq!(
            figures.names().into_iter().collect::<Vec<_>>(),
            ["a_total", "h_bucket", "h_count", "h_sum"]
        );
    }

    #[test]
    fn any_fault_is_an_error() {
        for (from, to) in [
            ("# HELP a_total Things.\n", ""),
            ("# TYPE h histogram", "# TYPE h summary"),
            ("a_total 4", "a_total{x=\"1\\\"2\",y=\"\"} 4"),
            ("a_total 4", "b_total 4"),
            ("a_total 4", "a_total four"),
            ("a_total 4", "a_total -4"),
            ("a_total 4", "a_total 4 "),
            ("y=\"\"}", "y=\"}"),
            ("y=\"\"}", "x=\"\"}"),
            ("\\\"2", "\\t2"),
            ("h_count 2\n", "h_count 2"),
            ("h_count 2", "h_count 3"),
            ("{le=\"1\"} 1", "{le=\"1\"} 3"),
            ("h_sum 7.5\n", ""),
            ("a_total", "a"),
        ] {
            let bad = GOOD.replace(from, to);
            assert_ne!(bad, GOOD);
            assert!(Figures::parse(&bad).is_err(), "{from} -> {to}");
        }
    }
}

//! `make bench-detection`: judges generated months by the detector and by rules to compare with, and prints the tables.
//!
//! `--write FOLDER` also writes the tables into `detection.md` of that folder, and the pictures beside it. A goal that is
//! missed by more than a tenth makes the program fail.

use std::io::Write as _;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use bench::replay::Rule;
use clap::Parser;
use fleet::cases;
use fleet::compare::{Compared, Point, compare, compare_at_rate, curve, months};
use fleet::goal::Measured;
use fleet::judges::{Models, PEERS};
use fleet::noise;
use fleet::pager::{AtThreshold, Scorer};
use fleet::pictures::{Curve, month_with_band, precision_against_recall};
use fleet::public::{self, Kind};
use fleet::record::Judge;
use fleet::report;
use fleet::usage::Month;

mod page;
mod speed;

/// Judges generated months of 73 customers by rules, and prints what each rule finds, misses and pages.
#[derive(Parser)]
struct Arguments {
    /// A seed, or the first and the last one. May be given several times.
    #[arg(long = "seed", value_name = "N or N-M", default_value = "1-2", value_parser = seeds)]
    seeds: Vec<RangeInclusive<u64>>,
    /// Other seeds, on which the detector is judged too, and the rules to compare with get their thresholds.
    #[arg(long = "other-seed", value_name = "N or N-M", default_value = "101-102", value_parser = seeds)]
    others: Vec<RangeInclusive<u64>>,
    /// Another setting of the detector: a name, and the variables in which it differs from the defaults. May be given
    /// several times.
    #[arg(long = "rule", value_name = "NAME:VARIABLE=VALUE,…", value_parser = rule)]
    rules: Vec<Rule>,
    /// A program that prints how long fit and check of a series take, as the example `speed` of the crate `detection` does.
    #[arg(long, value_name = "PROGRAM")]
    speed: Option<PathBuf>,
    /// Also judge a public set of labelled series: what its values are, and the folder of its files. May be given several
    /// times. Without any, the page keeps the figures that it has.
    #[arg(long, value_name = "usage|service|machine:FOLDER", value_parser = data)]
    data: Vec<(Kind, PathBuf)>,
    /// Write tables and pictures to this folder.
    #[arg(long, value_name = "FOLDER")]
    write: Option<PathBuf>,
}

/// Thresholds of a curve, as factors of the threshold that a rule is compared at.
const FACTORS: [f64; 13] = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0];

/// Tells on the standard error how far the work is.
struct Progress(Instant);

impl Progress {
    fn note(&self, done: &str) {
        eprintln!("{:4.0} s  {done}", self.0.elapsed().as_secs_f64());
    }
}

/// What the rules did.
struct Judged {
    /// The detector first, then its models and its classical rule alone, other settings, and the rules to compare with.
    rules: Vec<Compared>,
    /// The detector on the other seeds.
    elsewhere: Compared,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let progress = Progress(Instant::now());
    let (own, jobs) = months(&all(&arguments.seeds))?;
    let (others, _) = months(&all(&arguments.others))?;
    progress.note("months generated");
    let judged = judged(&arguments, &progress, &own, &others, jobs.as_ref())?;
    let figures = figures(&arguments, &progress, &judged)?;
    let tables = page::tables(&arguments, &judged, &figures);
    let (sets, mut missed) = public_sets(&arguments.data, &progress)?;
    print(&format!("{tables}\n{sets}"))?;
    if let Some(folder) = &arguments.write {
        page::write_parts(&folder.join("detection.md"), &tables, &sets)?;
        let first = own.first().context("no seed")?;
        page::write(&folder.join("detection-month.svg"), &month_with_band(first)?)?;
        let curves = curves(&judged.rules, &own);
        page::write(&folder.join("detection-peers.svg"), &precision_against_recall(&curves))?;
        progress.note("page and pictures");
    }
    missed.extend(figures.into_iter().filter(Measured::is_missed).map(|figure| figure.name));
    missed.iter().for_each(|name| eprintln!("missed by more than a tenth: {name}"));
    Ok(if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(text: &str) -> Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("cannot print the report")
}

/// The table of public sets, and the goals that are missed. Nothing without sets.
fn public_sets(data: &[(Kind, PathBuf)], progress: &Progress) -> Result<(String, Vec<String>)> {
    let mut series = Vec::new();
    for (kind, folder) in data {
        series.extend(public::read(*kind, folder)?);
    }
    if series.is_empty() {
        return Ok(Default::default());
    }
    let table = public::table(&series);
    progress.note("public sets");
    Ok(table)
}

/// All figures that have a goal.
fn figures(arguments: &Arguments, progress: &Progress, judged: &Judged) -> Result<Vec<Measured>> {
    let mut figures = judged.rules.first().map(report::measured).unwrap_or_default();
    figures.extend(cases::measure(&all(&arguments.seeds))?);
    progress.note("special cases");
    figures.extend(noise::measure());
    progress.note("noise");
    if let Some(program) = &arguments.speed {
        figures.extend(speed::measure(program)?);
        progress.note("speed");
    }
    Ok(figures)
}

fn judged(
    arguments: &Arguments,
    progress: &Progress,
    own: &[Month],
    others: &[Month],
    jobs: Option<&Month>,
) -> Result<Judged> {
    let with = |name: &str, variables: &[(&str, &str)]| Rule {
        name: name.to_owned(),
        variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    };
    let detector = with("the detector", &[]);
    let classical = with("classical rule alone", &[("DETECTORS", "z_score")]);
    let models = AtThreshold { scorer: &Models, threshold: 1.0 };
    let judges: [&dyn Judge; 3] = [&detector, &models, &classical];
    let mut rules = Vec::new();
    for judge in judges.into_iter().chain(arguments.rules.iter().map(|rule| rule as &dyn Judge)) {
        rules.push(compare(judge, own, jobs)?);
        progress.note(judge.name());
    }
    let elsewhere = compare(&detector, others, None)?;
    progress.note("the detector on other seeds");
    let rate = rules.first().and_then(|rule| rule.total().false_pages_a_customer_month()).unwrap_or(0.0);
    for scorer in PEERS {
        rules.push(compare_at_rate(scorer, rate, others, own, None)?);
        progress.note(scorer.name());
    }
    Ok(Judged { rules, elsewhere })
}

/// The lines of all rules that are only a score.
fn curves(compared: &[Compared], own: &[Month]) -> Vec<Curve> {
    let scorers = std::iter::once(&Models as &dyn Scorer).chain(PEERS);
    let line = |scorer: &dyn Scorer| {
        let rule = compared.iter().find(|rule| rule.name == scorer.name())?;
        let threshold = rule.threshold.unwrap_or(1.0);
        let total = rule.total();
        let stands = total.found().zip(total.precision());
        Some(Curve {
            name: rule.name.clone(),
            points: curve(scorer, own, &FACTORS.map(|factor| factor * threshold)),
            stands: stands.map(|(recall, precision)| Point { threshold, recall, precision }),
        })
    };
    scorers.filter_map(line).collect()
}

fn all(seeds: &[RangeInclusive<u64>]) -> Vec<u64> {
    seeds.iter().cloned().flatten().collect()
}

fn seeds(text: &str) -> Result<RangeInclusive<u64>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| {
        text.parse::<u64>().with_context(|| format!("{text:?} is no seed: a seed is a whole number"))
    };
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        bail!("{text:?} has no seeds: the first one must not be greater than the last one");
    }
    Ok(first..=last)
}

fn data(text: &str) -> Result<(Kind, PathBuf)> {
    let (name, folder) = text.split_once(':').with_context(|| format!("{text:?} is no KIND:FOLDER"))?;
    let kind = [Kind::Usage, Kind::Service, Kind::Machine].into_iter().find(|kind| kind.name() == name);
    let kind = kind.with_context(|| format!("{name:?} is no kind of set: usage, service or machine"))?;
    Ok((kind, PathBuf::from(folder)))
}

fn rule(text: &str) -> Result<Rule> {
    let (name, variables) = text.split_once(':').unwrap_or((text, ""));
    let variables = variables.split(',').filter(|variable| !variable.is_empty()).map(|variable| {
        let (name, value) =
            variable.split_once('=').with_context(|| format!("{variable:?} is no VARIABLE=VALUE"))?;
        Ok((name.to_owned(), value.to_owned()))
    });
    Ok(Rule { name: name.to_owned(), variables: variables.collect::<Result<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_single_or_from_the_first_to_the_last() {
        assert_eq!(seeds("7").unwrap(), 7..=7);
        assert_eq!(seeds("2-5").unwrap(), 2..=5);
        for wrong in ["", "a", "5-2", "1-", "-3", "1.5"] {
            assert!(seeds(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_rule_is_a_name_with_variables() {
        let strict = rule("strict:THRESHOLD=4,CRITICAL_THRESHOLD=8").unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let variables = vec![pair("THRESHOLD", "4"), pair("CRITICAL_THRESHOLD", "8")];
        assert_eq!(strict, Rule { name: String::from("strict"), variables });
        assert_eq!(rule("default").unwrap().variables, []);
        assert!(rule("strict:THRESHOLD").is_err());
    }

    #[test]
    fn a_set_is_a_kind_and_a_folder() {
        assert_eq!(data("machine:/data/NAB").unwrap(), (Kind::Machine, PathBuf::from("/data/NAB")));
        for wrong in ["/data/NAB", "levels:/data/NAB", ""] {
            assert!(data(wrong).is_err(), "{wrong:?}");
        }
    }
}

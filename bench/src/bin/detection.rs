//! `make bench-detection`: judges generated months by the detector and by rules to compare with, and prints the tables.
//!
//! `--write FOLDER` also writes the tables into `detection.md` of that folder, and the pictures beside it.

use std::fs;
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use bench::replay::Rule;
use clap::Parser;
use fleet::compare::{Compared, Point, compare, compare_at_rate, curve, months};
use fleet::judges::{Models, PEERS};
use fleet::pager::{AtThreshold, Scorer};
use fleet::pictures::{Curve, month_with_band, precision_against_recall};
use fleet::report;
use fleet::usage::Month;

/// Judges generated months of 73 customers by rules, and prints what each rule finds, misses and pages.
#[derive(Parser)]
struct Arguments {
    /// A seed, or the first and the last one. May be given several times.
    #[arg(long = "seed", value_name = "N or N-M", default_value = "1-2", value_parser = seeds)]
    seeds: Vec<RangeInclusive<u64>>,
    /// Seeds of the months on which the thresholds of the rules to compare with are found.
    #[arg(long = "other-seed", value_name = "N or N-M", default_value = "101", value_parser = seeds)]
    others: Vec<RangeInclusive<u64>>,
    /// Another setting of the detector: a name, and the variables in which it differs from the defaults. May be given
    /// several times.
    #[arg(long = "rule", value_name = "NAME:VARIABLE=VALUE,…", value_parser = rule)]
    rules: Vec<Rule>,
    /// Write tables and pictures to this folder.
    #[arg(long, value_name = "FOLDER")]
    write: Option<PathBuf>,
}

/// The part of the page between these lines is written by this program.
const BEGIN: &str = "<!-- Written by `make bench-detection`. -->";
const END: &str = "<!-- End of the part that `make bench-detection` writes. -->";

/// Thresholds of a curve, as factors of the threshold that a rule is compared at.
const FACTORS: [f64; 13] = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0];

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let started = Instant::now();
    let (own, jobs) = months(&all(&arguments.seeds))?;
    let (others, _) = months(&all(&arguments.others))?;
    let compared = judged(&arguments, &own, &others, jobs.as_ref())?;
    let tables = report::tables(&compared);
    eprintln!(
        "{} months judged by {} rules in {:.0} s",
        own.len(),
        compared.len(),
        started.elapsed().as_secs_f64()
    );
    std::io::stdout().write_all(tables.as_bytes()).context("cannot print the report")?;
    if let Some(folder) = &arguments.write {
        let page = format!("{}\n{tables}", introduction(&arguments));
        write_page(&folder.join("detection.md"), &page)?;
        let first = own.first().context("no seed")?;
        write(&folder.join("detection-month.svg"), &month_with_band(first)?)?;
        write(&folder.join("detection-peers.svg"), &precision_against_recall(&curves(&compared, &own)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The models first, then the detector as it is deployed, then the rules to compare with.
fn judged(
    arguments: &Arguments,
    own: &[Month],
    others: &[Month],
    jobs: Option<&Month>,
) -> Result<Vec<Compared>> {
    let models = compare(&AtThreshold { scorer: &Models, threshold: 1.0 }, own, jobs)?;
    let rate = models.total().false_pages_a_customer_month().unwrap_or(0.0);
    let mut compared = vec![models];
    let with = |name: &str, variables: &[(&str, &str)]| Rule {
        name: name.to_owned(),
        variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    };
    let deployed = [
        with("detector, as deployed", &[]),
        with("detector, classical rule alone", &[("DETECTORS", "z_score")]),
    ];
    for rule in deployed.iter().chain(&arguments.rules) {
        compared.push(compare(rule, own, jobs)?);
    }
    for scorer in PEERS {
        compared.push(compare_at_rate(scorer, rate, others, own, None)?);
    }
    Ok(compared)
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

/// Puts the text between the marks of the page.
fn write_page(path: &Path, text: &str) -> Result<()> {
    let page = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else {
        bail!("{} has no part between the lines {BEGIN:?} and {END:?}", path.display());
    };
    write(path, &format!("{before}{BEGIN}\n\n{text}\n{END}{after}"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
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

fn rule(text: &str) -> Result<Rule> {
    let (name, variables) = text.split_once(':').unwrap_or((text, ""));
    let variables = variables.split(',').filter(|variable| !variable.is_empty()).map(|variable| {
        let (name, value) =
            variable.split_once('=').with_context(|| format!("{variable:?} is no VARIABLE=VALUE"))?;
        Ok((name.to_owned(), value.to_owned()))
    });
    Ok(Rule { name: name.to_owned(), variables: variables.collect::<Result<_>>()? })
}

/// What a reader of the tables needs to know.
fn introduction(arguments: &Arguments) -> String {
    let text = |seeds: &[RangeInclusive<u64>]| {
        let texts = seeds.iter().map(|seeds| match (seeds.start(), seeds.end()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first} to {last}"),
        });
        texts.collect::<Vec<_>>().join(", ")
    };
    format!(
        "Months of 73 customers of 21 kinds, three metrics each: nine weeks of history and 672 hourly runs. The causes to be\n\
         found are known. Seeds: {}. The rules to compare with have the threshold at which their false pages come nearest\n\
         to those of the models on the seeds {}. A goal within a tenth counts as met.\n\
         \n\
         - Kinds of customers: `bench/fleet/src/generate/kinds.rs`. Causes: `bench/fleet/src/generate/causes.rs`.\n\
         - What counts as found, true and false: `bench/fleet/src/tally.rs`. From scores to pages: `bench/fleet/src/pager.rs`.\n\
         - Other seeds: `cargo run -p bench --bin detection -- --seed 21-24`.\n",
        text(&arguments.seeds),
        text(&arguments.others)
    )
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
    fn the_tables_take_the_place_of_earlier_ones() {
        let folder = std::env::temp_dir().join(format!("detection-page-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let page = folder.join("detection.md");
        fs::write(&page, format!("before\n{BEGIN}\nold\n{END}\nafter\n")).unwrap();
        write_page(&page, "new").unwrap();
        assert_eq!(fs::read_to_string(&page).unwrap(), format!("before\n{BEGIN}\n\nnew\n{END}\nafter\n"));
        fs::write(&page, "no marks").unwrap();
        assert!(write_page(&page, "new").unwrap_err().to_string().contains("has no part"));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_page_says_which_seeds_were_judged() {
        let arguments = Arguments::parse_from(["detection", "--seed", "3", "--seed", "5-8"]);
        assert!(introduction(&arguments).contains("Seeds: 3, 5 to 8."));
    }
}

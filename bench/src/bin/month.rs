//! `make month`: judges simulated months and prints the report.
//!
//! `--write FILE` also writes the report as a page, and `--check FILE` fails if the page is another one.

use std::fs;
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use bench::month::replay::Rule;
use bench::month::{judge, report};
use clap::Parser;

/// Judges a simulated month of 50 customers by rules, and prints what each rule finds, misses and pages.
#[derive(Parser)]
struct Arguments {
    /// A seed, or the first and the last one. May be given several times.
    #[arg(long = "seed", value_name = "N or N-M", default_value = "1-10", value_parser = seeds)]
    seeds: Vec<RangeInclusive<u64>>,
    /// A rule: a name, and the detector's variables in which it differs from the defaults. May be given several times.
    #[arg(long = "rule", value_name = "NAME[:VARIABLE=VALUE,…]", default_value = "z_score", value_parser = rule)]
    rules: Vec<Rule>,
    /// Write the report to this page.
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    write: Option<PathBuf>,
    /// Fail if this page is not the report.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let seeds: Vec<u64> = arguments.seeds.iter().cloned().flatten().collect();
    let started = Instant::now();
    let judged = judge(&seeds, &arguments.rules)?;
    eprintln!("{} months judged in {:.1} s", judged.len(), started.elapsed().as_secs_f64());
    let tables = report::tables(&judged);
    let page = format!("{}\n{tables}", introduction(&arguments));
    match (&arguments.write, &arguments.check) {
        (Some(path), _) => {
            fs::write(path, &page).with_context(|| format!("cannot write {}", path.display()))?;
            print(&tables)?;
        }
        (None, Some(path)) => {
            let written =
                fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            if written != page {
                eprintln!("{} is not what the rules do: run `make month`", path.display());
                return Ok(ExitCode::FAILURE);
            }
        }
        (None, None) => print(&tables)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints, unless nobody reads on: then there is an error and no panic.
fn print(text: &str) -> Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("cannot print the report")
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

/// What a reader of the page needs to know.
fn introduction(arguments: &Arguments) -> String {
    let seeds: Vec<String> = arguments
        .seeds
        .iter()
        .map(|seeds| match (seeds.start(), seeds.end()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first} to {last}"),
        })
        .collect();
    format!(
        "# What the detector finds in a simulated month\n\
         \n\
         `make month` wrote this page. It plays months through the detector's own code: 50 customers of ten kinds, three metrics\n\
         each, four weeks of history and 672 hourly runs. The causes to be found are known. Seeds: {}.\n\
         Each figure is the mean of the seeds, with the range in brackets. A month has 28 days.\n\
         \n\
         - Kinds of customers and their formulas: `bench/src/month/generate/kinds.rs`.\n\
         - Causes: `bench/src/month/generate/causes.rs`.\n\
         - What counts as found, paged, true and false: `bench/src/month/tally.rs`.\n\
         - Other seeds, and another rule beside today's:\n\
         \n  \
         ```sh\n  \
         cargo run -p bench --bin month -- --seed 1-20 --rule z_score --rule strict:THRESHOLD=4\n  \
         ```\n",
        seeds.join(", ")
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
        assert_eq!(rule("z_score").unwrap().variables, []);
        assert!(rule("strict:THRESHOLD").is_err());
    }

    #[test]
    fn the_page_says_which_seeds_were_judged() {
        let arguments = Arguments::parse_from(["month", "--seed", "3", "--seed", "5-8"]);
        assert!(introduction(&arguments).contains("Seeds: 3, 5 to 8."));
    }
}

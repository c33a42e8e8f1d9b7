//! The parts of the page `detection.md` that are written here.

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::{Context, Result};
use fleet::compare::Compared;
use fleet::goal::Measured;
use fleet::page::Marks;
use fleet::report;

use super::{Arguments, Judged, all};

const TABLES: Marks = Marks {
    begin: "<!-- Written by `make bench-detection`. -->",
    end: "<!-- End of the part that `make bench-detection` writes. -->",
};

const SETS: Marks = Marks {
    begin: "<!-- Written by the program of `make bench-detection` with `--data`. -->",
    end: "<!-- End of the part that `--data` writes. -->",
};

/// All tables of the fleet, with a line or two for their readers.
pub(super) fn tables(arguments: &Arguments, judged: &Judged, figures: &[Measured]) -> String {
    let rules: Vec<&Compared> = judged.rules.iter().collect();
    let kinds = judged.rules.first().map(report::kinds).unwrap_or_default();
    let parts = [
        introduction(arguments),
        heading("Goals", "A value within a tenth of its goal counts as met."),
        report::goals(figures),
        heading(
            "Beside other rules",
            "- *Models alone*: fit and check, with simple pages around them. Curves and pictures are of these.\n\
             - *Classical rule alone*: the detector with `DETECTORS=z_score`.\n\
             - All others are only a score. Their threshold is the one at which their false pages come nearest to the detector's on\n\
             other seeds. Their incidents open and end as the detector's do.",
        ),
        report::figures(&rules),
        heading(
            "Other seeds",
            "The detector, seed by seed. The rules to compare with get their thresholds on the last ones.",
        ),
        of_seeds(arguments, judged),
        heading("Customers", "The detector, by kind of customer."),
        kinds,
        heading("Causes", "Found and median delay, by kind of cause."),
        report::causes(&rules),
    ];
    parts.join("\n")
}

fn heading(title: &str, text: &str) -> String {
    format!("### {title}\n\n{text}\n")
}

/// What a reader of the tables needs to know.
fn introduction(arguments: &Arguments) -> String {
    format!(
        "Months of 73 customers of 21 kinds, three metrics each: nine weeks of history and 672 hourly runs. The causes to be\n\
         found are known. The detector's own code judges each hour, with table and topic in memory. Seeds: {}; other seeds: {}.\n\
         \n\
         - Kinds of customers: `bench/fleet/src/generate/kinds.rs`. Causes: `bench/fleet/src/generate/causes.rs`.\n\
         - What counts as found, true and false: `bench/fleet/src/tally.rs`. A message is what a chat gets about one customer in one\n\
         run. Reminders count, and nobody acknowledges.\n\
         - Your own seeds: `cargo run -p bench --bin detection -- --seed 21-24`.\n",
        seeds(&arguments.seeds),
        seeds(&arguments.others)
    )
}

fn seeds(of: &[RangeInclusive<u64>]) -> String {
    let texts = of.iter().map(|seeds| match (seeds.start(), seeds.end()) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first} to {last}"),
    });
    texts.collect::<Vec<_>>().join(", ")
}

/// The figures of the detector, with a column for each seed.
fn of_seeds(arguments: &Arguments, judged: &Judged) -> String {
    let seeds = [all(&arguments.seeds), all(&arguments.others)].concat();
    let of_own = judged.rules.iter().take(1).flat_map(|rule| &rule.months);
    let months = of_own.chain(&judged.elsewhere.months);
    let of_seed = |(seed, month): (u64, &fleet::tally::Tally)| Compared {
        name: format!("seed {seed}"),
        threshold: None,
        months: vec![month.clone()],
        kinds: Vec::new(),
        pages_of_job: None,
    };
    let columns: Vec<Compared> = seeds.into_iter().zip(months).map(of_seed).collect();
    report::figures(&columns.iter().collect::<Vec<_>>())
}

/// Writes the tables into the page, and those of public sets if there are any.
pub(super) fn write_parts(path: &Path, tables: &str, sets: &str) -> Result<()> {
    let read = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let replaced = |page: &str, marks: &Marks, text: &str| {
        marks.replaced(page, text).with_context(|| format!("{} cannot be written", path.display()))
    };
    let mut page = replaced(&read, &TABLES, tables)?;
    if !sets.is_empty() {
        page = replaced(&page, &SETS, sets)?;
    }
    write(path, &page)
}

pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn tables_take_the_place_of_earlier_ones() {
        let folder = std::env::temp_dir().join(format!("detection-page-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let page = folder.join("detection.md");
        let text = |tables: &str, sets: &str| {
            let part = |Marks { begin, end }: &Marks, text: &str| format!("{begin}\n\n{text}\n\n{end}");
            format!("before\n{}\nbetween\n{}\nafter\n", part(&TABLES, tables), part(&SETS, sets))
        };
        fs::write(&page, text("old", "old")).unwrap();
        write_parts(&page, "new\n", "").unwrap();
        assert_eq!(fs::read_to_string(&page).unwrap(), text("new", "old"));
        write_parts(&page, "newer", "sets\n").unwrap();
        assert_eq!(fs::read_to_string(&page).unwrap(), text("newer", "sets"));
        fs::write(&page, "no marks").unwrap();
        let refused = format!("{:#}", write_parts(&page, "new", "").unwrap_err());
        assert!(refused.contains("has no part"), "{refused}");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_page_says_which_seeds_were_judged() {
        let arguments = Arguments::parse_from(["detection", "--seed", "3", "--seed", "5-8"]);
        let text = introduction(&arguments);
        assert!(text.contains("Seeds: 3, 5 to 8; other seeds: 101 to 102."), "{text}");
    }
}

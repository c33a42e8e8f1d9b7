//! The result for people.

use ::backtest::{Count, Difference, Flagged, Page, Proposal, Span};
use catalog::Catalog;
use detection::ensemble::{Condition, Nearest};
use detection::{Direction, Severity, units};
use indicatif::HumanCount;

use super::output::{HoursOfSeries, Origin, Output};
use super::table::{Column, Side, lines};
use crate::csv_file::fault::shorten;
use crate::output::counted;

/// Customers and pages that are listed. JSON has all.
const SHOWN: usize = 30;

pub(crate) fn lines_of(output: &Output<'_>, catalog: &Catalog) -> Vec<String> {
    let mut lines = Vec::new();
    let out = &mut lines;
    let report = output.report;
    let rows = output.origin.rows.map(|rows| format!("{} rows, ", HumanCount(rows))).unwrap_or_default();
    out.push(format!(
        "{}: {rows}{} customers, {} series. Metrics of {}",
        output.origin.name(),
        report.totals.customers,
        report.totals.series,
        output.catalog
    ));
    for derived in output.derived {
        let unit = catalog.get(derived.metric.as_str()).map_or("", |spec| &spec.unit);
        out.push(format!(
            "  {}: {}; the middle customer's usual {} is {}, so changes below {} are ignored",
            derived.metric,
            if derived.aggregate == "avg" { "a level" } else { derived.aggregate },
            if derived.aggregate == "avg" { "level" } else { "day" },
            units::humanize(derived.usual_day, unit),
            units::humanize(derived.min_change, unit)
        ));
    }
    if !output.derived.is_empty() {
        out.push("  Name a catalog of your own with --catalog to set units, kinds and floors.".to_owned());
    }
    out.push(format!(
        "Judged hour by hour: {} to {}, {} days, hours of {}",
        report.totals.from, report.totals.to, report.totals.days, output.time_zone
    ));
    if report.totals.history_days < Span::FULL_HISTORY {
        out.push(format!(
            "There are {} days of history before them, and models use {}. So the first days are judged with less certainty.",
            report.totals.history_days,
            Span::FULL_HISTORY
        ));
    }
    settings(out, output);
    out.push(format!(
        "\n{}, {:.2} a customer-month. {} stored that page nobody, {} about ends, {}.",
        counted(report.pages.len() as u64, "page"),
        report.totals.pages_a_customer_month,
        counted(report.totals.warnings as u64, "warning"),
        counted(report.totals.ends as u64, "message"),
        counted(report.totals.reminders as u64, "reminder")
    ));
    counts(out, "metric", &report.by_metric);
    counts(out, "customer", &report.by_customer);
    match (&output.hours, output.difference) {
        (Some(hours), _) => hours.iter().for_each(|hours| of_series(out, hours)),
        (None, Some(_)) => {}
        (None, None) => list(out, "Pages", &report.pages),
    }
    if let Some(proposal) = output.budget {
        budget(out, proposal);
    }
    if let Some(changes) = output.difference {
        difference(out, changes);
    }
    lines
}

/// What holds besides the policy that was given, for usage of the rollup.
fn settings(out: &mut Vec<String>, output: &Output<'_>) {
    let Origin { database, stack, newest_hours_ago, .. } = &output.origin;
    if database.is_none() {
        return;
    }
    out.push(match stack {
        Some(stack) => format!("Settings and policies of the stack {stack}"),
        None => "Default settings, and no stored policies".to_owned(),
    });
    if let Some(hours) = newest_hours_ago {
        let hours = if *hours == 1 { "hour has".to_owned() } else { format!("{hours} hours have") };
        out.push(format!(
            "The last {hours} no usage of any customer and are not judged. `meterflow doctor` tells whether events arrive."
        ));
    }
}

fn counts(out: &mut Vec<String>, title: &'static str, counts: &[Count]) {
    if counts.is_empty() {
        return;
    }
    let columns: [Column; 4] = [
        (title, Side::Left),
        ("pages", Side::Right),
        ("a customer-month", Side::Right),
        ("warnings", Side::Right),
    ];
    let row = |count: &Count| {
        let rate = format!("{:.2}", count.pages_a_customer_month);
        vec![shorten(&count.name), count.pages.to_string(), rate, count.warnings.to_string()]
    };
    let rows: Vec<_> = counts.iter().take(SHOWN).map(row).collect();
    print(out, &columns, &rows);
    rest(out, counts.len());
}

fn list(out: &mut Vec<String>, title: &str, pages: &[Page]) {
    if pages.is_empty() {
        return;
    }
    out.push(format!("\n{title}"));
    for page in pages.iter().take(SHOWN) {
        show_page(out, page, "");
    }
    rest(out, pages.len());
}

fn show_page(out: &mut Vec<String>, page: &Page, note: &str) {
    for entry in &page.entries {
        out.push(format!(
            "{}  {}  {} {}, {}, score {:.2} of {} h, {}: {}{note}",
            page.at,
            shorten(page.customer.as_str()),
            entry.metric,
            entry.direction.as_str(),
            entry.severity.as_str(),
            entry.score.abs(),
            entry.hours,
            entry.event.as_str(),
            entry.sentence
        ));
    }
}

/// A line for each odd hour of a series.
fn of_series(out: &mut Vec<String>, series: &HoursOfSeries<'_>) {
    let name = shorten(series.customer.as_str());
    if series.flagged.is_empty() {
        out.push(format!("\n{name}, {}: no hour was odd", series.metric));
        return;
    }
    let columns: [Column; 7] = [
        ("hour until", Side::Left),
        ("score", Side::Right),
        ("window", Side::Right),
        ("severity", Side::Left),
        ("what became of it", Side::Left),
        ("nearest condition", Side::Left),
        ("what was seen", Side::Left),
    ];
    let row = |flagged: &Flagged| {
        vec![
            flagged.at.to_string(),
            format!("{:+.2}", flagged.score),
            format!("{} h", flagged.hours),
            severity(flagged.severity, flagged.direction),
            flagged.outcome.to_string(),
            flagged.nearest.as_ref().map_or_else(|| "-".to_owned(), nearest),
            flagged.sentence.clone(),
        ]
    };
    let rows: Vec<_> = series.flagged.iter().map(row).collect();
    out.push(format!("\n{name}, {}: a score of 1 pages", series.metric));
    out.extend(lines(&columns, &rows));
}

fn severity(severity: Severity, direction: Direction) -> String {
    format!("{} {}", severity.as_str(), direction.as_str())
}

fn nearest(nearest: &Nearest) -> String {
    let Nearest { condition, figure, limit } = nearest;
    match condition {
        Condition::Score => format!("score {figure:.1}, least {limit:.1}"),
        Condition::MinChange => {
            format!("change {}, least {}", units::amount(*figure), units::amount(*limit))
        }
        Condition::MinRelativeChange => {
            format!("change {:.0} %, least {:.0} %", 100.0 * figure, 100.0 * limit)
        }
        Condition::OtherHours => {
            format!("value {}, at other hours {}", units::amount(*figure), units::amount(*limit))
        }
    }
}

fn budget(out: &mut Vec<String>, proposal: &Proposal) {
    out.push(format!(
        "\nThe budget allows {}, and there are {}.",
        counted(proposal.allowed as u64, "page"),
        counted(proposal.pages as u64, "page")
    ));
    if proposal.remedies.is_empty() {
        return;
    }
    let columns: [Column; 6] = [
        ("metric", Side::Left),
        ("pages", Side::Right),
        ("sensitivity", Side::Right),
        ("leaves", Side::Right),
        ("or min_change", Side::Right),
        ("leaves", Side::Right),
    ];
    let row = |remedy: &::backtest::Remedy| {
        vec![
            remedy.metric.to_string(),
            remedy.pages.to_string(),
            format!("{:.1}", remedy.sensitivity),
            remedy.pages_by_sensitivity.to_string(),
            units::amount(remedy.min_change),
            remedy.pages_by_min_change.to_string(),
        ]
    };
    let rows: Vec<_> = proposal.remedies.iter().map(row).collect();
    out.extend(lines(&columns, &rows));
    let by = |pages: usize| if pages <= proposal.allowed { "within" } else { "still above" };
    out.push(format!(
        "The sensitivities leave {}, {} the budget. The least changes leave {}, {} the budget.",
        counted(proposal.pages_by_sensitivity as u64, "page"),
        by(proposal.pages_by_sensitivity),
        counted(proposal.pages_by_min_change as u64, "page"),
        by(proposal.pages_by_min_change)
    ));
    let floors = proposal.remedies.iter();
    let floors = floors.map(|of| (of.metric.to_string(), serde_json::json!({ "min_change": of.min_change })));
    let policy = serde_json::json!({ "metrics": floors.collect::<serde_json::Map<_, _>>() });
    out.push(format!("A policy with the least changes: {policy}"));
}

fn difference(out: &mut Vec<String>, difference: &Difference) {
    let Difference { new, gone, moved, same } = difference;
    out.push(format!(
        "\nBeside the other policy: {} new, {} gone, {} moved, {same} the same.",
        new.len(),
        gone.len(),
        moved.len()
    ));
    list(out, "New", new);
    list(out, "Gone", gone);
    if !moved.is_empty() {
        out.push("\nMoved".to_owned());
        for moved in moved.iter().take(SHOWN) {
            show_page(out, &moved.page, &format!(" (before: {})", moved.from));
        }
        rest(out, moved.len());
    }
}

fn print(out: &mut Vec<String>, columns: &[Column], rows: &[Vec<String>]) {
    out.push(String::new());
    out.extend(lines(columns, rows));
}

/// Says how many are not shown.
fn rest(out: &mut Vec<String>, number: usize) {
    if number > SHOWN {
        out.push(format!("and {} more, which --json lists", number - SHOWN));
    }
}

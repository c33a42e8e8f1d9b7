use std::fmt::Write;
use std::path::PathBuf;

use catalog::Catalog;
use clap::Parser;
use platform::telemetry::error_chain;

use super::*;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    args: BacktestArgs,
}

/// A folder of its own for the files of a test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("meterflow-backtest-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays in the folder for such files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const HEADER: &str = "customer_id,metric,hour,value\n";

/// Thursday, 2026-10-01T00:00Z, in Unix seconds.
const START: usize = 1_790_812_800;

const DAYS: usize = 20;

/// Regular calls of three customers for 20 days. The last one leaks for an hour on the day before the last.
fn usage(leak: usize) -> String {
    let mut text = HEADER.to_owned();
    for customer in 0..3 {
        for hour in 0..DAYS * 24 {
            let usual = 100 + 10 * customer + (hour * 7_919 + customer * 104_729) % 23;
            let is_leak = customer == 2 && hour == (DAYS - 2) * 24 + 13;
            let value = if is_leak { leak * usual } else { usual };
            writeln!(text, "c{customer},calls,{},{value}", START + hour * 3_600).unwrap();
        }
    }
    text
}

fn printed_with(arguments: &[&str]) -> Result<Printed, String> {
    let all = [&["backtest"], arguments].concat();
    let args = Arguments::try_parse_from(all).map_err(|error| error.to_string())?.args;
    of_file(None, args.csv.as_deref().unwrap(), &args).map_err(|error| error_chain(error.as_ref()))
}

/// Text of the backtest of a file. `more` are further arguments.
fn text_of(usage: &str, more: &[&str]) -> Result<String, String> {
    let folder = Folder::new(&format!("{:?}", std::thread::current().id()).replace(['(', ')'], ""));
    let csv = folder.write("usage.csv", usage);
    let days: &[&str] = if more.contains(&"--days") { &[] } else { &["--days", "7"] };
    printed_with(&[&["--csv", &csv], days, more].concat()).map(|printed| printed.lines.join("\n"))
}

fn json_of(usage: &str, more: &[&str]) -> serde_json::Value {
    serde_json::from_str(&text_of(usage, &[&["--json"], more].concat()).unwrap()).unwrap()
}

#[test]
fn a_leak_is_one_page_with_its_sentence() {
    let text = text_of(&usage(10), &[]).unwrap();
    for part in [
        "1,440 rows, 3 customers, 3 series. Metrics of the catalog derived from the rows",
        "calls: count; the middle customer's usual day is",
        "Judged hour by hour: 2026-10-14T00:00:00Z to 2026-10-21T00:00:00Z, 7 days, hours of UTC",
        "1 page, 1.43 a customer-month.",
        "2026-10-19T14:00:00Z  c2  calls spike, critical, score",
        "between 13:00 and 14:00, about 120 are usual at this hour",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(text_of(&usage(1), &[]).unwrap().contains("0 pages, 0.00 a customer-month."));
}

#[test]
fn json_has_all_figures() {
    let json = json_of(&usage(10), &["--customer", "c2", "--budget", "1 page a customer-week"]);
    assert_eq!(json["pages"][0]["at"], "2026-10-19T14:00:00Z");
    assert_eq!(json["pages"][0]["entries"][0]["event"], "opened");
    assert_eq!((&json["customers"], &json["days"], &json["rows"]), (&3.into(), &7.into(), &1_440.into()));
    assert_eq!(json["derived"][0]["aggregate"], "count");
    assert_eq!(json["by_metric"][0]["pages"], 1);
    let first = &json["hours"][0]["flagged"][0];
    assert_eq!(
        (&first["outcome"], &first["event"], &first["hours"]),
        (&"paged".into(), &"opened".into(), &1.into())
    );
    assert_eq!((&json["budget"]["allowed"], &json["budget"]["pages"]), (&3.into(), &1.into()));
}

#[test]
fn the_hours_of_one_customer_say_what_became_of_them() {
    let text = text_of(&usage(10), &["--customer", "c2"]).unwrap();
    for part in ["c2, calls: a score of 1 pages", "paged: opened", "1 h", "critical spike", "score"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(text_of(&usage(10), &["--customer", "c0"]).unwrap().contains("c0, calls: no hour was odd"));
    assert!(text_of(&usage(1), &["--customer", "x"]).unwrap_err().contains("no usage of a customer \"x\""));
    let refusal = text_of(&usage(1), &["--customer", "c2", "--metric", "bytes"]).unwrap_err();
    assert!(refusal.contains("no metric `bytes`; there is calls"), "{refusal}");
}

#[test]
fn a_policy_beside_another_one() {
    let folder = Folder::new("policies");
    let csv = folder.write("usage.csv", &usage(10));
    let deaf = folder.write("deaf.json", r#"{"metrics": {"calls": {"min_change": 1000000}}}"#);
    let same = folder.write("same.json", "{}");
    let base = ["--csv", &csv, "--days", "7"];
    let run = |more: &[&str]| printed_with(&[&base, more].concat()).unwrap();
    let itself = run(&["--against", &same]);
    assert_eq!(itself.new_pages, 0);
    let text = itself.lines.join("\n");
    assert!(text.contains("0 new, 0 gone, 0 moved, 1 the same"), "{text}");
    let louder = run(&["--against", &deaf]);
    assert_eq!(louder.new_pages, 1);
    assert!(louder.lines.join("\n").contains("1 new, 0 gone, 0 moved, 0 the same"));
    let quieter = run(&["--policy", &deaf, "--against", &same]);
    assert_eq!(quieter.new_pages, 0);
    assert!(quieter.lines.join("\n").contains("0 new, 1 gone, 0 moved, 0 the same"));
    // Too many new pages are a failure.
    let connection = crate::connection::Connection::without_anything();
    let code = |most: &str, against: &str| {
        let all = [&["backtest"], &base[..], &["--against", against, "--max-new-pages", most]].concat();
        run_with(&connection, &all)
    };
    assert_eq!(code("0", &same), Ok(()));
    assert_eq!(code("1", &deaf), Ok(()));
    assert_eq!(code("0", &deaf), Err("there are 1 new pages, and --max-new-pages allows 0".to_owned()));
}

#[test]
fn only_too_many_new_pages_exit_with_1() {
    let code = |error: anyhow::Error| format!("{:?}", super::exit_code(&error));
    let of = |number: u8| format!("{:?}", std::process::ExitCode::from(number));
    assert_eq!(code(super::TooManyNewPages { new: 3, most: 1 }.into()), of(1));
    assert_eq!(code(anyhow::anyhow!("cannot read usage.csv")), of(2));
}

#[test]
fn a_catalog_beside_another_one() {
    let entry = |min_change: &str| {
        format!(
            "[[metric]]\nname = \"calls\"\nunit = \"calls\"\naggregate = \"count\"\nmissing = \"zero\"\n\
             min_change = {min_change}\n"
        )
    };
    let folder = Folder::new("beside");
    let csv = folder.write("usage.csv", &usage(10));
    let (usual, deaf) =
        (folder.write("usual.toml", &entry("10")), folder.write("deaf.toml", &entry("1000000")));
    let jobs = folder.write("jobs.toml", &entry("10").replace("\"calls\"\nunit", "\"jobs\"\nunit"));
    let louder = folder.write("louder.json", r#"{"metrics": {"calls": {"min_change": 10}}}"#);
    let run = |catalog: &str, more: &[&str]| {
        let all = [&["backtest", "--csv", &csv, "--days", "7"], more].concat();
        let args = Arguments::try_parse_from(all).map_err(|error| error.to_string())?.args;
        let printed =
            of_file(Some(Catalog::from_files(catalog).unwrap()), args.csv.as_deref().unwrap(), &args);
        printed.map_err(|error| error_chain(error.as_ref()))
    };
    let difference = |catalog: &str, more: &[&str]| {
        let printed = run(catalog, more).unwrap();
        (printed.new_pages, printed.lines.join("\n"))
    };
    let (new, text) = difference(&usual, &["--against-catalog", &deaf]);
    assert!(new == 1 && text.contains("1 new, 0 gone, 0 moved, 0 the same"), "{text}");
    let (new, text) = difference(&deaf, &["--against-catalog", &usual]);
    assert!(new == 0 && text.contains("0 new, 1 gone, 0 moved, 0 the same"), "{text}");
    // The policy of both sides, and one of the other side alone.
    let (new, _) = difference(&deaf, &["--against-catalog", &deaf, "--policy", &louder]);
    assert_eq!(new, 0);
    let (new, _) = difference(&usual, &["--against-catalog", &deaf, "--against", &louder]);
    assert_eq!(new, 0);
    // A metric may be in one of the catalogs only.
    let (new, text) = difference(&jobs, &["--against-catalog", &usual]);
    assert!(new == 0 && text.contains("0 new, 1 gone"), "{text}");
    let refusal = run(&jobs, &["--against-catalog", &jobs]).err().unwrap();
    assert!(
        refusal.contains("line 2, metric: \"calls\"") && refusal.contains("jobs.toml: jobs, or of"),
        "{refusal}"
    );
    // With the same sensitivity on both sides.
    let (new, _) = difference(&usual, &["--against-catalog", &usual, "--sensitivity", "0.5"]);
    assert_eq!(new, 0);
}

fn run_with(connection: &Connection, all: &[&str]) -> Result<(), String> {
    let args = Arguments::try_parse_from(all).map_err(|error| error.to_string())?.args;
    super::run(connection, &args, jiff::Timestamp::UNIX_EPOCH).map_err(|error| error_chain(error.as_ref()))
}

#[test]
fn wrong_lines_are_named_with_what_is_allowed() {
    let hour = "2026-10-01T00:00:00Z";
    for (lines, parts) in [
        (
            format!("a,calls,{hour},NaN"),
            vec!["1 of 1 lines are wrong, so nothing was judged", "line 2, value: \"NaN\""],
        ),
        (format!("a,calls,{hour},1e308"), vec!["line 2, value: \"1e308\"", "at most 1e100"]),
        (format!("a,calls,{hour},"), vec!["line 2, value: \"\""]),
        ("a,calls,2026-10-01T00:30:00Z,1".to_owned(), vec!["line 2, hour", "a full hour of UTC"]),
        ("a,calls,soon,1".to_owned(), vec!["line 2, hour: \"soon\"", "RFC 3339"]),
        (format!("a,API,{hour},1"), vec!["line 2, metric: \"API\"", "a-z, 0-9 and _"]),
        (format!(",calls,{hour},1"), vec!["line 2, customer_id"]),
        (format!("a,calls,{hour}"), vec!["line 2, fields", "4 fields, as in the header, not 3"]),
        (
            format!("a,calls,{hour},1\nb,calls,{hour},1\n\na,calls,2026-10-01 00:00:00,2"),
            vec!["line 5: ", "second value of calls for 2026-10-01T00:00:00Z", "first one is on line 2"],
        ),
        (String::new(), vec!["no line below its header"]),
        (
            format!("a,calls,{hour},1"),
            vec!["the usage spans 1 h", "7 days are to be judged", "more hours are needed"],
        ),
    ] {
        let refusal = text_of(&format!("{HEADER}{lines}\n"), &[]).unwrap_err();
        parts.iter().for_each(|part| assert!(refusal.contains(part), "{part} is not in {refusal}"));
    }
}

#[test]
fn wrong_headers_and_arguments_are_refused() {
    for (header, part) in [
        (
            "customer,metric,hour,value",
            "unknown column `customer`; the columns must be customer_id, metric, hour",
        ),
        ("customer_id,metric,value", "no column `hour`"),
        ("customer_id,metric,hour,hour,value", "two columns are named `hour`"),
        ("customer_id;metric;hour;value", "separated by commas"),
        ("", "is empty: its first line must name the columns"),
    ] {
        let refusal = text_of(&format!("{header}\n"), &[]).unwrap_err();
        assert!(refusal.contains(part), "{part} is not in {refusal}");
    }
    for (arguments, part) in [
        (vec!["--days", "0"], "0 is not in 1..=366"),
        (vec!["--time-zone", "Europe/Atlantis"], "no time zone"),
        (vec!["--sensitivity", "highest"], "`low`, `medium`, `high`"),
        (vec!["--sensitivity", "0.1"], "from 0.2 to 5"),
        (vec!["--budget", "few"], "1 page a customer-year"),
        (vec!["--metric", "calls"], "--customer"),
        (vec!["--max-new-pages", "1"], "--against"),
        (vec!["--policy", "/nowhere.json"], "cannot read /nowhere.json"),
        (vec!["--against-catalog", "/nowhere.toml"], "/nowhere.toml"),
    ] {
        let refusal = text_of(&usage(1), &arguments).unwrap_err();
        assert!(refusal.contains(part), "{part} is not in {refusal}");
    }
}

#[test]
fn a_policy_with_a_mistake_is_refused_with_its_place() {
    let folder = Folder::new("mistakes");
    for (text, part) in [
        (r#"{"metrics": {"bytes": {}}}"#, "metrics.bytes: the catalog has no such metric; it has calls"),
        (r#"{"metrics": {"calls": {"min_change": -1}}}"#, "metrics.calls: min_change = -1 is out of range"),
        (r#"{"metric": {}}"#, "unknown field `metric`"),
        ("[", "is not a policy"),
    ] {
        let policy = folder.write("policy.json", text);
        let refusal = text_of(&usage(1), &["--policy", &policy]).unwrap_err();
        assert!(refusal.contains("policy.json") && refusal.contains(part), "{refusal}");
    }
}

#[test]
fn a_given_catalog_decides_which_metrics_there_are() {
    let entry = |name: &str, more: &str| {
        let text = format!("[[metric]]\nname = \"{name}\"\nunit = \"calls\"\nmissing = \"zero\"\n{more}");
        Catalog::parse(&text, "my.toml").unwrap()
    };
    let folder = Folder::new("catalogs");
    let csv = folder.write("usage.csv", &usage(10));
    let pages = |catalog: Catalog, csv: &str| {
        let args = Arguments::parse_from(["backtest", "--csv", csv, "--days", "7", "--json"]).args;
        let printed = of_file(Some(catalog), args.csv.as_deref().unwrap(), &args)
            .map_err(|error| error_chain(error.as_ref()))?;
        let json: serde_json::Value = serde_json::from_str(&printed.lines.join("")).unwrap();
        Ok::<_, String>(json["pages"].as_array().unwrap().len())
    };
    assert_eq!(pages(entry("calls", "aggregate = \"count\"\nmin_change = 10"), &csv), Ok(1));
    assert_eq!(pages(entry("calls", "aggregate = \"count\"\nmin_change = 1000000"), &csv), Ok(0));
    let refusal = pages(entry("jobs", "aggregate = \"count\"\nmin_change = 10"), &csv).unwrap_err();
    assert!(refusal.contains("line 2, metric: \"calls\"") && refusal.contains("my.toml: jobs"), "{refusal}");
    let negative = folder.write("negative.csv", &usage(1).replace(",100\n", ",-100\n"));
    let refusal = pages(entry("calls", "aggregate = \"count\"\nmin_change = 10"), &negative).unwrap_err();
    assert!(refusal.contains("a number that is not negative for calls"), "{refusal}");
}

#[test]
fn the_built_in_catalog_serves_a_file_of_its_metrics() {
    let text = text_of(&usage(10).replace(",calls,", ",api_calls,"), &[]).unwrap();
    assert!(text.contains("Metrics of the built-in catalog") && text.contains("1 page,"), "{text}");
}

#[test]
fn a_gap_is_no_usage_and_the_order_and_spelling_of_hours_do_not_matter() {
    // The second customer has no row for the last six hours.
    let end = START + DAYS * 24 * 3_600;
    let is_kept = |line: &&str| {
        let hour = line.split(',').nth(2).and_then(|hour| hour.parse::<usize>().ok());
        !(line.starts_with("c1,") && hour.is_some_and(|hour| hour >= end - 6 * 3_600))
    };
    let (all, header) = (usage(1), HEADER.trim_end());
    let mut lines: Vec<String> = all.lines().skip(1).filter(is_kept).map(str::to_owned).collect();
    let in_order = json_of(&format!("{header}\n{}\n", lines.join("\n")), &[]);
    assert_eq!(in_order["pages"][0]["customer"], "c1");
    assert_eq!(in_order["pages"][0]["entries"][0]["direction"], "drop");
    lines.reverse();
    for line in lines.iter_mut().step_by(3) {
        let fields: Vec<&str> = line.split(',').collect();
        let seconds: i64 = fields[2].parse().unwrap();
        let at = jiff::Timestamp::from_second(seconds + 5_400).unwrap().to_string();
        *line = format!("{},{},{},{}", fields[0], fields[1], at.replace('Z', "+01:30"), fields[3]);
    }
    let mut mixed = json_of(&format!("{header}\n{}\n", lines.join("\n")), &[]);
    mixed["file"] = in_order["file"].clone();
    assert_eq!(mixed, in_order);
}

#[test]
fn sentences_and_weekdays_are_local() {
    let utc = text_of(&usage(10), &[]).unwrap();
    let kolkata = text_of(&usage(10), &["--time-zone", "Asia/Kolkata"]).unwrap();
    assert!(utc.contains("between 13:00 and 14:00, about"), "{utc}");
    assert!(kolkata.contains("between 18:30 and 19:30 (Asia/Kolkata), about"), "{kolkata}");
    assert!(kolkata.contains("2026-10-19T14:00:00Z  c2") && kolkata.contains("hours of Asia/Kolkata"));
}

//! Sources with entities.

use crate::{Catalog, MetricSpec};

const SOURCE: &str = "[[source]]
name = \"jobs\"
table = \"runs\"
tenant = \"team\"
time = \"finished_at\"
";

const DURATION: &str = "[[metric]]
name = \"job_duration\"
source = \"jobs\"
unit = \"ms\"
aggregate = \"p95\"
value = \"ms\"
missing = \"gap\"
min_change = 1000
";

const RULE: &str = "[[metric.rule]]\ntype = \"percentile\"\n";

/// A source with these lines, and a metric with these.
fn parse(of_source: &str, of_metric: &str) -> Result<Catalog, String> {
    Catalog::parse(&format!("{SOURCE}{of_source}\n{DURATION}{of_metric}"), "my.toml")
        .map_err(|error| error.to_string())
}

fn names(metrics: &[MetricSpec]) -> Vec<&str> {
    metrics.iter().map(|metric| metric.name.as_str()).collect()
}

#[test]
fn a_source_with_entities_has_a_catalog_of_its_own() {
    let usage = "[[metric]]\nname = \"calls\"\nunit = \"calls\"\naggregate = \"count\"\nmissing = \"zero\"\nmin_change = 1\n";
    let count = "[[metric]]\nname = \"job_count\"\nsource = \"jobs\"\nunit = \"runs\"\naggregate = \"count\"\nmissing = \"zero\"\nmin_change = 1\n";
    let source = format!("{SOURCE}entity = \"job\"\n");
    let parts = [format!("{source}{DURATION}{RULE}"), format!("{usage}{count}")];
    let parts = parts.map(|text| (text.clone(), format!("{} bytes", text.len())));
    let catalog = Catalog::parse_all(&parts).unwrap();
    let all: Vec<_> = catalog.all().map(|catalog| (catalog.name(), names(catalog.metrics()))).collect();
    // Those that models judge come first, whatever their order in the files.
    assert_eq!(all, [("usage", vec!["calls"]), ("jobs", vec!["job_count", "job_duration"])]);
    let jobs = catalog.of("jobs").unwrap();
    assert_eq!((names(jobs.modelled()), names(jobs.ruled())), (vec!["job_count"], vec!["job_duration"]));
    assert!(catalog.find("job_duration").is_some() && catalog.get("job_duration").is_none());
    assert!(catalog.of("runs").is_none());
    assert_eq!(jobs.version(), catalog.version());
}

#[test]
fn a_file_without_usage_has_no_source_of_that_name() {
    let catalog = parse("entity = \"job\"", RULE).unwrap();
    assert_eq!(catalog.all().map(Catalog::name).collect::<Vec<_>>(), ["jobs"]);
    assert!(catalog.of("usage").is_none());
}

#[test]
fn the_key_of_an_event_has_its_customer_and_all_names() {
    let catalog = parse("entity = [\"job\", \"lower(step)\"]", RULE).unwrap();
    let metric = catalog.find("job_duration").unwrap();
    assert_eq!(
        metric.customer_sql(),
        "arrayStringConcat([ifNull(toString(`team`), ''), ifNull(toString(`job`), ''), \
         ifNull(toString((lower(step))), '')], '\\x1f')"
    );
    let entities = metric.entities.as_ref().unwrap();
    assert_eq!(entities.is_key_sql("k"), "match(k, '^[^\\x1f]+(\\x1f[^\\x1f]+){2}$')");
    assert_eq!(entities.bad_sql(), "0");
}

#[test]
fn a_wrong_source_is_refused_with_field_and_reason() {
    let with_bad = "entity = \"job\"\nbad = \"status = 'failed'\"\n";
    for (source, metric, expected) in [
        ("", RULE, "needs a `source` that has an `entity`"),
        ("entity = \"job\"", "", "`aggregate = \"p95\"` needs a [[metric.rule]]"),
        (
            "entity = [\"a\", \"b\", \"c\", \"d\", \"e\"]",
            RULE,
            "`entity` has 5 expressions, and 4 are allowed",
        ),
        ("entity = \"\"", RULE, "`entity` is empty"),
        ("entity = \"job\"\nbad = \"a)\"", RULE, "`bad` closes a parenthesis"),
        ("entity = []", RULE, "`entity` is empty: leave it out"),
        (with_bad, "[[metric.rule]]\ntype = \"burst\"\nprincipals = 5", "`principals` of the rule `burst`"),
        ("bad = \"a\"", RULE, "`bad` has no use without `entity`"),
        ("id = \"a\"", RULE, "`id` has no use without `entity`"),
        ("entity = \"job\"\nids = { run = \"id\" }", RULE, "`ids.run` is no id of an anomaly"),
        ("entity = \"job\"", "[[metric.rule]]\ntype = \"rate\"", "the rule `rate` needs `bad` in the source"),
        (
            "entity = \"job\"",
            "[[metric.rule]]\ntype = \"streak\"",
            "the rule `streak` needs `bad` in the source",
        ),
        (
            with_bad,
            "[[metric.rule]]\ntype = \"novelty\"",
            "no source can be judged by the rule `novelty` yet",
        ),
        (with_bad, "[[metric.rule]]\ntype = \"rate\"\ntail = 7", "`tail` of a rule of type rate is 7"),
    ] {
        let refusal = parse(source, metric).unwrap_err();
        assert!(refusal.contains(expected) && refusal.contains("my.toml"), "{source} {metric}: {refusal}");
    }
    let usage = format!("{}entity = \"job\"\n{DURATION}{RULE}", SOURCE.replace("jobs", "usage"))
        .replace("\"jobs\"", "\"usage\"");
    let odd = format!("{}entity = \"job\"\n{DURATION}{RULE}", SOURCE).replace("\"jobs\"", "\"jobs_hourly\"");
    let refusal = Catalog::parse(&odd, "a").unwrap_err().to_string();
    assert!(refusal.contains("must not hold `_hourly`"), "{refusal}");
    let typed = "[[metric]]\nname = \"calls\"\ntype = \"duration_spike\"\nunit = \"calls\"\naggregate = \"count\"\nmissing = \"zero\"\nmin_change = 1\n";
    let refusal = Catalog::parse(typed, "a").unwrap_err().to_string();
    assert!(refusal.contains("`type` has no use"), "{refusal}");
    let refusal = Catalog::parse(&usage, "a").unwrap_err().to_string();
    assert!(refusal.contains("`usage` is the name of the source without entities"), "{refusal}");
}

#[test]
fn an_unknown_rule_is_refused_with_those_that_exist() {
    let error = Catalog::parse(
        &format!("{SOURCE}entity = \"job\"\n{DURATION}[[metric.rule]]\ntype = \"magic\"\n"),
        "my.toml",
    )
    .unwrap_err();
    let shown = format!("{error}: {}", std::error::Error::source(&error).unwrap());
    assert!(shown.contains("unknown variant `magic`") && shown.contains("streak"), "{shown}");
}

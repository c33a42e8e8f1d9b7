use detection::{Direction, Missing};

use super::*;

const GOOD: &str = r#"
    [[metric]]
    name = "jobs"
    unit = "jobs"
    aggregate = "count"
    missing = "zero"
    min_change = 1
"#;

fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

fn refusal(text: &str) -> String {
    chain(&Catalog::parse(text, "catalog.toml").expect_err(text))
}

#[test]
fn the_built_in_catalog_is_valid_and_has_the_four_metrics() {
    let catalog = Catalog::built_in().unwrap();
    let names: Vec<_> = catalog.metrics().iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(names, ["api_calls", "bandwidth", "storage_peak", "compute_time"]);
    assert_eq!(catalog.settings(&DetectionConfig::default()).unwrap().len(), 4);
    assert_eq!(catalog.get("storage_peak").unwrap().missing, Missing::Gap);
}

#[test]
fn every_built_in_metric_has_steps_of_its_own_for_both_directions() {
    for metric in Catalog::built_in().unwrap().metrics() {
        let [spike, drop] = [Direction::Spike, Direction::Drop].map(|way| metric.steps_for(way));
        assert!(spike.len() >= 2 && drop.len() >= 2 && spike != drop, "{}", metric.name);
    }
}

#[test]
fn a_metric_has_the_steps_of_its_entry_and_no_others() {
    let of = |more: &str, way| {
        let text = format!("{}\n{more}", GOOD.replace("\"jobs\"", "\"bandwidth\""));
        Catalog::parse(&text, "a").unwrap().get("bandwidth").unwrap().steps_for(way)
    };
    for way in [Direction::Spike, Direction::Drop] {
        assert_eq!(of("", way), Vec::<String>::new());
        assert_eq!(of("steps = [\"Look.\"]", way), ["Look."]);
    }
    let both = "steps = [\"Look.\"]\nspike_steps = [\"Up.\"]\ndrop_steps = [\"Down.\"]";
    assert_eq!(of(both, Direction::Spike), ["Up.", "Look."]);
    assert_eq!(of(both, Direction::Drop), ["Down.", "Look."]);
}

#[test]
fn the_version_follows_the_entries() {
    let version = |text: &str| Catalog::parse(text, "a").unwrap().version().to_owned();
    assert_eq!(version(GOOD), version(&format!("# A comment.\n{GOOD}")));
    assert_ne!(version(GOOD), version(&GOOD.replace("min_change = 1", "min_change = 2")));
    assert_ne!(version(&of_source("", "")), version(&of_source("tenant = \"team\"", "")));
    // In one file with a preset by its name, as in a stack, and in two files.
    let [usage, own] = ["preset:usage", "a"].map(str::to_owned);
    let parts = [(GOOD.to_owned(), own), (BUILT_IN.to_owned(), usage)];
    let named = format!("presets = [\"usage\"]\n{GOOD}");
    assert_eq!(Catalog::parse_all(&parts).unwrap().version(), version(&named));
    assert_ne!(version(GOOD), version(&named));
}

#[test]
fn prices_have_one_currency() {
    let catalog = |text: &str| Catalog::parse(text, "a").unwrap();
    assert_eq!(catalog(GOOD).currency().to_string(), "USD");
    let priced = format!("currency = \"EUR\"\n{GOOD}\nprice = 0.25\nmin_cost = 50");
    let euro = catalog(&priced);
    let settings = euro.settings(&DetectionConfig::default()).unwrap()[0];
    assert_eq!((euro.currency().to_string(), settings.price().unwrap().get()), ("EUR".to_owned(), 0.25));
    assert_eq!(settings.floors().costs_enough(), 200.0);
    assert_ne!(euro.version(), catalog(&priced.replace("EUR", "CHF")).version());
    let part = |currency: &str, name: &str| {
        (
            format!("currency = \"{currency}\"\n{}", GOOD.replace("\"jobs\"", &format!("\"{name}\""))),
            name.to_owned(),
        )
    };
    let all = Catalog::parse_all(&[part("EUR", "one"), part("EUR", "two")]).unwrap();
    assert_eq!(all.currency().to_string(), "EUR");
    let refusal = Catalog::parse_all(&[part("EUR", "one"), part("USD", "two")]).unwrap_err().to_string();
    assert!(refusal.contains("one has prices in EUR, and two in USD"), "{refusal}");
}

#[test]
fn refusals_name_file_entry_and_reason() {
    let sum = GOOD.replace("count", "sum");
    for (text, expected) in [
        (String::new(), vec!["catalog.toml", "no [[metric]]"]),
        (GOOD.replace("jobs", "Jobs"), vec!["catalog.toml", "`Jobs` is not a metric name"]),
        (format!("{GOOD}\ncolour = 1"), vec!["catalog.toml", "unknown field `colour`"]),
        (format!("{GOOD}\nthreshold = 0"), vec!["catalog.toml", "`jobs`", "threshold = 0 is out of range"]),
        (
            format!("{GOOD}\nmin_relative_spread = 4"),
            vec!["`jobs`", "min_relative_spread = 4 is out of range"],
        ),
        (format!("{GOOD}\nsteps = \"Look.\""), vec!["catalog.toml", "expected a sequence"]),
        (format!("{GOOD}\nsteps = [\"Look.\", \" \"]"), vec!["`jobs`", "text 2 of `steps`", "has 1"]),
        (format!("{GOOD}\ndrop_steps = [\"a\\nb\"]"), vec!["`jobs`", "text 1 of `drop_steps`", "one line"]),
        (
            format!("{GOOD}\nspike_steps = [\"{}\"]", "x".repeat(201)),
            vec!["`jobs`", "text 1 of `spike_steps`", "1 to 200 characters", "has 201"],
        ),
        (
            format!("{GOOD}\nsteps = [{}]\nspike_steps = [\"a\"]", "\"Look.\",".repeat(5)),
            vec!["`jobs`", "`steps` and `spike_steps` have 6 texts", "5 are allowed"],
        ),
        (format!("{GOOD}\n{GOOD}"), vec!["catalog.toml", "`jobs`", "same name"]),
        (GOOD.replace("\"count\"", "\"median\""), vec!["catalog.toml", "median"]),
        (GOOD.replace("min_change = 1", "min_change = -1"), vec!["`jobs`", "min_change = -1"]),
        (GOOD.replace("min_change = 1", "min_change = nan"), vec!["`jobs`", "min_change = NaN"]),
        (GOOD.replace("min_change = 1", ""), vec!["catalog.toml", "missing field `min_change`"]),
        (
            format!("{GOOD}\nprice = -0.5"),
            vec!["`jobs`", "price = -0.5 is out of range", "from 1e-12 to 1e9"],
        ),
        (format!("{GOOD}\nprice = nan"), vec!["`jobs`", "price = NaN is out of range"]),
        (format!("{GOOD}\nprice = 1e300"), vec!["`jobs`", "price = 1"]),
        (format!("{GOOD}\nmin_cost = 50"), vec!["`jobs`", "min_cost = 50", "`price` is not set"]),
        (format!("{GOOD}\nprice = 0\nmin_cost = 50"), vec!["`jobs`", "min_cost = 50", "or is 0"]),
        (
            format!("{}\nvalue = \"a\"\nprice = 1", GOOD.replace("count", "max")),
            vec!["`jobs`", "`price` needs a metric whose hours add up"],
        ),
        (format!("currency = \"usd\"\n{GOOD}"), vec!["catalog.toml", "`usd` is no currency", "ISO 4217"]),
        (format!("{GOOD}\nvalue = \"a\""), vec!["`jobs`", "a count has no `value`"]),
        (sum.clone(), vec!["`jobs`", "`value` is missing"]),
        (format!("{sum}\nvalue = \"a); DROP TABLE events\""), vec!["`jobs`", "`value`", "parenthesis"]),
        (format!("{sum}\nvalue = \"a -- b\""), vec!["`jobs`", "comment"]),
        (format!("{GOOD}\nfilter = \"a = 'x\""), vec!["`jobs`", "`filter`", "leaves a ' open"]),
        (format!("{GOOD}\ntime_column = \"at) OR (1\""), vec!["`jobs`", "`time_column`", "parenthesis"]),
        (format!("{GOOD}\ncustomer_column = \"\""), vec!["`jobs`", "`customer_column` is empty"]),
        (format!("{GOOD}\ntable = \"a b\""), vec!["`jobs`", "`table`"]),
        (format!("{GOOD}\ntable = \"a.b.c\""), vec!["`jobs`", "`table`"]),
        (format!("{GOOD}\nimport = {{ event_type = \"a\", property = \"b\" }}"), vec!["`import.property`"]),
    ] {
        let refusal = refusal(&text);
        for part in expected {
            assert!(refusal.contains(part), "`{part}` is not in: {refusal}");
        }
    }
}

#[test]
fn an_override_that_contradicts_the_deployment_is_refused_at_start() {
    let catalog = Catalog::parse(&format!("{GOOD}\nthreshold = 6"), "a").unwrap();
    let error = catalog.settings(&DetectionConfig::default()).unwrap_err().to_string();
    assert!(error.contains("`jobs`") && error.contains("critical_threshold = 5"), "{error}");
}

#[test]
fn two_catalogs_are_one_too_many() {
    let of = |variables: &[(&str, &str)]| Catalog::source(&Env::of(variables));
    assert!(matches!(of(&[]).unwrap()[..], [TextSource::Inline { .. }]));
    let file = |path: &str| TextSource::File(path.to_owned());
    assert_eq!(of(&[("CATALOG_PATH", "a, b.toml")]).unwrap(), [file("a"), file("b.toml")]);
    assert!(of(&[("CATALOG_PATH", "a"), ("CATALOG_SSM_PARAMETER", "b")]).is_err());
}

/// Two metrics of a source. `source` and `metric` are added to their entries.
fn of_source(source: &str, metric: &str) -> String {
    format!(
        "[[source]]
        name = \"billing\"
        table = \"lago.events_raw\"
        {source}
        {}
        source = \"billing\"
        {metric}
        {}
        source = \"billing\"",
        GOOD,
        GOOD.replace("\"jobs\"", "\"failed_jobs\"")
    )
}

#[test]
fn metrics_of_a_source_have_its_table_tenant_time_and_filter() {
    let of = |source: &str, metric: &str| Catalog::parse(&of_source(source, metric), "a").unwrap();
    let usual = of("", "");
    for metric in usual.metrics() {
        let MetricSpec { table, customer_column, time_column, filter, .. } = metric;
        assert_eq!((table.as_str(), customer_column.as_str()), ("lago.events_raw", "customer_id"));
        assert_eq!((time_column.as_str(), filter), ("timestamp", &None));
    }
    let own = of(
        "tenant = \"concat(a, '/', b)\"\ntime = \"at\"\nfilter = \"a = 1 OR b = 2\"",
        "filter = \"c = 3 OR d = 4\"",
    );
    let [first, second] = own.metrics() else { panic!("{own:?}") };
    assert_eq!(first.filter.as_deref(), Some("(a = 1 OR b = 2) AND (c = 3 OR d = 4)"));
    assert_eq!(second.filter.as_deref(), Some("a = 1 OR b = 2"));
    assert_eq!(
        (first.customer_sql(), second.time_sql()),
        ("(concat(a, '/', b))".to_owned(), "`at`".to_owned())
    );
    let without_filter = of("", "filter = \"c = 3\"");
    assert_eq!(without_filter.get("jobs").unwrap().filter.as_deref(), Some("c = 3"));
}

#[test]
fn refusals_of_sources_name_file_entry_and_reason() {
    let usual = of_source("", "");
    for (text, expected) in [
        (of_source("colour = 1", ""), vec!["catalog.toml", "unknown field `colour`"]),
        (
            usual.replace("name = \"billing\"", "name = \"Billing\""),
            vec!["the name of a source is a lower-case"],
        ),
        (usual.replace("lago.events_raw", "a.b.c"), vec!["`billing`", "`table` = \"a.b.c\""]),
        (of_source("tenant = \"a) OR (b\"", ""), vec!["`billing`", "`tenant`", "parenthesis"]),
        (of_source("time = \"\"", ""), vec!["`billing`", "`time` is empty"]),
        (of_source("filter = \"a -- b\"", ""), vec!["`billing`", "`filter`", "comment"]),
        (of_source("", "filter = \"a) OR (b\""), vec!["`jobs`", "`filter`", "parenthesis"]),
        (
            of_source("filter = \"a = 1\"", "filter = \"a) OR (b\""),
            vec!["`jobs`", "`filter`", "closes a parenthesis"],
        ),
        (of_source("", "table = \"other\""), vec!["`jobs`", "`table` is said by the source `billing`"]),
        (of_source("", "customer_column = \"a\""), vec!["`jobs`", "`customer_column` is said by"]),
        (of_source("", "time_column = \"a\""), vec!["`jobs`", "`time_column` is said by"]),
        (format!("{usual}\n[[source]]\nname = \"billing\"\ntable = \"a\""), vec!["`billing`", "same name"]),
        (
            format!("{usual}\n[[source]]\nname = \"b\"\ntable = \"a\""),
            vec!["`b`", "no [[metric]] has this source"],
        ),
        (format!("{GOOD}\nsource = \"billing\""), vec!["`jobs`", "there is no [[source]] `billing`"]),
    ] {
        let refusal = refusal(&text);
        for part in expected {
            assert!(refusal.contains(part), "`{part}` is not in: {refusal}");
        }
    }
}

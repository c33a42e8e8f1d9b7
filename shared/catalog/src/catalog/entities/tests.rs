//! Sources with entities.

use detection::Severity;
use jiff::SignedDuration;

use crate::{Catalog, Every, Feed, MetricSpec, SourceWindow};

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
        ("window = \"5m\"", RULE, "`window` has no use without `entity`"),
        ("weight = \"a\"", RULE, "`weight` has no use without `entity` or `feed = \"poll\"`"),
        ("entity = \"job\"\nweight = \"a)\"", RULE, "`weight` closes a parenthesis"),
        ("entity = \"job\"\ndelay = \"3d\"", RULE, "`delay` is `3d`, but it must be"),
        ("entity = \"job\"\nbaseline = \"1000d\"", RULE, "`baseline` is `1000d`, but it must be"),
        ("entity = \"job\"\nmax_entities = 0", RULE, "`max_entities` must be at least 1"),
        ("entity = \"job\"\nentity_noun = \" \"", RULE, "`entity_noun` must be a word"),
        ("feed = \"poll\"", RULE, "`feed = \"poll\"` needs `id`"),
        ("feed = \"poll\"\nid = \"a\"\nwindow = \"1m\"", RULE, "`window = \"1m\"` needs `feed = \"view\"`"),
        ("feed = \"poll\"\nid = \"a\"\nmax_entities = 9", RULE, "`max_entities` has no use without `entity`"),
        (
            "entity = \"job\"",
            "counter = true\n[[metric.rule]]\ntype = \"percentile\"",
            "needs a `weight` in the source",
        ),
        ("entity = \"job\"", "series = \"a\"\n[[metric.rule]]\ntype = \"percentile\"", "`series` has no use"),
        (
            "entity = \"job\"",
            "[[metric.rule]]\ntype = \"percentile\"\nfor = \"20 of 20\"",
            "12 windows at most",
        ),
        (
            "entity = \"job\"\nwindow = \"24h\"\nbaseline = \"3d\"",
            "[[metric.rule]]\ntype = \"percentile\"\nof = \"window\"\nfor = \"2 of 3\"",
            "`baseline` is 3 days, but the windows",
        ),
        (
            with_bad,
            "[[metric.rule]]\ntype = \"streak\"\nfor = \"2 of 3\"",
            "`for` has no use for the rule `streak`",
        ),
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
            "the rule `novelty` needs `aggregate = \"novel\"`, and a `value` that is a text",
        ),
        (
            with_bad,
            "[[metric.rule]]\ntype = \"distinct_growth\"",
            "the rule `distinct_growth` needs `aggregate = \"distinct\"`",
        ),
        (
            "entity = \"job\"",
            &format!("per = \"calls\"\n{RULE}"),
            "`per` has no use for `aggregate = \"p95\"`",
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

#[test]
fn a_source_says_when_it_is_judged_and_how_it_is_fed() {
    let usual = parse("entity = \"job\"", RULE).unwrap();
    let usual = usual.of("jobs").unwrap().entities().unwrap();
    assert_eq!((usual.feed, usual.pace.window, usual.pace.delay), (Feed::View, SourceWindow::Hour, None));
    assert_eq!((usual.pace.baseline, usual.most, usual.nouns.entity.as_str()), (None, 10_000, "entity"));
    let own = "entity = \"job\"\nfeed = \"poll\"\nid = \"id\"\nwindow = \"24h\"\ndelay = \"90m\"\nbaseline = \"14d\"\n\
               max_entities = 50\nalert_min_severity = \"warning\"\ntenant_noun = \"team\"\nentity_noun = \"job\"\nweight = \"1 / ratio\"";
    let catalog = parse(own, RULE).unwrap();
    let own = catalog.of("jobs").unwrap().entities().unwrap();
    assert_eq!(
        (own.feed, own.pace.window, own.pace.delay),
        (Feed::Poll, SourceWindow::Day, Some(SignedDuration::from_mins(90)))
    );
    assert_eq!((own.pace.baseline.unwrap().get(), own.most), (14, 50));
    assert_eq!((own.nouns.tenant.as_str(), own.nouns.entity.as_str()), ("team", "job"));
    assert_eq!(own.weight.as_deref(), Some("1 / ratio"));
    assert_eq!((usual.alert_min_severity, own.alert_min_severity), (None, Some(Severity::Warning)));
}

#[test]
fn a_sample_never_holds_back_what_is_new() {
    let lines = "entity = \"job\"\nsampling_by = \"trace\"\nsampling_ratio = 0.1";
    let novelty = "[[metric]]\nname = \"new_error\"\nsource = \"jobs\"\nunit = \"errors\"\nmissing = \"gap\"\nmin_change = 1\n\
                   aggregate = \"novel\"\nvalue = \"error\"\n[[metric.rule]]\ntype = \"novelty\"\n";
    let catalog = parse(lines, &format!("{RULE}{novelty}")).unwrap();
    let one_in = |name: &str| {
        let entities = catalog.find(name).unwrap().entities.as_ref().unwrap();
        entities.sample.as_ref().map(|sample| (sample.by().to_owned(), sample.one_in()))
    };
    assert_eq!(one_in("job_duration"), Some(("trace".to_owned(), 10)));
    assert_eq!(one_in("new_error"), None);
    for (lines, expected) in [
        ("sampling_ratio = 0.1", "needs `sampling_by`"),
        ("sampling_by = \"trace\"", "needs `sampling_ratio`"),
        ("sampling_by = \"trace\"\nsampling_ratio = 0.3", "one in a whole number"),
        ("sampling_by = \"trace)\"\nsampling_ratio = 0.1", "`sampling_by`"),
    ] {
        let error = parse(&format!("entity = \"job\"\n{lines}"), RULE).unwrap_err();
        assert!(error.contains(expected), "{lines}: {error}");
    }
}

#[test]
fn a_window_of_a_minute_may_be_checked_every_ten_seconds() {
    let pace = |lines: &str| {
        let catalog = parse(&format!("entity = \"job\"\n{lines}"), RULE)?;
        Ok::<_, String>(catalog.of("jobs").unwrap().entities().unwrap().pace)
    };
    let often = pace("window = \"1m\"\nevery = \"10s\"").unwrap();
    assert_eq!((often.every, often.slot().as_secs()), (Some(Every::TenSeconds), 10));
    let once = pace("window = \"1m\"").unwrap();
    assert_eq!((once.every, once.slot().as_secs()), (None, 60));
    for (lines, expected) in [
        ("every = \"10s\"", "a window of 1h is checked once"),
        ("window = \"5m\"\nevery = \"10s\"", "a window of 5m is checked once"),
    ] {
        let error = pace(lines).unwrap_err();
        assert!(error.contains(expected), "{lines}: {error}");
    }
    assert!(pace("window = \"1m\"\nevery = \"5s\"").is_err());
}

#[test]
fn a_polled_source_of_customers_has_tables_of_its_own() {
    let catalog = parse("feed = \"poll\"\nid = \"id\"", RULE).unwrap();
    let polled = catalog.of("jobs").unwrap();
    let key = polled.find("job_duration").unwrap().customer_sql();
    assert_eq!(key, "arrayStringConcat([ifNull(toString(`team`), '')], '\\x1f')");
    let customer = detection::CustomerId::new("team-a").unwrap();
    assert_eq!(polled.who(&customer), (customer, None));
}

#[test]
fn a_rule_may_have_to_hold_for_some_windows() {
    let catalog = parse(
        "entity = \"job\"",
        "[[metric.rule]]\ntype = \"percentile\"\nof = \"window\"\nfor = \"2 of 3\"",
    )
    .unwrap();
    let rule = catalog.find("job_duration").unwrap().rules[0];
    assert_eq!((rule.lasting.to_string(), rule.lasting.windows()), ("2 of 3".to_owned(), 3));
    let refusal = parse("entity = \"job\"", "[[metric.rule]]\ntype = \"percentile\"\nfor = \"3 in 3\"");
    assert!(refusal.is_err());
}

/// A metric of this aggregate with more lines.
fn aggregate(aggregate: &str, more: &str) -> Result<Catalog, String> {
    let metric = DURATION.replace("p95", aggregate);
    let text = format!("{SOURCE}entity = \"job\"\nbad = \"failed\"\n{metric}{more}");
    Catalog::parse(&text, "my.toml").map_err(|error| error.to_string())
}

#[test]
fn each_aggregate_has_what_it_needs_and_the_rules_that_can_judge_it() {
    let rule = |name: &str| format!("[[metric.rule]]\ntype = \"{name}\"\n");
    let limit = "[[metric.rule]]\ntype = \"threshold\"\nwarning = 1.0\n";
    for (name, more) in [
        ("ratio", format!("per = \"calls\"\n{limit}")),
        ("last", String::new()),
        ("last", limit.to_owned()),
        ("distinct", rule("distinct_growth")),
        ("distinct", format!("{limit}{}", rule("off_hours"))),
        ("novel", rule("novelty")),
        ("max", rule("off_hours")),
    ] {
        assert!(aggregate(name, &more).is_ok(), "{name} {more}: {:?}", aggregate(name, &more));
    }
    for (name, more, expected) in [
        ("ratio", String::new(), "`per` is missing"),
        ("ratio", "per = \"calls\"\n".to_owned(), "`aggregate = \"ratio\"` needs a [[metric.rule]]"),
        ("ratio", "per = \"a)\"\n".to_owned(), "`per` closes a parenthesis"),
        ("ratio", format!("per = \"calls\"\n{RULE}"), "the rule `percentile` needs a number of each event"),
        ("last", "per = \"calls\"\n".to_owned(), "`per` has no use for `aggregate = \"last\"`"),
        ("distinct", String::new(), "`aggregate = \"distinct\"` needs a [[metric.rule]]"),
        ("distinct", RULE.to_owned(), "and `aggregate = \"distinct\"` has none"),
        ("distinct", rule("novelty"), "needs `aggregate = \"novel\"`"),
        ("novel", String::new(), "`aggregate = \"novel\"` needs a [[metric.rule]]"),
        ("novel", rule("off_hours"), "the rule `off_hours` has no use for `aggregate = \"novel\"`"),
        ("novel", format!("{}unseen_days = 400\n", rule("novelty")), "`unseen_days`"),
    ] {
        let refusal = aggregate(name, &more).expect_err(name);
        assert!(refusal.contains(expected), "{name} {more}: {refusal}");
    }
    let usage = DURATION.replace("p95", "last").replace("source = \"jobs\"\n", "");
    let refusal = Catalog::parse(&usage, "a").unwrap_err().to_string();
    assert!(refusal.contains("`aggregate = \"last\"` needs a `source` that has an `entity`"), "{refusal}");
}

#[test]
fn fingerprints_are_written_out_in_every_expression() {
    let rule = "[[metric.rule]]\ntype = \"novelty\"\n";
    let metric =
        DURATION.replace("p95", "novel").replace("\"ms\"\nmissing", "\"fingerprint(error)\"\nmissing");
    let text = format!("{SOURCE}entity = [\"job\", \"fingerprint(path)\"]\n{metric}{rule}");
    let catalog = Catalog::parse(&text, "a").unwrap();
    let metric = catalog.find("job_duration").unwrap();
    assert_eq!(metric.value.as_deref(), Some(crate::fingerprint_sql("error").as_str()));
    let names = &metric.entities.as_ref().unwrap().names;
    assert_eq!(names[1], crate::fingerprint_sql("path"));
}

#[test]
fn texts_and_hours_of_the_day_need_windows_of_hours() {
    let of = |window: &str, aggregate: &str, value: &str, rule: &str| {
        let text = format!(
            "{SOURCE}entity = \"job\"\nwindow = \"{window}\"\n[[metric]]\nname = \"m\"\nsource = \"jobs\"\nunit = \"runs\"\n\
             missing = \"gap\"\nmin_change = 1\naggregate = \"{aggregate}\"\n{value}\n[[metric.rule]]\n{rule}"
        );
        Catalog::parse(&text, "a").map_err(|error| error.to_string())
    };
    let (text, novelty) = ("value = \"error\"", "type = \"novelty\"");
    let (growth, off_hours) = ("type = \"distinct_growth\"", "type = \"off_hours\"");
    for (window, aggregate, value, rule, refusal) in [
        ("1h", "novel", text, novelty, None),
        ("24h", "novel", text, novelty, None),
        (
            "5m",
            "novel",
            text,
            novelty,
            Some("needs a `window` of \"1h\" or \"24h\" in the source, which has \"5m\""),
        ),
        ("24h", "distinct", text, growth, None),
        ("1m", "distinct", text, growth, Some("needs a `window` of")),
        ("1h", "count", "", off_hours, None),
        ("24h", "count", "", off_hours, Some("needs `window = \"1h\"` in the source")),
        (
            "1h",
            "count",
            "",
            &format!("{off_hours}\nfor = \"2 of 2\""),
            Some("`for` has no use for the rule `off_hours`"),
        ),
        (
            "1h",
            "distinct",
            text,
            "type = \"threshold\"\nwarning = 1.0\nfor = \"2 of 2\"",
            Some("texts are counted"),
        ),
    ] {
        match (of(window, aggregate, value, rule), refusal) {
            (Ok(_), None) => {}
            (Err(found), Some(refusal)) => assert!(found.contains(refusal), "{found}"),
            (found, _) => panic!("{window} {aggregate} {rule}: {found:?}"),
        }
    }
}

#[test]
fn models_judge_no_windows_of_a_day() {
    let count = DURATION.replace("p95", "count").replace("value = \"ms\"\n", "");
    let of = |window: &str| {
        let text = format!("{SOURCE}entity = \"job\"\nwindow = \"{window}\"\n{count}");
        Catalog::parse(&text, "my.toml").map_err(|error| error.to_string())
    };
    assert!(of("1h").is_ok());
    let refusal = of("24h").unwrap_err();
    assert!(refusal.contains("needs a source with a `window` of \"1h\" or less"), "{refusal}");
}

#[test]
fn detectors_vote_on_samples_of_minutes_with_the_same_weights() {
    const MINUTES: &str = "entity = \"job\"\nwindow = \"1m\"";
    const VOTE: &str = "[[metric.rule]]\ntype = \"vote\"\n";
    const SHAPE: &str = "[[metric.rule]]\ntype = \"unseen_shape\"\n";
    let other = |rule: &str| {
        let other = DURATION.replace("job_duration", "job_wait");
        format!("{VOTE}min_change = 5\n{other}{VOTE}{rule}")
    };
    let catalog = parse(MINUTES, &other("min_change = 9\npeaks = false")).unwrap();
    let votes = catalog.of("jobs").unwrap().ruled().iter().filter_map(MetricSpec::vote);
    assert_eq!(
        votes.map(|vote| (vote.min_change, vote.peaks)).collect::<Vec<_>>(),
        [(5.0, true), (9.0, false)]
    );
    let both = parse(MINUTES, &format!("{SHAPE}min_change = 2\n{VOTE}")).unwrap();
    let spec = both.find("job_duration").unwrap();
    assert_eq!(spec.unseen_shape().map(|rule| rule.min_change), Some(2.0));
    assert!(spec.vote().is_some());
    for (source, metric, expected) in [
        (MINUTES, other("threshold = 0.7"), "`job_wait` is refused: its rule `vote` has other weights"),
        (MINUTES, format!("{VOTE}{RULE}"), "the rule `vote` judges a metric alone"),
        (MINUTES, format!("{VOTE}{SHAPE}{SHAPE}"), "one rule `unseen_shape` at most"),
        (MINUTES, format!("{SHAPE}threshold = 0"), "`threshold` of a rule of type unseen_shape is 0"),
        (MINUTES, format!("{SHAPE}for = \"2 of 3\""), "`for` has no use for the rule `unseen_shape`"),
        (
            "entity = \"job\"",
            SHAPE.to_owned(),
            "the rule `unseen_shape` of `aggregate = \"p95\"` needs a `window` of \"1m\" or \"5m\"",
        ),
        (MINUTES, format!("{VOTE}for = \"2 of 3\""), "`for` has no use for the rule `vote`"),
        (MINUTES, format!("{VOTE}rolling_z = 0.5"), "`sum of the weights` of a rule of type vote is 1.3"),
        (
            "entity = \"job\"",
            VOTE.to_owned(),
            "needs a `window` of \"1m\" or \"5m\" in the source, which has \"1h\"",
        ),
    ] {
        let refused = parse(source, &metric).unwrap_err();
        assert!(refused.contains(expected), "{metric}: {refused}");
    }
    let largest = format!("{SOURCE}{MINUTES}\n{DURATION}{VOTE}").replace("p95", "max");
    let refused = Catalog::parse(&largest, "a").unwrap_err().to_string();
    assert!(refused.contains("the rule `vote` has no use for `aggregate = \"max\"`"), "{refused}");
}

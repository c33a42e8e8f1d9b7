//! The operators' policies: changed one version at a time, refused as a whole, kept with their authors, and used by the
//! next run.

mod use_by_runs;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use e2e::api::NOW;
use e2e::proxy::{Action, Proxy, Seen};
use e2e::world::{self, END, at, figures, hourly, run, steady_then, text};
use e2e::{Api, World};
use futures::future::try_join_all;
use serde_json::{Value, json};

const GLOBAL: &str = "/v1/config";
const OF_B: &str = "/v1/config/customers/b";

/// Stores a policy over the version of this number. Fails unless that works.
pub(crate) async fn set(api: &Api, path: &str, version: u64, policy: Value) -> Result<()> {
    let answer = api.put(path, &format!("\"{version}\""), &policy).await?;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    assert_eq!(answer.json["version"], version + 1, "{path}");
    Ok(())
}

/// An override of compute time.
fn compute(change: Value) -> Value {
    json!({ "metrics": { "compute_time": change } })
}

#[tokio::test]
async fn a_change_needs_the_version_that_its_author_saw() -> Result<()> {
    let world = World::new().await?;
    let api = world.api().await?;
    for path in [GLOBAL, OF_B, "/v1/config/customers/~YS_Dkg"] {
        let first = api.get(path).await?;
        assert_eq!((first.status, first.header("etag")), (200, "\"0\""), "{path}");
        let empty = json!({
            "version": 0, "updated_at": null, "updated_by": null, "config": { "metrics": {}, "mutes": [] }
        });
        assert_eq!(first.json, empty, "{path}");
        let policy = json!({
            "metrics": { "api_calls": { "threshold": 3.5, "min_change": 0.1 } },
            "mutes": [{ "metric": "bandwidth", "from": "2026-11-21T13:00:00Z", "reason": "release 客" }],
        });
        let no_etag = api.send("PUT", path, &[], policy.to_string().into_bytes()).await?;
        no_etag.assert_problem(428, path);
        for wrong in
            ["0", "*", "W/\"0\"", "\"-1\"", "\"\"", "\"zero\"", "\"0\", \"1\"", "\"99999999999999999999\""]
        {
            let answer = api.put(path, wrong, &policy).await?;
            answer.assert_invalid("If-Match", "must be the ETag", &format!("{path} with {wrong}"));
        }
        api.put(path, "\"1\"", &policy).await?.assert_problem(412, path);

        let changed = api.put(path, "\"0\"", &policy).await?;
        assert_eq!((changed.status, changed.header("etag")), (200, "\"1\""), "{path}: {}", changed.text);
        api.put(path, "\"0\"", &policy).await?.assert_problem(412, path);
        let mut read = api.get(path).await?;
        // No customer has usage here. The remark says so once.
        let remarks = changed.json.get("remarks").cloned();
        let codes = remarks.iter().flat_map(|remarks| remarks.as_array()).flatten();
        let codes: Vec<_> = codes.map(|remark| remark["code"].clone()).collect();
        assert_eq!(codes, if path == GLOBAL { vec![] } else { vec![json!("no_usage")] }, "{path}");
        if let (Some(remarks), Some(object)) = (remarks, read.json.as_object_mut()) {
            object.insert("remarks".to_owned(), remarks);
        }
        assert_eq!((read.header("etag"), &read.json), ("\"1\"", &changed.json), "{path}");
        assert_eq!(read.json["config"], policy, "{path}");
        let stamp = (&read.json["updated_at"], &read.json["updated_by"]);
        assert_eq!(stamp, (&json!(at(NOW).as_millisecond()), &json!("operator")), "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_policy_is_refused_as_a_whole_with_the_place_of_the_mistake() -> Result<()> {
    let world = World::new().await?;
    let api = world.api().await?;
    let many: Vec<_> = (0..101).map(|_| json!({ "reason": "x" })).collect();
    let good = json!({ "threshold": 4.0 });
    for path in [GLOBAL, OF_B] {
        for (policy, parameter, detail) in [
            (json!({ "metrics": { "cpu": {} } }), "metrics.cpu", "it has api_calls, bandwidth"),
            (json!({ "metrics": { "CPU": {} } }), "metrics.CPU", "not a metric name"),
            (compute(json!({ "threshold": 6 })), "metrics.compute_time", "critical_threshold = 5"),
            (compute(json!({ "threshold": 0 })), "metrics.compute_time", "threshold = 0"),
            (compute(json!({ "critical_threshold": 101 })), "metrics.compute_time", "101"),
            (compute(json!({ "min_change": -1 })), "metrics.compute_time", "min_change = -1"),
            (compute(json!({ "min_relative_change": -0.1 })), "metrics.compute_time", "-0.1"),
            (compute(json!({ "treshold": 4 })), "metrics.compute_time.treshold", "unknown field `treshold`"),
            (compute(json!({ "threshold": "4" })), "metrics.compute_time.threshold", "invalid type"),
            (json!({ "sensitivity": "highest" }), "sensitivity", "`highest` is no sensitivity: `low`, "),
            (compute(json!({ "sensitivity": 9 })), "metrics.compute_time.sensitivity", "0.2 to 5"),
            (json!({ "detectors": [] }), "detectors", "at least one"),
            (json!({ "time_zone": "Berlin" }), "time_zone", "`Berlin` is no time zone: give an IANA name"),
            (json!({ "time_zone": 2 }), "time_zone", "invalid type"),
            (compute(json!({ "detectors": ["entropy"] })), "metrics.compute_time.detectors", "no detector"),
            (json!({ "mute": [] }), "mute", "unknown field `mute`, expected"),
            (json!({ "mutes": [{ "reason": "x" }, {}] }), "mutes[1]", "missing field `reason`"),
            (json!({ "mutes": [{ "reason": " " }] }), "mutes[0].reason", "1 to 500 characters"),
            (json!({ "mutes": [{ "reason": "x", "metric": "cpu" }] }), "mutes[0].metric", "it has api_calls"),
            (
                json!({ "mutes": [{ "reason": "x", "from": END, "until": "2026-11-21T12:59:59Z" }] }),
                "mutes[0].until",
                "after `from`",
            ),
            (json!({ "mutes": [{ "reason": "x", "from": "yesterday" }] }), "mutes[0].from", ""),
            (json!({ "mutes": many }), "mutes", "at most 100"),
            // One mistake among many valid parts.
            (
                json!({ "metrics": { "api_calls": good, "bandwidth": { "threshold": 5.5 } }, "mutes": [] }),
                "metrics.bandwidth",
                "critical_threshold = 5",
            ),
        ] {
            let answer = api.put(path, "\"0\"", &policy).await?;
            answer.assert_invalid(parameter, detail, &format!("{path}: {policy}"));
        }
        assert_eq!(api.read(path).await?["version"], 0, "{path}");
    }
    for (path, hours, detail) in [
        (OF_B, json!(49), "49 is out of range: whole hours from 0 to 48"),
        (OF_B, json!(-1), "invalid value"),
        (OF_B, json!(1.5), "invalid type"),
        (GLOBAL, json!(6), "only the policy of one customer"),
    ] {
        let answer = api.put(path, "\"0\"", &json!({ "window_delay_hours": hours })).await?;
        answer.assert_invalid("window_delay_hours", detail, &format!("{path}: {hours}"));
    }
    assert_eq!(world.all_items().await?, []);
    Ok(())
}

#[tokio::test]
async fn the_policies_of_all_and_of_one_must_fit_together() -> Result<()> {
    let world = World::new().await?;
    let api = world.api().await?;
    set(&api, OF_B, 0, compute(json!({ "threshold": 4.8 }))).await?;
    let narrower = api.put(GLOBAL, "\"0\"", &compute(json!({ "critical_threshold": 4.5 }))).await?;
    narrower.assert_invalid("metrics", "the policy of the customer \"b\"", "4.8 above 4.5");
    // The reverse: the policy for all customers limits the policy of one.
    set(&api, GLOBAL, 0, compute(json!({ "critical_threshold": 10 }))).await?;
    set(&api, OF_B, 1, compute(json!({ "threshold": 9 }))).await?;
    let wider = api.put(OF_B, "\"2\"", &compute(json!({ "threshold": 11 }))).await?;
    wider.assert_invalid("metrics.compute_time", "critical_threshold = 10", "11 above 10");
    let back = api.put(GLOBAL, "\"1\"", &json!({})).await?;
    back.assert_invalid("metrics", "the policy of the customer \"b\"", "9 above 5");
    set(&api, OF_B, 2, json!({})).await?;
    set(&api, GLOBAL, 1, json!({})).await
}

#[tokio::test]
async fn every_version_is_kept_with_its_author() -> Result<()> {
    let world = World::new().await?;
    let api = world.api().await?;
    for (path, versions) in [(GLOBAL, 3_u64), (OF_B, 2)] {
        for version in 0..versions {
            let claims = json!({ "scope": e2e::api::SCOPES, "sub": format!("author {version}") });
            set(
                &api.with_claims(claims),
                path,
                version,
                compute(json!({ "threshold": 3.0 + version as f64 / 2.0 })),
            )
            .await?;
        }
    }
    let mut audit = BTreeMap::new();
    for item in world.all_items().await? {
        if text(&item, "type") == "policy_version" {
            let kept = (text(&item, "updated_by"), text(&item, "policy"), text(&item, "updated_at"));
            audit.insert((text(&item, "customer_id"), text(&item, "version")), kept);
        }
    }
    assert_eq!(audit.len(), 5, "{audit:?}");
    for (customer, versions) in [("", 3), ("b", 2)] {
        for version in 0..versions {
            let (author, policy, time) = &audit[&(customer.to_owned(), (version + 1).to_string())];
            assert_eq!(*author, format!("author {version}"));
            let policy: Value = serde_json::from_str(policy)?;
            assert_eq!(policy["metrics"]["compute_time"]["threshold"], 3.0 + f64::from(version) / 2.0);
            assert_eq!(*time, at(NOW).as_millisecond().to_string());
        }
    }
    Ok(())
}

#[tokio::test]
async fn one_of_two_simultaneous_writers_wins() -> Result<()> {
    let world = World::new().await?;
    let api = world.api().await?;
    for (path, version) in [(GLOBAL, 0_u64), (GLOBAL, 1), (OF_B, 0)] {
        let writers = (0..10).map(|writer| {
            let api = api.clone();
            let policy = compute(json!({ "min_change": writer }));
            async move { api.put(path, &format!("\"{version}\""), &policy).await }
        });
        let answers = try_join_all(writers).await?;
        let winners: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(winners.len(), 1, "{path}");
        for loser in answers.iter().filter(|answer| answer.status != 200) {
            loser.assert_problem(412, path);
        }
        let read = api.read(path).await?;
        for name in ["version", "config", "updated_at", "updated_by"] {
            assert_eq!(read[name], winners[0].json[name], "{path}: {name}");
        }
    }
    assert_eq!(world.partition("CONFIG_HISTORY#GLOBAL").await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_policy_that_an_older_version_stored_stays_valid() -> Result<()> {
    let world = World::new().await?;
    // Some forty deviations above the mean.
    world.insert(&steady_then("b", at(END), 2e7)).await?;
    let policy = r#"{"metrics":{"compute_time":{"threshold":4.5,"critical_threshold":100.0}},"mutes":[{"from":"2026-11-21T13:00:00Z","reason":"x"}]}"#;
    let texts =
        [("pk", "CONFIG"), ("sk", "GLOBAL"), ("type", "policy"), ("policy", policy), ("updated_by", "her")];
    let numbers = [("version", 3), ("updated_at", 1)];
    let mut put = aws_sdk_dynamodb::Client::new(&world.aws).put_item().table_name(&world.table);
    for (name, text) in texts {
        put = put.item(name, AttributeValue::S(text.to_owned()));
    }
    for (name, number) in numbers {
        put = put.item(name, AttributeValue::N(number.to_string()));
    }
    put.send().await?;
    let api = world.api().await?;
    let read = api.read(GLOBAL).await?;
    assert_eq!((&read["version"], &read["config"]), (&json!(3), &serde_json::from_str::<Value>(policy)?));
    let summary = run(&world.app().await?, &hourly(END)).await?;
    assert_eq!((summary.recorded, summary.critical), (1, 0));
    set(&api, GLOBAL, 3, json!({ "sensitivity": "high", "detectors": "ensemble" })).await?;
    let changed = json!({
        "sensitivity": 0.8, "detectors": ["seasonal", "autoregressive"], "metrics": {}, "mutes": [],
    });
    assert_eq!(api.read(GLOBAL).await?["config"], changed);
    Ok(())
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_not_taken_for_that_of_somebody_else() -> Result<()> {
    let world = World::new().await?;
    let decide = |seen: &Seen| match seen.operation.as_str() {
        "TransactWriteItems" if seen.earlier == 0 => Action::LoseAnswer,
        _ => Action::Forward,
    };
    let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, decide).await?;
    let api = world.api_with(&[], &world.aws_at(&proxy.url).await).await?;
    set(&api, GLOBAL, 0, compute(json!({ "threshold": 4 }))).await?;
    assert_eq!(proxy.count("TransactWriteItems"), 2);
    assert_eq!(api.read(GLOBAL).await?["version"], 1);
    Ok(())
}

const OF_C1: &str = "/v1/config/customers/c00001";

#[tokio::test]
async fn a_metric_that_left_the_catalog_blocks_no_policy_and_is_named() -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady_then("b", at(END), 5e7)).await?;
    let before = world.api().await?;
    set(&before, OF_B, 0, json!({ "metrics": { "bandwidth": { "threshold": 4.0 } } })).await?;
    set(&before, GLOBAL, 0, json!({ "mutes": [{ "metric": "bandwidth", "reason": "release" }] })).await?;
    // The same deployment with a catalog without `bandwidth`.
    let catalog = include_str!("../../shared/catalog/catalog.toml");
    let mut metrics = catalog.split("[[metric]]");
    let head = metrics.next().unwrap_or_default();
    let kept: Vec<_> = metrics.filter(|metric| !metric.contains("\"bandwidth\"")).collect();
    let file = std::env::temp_dir().join(format!("catalog-{}.toml", std::process::id()));
    std::fs::write(&file, format!("{head}[[metric]]{}", kept.join("[[metric]]")))?;
    let path = file.to_string_lossy().into_owned();
    let api = world.api_with(&[("CATALOG_PATH", &path)], &world.aws).await?;
    std::fs::remove_file(&file)?;

    let stored = json!({
        "metrics": { "api_calls": { "threshold": 3.5 } },
        "mutes": [{ "metric": "bandwidth", "reason": "release" }],
    });
    let changed = api.put(GLOBAL, "\"1\"", &stored).await?;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let remarks: Vec<_> = changed.json["remarks"].as_array().context("remarks")?.iter().collect();
    let details: Vec<_> = remarks.iter().filter_map(|remark| remark["detail"].as_str()).collect();
    assert!(remarks.iter().all(|remark| remark["code"] == "unknown_metric"), "{}", changed.text);
    assert!(details[0].starts_with("the mute of bandwidth in this policy"), "{details:?}");
    assert!(details[1].starts_with("metrics.bandwidth in the policy of the customer \"b\""), "{details:?}");
    let own = json!({ "metrics": { "bandwidth": { "threshold": 4.0 }, "api_calls": { "threshold": 4.5 } } });
    let changed = api.put(OF_B, "\"1\"", &own).await?;
    assert_eq!((changed.status, changed.json["remarks"].as_array().map(Vec::len)), (200, Some(1)));
    // An entry that was not stored before is refused.
    let new = json!({ "metrics": { "bandwidth": { "threshold": 4.0 } } });
    api.put(GLOBAL, "\"2\"", &new).await?.assert_invalid("metrics.bandwidth", "no such metric", "new");
    Ok(())
}

#[tokio::test]
async fn a_policy_is_stored_also_where_nobody_can_say_whether_there_is_usage() -> Result<()> {
    let world = World::new().await?;
    for (action, within) in [(Action::LoseAnswer, 3), (Action::FreezeBefore, 5)] {
        let proxy = Proxy::start(&world.clickhouse_url, move |_| action.clone()).await?;
        let api = world.api_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
        let started = std::time::Instant::now();
        let path = format!("/v1/config/customers/{within}");
        let changed = api.put(&path, "\"0\"", &json!({})).await?;
        assert_eq!((changed.status, &changed.json["remarks"][0]["code"]), (200, &json!("usage_unknown")));
        assert!(started.elapsed().as_secs() < within, "{:?}", started.elapsed());
    }
    Ok(())
}

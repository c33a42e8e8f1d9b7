//! Lists of anomalies and their counts: each anomaly once, newest first, for any filter, without expired ones.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use detection::{Direction, Severity};
use e2e::api::NOW;
use e2e::data::Made;
use e2e::world::at;
use e2e::{Api, World};
use serde_json::{Value, json};

/// Fifty anomalies, ten of each of five hours.
const FIRST: &str = "2026-11-21T06:00:00Z";

/// All list pages of a list: the ids in order, and the lengths of the list pages.
async fn pages(api: &Api, query: &str) -> Result<(Vec<String>, Vec<usize>)> {
    let (mut ids, mut lengths, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = api.read(&format!("/v1/anomalies?{query}{cursor}")).await?;
        let anomalies = page["anomalies"].as_array().context("anomalies")?;
        lengths.push(anomalies.len());
        ids.extend(anomalies.iter().filter_map(|anomaly| anomaly["anomaly_id"].as_str().map(str::to_owned)));
        match &page["next_cursor"] {
            Value::Null => return Ok((ids, lengths)),
            next => cursor = format!("&cursor={}", next.as_str().context("a cursor")?),
        }
        assert!(lengths.len() <= 100, "{query}: pages without an end");
    }
}

/// Lists in list pages of three. Fails unless exactly these anomalies come, each once, newest first, in full list
/// pages.
async fn assert_listed(api: &Api, query: &str, expected: &[&Made]) -> Result<()> {
    let (ids, lengths) = pages(api, &format!("limit=3{query}")).await?;
    let time = |id: &String| id.split('.').next().and_then(|ms| ms.parse::<i64>().ok());
    assert!(ids.is_sorted_by_key(|id| std::cmp::Reverse(time(id))), "{query}: {ids:?}");
    let (found, made): (BTreeSet<_>, Result<BTreeSet<_>>) =
        (ids.iter().cloned().collect(), expected.iter().map(|made| made.id()).collect());
    assert_eq!((ids.len(), found), (expected.len(), made?), "{query}");
    let full = &lengths[..lengths.len() - 1];
    assert!(full.iter().all(|length| *length == 3), "{query}: {lengths:?}");
    assert!(expected.is_empty() || lengths.last() != Some(&0), "{query}: {lengths:?}");
    Ok(())
}

#[tokio::test]
async fn pages_of_three_bring_each_of_fifty_once_with_every_filter() -> Result<()> {
    let world = World::new().await?;
    let made = world.record_many(50, FIRST).await?;
    let api = world.api().await?;
    type Keep = fn(&Made) -> bool;
    let places: [(&str, Keep); 4] = [
        ("", |_| true),
        ("&customer_id=c3", |made| made.customer == "c3"),
        ("&metric=bandwidth", |made| made.metric == "bandwidth"),
        ("&metric=api_calls&customer_id=c2", |made| made.metric == "api_calls" && made.customer == "c2"),
    ];
    let filters: [(&str, Keep); 9] = [
        ("", |_| true),
        ("&severity=critical", |made| made.severity == Severity::Critical),
        ("&severity=warning&direction=drop", |made| {
            made.severity == Severity::Warning && made.direction == Direction::Drop
        }),
        ("&direction=spike", |made| made.direction == Direction::Spike),
        ("&from=2026-11-21T08:00:00Z", |made| made.detected_at >= at("2026-11-21T08:00:00Z")),
        ("&to=2026-11-21T08:00:00Z", |made| made.detected_at < at("2026-11-21T08:00:00Z")),
        ("&from=2026-11-21T07:00:00.001Z&to=2026-11-21T09:00:00.001Z", |made| {
            (at("2026-11-21T08:00:00Z")..=at("2026-11-21T09:00:00Z")).contains(&made.detected_at)
        }),
        ("&from=2026-11-21T08:00:00Z&to=2026-11-21T09:00:00Z&severity=critical", |made| {
            made.detected_at == at("2026-11-21T08:00:00Z") && made.severity == Severity::Critical
        }),
        ("&from=2026-11-21T11:00:00Z", |_| false),
    ];
    for (place, of_place) in places {
        for (filter, kept) in filters {
            let expected: Vec<_> = made.iter().filter(|made| of_place(made) && kept(made)).collect();
            assert_listed(&api, &format!("{place}{filter}"), &expected).await?;
        }
        let own: Vec<_> = made.iter().filter(|made| of_place(made) && made.customer == "c3").collect();
        if !place.contains("c2") {
            assert_listed(&api.as_customer("c3"), place, &own).await?;
        }
    }
    let (all, _) = pages(&api, "limit=100").await?;
    assert_eq!(pages(&api, "limit=7").await?.0, all, "the order does not hang on the length of a page");
    assert_eq!(api.read("/v1/anomalies").await?["anomalies"].as_array().map(Vec::len), Some(20));
    Ok(())
}

#[tokio::test]
async fn a_split_index_by_metric_gives_the_same_lists_and_counts() -> Result<()> {
    let world = World::new().await?.split_sibling().await?;
    let made = world.record_many(50, FIRST).await?;
    let api = world.api_with(&[("SPLIT_METRIC_INDEX", "true")], &world.aws).await?;
    type Keep = fn(&Made) -> bool;
    let filters: [(&str, Keep); 4] = [
        ("", |_| true),
        ("&metric=bandwidth&severity=warning", |made| {
            made.metric == "bandwidth" && made.severity == Severity::Warning
        }),
        ("&from=2026-11-21T07:00:00Z&to=2026-11-21T08:00:00Z", |made| {
            made.detected_at == at("2026-11-21T07:00:00Z")
        }),
        ("&customer_id=c3", |made| made.customer == "c3"),
    ];
    for (filter, kept) in filters {
        let expected: Vec<_> = made.iter().filter(|made| kept(made)).collect();
        assert_listed(&api, filter, &expected).await?;
        let trends = api.read(&format!("/v1/anomalies/trends?{}", filter.trim_start_matches('&'))).await?;
        assert_figures(&trends, &expected, filter);
    }
    let (all, _) = pages(&api, "limit=100").await?;
    assert_eq!(pages(&api, "limit=7").await?.0, all, "the order does not hang on the length of a page");
    Ok(())
}

#[tokio::test]
async fn an_untouched_anomaly_counts_as_open() -> Result<()> {
    let world = World::new().await?;
    let made = world.record_many(30, FIRST).await?;
    let api = world.api().await?;
    let mut states = BTreeMap::<_, Vec<&Made>>::new();
    for (number, made) in made.iter().enumerate() {
        let (actions, state): (&[&str], _) = match number % 4 {
            0 => (&["acknowledge"], "acknowledged"),
            1 => (&["resolve"], "resolved"),
            2 => (&["acknowledge", "reopen"], "open"),
            _ => (&[], "open"),
        };
        for action in actions {
            let answer = api.post(&format!("/v1/anomalies/{}/{action}", made.id()?), &json!({})).await?;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        states.entry(state).or_default().push(made);
    }
    for place in ["", "&metric=api_calls", "&customer_id=c1"] {
        for (state, of_state) in &states {
            let expected: Vec<_> = of_state
                .iter()
                .copied()
                .filter(|made| !place.contains("metric") || made.metric == "api_calls")
                .filter(|made| !place.contains("customer") || made.customer == "c1")
                .collect();
            assert_listed(&api, &format!("{place}&state={state}"), &expected).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn expired_items_are_shown_nowhere() -> Result<()> {
    let world = World::new().await?;
    let made = world.record_many(50, FIRST).await?;
    let now = at(NOW).as_second();
    // The item exists until the second of its expiry.
    for (number, made) in made.iter().enumerate() {
        world.expire(made, if number % 2 == 0 { now - 1 } else { now }).await?;
    }
    let (gone, left): (Vec<_>, Vec<_>) = made.iter().enumerate().partition(|(number, _)| number % 2 == 0);
    let left: Vec<_> = left.into_iter().map(|(_, made)| made).collect();
    let api = world.api().await?;
    for (place, of_place) in [("", None), ("&metric=storage_peak", Some("storage_peak"))] {
        let expected: Vec<_> =
            left.iter().copied().filter(|made| of_place.is_none_or(|metric| made.metric == metric)).collect();
        assert_listed(&api, place, &expected).await?;
    }
    for customer in 0..7 {
        let customer = format!("c{customer}");
        let expected: Vec<_> = left.iter().copied().filter(|made| made.customer == customer).collect();
        assert_listed(&api, &format!("&customer_id={customer}"), &expected).await?;
    }
    assert_eq!(api.read("/v1/anomalies/trends").await?["total"], json!(25));
    for (_, made) in gone {
        api.get(&format!("/v1/anomalies/{}", made.id()?)).await?.assert_problem(404, "expired");
    }
    Ok(())
}

#[tokio::test]
async fn a_cursor_serves_its_own_query_and_token_only() -> Result<()> {
    let world = World::new().await?;
    world.record_many(50, FIRST).await?;
    let api = world.api().await?;
    let customer = api.as_customer("c2");
    let cursor_of = async |api: &Api, query: &str| -> Result<String> {
        let page = api.read(&format!("/v1/anomalies?limit=2{query}")).await?;
        Ok(page["next_cursor"].as_str().context("a cursor")?.to_owned())
    };
    let (all, own) = (cursor_of(&api, "").await?, cursor_of(&customer, "").await?);
    let filtered = cursor_of(&api, "&metric=api_calls").await?;
    let mut changed = all.clone().into_bytes();
    changed[20] = if changed[20] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed)?;
    for (asked, query, case) in [
        (&api, format!("metric=api_calls&cursor={all}"), "a filter more"),
        (&api, format!("cursor={filtered}"), "a filter less"),
        (&api, format!("metric=bandwidth&cursor={filtered}"), "another filter"),
        (&api, format!("state=open&cursor={all}"), "a state"),
        (&api, format!("from=now-1d&cursor={all}"), "a time"),
        (&api, format!("customer_id=c2&cursor={own}"), "that of a customer"),
        (&api, format!("cursor={own}"), "that of a customer, for all"),
        (&customer, format!("cursor={all}"), "that of the operator"),
        (&api.as_customer("c1"), format!("cursor={own}"), "that of another customer"),
        (&api, format!("cursor={changed}"), "a changed one"),
        (&api, format!("cursor={}", &all[..all.len() - 4]), "a cut one"),
        (&api, "cursor=".to_owned(), "an empty one"),
        (&api, "cursor=%00%ff".to_owned(), "no text"),
    ] {
        let answer = asked.get(&format!("/v1/anomalies?{query}")).await?;
        answer.assert_problem(400, case);
        assert_eq!(answer.json["parameter"], "cursor", "{case}");
    }
    // The length of a list page may change on the way.
    assert_eq!(api.get(&format!("/v1/anomalies?limit=50&cursor={all}")).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_relative_time_stands_still_while_somebody_turns_pages() -> Result<()> {
    let world = World::new().await?;
    let made = world.record_many(20, "2026-11-21T12:00:00Z").await?;
    let (api, minute_later) =
        (world.api().await?, || std::time::SystemTime::from(at("2026-11-21T13:31:00Z")));
    let later = world.api_at(minute_later, &[], &world.aws).await?;
    for (query, customer) in [("", None), ("&customer_id=c1", Some("c1"))] {
        // At 13:30 these bounds include 12:00. At 13:31 they do not.
        let path = format!("/v1/anomalies?limit=2&from=now-90m&to=now-30m{query}");
        let (mut page, mut ids) = (api.read(&path).await?, BTreeSet::new());
        loop {
            let anomalies = page["anomalies"].as_array().context("anomalies")?;
            ids.extend(
                anomalies.iter().filter_map(|anomaly| anomaly["anomaly_id"].as_str().map(str::to_owned)),
            );
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            page = later.read(&format!("{path}&cursor={cursor}")).await?;
        }
        let expected: Result<BTreeSet<_>> = made[..10]
            .iter()
            .filter(|made| customer.is_none_or(|customer| made.customer == customer))
            .map(Made::id)
            .collect();
        assert_eq!(ids, expected?, "{query}");
    }
    Ok(())
}

#[tokio::test]
async fn figures_agree_with_the_anomalies() -> Result<()> {
    let world = World::new().await?;
    // Three days, with anomalies at the edges of each.
    let mut made = world.record_many(40, "2026-11-18T22:00:00Z").await?;
    made.extend(world.record_many(20, "2026-11-20T23:00:00Z").await?);
    let api = world.api().await?;
    type Keep = fn(&Made) -> bool;
    let cases: [(&str, Keep); 6] = [
        ("", |_| true),
        ("?customer_id=c2", |made| made.customer == "c2"),
        ("?metric=bandwidth&severity=warning", |made| {
            made.metric == "bandwidth" && made.severity == Severity::Warning
        }),
        ("?from=2026-11-19T00:00:00Z&to=2026-11-20T00:00:00Z", |made| {
            (at("2026-11-19T00:00:00Z")..at("2026-11-20T00:00:00Z")).contains(&made.detected_at)
        }),
        ("?from=2026-11-19T00:00:00.001Z&to=2026-11-21T00:00:00.001Z&top=2", |made| {
            (at("2026-11-19T01:00:00Z")..=at("2026-11-21T00:00:00Z")).contains(&made.detected_at)
        }),
        ("?to=2026-11-18T22:00:00Z", |_| false),
    ];
    for (query, kept) in cases {
        let trends = api.read(&format!("/v1/anomalies/trends{query}")).await?;
        let made: Vec<_> = made.iter().filter(|made| kept(made)).collect();
        assert_figures(&trends, &made, query);
    }
    let own: Vec<_> = made.iter().filter(|made| made.customer == "c3").collect();
    let trends = api.as_customer("c3").read("/v1/anomalies/trends").await?;
    assert_figures(&trends, &own, "of a customer");
    assert_eq!(trends["top_customers"].as_array().map(Vec::len), Some(1));
    Ok(())
}

fn assert_figures(trends: &Value, made: &[&Made], case: &str) {
    let count = |kept: &dyn Fn(&Made) -> bool| made.iter().filter(|made| kept(made)).count();
    let critical = |made: &Made| made.severity == Severity::Critical;
    assert_eq!((&trends["total"], &trends["complete"]), (&json!(made.len()), &json!(true)), "{case}");
    let by_severity = json!({ "warning": count(&|m| !critical(m)), "critical": count(&critical) });
    assert_eq!(trends["by_severity"], by_severity, "{case}");
    let spikes = count(&|made| made.direction == Direction::Spike);
    assert_eq!(trends["by_direction"], json!({ "spike": spikes, "drop": made.len() - spikes }), "{case}");
    let (mut metrics, mut customers) = (BTreeMap::<_, usize>::new(), BTreeMap::<_, (usize, usize)>::new());
    for made in made {
        *metrics.entry(made.metric).or_default() += 1;
        let (all, worst) = customers.entry(&made.customer).or_default();
        *all += 1;
        *worst += usize::from(critical(made));
    }
    assert_eq!(trends["by_metric"], json!(metrics), "{case}");
    let types = if made.is_empty() { json!({}) } else { json!({ "usage_anomaly": made.len() }) };
    assert_eq!(trends["by_type"], types, "{case}");
    for day in trends["by_day"].as_array().into_iter().flatten() {
        let of_day = |made: &Made| day["day"] == made.detected_at.to_string()[..10];
        let found = (day["total"].as_u64(), day["critical"].as_u64());
        let expected = (count(&of_day) as u64, count(&|made| of_day(made) && critical(made)) as u64);
        assert_eq!(found, (Some(expected.0), Some(expected.1)), "{case}: {day}");
    }
    let days: u64 =
        trends["by_day"].as_array().into_iter().flatten().filter_map(|d| d["total"].as_u64()).sum();
    assert_eq!(days, made.len() as u64, "{case}: every anomaly is on a day");
    let mut top: Vec<_> = customers.iter().map(|(id, (all, worst))| (*all, *worst, *id)).collect();
    top.sort_by(|a, b| (b.0, b.1, a.2).cmp(&(a.0, a.1, b.2)));
    let top: Vec<_> = top
        .into_iter()
        .take(if case.contains("top=2") { 2 } else { 10 })
        .map(|(all, worst, id)| json!({ "customer_id": id, "total": all, "critical": worst }))
        .collect();
    assert_eq!(trends["top_customers"], json!(top), "{case}");
}

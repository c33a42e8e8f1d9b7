//! Lists of incidents.

use super::*;

/// 56 incidents of different subjects and of all kinds. Fourteen of each of four hours changed last in the same window.
fn many() -> Result<Vec<Incident>> {
    let one = |number: usize| -> Result<Incident> {
        let end = at(FIRST) + hours(number as i64 / 14);
        let direction = [Direction::Spike, Direction::Drop][number / 28 % 2];
        let severity = if number.is_multiple_of(3) { Severity::Critical } else { Severity::Warning };
        let (customer, metric) = (format!("c{}", number % 7), METRICS[number / 7 % 4]);
        let incident = made(&customer, metric, direction, severity, end)?;
        Ok(Incident { state: STATES[number % 4], opened_at: end - hours(number as i64 % 5), ..incident })
    };
    (0..56).map(one).collect()
}

/// All list pages of a list: the ids in order, and the lengths of the list pages.
async fn pages(api: &Api, query: &str) -> Result<(Vec<String>, Vec<usize>)> {
    let (mut ids, mut lengths, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = api.read(&format!("/v1/incidents?{query}{cursor}")).await?;
        let incidents = page["incidents"].as_array().context("incidents")?;
        assert!(incidents.iter().all(|incident| incident.get("history").is_none()), "{page}");
        assert!(incidents.is_sorted_by_key(|one| std::cmp::Reverse(one["last_window"].as_i64())), "{page}");
        lengths.push(incidents.len());
        ids.extend(incidents.iter().filter_map(|one| one["incident_id"].as_str().map(str::to_owned)));
        match &page["next_cursor"] {
            Value::Null => return Ok((ids, lengths)),
            next => cursor = format!("&cursor={}", next.as_str().context("a cursor")?),
        }
        assert!(lengths.len() <= 100, "{query}: pages without an end");
    }
}

/// Lists in list pages of three. Fails unless exactly these incidents come, each once, the last changed first, in full
/// list pages.
async fn assert_listed(api: &Api, query: &str, expected: &[&Incident]) -> Result<()> {
    let (ids, lengths) = pages(api, &format!("limit=3{query}")).await?;
    let times: BTreeMap<_, _> = expected.iter().map(|one| (one.id().to_string(), one.last_window)).collect();
    assert!(ids.is_sorted_by_key(|id| std::cmp::Reverse(times.get(id))), "{query}: {ids:?}");
    let (found, all): (BTreeSet<_>, BTreeSet<_>) = (ids.iter().collect(), times.keys().collect());
    assert_eq!((ids.len(), found), (expected.len(), all), "{query}");
    let full = &lengths[..lengths.len() - 1];
    assert!(full.iter().all(|length| *length == 3), "{query}: {lengths:?}");
    assert!(expected.is_empty() || lengths.last() != Some(&0), "{query}: {lengths:?}");
    Ok(())
}

#[tokio::test]
async fn pages_of_three_bring_each_incident_once_with_every_filter() -> Result<()> {
    let (world, made) = (World::new().await?, many()?);
    store(&world, &made, |_| 90).await?;
    let api = world.api().await?;
    type Keep = fn(&Incident) -> bool;
    let places: [(&str, Keep); 4] = [
        ("", |_| true),
        ("&customer_id=c3", |one| one.subject.customer_id.as_str() == "c3"),
        ("&metric=bandwidth", |one| one.subject.metric.as_str() == "bandwidth"),
        ("&metric=api_calls&customer_id=c2", |one| {
            one.subject.metric.as_str() == "api_calls" && one.subject.customer_id.as_str() == "c2"
        }),
    ];
    let filters: [(&str, Keep); 12] = [
        ("", |_| true),
        ("&severity=critical", |one| one.severity == Severity::Critical),
        ("&severity=warning&direction=drop", |one| {
            one.severity == Severity::Warning && one.subject.direction == Direction::Drop
        }),
        ("&direction=spike", |one| one.subject.direction == Direction::Spike),
        ("&state=open", |one| one.state == IncidentState::Open),
        ("&state=acknowledged", |one| one.state == IncidentState::Acknowledged),
        ("&state=resolved", |one| one.state == IncidentState::Resolved),
        ("&state=accepted&severity=critical", |one| {
            one.state == IncidentState::Accepted && one.severity == Severity::Critical
        }),
        ("&from=2026-11-21T11:00:00Z", |one| one.last_window >= at("2026-11-21T11:00:00Z")),
        ("&to=2026-11-21T11:00:00Z", |one| one.last_window < at("2026-11-21T11:00:00Z")),
        ("&from=2026-11-21T10:00:00Z&to=2026-11-21T11:00:00.001Z&state=open", |one| {
            let window = at("2026-11-21T10:00:00Z")..=at("2026-11-21T11:00:00Z");
            window.contains(&one.last_window) && one.state == IncidentState::Open
        }),
        ("&from=2026-11-21T12:00:00.001Z", |_| false),
    ];
    for (place, of_place) in places {
        for (filter, kept) in filters {
            let expected: Vec<_> = made.iter().filter(|one| of_place(one) && kept(one)).collect();
            assert_listed(&api, &format!("{place}{filter}"), &expected).await?;
        }
        let is_own = |one: &&Incident| of_place(one) && one.subject.customer_id.as_str() == "c3";
        if !place.contains("c2") {
            assert_listed(&api.as_customer("c3"), place, &made.iter().filter(is_own).collect::<Vec<_>>())
                .await?;
        }
    }
    for place in ["", "&customer_id=c5"] {
        let (all, _) = pages(&api, &format!("limit=100{place}")).await?;
        assert_eq!(
            pages(&api, &format!("limit=1{place}")).await?.0,
            all,
            "the order does not hang on the length"
        );
    }
    assert_eq!(api.read("/v1/incidents").await?["incidents"].as_array().map(Vec::len), Some(20));
    Ok(())
}

#[tokio::test]
async fn expired_items_are_shown_nowhere() -> Result<()> {
    let (world, made) = (World::new().await?, many()?);
    // The item exists until the second of its expiry.
    store(&world, &made, |number| if number % 2 == 0 { -1 } else { 0 }).await?;
    let api = world.api().await?;
    let left: Vec<_> = made.iter().skip(1).step_by(2).collect();
    assert_listed(&api, "", &left).await?;
    for customer in 0..7 {
        let customer = format!("c{customer}");
        let own: Vec<_> =
            left.iter().copied().filter(|one| one.subject.customer_id.as_str() == customer).collect();
        assert_listed(&api, &format!("&customer_id={customer}"), &own).await?;
    }
    for (number, incident) in made.iter().enumerate() {
        let answer = api.get(&path_of(incident)).await?;
        if number % 2 == 1 {
            assert_eq!(answer.status, 200, "{}", answer.text);
            continue;
        }
        answer.assert_problem(404, "expired");
        act(&api, &path_of(incident), "resolve").await?.assert_problem(404, "expired");
    }
    Ok(())
}

#[tokio::test]
async fn a_cursor_serves_its_own_list_query_and_token_only() -> Result<()> {
    let (world, made) = (World::new().await?, many()?);
    store(&world, &made, |_| 90).await?;
    world.record_many(20, "2026-11-21T12:00:00Z").await?;
    let api = world.api().await?;
    let customer = api.as_customer("c2");
    let cursor_of = async |api: &Api, path: &str| -> Result<String> {
        Ok(api.read(path).await?["next_cursor"].as_str().context("a cursor")?.to_owned())
    };
    let all = cursor_of(&api, "/v1/incidents?limit=2").await?;
    let own = cursor_of(&customer, "/v1/incidents?limit=2").await?;
    let of_anomalies = cursor_of(&api, "/v1/anomalies?limit=2").await?;
    let mut changed = all.clone().into_bytes();
    changed[20] = if changed[20] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed)?;
    for (asked, path, case) in [
        (&api, format!("/v1/incidents?metric=api_calls&cursor={all}"), "a filter more"),
        (&api, format!("/v1/incidents?state=open&cursor={all}"), "a state"),
        (&api, format!("/v1/incidents?from=now-1d&cursor={all}"), "a time"),
        (&api, format!("/v1/incidents?cursor={own}"), "that of a customer, for all"),
        (&api, format!("/v1/incidents?customer_id=c2&cursor={own}"), "that of a customer"),
        (&customer, format!("/v1/incidents?cursor={all}"), "that of the operator"),
        (&api.as_customer("c1"), format!("/v1/incidents?cursor={own}"), "that of another customer"),
        (&api, format!("/v1/incidents?cursor={of_anomalies}"), "that of another list"),
        (&api, format!("/v1/anomalies?cursor={all}"), "that of this list for another"),
        (&api, format!("/v1/incidents?cursor={changed}"), "a changed one"),
        (&api, "/v1/incidents?cursor=".to_owned(), "an empty one"),
    ] {
        let answer = asked.get(&path).await?;
        answer.assert_problem(400, case);
        assert_eq!(answer.json["parameter"], "cursor", "{case}");
    }
    assert_eq!(api.get(&format!("/v1/incidents?limit=50&cursor={all}")).await?.status, 200);
    for (query, parameter) in
        [("state=closed", "state"), ("until=now", "until"), ("from=now&to=now", "from"), ("limit=0", "limit")]
    {
        let answer = api.get(&format!("/v1/incidents?{query}")).await?;
        answer.assert_problem(400, query);
        assert_eq!(answer.json["parameter"], parameter, "{query}");
    }

    // A minute later, the same words name other times. The list pages continue in the first bounds.
    let minute_later = || SystemTime::from(at("2026-11-21T13:31:00Z"));
    let later = world.api_at(minute_later, &[], &world.aws).await?;
    for (query, customer) in [("", None), ("&customer_id=c1", Some("c1"))] {
        let path = format!("/v1/incidents?limit=2&from=now-270m&to=now-210m{query}");
        let (mut page, mut ids) = (api.read(&path).await?, BTreeSet::new());
        loop {
            let incidents = page["incidents"].as_array().context("incidents")?;
            ids.extend(incidents.iter().filter_map(|one| one["incident_id"].as_str().map(str::to_owned)));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            page = later.read(&format!("{path}&cursor={cursor}")).await?;
        }
        let of = |one: &&Incident| customer.is_none_or(|id| one.subject.customer_id.as_str() == id);
        let expected: BTreeSet<_> = made[..14].iter().filter(of).map(|one| one.id().to_string()).collect();
        assert_eq!(ids, expected, "{query}");
    }
    Ok(())
}

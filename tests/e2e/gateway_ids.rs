//! Hostile customer ids, there and back again: each is found under exactly its own name, once.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use e2e::World;
use e2e::api::{Answer, Api, encoded};
use e2e::deployed::{Deployed, hour_ago};
use e2e::gateway::Gateway;
use e2e::world::{END, at, compute_by_window, hourly, run};
use serde_json::{Value, json};

/// Of so many ids one is checked by a request of its own. All are checked in batches, and listed by a request of their
/// own.
const CHECKED_SINGLY: usize = 4;

/// Texts with a meaning on the way: to HTTP, SQL, JSON, DynamoDB's keys, chat, terminals, Unicode.
const FRAGMENTS: [&str; 80] = [
    "'",
    "\"",
    "`",
    "\\",
    "\\'",
    "#",
    "/",
    "//",
    "%",
    "%2F",
    "%00",
    "%zz",
    "+",
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "\0",
    "\u{1}",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "?",
    "&",
    "&amp;",
    "=",
    ";",
    ",",
    ":",
    "@",
    "$",
    "**",
    "|",
    "<",
    ">",
    "<!channel>",
    "<@U1>",
    ".",
    "..",
    "../..",
    "~",
    "~abc",
    "~YWJj",
    "{}",
    "{customer_id}",
    "[0]",
    "CUSTOMER#x",
    "ANOMALY#",
    "CUSTOMER#x#ANOMALY#1795266000000#api_calls",
    "POLICY#",
    "STATUS",
    "' OR 1=1 --",
    "'); DROP TABLE usage_hourly; --",
    "{\"a\":[1,null]}",
    "null",
    "true",
    "0",
    "-1",
    "NaN",
    "1e309",
    "cust",
    "Cust",
    "é",
    "e\u{301}",
    "ß",
    "İ",
    "ﬁ",
    "客户",
    "\u{202e}abc",
    "\u{200d}",
    "\u{2028}",
    "\u{feff}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{d7ff}",
    "\u{e000}",
    "\u{fffd}",
    "\u{10ffff}",
    "👨\u{200d}👩\u{200d}👧",
];

/// `count` different ids: each of the fragments, long ones, and mixtures that are the same in each run.
fn hostile_ids(count: usize) -> Vec<String> {
    let mut ids: BTreeSet<String> = FRAGMENTS.iter().map(|fragment| (*fragment).to_owned()).collect();
    for (text, bytes) in
        [("x", 1_024), ("x", 2_000), ("客", 1_998), ("😀", 2_000), ("%", 2_000), ("\"", 2_000), ("\0", 2_000)]
    {
        ids.insert(text.repeat(bytes / text.len()));
    }
    let mut state = 1_u64;
    let mut number = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    while ids.len() < count {
        let parts = 2 + number(3);
        ids.insert((0..parts).map(|_| FRAGMENTS[number(FRAGMENTS.len())]).collect());
    }
    ids.into_iter().collect()
}

/// Compute time of the newest window of each customer. No two are equal.
fn value(number: usize) -> f64 {
    50_000_000.0 + number as f64
}

/// The customer and the current value of each anomaly, and its number of occurrences.
fn tally(anomalies: &[Value], into: &mut BTreeMap<(String, u64), usize>) -> Result<()> {
    for anomaly in anomalies {
        let customer = anomaly["customer_id"].as_str().context("a customer")?.to_owned();
        let value = anomaly["current_value"].as_f64().context("a value")?;
        *into.entry((customer, value as u64)).or_default() += 1;
    }
    Ok(())
}

fn list(answer: &Value, name: &str) -> Result<Vec<Value>> {
    answer[name].as_array().cloned().with_context(|| format!("no {name} in {answer}"))
}

#[tokio::test]
async fn hundreds_of_hostile_ids_come_back_as_they_went_in() -> Result<()> {
    let (world, ids) = (World::new().await?, hostile_ids(160));
    let mut events = Vec::new();
    for (number, id) in ids.iter().enumerate() {
        let usual = |age: usize| 7_200_000.0 + 60_000.0 * (age % 5) as f64;
        let windows: Vec<_> =
            (0..31).map(|age| Some(if age == 0 { value(number) } else { usual(age) })).collect();
        events.extend(compute_by_window(id, at(END), &windows));
    }
    world.insert(&events).await?;
    let summary = run(&world.app().await?, &hourly(END)).await?;
    assert_eq!((summary.checked, summary.recorded), (640, 160), "{summary:?}");

    let api = world.api().await?;
    let expected: BTreeMap<_, _> =
        ids.iter().enumerate().map(|(number, id)| ((id.clone(), value(number) as u64), 1)).collect();
    let (mut checked, mut checked_by_batch) = (BTreeMap::new(), BTreeMap::new());
    let (mut listed, mut listed_by_customer) = (BTreeMap::new(), BTreeMap::new());
    for (number, id) in ids.iter().enumerate() {
        let id = encoded(id);
        if number % CHECKED_SINGLY == 0 {
            let check =
                api.read(&format!("/v1/anomalies/check?metric=compute_time&customer_id={id}")).await?;
            assert_eq!(check["severity"], "critical", "{check}");
            tally(&[check], &mut checked)?;
        }
        let page = api.read(&format!("/v1/anomalies?limit=3&customer_id={id}")).await?;
        tally(&list(&page, "anomalies")?, &mut listed_by_customer)?;
    }
    for some in ids.chunks(20) {
        let body = json!({ "customer_ids": some, "metrics": ["compute_time"] });
        let answer = api.post("/v1/anomalies/check", &body).await?;
        assert_eq!(answer.status, 200, "{}", answer.text);
        tally(&list(&answer.json, "results")?, &mut checked_by_batch)?;
    }
    let mut anomalies = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.read(&format!("/v1/anomalies?limit=100{cursor}")).await?;
        anomalies.extend(list(&page, "anomalies")?);
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    tally(&anomalies, &mut listed)?;
    let (mut incidents, mut cursor) = (BTreeMap::<_, usize>::new(), String::new());
    loop {
        let page = api.read(&format!("/v1/incidents?limit=100{cursor}")).await?;
        for incident in list(&page, "incidents")? {
            *incidents
                .entry(incident["customer_id"].as_str().context("a customer")?.to_owned())
                .or_default() += 1;
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(incidents, ids.iter().map(|id| (id.clone(), 1)).collect(), "incidents");
    let singly = ids.iter().enumerate().step_by(CHECKED_SINGLY);
    let singly: BTreeMap<_, _> = singly.map(|(number, id)| ((id.clone(), value(number) as u64), 1)).collect();
    assert_eq!(checked, singly, "checked");
    for (how, found) in [
        ("checked by batch", checked_by_batch),
        ("listed", listed),
        ("listed by customer", listed_by_customer),
    ] {
        let wrong = expected.iter().find(|(key, count)| found.get(*key) != Some(*count));
        assert_eq!((wrong, found.len()), (None, ids.len()), "{how}");
    }
    // By their ids, each as its own customer.
    for anomaly in anomalies.iter().step_by(20) {
        let customer = anomaly["customer_id"].as_str().context("a customer")?;
        let own = api.as_customer(customer);
        let id = anomaly["anomaly_id"].as_str().context("an id")?;
        assert_shown(&own.read(&format!("/v1/anomalies/{id}")).await?, anomaly);
        let note: String = customer.chars().take(500).collect();
        let noted = own.post(&format!("/v1/anomalies/{id}/acknowledge"), &json!({ "note": note })).await?;
        assert_eq!((noted.status, &noted.json["history"][0]["note"]), (200, &json!(note)));
        shows_incident(&own, anomaly).await?;
        shows_usage_in_paths(&own, anomaly).await?;
    }
    Ok(())
}

/// Fails unless the shown anomaly has all of the listed one, and more.
fn assert_shown(shown: &Value, listed: &Value) {
    for (name, value) in listed.as_object().into_iter().flatten() {
        assert_eq!(shown["anomaly"][name], *value, "{name} of {listed}");
    }
}

/// The incident of the acknowledged anomaly, in the list and by its id, with the link back to the anomaly.
async fn shows_incident(api: &Api, anomaly: &Value) -> Result<()> {
    let listed = list(&api.read("/v1/incidents?limit=3").await?, "incidents")?;
    let shape = (listed.len(), &listed[0]["incident_id"], &listed[0]["state"]);
    assert_eq!(shape, (1, &anomaly["incident_id"], &json!("acknowledged")), "{anomaly}");
    let id = anomaly["incident_id"].as_str().context("an id")?;
    let shown = api.read(&format!("/v1/incidents/{id}")).await?;
    assert_eq!(shown["incident"]["customer_id"], anomaly["customer_id"]);
    let link = shown["anomalies_link"].as_str().context("a link")?;
    let linked = list(&api.read(link).await?, "anomalies")?;
    assert_eq!((linked.len(), &linked[0]["anomaly_id"]), (1, &anomaly["anomaly_id"]), "{link}");
    Ok(())
}

/// Usage of the anomaly's customer, in both forms of the path.
async fn shows_usage_in_paths(api: &Api, anomaly: &Value) -> Result<()> {
    for path in paths_of(anomaly)? {
        let answer = api.get(&path).await?;
        assert_eq!((answer.status, &answer.json["customer_id"]), (200, &anomaly["customer_id"]), "{path}");
    }
    Ok(())
}

/// Paths that name the customer: by its id in base64url, which ends the id of an anomaly, and unchanged if possible.
fn paths_of(anomaly: &Value) -> Result<Vec<String>> {
    let (id, customer) = (anomaly["anomaly_id"].as_str(), anomaly["customer_id"].as_str());
    let (id, customer) = id.zip(customer).context("an id and a customer")?;
    let base64 = id.rsplit('.').next().unwrap_or_default();
    let as_it_is = (!customer.starts_with('~')).then(|| encoded(customer));
    let segments = [Some(format!("~{base64}")), as_it_is].into_iter().flatten();
    Ok(segments
        .map(|segment| format!("/v1/customers/{segment}/usage?metric=compute_time&from=now-30d"))
        .collect())
}

#[tokio::test]
async fn the_gateway_passes_hostile_ids_on_as_they_are() -> Result<()> {
    let (gateway, hour) = (Gateway::new()?, hour_ago(1));
    // Each run of the test has ids of its own, with the hostile part in front.
    let run = uuid::Uuid::new_v4().simple().to_string();
    let ids: Vec<_> = FRAGMENTS.iter().map(|fragment| format!("{fragment}{run}{fragment}")).collect();
    let names: Vec<_> = ids.iter().map(String::as_str).collect();
    Deployed::new().await?.make_anomalies(&names, &hour).await?;
    let period = format!("metric=compute_time&current_end={hour}");
    let mut found = BTreeSet::new();
    for id in &ids {
        let by_query =
            gateway.get(&format!("/v1/anomalies/check?{period}&customer_id={}", encoded(id))).await?;
        let body = json!({ "customer_ids": [id], "metrics": ["compute_time"], "current_end": hour });
        let by_body = gateway.post("/v1/anomalies/check", &body).await?;
        for (check, answer) in [(&by_query.json, &by_query), (&by_body.json["results"][0], &by_body)] {
            assert_eq!(
                (&check["customer_id"], &check["severity"]),
                (&json!(id), &json!("critical")),
                "{}",
                answer.text
            );
        }
        let page =
            gateway.read(&format!("/v1/anomalies?customer_id={}&from={hour}&to=now", encoded(id))).await?;
        let anomalies = list(&page, "anomalies")?;
        assert_eq!((anomalies.len(), &anomalies[0]["customer_id"]), (1, &json!(id)), "{page}");
        let name = anomalies[0]["anomaly_id"].as_str().context("an id")?;
        assert_shown(&gateway.read(&format!("/v1/anomalies/{name}")).await?, &anomalies[0]);
        assert!(found.insert(name.to_owned()), "{name} twice");
        for path in paths_of(&anomalies[0])? {
            let answer: Answer = gateway.get(&path).await?;
            // A slash is decoded on the way and ends the segment. There is no such route, and never another customer's
            // usage.
            match answer.status {
                200 => assert_eq!(answer.json["customer_id"], json!(id), "{path}"),
                status => assert!(
                    id.contains('/') && !path.contains('~') && status == 404,
                    "{path}: {}",
                    answer.text
                ),
            }
        }
    }
    assert_eq!(found.len(), FRAGMENTS.len());
    // Ids with a special meaning in a path: steps up and down, the mark of base64url itself, only a slash.
    for (segment, id) in [("~Lg", "."), ("~Li4", ".."), ("~fg", "~"), ("~fllRWQ", "~YQY"), ("~Lw", "/")] {
        let usage = gateway.read(&format!("/v1/customers/{segment}/usage?metric=api_calls")).await?;
        assert_eq!(usage["customer_id"], id);
    }
    Ok(())
}

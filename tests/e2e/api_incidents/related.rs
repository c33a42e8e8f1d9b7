//! The incidents of one cause.

use super::*;

/// Eight days of two metrics of acme. `compute_time` bursts three hours before `api_calls`.
async fn usage(world: &World) -> Result<()> {
    let burst = |ago: i64, hours: i64| format!("ago BETWEEN {ago} AND {}", ago + hours - 1);
    for (event, repeated, burst) in
        [("api_request", "if({burst}, 120, 12)", burst(1, 2)), ("compute", "1", burst(4, 2))]
    {
        let repeated = repeated.replace("{burst}", &burst);
        let sql = format!(
            "INSERT INTO events (transaction_id, customer_id, event_type, timestamp, properties)
             WITH intDiv(number, 200) + 1 AS ago
             SELECT toString(generateUUIDv4()), 'acme', '{event}', toDateTime({end}) - ago * 3600 + number % 200,
                 if({burst}, '{{\"cpu_ms\": 900000, \"bytes\": 1}}', '{{\"cpu_ms\": 90000, \"bytes\": 1}}')
             FROM numbers(200 * 24 * 8) WHERE number % 200 < {repeated}",
            end = at(FIRST).as_second(),
        );
        world.clickhouse.query_raw(&sql).execute().await?;
    }
    Ok(())
}

fn links(answer: &Value) -> Result<BTreeMap<String, (Value, Option<i64>)>> {
    let related = answer["related"].as_array().context("related incidents")?;
    let one = |one: &Value| {
        let id = one["incident"]["incident_id"].as_str().context("an id")?;
        Ok((id.to_owned(), (one["links"].clone(), one["lead_hours"].as_i64())))
    };
    related.iter().map(one).collect()
}

#[tokio::test]
async fn related_incidents_are_of_the_hour_or_moved_before() -> Result<()> {
    let world = World::new().await?;
    usage(&world).await?;
    let of = |customer: &str, metric: &str, direction, ago: i64| {
        made(customer, metric, direction, Severity::Critical, at(FIRST) - hours(ago))
    };
    let (spike, drop) = (Direction::Spike, Direction::Drop);
    let incident = of("acme", "api_calls", spike, 0)?;
    let mover = of("acme", "compute_time", spike, 3)?;
    let of_hour = of("acme", "storage_peak", drop, 0)?;
    let elsewhere = of("beta", "api_calls", spike, 0)?;
    let unrelated = [
        of("beta", "compute_time", spike, 0)?,
        of("beta", "api_calls", drop, 0)?,
        of("acme", "bandwidth", drop, 8)?,
        of("acme", "storage_peak", spike, 2)?,
    ];
    let all = [[incident.clone(), mover.clone(), of_hour.clone(), elsewhere.clone()], unrelated].concat();
    store(&world, &all, |_| 90_000).await?;
    let api = world.api().await?;

    let path = format!("{}/related", path_of(&incident));
    let answer = api.read(&path).await?;
    let id = |incident: &Incident| incident.id().to_string();
    let own = [(id(&mover), (json!(["lead"]), Some(3))), (id(&of_hour), (json!(["customer"]), None))];
    let metric = (id(&elsewhere), (json!(["metric"]), None));
    assert_eq!(links(&answer)?, own.iter().cloned().chain([metric]).collect(), "{answer:#}");
    assert_eq!((&answer["first_mover"], &answer["complete"]), (&json!(id(&mover)), &json!(true)));
    // Three series of eight days at two milliseconds a day, and one request.
    let items = world.all_items().await?;
    let work = items.iter().find(|item| text(item, "pk") == "WORK#operator operator").context("no work")?;
    assert_eq!(["work_ms", "requests"].map(|name| text(work, name)), ["48", "1"]);
    assert!(answer["related"][0]["correlation"].as_f64().is_some_and(|value| value > 0.9), "{answer:#}");

    // A customer sees its own incidents alone, and a foreign incident is like a missing one.
    let of_customer = api.as_customer("acme").read(&path).await?;
    assert_eq!(links(&of_customer)?, own.into_iter().collect(), "{of_customer:#}");
    api.as_customer("beta").get(&path).await?.assert_problem(404, "a foreign incident");
    let missing = made("acme", "api_calls", drop, Severity::Critical, at(FIRST))?;
    api.get(&format!("{}/related", path_of(&missing))).await?.assert_problem(404, "a missing incident");

    let alone = api.read(&format!("{}/related", path_of(&of("acme", "bandwidth", drop, 8)?))).await?;
    assert_eq!((&alone["related"], &alone["first_mover"]), (&json!([]), &Value::Null));
    Ok(())
}

#[tokio::test]
async fn an_answer_says_that_not_all_series_were_compared() -> Result<()> {
    let world = World::new().await?;
    // Each node has a series of its own, and two incidents.
    let mut incidents = Vec::new();
    for number in 0..13 {
        for direction in [Direction::Spike, Direction::Drop] {
            let mut incident = made("acme", "api_calls", direction, Severity::Critical, at(FIRST))?;
            incident.subject.entity = Some(EntityPath::new(vec![format!("node {number}")])?);
            incidents.push(incident);
        }
    }
    let (twelve, last) = incidents.split_at(24);
    store(&world, twelve, |_| 90_000).await?;
    let api = world.api().await?;
    let path = format!("{}/related", path_of(&incidents[0]));
    let answer = api.read(&path).await?;
    assert_eq!((links(&answer)?.len(), &answer["complete"]), (23, &json!(true)), "{answer:#}");
    store(&world, last, |_| 90_000).await?;
    let answer = api.read(&path).await?;
    assert_eq!((links(&answer)?.len(), &answer["complete"]), (25, &json!(false)), "{answer:#}");
    Ok(())
}

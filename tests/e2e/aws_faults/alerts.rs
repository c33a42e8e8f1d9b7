//! Alerts whose sending is cut off, denied or refused.

use detection::{AnomalyId, AnomalyPlace, CustomerId, MetricName};

use super::*;

#[tokio::test]
async fn time_that_runs_out_while_publishing_repeats_no_alert() -> Result<()> {
    let decide = |seen: &Seen| match seen.operation.as_str() {
        "Publish" => Action::Delay(Duration::from_secs(2)),
        _ => Action::Forward,
    };
    let (world, app, _proxy) = behind_proxy(120, &[("MAX_PAGES_PER_RUN", "120")], decide).await?;
    // On a busy machine everything takes longer.
    let started = Instant::now();
    run(&app, &Request { dry_run: true, ..hourly(END) }).await?;
    let pace = started.elapsed();
    // Three seconds are for the report. In the last twelve before it no publish begins.
    let (started, time) = (Instant::now(), Duration::from_secs(23) + 2 * pace);
    let error = failure(detector::run(&app, &hourly(END), started + time).await);
    assert!(started.elapsed() < time, "{:?}", started.elapsed());
    let sent = world.alerts().await?.len();
    assert!((1..120).contains(&sent), "{sent} alerts of 120: {error}");
    let waiting = format!("{} alerts wait for the next run", 120 - sent);
    assert!(error.contains(&waiting) && error.contains("no time was left"), "{error}");
    // In the same minute: an alert whose publish did not begin is not claimed either.
    let next = run(&world.app().await?, &hourly(END)).await?;
    assert_eq!(figures(&next), (0, 120, 120 - sent as u64), "{error}");
    assert_eq!(world.alert_counts().await?.len(), 120 - sent);
    Ok(())
}

/// Whether an alert that is published is about a customer, by its id. Others may be named in it, too.
fn is_about(seen: &Seen, customer: &str) -> bool {
    let place = AnomalyPlace {
        customer_id: CustomerId::new(customer).unwrap(),
        entity: None,
        metric: MetricName::new("compute_time").unwrap(),
        detected_at: at(END),
    };
    String::from_utf8_lossy(&seen.body).contains(AnomalyId::of(&place).as_str())
}

#[tokio::test]
async fn denied_alerts_wait_for_the_next_run_and_the_others_are_sent() -> Result<()> {
    let denied = |seen: &Seen| {
        seen.operation == "Publish" && ["c00003", "c00007"].iter().any(|customer| is_about(seen, customer))
    };
    let decide = move |seen: &Seen| match denied(seen) {
        true => sns_error(403, "AuthorizationError"),
        false => Action::Forward,
    };
    let (world, app, proxy) = behind_proxy(12, &[], decide).await?;
    for attempt in 1..=2 {
        let error = failure(run(&app, &hourly(END)).await);
        assert!(error.starts_with("2 alerts wait for the next run"), "{error}");
        assert!(error.contains("cannot publish the alert") && error.contains("not authorized"), "{error}");
        assert!(error.contains(&world.topic_arn), "{error}");
        // A denial is no reason to try again at once. Each alert is tried once per run.
        assert_eq!(proxy.count("Publish"), 10 + 2 * attempt);
    }
    let items = world.items().await?;
    let waiting: BTreeSet<_> = items
        .iter()
        .filter(|item| text(item, "alert_state") == "pending" && text(item, "pending_alert") == "pending")
        .map(|item| text(item, "customer_id"))
        .collect();
    assert_eq!(waiting, ["c00003", "c00007"].map(str::to_owned).into());
    assert!(items.iter().all(|item| !item.contains_key("alert_claim_until")), "claims are given back");
    assert_eq!(world.alert_counts().await?.len(), 10);

    assert_eq!(figures(&run(&world.app().await?, &hourly(END)).await?), (0, 12, 2));
    let alerted: Vec<_> = world.alerts().await?.iter().map(|alert| alert["customer_id"].clone()).collect();
    assert_eq!(alerted.len(), 2);
    assert!(alerted.contains(&"c00003".into()) && alerted.contains(&"c00007".into()), "{alerted:?}");
    assert_eq!(figures(&run(&world.app().await?, &hourly(END)).await?), (0, 12, 0));
    Ok(())
}

#[tokio::test]
async fn an_alert_that_sns_refuses_for_good_is_parked_and_runs_go_on() -> Result<()> {
    let decide = |seen: &Seen| {
        let is_refused = ["c00002", "c00003"].iter().any(|customer| is_about(seen, customer));
        match seen.operation == "Publish" && is_refused {
            true => sns_error(400, "InvalidParameter"),
            false => Action::Forward,
        }
    };
    let (world, app, proxy) = behind_proxy(5, &[], decide).await?;
    assert_eq!(figures(&run(&app, &hourly(END)).await?), (5, 0, 3));
    let count = proxy.count("Publish");
    assert_eq!(figures(&run(&app, &hourly(END)).await?), (0, 5, 0), "the next run does not try them again");
    assert_eq!(proxy.count("Publish"), count);
    assert_eq!(parked(&world).await?, ["c00002", "c00003"]);

    // Somebody resolves the incident of one of them in the meantime. The end goes out, and the page is over.
    let incidents = world.incidents().await?;
    let incident = incidents.iter().find(|incident| text(incident, "customer_id") == "c00002");
    let id = incident.map(|incident| text(incident, "incident_id")).unwrap_or_default();
    let (_, opened_at, subject) = IncidentId::parse(&id).context("no incident of c00002")?;
    let now = world::timestamp();
    let (actor, at, note) = ("someone".to_owned(), now.as_millisecond(), None);
    let entry =
        HistoryEntry { action: detection::Action::Resolve.into(), actor, at, note, by_customer: false };
    let writer = Writer { run_id: "by hand", now };
    app.store.act_on_incident(&subject, opened_at, &entry, writer).await?;

    let (shown, stdout) = redrive(&world, &["--dry-run"]).await?;
    assert!(
        shown && stdout.contains("is over and would be given up") && stdout.contains("would be sent"),
        "{stdout}"
    );
    assert_eq!(parked(&world).await?.len(), 2, "showing changes nothing");
    let (redriven, stdout) = redrive(&world, &[]).await?;
    assert!(
        redriven && stdout.contains("1 alert that SNS refused waits for the next run, 1 is over"),
        "{stdout}"
    );
    assert!(redrive(&world, &[]).await?.0, "a second time there is nothing to do");

    // The next run sends what is left to say. SNS takes all of it by now.
    run(&world.app().await?, &hourly(END)).await?;
    let told: Vec<_> = world.alerts().await?;
    let of = |customer: &str| -> Vec<_> {
        let of = told.iter().filter(|alert| alert["customer_id"] == *customer);
        of.map(|alert| alert["event"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!((of("c00002"), of("c00003")), (vec!["resolved".to_owned()], vec!["opened".to_owned()]));
    Ok(())
}

/// The customers whose alerts are parked.
async fn parked(world: &World) -> Result<Vec<String>> {
    let items = world.items().await?;
    let parked = items.iter().filter(|item| text(item, "alert_state") == "parked");
    let mut customers: Vec<_> = parked.map(|item| text(item, "customer_id")).collect();
    customers.sort();
    Ok(customers)
}

/// Whether `meterflow failures redrive` succeeds on a world without channels, and what it says.
async fn redrive(world: &World, arguments: &[&str]) -> Result<(bool, String)> {
    let mut command = redrive_command(&program("meterflow")?, &world.table, "http://127.0.0.1:1")?;
    command.args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let all = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&all).into_owned()))
}

#[tokio::test]
async fn the_run_that_finds_the_alerts_of_a_dead_run_waits_for_its_claims_and_sends_them() -> Result<()> {
    let decide = |seen: &Seen| match seen.operation.as_str() {
        "Publish" => Action::FreezeBefore,
        _ => Action::Forward,
    };
    let (world, _, proxy) = behind_proxy(3, &[], decide).await?;
    let app = hurried(&world, &[], &world.aws_at(&proxy.url).await).await?;
    proxy.kill_when_frozen(run(&app, &hourly(END))).await;
    // The retry comes at once, while the claims of the dead run stand.
    let again = hurried(&world, &[], &world.aws).await?;
    assert_eq!(figures(&run(&again, &hourly(END)).await?), (0, 3, 3));
    let counts = world.alert_counts().await?;
    assert_eq!((counts.len(), counts.values().max()), (3, Some(&1)), "{counts:?}");
    // A run without the time to wait fails, so that its retry sends them.
    let (world, app, proxy) = behind_proxy(3, &[], decide).await?;
    proxy.kill_when_frozen(run(&app, &hourly(END))).await;
    let soon = Instant::now() + Duration::from_secs(16);
    let error = failure(detector::run(&world.app().await?, &hourly(END), soon).await);
    assert!(error.contains("another run holds 3 alerts"), "{error}");
    Ok(())
}

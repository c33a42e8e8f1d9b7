//! Windows of minutes.

use super::*;

/// Ten runs of a job each minute for three hours until `end`, and one each minute for a month before. One of fifty fails. In the
/// newest `bad_minutes` all fail.
fn each_minute(end: Timestamp, bad_minutes: i64) -> String {
    format!(
        "INSERT INTO runs SELECT toString(number), 'acme', 'nightly',
             if(intDiv(number, 10) < {bad_minutes} OR number % 50 = 7, 'failed', 'done'),
             toDateTime64({} - 3 - 6 * if(number < 1800, toInt64(number), 10 * toInt64(number) - 16200), 3, 'UTC'), 1, 1
         FROM numbers({})",
        end.as_second(),
        1_800 + 31 * 24 * 60
    )
}

/// The newest five minutes that are over.
fn newest_five_minutes() -> Result<Timestamp> {
    let now = timestamp().as_second() - 2;
    Ok(Timestamp::from_second(now - now.rem_euclid(300))?)
}

#[tokio::test]
async fn five_minutes_are_judged_by_the_hours_before() -> Result<()> {
    let end = newest_five_minutes()?;
    let source = catalog("window = \"5m\"", &rate(""));
    let jobs = Jobs::new(&[], &source).await?;
    jobs.execute(&each_minute(end, 5)).await?;
    let found = jobs.run_at(end).await?;
    assert_eq!(figures(&found).0, 1, "{found:?}");
    let items = jobs.world.all_items().await?;
    let anomaly = items.iter().find(|item| text(item, "sk").starts_with("ANOMALY")).context("an anomaly")?;
    let [start, until] = ["window_start", "window_end"].map(|name| text(anomaly, name).parse::<i64>());
    assert_eq!(
        (start?, until?),
        ((end - SignedDuration::from_mins(5)).as_millisecond(), end.as_millisecond())
    );
    assert_eq!((text(anomaly, "events"), text(anomaly, "bad_events")), ("50".to_owned(), "50".to_owned()));
    // The five minutes before were as usual.
    let before = jobs.run_at(end - SignedDuration::from_mins(5)).await?;
    assert_eq!(figures(&before).0, 0, "{before:?}");
    Ok(())
}

#[tokio::test]
async fn a_rule_waits_for_the_windows_that_it_must_hold_in() -> Result<()> {
    let end = newest_five_minutes()?;
    for (bad_minutes, expected) in [(14, 1), (9, 0)] {
        let jobs = Jobs::new(&[], &catalog("window = \"5m\"", &rate("for = \"3 of 3\""))).await?;
        jobs.execute(&each_minute(end, bad_minutes)).await?;
        let found = jobs.run_at(end).await?;
        assert_eq!(figures(&found).0, expected, "{bad_minutes}: {found:?}");
    }
    Ok(())
}

#[tokio::test]
async fn minutes_come_and_go_with_the_window() -> Result<()> {
    let jobs = Jobs::new(&[], &catalog("window = \"1m\"", &rate(""))).await?;
    let tables = async || {
        let text = "SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, 'jobs_minute') ORDER BY 1";
        anyhow::Ok(jobs.world.clickhouse.query_raw(text).fetch_all::<String>().await?)
    };
    assert_eq!(tables().await?, ["jobs_minute", "jobs_minute_job_rate"]);
    for (lines, metrics, expected) in [
        ("window = \"1m\"", rate(""), vec!["jobs_minute", "jobs_minute_job_rate"]),
        (
            "window = \"5m\"",
            rate("").replace("job_rate", "job_failures"),
            vec!["jobs_minute", "jobs_minute_job_failures"],
        ),
        ("window = \"1h\"", rate(""), vec![]),
    ] {
        let catalog = Catalog::parse(&catalog(lines, &metrics), "my.toml")?;
        let source = catalog.of("jobs").context("the source")?;
        e2e::warehouse::migrate(&jobs.world.clickhouse, &jobs.world.database, source).await?;
        assert_eq!(tables().await?, expected, "{lines}");
    }
    Ok(())
}

/// Throughput of a job, judged by spreads.
fn throughput() -> String {
    metric("job_count", "count", "[[metric.rule]]\ntype = \"deviation\"\nmin_change = 10")
        .replace("\"gap\"", "\"zero\"")
}

/// Events of a job: so many in each five minutes of a period, by minutes before the end. A third of them failed if `bad`.
fn busy(end: Timestamp, (from, until): (i64, i64), events: u64, bad: bool) -> String {
    format!(
        "INSERT INTO runs SELECT concat(toString(minute), '-', toString(run), '-{events}'), 'acme', 'nightly',
             if({bad} AND run % 3 = 0, 'failed', 'done'), toDateTime64({} - 60 * minute - run % 200, 3, 'UTC'), 1, 1
         FROM (SELECT arrayJoin(range({from}, {until}, 5)) AS minute) ARRAY JOIN range({events}) AS run",
        end.as_second() - 1
    )
}

/// The minutes before an end that are the same hour of the day before.
fn hour_of_a_day(end: Timestamp, days: i64) -> (i64, i64) {
    let start = end - SignedDuration::from_mins(5);
    let into_the_hour = start.as_second().rem_euclid(3_600) / 60;
    let until = days * 24 * 60 + into_the_hour + 5;
    (until - 60, until)
}

#[tokio::test]
async fn a_window_is_compared_with_the_same_hour_and_with_the_last_two_hours() -> Result<()> {
    let end = newest_five_minutes()?;
    let days = |events, bad| (1..=10).map(move |days| busy(end, hour_of_a_day(end, days), events, bad));
    for (case, of_days, recent, expected) in [
        ("failures are new", false, false, 1),
        ("they go on for two hours", false, true, 0),
        ("they come at this hour", true, false, 0),
    ] {
        // Other hours of these days say nothing of this one.
        let elsewhere = (1..=10).map(|days| {
            let (from, until) = hour_of_a_day(end, days);
            busy(end, (from + 180, until + 180), 200, false)
        });
        let newest = [busy(end, (5, 125), 40, recent), busy(end, (0, 5), 40, true)];
        let statements: Vec<_> = days(40, of_days).chain(elsewhere).chain(newest).collect();
        let jobs = Jobs::new(&[], &catalog("window = \"5m\"", &rate(""))).await?;
        for statement in &statements {
            jobs.execute(statement).await?;
        }
        let found = jobs.run_at(end).await?;
        assert_eq!(figures(&found).0, expected, "{case}: {found:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_incident_goes_on_when_it_fills_the_last_two_hours() -> Result<()> {
    let end = newest_five_minutes()?;
    let jobs = Jobs::new(&[], &catalog("window = \"5m\"", &rate(""))).await?;
    for days in 1..=10 {
        // The hour before as well, which a window at the beginning of an hour is in.
        let (from, until) = hour_of_a_day(end, days);
        jobs.execute(&busy(end, (from, until + 60), 40, false)).await?;
    }
    jobs.execute(&busy(end, (10, 150), 40, false)).await?;
    jobs.execute(&busy(end, (5, 10), 40, true)).await?;
    let five = SignedDuration::from_mins(5);
    let first = jobs.run_at(end - five).await?;
    assert_eq!(first.incidents.get("opened"), Some(&1), "{first:?}");
    // From here on the last two hours are as bad as the window.
    jobs.execute("ALTER TABLE jobs_minute UPDATE bad = events WHERE true SETTINGS mutations_sync = 2")
        .await?;
    jobs.execute(&busy(end, (0, 5), 40, true)).await?;
    let second = jobs.run_at(end).await?;
    assert_eq!((figures(&second).0, second.incidents.get("opened")), (1, None), "{second:?}");
    Ok(())
}

#[tokio::test]
async fn throughput_that_explodes_or_stops_is_told() -> Result<()> {
    let end = newest_five_minutes()?;
    for (now, expected) in [(40, None), (0, Some("drop")), (90, Some("spike"))] {
        let jobs = Jobs::new(&[], &catalog("window = \"5m\"", &throughput())).await?;
        for days in 1..=10 {
            jobs.execute(&busy(end, hour_of_a_day(end, days), 38 + days as u64 % 5, false)).await?;
        }
        jobs.execute(&busy(end, (5, 125), 40, false)).await?;
        jobs.execute(&busy(end, (0, 5), now, false)).await?;
        let found = jobs.run_at(end).await?;
        let items = jobs.world.all_items().await?;
        let directions: Vec<_> = items
            .iter()
            .filter(|item| text(item, "sk").starts_with("ANOMALY"))
            .map(|item| text(item, "direction"))
            .collect();
        assert_eq!(directions, expected.into_iter().collect::<Vec<_>>(), "{now}: {found:?}");
    }
    Ok(())
}

//! Backtests by the API: from a request to the answer that the detector stores.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use detector::{App, BacktestRequest};
use e2e::World;
use e2e::api::NOW;
use e2e::data::insert_calls;
use e2e::world::{at, text};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::api_runs::Starting;

/// Before the time of the API.
const END: &str = "2026-11-21T13:00:00Z";
const DAYS: u32 = 40;

/// The hour of the burst, from the first hour on: two days before the end, at 9 o'clock.
const BURST: u32 = 37 * 24 + 20;

/// A customer with a burst of an hour, and a steady one.
pub(crate) async fn starting() -> Result<Starting> {
    let starting = Starting::new().await?;
    let start = at(END) - SignedDuration::from_hours(i64::from(24 * DAYS));
    for (customer, calls) in [
        ("burst", format!("if(n = {BURST}, 700, 60 + cityHash64(n) % 21)")),
        ("steady", "60 + cityHash64(n + 7) % 21".to_owned()),
    ] {
        insert_calls(&starting.world.clickhouse, customer, start, 24 * DAYS, &calls).await?;
    }
    Ok(starting)
}

/// Asks for a backtest. Returns its note, and the request that the detector makes of the event.
async fn ask(starting: &Starting, body: &Value) -> Result<(Value, BacktestRequest)> {
    let answer = starting.api.post("/v1/backtests", body).await?;
    assert_eq!(answer.status, 202, "{body}: {}", answer.text);
    let id = answer.json["backtest_id"].as_str().context("an id")?;
    assert_eq!(answer.header("location"), format!("/v1/backtests/{id}"));
    let request = BacktestRequest::from_event(&starting.event()?)?.context("a backtest")?;
    assert_eq!(request.backtest_id, id);
    Ok((answer.json, request))
}

/// A detector whose clock is that of the API, some minutes later.
pub(crate) async fn detector(starting: &Starting) -> Result<App> {
    let mut app = starting.world.app().await?;
    app.clock = minutes_later;
    Ok(app)
}

fn minutes_later() -> SystemTime {
    SystemTime::from(at(NOW)) + Duration::from_secs(5 * 60)
}

/// The note after the detector has answered.
async fn answered(starting: &Starting, body: &Value, seconds: u64) -> Result<Value> {
    let (noted, request) = ask(starting, body).await?;
    let app = detector(starting).await?;
    detector::backtest(&app, &request, Instant::now() + Duration::from_secs(seconds)).await?;
    show(starting, &noted).await
}

async fn show(starting: &Starting, noted: &Value) -> Result<Value> {
    let id = noted["backtest_id"].as_str().context("an id")?;
    starting.api.read(&format!("/v1/backtests/{id}")).await
}

#[tokio::test]
async fn a_backtest_from_queue_to_answer() -> Result<()> {
    let starting = starting().await?;
    let now = at(NOW).as_millisecond();
    let (noted, request) = ask(&starting, &json!({ "days": 7 })).await?;
    let record = json!({
        "backtest_id": noted["backtest_id"], "status": "queued", "days": 7, "customer_ids": null,
        "requested_by": "operator", "requested_at": now, "started_at": null, "finished_at": null, "run_id": null,
        "progress": null, "reason": null, "result": null,
    });
    assert_eq!(noted, record);
    assert_eq!(show(&starting, &noted).await?, record);

    let app = detector(&starting).await?;
    let answer = detector::backtest(&app, &request, Instant::now() + Duration::from_secs(300)).await?;
    let shown = show(&starting, &noted).await?;
    assert_eq!((&shown["status"], &shown["reason"]), (&json!("completed"), &Value::Null), "{shown}");
    assert_eq!(shown["result"], answer);
    assert!(shown["started_at"].as_i64() <= shown["finished_at"].as_i64() && shown["run_id"].is_string());
    let burst = (at(END) - SignedDuration::from_hours(i64::from(24 * DAYS - BURST - 1))).to_string();
    let first = answer["flagged"]["listed"].as_array().and_then(|all| all.last()).context("an odd hour")?;
    assert_eq!((&first["customer"], &first["at"]), (&json!("burst"), &json!(burst)), "{answer}");
    assert_eq!((&first["outcome"], &first["event"]), (&json!("paged"), &json!("opened")));
    assert_eq!((&answer["pages"], &answer["customers"], &answer["to"]), (&json!(1), &json!(2), &json!(END)));
    assert_eq!(answer["by_customer"]["listed"][0]["name"], "burst");
    assert_eq!(answer["difference"], Value::Null);

    // Nothing but its own note is stored, and nobody is paged.
    let items = starting.world.all_items().await?;
    assert_eq!(items.iter().map(|item| text(item, "type")).collect::<Vec<_>>(), ["backtest"]);
    starting.world.assert_untouched("a backtest").await
}

#[tokio::test]
async fn policies_are_compared_and_customers_chosen() -> Result<()> {
    let starting = starting().await?;
    let deaf =
        json!({ "metrics": { "api_calls": { "min_change": 1e9 }, "bandwidth": { "min_change": 1e12 } } });
    let body = json!({ "days": 7, "against": deaf, "customer_ids": ["burst"], "sensitivity": "high" });
    let shown = answered(&starting, &body, 300).await?;
    let result = &shown["result"];
    assert_eq!((&result["customers"], &shown["customer_ids"]), (&json!(1), &json!(["burst"])));
    assert_eq!(
        (&result["difference"]["new"]["total"], &result["difference"]["same"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(result["difference"]["new"]["listed"][0]["customer"], "burst");
    // Without another policy to compare with, the present one is that.
    let none = answered(&starting, &json!({ "days": 7, "policy": deaf }), 300).await?;
    assert_eq!(
        (&none["result"]["pages"], &none["result"]["difference"]["gone"]["total"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(none["result"]["difference"]["gone"]["listed"][0]["customer"], "burst");
    // The hours of a single customer are all there, also those that the floor keeps out.
    let one =
        answered(&starting, &json!({ "days": 7, "policy": deaf, "customer_ids": ["burst"] }), 300).await?;
    assert_eq!(
        one["result"]["flagged"]["listed"].as_array().and_then(|all| all.last()).context("hours")?["outcome"],
        "too_small"
    );
    Ok(())
}

#[tokio::test]
async fn settings_within_a_budget_are_proposed() -> Result<()> {
    let starting = starting().await?;
    let shown = answered(&starting, &json!({ "days": 7, "budget": "0 pages a customer-year" }), 300).await?;
    let budget = &shown["result"]["budget"];
    assert_eq!((&budget["allowed"], &budget["pages"]), (&json!(0), &json!(1)), "{shown}");
    let remedy = &budget["remedies"][0];
    assert_eq!(
        (&remedy["metric"], &remedy["pages_by_min_change"]),
        (&json!("api_calls"), &json!(0)),
        "{shown}"
    );
    // The proposed floor does what it promises.
    let policy = json!({ "metrics": { "api_calls": { "min_change": remedy["min_change"] } } });
    let quiet = answered(&starting, &json!({ "days": 7, "policy": policy }), 300).await?;
    assert_eq!(quiet["result"]["pages"], 0, "{quiet}");
    Ok(())
}

#[tokio::test]
async fn a_backtest_that_cannot_be_answered_says_why() -> Result<()> {
    let starting = starting().await?;
    for (body, seconds, part) in [
        (json!({ "days": 34 }), 300, "at most 33 days can be judged"),
        (json!({ "days": 7 }), 5, "time ran out while usage was read: name fewer days"),
    ] {
        let shown = answered(&starting, &body, seconds).await?;
        assert_eq!((&shown["status"], &shown["result"]), (&json!("failed"), &Value::Null), "{shown}");
        assert!(shown["reason"].as_str().is_some_and(|reason| reason.contains(part)), "{shown}");
    }
    // A request that waited behind others is not answered, so that a run of the schedule does not wait as long.
    let (noted, request) = ask(&starting, &json!({ "days": 7 })).await?;
    let mut app = detector(&starting).await?;
    app.clock = || minutes_later() + Duration::from_secs(6 * 60);
    detector::backtest(&app, &request, Instant::now() + Duration::from_secs(300)).await?;
    let shown = show(&starting, &noted).await?;
    assert_eq!((&shown["status"], &shown["result"]), (&json!("failed"), &Value::Null), "{shown}");
    assert!(shown["reason"].as_str().is_some_and(|reason| reason.contains("for 11 minutes")), "{shown}");
    // A fault of the engines is repeated by Lambda, so it is an error.
    let (noted, request) = ask(&starting, &json!({})).await?;
    let closed = [("CLICKHOUSE_URL", "http://127.0.0.1:9")];
    let mut app = starting.world.app_with(&closed, &starting.world.aws).await?;
    app.clock = minutes_later;
    let error = detector::backtest(&app, &request, Instant::now() + Duration::from_secs(60)).await;
    assert!(error.is_err());
    let shown = show(&starting, &noted).await?;
    assert_eq!(shown["status"], "failed");
    assert!(shown["reason"].as_str().is_some_and(|reason| reason.contains("could not be read")), "{shown}");
    Ok(())
}

#[tokio::test]
async fn a_backtest_of_too_many_customers_is_refused() -> Result<()> {
    let starting = Starting::new().await?;
    let text = format!(
        "INSERT INTO usage_hourly SELECT concat('c', toString(intDiv(number, 2))), 'api_calls', \
         toDateTime({}, 'UTC') - 3600 * 24 * 30 * (number % 2), 5, 0, 0, 0, 0 FROM numbers(2 * 1000)",
        at("2026-11-21T12:00:00Z").as_second()
    );
    starting.world.clickhouse.query_raw(&text).execute().await?;
    let shown = answered(&starting, &json!({ "days": 21 }), 300).await?;
    let reason = shown["reason"].as_str().context("a reason")?;
    assert!(
        reason.starts_with("1000 customers times 21 days are 21000 customer-days, and 20000 are allowed"),
        "{reason}"
    );
    Ok(())
}

#[tokio::test]
async fn a_wrong_backtest_is_refused_with_its_field() -> Result<()> {
    let api = World::new().await?.api().await?;
    let ids: Vec<_> = (0..101).map(|number| number.to_string()).collect();
    for (body, parameter, detail) in [
        (json!({ "days": 0 }), "days", "from 1 to 90, not 0"),
        (json!({ "days": 91 }), "days", "from 1 to 90, not 91"),
        (json!({ "days": "7" }), "days", "invalid type"),
        (json!({ "customer_ids": [] }), "customer_ids", "1 to 100 customers"),
        (json!({ "customer_ids": ids }), "customer_ids", "1 to 100 customers, not 101"),
        (json!({ "customer_ids": [""] }), "customer_ids[0]", "must not be empty"),
        (json!({ "policy": { "metrics": { "calls": {} } } }), "policy", "the catalog has no such metric"),
        (
            json!({ "against": { "metrics": { "api_calls": { "min_change": -1 } } } }),
            "against",
            "min_change = -1",
        ),
        (
            json!({ "policy": { "window_delay_hours": 3 } }),
            "policy",
            "only the policy of one customer has it",
        ),
        (
            json!({ "against": { "window_delay_hours": 3 } }),
            "against",
            "only the policy of one customer has it",
        ),
        (json!({ "time_zone": "Europe/Atlantis" }), "time_zone", "no time zone"),
        (json!({ "sensitivity": 9 }), "sensitivity", "0.2 to 5"),
        (json!({ "budget": "none" }), "budget", "1 page a customer-year"),
        (
            json!({ "days": 90, "customer_ids": ids[..50], "budget": "1 page a customer-day" }),
            "days",
            "judged 7 times, are 31500 customer-days, and 20000 are allowed",
        ),
    ] {
        api.post("/v1/backtests", &body).await?.assert_invalid(parameter, detail, &body.to_string());
    }
    api.post("/v1/backtests", &json!({ "day": 7 })).await?.assert_problem(400, "an unknown field");
    for id in ["00000000-0000-4000-8000-000000000000", "1", ".."] {
        api.get(&format!("/v1/backtests/{id}")).await?.assert_problem(404, id);
    }
    Ok(())
}

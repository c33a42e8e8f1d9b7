//! What is told of budgets.

use super::money;
use super::units::{amount, humanize};
use crate::budget::{Found, Level, Mark, Quota};
use crate::incident::{Incident, Subject};
use crate::{Currency, Hour, TimeZone};

/// The sentence for a mark that is reached: "api_calls: 81 % of the budget of 2026-11 is used: 812,000 of 1 million calls".
pub fn reached(found: &Found<'_>, metric: &str) -> String {
    let Found { mark, quota, used, month, newest, zone, unit, currency, .. } = *found;
    let so_far = so_far(quota, used.in_month, unit, currency);
    if mark != Mark::Pace {
        let percent = amount((100.0 * used.in_month / quota.amount).floor());
        return format!("{metric}: {percent} % of the budget of {} is used: {so_far}", month.name);
    }
    let a_day = humanize(24.0 * used.pace(), unit);
    let when = match quota.exhausted(used, newest) {
        Some(at) => format!("on {}, {} before the month ends", date(at, zone), days(month.end.since(at))),
        None => "before the month ends".to_owned(),
    };
    format!(
        "{metric}: at the pace of the last 7 days, {a_day} a day, the budget of {} is used up {when}: {so_far}",
        month.name
    )
}

/// The sentence for the end of the incident of a mark.
///
/// * `level`: what the mark comes to now. `None` if the budget is gone.
/// * `is_over`: whether the month has ended.
pub fn ended(incident: &Incident, level: Option<&Level>, is_over: bool, unit: &str) -> String {
    let Subject { metric, .. } = &incident.subject;
    let month = Mark::of_subject(&incident.subject).map_or("", |(month, _)| month);
    match level {
        _ if is_over => format!("the budget of {metric} for {month} is over, because the month has ended"),
        None => format!("{metric} has no budget any more that this incident is about"),
        Some(Level { amount, used, .. }) => format!(
            "{metric} is within its budget of {month} again: {} are used, and people are told from {} on",
            humanize(*used, unit),
            humanize(*amount, unit)
        ),
    }
}

/// What people can do.
pub fn steps(mark: Mark) -> Vec<String> {
    let first = match mark {
        Mark::Share(100..) => {
            "Tell the customer that the quota of the month is used up, and agree on further usage."
        }
        Mark::Share(_) => "Tell the customer how much of the month's quota is used.",
        Mark::Pace => {
            "Compare the last 7 days with the weeks before: a spike that is over needs no other quota."
        }
    };
    let raise =
        "Raise the quota in the policy if further usage is agreed. The next run ends the incident then.";
    [first, raise].map(str::to_owned).to_vec()
}

fn so_far(quota: &Quota, used: f64, unit: &str, currency: Currency) -> String {
    let of = format!("{} of {}", humanize(used, unit), humanize(quota.amount, unit));
    let Some(price) = quota.price else { return of };
    let [used, all] = [used, quota.amount].map(|amount| money::amount(price.of(amount), currency));
    format!("{of}, about {used} of {all}")
}

fn date(hour: Hour, zone: &TimeZone) -> String {
    zone.datetime(hour.start()).date().to_string()
}

fn days(hours: i64) -> String {
    match hours / 24 {
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Budget, Month, Used};
    use crate::money::Price;

    fn sentence(budget: &str, used: Used, mark: Mark) -> String {
        let budget: Budget = serde_json::from_str(budget).unwrap();
        let quota = budget.quota(Price::new(0.001)).unwrap().unwrap();
        let zone = TimeZone::named("Europe/Berlin").unwrap();
        let newest = Hour::holding("2026-11-20T22:00:00Z".parse().unwrap());
        let month = Month::holding(newest, &zone).unwrap();
        let level = quota.level(mark, &used, &month, newest);
        let (used, month, level, zone) = (&used, &month, &level, &zone);
        let found = Found {
            mark,
            quota: &quota,
            used,
            level,
            month,
            newest,
            zone,
            unit: "calls",
            currency: Currency::USD,
        };
        reached(&found, "api_calls")
    }

    #[test]
    fn a_budget_is_told_with_what_is_used() {
        let used = Used { in_month: 812_400.0, in_week: 7.0 * 36_000.0 };
        for (budget, mark, expected) in [
            (
                r#"{"quota": 1000000}"#,
                Mark::Share(80),
                "api_calls: 81 % of the budget of 2026-11 is used: 812,400 calls of 1 million calls",
            ),
            (
                r#"{"cost": 1000}"#,
                Mark::Share(80),
                "api_calls: 81 % of the budget of 2026-11 is used: 812,400 calls of 1 million calls, about 812 USD of 1,000 USD",
            ),
            (
                r#"{"quota": 1000000}"#,
                Mark::Pace,
                "api_calls: at the pace of the last 7 days, 36,000 calls a day, the budget of 2026-11 is used up on \
                 2026-11-26, 4 days before the month ends: 812,400 calls of 1 million calls",
            ),
        ] {
            assert_eq!(sentence(budget, used, mark), expected);
        }
    }
}

//! What an incident costs, over its windows.

use super::*;
use crate::{Costs, Currency, WindowCost};

/// A window of an hour that costs so much an hour.
fn costing(at: i64, seen: Seen, amount: f64) -> Observation {
    let cost = WindowCost { amount, currency: Currency::USD, hours: 1 };
    Observation { cost: Some(cost), ..observation(at, seen, 50.0) }
}

fn after(latest: Option<Incident>, observation: &Observation) -> Option<Incident> {
    match advance(latest.as_ref(), &subject(), observation, &Around::default(), &rules()) {
        Step::Become { incident, .. } => Some(*incident),
        Step::Stay | Step::Repeated(_) => latest,
    }
}

fn costs(incident: Option<&Incident>) -> Option<(f64, f64)> {
    incident?.costs.map(|Costs { so_far, a_month, .. }| (so_far, a_month))
}

#[test]
fn an_incident_adds_up_what_its_windows_cost() {
    let critical = Seen::Anomalous(Severity::Critical);
    let first = after(None, &costing(10, critical, 4.0));
    assert_eq!(costs(first.as_ref()), Some((4.0, 2_920.0)));
    let second = after(first, &costing(11, critical, 6.0));
    assert_eq!(costs(second.as_ref()), Some((10.0, 4_380.0)));
    // The same window again, a window that is inside, one without a price, and a late one add nothing.
    let same = after(second.clone(), &costing(11, critical, 6.0));
    let late = after(same, &costing(9, critical, 100.0));
    let inside = after(late, &observation(12, Seen::Inside, 0.0));
    assert_eq!(costs(inside.as_ref()), costs(second.as_ref()));
    let unpriced = after(inside, &observation(13, critical, 50.0));
    assert_eq!(costs(unpriced.as_ref()), costs(second.as_ref()));
    // It ends, and goes on where it was when it comes back in time.
    let ended =
        after(after(unpriced, &observation(14, Seen::Inside, 0.0)), &observation(15, Seen::Inside, 0.0));
    assert_eq!(ended.as_ref().unwrap().state, IncidentState::Resolved);
    let back = after(ended, &costing(18, critical, 5.0));
    assert_eq!(back.as_ref().unwrap().state, IncidentState::Open);
    assert_eq!(costs(back.as_ref()), Some((15.0, 3_650.0)));
}

#[test]
fn an_old_item_has_no_cost_and_is_written_as_before() {
    let old = after(None, &observation(10, Seen::Anomalous(Severity::Critical), 50.0)).unwrap();
    let json = serde_json::to_value(&old).unwrap();
    assert!(json.get("cost").is_none());
    assert_eq!(serde_json::from_value::<Incident>(json).unwrap(), old);
    let priced = after(Some(old), &costing(11, Seen::Anomalous(Severity::Critical), 4.0)).unwrap();
    let json = serde_json::to_value(&priced).unwrap();
    assert_eq!(json["cost"], serde_json::json!({ "so_far": 4.0, "a_month": 2_920.0, "currency": "USD" }));
    assert_eq!(serde_json::from_value::<Incident>(json).unwrap(), priced);
}

//! The anomaly of a mark that is reached.

use super::{Level, Mark, Month, Quota, Used};
use crate::calendar::TimeZone;
use crate::hour::Hour;
use crate::incident::Subject;
use crate::text::budget;
use crate::{Anomaly, AnomalyKind, Currency, Direction, Evidence, Window};

/// A mark of a budget that is reached, with all that its sentence needs.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    pub mark: Mark,
    pub quota: &'a Quota,
    pub used: &'a Used,
    pub level: &'a Level,
    pub month: &'a Month,
    /// The newest hour that counts.
    pub newest: Hour,
    pub zone: &'a TimeZone,
    pub unit: &'a str,
    pub currency: Currency,
}

/// The anomaly of a mark. Its window is the month so far. `None` if that is beyond the range of windows.
pub fn anomaly(found: &Found<'_>, subject: &Subject) -> Option<Anomaly> {
    let Found { mark, level, month, newest, unit, .. } = *found;
    let description = budget::reached(found, subject.metric.as_str());
    Some(Anomaly {
        kind: match mark {
            Mark::Share(_) => AnomalyKind::BudgetShare,
            Mark::Pace => AnomalyKind::BudgetPace,
        },
        customer_id: subject.customer_id.clone(),
        entity: subject.entity.clone(),
        metric: subject.metric.clone(),
        unit: unit.to_owned(),
        window: Window::between(month.first.start(), newest.plus(1).start()).ok()?,
        severity: mark.severity(),
        direction: Direction::Spike,
        evidence: Evidence {
            figures: level.figures(),
            sample_count: 0,
            excluded_windows: 0,
            expected_low: 0.0,
            expected_high: level.amount,
            constant_baseline: false,
        },
        explanation: None,
        confidence: None,
        cost: None,
        about: None,
        description,
        investigation_steps: budget::steps(mark),
    })
}

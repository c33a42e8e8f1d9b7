//! Verdicts that are stored or may change an incident.

use detection::incident::{Incident, Observation, Seen, verdict_beside};
use detection::model::{HourModel, Profile};
use detection::{
    ALL_CUSTOMERS, About, Assessment, Calendar, Comparison, Currency, CustomerId, Direction, Explanation,
    Finding, Hour, Hours, Mute, Recent, Settings, Together, Verdict, WindowCost, assess, assess_without,
    ensemble, entity,
};
use serde::{Deserialize, Serialize};

use crate::known::Known;
use crate::looks::Looks;
use crate::pass::Pass;
use crate::size::Size;

/// A finding, or a series that is back inside while an incident is active. A first use is a finding without an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    pub customer_id: CustomerId,
    /// Place of the metric in the catalog.
    pub metric: usize,
    /// The direction of the incident.
    pub direction: Direction,
    pub seen: Seen,
    /// The length in hours of the shortest window that is anomalous. 24 for all other windows.
    pub seen_by: u8,
    /// How far that window is from its expected value, as a share of it.
    pub change: Option<f64>,
    /// None without a verdict.
    pub comparison: Option<Comparison>,
    /// None for a first use, and without a verdict.
    pub explanation: Option<Box<Explanation>>,
    /// What its window costs. None without a price, and without an anomaly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<WindowCost>,
    /// The events behind it. None for the usage of customers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Box<About>>,
}

impl Candidate {
    /// The anomaly, if it is one.
    pub fn finding(&self) -> Option<Finding> {
        match self.seen {
            Seen::Anomalous(severity) => {
                Some(Finding { comparison: self.comparison?, severity, direction: self.direction })
            }
            Seen::Inside | Seen::Between | Seen::Hidden | Seen::Undetermined => None,
        }
    }

    /// The mute that keeps it from alerting people: that of data that stopped, or that of people. The windows hold nothing of
    /// a planned event that is over. So people's mutes cover it only while the event goes on.
    pub(crate) fn mute<'a>(&self, pass: Pass<'a>) -> Option<&'a Mute> {
        let shown = pass.window.newest_hours(self.seen_by.into()).unwrap_or(pass.window);
        let stop = pass.stop.filter(|_| !self.is_of_all_customers());
        if let Some(mute) = stop.and_then(|stop| stop.mute_of(self.direction, &shown)) {
            return Some(mute);
        }
        let metric = &pass.app.catalog.metrics()[self.metric].name;
        let window = pass.window.newest_hours(1).unwrap_or(pass.window);
        pass.policies.mute(&self.customer_id, metric, &window)
    }

    /// How large it is beside others.
    pub(crate) fn size(&self) -> Size {
        Size::of(self.cost.as_ref(), self.comparison.as_ref())
    }

    /// Whether it is of all customers together.
    pub(crate) fn is_of_all_customers(&self) -> bool {
        self.customer_id.as_str() == ALL_CUSTOMERS
    }

    /// The length in hours of the window that its figures are of.
    pub(crate) fn hours(&self) -> usize {
        let of_rule = self.about.as_ref().map(|_| usize::from(self.seen_by));
        let explained = self.explanation.as_ref().map(|explanation| explanation.hours);
        explained.or(of_rule).unwrap_or(usize::from(Incident::DAY))
    }

    /// The anomaly, if it is a first use. It is stored and belongs to no incident, so it pages nobody. An incident of the
    /// same series and direction cannot be active: its usage would be in the time read.
    pub fn first_use(&self) -> Option<Finding> {
        self.finding().filter(|finding| finding.comparison.is_new_usage())
    }
}

/// The verdict on one series, and its candidates. Nearly every series has none.
pub struct Judged {
    pub verdict: Verdict,
    pub candidates: Vec<Candidate>,
    /// Its newest hour, to be added to that of all customers.
    pub newest: Together,
}

/// The hours of one metric of a customer.
pub struct SeriesOfHours {
    /// Place of the metric in the catalog.
    pub metric: usize,
    /// With their mutes.
    pub hours: Hours,
    /// The shape of a day of all customers.
    pub peers: Profile,
}

/// The share of the thresholds from which a series may be odd. Rows of a fit have single precision, and late events may
/// have come since.
const SUSPICIOUS: f64 = 0.9;

/// What the row of a fit, which knows of no incident, says of a series.
pub enum Screened {
    /// Its verdict. It has no candidates.
    Calm(Judged),
    /// The series may be odd, or an incident has to do with its verdict: [`judge_hours`] tells.
    Odd(Odd),
}

/// A series that may be odd, as far as the row of a fit tells.
pub struct Odd {
    pub size: Size,
    pub looks: Looks,
    /// Its newest hour.
    pub newest: Together,
}

impl Odd {
    /// Nothing is known of it.
    pub(crate) fn unknown() -> Self {
        Self { size: Size::UNKNOWN, looks: Looks::Unknown, newest: Together::default() }
    }
}

/// Looks at a series of the metric at this place of the catalog by the row of a fit.
///
/// * `has_usage`: whether anything was used in the newest day.
pub fn screen(
    known: &Known,
    customer_id: &CustomerId,
    metric: usize,
    (recent, has_usage): (&Recent, bool),
    row: &HourModel,
    (settings, currency): (&Settings, Currency),
) -> Screened {
    let incidents = known.of(customer_id.as_str(), metric);
    let is_active = Direction::BOTH.into_iter().any(|direction| incidents.is_active(direction));
    let assessment = ensemble::judge(recent, row, settings);
    let end = known.window_end();
    let beside = verdict_beside(&assessment, settings, end, |direction| incidents.course(direction));
    let ends = |direction| {
        let course = incidents.course(direction);
        let seen = Observation::of_assessment(&assessment, settings, end, direction, course.as_ref()).seen;
        incidents.is_active(direction) && seen == Seen::Inside
    };
    let looks = match (&assessment.verdict, &beside) {
        (_, Verdict::Anomalous(finding)) => Looks::Odd(finding.direction),
        (Verdict::Normal(_), _) if assessment.is_near(SUSPICIOUS, row, settings) => {
            Looks::Near(Direction::of(assessment.score))
        }
        (Verdict::Undetermined(_), _) if has_usage => Looks::Unknown,
        _ if is_active && Direction::BOTH.into_iter().any(ends) => Looks::Ending,
        _ => Looks::Calm,
    };
    let is_usual = looks == Looks::Calm && !matches!(assessment.verdict, Verdict::Anomalous(_));
    let newest = Together::of(&assessment);
    if is_usual && !is_active && !incidents.takes_hours_out() {
        return Screened::Calm(Judged { verdict: assessment.verdict, candidates: Vec::new(), newest });
    }
    let cost = assessment.cost(settings, currency);
    let size = Size::of(cost.as_ref(), assessment.verdict.comparison());
    Screened::Odd(Odd { size, looks, newest })
}

/// A customer's hours, and what they are judged with.
#[derive(Clone, Copy)]
pub struct CustomerOfHours<'a> {
    pub id: &'a CustomerId,
    pub series: &'a [SeriesOfHours],
    /// The first hour of the customer, of any metric.
    pub since: Hour,
    pub calendar: &'a Calendar,
}

/// Checks the series of a customer by their models, in their order.
pub fn judge_hours<'a>(
    pass: Pass<'a>,
    known: &'a Known,
    customer: CustomerOfHours<'a>,
) -> impl Iterator<Item = Judged> + 'a {
    let CustomerOfHours { id, series, calendar, .. } = customer;
    let newest = Hour::holding(pass.window.end()).plus(-1);
    let mut assessments: Vec<_> =
        series.iter().map(|series| assess_series(pass, known, customer, series, newest)).collect();
    // The forest takes a fraction of a millisecond: too long for each series that looks odd, and nothing for the few anomalies.
    if assessments.iter().any(Assessment::is_anomalous) {
        let hours: Vec<_> = series.iter().map(|series| &series.hours).collect();
        if let Some(opinion) = entity::isolation(&hours, newest, id.as_str(), calendar.day()) {
            let with = |assessment: Assessment| assessment.with_opinion(opinion);
            assessments = assessments.into_iter().map(with).collect();
        }
    }
    let metrics = series.iter().map(|series| series.metric);
    let judged = metrics.zip(assessments);
    judged.map(move |(metric, assessment)| of_assessment(pass, known, id, metric, assessment))
}

fn assess_series(
    pass: Pass<'_>,
    known: &Known,
    customer: CustomerOfHours<'_>,
    series: &SeriesOfHours,
    newest: Hour,
) -> Assessment {
    let CustomerOfHours { id, since, calendar, .. } = customer;
    let SeriesOfHours { metric, hours, peers } = series;
    let settings = &pass.policies.settings(id)[*metric];
    let incidents = known.of(id.as_str(), *metric);
    let day = calendar.day();
    let confirmed = pass.policies.left_out(id, &pass.app.catalog.metrics()[*metric].name);
    if incidents.takes_hours_out() || !confirmed.is_empty() {
        let is_confirmed = |hour| confirmed.iter().any(|hours| hours.contains(&hour));
        let is_out = |hour| is_confirmed(hour) || incidents.stays_out(hour, day);
        assess_without(is_out, hours, newest, since, calendar, peers, settings)
    } else {
        assess(hours, newest, since, calendar, peers, settings)
    }
}

/// What an assessment of a series of the metric at this place of the catalog comes to, beside its incidents.
pub fn of_assessment(
    pass: Pass<'_>,
    known: &Known,
    customer_id: &CustomerId,
    metric: usize,
    assessment: Assessment,
) -> Judged {
    let settings = &pass.policies.settings(customer_id)[metric];
    let incidents = known.of(customer_id.as_str(), metric);
    let observe = |direction| {
        let course = incidents.course(direction);
        Observation::of_assessment(&assessment, settings, pass.window.end(), direction, course.as_ref())
    };
    // A first use has no window of a model.
    let explanation = (assessment.hours > 0).then(|| assessment.explanation());
    let mut candidates =
        candidates(known, customer_id, metric, &assessment.verdict, explanation.as_ref(), observe);
    let cost = assessment.cost(settings, pass.app.catalog.currency()).filter(|_| assessment.is_anomalous());
    for candidate in candidates.iter_mut().filter(|candidate| candidate.finding().is_some()) {
        candidate.cost = cost;
    }
    let verdict =
        verdict_beside(&assessment, settings, pass.window.end(), |direction| incidents.course(direction));
    Judged { verdict, candidates, newest: Together::of(&assessment) }
}

/// The views of both directions that are stored or may change an incident.
fn candidates(
    known: &Known,
    customer_id: &CustomerId,
    metric: usize,
    verdict: &Verdict,
    explanation: Option<&Explanation>,
    observe: impl Fn(Direction) -> Observation,
) -> Vec<Candidate> {
    let comparison = match verdict {
        Verdict::Normal(comparison) | Verdict::Anomalous(Finding { comparison, .. }) => Some(*comparison),
        Verdict::Undetermined(_) => None,
    };
    let incidents = known.of(customer_id.as_str(), metric);
    let mut candidates = Vec::new();
    for direction in Direction::BOTH {
        let Observation { seen, seen_by, change, .. } = observe(direction);
        if matches!(seen, Seen::Anomalous(_)) || incidents.is_active(direction) {
            candidates.push(Candidate {
                customer_id: customer_id.clone(),
                metric,
                direction,
                seen,
                seen_by,
                change,
                comparison,
                explanation: explanation.cloned().map(Box::new),
                cost: None,
                about: None,
            });
        }
    }
    candidates
}

//! The anomaly of a finding, with all that people are told of it.

use catalog::Policies;
use detection::{About, Anomaly, Finding, Window, WindowCost};

use crate::app::App;
use crate::candidate::Candidate;
use crate::heard::with_feedback;

/// The full record of a finding.
pub(crate) fn anomaly(
    app: &App,
    window: Window,
    candidate: &Candidate,
    finding: &Finding,
    policies: &Policies,
) -> Anomaly {
    let spec = &app.catalog.metrics()[candidate.metric];
    let steps = spec.steps_for(finding.direction);
    let explanation = candidate.explanation.as_deref();
    let window = match candidate.about {
        Some(_) => app.newest(&window),
        None => window.newest_hours(candidate.hours()).unwrap_or(window),
    };
    let (who, name) = (app.catalog.who(&candidate.customer_id), spec.name.clone());
    let zone = policies.time_zone(&candidate.customer_id).cloned().unwrap_or_default();
    let own = steps.clone();
    let mut anomaly =
        Anomaly::new(who, name, &spec.unit, steps, window, finding, explanation).in_zone(&zone, finding);
    if app.source().is_some() && !candidate.is_of_all_customers() {
        // The general steps are about usage and invoices.
        anomaly.investigation_steps = own;
    }
    anomaly.cost = candidate.cost.as_ref().map(WindowCost::cost);
    with_feedback(of_entity(app, anomaly, candidate, finding), candidate, finding, spec, policies)
}

/// The same with what a source with entities tells of it.
fn of_entity(app: &App, anomaly: Anomaly, candidate: &Candidate, finding: &Finding) -> Anomaly {
    let spec = &app.catalog.metrics()[candidate.metric];
    let Some(entities) = app.catalog.entities() else { return anomaly };
    let about = candidate.about.as_deref().cloned().unwrap_or_else(|| About::of(app.catalog.name()));
    let [tenant_noun, entity_noun] = entities.nouns.own();
    anomaly.about(About { tenant_noun, entity_noun, ..about }, spec.kind, finding)
}

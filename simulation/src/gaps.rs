//! Days without a run, in which everything came and went. The end equals the end of a history without a gap.

use std::ops::Range;

use detection::incident::IncidentState;
use detector::App;
use jiff::{SignedDuration, Timestamp};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use store::AlertItem;

use crate::fate::{Fate, Kill};
use crate::story::{Part, Story};
use crate::world::{HISTORY, World};

/// Hours without a run.
const GAP: Range<usize> = HISTORY + 1..HISTORY + 71;

/// Hours after it.
const AFTERWARDS: usize = 40;

/// The remains of a history: anomalies, incidents, and the number of pages that raise. Other texts depend on the time
/// of the pages and may differ.
pub type Remains = (Vec<String>, Vec<String>, usize);

/// The remains of a seed's world with a gap of three days and without one. None if something happens after the gap,
/// or if customers have several metrics.
pub fn with_and_without(app: &mut App, seed: u64, closes_gaps: bool) -> Option<[Remains; 2]> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut world = World::new(&mut rng, app);
    world.closes_gaps = closes_gaps;
    // Acceptance counts from the first page, and a gap delays that page.
    world.rules.accept_after = SignedDuration::ZERO;
    world.rule(app);
    let is_quiet = world.quiet_from() <= GAP.end;
    // Nobody is paged in a gap, so its incidents do not wait for the other metrics of their customer.
    let is_plain = world.metrics.len() == 1;
    (is_quiet && is_plain).then(|| [GAP, HISTORY..HISTORY].map(|gap| play(app, &world, &rng, &gap)))
}

fn play(app: &App, world: &World, rng: &ChaCha8Rng, gap: &Range<usize>) -> Remains {
    let mut story = Story::new(app, world, rng.clone(), None);
    for event in (HISTORY..GAP.end + AFTERWARDS).filter(|event| !gap.contains(event)) {
        story.wait_until(event);
        story.fate = Fate::script(usize::MAX, Kill::Before);
        story.perform(vec![Part::Run { event }]);
    }
    let desk = story.desk.borrow();
    let (alerts, incidents, published) = desk.table.essence();
    let anomalies = alerts.into_iter().filter_map(|alert| match alert {
        AlertItem::Anomaly(item) => Some(format!(
            "{} {:?} {:?} {:?} {:?} {:?}",
            item.anomaly_id, item.severity, item.direction, item.evidence, item.incident_id, item.state
        )),
        AlertItem::Notice(_) | AlertItem::Digest(_) => None,
    });
    let incidents = incidents.into_iter().map(|item| {
        let incident = &item.incident;
        let state: IncidentState = incident.state;
        let times: [Option<Timestamp>; 2] = [Some(incident.last_seen), incident.over_at];
        format!("{} {state:?} {} {} {times:?}", item.id(), incident.anomalies, incident.peak_z_score)
    });
    (anomalies.collect(), incidents.collect(), published.len())
}

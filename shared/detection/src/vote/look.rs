//! What a detector says of the metrics of an entity.

use super::{Sight, Voice, Voter};

/// What a detector says of each metric. `None` where it has no say, or the change does not matter.
pub(super) struct Look(pub(super) Vec<Option<Said>>);

/// What a detector says of one metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Said {
    confidence: f64,
    flags: bool,
}

impl Look {
    /// How sure the detector is of a metric.
    pub(super) fn confidence(&self, place: usize) -> f64 {
        self.0.get(place).copied().flatten().map_or(0.0, |said| said.confidence)
    }

    pub(super) fn voice(&self, voter: Voter, weight: f64) -> Voice {
        let said = || self.0.iter().enumerate().filter_map(|(place, said)| Some((place, (*said)?)));
        let largest = |of: &mut dyn Iterator<Item = f64>| of.fold(0.0, f64::max);
        let flagging = || said().filter(|(_, said)| said.flags);
        Voice {
            voter,
            weight,
            confidence: largest(&mut flagging().map(|(_, said)| said.confidence)),
            continuous: largest(&mut said().map(|(_, said)| said.confidence)),
            flagged: flagging().map(|(place, _)| place).collect(),
        }
    }
}

impl Said {
    pub(super) fn new(confidence: f64, flags: bool) -> Self {
        Self { confidence, flags }
    }

    /// Both opinions on one metric together.
    pub(super) fn or(self, other: Self) -> Self {
        Self { confidence: self.confidence.max(other.confidence), flags: self.flags || other.flags }
    }
}

/// What a detector says of each metric that matters, or `None` if it has no say of any metric.
///
/// What it would say of the others changes nothing. Most metrics of most machines do not matter, and detectors take their time.
pub(super) fn said_where_it_matters(
    sights: &[Option<Sight>],
    say: impl Fn(usize, &Sight) -> Option<Said>,
) -> Option<Vec<Option<Said>>> {
    let of = |(place, sight): (usize, &Option<Sight>), matters: bool| {
        say(place, sight.as_ref().filter(|sight| sight.matters == matters)?)
    };
    let said: Vec<Option<Said>> = sights.iter().enumerate().map(|one| of(one, true)).collect();
    let has_say =
        said.iter().any(Option::is_some) || sights.iter().enumerate().any(|one| of(one, false).is_some());
    has_say.then_some(said)
}

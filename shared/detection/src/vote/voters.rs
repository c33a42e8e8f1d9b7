//! The detectors that vote, and what each says of the metrics of an entity.

use super::look::{Look, Said, said_where_it_matters};
use super::{Samples, Sight, confidence_above, forest};
use crate::confidence;
use crate::detectors::seasonal_esd;
use crate::opinion::SecondOpinion;

/// A detector that votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Voter {
    IsolationForest,
    Autoencoder,
    RollingZ,
    SeasonalEsd,
}

impl Voter {
    pub const ALL: [Self; 4] = [Self::IsolationForest, Self::Autoencoder, Self::RollingZ, Self::SeasonalEsd];

    pub fn name(self) -> &'static str {
        match self {
            Self::IsolationForest => "isolation_forest",
            Self::Autoencoder => "autoencoder",
            Self::RollingZ => "rolling_z",
            Self::SeasonalEsd => "seasonal_esd",
        }
    }

    /// What it says of the metrics that matter. `None` if it has no say of any metric.
    ///
    /// * `rebuilt`: what the networks say of the metrics.
    pub(super) fn look(
        self,
        series: &[Samples<'_>],
        sights: &[Option<Sight>],
        rebuilt: &[Option<SecondOpinion>],
        seed: u64,
    ) -> Option<Look> {
        let of_each = |say: &dyn Fn(&Samples<'_>, &Sight) -> Option<Said>| {
            said_where_it_matters(sights, |place, sight| say(&series[place], sight))
        };
        let said = match self {
            Self::IsolationForest => forest::judge(series, sights, seed),
            Self::Autoencoder => said_where_it_matters(sights, |place, _| {
                let second = rebuilt.get(place)?.as_ref()?;
                Some(Said::new(confidence_above(second.opinion.score), second.flags))
            }),
            Self::RollingZ => of_each(&|_, sight| Some(Said::new(confidence(sight.z), sight.flags))),
            Self::SeasonalEsd => of_each(&|samples, _| {
                let second = seasonal_esd::judge_samples(
                    samples.values,
                    samples.season,
                    samples.never_negative,
                    &seasonal_esd::Parameters::default(),
                )?;
                Some(Said::new(confidence(second.opinion.score), second.flags))
            }),
        };
        said.map(Look)
    }
}

//! The detectors that vote, and what each says of the metrics of an entity.

use super::look::{Look, Said};
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

    /// `None` if it has no say of any metric.
    ///
    /// * `rebuilt`: what the networks say of the metrics.
    pub(super) fn look(
        self,
        series: &[Samples<'_>],
        sights: &[Option<Sight>],
        rebuilt: &[Option<SecondOpinion>],
        seed: u64,
    ) -> Option<Look> {
        let of_each = |said: &dyn Fn(&Samples<'_>, &Sight) -> Option<Said>| {
            let of = |(samples, sight): (&Samples<'_>, &Option<Sight>)| said(samples, sight.as_ref()?);
            series.iter().zip(sights).map(of).collect::<Vec<_>>()
        };
        let mut said = match self {
            Self::IsolationForest => forest::judge(series, sights, seed)?,
            Self::Autoencoder => {
                let said =
                    |second: &SecondOpinion| Said::new(confidence_above(second.opinion.score), second.flags);
                let of = |(rebuilt, sight): (&Option<SecondOpinion>, &Option<Sight>)| {
                    sight.as_ref().and(rebuilt.as_ref().map(said))
                };
                rebuilt.iter().zip(sights).map(of).collect()
            }
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
        if said.iter().all(Option::is_none) {
            return None;
        }
        for (said, sight) in said.iter_mut().zip(sights) {
            *said = said.filter(|_| sight.is_some_and(|sight| sight.matters));
        }
        Some(Look(said))
    }
}

//! The newest samples of the metrics with the rule, from the rollup of minutes.

use std::collections::HashMap;

use catalog::MetricSpec;
use detection::rules::unseen_shape::STEP;
use detection::{CustomerId, Window};
use warehouse::usage::EntitySamples;

use super::super::read;
use super::super::vote::values;
use super::is_due;
use crate::pass::Pass;
use crate::sweep::named;

/// Newest samples that each run makes of the rollup: two hours.
pub(super) const NEWEST: usize = 24;

/// The samples of the metrics with the rule, in their order. Oldest first, NaN for gaps.
pub(super) type Samples = Vec<Vec<f32>>;

/// The newest samples by entity. A run knows those of all entities: 96 bytes of each metric.
#[derive(Default)]
pub(in crate::rules) struct Newest(pub(super) HashMap<CustomerId, Samples>);

impl Newest {
    /// Adds those of an entity, if they are judged in this window.
    pub(in crate::rules) fn see(&mut self, pass: Pass<'_>, window: Window, of: &EntitySamples) {
        let id = named(&of.key).filter(|_| is_due(pass, window) && metrics(pass).next().is_some());
        self.0.extend(id.map(|id| (id, samples(pass, window, of, NEWEST))));
    }

    /// The same of a source whose metrics have no vote that reads them.
    pub(super) async fn or_read(mut self, pass: Pass<'_>, window: Window) -> anyhow::Result<Self> {
        if pass.app.catalog.ruled().iter().all(|spec| spec.vote().is_none()) {
            let count = NEWEST * of_sample(window);
            self.0 = read(pass, window, 0, "newest-samples", async |request| {
                let mut newest = Self::default();
                let show = |_, of| newest.see(pass, window, &of);
                pass.app.usage.newest_windows(request, count, u64::MAX, show).await?;
                Ok(newest.0)
            })
            .await?;
        }
        Ok(self)
    }
}

/// The metrics with the rule, each with its place among those that rules judge.
pub(super) fn metrics(pass: Pass<'_>) -> impl Iterator<Item = (usize, &MetricSpec)> {
    pass.app.catalog.ruled().iter().enumerate().filter(|(_, spec)| spec.unseen_shape().is_some())
}

/// So many samples of an entity.
pub(super) fn samples(pass: Pass<'_>, window: Window, of: &EntitySamples, samples: usize) -> Samples {
    let of_sample = of_sample(window);
    let of_metric = |(place, spec): (usize, &MetricSpec)| {
        let windows = of.metrics.get(place).map_or(&[][..], |of| of.windows.as_slice());
        values(spec, windows, samples * of_sample).chunks(of_sample).map(mean).collect()
    };
    metrics(pass).map(of_metric).collect()
}

/// Windows of a sample.
pub(super) fn of_sample(window: Window) -> usize {
    usize::try_from(STEP / window.length().as_secs().max(1)).unwrap_or(1).max(1)
}

/// The mean of the windows of a sample that are known. NaN without any.
fn mean(windows: &[f64]) -> f32 {
    let known = || windows.iter().filter(|value| value.is_finite());
    (known().sum::<f64>() / known().count() as f64) as f32
}

#[cfg(test)]
mod tests {
    use super::mean;

    #[test]
    fn a_sample_is_the_mean_of_its_known_windows() {
        assert!(mean(&[f64::NAN, f64::NAN]).is_nan());
        assert_eq!(mean(&[1.0, f64::NAN, 3.0]), 2.0);
    }
}

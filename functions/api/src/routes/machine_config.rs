//! The threshold and the weights of the vote on machines, in the shape of monitoring systems. They are numbers of the rule `vote` in
//! the policy for all customers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use catalog::{Catalog, MetricRule, MetricSpec, Policies, StoredPolicy};
use detection::rules::Vote;
use detection::vote::Voter;
use detection::{Policy, vote};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::App;
use crate::access::Operator;
use crate::error::{Code, Problem};
use crate::params::{Body, Query};
use crate::refusals::{Conflict, Forbidden, Invalid, TooLarge, Unavailable};
use crate::routes::config::rules;
use crate::routes::machines::sources;
use crate::views::Time;

/// What holds for customers without a policy of their own.
#[derive(Serialize, ToSchema)]
pub(crate) struct MachineConfig {
    /// The score from which on a machine is anomalous.
    #[schema(example = 0.6)]
    pub threshold: f64,
    pub weights: DetectorWeights,
    /// Time from one check to the next.
    #[schema(example = 60)]
    pub interval_seconds: i64,
    /// Version of the policy for all customers. 0 until the first write.
    pub version: u64,
    /// Null before the first write.
    #[schema(required = true)]
    pub updated_at: Option<Time>,
}

/// How much each detector counts. Each weight is from 0 to 1, and their sum is 1.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DetectorWeights {
    #[schema(minimum = 0, maximum = 1, example = 0.3)]
    pub isolation_forest: f64,
    #[schema(minimum = 0, maximum = 1, example = 0.3)]
    pub autoencoder: f64,
    #[schema(minimum = 0, maximum = 1, example = 0.2)]
    pub rolling_z: f64,
    #[schema(minimum = 0, maximum = 1, example = 0.2)]
    pub seasonal_esd: f64,
}

/// A field that is left out keeps its value.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MachineConfigChange {
    #[serde(default)]
    #[schema(exclusive_minimum = 0, maximum = 1)]
    threshold: Option<f64>,
    #[serde(default)]
    weights: Option<DetectorWeights>,
    /// Refused: the schedule and `every` of the source decide.
    #[serde(default)]
    #[schema(ignore)]
    interval_seconds: Option<IgnoredAny>,
    /// Refused: each channel has a throttle of its own.
    #[serde(default)]
    #[schema(ignore)]
    throttle_seconds: Option<IgnoredAny>,
}

/// Show how machines are judged
#[utoipa::path(
    get,
    path = "/api/v1/monitoring/anomaly/config",
    tag = "machines",
    operation_id = "show_machine_config",
    responses(
        (status = 200, description = "Threshold and weights.", body = MachineConfig),
        Invalid,
        Forbidden,
        Conflict,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    query: Query,
) -> Result<Json<MachineConfig>, Problem> {
    query.only(&[])?.with_texts();
    let source = voted(&app)?;
    Ok(Json(MachineConfig::of(source, app.store.policy(None).await?)?))
}

/// Change how machines are judged
///
/// Changes the rule `vote` of all metrics of machines in the policy for all customers. It holds from the next run, and every version
/// is kept. The interval and the throttle are settings of the deployment, so they are refused.
#[utoipa::path(
    put,
    path = "/api/v1/monitoring/anomaly/config",
    tag = "machines",
    operation_id = "change_machine_config",
    request_body = MachineConfigChange,
    responses(
        (status = 200, description = "Threshold and weights.", body = MachineConfig),
        Invalid,
        Forbidden,
        Conflict,
        TooLarge,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    query: Query,
    Body(change): Body<MachineConfigChange>,
) -> Result<Json<MachineConfig>, Problem> {
    query.only(&[])?.with_texts();
    let source = voted(&app)?;
    change.check()?;
    let stored = rules::change(&app, &caller, |policy| {
        for source in sources(&app).unwrap_or_default() {
            metrics(source).for_each(|(spec, _)| change.set(policy, spec));
        }
    });
    Ok(Json(MachineConfig::of(source, stored.await?)?))
}

/// The first source of machines that detectors vote on.
fn voted(app: &App) -> Result<&Catalog, Problem> {
    let found = sources(app)?.into_iter().find(|source| metrics(source).next().is_some());
    found.ok_or_else(no_vote)
}

fn no_vote() -> Problem {
    Problem::of(
        Code::NoSources,
        "no metric of machines has the rule vote, so there are neither weights nor a threshold",
    )
}

/// The metrics that detectors vote on, with their rules in the catalog.
fn metrics(source: &Catalog) -> impl Iterator<Item = (&MetricSpec, &Vote)> {
    source.ruled().iter().filter_map(|spec| Some((spec, spec.vote()?)))
}

impl MachineConfigChange {
    fn check(&self) -> Result<(), Problem> {
        let of_deployment = [
            (
                "interval_seconds",
                self.interval_seconds.is_some(),
                "the schedule in `sources` of the stack and `every` of the source in the catalog decide",
            ),
            (
                "throttle_seconds",
                self.throttle_seconds.is_some(),
                "each channel in `notification_channels` of the stack has its own",
            ),
        ];
        for (field, is_there, where_it_is) in of_deployment {
            if is_there {
                return Err(Problem::invalid(
                    field,
                    format!("{field} is no setting of this route: {where_it_is}"),
                ));
            }
        }
        if let Some(threshold) = self.threshold
            && !(threshold > 0.0 && threshold <= 1.0)
        {
            let detail = format!("threshold must be above 0 and at most 1, not {threshold}");
            return Err(Problem::invalid("threshold", detail));
        }
        if let Some(DetectorWeights { isolation_forest, autoencoder, rolling_z, seasonal_esd }) = self.weights
        {
            vote::Weights::new(isolation_forest, autoencoder, rolling_z, seasonal_esd)
                .map_err(|error| Problem::invalid("weights", error.to_string()))?;
        }
        Ok(())
    }

    fn set(&self, policy: &mut Policy, spec: &MetricSpec) {
        let changes = policy.rules.entry(spec.name.clone()).or_default();
        let of_rule = changes.0.entry(Vote::NAME.to_owned()).or_default();
        of_rule.extend(self.threshold.map(|threshold| ("threshold".to_owned(), threshold)));
        if let Some(weights) = self.weights {
            of_rule.extend(Voter::ALL.map(|voter| (voter.name().to_owned(), weights.of(voter))));
        }
    }
}

impl DetectorWeights {
    fn of(&self, voter: Voter) -> f64 {
        match voter {
            Voter::IsolationForest => self.isolation_forest,
            Voter::Autoencoder => self.autoencoder,
            Voter::RollingZ => self.rolling_z,
            Voter::SeasonalEsd => self.seasonal_esd,
        }
    }
}

impl MachineConfig {
    fn of(source: &Catalog, stored: StoredPolicy) -> Result<Self, Problem> {
        let (version, updated_at) = (stored.version, stored.updated_at.map(Time::from));
        let policies = Policies::resolve(source, &[], stored, Vec::new());
        let (spec, _) = metrics(source).next().ok_or_else(no_vote)?;
        let vote = MetricRule::vote(policies.rules_of_all(spec)).ok_or_else(no_vote)?;
        let Vote { threshold, isolation_forest, autoencoder, rolling_z, seasonal_esd, .. } = *vote;
        let pace = source.entities().map(|entities| entities.pace).unwrap_or_default();
        Ok(Self {
            threshold,
            weights: DetectorWeights { isolation_forest, autoencoder, rolling_z, seasonal_esd },
            interval_seconds: pace.step().as_secs(),
            version,
            updated_at,
        })
    }
}

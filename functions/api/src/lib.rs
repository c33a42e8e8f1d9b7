//! The API: checks on demand, anomalies and incidents with actions and feedback of people, usage for charts, sources, settings,
//! and the dashboard's files.
//!
//! ```text
//! gateway (token, scope) ─ router ─ who asks (access) ─ what is asked (params) ─ route ─ answer or problem
//! ```
//!
//! Invariants:
//!
//! * A check of the newest hours is `detection::assess`, as in the runs. Nothing is computed in a second way. A check of a
//!   chosen period is `detection::check` on its windows, without those of incidents.
//! * The token's claims decide what a caller sees, in every route anew.
//! * A decision about an incident is stored together with its notice, before anybody is notified.
//! * A problem names the fault and the allowed values. The inside appears only in the log.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::routing::post;
use catalog::Catalog;
use catalog::DetectionConfig;
use channels::Channels;
use checks_function::ChecksFunction;
use config::ApiConfig;
use dashboard::Dashboard;
use detection::{Settings, Window};
use detector_function::DetectorFunction;
use environment::Env;
use jiff::Timestamp;
use messaging::alerts::AlertConfig;
use messaging::alerts::AlertPublisher;
use store::AnomalyStore;
use store::StoreConfig;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use warehouse::ClickHouseConfig;
use warehouse::usage::UsageReader;

mod access;
mod answer;
mod bands;
mod channels;
mod chat;
mod checking;
mod checks_function;
mod config;
mod csv_list;
mod cursor;
mod dashboard;
mod detector_function;
mod document;
mod entity_text;
mod error;
mod exposition;
pub mod gateway;
mod hourly;
mod limits;
mod listed;
mod paging;
mod params;
mod refusals;
mod routes;
mod slack;
mod span;
mod telegram;
mod times;
mod usual;
mod views;

use error::Problem;
use slack::Slack;
use telegram::Telegram;

/// Everything that the routes need, made once at cold start.
pub struct App {
    pub catalog: Catalog,
    /// Settings of each metric before the operators' policies, in the order of the catalog.
    pub settings: Vec<Settings>,
    pub detection: DetectionConfig,
    pub config: ApiConfig,
    /// The page for people.
    pub dashboard: Dashboard,
    pub usage: UsageReader,
    pub store: AnomalyStore,
    pub channels: Channels,
    pub detector: DetectorFunction,
    /// Checks single events. `None` in a deployment without sources.
    pub checks: Option<ChecksFunction>,
    /// Publishes notices about people's actions on incidents. The runs publish all other alerts.
    pub alerts: AlertPublisher,
    /// The buttons of pages in Slack. `None` in a deployment without them.
    pub slack: Option<Slack>,
    /// The buttons of pages in Telegram. Its channels are configured with all others.
    pub telegram: Telegram,
    /// The time of day.
    pub clock: fn() -> SystemTime,
    /// How long a request may count before it answers with what it has.
    pub counting_time: Duration,
}

/// The routes, with the document that describes them.
pub fn router(app: App) -> Router {
    Router::from(open_api())
        // Only Slack and Telegram call these, so they are not in the document.
        .route("/slack/actions", post(routes::slack::act))
        .route("/telegram/updates", post(routes::telegram::act))
        .fallback(async || Problem::no_such_route())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(axum::middleware::from_fn(answer::around))
        .with_state(Arc::new(app))
}

/// The document as JSON text, for `/openapi.json`.
pub fn open_api_document() -> String {
    document::serialized(open_api().into_openapi())
}

fn open_api() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(document::base())
        .routes(routes!(routes::system::health))
        .routes(routes!(routes::system::open_api))
        .routes(routes!(routes::anomalies::list))
        .routes(routes!(routes::check::one, routes::check::many))
        .routes(routes!(routes::trends::trends))
        .routes(routes!(routes::anomalies::detail))
        .routes(routes!(routes::anomaly_actions::acknowledge))
        .routes(routes!(routes::anomaly_actions::resolve))
        .routes(routes!(routes::anomaly_actions::reopen))
        .routes(routes!(routes::feedback::on_anomaly))
        .routes(routes!(routes::incidents::list))
        .routes(routes!(routes::incident_counts::counts))
        .routes(routes!(routes::incidents::detail))
        .routes(routes!(routes::deliveries::list))
        .routes(routes!(routes::related::list))
        .routes(routes!(routes::incident_actions::acknowledge))
        .routes(routes!(routes::incident_actions::resolve))
        .routes(routes!(routes::incident_actions::reopen))
        .routes(routes!(routes::feedback::on_incident))
        .routes(routes!(routes::feedback::dry_run))
        .routes(routes!(routes::customers::baselines))
        .routes(routes!(routes::customers::usage))
        .routes(routes!(routes::series::of_customer))
        .routes(routes!(routes::sources::list))
        .routes(routes!(routes::entities::list))
        .routes(routes!(routes::entities::baselines))
        .routes(routes!(routes::series::series))
        .routes(routes!(routes::event_checks::check))
        .routes(routes!(routes::workspaces::anomalies))
        .routes(routes!(routes::workspaces::baselines))
        .routes(routes!(routes::ai::check))
        .routes(routes!(routes::ai::list))
        .routes(routes!(routes::ai::trends))
        .routes(routes!(routes::ai::detail))
        .routes(routes!(routes::traces::list))
        .routes(routes!(routes::traces::detail))
        .routes(routes!(routes::traces::resolve))
        .routes(routes!(routes::trace_config::get, routes::trace_config::put))
        .routes(routes!(routes::traces::run))
        .routes(routes!(routes::machines::status))
        .routes(routes!(routes::machines::recent))
        .routes(routes!(routes::machines::detect))
        .routes(routes!(routes::machine_config::get, routes::machine_config::put))
        .routes(routes!(routes::system::metrics))
        .routes(routes!(routes::config::get_global, routes::config::put_global))
        .routes(routes!(routes::config::get_customer, routes::config::put_customer))
        .routes(routes!(routes::policy_versions::of_all))
        .routes(routes!(routes::policy_versions::of_customer))
        .routes(routes!(routes::channels::list))
        .routes(routes!(routes::detections::start))
        .routes(routes!(routes::detections::result))
        .routes(routes!(routes::backtests::start))
        .routes(routes!(routes::backtests::result))
        .routes(routes!(routes::runs::list))
        .routes(routes!(routes::status::status))
        .routes(routes!(routes::prometheus::metrics))
        .routes(routes!(routes::dashboard::page))
        .routes(routes!(routes::dashboard::asset))
        .routes(routes!(routes::dashboard::settings))
}

impl App {
    /// Reads settings and catalog and makes the clients. A wrong setting is refused here, before the first request.
    pub async fn from_env(
        env: &Env<'_>,
        aws: &platform::aws::SdkConfig,
        clock: fn() -> SystemTime,
    ) -> anyhow::Result<Self> {
        let (detection, config) = (DetectionConfig::from_env(env)?, ApiConfig::from_env(env)?);
        let store = StoreConfig::from_env(env)?;
        let catalog = Catalog::parse_all(&platform::text::load_all(Catalog::source(env)?, aws).await?)?;
        Ok(Self {
            settings: catalog.settings(&detection)?,
            usage: UsageReader::new(&ClickHouseConfig::from_env(env)?, aws),
            store: AnomalyStore::new(&store, aws),
            channels: Channels::from_env(env, &store, config.allow_loopback, aws)?,
            detector: DetectorFunction::new(&config.detector_function, aws),
            checks: config.checks_function.as_deref().map(|name| ChecksFunction::new(name, aws)),
            dashboard: Dashboard::from_env(env)?,
            slack: Slack::new(&config, aws)?,
            telegram: Telegram::new(aws, config.allow_loopback)?,
            alerts: AlertPublisher::new(&AlertConfig::from_env(env)?, aws),
            catalog,
            detection,
            config,
            clock,
            counting_time: answer::COUNTING_TIME,
        })
    }

    /// The last closed 24 hours: the window of this hour's run.
    fn closed_window(&self, now: Timestamp) -> Result<Window, Problem> {
        let internal = |error: &dyn std::error::Error| Problem::internal(error.to_string());
        let due = now.checked_sub(self.detection.window_delay).map_err(|error| internal(&error))?;
        Window::closing_at(due).map_err(|error| internal(&error))
    }

    fn now(&self) -> Result<Timestamp, Problem> {
        self.time().map_err(|error| Problem::internal(error.to_string()))
    }

    fn time(&self) -> Result<Timestamp, jiff::Error> {
        Timestamp::try_from((self.clock)())
    }
}

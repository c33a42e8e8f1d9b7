//! The decisions of usage-anomaly detection: is this customer's last day out of line with the month before?
//!
//! This crate is pure. It has no clock, no network, no async runtime and no storage. Inputs are arguments, and
//! decisions are plain data. So a verdict is the same in the hourly sweep, in a check on demand and in a test. CI
//! checks the purity from the crate's dependency tree.
//!
//! The path through it:
//!
//! ```text
//! Window ── which period, and which earlier windows of the same hours
//! Policy ── what operators changed: thresholds, floors, mutes -> Settings
//! Feedback  what people said of findings: raised thresholds, hours without a say, mutes
//! Series ── one customer's values of one metric in those windows, zeros and gaps told apart
//! detectors Series + Settings -> Opinion: a score, what is expected, and what only that detector knows
//! check  ── the opinions -> Verdict::{Normal, Anomalous, Undetermined}
//! Anomaly ─ a finding with its customer, window, sentence and investigation steps, ready to be stored
//! Incident  what the anomalies of many windows are together, and when people are to be paged
//! ```
//!
//! Beside it, the path by models of the week:
//!
//! ```text
//! Calendar  local hours and weekdays: which earlier hours an hour is compared with
//! Hours ─── one series hour by hour
//! Model ─── what 32 days of hours say about the next 24, as numbers: fitted once, used by each check
//! ensemble  the newest day + the model's row of its hour + Settings -> Assessment: the verdict and why
//! ```
//!
//! And a third one, by fixed conditions on the figures of an entity (a workflow, a test suite, an operation):
//!
//! ```text
//! Counts, Histogram   how many events were bad, and how the values of all events are distributed
//! rules  ── the figures of a window beside those of its baseline -> Verdict
//! ```
//!
//! Three invariants hold for every input, however broken: nothing panics, no number that leaves is NaN or infinite, and
//! a series that cannot be judged gives a typed [`Reason`] and not an error.

pub mod about;
pub mod age;
pub mod anomaly;
pub mod assess;
pub mod baseline;
pub mod budget;
pub mod calendar;
pub mod check;
mod confidence;
pub mod detectors;
pub mod deviation;
pub mod distribution;
pub mod ensemble;
pub mod entity;
pub mod features;
pub mod feedback;
pub mod figures;
pub mod fingerprint;
pub mod floors;
pub mod histogram;
pub mod hour;
pub mod hours;
pub mod incident;
pub mod lifecycle;
pub mod model;
pub mod money;
pub mod names;
#[cfg(test)]
mod noise;
pub mod opinion;
pub mod policy;
pub mod related;
pub mod rules;
pub mod sensitivity;
pub mod series;
pub mod settings;
mod sorted;
pub mod student;
pub mod text;
pub mod thresholds;
pub mod together;
pub mod verdict;
pub mod vote;
pub mod window;

pub use about::{About, Example};
pub use age::{Age, BaselineDays, Excluded};
pub use anomaly::{Anomaly, AnomalyId, AnomalyKind, AnomalyPlace};
pub use assess::{assess, assess_by, assess_without};
pub use baseline::Baseline;
pub use budget::{Budget, Mark, Month, Quota, Used};
pub use calendar::{Calendar, TimeZone};
pub use check::check;
pub use detectors::{Detector, Detectors};
pub use deviation::deviation_factor;
pub use distribution::Distribution;
pub use ensemble::{Assessment, DetectorSays, Explanation, Why, confidence};
pub use features::{Features, SeriesFeatures};
pub use feedback::{Feedback, FeedbackKind};
pub use figures::{Evidence, Figures};
pub use fingerprint::fingerprint;
pub use floors::Floors;
pub use histogram::Histogram;
pub use hour::Hour;
pub use hours::{Aggregate, Hours, Recent};
pub use incident::{Incident, IncidentId, IncidentState};
pub use lifecycle::{Action, Deed, State, Transition};
pub use model::Model;
pub use money::{Cost, Costs, Currency, Price, WindowCost};
pub use names::{CustomerId, EntityPath, MetricName, NameError};
pub use opinion::{Detail, Expected, Opinion, SecondOpinion};
pub use policy::{Mute, Override, Policy, PolicyError, Recurrence};
pub use rules::{Counts, Rule, RuleChangeError, RuleChanges, RuleError};
pub use sensitivity::Sensitivity;
pub use series::{Missing, Series};
pub use settings::Settings;
pub use text::{describe, units};
pub use thresholds::{SettingsError, Thresholds};
pub use together::{ALL_CUSTOMERS, Flow, Together};
pub use verdict::{Comparison, Direction, Finding, Reason, Severity, Verdict};
pub use window::{Window, WindowError};

//! The routes, one file per subject.

pub(crate) mod actions;
pub(crate) mod ai;
pub(crate) mod anomalies;
pub(crate) mod anomaly_actions;
pub(crate) mod backtests;
pub(crate) mod buttons;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod customers;
pub(crate) mod dashboard;
pub(crate) mod detections;
pub(crate) mod entities;
pub(crate) mod event_checks;
pub(crate) mod feedback;
pub(crate) mod incident_actions;
pub(crate) mod incidents;
pub(crate) mod related;
pub(crate) mod series;
pub(crate) mod slack;
pub(crate) mod sources;
pub(crate) mod status;
pub(crate) mod system;
pub(crate) mod telegram;
pub(crate) mod trends;
pub(crate) mod workspaces;

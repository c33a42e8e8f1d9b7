//! The routes, a file a subject.

pub(crate) mod anomalies;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod customers;
pub(crate) mod detections;
pub(crate) mod handling;
pub(crate) mod incidents;
pub(crate) mod lifecycle;
pub(crate) mod status;
pub(crate) mod system;
pub(crate) mod trends;

//! The platform below every program of the stack: AWS clients with time limits and retries, logs, spans, metrics, secrets
//! and configuration texts.

pub mod aws;
pub mod emf;
pub mod secrets;
pub mod telemetry;
pub mod text;
pub mod traces;

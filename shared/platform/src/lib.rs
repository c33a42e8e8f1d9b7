//! The platform below every program of the stack: AWS clients with time limits and retries, logs, spans, metrics, secrets,
//! configuration texts, and files in a folder or in S3.

pub mod aws;
pub mod emf;
pub mod files;
pub mod secrets;
pub mod telemetry;
pub mod text;
pub mod traces;

//! The platform below every program of the stack: AWS clients with time limits and retries, logs, spans, metrics, secrets,
//! configuration texts, files in a folder or in S3, and the version.

pub mod aws;
pub mod emf;
pub mod files;
pub mod secrets;
pub mod telemetry;
pub mod text;
pub mod traces;
mod version;

pub use version::version;

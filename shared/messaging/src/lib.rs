//! Ways out of the stack: alerts on SNS, the queues of failed deliveries, the configuration of channels, and HTTP
//! requests to their receivers.

pub mod alerts;
pub mod channels;
pub mod failures;
pub mod outbound;
pub mod topics;

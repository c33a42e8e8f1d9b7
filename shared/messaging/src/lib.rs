//! Ways out of the stack: alerts on SNS, events on buses, queues of undelivered alerts, the configuration of channels, and HTTP requests
//! to receivers.

pub mod alerts;
pub mod buses;
pub mod buttons;
pub mod channels;
pub mod failures;
pub mod outbound;
pub mod telegram;
pub mod topics;

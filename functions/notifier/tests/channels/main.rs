//! What the channels send, checked against the providers' documented schemas, and how it is sent, checked with real
//! receivers on this machine. What needs the engines of the local cloud is in `tests/e2e`.

mod payloads;
#[path = "../../../../tests/harness/receiver.rs"]
#[allow(dead_code, unreachable_pub)] // The end-to-end tests use all of it, from outside of its crate.
mod receiver;
mod sending;
mod support;

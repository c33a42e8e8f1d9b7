//! Requests of the channels, checked against the providers' documented schemas and with real receivers on this machine.
//! Tests that need the engines of the local cloud are in `tests/e2e`.

mod chats_and_buses;
mod payloads;
#[path = "../../../../tests/harness/receiver.rs"]
#[allow(dead_code, unreachable_pub)] // The end-to-end tests use all of it, from outside of its crate.
mod receiver;
mod sending;
mod support;

//! The end-to-end tests: one binary, a module a subject, everything on real engines. `make e2e` runs them.

mod deployed;
mod migration;
mod sweep;

//! A fleet of customers whose causes are known, and rules that judge its usage hour by hour.
//!
//! ```text
//! generate ── a seed: customers, usage, causes ─┐
//!                                               ├─ Month ── a Judge ── Record ── tally ── report
//! labelled usage of your own ───────────────────┘   (usage)
//! ```
//!
//! The two halves know nothing of each other. A [`Month`](usage::Month) is plain data: hours of usage, and what ought to be
//! found in them. A [`Judge`](record::Judge) says what a rule does with it. [`Tally`](tally::Tally) compares.
//!
//! A rule that is only a score of each hour ([`Scorer`](pager::Scorer)) becomes a judge with the pages of [`pager`]. The
//! detector itself is a judge of the package `bench`, since it needs more than this crate knows.
//!
//! Apart from all this, [`quality`] judges single runs and error lines of public records by the rules for entities.

pub mod cases;
pub mod compare;
pub mod generate;
pub mod goal;
pub mod judges;
pub mod noise;
pub mod page;
pub mod pager;
pub mod pictures;
pub mod public;
pub mod quality;
pub mod record;
pub mod report;
pub mod tally;
pub mod usage;
pub mod vus;

//! What an incident has to know besides its own series.

use jiff::Timestamp;

use super::id::IncidentId;
use crate::Severity;

/// What an incident has to know besides its own series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Around {
    /// A planned event covers the window, so nobody is paged about the deviation. An end is sent nevertheless, because
    /// somebody may wait for it.
    pub muted: bool,
    /// How many earlier incidents an opening repeats. Then it pages nobody for a day.
    pub recurring: Option<u32>,
    pub story: Story,
}

/// The other incidents of the same customer and direction.
///
/// All incidents of a customer and direction that are open together are one story. Its first page tells of all that
/// open later. Its ends are told when the last of them is over.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Story {
    /// The page that tells of this incident, too.
    pub told: Option<Told>,
    /// Whether another incident of the story goes on, or begins.
    pub goes_on: bool,
}

/// An open incident that people were paged about in an earlier window.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub by: IncidentId,
    /// The severity that people know.
    pub severity: Severity,
    /// The beginning of its level.
    pub level_since: Timestamp,
}

impl Around {
    /// A window that a planned event may cover.
    pub fn muted(muted: bool) -> Self {
        Self { muted, ..Self::default() }
    }
}

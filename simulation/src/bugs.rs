//! Possible mistakes in the store, the outbox or the schedule. Each is planted in the model on purpose. A simulation
//! that finds none of them would prove nothing.

use crate::rule::Rule;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// An alert is published before its item is stored.
    PageBeforePut,
    /// An alert is marked as sent before it is published.
    MarkBeforePublish,
    /// A sent alert is not marked.
    MarkForgotten,
    /// An incident is opened even if an open one exists.
    NoConditionOnOpen,
    /// An incident is written without regard to its version.
    NoVersionCondition,
    /// A change that was overtaken is written again from the first read.
    StaleRead,
    /// The anomaly is stored first and its incident after it.
    TwoWrites,
    /// An hour without a run counts as an hour without an anomaly.
    ResolvedByGap,
    /// A late run checks the hour of the clock and not the one of its event.
    WindowFromClock,
    /// No run looks at the outbox of earlier runs.
    LeftOverNeverSwept,
    /// Every run that claims an alert may send it.
    ClaimAlwaysWon,
    /// The id of an alert names the run that made it.
    RetryMakesNewId,
    /// An incident forgets which window it saw last.
    LateRunTakenAsNewest,
    /// The digest of a storm is not stored.
    DigestLost,
    /// The digest of a storm is stored after the incidents that it counts.
    DigestLast,
    /// Mutes are not looked up.
    MutesIgnored,
    /// An incident is opened as if nobody was to be notified.
    PageForgotten,
    /// A late window adds to the count and changes nothing else, so nobody hears of it.
    LateWindowOnlyCounted,
    /// A late window pages, and the incident keeps its old peak and severity.
    LatePeakForgotten,
    /// The anomalies of an incident that has ended stay open.
    AnomaliesLeftOpen,
    /// The end of an incident is stored without its notice.
    ClosingPageLost,
    /// A second read before a change comes without texts.
    TextsNotRead,
    /// A run decides about each incident as if the customer had no other one.
    StoriesIgnored,
    /// An incident joins a story that is over.
    ToldByNobody,
}

impl Bug {
    /// Each bug with a rule that it breaks. It may break other rules too.
    pub const ALL: [(Self, Rule); 24] = [
        (Self::PageBeforePut, Rule::StoredFirst),
        (Self::MarkBeforePublish, Rule::StateHasPage),
        (Self::MarkForgotten, Rule::OnePage),
        (Self::NoConditionOnOpen, Rule::Counts),
        (Self::NoVersionCondition, Rule::Counts),
        (Self::StaleRead, Rule::Counts),
        (Self::TwoWrites, Rule::Counts),
        (Self::ResolvedByGap, Rule::GapsAndLateRuns),
        (Self::WindowFromClock, Rule::WindowOfEvent),
        (Self::LeftOverNeverSwept, Rule::StateHasPage),
        (Self::ClaimAlwaysWon, Rule::OnePage),
        (Self::RetryMakesNewId, Rule::Repeats),
        (Self::LateRunTakenAsNewest, Rule::GapsAndLateRuns),
        (Self::DigestLost, Rule::Paged),
        (Self::DigestLast, Rule::Paged),
        (Self::MutesIgnored, Rule::Muted),
        (Self::PageForgotten, Rule::Paged),
        (Self::LateWindowOnlyCounted, Rule::Paged),
        (Self::LatePeakForgotten, Rule::LateWindows),
        (Self::AnomaliesLeftOpen, Rule::AnomaliesClose),
        (Self::ClosingPageLost, Rule::Ends),
        (Self::TextsNotRead, Rule::Texts),
        (Self::StoriesIgnored, Rule::Stories),
        (Self::ToldByNobody, Rule::Paged),
    ];
}

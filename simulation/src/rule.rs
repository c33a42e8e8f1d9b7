//! The rules that always hold.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Every critical, unmuted incident is paged or named by a digest.
    Paged,
    /// A state that says that people were notified has the page of that.
    StateHasPage,
    /// One page per transition, unless an answer was lost.
    OnePage,
    /// One open incident per subject, versions that only grow, and exact counts.
    Counts,
    /// Everything ends after all is quiet. Each page that raised is followed by one that closes.
    Ends,
    /// The anomalies of an incident close with it.
    AnomaliesClose,
    /// Missing runs change nothing, and late runs change only what [`Rule::LateWindows`] says.
    GapsAndLateRuns,
    /// A late window adds to the count and raises severity and peak.
    LateWindows,
    /// Only stored alerts are published.
    StoredFirst,
    /// A run checks the window of its event.
    WindowOfEvent,
    /// A repetition of a run changes nothing.
    Repeats,
    /// Nobody is paged about a planned event.
    Muted,
    /// The incidents of a customer and direction that models see and that are open together are told once.
    Stories,
    /// An incident describes its newest anomaly, and actions of people are not lost.
    Texts,
}

//! The rules that must hold, whatever happens.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Who is critical, and not muted, is paged or named by a digest.
    Paged,
    /// A state that says that people were told has the page that told them.
    StateHasPage,
    /// One page for one transition, except where an answer was lost.
    OnePage,
    /// One open incident for each subject, versions that only grow, and counts that are exact.
    Counts,
    /// Everything ends once all is quiet, and each page that raised is followed by one that closes.
    Ends,
    /// The anomalies of an incident close with it.
    AnomaliesClose,
    /// Runs that did not happen change nothing, and late ones no more than [`Rule::LateWindows`] says.
    GapsAndLateRuns,
    /// A late window counts and raises severity and peak.
    LateWindows,
    /// Only what is stored is published.
    StoredFirst,
    /// A run checks the window of its event.
    WindowOfEvent,
    /// The same run once more changes nothing.
    Repeats,
    /// Nobody is paged about a planned event.
    Muted,
    /// An incident says what its newest anomaly was, and what people did with it is not lost.
    Texts,
}

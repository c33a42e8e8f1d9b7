mod costs;
mod windows;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::{
    Action, Age, BaselineDays, CustomerId, Direction, Figures, MetricName, Settings, Severity, Thresholds,
    Verdict, Window,
};

fn hour(n: i64) -> Timestamp {
    "2026-11-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(n)
}

fn subject() -> Subject {
    Subject {
        customer_id: CustomerId::new("c").unwrap(),
        entity: None,
        metric: MetricName::new("api_calls").unwrap(),
        direction: Direction::Spike,
    }
}

fn rules() -> Rules {
    Rules {
        resolve_after: 2,
        reopen_within: SignedDuration::from_hours(6),
        accept_after: SignedDuration::from_hours(72),
        repeat_interval: SignedDuration::from_hours(24),
        min_severity: Severity::Critical,
    }
}

fn observation(at: i64, seen: Seen, deviation: f64) -> Observation {
    let figures = Figures {
        current_value: 100.0 + deviation,
        baseline_mean: 100.0,
        baseline_stddev: 10.0,
        z_score: deviation / 10.0,
    };
    Observation { window_end: hour(at), seen, figures, seen_by: Incident::DAY, change: None, cost: None }
}

/// Feeds observations `(hour, what was seen)` one after the other; every page is a page of its own. Returns the incident
/// at the end and the pages as `hour event`. `!` is critical, `w` a warning, each followed by its deviation; `.` is
/// inside, `-` is between, `~` would not show it, `?` has no verdict, and a leading `m` mutes.
fn play(rules: &Rules, start: Option<Incident>, story: &str) -> (Option<Incident>, Vec<String>) {
    let (mut incident, mut pages) = (start, Vec::new());
    for scene in story.split_whitespace() {
        let (at, what) = scene.split_once(':').unwrap();
        let (muted, what) = (what.starts_with('m'), what.trim_start_matches('m'));
        let deviation = what[1..].parse().unwrap_or(50.0);
        let seen = match &what[..1] {
            "!" => Seen::Anomalous(Severity::Critical),
            "w" => Seen::Anomalous(Severity::Warning),
            "." => Seen::Inside,
            "-" => Seen::Between,
            "~" => Seen::Hidden,
            "?" => Seen::Undetermined,
            other => panic!("{other}"),
        };
        let observation = observation(at.parse().unwrap(), seen, deviation);
        if let Step::Become { incident: mut next, page } =
            advance(incident.as_ref(), &subject(), &observation, &Around::muted(muted), rules)
        {
            if let Some(event) = page {
                next.note_page(event, true, &observation);
                pages.push(format!("{at} {}", event.as_str()));
            }
            incident = Some(*next);
        }
    }
    (incident, pages)
}

#[test]
fn stories() {
    let hours =
        |from: i64, to: i64, what: &str| (from..=to).map(|at| format!("{at}:{what} ")).collect::<String>();
    let a_day = hours(0, 23, "!");
    for (name, story, pages) in [
        ("a spike of a day and its end", format!("{a_day} 24:. 25:. 26:. 27:."), "0 opened, 25 resolved"),
        ("warnings do not page", "0:w 1:w 2:. 3:.".to_owned(), ""),
        ("a warning that becomes critical", "0:w 1:! 2:! 3:. 4:.".to_owned(), "1 opened, 4 resolved"),
        ("growth", "0:! 1:!99 2:!100 3:!150 4:!200 5:!100".to_owned(), "0 opened, 2 escalated, 4 escalated"),
        ("a single quiet run is no end", "0:! 1:. 2:! 3:. 4:- 5:. 6:.".to_owned(), "0 opened, 6 resolved"),
        ("a window that would not show it", "0:! 1:. 2:~ 3:~ 4:. 5:~".to_owned(), "0 opened, 4 resolved"),
        (
            "a window that would not show it has a verdict",
            format!("0:! {} 20:~ {} 44:. 45:.", hours(1, 19, "?"), hours(21, 43, "?")),
            "0 opened, 45 resolved",
        ),
        ("no run, no end", "0:! 9:! 30:. 31:.".to_owned(), "0 opened, 31 resolved"),
        ("the same window twice", "0:! 0:! 1:. 1:. 1:. 2:.".to_owned(), "0 opened, 2 resolved"),
        (
            "it comes back in time",
            "0:! 1:. 2:. 8:! 9:. 10:.".to_owned(),
            "0 opened, 2 resolved, 8 reopened, 10 resolved",
        ),
        ("it comes back too late", "0:! 1:. 2:. 9:!".to_owned(), "0 opened, 2 resolved, 9 opened"),
        ("a reminder a day", hours(0, 50, "!"), "0 opened, 24 reminder, 48 reminder"),
        ("the new normal", hours(0, 80, "!"), "0 opened, 24 reminder, 48 reminder, 72 accepted"),
        (
            "the new normal doubles",
            format!("{} 76:!100", hours(0, 75, "!")),
            "0 opened, 24 reminder, 48 reminder, 72 accepted, 76 opened",
        ),
        ("muted, and then not", "0:m! 1:m! 2:! 3:m. 4:m.".to_owned(), "2 opened, 4 resolved"),
        ("muted all along", "0:m! 1:m!500 2:. 3:.".to_owned(), ""),
        ("a late run", "5:! 3:! 4:w 6:. 2:. 7:.".to_owned(), "5 opened, 7 resolved"),
        (
            "a late window is worse than the newest",
            "21:w34 20:!76 22:w 23:. 24:.".to_owned(),
            "20 opened, 24 resolved",
        ),
        (
            "the late window comes twice",
            "21:w34 20:!76 20:!76 22:.  23:.".to_owned(),
            "20 opened, 23 resolved",
        ),
        ("a late window of what is over", "5:w 6:. 7:. 4:!76 8:. 9:.".to_owned(), "4 opened, 9 resolved"),
        ("a late window that is muted", "21:w 20:m! 22:. 23:.".to_owned(), ""),
        ("no verdict for a day", format!("0:! {} 26:?", hours(1, 25, "?")), "0 opened, 25 stale"),
        (
            "no verdict for hours",
            format!("0:! {} 23:! 24:. 25:.", hours(1, 22, "?")),
            "0 opened, 25 resolved",
        ),
        (
            "a verdict between the two ends the wait",
            format!("0:! {} 20:- {} 44:. 45:.", hours(1, 19, "?"), hours(21, 43, "?")),
            "0 opened, 45 resolved",
        ),
        (
            "stale, and back in time",
            format!("0:! {} 30:!", hours(1, 25, "?")),
            "0 opened, 25 stale, 30 reopened",
        ),
        (
            "acceptance counts from the first page",
            format!("{} 71:! {}", hours(0, 70, "w"), hours(72, 150, "!")),
            "71 opened, 95 reminder, 119 reminder, 143 accepted",
        ),
        (
            "a level that doubles since is not accepted",
            format!("{} {} {}", hours(0, 47, "!"), hours(48, 71, "!70"), hours(72, 100, "!100")),
            "0 opened, 24 reminder, 48 reminder, 72 reminder, 96 reminder",
        ),
        (
            "a reopening as a warning, then critical",
            "0:! 1:. 2:. 3:w 4:!".to_owned(),
            "0 opened, 2 resolved, 4 reopened",
        ),
    ] {
        assert_eq!(play(&rules(), None, &story).1.join(", "), pages, "{name}");
    }
    let loud = Rules { min_severity: Severity::Warning, ..rules() };
    let muted = "0:w 1:m! 2:! 3:. 4:.";
    assert_eq!(
        play(&loud, None, muted).1,
        ["0 opened", "2 escalated", "4 resolved"],
        "told of a warning only"
    );
    let milder = "0:! 1:. 2:. 3:w 4:! 5:!";
    assert_eq!(play(&loud, None, milder).1, ["0 opened", "2 resolved", "3 reopened", "4 escalated"]);
    assert_eq!(play(&loud, None, "0:w 1:w 2:! 3:. 4:.").1, ["0 opened", "2 escalated", "4 resolved"]);
    let eager = Rules {
        resolve_after: 1,
        accept_after: SignedDuration::ZERO,
        repeat_interval: SignedDuration::ZERO,
        reopen_within: SignedDuration::ZERO,
        ..rules()
    };
    let (incident, pages) = play(&eager, None, &format!("{} 201:. 202:!", hours(0, 200, "!")));
    assert_eq!(pages, ["0 opened", "201 resolved", "202 opened"]);
    assert_eq!(incident.unwrap().opened_at, hour(202));
}

#[test]
fn what_an_incident_remembers() {
    let (incident, _) = play(&rules(), None, "0:w40 1:!90 2:!60 4:. 3:!70");
    let incident = incident.unwrap();
    assert_eq!((incident.anomalies, incident.peak_z_score), (4, 9.0));
    assert_eq!((incident.severity, incident.state), (Severity::Critical, IncidentState::Open));
    assert_eq!(
        (incident.opened_at, incident.last_seen, incident.last_window, incident.recovery),
        (hour(0), hour(2), hour(4), 1)
    );
    assert_eq!(incident.id().as_str(), format!("{}.api_calls.spike.Yw", hour(0).as_millisecond()));
    let json = serde_json::to_string(&incident).unwrap();
    assert_eq!(serde_json::from_str::<Incident>(&json).unwrap(), incident);
}

/// A window whose severity and score the incident had before.
#[test]
fn an_old_window_changes_nothing_but_the_count() {
    for story in ["5:! 6:!", "5:! 6:. 7:.", "5:! 77:!"] {
        let before = play(&rules(), None, story).0.unwrap();
        let (after, pages) = play(&rules(), Some(before.clone()), "4:!50");
        assert_eq!(after.unwrap(), Incident { anomalies: before.anomalies + 1, ..before.clone() });
        assert_eq!(pages, [""; 0]);
        for quiet in ["4:.", "4:-"] {
            assert_eq!(play(&rules(), Some(before.clone()), quiet).0.unwrap(), before);
        }
    }
}

#[test]
fn a_late_window_raises_severity_and_peak_and_pages_once() {
    let mild = play(&rules(), None, "21:w34 22:w30").0.unwrap();
    let (late, pages) = play(&rules(), Some(mild.clone()), "20:!76");
    let (late, page) = (late.unwrap(), Page { event: Event::Opened, window_end: hour(20), single: true });
    assert_eq!(pages, ["20 opened"]);
    assert_eq!((late.severity, late.peak_z_score, late.anomalies), (Severity::Critical, 7.6, 3));
    assert_eq!((late.notified, late.last_page), (Some(Severity::Critical), Some(page)));
    assert_eq!((late.last_window, late.last_seen, late.latest), (hour(22), hour(22), mild.latest));
    let again = observation(20, Seen::Anomalous(Severity::Critical), 76.0);
    assert_eq!(
        advance(Some(&late), &subject(), &again, &Around::default(), &rules()),
        Step::Repeated(Some(page))
    );
    let text = crate::describe::alert("usage was high", Event::Opened, &late);
    assert!(text.contains("this is late: the window to 2026-11-01T20:00:00Z"), "{text}");
    let on_time = play(&rules(), None, "20:!76").0.unwrap();
    assert_eq!(crate::describe::alert("usage was high", Event::Opened, &on_time), "usage was high");

    assert_eq!(play(&rules(), Some(late), "19:!99 23:!").1, [""; 0], "people know that it is critical");
    let loud = Rules { min_severity: Severity::Warning, ..rules() };
    assert_eq!(play(&loud, None, "21:w 20:!76 22:. 23:.").1, ["21 opened", "20 escalated", "23 resolved"]);
    let over = play(&rules(), None, "5:! 6:. 7:.").0.unwrap();
    assert_eq!(play(&rules(), Some(over.clone()), "4:!900").0.unwrap().state, over.state, "it was as severe");
}

#[test]
fn what_is_past_is_followed_by_another() {
    let at = |hour_of_window: i64, story: &str| {
        let incident = play(&rules(), None, story).0.unwrap();
        let same = [Severity::Warning, Severity::Critical].into_iter().all(|severity| {
            let seen = observation(hour_of_window, Seen::Anomalous(severity), 50.0);
            let step = advance(Some(&incident), &subject(), &seen, &Around::default(), &rules());
            step == advance(None, &subject(), &seen, &Around::default(), &rules())
        });
        assert_eq!(incident.is_past(hour(hour_of_window), &rules()), same, "{hour_of_window} {story}");
        same
    };
    let level: String = (0..=72).map(|at| format!("{at}:! ")).collect();
    let accepted = format!("{level} 73:. 74:.");
    for (hour_of_window, story, is_past) in [
        (9, "0:! 1:. 2:.", true),
        (8, "0:! 1:. 2:.", false),
        (2, "0:! 1:. 2:.", false),
        (0, "0:! 1:. 2:.", false),
        (99, "0:! 1:.", false),
        (81, accepted.as_str(), true),
        (80, accepted.as_str(), false),
        (99, level.as_str(), false),
    ] {
        assert_eq!(at(hour_of_window, story), is_past, "{hour_of_window} {story}");
    }
}

#[test]
fn a_repeated_window_knows_its_page() {
    let incident = play(&rules(), None, "0:! 1:!").0.unwrap();
    let again = |at: i64| {
        let seen = observation(at, Seen::Anomalous(Severity::Critical), 50.0);
        advance(Some(&incident), &subject(), &seen, &Around::default(), &rules())
    };
    assert_eq!(again(1), Step::Repeated(None));
    let first = play(&rules(), None, "0:!").0.unwrap();
    let seen = observation(0, Seen::Anomalous(Severity::Critical), 50.0);
    let page = Page { event: Event::Opened, window_end: hour(0), single: true };
    assert_eq!(
        advance(Some(&first), &subject(), &seen, &Around::default(), &rules()),
        Step::Repeated(Some(page))
    );
}

#[test]
fn a_digest_is_as_good_as_a_page_but_needs_no_end() {
    let seen = observation(0, Seen::Anomalous(Severity::Critical), 50.0);
    let Step::Become { mut incident, page: Some(Event::Opened) } =
        advance(None, &subject(), &seen, &Around::default(), &rules())
    else {
        panic!("not opened");
    };
    incident.note_page(Event::Opened, false, &seen);
    let (_, pages) = play(&rules(), Some(*incident.clone()), "1:! 2:! 30:! 31:. 32:.");
    assert_eq!(pages, [""; 0]);
    assert_eq!(play(&rules(), Some(*incident), "1:!100 2:. 3:.").1, ["1 escalated", "3 resolved"]);
}

#[test]
fn what_people_do() {
    use Action::*;
    let open = play(&rules(), None, "0:! 1:!").0.unwrap();
    let act = |incident: &Incident, action| match incident.after(action, hour(2)) {
        Handled::Become { incident, page } => (*incident, page),
        other => panic!("{other:?}"),
    };
    let (acknowledged, page) = act(&open, Acknowledge);
    assert_eq!(page, Some(Event::Acknowledged));
    assert_eq!(play(&rules(), Some(acknowledged.clone()), "24:! 30:!100").1, ["30 escalated"], "no reminder");

    let (resolved, page) = act(&acknowledged, Resolve);
    assert_eq!((page, resolved.closed_at, resolved.over_at), (Some(Event::Resolved), Some(hour(2)), None));
    let (going_on, pages) = play(&rules(), Some(resolved.clone()), "2:! 3:! 4:!99 20:. 21:.");
    assert_eq!(pages, [""; 0], "the spike that was resolved stays in its windows");
    let going_on = going_on.unwrap();
    assert_eq!((going_on.anomalies, going_on.over_at), (5, Some(hour(21))));
    assert_eq!(play(&rules(), Some(going_on), "22:!").1, ["22 reopened"]);
    assert_eq!(play(&rules(), Some(resolved.clone()), "2:!100 3:!").1, ["2 opened"]);
    let mild = act(&play(&rules(), None, "0:w").0.unwrap(), Resolve).0;
    assert_eq!(play(&rules(), Some(mild), "1:w 2:!").1, ["2 opened"], "it was resolved as a warning");
    let hours: String = (2..80).map(|at| format!("{at}:! ")).collect();
    let (stayed, pages) = play(&rules(), Some(resolved.clone()), &hours);
    assert_eq!((stayed.unwrap().state, pages.len()), (IncidentState::Accepted, 0));

    let (reopened, page) = act(&resolved, Reopen);
    assert_eq!((reopened.state, page, reopened.closed_at), (IncidentState::Open, None, None));
    assert_eq!(play(&rules(), Some(reopened), "3:!").1, [""; 0], "whoever reopened it knows of it");

    for (incident, action, expected) in [
        (&open, Reopen, Handled::Already),
        (&acknowledged, Acknowledge, Handled::Already),
        (&resolved, Resolve, Handled::Already),
        (&resolved, Acknowledge, Handled::Refused),
        (&Incident { state: IncidentState::Accepted, ..resolved.clone() }, Resolve, Handled::Refused),
        (&Incident { state: IncidentState::Stale, ..resolved.clone() }, Resolve, Handled::Refused),
        (&Incident { state: IncidentState::Stale, ..resolved.clone() }, Acknowledge, Handled::Refused),
    ] {
        assert_eq!(incident.after(action, hour(2)), expected, "{action:?}");
    }
}

#[test]
fn what_feedback_does() {
    use Action::Resolve;

    use crate::FeedbackKind::*;
    let open = play(&rules(), None, "0:! 1:!").0.unwrap();
    let says = |incident: &Incident, kind: crate::FeedbackKind| incident.after(kind, hour(2));
    let become_of = |handled: Handled| match handled {
        Handled::Become { incident, page } => (*incident, page),
        other => panic!("{other:?}"),
    };
    let told = Handled::Said(Some(Event::Confirmed));
    assert_eq!(says(&open, Confirmed), told);
    let (planned, page) = become_of(says(&open, Expected));
    assert_eq!((planned.state, page), (IncidentState::Acknowledged, Some(Event::Acknowledged)));
    let (quiet, page) = become_of(says(&open, FalseAlarm));
    assert_eq!((quiet.state, page), (IncidentState::Resolved, Some(Event::Resolved)));
    assert_eq!(quiet, become_of(open.after(Resolve, hour(2))).0, "as if somebody resolved it");

    let (normal, page) = become_of(says(&open, NewNormal));
    assert_eq!((normal.state, page), (IncidentState::Accepted, Some(Event::Accepted)));
    assert_eq!((normal.closed_at, normal.notified, normal.alerting), (Some(hour(2)), None, false));
    // The level raises nothing, and its hours count in what is usual.
    let (going_on, pages) = play(&rules(), Some(normal.clone()), "2:! 3:!99 24:! 100:!");
    assert_eq!((going_on.unwrap().state, pages.len()), (IncidentState::Accepted, 0));
    assert_eq!(exclusion::hours(&normal, hour(100)), None);
    assert_eq!(play(&rules(), Some(normal.clone()), "2:!100 3:!").1, ["2 opened"], "twice the level is news");

    // What it was is often known after its end. Nobody is told of what nobody was paged about.
    let over = play(&rules(), None, "0:! 1:! 2:. 3:. 4:.").0.unwrap();
    assert_eq!(over.state, IncidentState::Resolved);
    for known in [&quiet, &planned, &normal, &over] {
        assert_eq!(says(known, Confirmed), told, "{known:?}");
    }
    let by_digest = open.last_page.map(|page| Page { single: false, ..page });
    for (last_page, expected) in [(None, Handled::Said(None)), (by_digest, told)] {
        let incident = Incident { alerting: false, last_page, ..open.clone() };
        assert_eq!(says(&incident, Confirmed), expected, "{last_page:?}");
    }

    // A level that was resolved, or never paged, becomes normal in silence.
    let (normal_later, page) = become_of(says(&quiet, NewNormal));
    assert_eq!((normal_later.state, page), (IncidentState::Accepted, None));
    assert_eq!(normal_later.closed_at, quiet.closed_at);
    for (incident, kind) in [
        (&quiet, FalseAlarm),
        (&quiet, Expected),
        (&planned, Expected),
        (&normal, NewNormal),
        (&normal, FalseAlarm),
    ] {
        assert_eq!(says(incident, kind), Handled::Already, "{kind:?}");
    }
}

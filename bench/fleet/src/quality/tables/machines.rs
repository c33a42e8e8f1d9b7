//! The table of machines.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use detection::rules::UnseenShape;
use detection::vote::Parameters;

use super::{Figure, Records};
use crate::goal::{Goal, number};
use crate::quality::machines::{Judge, Outcome, Scores, judged};

/// In percent, with at most so many false alarms a month of a series.
const RECALL: f64 = 75.0;
const FALSE_ALARMS: f64 = 1.0;

/// The judges that the goal is of.
const GOALS: [Judge; 4] = [Judge::Vote, Judge::VoteBeyondPeaks, Judge::Mean, Judge::UnseenShape];

pub(super) fn machines(records: &Records, figures: &mut Vec<Figure>) -> Result<String> {
    let machines = &records.machines;
    let judged = judged(machines)?;
    let of = |judge: Judge| {
        let of = judged.iter().find(|(of, _)| *of == judge).map(|(_, scores)| scores);
        of.context("a judge without scores")
    };
    let best = |scores: &Scores| Outcome::best(machines, scores, FALSE_ALARMS);
    let at = |judge: Judge| anyhow::Ok(Outcome::at(Parameters::THRESHOLD, machines, of(judge)?));
    for (judge, scores) in judged.iter().filter(|(judge, _)| GOALS.contains(judge)) {
        figures.push(Figure {
            name: format!(
                "faults of machines that {} finds at one false alarm a series and month, %",
                judge.name()
            ),
            value: best(scores).and_then(|outcome| Some(100.0 * outcome.recall()?)),
            goal: Goal::AtLeast(RECALL),
            is_wish: *judge != Judge::UnseenShape,
        });
    }
    let stated = at(Judge::Vote)?;
    let mut text = format!(
        "### Machines\n\n\
         {} series of machines with {} faults, {} months together. The first three rows are at the threshold of the\n\
         vote, and the fourth is at that of its rule. Each other row is at the threshold that finds most with at most one false\n\
         alarm a month of a series.\n\n\
         | judge | threshold | faults found | of them, % | false alarms | a month of a series |\n|---|---|---|---|---|---|\n",
        machines.len(),
        stated.faults,
        number(Some(stated.months), 1),
    );
    row(&mut text, "**the vote, as stated**", Some(stated));
    for (name, judge) in [
        ("the same, beyond the peaks of earlier days", Judge::VoteBeyondPeaks),
        ("the mean of the scores", Judge::Mean),
    ] {
        row(&mut text, name, Some(at(judge)?));
    }
    let stated = Outcome::at(UnseenShape::default().threshold, machines, of(Judge::UnseenShape)?);
    row(&mut text, "**the rule for unseen shapes, as stated**", Some(stated));
    for (judge, scores) in &judged {
        row(&mut text, judge.name(), best(scores));
    }
    Ok(text)
}

fn row(text: &mut String, name: &str, outcome: Option<Outcome>) {
    let cells = match outcome {
        None => String::from("- | - | - | - | -"),
        Some(of) => format!(
            "{} | {} of {} | {} | {} | {}",
            number(Some(of.threshold), 2),
            of.found,
            of.faults,
            number(of.recall().map(|recall| 100.0 * recall), 1),
            of.false_alarms,
            number(Some(of.false_alarms_a_month()), 2)
        ),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "| {name} | {cells} |");
}

//! One run, killed at each of its calls in turn, and run again.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::fate::{Fate, Kill};
use crate::story::{Part, Story};
use crate::table::Table;
use crate::world::{HISTORY, World};
use detector::App;

/// The content of the table and the topic after the last run.
type Essence = (Vec<store::AlertItem>, Vec<store::IncidentItem>, Vec<String>);

/// Kills the busiest run of a world at each of its calls. Returns the number of kills, or the difference in the end.
pub fn at_every_call(app: &mut App, seed: u64) -> Result<usize, String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let world = World::new(&mut rng, app);
    world.rule(app);
    let (calls, event, table) = busiest(app, &world, &rng);
    let undisturbed = play(app, &world, &rng, &table, event, None);
    let mut kills = 0;
    for call in 1..=calls {
        for kill in [Kill::Before, Kill::After, Kill::AfterAll] {
            if play(app, &world, &rng, &table, event, Some((call, kill))) != undisturbed {
                return Err(format!("seed {seed}, hour {event}, call {call} of {calls}: {kill:?}"));
            }
            kills += 1;
        }
    }
    Ok(kills)
}

/// Two counts of a world without faults: how often its runs read an incident again, and how many changes are stored
/// without the texts of an anomaly.
pub fn reads_again(app: &mut App, seed: u64) -> (usize, usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let world = World::new(&mut rng, app);
    world.rule(app);
    let mut story = Story::new(app, &world, rng, None);
    (HISTORY..HISTORY + world.hours).for_each(|event| run(&mut story, event));
    (story.read_again, story.quiet_changes)
}

/// The hour whose run makes the most calls, and the table before it.
fn busiest(app: &App, world: &World, rng: &ChaCha8Rng) -> (usize, usize, Table) {
    let mut story = Story::new(app, world, rng.clone(), None);
    let mut found = (0, HISTORY, Table::default());
    for event in HISTORY..HISTORY + world.hours {
        let before = story.desk.borrow().table.clone();
        run(&mut story, event);
        if story.calls > found.0 {
            found = (story.calls, event, before);
        }
    }
    found
}

/// Plays the run of an hour from this table on, its repetition if it was killed, and the runs of the next two hours.
fn play(
    app: &App,
    world: &World,
    rng: &ChaCha8Rng,
    table: &Table,
    event: usize,
    kill: Option<(usize, Kill)>,
) -> Essence {
    let mut story = Story::new(app, world, rng.clone(), None);
    story.desk.borrow_mut().table = table.clone();
    if let Some((call, kill)) = kill {
        story.wait_until(event);
        story.fate = Fate::script(call, kill);
        story.perform(vec![Part::Run { event }]);
        story.advance(61_000);
    }
    for event in event..=event + 2 {
        run(&mut story, event);
    }
    story.desk.borrow().table.essence()
}

/// A run without faults, with its calls in order.
fn run(story: &mut Story<'_>, event: usize) {
    story.wait_until(event);
    story.fate = Fate::script(usize::MAX, Kill::Before);
    story.perform(vec![Part::Run { event }]);
}

//! Runs that are killed and run again.

use e2e::kills::leave_no_trace;

use super::*;

/// One run in which everything happens: incidents open, go on, escalate and end, with pages and a digest.
struct Story {
    template: World,
    start: Timestamp,
}

const SETTINGS: [(&str, &str); 2] = [("RESOLVE_AFTER_RUNS", "1"), ("MAX_PAGES_PER_RUN", "2")];

impl Story {
    async fn new() -> Result<Self> {
        let (template, start) = (World::new().await?, at(END));
        let minutes = |minutes: i64| start + SignedDuration::from_mins(minutes);
        let mut events: Vec<_> =
            ["goes on", "ends", "doubles", "opens 1", "opens 2", "opens 3", "opens 4", "steady"]
                .iter()
                .flat_map(|customer| steady_hours(customer, start, 3))
                .collect();
        events.push(Event::compute("goes on", minutes(-60), 9e7));
        events.push(Event::compute("ends", minutes(-24 * 60 + 10), 9e7));
        events.push(Event::compute("doubles", minutes(-60), 9e7));
        events.push(Event::compute("doubles", minutes(10), 9e7));
        for number in 1..=4_i32 {
            events.push(Event::compute(
                &format!("opens {number}"),
                minutes(10),
                9e7 + 1e7 * f64::from(number),
            ));
        }
        template.insert(&events).await?;
        Ok(Self { template, start })
    }

    /// A world after the first run, with an empty queue.
    async fn begin(&self) -> Result<World> {
        let world = self.template.sibling().await?;
        let summary = run_at(&world.app_with(&SETTINGS, &world.aws).await?, self.start).await?;
        assert_eq!(summary.incidents.get("opened"), Some(&3));
        world.alerts().await?;
        Ok(world)
    }

    /// The run that is disturbed, by a detector that reaches AWS at this address.
    async fn second(&self, world: &World, aws: &str) -> Result<RunSummary> {
        let mut app = world.app_with(&SETTINGS, &world.aws_at(aws).await).await?;
        app.clock = world.later_app().await?.clock;
        run_at(&app, self.start + hours(1)).await
    }
}

#[tokio::test]
async fn a_run_that_is_killed_at_a_write_and_run_again_leaves_the_same_state() -> Result<()> {
    let story = Story::new().await?;
    let undisturbed =
        leave_no_trace(async || story.begin().await, async |world, aws| story.second(world, aws).await)
            .await?;
    let summary = &undisturbed.summary;
    assert_eq!(figures(summary), (6, 0, 4), "{summary:?}");
    let expected: BTreeMap<_, _> = [("opened".to_owned(), 4), ("resolved".to_owned(), 1)].into();
    assert_eq!(summary.incidents, expected);
    assert_eq!(undisturbed.alerts.len(), 4, "two pages, a digest and a resolve");
    Ok(())
}

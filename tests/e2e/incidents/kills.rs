//! Runs that are killed and run again.

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

/// All traces of a run, without the name of the run and the time of day.
pub(crate) async fn state(world: &World) -> Result<Vec<BTreeMap<String, AttributeValue>>> {
    let of_runs = ["last_run", "ended_run", "detection_run"];
    let own = ["run_id", "alerted_at", "alert_claim_until", "alert_claim_by"];
    let plain = |item: HashMap<String, AttributeValue>| -> BTreeMap<_, _> {
        item.into_iter().filter(|(name, _)| !own.contains(&name.as_str())).collect()
    };
    let items = world.all_items().await?.into_iter();
    let items = items.filter(|item| !of_runs.contains(&text(item, "type").as_str())).map(plain);
    let mut items: Vec<_> = items.collect();
    items.sort_by_key(|item| format!("{:?} {:?}", item.get("pk"), item.get("sk")));
    Ok(items)
}

#[tokio::test]
async fn a_run_that_is_killed_at_any_call_and_run_again_leaves_the_same_state() -> Result<()> {
    let story = Story::new().await?;
    // The calls, the traces and the alerts of an undisturbed run.
    let calls = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&calls);
    let listen = move |seen: &Seen| {
        if let Ok(mut calls) = heard.lock() {
            calls.push((seen.operation.clone(), seen.earlier));
        }
        Action::Forward
    };
    let endpoint = world::variable("AWS_ENDPOINT_URL")?;
    let (world, proxy) = (story.begin().await?, Proxy::start(&endpoint, listen).await?);
    let summary = story.second(&world, &proxy.url).await?;
    assert_eq!(figures(&summary), (6, 0, 4), "{summary:?}");
    let expected: BTreeMap<_, _> = [("opened".to_owned(), 4), ("resolved".to_owned(), 1)].into();
    assert_eq!(summary.incidents, expected);
    let undisturbed = state(&world).await?;
    let told: BTreeSet<_> = world.alert_counts().await?.into_keys().collect();
    assert_eq!(told.len(), 4, "two pages, a digest and a resolve: {told:?}");

    let calls = std::mem::take(&mut *calls.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    assert!(calls.len() > 30, "{calls:?}");
    let kills = calls.into_iter().flat_map(|call| [(call.clone(), false), (call, true)]);
    let (story, endpoint, undisturbed, told) = (&story, &endpoint, &undisturbed, &told);
    stream::iter(kills)
        .map(|((operation, number), after)| async move {
            let action = if after { Action::FreezeAfter } else { Action::FreezeBefore };
            let case = format!("{action:?} of {operation} {number}");
            let decide = move |seen: &Seen| match seen.operation == operation && seen.earlier == number {
                true => action.clone(),
                false => Action::Forward,
            };
            let (world, proxy) = (story.begin().await?, Proxy::start(endpoint, decide).await?);
            proxy.kill_when_frozen(story.second(&world, &proxy.url)).await;
            // The claims of the killed run end. The run is repeated with a clock an hour later.
            world.end_claims().await?;
            story.second(&world, endpoint).await?;
            assert_eq!(&state(&world).await?, undisturbed, "{case}");
            let counts = world.alert_counts().await?;
            assert_eq!(&counts.keys().cloned().collect::<BTreeSet<_>>(), told, "{case}");
            // Only alerts that were published and not marked may come twice, and only those that were under way.
            let twice = counts.values().filter(|count| **count > 1).count();
            assert!(twice <= 4 && counts.values().all(|count| *count <= 2), "{case}: {counts:?}");
            Ok::<_, anyhow::Error>(())
        })
        .buffer_unordered(6)
        .try_collect::<Vec<()>>()
        .await
        .map(drop)
}

//! What a run of a source does first: rows that changed come into the rollup, and entities beyond the limit are put together.

use anyhow::Context;
use catalog::Overflow;
use detection::Window;
use jiff::SignedDuration;
use platform::emf::RunFigures;

use crate::app::App;
use crate::request::Request;

/// An entity without an event for so long is not judged.
const MONTH: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Prepares the source of a run. Returns what the run goes on with, if customers have too many entities.
pub(crate) async fn prepare(
    app: &App,
    request: &Request,
    run_id: &str,
    figures: &mut RunFigures,
) -> anyhow::Result<Option<App>> {
    let Some(entities) = app.catalog.entities() else { return Ok(None) };
    let due = request.time.checked_sub(app.delay()).context("the event's time is out of range")?;
    let window = Window::closing_at_step(due, app.step()).context("the event's time cannot be checked")?;
    if !request.dry_run {
        figures.phase = "reading the rows that changed";
        let hours = app.usage.poll(&app.catalog, &window).await?;
        if hours > 0 {
            tracing::info!(source.name = app.catalog.name(), hours, "hours that changed were read again");
        }
    }
    figures.phase = "counting the entities";
    let since = u32::try_from((window.end() - MONTH).as_second().max(0))?;
    let overflowing = app.usage.overflowing(&app.catalog, since, &format!("{run_id}-entities")).await?;
    if overflowing.is_empty() {
        return Ok(None);
    }
    for of in &overflowing {
        figures.entities_in_other += of.entities.saturating_sub(entities.most.into());
        tracing::warn!(
            customer.id = of.customer,
            source.name = app.catalog.name(),
            entities = of.entities,
            limit = entities.most,
            "a customer has more entities than the source judges one by one, so the newest are judged together as `other`: is \
             there an id in the expression `entity`? If not, raise `max_entities`"
        );
    }
    let overflow = Overflow { customers: overflowing.into_iter().map(|of| of.customer).collect(), since };
    Ok(Some(App { catalog: app.catalog.clone().with_overflow(&overflow), ..app.clone() }))
}

import { useState } from 'preact/hooks';
import type { Schemas } from '../api/client';
import { dataOf } from '../api/failure';
import { usePage } from '../lib/context';
import { countOf } from '../lib/count';
import { duration } from '../lib/format';
import { useLoad } from '../lib/load';
import { Facts } from '../parts/facts';
import { Heading } from '../parts/heading';
import { Show } from '../parts/loaded';
import { RunCard } from '../parts/run-card';
import { RunList } from '../parts/run-list';
import { Section } from '../parts/section';
import { SourceHealth } from '../parts/source-health';
import { SourcesTable } from '../parts/sources-table';
import { StartRun } from '../parts/start-run';
import { text } from '../texts';

export function RunsView() {
  const { client, rights } = usePage();
  const loaded = useLoad((signal) => dataOf(client.GET('/v1/status', { signal })), []);
  const [version, setVersion] = useState(0);
  const done = () => {
    loaded.again();
    setVersion((known) => known + 1);
  };
  return (
    <>
      <Heading title={text.views.runs}>
        <button type="button" onClick={done}>{text.list.refresh}</button>
      </Heading>
      <Show of={loaded}>
        {(status) => (
          <>
            <div class="pair">
              <Section title={text.runs.health}><HealthFacts status={status} /></Section>
              <Section title={text.runs.freshness}><SourceHealth of={status.sources} /></Section>
              <Section title={text.runs.last}><RunCard run={status.last_run} /></Section>
              {status.last_completed_run?.run_id !== status.last_run?.run_id && (
                <Section title={text.runs.lastCompleted}><RunCard run={status.last_completed_run} /></Section>
              )}
              {rights.write && <Section title={text.runs.start}><StartRun onDone={done} /></Section>}
            </div>
          </>
        )}
      </Show>
      <Section title={text.runs.list}><RunList version={version} /></Section>
      <Section title={text.runs.sources}><SourcesTable /></Section>
    </>
  );
}

function HealthFacts({ status }: { status: Schemas['Status'] }) {
  const { lag_seconds: lag, oldest_pending_alert_seconds: oldest } = status;
  return (
    <Facts
      of={[
        [text.runs.lag, lag === null ? text.none : `${duration(lag * 1000)} ${text.runs.lagAge}`],
        [text.runs.pending, countOf(status.pending_alerts, status.complete)],
        [text.runs.oldest, oldest === null ? undefined : duration(oldest * 1000)],
        [text.runs.program, status.version],
        [text.runs.catalog, status.catalog_version],
        [text.runs.policy, status.config_version],
      ]}
    />
  );
}

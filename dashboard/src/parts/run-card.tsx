import type { Schemas } from '../api/client';
import { duration, number } from '../lib/format';
import { text } from '../texts';
import { Facts } from './facts';
import { Time } from './time';

export type Summary = Record<string, unknown>;

const COUNTS = [
  ['checked', text.runs.checked],
  ['customers', text.runs.customers],
  ['anomalies_found', text.runs.found],
  ['critical', text.runs.critical],
  ['muted', text.runs.muted],
  ['alerts_published', text.runs.published],
  ['recorded', text.runs.recorded],
  ['already_recorded', text.runs.already],
  ['broken_windows', text.runs.broken],
] as const;

export function RunCard({ run }: { run: Schemas['LastRun'] | null | undefined }) {
  if (!run) return <p class="quiet">{text.runs.noRun}</p>;
  return (
    <>
      <Facts
        of={[
          [text.runs.finished, <><Time at={run.finished_at} /> · {run.completed ? text.runs.completed : text.runs.failed}</>],
          [text.runs.id, <code>{run.run_id}</code>],
          ...(run.shard ? [[text.list.source, text.runs.shard(run.shard.number, run.shard.of)] as const] : []),
        ]}
      />
      <SummaryFacts summary={run.summary as Summary | null} />
    </>
  );
}

/** The figures of a run's answer. What the answer lacks is left out. */
export function SummaryFacts({ summary }: { summary: Summary | null | undefined }) {
  if (!summary) return null;
  const window = summary.window as { start?: string; end?: string } | undefined;
  const took = summary.duration_ms;
  return (
    <Facts
      of={[
        [text.runs.window, window?.end ? <><Time at={window.start} /> – <Time at={window.end} /></> : undefined],
        [text.runs.took, typeof took === 'number' ? duration(took) : undefined],
        ...COUNTS.map(([key, name]) => [name, typeof summary[key] === 'number' ? number(summary[key]) : undefined] as const),
        [text.runs.incidents, counted(summary.incidents)],
        [text.runs.undetermined, counted(summary.undetermined)],
      ]}
    />
  );
}

export function counted(counts: unknown): string | undefined {
  const entries = Object.entries((counts ?? {}) as Record<string, number>);
  return entries.length === 0 ? undefined : entries.map(([name, n]) => `${number(n)} ${name.replaceAll('_', ' ')}`).join(', ');
}

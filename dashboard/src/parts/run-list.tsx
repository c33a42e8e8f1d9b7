import { useState } from 'preact/hooks';
import type { Schemas } from '../api/client';
import { dataOf } from '../api/failure';
import { usePage } from '../lib/context';
import { duration, number } from '../lib/format';
import { usePages } from '../lib/pages';
import { useSources } from '../lib/sources';
import { text } from '../texts';
import { ListFoot } from './list-foot';
import { FailureNotice, Loading } from './notice';
import { counted, SummaryFacts, type Summary } from './run-card';
import { Time } from './time';

type Run = Schemas['Run'];

const PAGE = 20;

/** The runs of the last days with what they took, what they could not judge, and their figures. */
export function RunList({ version }: { version: number }) {
  const { client } = usePage();
  const sources = useSources();
  const [source, setSource] = useState('');
  const pages = usePages<Run>(
    async (cursor, signal) => {
      const query = { source: source || undefined, to: cursor, limit: PAGE };
      const answer = await dataOf(client.GET('/v1/runs', { params: { query }, signal }));
      return { rows: answer.runs, next: answer.next_to === null ? null : String(answer.next_to) };
    },
    (run) => run.run_id,
    [source, version],
  );
  return (
    <>
      {sources.length > 1 && (
        <label class="field">
          {text.list.source}
          <select value={source} onChange={(event) => setSource(event.currentTarget.value)}>
            <option value="">{text.any}</option>
            {sources.map(({ name }) => <option key={name}>{name}</option>)}
          </select>
        </label>
      )}
      {pages.failure && <FailureNotice failure={pages.failure} again={pages.again} />}
      {pages.rows.length === 0 && (pages.loading ? <Loading /> : !pages.failure && <p class="quiet">{text.runs.noRuns}</p>)}
      {pages.rows.length > 0 && <RunTable of={pages.rows} />}
      <ListFoot pages={pages} />
    </>
  );
}

function RunTable({ of }: { of: readonly Run[] }) {
  const { runs: t } = text;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t.list}>
      <table class="small runs">
        <thead>
          <tr>
            <th scope="col">{t.finished}</th>
            <th scope="col">{text.list.source}</th>
            <th scope="col">{t.windowEnd}</th>
            <th scope="col">{t.outcome}</th>
            <th scope="col" class="number">{t.took}</th>
            <th scope="col" class="number">{t.checked}</th>
            <th scope="col">{t.undetermined}</th>
            <th scope="col">{t.figures}</th>
          </tr>
        </thead>
        <tbody>
          {of.map((run) => (
            <tr key={run.run_id}>
              <td><Time at={run.finished_at} short /></td>
              <td>{run.source}{run.shard && <small> {t.shard(run.shard.number, run.shard.of)}</small>}</td>
              <td><Time at={run.window_end} short /></td>
              <td>{run.completed ? t.completed : <strong>{t.failed}</strong>}</td>
              <td class="number">{run.duration_ms === null ? text.none : duration(run.duration_ms)}</td>
              <td class="number">{run.checked === null ? text.none : number(run.checked)}</td>
              <td>{counted(run.undetermined) ?? text.none}</td>
              <td>
                <details>
                  <summary>{t.show}</summary>
                  <SummaryFacts summary={run.summary as Summary | null} />
                  <code>{run.run_id}</code>
                </details>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

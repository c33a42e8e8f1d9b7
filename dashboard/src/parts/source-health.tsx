import type { Schemas } from '../api/client';
import { duration } from '../lib/format';
import { text } from '../texts';
import { Time } from './time';

/** How new the usage of each source is, whether ClickHouse answers for it, and how far it is judged. */
export function SourceHealth({ of }: { of: readonly Schemas['SourceStatus'][] }) {
  const { runs: t } = text;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t.freshness}>
      <table class="small">
        <thead>
          <tr>
            <th scope="col">{text.list.source}</th>
            <th scope="col">{t.reach}</th>
            <th scope="col">{t.newest}</th>
            <th scope="col">{t.judged}</th>
          </tr>
        </thead>
        <tbody>
          {of.map((one) => (
            <tr key={one.source}>
              <th scope="row">{one.source}</th>
              <td>{one.reachable ? t.reachable : <strong>{t.unreachable}</strong>}</td>
              <td><Time at={one.newest_hour} relative /></td>
              <td>{one.lag_seconds === null ? t.notJudged : `${duration(one.lag_seconds * 1000)} ${t.lagAge}`}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

import { dataOf } from '../api/failure';
import { usePage } from '../lib/context';
import { useLoad } from '../lib/load';
import { ALL_CUSTOMERS } from '../lib/incident-data';
import { text } from '../texts';
import { InPart } from './in-part';
import { Show } from './loaded';

const TILES = [
  { label: text.overview.openCritical, kind: 'critical', state: 'open', severity: 'critical' },
  { label: text.overview.openWarning, kind: 'warning', state: 'open', severity: 'warning' },
  { label: text.overview.acknowledged, kind: '', state: 'acknowledged', severity: undefined },
] as const;

/** How many incidents stand now, as the API counts them. */
export function NowTiles() {
  const { client } = usePage();
  const loaded = useLoad(
    async (signal) => {
      const stop = { customer_id: ALL_CUSTOMERS, state: 'open', limit: 1 } as const;
      const [counts, stopped] = await Promise.all([
        dataOf(client.GET('/v1/incidents/counts', { signal })),
        dataOf(client.GET('/v1/incidents', { params: { query: stop }, signal })),
      ]);
      return { counts, hasStopped: stopped.incidents.length > 0 };
    },
    [],
  );
  return (
    <section>
      <h2>{text.overview.now}</h2>
      <Show of={loaded}>
        {({ counts, hasStopped }) => (
          <>
            {hasStopped && <p class="banner" role="alert"><a href="#/incidents?customer_id=*">{text.overview.stopped}</a></p>}
            <ul class="tiles">
              {TILES.map(({ label, kind, state, severity }) => {
                const of = counts.by_state[state] ?? { critical: 0, warning: 0 };
                const count = severity ? of[severity] : of.critical + of.warning;
                return (
                  <li key={label} class={kind}>
                    <a href={`#/incidents?state=${state}${severity ? `&severity=${severity}` : ''}`}>
                      <strong>{count.toLocaleString('en')}</strong> {label}
                    </a>
                  </li>
                );
              })}
            </ul>
            <InPart of={counts} />
          </>
        )}
      </Show>
    </section>
  );
}

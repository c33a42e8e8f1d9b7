import { dataOf } from '../api/failure';
import { usePage } from '../lib/context';
import { useLoad } from '../lib/load';
import { text } from '../texts';
import { Show } from './loaded';

const MOST = 100;
const TILES = [
  { label: text.overview.openCritical, kind: 'critical', state: 'open', severity: 'critical' },
  { label: text.overview.openWarning, kind: 'warning', state: 'open', severity: 'warning' },
  { label: text.overview.acknowledged, kind: '', state: 'acknowledged', severity: undefined },
] as const;

/** How many incidents stand now. The API counts none, so more than a list page is a plus sign. */
export function NowTiles() {
  const { client } = usePage();
  const loaded = useLoad(
    (signal) =>
      Promise.all(
        TILES.map(({ state, severity }) =>
          dataOf(client.GET('/v1/incidents', { params: { query: { state, severity, limit: MOST } }, signal })),
        ),
      ),
    [],
  );
  return (
    <section>
      <h2>{text.overview.now}</h2>
      <Show of={loaded}>
        {(lists) => (
          <>
            {lists.some(({ incidents }) => incidents.some(({ customer_id }) => customer_id === '*')) && (
              <p class="banner" role="alert"><a href="#/incidents?customer_id=*">{text.overview.stopped}</a></p>
            )}
            <ul class="tiles">
              {TILES.map(({ label, kind, state, severity }, index) => {
                const list = lists[index]!;
                const count = list.incidents.length;
                return (
                  <li key={label} class={kind}>
                    <a href={`#/incidents?state=${state}${severity ? `&severity=${severity}` : ''}`}>
                      <strong>{list.next_cursor ? text.overview.atLeast(count) : count}</strong> {label}
                    </a>
                  </li>
                );
              })}
            </ul>
          </>
        )}
      </Show>
    </section>
  );
}

import { periodOf } from '../lib/filters';
import { DAY, fieldTime } from '../lib/format';
import { useQuery } from '../lib/hash';
import { text } from '../texts';

/** A period until now, or two times of one's own. Times in fields are of the reader's zone, those in the address of UTC. */
export function PeriodFilter() {
  const [query, change] = useQuery();
  const period = periodOf(query);
  const choose = (value: string) =>
    change({ from: value === 'own' ? new Date(Date.now() - 7 * DAY).toISOString() : value || undefined, to: undefined });
  return (
    <>
      <label class="field">
        {text.list.period}
        <select value={period} onChange={(event) => choose(event.currentTarget.value)}>
          {Object.entries(text.list.periods).map(([value, label]) => <option key={value} value={value}>{label}</option>)}
        </select>
      </label>
      {period === 'own' && (
        <>
          <When label={text.list.from} value={query.get('from')} onChange={(from) => change({ from })} />
          <When label={text.list.to} value={query.get('to')} onChange={(to) => change({ to })} />
        </>
      )}
    </>
  );
}

function When({ label, value, onChange }: { label: string; value: string | null; onChange: (at: string | undefined) => void }) {
  const at = value ? (/^\d+$/.test(value) ? Number(value) : Date.parse(value)) : NaN;
  return (
    <label class="field">
      {label}
      <input
        type="datetime-local"
        value={Number.isFinite(at) ? fieldTime(at) : ''}
        onChange={(event) => {
          const chosen = new Date(event.currentTarget.value);
          onChange(Number.isFinite(chosen.getTime()) ? chosen.toISOString() : undefined);
        }}
      />
    </label>
  );
}

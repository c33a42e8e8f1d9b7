import { useEffect, useRef, useState } from 'preact/hooks';
import { entityNames, entityPath } from '../api/ids';
import { usePage } from '../lib/context';
import { useQuery } from '../lib/hash';
import { useSources } from '../lib/sources';
import { text } from '../texts';
import { PeriodFilter } from './period-filter';

interface Props {
  states: readonly string[];
  types: readonly string[];
}

/** The filters of a list. They are in the address, so that a filtered list can be shared. */
export function FilterBar({ states, types }: Props) {
  const { rights } = usePage();
  const [query, change] = useQuery();
  const sources = useSources();
  const source = query.get('source') ?? '';
  const metrics = [...new Set(sources.filter(({ name }) => !source || name === source).flatMap((of) => of.metrics.map((m) => m.metric)))];
  const set = (name: string) => (value: string) => change({ [name]: value || undefined });
  const { words, list } = text;

  return (
    <details class="filters" open={innerWidth > 700}>
      <summary>{list.filters}</summary>
      <form class="filter-bar" onSubmit={(event) => event.preventDefault()}>
        <Choice label={list.severity} value={query.get('severity')} of={['critical', 'warning']} word={(v) => words.severity[v]} onChange={set('severity')} />
        <Choice label={list.state} value={query.get('state')} of={states} word={(v) => words.state[v]} onChange={set('state')} />
        <Choice label={list.direction} value={query.get('direction')} of={['spike', 'drop']} word={(v) => words.direction[v]} onChange={set('direction')} />
        {sources.length > 1 && (
          <Choice label={list.source} value={source} of={sources.map(({ name }) => name)} onChange={(value) => change({ source: value, metric: undefined })} />
        )}
        <Choice label={list.metric} value={query.get('metric')} of={metrics} onChange={set('metric')} />
        <Choice label={list.type} value={query.get('type')} of={types} word={words.type} onChange={set('type')} />
        {!rights.customer && <Words label={list.customer} value={query.get('customer_id')} onChange={set('customer_id')} />}
        {sources.some(({ entity }) => entity.length > 0) && (
          <Words
            label={list.entity}
            hint={list.entityHint}
            value={entityNames(query.get('entity') ?? '').join('/')}
            onChange={(value) => change({ entity: value ? entityPath(value.split('/')) : undefined })}
          />
        )}
        <PeriodFilter />
        <Words label={list.text} hint={list.textHint} value={query.get('text')} onChange={(value) => change({ text: value || undefined }, true)} live />
        <button type="button" onClick={() => change(Object.fromEntries([...query.keys()].map((name) => [name, undefined])))} disabled={query.size === 0}>
          {list.clear}
        </button>
      </form>
    </details>
  );
}

interface ChoiceProps {
  label: string;
  value: string | null;
  of: readonly string[];
  word?: (value: string) => string | undefined;
  onChange: (value: string) => void;
}

function Choice({ label, value, of, word, onChange }: ChoiceProps) {
  // A value of an address that is not offered stays visible.
  const offered = value && !of.includes(value) ? [...of, value] : of;
  return (
    <label class="field">
      {label}
      <select value={value ?? ''} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">{text.any}</option>
        {offered.map((one) => <option key={one} value={one}>{word?.(one) ?? one}</option>)}
      </select>
    </label>
  );
}

// From the last letter until the API is asked.
const PAUSE_MS = 300;

interface WordsProps {
  label: string;
  hint?: string;
  value: string | null;
  onChange: (value: string) => void;
  /** Takes the text after a pause in typing, instead of when the person is done. */
  live?: boolean;
}

function Words({ label, hint, value, onChange, live }: WordsProps) {
  const [typed, setTyped] = useState(value ?? '');
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => setTyped(value ?? ''), [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const type = (letters: string) => {
    setTyped(letters);
    clearTimeout(timer.current);
    if (live) timer.current = setTimeout(() => onChange(letters.trim()), PAUSE_MS);
  };
  return (
    <label class="field">
      {label}
      <input
        type="search"
        placeholder={hint}
        value={typed}
        onInput={(event) => type(event.currentTarget.value)}
        onChange={(event) => live || onChange(event.currentTarget.value)}
      />
    </label>
  );
}

import { useState } from 'preact/hooks';
import { DAY } from '../lib/format';
import type { SeriesOf } from '../lib/incident-data';
import { chartEnd } from '../lib/series';
import { text } from '../texts';
import { SmallMultiples } from './small-multiples';

/** The other metrics of the same customer or entity around the incident, asked for when somebody opens the part. */
export function OtherMetrics({ of, until }: { of: SeriesOf; until: number }) {
  const [open, setOpen] = useState(false);
  const to = chartEnd(until, DAY, Date.now());
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary><h2>{text.incident.others}</h2></summary>
      {open && <SmallMultiples of={of} period={{ from: to - 7 * DAY, to }} without={of.metric} />}
    </details>
  );
}

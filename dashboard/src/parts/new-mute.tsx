import { useState } from 'preact/hooks';
import type { Mute } from '../lib/policy';
import { USAGE, useSources } from '../lib/sources';
import { text } from '../texts';

/** Fields of a planned event. The mute is added to the form, and saved with the policy. */
export function NewMute({ onAdd }: { onAdd: (mute: Mute) => void }) {
  const metrics = useSources().find(({ name }) => name === USAGE)?.metrics ?? [];
  const [reason, setReason] = useState('');
  const [metric, setMetric] = useState('');
  const [from, setFrom] = useState('');
  const [until, setUntil] = useState('');
  const [repeat, setRepeat] = useState('');
  const add = () => {
    onAdd({
      reason: reason.trim(),
      ...(metric ? { metric } : {}),
      ...(from ? { from: utc(from) } : {}),
      ...(until ? { until: utc(until) } : {}),
      ...(repeat ? { rrule: `FREQ=${repeat}` } : {}),
    });
    setReason('');
  };
  return (
    <div class="filter-bar">
      <label class="field">{text.mute.reason}<input type="text" maxLength={500} value={reason} onInput={(event) => setReason(event.currentTarget.value)} /></label>
      <label class="field">
        {text.list.metric}
        <select value={metric} onChange={(event) => setMetric(event.currentTarget.value)}>
          <option value="">{text.mute.allMetrics}</option>
          {metrics.map((one) => <option key={one.metric}>{one.metric}</option>)}
        </select>
      </label>
      <label class="field">{text.settings.from}<input type="datetime-local" value={from} onChange={(event) => setFrom(event.currentTarget.value)} /></label>
      <label class="field">{text.settings.until}<input type="datetime-local" value={until} onChange={(event) => setUntil(event.currentTarget.value)} /></label>
      <label class="field">
        {text.mute.repeat}
        <select value={repeat} onChange={(event) => setRepeat(event.currentTarget.value)}>
          {Object.entries(text.mute.repeats).map(([value, label]) => <option key={value} value={value}>{label}</option>)}
        </select>
      </label>
      <button type="button" onClick={add} disabled={!reason.trim()}>{text.add}</button>
    </div>
  );
}

const utc = (field: string) => new Date(field).toISOString().replace('.000Z', 'Z');

import { useState } from 'preact/hooks';
import { usePage } from '../lib/context';
import { localTime } from '../lib/format';
import { ALL_CUSTOMERS } from '../lib/incident-data';
import { isConflict, loadPolicy, muteOf, savePolicy, withMute } from '../lib/policy';
import { text } from '../texts';
import { Dialog } from './dialog';

interface Props {
  customer: string;
  metric: string;
  onDone: (message: string) => void;
  onClose: () => void;
}

const HOURS = [1, 4, 8, 24, 72, 168];
/** A repeated mute must end before it begins again. */
const MOST_HOURS: Record<string, number> = { '': Infinity, DAILY: 24, WEEKLY: 168, MONTHLY: 168 };

/** Adds a mute to the policy of the customer. Incidents of all customers together are muted by the policy for all. */
export function MuteDialog({ customer, metric, onDone, onClose }: Props) {
  const { client } = usePage();
  const [onlyMetric, setOnlyMetric] = useState(true);
  const [hours, setHours] = useState(24);
  const [repeat, setRepeat] = useState('');
  const [reason, setReason] = useState('');
  const [failure, setFailure] = useState('');
  const [busy, setBusy] = useState(false);
  const owner = customer === ALL_CUSTOMERS ? undefined : customer;

  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const mute = muteOf(Date.now(), hours, reason.trim(), onlyMetric ? metric : undefined, repeat);
      const stored = await loadPolicy(client, owner);
      await savePolicy(client, owner, stored.version, withMute(stored.config, mute));
      onDone(text.mute.done(localTime(Date.parse(mute.until!))));
    } catch (cause) {
      setFailure(isConflict(cause) ? text.mute.conflict : (cause as Error).message);
      setBusy(false);
    }
  };

  return (
    <Dialog title={text.mute.title(owner ?? text.mute.allCustomers)} onClose={onClose}>
      <form onSubmit={submit}>
        <p class="quiet">{text.mute.explain}</p>
        <fieldset class="inline">
          <legend>{text.mute.what}</legend>
          <label><input type="radio" name="what" checked={onlyMetric} onChange={() => setOnlyMetric(true)} /> {text.mute.metric(metric)}</label>
          <label><input type="radio" name="what" checked={!onlyMetric} onChange={() => setOnlyMetric(false)} /> {text.mute.allMetrics}</label>
        </fieldset>
        <label class="field">
          {text.mute.long}
          <select value={hours} onChange={(event) => setHours(Number(event.currentTarget.value))}>
            {HOURS.filter((n) => n <= MOST_HOURS[repeat]!).map((n) => <option key={n} value={n}>{text.mute.hours(n)}</option>)}
          </select>
        </label>
        <label class="field">
          {text.mute.repeat}
          <select
            value={repeat}
            onChange={(event) => {
              const chosen = event.currentTarget.value;
              setRepeat(chosen);
              setHours(Math.min(hours, MOST_HOURS[chosen]!));
            }}
          >
            {Object.entries(text.mute.repeats).map(([value, label]) => <option key={value} value={value}>{label}</option>)}
          </select>
        </label>
        <label class="field">
          {text.mute.reason}
          <input type="text" autofocus required maxLength={500} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
        </label>
        {failure && <p class="failure" role="alert">{failure}</p>}
        <div class="buttons">
          <button type="submit" class="primary" disabled={busy}>{text.mute.button}</button>
          <button type="button" onClick={onClose}>{text.cancel}</button>
        </div>
      </form>
    </Dialog>
  );
}

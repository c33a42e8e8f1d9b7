import { useEffect, useRef, useState } from 'preact/hooks';
import type { Schemas } from '../api/client';
import { asFailure } from '../api/failure';
import { type Kind } from '../lib/actions';
import { usePage } from '../lib/context';
import { dryRun, giveFeedback, isStored } from '../lib/feedback';
import { isOver } from '../lib/follow';
import { text } from '../texts';
import { BacktestOutcome } from './backtest-outcome';
import { Dialog } from './dialog';

interface Props {
  kind: Kind;
  id: string;
  onDone: (message: string) => void;
  onClose: () => void;
}

const KINDS: readonly Schemas['FeedbackKind'][] = ['confirmed', 'expected', 'false_alarm', 'new_normal'];
const DAYS = [7, 30, 90, 365];

/** Asks what the person makes of an incident or anomaly. What it would have changed can be seen before it is stored. */
export function FeedbackDialog({ kind, id, onDone, onClose }: Props) {
  const { client } = usePage();
  const [said, setSaid] = useState<Schemas['FeedbackKind']>('confirmed');
  const [days, setDays] = useState(30);
  const [note, setNote] = useState('');
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState('');
  const [work, setWork] = useState<Schemas['Backtest']>();
  const stop = useRef(new AbortController());
  useEffect(() => () => stop.current.abort(), []);
  const running = busy || (work !== undefined && !isOver(work));

  const ask = { kind: said, days, note: note.trim() };
  const attempt = async (one: () => Promise<void>) => {
    setBusy(true);
    setFailure('');
    try {
      await one();
    } catch (cause) {
      if (!stop.current.signal.aborted) setFailure(asFailure(cause).message);
    }
    setBusy(false);
  };
  const submit = (event: Event) => {
    event.preventDefault();
    return attempt(async () => {
      const stored = await giveFeedback(client, kind, id, ask, false);
      if (isStored(stored)) onDone(text.feedback.done(stored.effect));
    });
  };
  const preview = () => attempt(() => dryRun(client, kind, id, ask, setWork, stop.current.signal));

  return (
    <Dialog title={text.feedback.title} onClose={onClose}>
      <form onSubmit={submit}>
        <fieldset>
          <legend>{text.feedback.what}</legend>
          {KINDS.map((one) => (
            <label key={one} class="choice">
              <input type="radio" name="said" checked={said === one} onChange={() => setSaid(one)} /> {text.feedback.kinds[one]}{' '}
              <span class="quiet">{text.feedback.effects[one]}</span>
            </label>
          ))}
        </fieldset>
        {said === 'expected' && (
          <label class="field">
            {text.feedback.until}
            <select value={days} onChange={(event) => setDays(Number(event.currentTarget.value))}>
              {DAYS.map((one) => <option key={one} value={one}>{text.feedback.days(one)}</option>)}
            </select>
          </label>
        )}
        <label class="field">
          {text.act.noteField}
          <textarea rows={2} maxLength={1000} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
        </label>
        <BacktestOutcome work={work} failure={failure} />
        <div class="buttons">
          <button type="submit" class="primary" disabled={running}>{text.feedback.give}</button>
          <button type="button" onClick={preview} disabled={running}>{text.feedback.preview}</button>
          <button type="button" onClick={onClose}>{text.cancel}</button>
        </div>
      </form>
    </Dialog>
  );
}

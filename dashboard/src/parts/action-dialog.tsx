import { useState } from 'preact/hooks';
import { act, onAll, type Acted, type Kind, type Verb } from '../lib/actions';
import { usePage } from '../lib/context';
import { text } from '../texts';
import { Dialog } from './dialog';

export interface Asked {
  kind: Kind;
  /** `note` repeats the action that keeps the state. */
  ask: Verb | 'note';
  verb: Verb;
  ids: readonly string[];
}

interface Props {
  asked: Asked;
  onDone: (changed: Acted[], message: string) => void;
  onClose: () => void;
}

/** Asks for a note and acts on one or several incidents or anomalies. */
export function ActionDialog({ asked, onDone, onClose }: Props) {
  const { client } = usePage();
  const [note, setNote] = useState('');
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState('');
  const what = asked.kind === 'incidents' ? text.act.incidents(asked.ids.length) : text.act.anomalies(asked.ids.length);

  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    const outcome = await onAll(asked.ids, (id) => act(client, asked.kind, asked.verb, id, note.trim()));
    setBusy(false);
    if (outcome.failed.length === 0) return onDone(outcome.done, text.act.done(outcome.done.length));
    const message = text.act.partly(outcome.done.length, outcome.failed.length, outcome.why ?? '');
    if (outcome.done.length > 0) return onDone(outcome.done, message);
    setFailure(asked.ids.length === 1 ? (outcome.why ?? '') : message);
  };

  return (
    <Dialog title={text.act.ask[asked.ask](what)} onClose={onClose}>
      <form onSubmit={submit}>
        <p class="quiet">{text.act.explain[asked.ask]}</p>
        <label class="field">
          {text.act.noteField}
          <textarea
            autofocus
            rows={3}
            maxLength={1000}
            required={asked.ask === 'note'}
            value={note}
            onInput={(event) => setNote(event.currentTarget.value)}
          />
        </label>
        {failure && <p class="failure" role="alert">{failure}</p>}
        <div class="buttons">
          <button type="submit" class="primary" disabled={busy}>{text.act[asked.ask]}</button>
          <button type="button" onClick={onClose}>{text.cancel}</button>
        </div>
      </form>
    </Dialog>
  );
}

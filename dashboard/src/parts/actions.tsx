import { useState } from 'preact/hooks';
import { noteVerb, verbsOf, type Kind, type Verb } from '../lib/actions';
import { usePage } from '../lib/context';
import { useKeys, useKeysOn } from '../lib/keys';
import { text } from '../texts';
import { ActionDialog, type Asked } from './action-dialog';
import { FeedbackDialog } from './feedback-dialog';
import { MuteDialog } from './mute-dialog';

interface Props {
  kind: Kind;
  id: string;
  state: string;
  mute?: { customer: string; metric: string };
  onDone: (message: string) => void;
}

/** What the person may do with an incident or an anomaly in its state. */
export function Actions({ kind, id, state, mute, onDone }: Props) {
  const { rights } = usePage();
  const [asked, setAsked] = useState<Asked>();
  const [muting, setMuting] = useState(false);
  const [judging, setJudging] = useState(false);
  const [keysOn] = useKeysOn();
  const verbs = verbsOf(state);
  const ask = (verb: Verb) => rights.write && verbs.includes(verb) && setAsked({ kind, ask: verb, verb, ids: [id] });
  useKeys({ a: () => ask('acknowledge'), r: () => ask('resolve') }, keysOn);
  if (!rights.write) return null;
  const close = (message?: string) => {
    setAsked(undefined);
    setMuting(false);
    setJudging(false);
    if (message) onDone(message);
  };
  return (
    <div class="buttons actions">
      {verbs.map((verb) => (
        <button key={verb} type="button" class={verb === verbs[0] ? 'primary' : undefined} onClick={() => ask(verb)}>
          {text.act[verb]}
        </button>
      ))}
      <button type="button" onClick={() => setAsked({ kind, ask: 'note', verb: noteVerb(state), ids: [id] })}>{text.act.note}</button>
      <button type="button" onClick={() => setJudging(true)}>{text.feedback.button}</button>
      {mute && rights.admin && !rights.customer && <button type="button" onClick={() => setMuting(true)}>{text.mute.button}</button>}
      {asked && <ActionDialog asked={asked} onDone={(_, said) => close(said)} onClose={() => close()} />}
      {judging && <FeedbackDialog kind={kind} id={id} onDone={close} onClose={() => close()} />}
      {mute && muting && <MuteDialog {...mute} onDone={close} onClose={() => close()} />}
    </div>
  );
}

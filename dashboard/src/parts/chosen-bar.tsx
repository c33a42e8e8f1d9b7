import { VERBS, verbsOf, type Verb } from '../lib/actions';
import { text } from '../texts';

/** What can be done with the chosen rows. An action is offered if one of them allows it, and acts on those that do. */
export function ChosenBar({ rows, onAsk }: { rows: readonly { state: string }[]; onAsk: (verb: Verb) => void }) {
  return (
    <div class="chosen-bar" role="group" aria-label={text.list.chosen(rows.length)}>
      <span>{text.list.chosen(rows.length)}</span>
      {VERBS.map((verb) => (
        <button key={verb} type="button" disabled={!rows.some((row) => verbsOf(row.state).includes(verb))} onClick={() => onAsk(verb)}>
          {text.act[verb]}
        </button>
      ))}
    </div>
  );
}

import type { Schemas } from '../api/client';
import { text } from '../texts';
import { Time } from './time';

export function History({ of }: { of: readonly Schemas['HistoryEntry'][] }) {
  return (
    <ol class="timeline">
      {of.map(({ action, actor, at, note }, index) => (
        <li key={index}>
          <span class="quiet"><Time at={at} /></span>
          <span>
            <strong>{text.words.action[action] ?? action}</strong> {actor && text.incident.by(actor)}
            {note && <span class="note">{note}</span>}
          </span>
        </li>
      ))}
    </ol>
  );
}

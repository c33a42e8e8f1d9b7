import type { Mute } from '../lib/policy';
import { text } from '../texts';
import { Time } from './time';

interface Props {
  of: readonly Mute[];
  /** Absent where mutes cannot be taken back. */
  onRemove?: (index: number) => void;
}

export function MuteLines({ of, onRemove }: Props) {
  if (of.length === 0) return <p class="quiet">{text.settings.noMutes}</p>;
  return (
    <ul class="lines">
      {of.map((mute, index) => (
        <li key={index}>
          <strong>{mute.reason}</strong>
          <span>{text.settings.muteOf(mute.metric)}</span>
          <span class="quiet">
            <Time at={mute.from} /> – <Time at={mute.until} /> {mute.rrule && <code>{mute.rrule}</code>}
          </span>
          {onRemove && (
            <button type="button" onClick={() => onRemove(index)} aria-label={`${text.remove}: ${mute.reason}`}>{text.remove}</button>
          )}
        </li>
      ))}
    </ul>
  );
}

import { text } from '../texts';
import { Dialog } from './dialog';

interface Props {
  on: boolean;
  onSwitch: (on: boolean) => void;
  /** Keys that act on rows, for those who may act. */
  acts: boolean;
  onClose: () => void;
}

export function KeysDialog({ on, onSwitch, acts, onClose }: Props) {
  const { keys } = text;
  const rows: [string, string][] = [
    ['j', keys.j],
    ['k', keys.k],
    ['Enter', keys.enter],
    ...(acts ? ([['x', keys.x], ['a', keys.a], ['r', keys.r]] as [string, string][]) : []),
    ['?', keys.help],
  ];
  return (
    <Dialog title={keys.title} onClose={onClose}>
      <dl class="keys">
        {rows.map(([key, what]) => (
          <div key={key}>
            <dt><kbd>{key}</kbd></dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <label>
        <input type="checkbox" checked={on} onChange={(event) => onSwitch(event.currentTarget.checked)} /> {keys.on}
      </label>
    </Dialog>
  );
}

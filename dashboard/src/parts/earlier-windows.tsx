import type { Schemas } from '../api/client';
import { quantity } from '../lib/format';
import { text } from '../texts';
import { Time } from './time';

export function EarlierWindows({ of, unit }: { of: readonly Schemas['BaselineWindow'][]; unit: string }) {
  return (
    <details>
      <summary>{text.list.shown(of.length, of.length, false)}</summary>
      <div class="scroll" tabIndex={0} role="region" aria-label={text.anomaly.earlierWindows}>
        <table class="small">
          <thead>
            <tr>
              <th scope="col">{text.anomaly.window}</th>
              <th scope="col" class="number">{text.list.value}</th>
              <th scope="col">{text.anomaly.counted}</th>
            </tr>
          </thead>
          <tbody>
            {of.map(({ window, value, counted }) => (
              <tr key={String(window.end)}>
                <td><Time at={window.end} /></td>
                <td class="number">{quantity(value, unit)}</td>
                <td>{counted ? text.anomaly.yes : text.anomaly.no}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

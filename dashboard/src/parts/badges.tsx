import { text } from '../texts';

// The sign beside the word tells severities and states apart without colours.
const SIGNS: Record<string, string> = { critical: '▲', warning: '◆', open: '○', acknowledged: '◐', resolved: '●', accepted: '≈', stale: '…' };

export const Severity = ({ of }: { of: string }) => (
  <span class={`badge ${of === 'critical' ? 'critical' : 'warning'}`}>
    <span aria-hidden="true">{SIGNS[of] ?? ''} </span>
    {text.words.severity[of] ?? of}
  </span>
);

export const State = ({ of }: { of: string }) => (
  <span class={`badge state ${of === 'open' ? 'open' : ''}`}>
    <span aria-hidden="true">{SIGNS[of] ?? ''} </span>
    {text.words.state[of] ?? of}
  </span>
);

export const Direction = ({ of }: { of: string }) => (
  <span class="direction">
    <span aria-hidden="true">{of === 'drop' ? '↓ ' : '↑ '}</span>
    {text.words.direction[of] ?? of}
  </span>
);

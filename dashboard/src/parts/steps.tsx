import { text } from '../texts';

export const Steps = ({ of }: { of: readonly string[] }) =>
  of.length === 0 ? <p class="quiet">{text.none}</p> : <ol class="steps">{of.map((step) => <li key={step}>{step}</li>)}</ol>;

import { text } from '../texts';

interface Props {
  title: string;
  hint?: string;
  button?: { label: string; act: () => void };
}

/** The page before and after a session: one sentence, what to do, and a button. */
export function Door({ title, hint, button }: Props) {
  return (
    <main class="door">
      <h1>{text.product}</h1>
      <p role="status">{title}</p>
      {hint && <p class="quiet">{hint}</p>}
      {button && (
        <button type="button" class="primary" onClick={button.act}>
          {button.label}
        </button>
      )}
    </main>
  );
}

import type { ComponentChildren } from 'preact';
import type { Failure } from '../api/failure';
import { text } from '../texts';

/** Says that there is nothing to show, why, and what to do. */
export function Notice({ title, hint, children }: { title: string; hint?: string; children?: ComponentChildren }) {
  return (
    <div class="notice" role="status">
      <p class="notice-title">{title}</p>
      {hint && <p class="quiet">{hint}</p>}
      {children}
    </div>
  );
}

/** Says what failed, with a button to try again. */
export function FailureNotice({ failure, again }: { failure: Failure; again?: () => void }) {
  return (
    <div class="notice failure" role="alert">
      <p class="notice-title">{failure.message}</p>
      {failure.requestId && <p class="quiet">{text.failure.request(failure.requestId)}</p>}
      {again && (
        <button type="button" onClick={again}>
          {text.failure.again}
        </button>
      )}
    </div>
  );
}

export const Loading = () => (
  <p class="loading" role="status">
    {text.loading}
  </p>
);

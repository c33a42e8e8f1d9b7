import type { Schemas } from '../api/client';
import { duration } from '../lib/format';
import { text } from '../texts';

/** With the default schedule the newest window is never older. */
export const LATE_SECONDS = 2 * 3600;

/** Says that runs are missing or alerts are stuck. Without such a fault there is nothing to see. */
export function HealthBanner({ of: value }: { of: Schemas['Status'] }) {
  const late = value.lag_seconds !== null && value.lag_seconds >= LATE_SECONDS;
  if (!late && value.pending_alerts === 0) return null;
  return (
    <p class="banner" role="alert">
      {late && text.overview.late(duration(value.lag_seconds! * 1000))} {value.pending_alerts > 0 && text.overview.pending(value.pending_alerts, value.complete)}{' '}
      <a href="#/runs">{text.views.runs}</a>
    </p>
  );
}

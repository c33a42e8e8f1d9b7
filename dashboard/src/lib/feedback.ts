// What people say of an incident or anomaly, and what that would have changed.
import type { Client, Schemas } from '../api/client';
import { dataOf } from '../api/failure';
import type { Kind } from './actions';
import { follow } from './follow';
import { DAY } from './format';

export interface Said {
  kind: Schemas['FeedbackKind'];
  /** Days for which it is expected. Other kinds have no end. */
  days: number;
  note: string;
}

type Answer = Schemas['Feedback'] | Schemas['Backtest'];

export const isStored = (answer: Answer): answer is Schemas['Feedback'] => 'effect' in answer;

export function bodyOf({ kind, days, note }: Said, isDry: boolean, now: number): Schemas['FeedbackRequest'] {
  return {
    kind,
    ...(kind === 'expected' && { until: new Date(now + days * DAY).toISOString() }),
    ...(note !== '' && { note }),
    ...(isDry && { dry_run: true }),
  };
}

export function giveFeedback(client: Client, of: Kind, id: string, said: Said, isDry: boolean): Promise<Answer> {
  const body = bodyOf(said, isDry, Date.now());
  return dataOf<Answer>(
    of === 'incidents'
      ? client.POST('/v1/incidents/{incident_id}/feedback', { params: { path: { incident_id: id } }, body })
      : client.POST('/v1/anomalies/{anomaly_id}/feedback', { params: { path: { anomaly_id: id } }, body }),
  );
}

/** Starts a dry run and follows it to its end. */
export async function dryRun(
  client: Client,
  of: Kind,
  id: string,
  said: Said,
  onChange: (work: Schemas['Backtest']) => void,
  signal: AbortSignal,
): Promise<void> {
  const first = await giveFeedback(client, of, id, said, true);
  if (isStored(first)) throw new Error('a dry run that stored the feedback');
  const path = { backtest_id: first.backtest_id };
  await follow(first, () => dataOf(client.GET('/v1/feedback/{backtest_id}', { params: { path } })), onChange, signal);
}

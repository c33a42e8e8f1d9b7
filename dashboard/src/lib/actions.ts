// Acknowledge, resolve and reopen, for one or several incidents or anomalies.
import type { Client, Schemas } from '../api/client';
import { dataOf } from '../api/failure';

export type Verb = 'acknowledge' | 'resolve' | 'reopen';
export const VERBS: readonly Verb[] = ['acknowledge', 'resolve', 'reopen'];
export type Kind = 'incidents' | 'anomalies';
export type Acted = Schemas['Incident'] | Schemas['Anomaly'];

/** What a person may do in a state. */
export function verbsOf(state: string): Verb[] {
  if (state === 'open') return ['acknowledge', 'resolve'];
  if (state === 'acknowledged') return ['resolve', 'reopen'];
  return ['reopen'];
}

/** The action that keeps a state and only adds a note: its repetition. */
export function noteVerb(state: string): Verb {
  if (state === 'acknowledged') return 'acknowledge';
  return state === 'open' ? 'reopen' : 'resolve';
}

export function act(client: Client, kind: Kind, verb: Verb, id: string, note: string): Promise<Acted> {
  const body = note ? { note } : undefined;
  if (kind === 'incidents') {
    const init = { params: { path: { incident_id: id } }, body };
    return dataOf<Acted>(
      verb === 'acknowledge' ? client.POST('/v1/incidents/{incident_id}/acknowledge', init)
      : verb === 'resolve' ? client.POST('/v1/incidents/{incident_id}/resolve', init)
      : client.POST('/v1/incidents/{incident_id}/reopen', init),
    );
  }
  const init = { params: { path: { anomaly_id: id } }, body };
  return dataOf<Acted>(
    verb === 'acknowledge' ? client.POST('/v1/anomalies/{anomaly_id}/acknowledge', init)
    : verb === 'resolve' ? client.POST('/v1/anomalies/{anomaly_id}/resolve', init)
    : client.POST('/v1/anomalies/{anomaly_id}/reopen', init),
  );
}

const AT_ONCE = 4;

export interface Outcome<T> {
  done: T[];
  failed: string[];
  /** The first fault in words. */
  why?: string;
}

/** Acts on all ids, a few at a time. One that fails does not stop the others. */
export async function onAll<T>(ids: readonly string[], one: (id: string) => Promise<T>): Promise<Outcome<T>> {
  const outcome: Outcome<T> = { done: [], failed: [] };
  const left = [...ids];
  const work = async () => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      try {
        outcome.done.push(await one(id));
      } catch (cause) {
        outcome.failed.push(id);
        outcome.why ??= cause instanceof Error ? cause.message : String(cause);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return outcome;
}

// Policies: read with their version, and replace as a whole unless somebody else was faster.
import type { Client, Schemas } from '../api/client';
import { answerOf, dataOf, Failure } from '../api/failure';
import { pathId } from '../api/ids';
import { HOUR } from './format';

export type Policy = Schemas['Policy'];
export type Stored = Schemas['Config'];
export type Mute = Schemas['Mute'];

export const CONFLICT = 412;

/** The policy of one customer, or that for all customers. */
export function loadPolicy(client: Client, customer: string | undefined, signal?: AbortSignal): Promise<Stored> {
  if (customer === undefined) return dataOf(client.GET('/v1/config', { signal }));
  const path = { customer_id: pathId(customer) };
  return dataOf(client.GET('/v1/config/customers/{customer_id}', { params: { path }, signal }));
}

/** Replaces the policy that has a version. Another version throws a Failure with the status of a conflict. */
export async function savePolicy(client: Client, customer: string | undefined, version: number, policy: Policy): Promise<Stored> {
  const header = { 'If-Match': `"${version}"` };
  const answer = await answerOf<Stored>(
    customer === undefined
      ? client.PUT('/v1/config', { params: { header }, body: policy })
      : client.PUT('/v1/config/customers/{customer_id}', {
          params: { header, path: { customer_id: pathId(customer) } },
          body: policy,
        }),
  );
  return answer.data!;
}

export const isConflict = (cause: unknown) => cause instanceof Failure && cause.status === CONFLICT;

/** A mute from the last full hour on, repeated from there if `repeat` names how often. */
export function muteOf(now: number, hours: number, reason: string, metric: string | undefined, repeat: string): Mute {
  const from = Math.floor(now / HOUR) * HOUR;
  return {
    reason,
    from: written(from),
    until: written(from + hours * HOUR),
    ...(metric ? { metric } : {}),
    ...(repeat ? { rrule: `FREQ=${repeat}` } : {}),
  };
}

const written = (at: number) => new Date(at).toISOString().replace('.000Z', 'Z');

export const withMute = (policy: Policy, mute: Mute): Policy => ({ ...policy, mutes: [...(policy.mutes ?? []), mute] });

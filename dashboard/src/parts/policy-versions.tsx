import { useState } from 'preact/hooks';
import type { Client, Schemas } from '../api/client';
import { asFailure, dataOf, type Failure } from '../api/failure';
import { pathId } from '../api/ids';
import { usePage } from '../lib/context';
import { useLoad } from '../lib/load';
import { text } from '../texts';
import { FailureNotice } from './notice';
import { Show } from './loaded';
import { Time } from './time';

type Versions = Schemas['PolicyVersions'];

/** The versions of a policy with author and time, the newest first. `newest` is the version that the editor knows. */
export function PolicyVersions({ customer, newest }: { customer: string | undefined; newest: number }) {
  const { client } = usePage();
  const [older, setOlder] = useState<Versions[]>([]);
  const [failure, setFailure] = useState<Failure>();
  const loaded = useLoad((signal) => load(client, customer, undefined, signal), [customer, newest]);
  const more = async (before: number) => {
    try {
      const next = await load(client, customer, before);
      setFailure(undefined);
      setOlder((known) => [...known, next]);
    } catch (cause) {
      setFailure(asFailure(cause));
    }
  };
  return (
    <section class="card">
      <h2>{text.settings.versions}</h2>
      <Show of={loaded}>
        {(first) => {
          const all = [first, ...older];
          const last = all.at(-1)!.next_before;
          return first.versions.length === 0 ? <p class="quiet">{text.settings.noVersions}</p> : (
            <>
              <ol class="timeline">
                {all.flatMap(({ versions }) => versions).map((one) => <Version key={one.version} of={one} />)}
              </ol>
              {last !== null && last !== undefined && <button type="button" onClick={() => more(last)}>{text.list.more}</button>}
            </>
          );
        }}
      </Show>
      {failure && <FailureNotice failure={failure} />}
    </section>
  );
}

function Version({ of }: { of: Schemas['PolicyVersion'] }) {
  return (
    <li>
      <span class="quiet"><Time at={of.updated_at} /></span>
      <span>
        <strong>{text.settings.version(of.version)}</strong> {of.updated_by && text.settings.changed(of.updated_by)}
        <details>
          <summary>{text.settings.content}</summary>
          <pre>{JSON.stringify(of.config, undefined, 2)}</pre>
        </details>
      </span>
    </li>
  );
}

function load(client: Client, customer: string | undefined, before?: number, signal?: AbortSignal): Promise<Versions> {
  const query = { before, limit: 10 };
  if (customer === undefined) return dataOf(client.GET('/v1/config/versions', { params: { query }, signal }));
  const path = { customer_id: pathId(customer) };
  return dataOf(client.GET('/v1/config/customers/{customer_id}/versions', { params: { path, query }, signal }));
}

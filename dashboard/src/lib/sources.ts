import { useEffect, useState } from 'preact/hooks';
import type { Client, Schemas } from '../api/client';
import { dataOf } from '../api/failure';
import { usePage } from './context';

type Source = Schemas['Source'];

/** The name of the source of the usage of customers. */
export const USAGE = 'usage';

// The sources change with a deployment only, so they are asked for once.
const asked = new WeakMap<Client, Promise<Source[]>>();

export function loadSources(client: Client): Promise<Source[]> {
  const known = asked.get(client);
  if (known) return known;
  const loading = dataOf(client.GET('/v1/sources')).then((answer) => answer.sources);
  asked.set(client, loading);
  loading.catch(() => asked.delete(client));
  return loading;
}

/** The sources, once they are known. A list without them offers no choice of sources and metrics. */
export function useSources(): Source[] {
  const { client } = usePage();
  const [sources, setSources] = useState<Source[]>([]);
  useEffect(() => {
    loadSources(client).then(setSources, () => undefined);
  }, [client]);
  return sources;
}

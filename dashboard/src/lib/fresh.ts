// Keeps a shown incident fresh: what others do with it, in Slack or on this page, is seen without a reload.
import { useRef } from 'preact/hooks';
import { dataOf } from '../api/failure';
import { usePage } from './context';
import type { Incident } from './incident-data';
import { usePoll } from './poll';

const SECONDS = 15;

/** Asks for the incident while the tab is shown, and calls `changed` if the answer is another than what is shown. */
export function useFresh(shown: Incident, changed: () => void): void {
  const { client } = usePage();
  const isFirst = useRef(true);
  usePoll(() => {
    // What is shown has just been loaded.
    if (isFirst.current) return void (isFirst.current = false);
    dataOf(client.GET('/v1/incidents/{incident_id}', { params: { path: { incident_id: shown.incident_id } } })).then(
      ({ incident }) => JSON.stringify(incident) !== JSON.stringify(shown) && changed(),
      // The next time may succeed, and what is shown stays.
      () => undefined,
    );
  }, SECONDS);
}

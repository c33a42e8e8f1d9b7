// What is new and what is critical now, asked for each 15 seconds while the tab is shown.
import { useRef, useState } from 'preact/hooks';
import type { Schemas } from '../api/client';
import { dataOf } from '../api/failure';
import { usePage } from './context';
import { DAY, ms } from './format';
import { usePoll } from './poll';

type Incident = Schemas['Incident'];

export interface Live {
  critical: Incident[];
  news: Incident[];
  /** Whether there are more new ones than are listed. */
  moreNews: boolean;
  updatedAt?: number;
  failed: boolean;
  /** Says that the person has seen what is new until now. */
  seen: () => void;
}

const KEY = 'dashboard.last-visit';
const SECONDS = 15;
const LISTED = 50;

export function useLive(onCritical: (incident: Incident) => void): Live {
  const { client } = usePage();
  const [since, setSince] = useState(lastVisit);
  const [state, setState] = useState<{ critical: Incident[]; recent: Incident[]; more: boolean; at?: number; failed: boolean }>({
    critical: [],
    recent: [],
    more: false,
    failed: false,
  });
  const known = useRef<Set<string> | undefined>(undefined);

  usePoll(() => {
    const query = { limit: LISTED } as const;
    const all = dataOf(client.GET('/v1/incidents', { params: { query: { ...query, from: String(since) } } }));
    const open = dataOf(client.GET('/v1/incidents', { params: { query: { ...query, state: 'open', severity: 'critical' } } }));
    Promise.all([all, open]).then(
      ([recent, critical]) => {
        const before = known.current;
        known.current = new Set(critical.incidents.map((incident) => incident.incident_id));
        if (before) critical.incidents.filter((incident) => !before.has(incident.incident_id)).forEach(onCritical);
        setState({ critical: critical.incidents, recent: recent.incidents, more: Boolean(recent.next_cursor), at: Date.now(), failed: false });
      },
      () => setState((last) => ({ ...last, failed: true })),
    );
  }, SECONDS);

  const news = newSince(state.recent, since);
  return {
    critical: state.critical,
    news,
    moreNews: state.more && news.length === state.recent.length,
    updatedAt: state.at,
    failed: state.failed,
    seen: () => {
      const now = Date.now();
      localStorage.setItem(KEY, String(now));
      setSince(now);
    },
  };
}

/** Incidents that were opened after a time. The list also holds older ones that a window changed. */
export function newSince(incidents: readonly Incident[], since: number): Incident[] {
  return incidents.filter((incident) => ms(incident.opened_at) > since);
}

function lastVisit(): number {
  const kept = Number(localStorage.getItem(KEY));
  const earliest = Date.now() - 30 * DAY;
  return Number.isFinite(kept) && kept > earliest ? kept : Date.now() - DAY;
}

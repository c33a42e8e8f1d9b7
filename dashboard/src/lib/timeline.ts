// What happened to an incident, in the order of time.
import { text } from '../texts';
import { HOUR, ms } from './format';
import type { Anomaly, Incident } from './incident-data';

export interface Happening {
  at: number;
  what: string;
  by?: string;
  note?: string;
}

const LISTED_WINDOWS = 5;

export function timelineOf(incident: Incident, anomalies: readonly Anomaly[]): Happening[] {
  const { words } = text;
  const happenings: Happening[] = [{ at: ms(incident.opened_at), what: text.incident.firstWindow }];
  for (const anomaly of anomalies.slice(0, LISTED_WINDOWS)) {
    const hours = Math.round((ms(anomaly.window.end) - ms(anomaly.window.start)) / HOUR);
    happenings.push({
      at: ms(anomaly.detected_at),
      what: text.incident.spokeAt(words.severity[anomaly.severity] ?? anomaly.severity, text.incident.hours(hours)),
      note: [anomaly.description, anomaly.mute_reason && text.incident.muted(anomaly.mute_reason)].filter(Boolean).join(' '),
    });
  }
  const page = incident.last_page;
  if (page) {
    const what = words.event[page.event] ?? page.event;
    happenings.push({ at: ms(page.window_end), what: page.single ? what : `${what}, ${text.incident.digest}` });
  }
  for (const { action, actor, at, note } of incident.history ?? []) {
    happenings.push({
      at: ms(at),
      what: words.action[action] ?? action,
      by: actor ? text.incident.by(actor) : undefined,
      note: note ?? undefined,
    });
  }
  if (incident.over_at) happenings.push({ at: ms(incident.over_at), what: text.incident.overAt });
  if (incident.closed_at) happenings.push({ at: ms(incident.closed_at), what: text.incident.closedAt });
  // Things of the same time stay in the order of above.
  return happenings.sort((a, b) => a.at - b.at);
}

import { useState } from 'preact/hooks';
import { pathId } from '../api/ids';
import type { Schemas } from '../api/client';
import { text } from '../texts';

const KEY = 'dashboard.notify';
const supported = 'Notification' in globalThis;
const wanted = () => supported && localStorage.getItem(KEY) === 'yes' && Notification.permission === 'granted';

/** Tells of a new critical incident by a notification of the browser, if the person asked for that. */
export function notify(incident: Schemas['Incident']): void {
  if (!wanted()) return;
  const shown = new Notification(text.bell.notification, {
    body: `${incident.customer_id} · ${incident.description}`,
    tag: incident.incident_id,
  });
  shown.onclick = () => {
    focus();
    location.hash = `#/incidents/${pathId(incident.incident_id)}`;
  };
}

export function NotifyChoice() {
  const [on, setOn] = useState(wanted());
  const [denied, setDenied] = useState(supported && Notification.permission === 'denied');
  if (!supported) return null;
  const change = async () => {
    if (on) {
      localStorage.removeItem(KEY);
      return setOn(false);
    }
    const answer = await Notification.requestPermission();
    setDenied(answer === 'denied');
    if (answer === 'granted') {
      localStorage.setItem(KEY, 'yes');
      setOn(true);
    }
  };
  return (
    <p>
      <button type="button" onClick={change} disabled={denied} aria-pressed={on}>
        {on ? text.bell.notifyOff : text.bell.notify}
      </button>
      {denied && <span class="quiet"> {text.bell.notifyDenied}</span>}
    </p>
  );
}

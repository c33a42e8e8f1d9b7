import { useState } from 'preact/hooks';
import type { Schemas } from '../api/client';
import { useLive } from '../lib/live';
import { text } from '../texts';
import { Dialog } from './dialog';
import { IncidentLines } from './incident-lines';
import { notify, NotifyChoice } from './notify';
import { Time } from './time';

/** What is new since the last visit, and the open critical incidents. The badge shows the number of new ones. */
export function Bell() {
  const live = useLive((incident: Schemas['Incident']) => notify(incident));
  const [open, setOpen] = useState(false);
  const close = () => {
    setOpen(false);
    live.seen();
  };
  const label = text.bell.label(live.news.length, live.moreNews);
  return (
    <>
      <button type="button" class="bell plain" aria-label={label} title={label} aria-haspopup="dialog" onClick={() => setOpen(true)}>
        <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
          <path d="M12 3a6 6 0 0 0-6 6v4l-2 4h16l-2-4V9a6 6 0 0 0-6-6zm-2.5 16a2.5 2.5 0 0 0 5 0" fill="none" stroke="currentColor" stroke-width="1.8" />
        </svg>
        {live.news.length > 0 && <span class="bell-count">{live.news.length}{live.moreNews && '+'}</span>}
      </button>
      <span class="sr" role="status">{label}</span>
      {open && (
        <Dialog title={text.bell.critical} onClose={close}>
          <p class="quiet" role="status">
            {live.updatedAt && <>{text.bell.updated('')}<Time at={live.updatedAt} /></>} {live.failed && text.bell.stale}
          </p>
          <IncidentLines of={live.critical} empty={text.bell.noCritical} onOpen={close} />
          <p><a href="#/incidents?severity=critical&state=open" onClick={close}>{text.bell.toAll}</a></p>
          <h3>{text.bell.news}</h3>
          <IncidentLines of={live.news} empty={text.bell.noNews} onOpen={close} />
          <NotifyChoice />
        </Dialog>
      )}
    </>
  );
}

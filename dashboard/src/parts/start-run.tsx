import { useEffect, useRef, useState } from 'preact/hooks';
import type { Schemas } from '../api/client';
import { asFailure, dataOf } from '../api/failure';
import { usePage } from '../lib/context';
import { follow, isOver } from '../lib/follow';
import { text } from '../texts';
import { SummaryFacts, type Summary } from './run-card';

/** Starts a run for the last full hour, and shows what became of it. */
export function StartRun({ onDone }: { onDone: () => void }) {
  const { client } = usePage();
  const [dry, setDry] = useState(true);
  const [run, setRun] = useState<Schemas['Detection']>();
  const [failure, setFailure] = useState('');
  const stop = useRef(new AbortController());
  useEffect(() => () => stop.current.abort(), []);

  const start = async () => {
    setFailure('');
    try {
      const first = await dataOf(client.POST('/v1/detections', { body: { dry_run: dry } }));
      const path = { detection_id: first.detection_id };
      const ask = () => dataOf(client.GET('/v1/detections/{detection_id}', { params: { path } }));
      await follow(first, ask, setRun, stop.current.signal);
      if (!dry) onDone();
    } catch (cause) {
      setFailure(asFailure(cause).message);
    }
  };
  return (
    <>
      <p><label><input type="checkbox" checked={dry} onChange={(event) => setDry(event.currentTarget.checked)} /> {text.runs.dry}</label></p>
      <button type="button" onClick={start} disabled={run && !isOver(run)}>{text.runs.startNow}</button>
      <p role="status">{run && (text.runs.status[run.status] ?? run.status)}</p>
      {failure && <p class="failure" role="alert">{failure}</p>}
      <SummaryFacts summary={run?.summary as Summary | null | undefined} />
    </>
  );
}

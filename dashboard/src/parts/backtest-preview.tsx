import { useEffect, useRef, useState } from 'preact/hooks';
import { pathId } from '../api/ids';
import type { Schemas } from '../api/client';
import { asFailure, dataOf, Failure } from '../api/failure';
import { previewOf, type Listed, type Preview } from '../lib/backtest';
import { usePage } from '../lib/context';
import { follow, isOver } from '../lib/follow';
import type { Policy } from '../lib/policy';
import { InvalidField } from '../lib/policy-form';
import { text } from '../texts';
import { Time } from './time';

const DAYS = [7, 14, 30];

/** What would have paged under the policy of the form, beside the present one. */
export function BacktestPreview({ policy }: { policy: () => Policy }) {
  const { client } = usePage();
  const [days, setDays] = useState(30);
  const [work, setWork] = useState<Schemas['Backtest']>();
  const [failure, setFailure] = useState('');
  const stop = useRef(new AbortController());
  useEffect(() => () => stop.current.abort(), []);
  const running = work && !isOver(work);

  const run = async () => {
    setFailure('');
    try {
      const first = await dataOf(client.POST('/v1/backtests', { body: { policy: policy(), days } }));
      const path = { backtest_id: first.backtest_id };
      await follow(first, () => dataOf(client.GET('/v1/backtests/{backtest_id}', { params: { path } })), setWork, stop.current.signal);
    } catch (cause) {
      setFailure(cause instanceof InvalidField || cause instanceof Failure ? cause.message : asFailure(cause).message);
    }
  };
  const preview = work?.status === 'completed' ? previewOf(work.result) : undefined;
  return (
    <section>
      <h2>{text.settings.preview}</h2>
      <p class="quiet">{text.settings.previewExplain}</p>
      <div class="inline-form">
        <label class="field">
          {text.settings.previewDays}
          <select value={days} onChange={(event) => setDays(Number(event.currentTarget.value))}>
            {DAYS.map((one) => <option key={one}>{one}</option>)}
          </select>
        </label>
        <button type="button" onClick={run} disabled={running}>{text.settings.previewRun}</button>
      </div>
      <p role="status">
        {running && text.settings.previewWorking}{' '}
        {running && work.progress && text.settings.previewProgress(work.progress.judged, work.progress.customers)}
      </p>
      {(failure || (work && isOver(work) && work.status !== 'completed')) && (
        <p class="failure" role="alert">{failure || `${text.settings.previewFailed} ${work?.reason ?? ''}`}</p>
      )}
      {preview && <PreviewResult of={preview} />}
    </section>
  );
}

function PreviewResult({ of }: { of: Preview }) {
  return (
    <div class="preview">
      <p><strong>{text.settings.pages(of.pages)}</strong></p>
      <p>
        {[text.settings.newPages(of.fresh.total), text.settings.gonePages(of.gone.total), text.settings.movedPages(of.moved), text.settings.samePages(of.same)].join(' · ')}
      </p>
      <PageList title={text.settings.listNew} of={of.fresh} />
      <PageList title={text.settings.listGone} of={of.gone} />
    </div>
  );
}

function PageList({ title, of }: { title: string; of: Listed }) {
  if (of.total === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <p class="quiet">{text.settings.listed(of.pages.length, of.total)}</p>
      <ul class="lines">
        {of.pages.map((page) => (
          <li key={`${page.customer} ${page.at}`}>
            <span class="quiet"><Time at={page.at} /></span>
            <a href={`#/customers/${pathId(page.customer)}`}>{page.customer}</a>
            <span>{page.metrics.join(', ')}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

import { pathId } from '../api/ids';
import type { Schemas } from '../api/client';
import { previewOf, type Listed, type Preview } from '../lib/backtest';
import { isOver } from '../lib/follow';
import { text } from '../texts';
import { Time } from './time';

/** How far a backtest is, why it failed, or which pages it would have made and spared. */
export function BacktestOutcome({ work, failure }: { work: Schemas['Backtest'] | undefined; failure: string }) {
  const running = work && !isOver(work);
  const preview = work?.status === 'completed' ? previewOf(work.result) : undefined;
  return (
    <>
      <p role="status">
        {running && text.settings.previewWorking}{' '}
        {running && work.progress && text.settings.previewProgress(work.progress.judged, work.progress.customers)}
      </p>
      {(failure || (work && isOver(work) && work.status !== 'completed')) && (
        <p class="failure" role="alert">{failure || `${text.settings.previewFailed} ${work?.reason ?? ''}`}</p>
      )}
      {preview && <PreviewResult of={preview} />}
    </>
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

import { describe, expect, test } from 'vitest';
import { noteVerb, onAll, verbsOf } from './actions';
import { previewOf } from './backtest';
import type { Anomaly, Incident } from './incident-data';
import { newSince } from './live';
import { timelineOf } from './timeline';

test.each([
  ['open', ['acknowledge', 'resolve']],
  ['acknowledged', ['resolve', 'reopen']],
  ['resolved', ['reopen']],
  ['accepted', ['reopen']],
])('what may be done with %s', (state, verbs) => expect(verbsOf(state)).toEqual(verbs));

test('a note repeats the action that keeps the state', () => {
  expect(['open', 'acknowledged', 'resolved'].map(noteVerb)).toEqual(['reopen', 'acknowledge', 'resolve']);
});

test('one that fails does not stop the others', async () => {
  let atOnce = 0;
  let most = 0;
  const ids = Array.from({ length: 20 }, (_, index) => String(index));
  const outcome = await onAll(ids, async (id) => {
    most = Math.max(most, (atOnce += 1));
    await new Promise((done) => setTimeout(done, 1));
    atOnce -= 1;
    if (id === '3') throw new Error('no');
    return id;
  });
  expect(outcome.done).toHaveLength(19);
  expect(outcome).toMatchObject({ failed: ['3'], why: 'no' });
  expect(most).toBeLessThanOrEqual(4);
});

test('only incidents that opened after the last visit are new', () => {
  const incidents = [{ opened_at: 5 }, { opened_at: 15 }] as Incident[];
  expect(newSince(incidents, 10)).toEqual([{ opened_at: 15 }]);
});

describe('the timeline', () => {
  const incident = {
    opened_at: 100,
    over_at: 900,
    closed_at: 950,
    last_page: { event: 'opened', window_end: 100, single: false },
    history: [{ action: 'acknowledge', actor: 'ann', at: 500, note: 'load test' }],
  } as Incident;
  const anomaly = { detected_at: 100, severity: 'critical', window: { start: 0, end: 3_600_000 }, description: 'd' } as Anomaly;

  test('is in the order of time', () => {
    expect(timelineOf(incident, [anomaly]).map(({ at }) => at)).toEqual([100, 100, 100, 500, 900, 950]);
  });
  test('names who acted, and the note', () => {
    expect(timelineOf(incident, []).find(({ at }) => at === 500)).toEqual({ at: 500, what: 'Acknowledged', by: 'by ann', note: 'load test' });
  });
  test('says that a digest counted the page', () => {
    expect(timelineOf(incident, []).some(({ what }) => what === 'Paged: opened, counted in a digest')).toBe(true);
  });
});

describe('the preview', () => {
  test('shows pages beside those of the present policy', () => {
    const page = { customer: 'acme', at: '2026-11-21T13:00:00Z', entries: [{ metric: 'calls', direction: 'spike' }] };
    const result = { pages: 3, difference: { new: { total: 1, listed: [page] }, gone: { total: 2, listed: [] }, moved: { total: 4 }, same: 2 } };
    expect(previewOf(result)).toEqual({
      pages: 3,
      fresh: { total: 1, pages: [{ customer: 'acme', at: '2026-11-21T13:00:00Z', metrics: ['calls spike'] }] },
      gone: { total: 2, pages: [] },
      moved: 4,
      same: 2,
    });
  });
  test.each([null, undefined, 'x', {}])('%s is no result', (result) => expect(previewOf(result)).toBeUndefined());
});

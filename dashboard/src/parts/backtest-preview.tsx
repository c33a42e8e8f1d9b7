import { useEffect, useRef, useState } from 'preact/hooks';
import type { Schemas } from '../api/client';
import { asFailure, dataOf, Failure } from '../api/failure';
import { usePage } from '../lib/context';
import { follow, isOver } from '../lib/follow';
import type { Policy } from '../lib/policy';
import { InvalidField } from '../lib/policy-form';
import { text } from '../texts';
import { BacktestOutcome } from './backtest-outcome';

const DAYS = [7, 14, 30];

interface Props {
  policy: () => Policy;
  /** The customer whose policy the form is of. Absent for the policy for all. */
  customer: string | undefined;
}

/** What would have paged under the policy of the form, beside the present one. */
export function BacktestPreview({ policy, customer }: Props) {
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
      const of = customer === undefined ? { policy: policy() } : { customer_policy: policy(), customer_ids: [customer] };
      const first = await dataOf(client.POST('/v1/backtests', { body: { ...of, days } }));
      const path = { backtest_id: first.backtest_id };
      await follow(first, () => dataOf(client.GET('/v1/backtests/{backtest_id}', { params: { path } })), setWork, stop.current.signal);
    } catch (cause) {
      setFailure(cause instanceof InvalidField || cause instanceof Failure ? cause.message : asFailure(cause).message);
    }
  };
  return (
    <section class="card">
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
      <BacktestOutcome work={work} failure={failure} />
    </section>
  );
}

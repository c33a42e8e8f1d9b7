import { useState } from 'preact/hooks';
import { asFailure, Failure } from '../api/failure';
import { allFaultsOf, refusedField, type BudgetFaults } from '../lib/budget-form';
import { usePage } from '../lib/context';
import { isConflict, loadPolicy, savePolicy, type Policy, type Stored } from '../lib/policy';
import { formOf, InvalidField, policyOf, type Form } from '../lib/policy-form';
import { mergedPolicy, same } from '../lib/policy-merge';
import { text } from '../texts';
import { BacktestPreview } from './backtest-preview';
import { PolicyFields } from './policy-fields';
import { PolicyVersions } from './policy-versions';
import { Time } from './time';

/** Changes a policy. Nothing is saved over the change of another person: the editor then offers both ways on. */
export function PolicyEditor({ first, customer }: { first: Stored; customer: string | undefined }) {
  const { client, rights } = usePage();
  const [stored, setStored] = useState(first);
  const [form, setForm] = useState<Form>(() => formOf(first.config));
  const [message, setMessage] = useState('');
  const [failure, setFailure] = useState('');
  // The fields of budgets are marked from the first refusal on.
  const [marked, setMarked] = useState(false);
  const [refused, setRefused] = useState<BudgetFaults>({});
  const [conflict, setConflict] = useState(false);
  const [busy, setBusy] = useState(false);
  const may = rights.admin && rights.write;

  const take = (next: Stored, policy: Policy) => {
    setStored(next);
    setForm(formOf(policy));
    setConflict(false);
    setFailure('');
    setMarked(false);
    setRefused({});
  };
  const change = (next: Form) => {
    setForm(next);
    setRefused({});
  };
  const save = async (event: Event) => {
    event.preventDefault();
    setMessage('');
    setFailure('');
    setRefused({});
    try {
      const policy = policyOf(form, stored.config);
      if (same(policy, stored.config)) return setMessage(text.settings.noChange);
      setBusy(true);
      const saved = await savePolicy(client, customer, stored.version, policy);
      take(saved, saved.config);
      setMessage(text.settings.saved(saved.version));
    } catch (cause) {
      if (isConflict(cause)) setConflict(true);
      else setFailure((cause as Error).message);
      setMarked(cause instanceof InvalidField);
      if (cause instanceof Failure) setRefused(refusedField(cause.parameter, cause.message));
    } finally {
      setBusy(false);
    }
  };
  const settle = async (keepMine: boolean) => {
    try {
      const theirs = await loadPolicy(client, customer);
      take(theirs, keepMine ? mergedPolicy(stored.config, policyOf(form, stored.config), theirs.config) : theirs.config);
    } catch (cause) {
      setFailure(asFailure(cause).message);
    }
  };

  return (
    <>
      <p class="quiet">
        {text.settings.version(stored.version)} ·{' '}
        {stored.version === 0 ? text.settings.unchanged : <><Time at={stored.updated_at} /> {stored.updated_by && text.settings.changed(stored.updated_by)}</>}
      </p>
      {!may && <p>{text.settings.readOnly}</p>}
      <form class="card" onSubmit={save}>
        <fieldset disabled={!may || busy} class="bare">
          <PolicyFields form={form} onChange={change} ofOne={customer !== undefined} faults={{ ...refused, ...(marked ? allFaultsOf(form.budgets) : {}) }} />
          {may && <div class="buttons"><button type="submit" class="primary">{text.settings.save}</button></div>}
        </fieldset>
      </form>
      <p role="status">{message}</p>
      {failure && <p class="failure" role="alert">{failure}</p>}
      {conflict && (
        <div class="notice failure" role="alert">
          <p class="notice-title">{text.settings.conflict}</p>
          <button type="button" onClick={() => settle(true)}>{text.settings.mine}</button>{' '}
          <button type="button" onClick={() => settle(false)}>{text.settings.theirs}</button>
        </div>
      )}
      {(stored.remarks ?? []).length > 0 && (
        <>
          <h2>{text.settings.remarks}</h2>
          <ul>{stored.remarks!.map(({ detail }) => <li key={detail}>{detail}</li>)}</ul>
        </>
      )}
      <BacktestPreview policy={() => policyOf(form, stored.config)} customer={customer} />
      <PolicyVersions customer={customer} newest={stored.version} />
    </>
  );
}

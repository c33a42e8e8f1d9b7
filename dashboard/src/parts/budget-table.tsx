import { useState } from 'preact/hooks';
import type { Schemas } from '../api/client';
import { faultsOf, NEW_BUDGET, type BudgetFaults, type BudgetField, type BudgetFields, type Limit } from '../lib/budget-form';
import { quantity } from '../lib/format';
import type { Form } from '../lib/policy-form';
import { text } from '../texts';

interface Props {
  known: readonly Schemas['Metric'][];
  currency: string;
  /** Whether the policy is that of one customer. It can take back the budget of all customers. */
  ofOne: boolean;
  budgets: Form['budgets'];
  faults: BudgetFaults;
  onChange: (budgets: Form['budgets']) => void;
}

const FIELDS: readonly BudgetField[] = ['amount', 'shares', 'pace'];
// What the API takes for an empty field.
const DEFAULTS = { amount: '', shares: '80, 100', pace: '3' };
// The hours of other metrics do not add up.
const ADDS_UP = ['count', 'sum'];

/** The budgets of a policy, one for each metric, and a field to add one. They are saved with the policy. */
export function BudgetTable({ known, currency, ofOne, budgets, faults, onChange }: Props) {
  const { budgets: t } = text;
  const names = Object.keys(budgets);
  const others = known.filter(({ metric, aggregate }) => ADDS_UP.includes(aggregate) && !names.includes(metric)).map(({ metric }) => metric);
  const remove = (name: string) => onChange(Object.fromEntries(Object.entries(budgets).filter(([metric]) => metric !== name)));
  return (
    <>
      <p class="quiet">{t.explain} {t.hint}</p>
      {names.length === 0 ? <p class="quiet">{t.none}</p> : (
        <div class="scroll" tabIndex={0} role="region" aria-label={t.title}>
          <table class="small">
            <thead>
              <tr>
                {[text.list.metric, t.limit, ...FIELDS.map((field) => t.fields[field])].map((head) => <th key={head} scope="col">{head}</th>)}
                <td />
              </tr>
            </thead>
            <tbody>
              {names.map((name) => (
                <BudgetRow
                  key={name}
                  name={name}
                  unit={known.find(({ metric }) => metric === name)?.unit ?? ''}
                  currency={currency}
                  ofOne={ofOne}
                  fields={budgets[name]!}
                  faults={faults[name] ?? {}}
                  onChange={(fields) => onChange({ ...budgets, [name]: fields })}
                  onRemove={() => remove(name)}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {others.length > 0 && <NewBudget of={others} onAdd={(metric) => onChange({ ...budgets, [metric]: NEW_BUDGET })} />}
    </>
  );
}

interface RowProps {
  name: string;
  unit: string;
  currency: string;
  ofOne: boolean;
  fields: BudgetFields;
  faults: BudgetFaults[string];
  onChange: (fields: BudgetFields) => void;
  onRemove: () => void;
}

function BudgetRow({ name, unit, currency, ofOne, fields, faults, onChange, onRemove }: RowProps) {
  const { budgets: t } = text;
  const limits: [Limit, string][] = [['quota', unit], ['cost', currency]];
  if (ofOne || fields.limit === 'unlimited') limits.push(['unlimited', t.unlimited]);
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>
        <select aria-label={`${name}: ${t.limit}`} value={fields.limit} onChange={(event) => onChange({ ...fields, limit: event.currentTarget.value as Limit })}>
          {limits.map(([limit, label]) => <option key={limit} value={limit}>{label}</option>)}
        </select>
      </td>
      {FIELDS.map((field) => {
        const id = `budget-${name}-${field}`;
        const fault = faults[field];
        return (
          <td key={field}>
            <input
              type="text"
              class={field === 'amount' ? undefined : 'narrow'}
              aria-label={`${name}: ${t.fields[field]}`}
              aria-invalid={fault !== undefined}
              aria-describedby={fault && id}
              disabled={fields.limit === 'unlimited'}
              placeholder={DEFAULTS[field]}
              value={fields.limit === 'unlimited' ? '' : fields[field]}
              onInput={(event) => onChange({ ...fields, [field]: event.currentTarget.value })}
            />
            {field === 'amount' && fields.limit === 'quota' && !faultsOf(fields).amount && <small> {t.is(quantity(Number(fields.amount), unit))}</small>}
            {fault && <p id={id} class="failure">{fault}</p>}
          </td>
        );
      })}
      <td><button type="button" onClick={onRemove} aria-label={t.remove(name)}>{text.remove}</button></td>
    </tr>
  );
}

function NewBudget({ of, onAdd }: { of: readonly string[]; onAdd: (metric: string) => void }) {
  const [chosen, setChosen] = useState('');
  const metric = of.includes(chosen) ? chosen : of[0]!;
  return (
    <div class="inline-form">
      <label class="field">
        {text.budgets.new}
        <select value={metric} onChange={(event) => setChosen(event.currentTarget.value)}>
          {of.map((one) => <option key={one}>{one}</option>)}
        </select>
      </label>
      <button type="button" onClick={() => onAdd(metric)}>{text.budgets.add}</button>
    </div>
  );
}

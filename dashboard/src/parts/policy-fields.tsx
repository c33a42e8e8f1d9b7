import { dataOf } from '../api/failure';
import type { BudgetFaults } from '../lib/budget-form';
import { usePage } from '../lib/context';
import { useLoad } from '../lib/load';
import type { Form } from '../lib/policy-form';
import { text } from '../texts';
import { BudgetTable } from './budget-table';
import { Show } from './loaded';
import { MuteLines } from './mute-lines';
import { NewMute } from './new-mute';
import { OverrideTable } from './override-table';

interface Props {
  form: Form;
  onChange: (form: Form) => void;
  /** Whether the policy is that of one customer. */
  ofOne: boolean;
  /** What is wrong with budgets. */
  faults: BudgetFaults;
}

const DETECTORS = ['seasonal', 'autoregressive', 'z_score'];
const zones = Intl.supportedValuesOf?.('timeZone') ?? [];

export function PolicyFields({ form, onChange, ofOne, faults }: Props) {
  const { client } = usePage();
  const catalog = useLoad((signal) => dataOf(client.GET('/v1/metrics', { signal })), []);
  const set = (changes: Partial<Form>) => onChange({ ...form, ...changes });
  const toggle = (name: string) =>
    set({ detectors: form.detectors.includes(name) ? form.detectors.filter((one) => one !== name) : [...form.detectors, name] });
  return (
    <>
      <div class="filter-bar">
        <label class="field">
          {text.settings.sensitivity}
          <input type="text" list="sensitivities" value={form.sensitivity} onInput={(event) => set({ sensitivity: event.currentTarget.value })} />
        </label>
        <datalist id="sensitivities">{['low', 'medium', 'high'].map((word) => <option key={word} value={word} />)}</datalist>
        <label class="field">
          {text.settings.timeZone}
          <input type="text" list="zones" value={form.timeZone} onInput={(event) => set({ timeZone: event.currentTarget.value })} />
        </label>
        <datalist id="zones">{zones.map((zone) => <option key={zone} value={zone} />)}</datalist>
        {ofOne && (
          <label class="field">
            {text.settings.delay}
            <input type="text" inputMode="numeric" value={form.delay} onInput={(event) => set({ delay: event.currentTarget.value })} />
          </label>
        )}
      </div>
      <p class="quiet">{text.settings.sensitivityHint}</p>
      <fieldset class="inline">
        <legend>{text.settings.detectors}</legend>
        {[...new Set([...DETECTORS, ...form.detectors])].map((name) => (
          <label key={name}><input type="checkbox" checked={form.detectors.includes(name)} onChange={() => toggle(name)} /> {name}</label>
        ))}
      </fieldset>
      <p class="quiet">{text.settings.detectorsHint}</p>
      <Show of={catalog}>
        {({ metrics: known, currency }) => (
          <>
            <h2>{text.settings.metrics}</h2>
            <OverrideTable known={known} metrics={form.metrics} onChange={(metrics) => set({ metrics })} />
            <h2>{text.budgets.title}</h2>
            <BudgetTable known={known} currency={currency} ofOne={ofOne} budgets={form.budgets} faults={faults} onChange={(budgets) => set({ budgets })} />
          </>
        )}
      </Show>
      <h2>{text.settings.mutes}</h2>
      <MuteLines of={form.mutes} onRemove={(index) => set({ mutes: form.mutes.filter((_, at) => at !== index) })} />
      <NewMute onAdd={(mute) => set({ mutes: [...form.mutes, mute] })} />
    </>
  );
}

import type { Schemas } from '../api/client';
import { OVERRIDES, type Form, type OverrideKey } from '../lib/policy-form';
import { text } from '../texts';

interface Props {
  known: readonly Schemas['Metric'][];
  metrics: Form['metrics'];
  onChange: (metrics: Form['metrics']) => void;
}

/** Thresholds and floors by metric. What holds without the policy stands in the empty fields. */
export function OverrideTable({ known, metrics, onChange }: Props) {
  const ofCatalog = new Map(known.map((metric) => [metric.metric, metric]));
  const names = [...new Set([...ofCatalog.keys(), ...Object.keys(metrics)])];
  const set = (name: string, key: OverrideKey, value: string) => onChange({ ...metrics, [name]: { ...metrics[name], [key]: value } });
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={text.settings.metrics}>
      <table class="small">
        <thead>
          <tr>
            <th scope="col">{text.list.metric}</th>
            {OVERRIDES.map(([key, label]) => <th key={key} scope="col">{label}</th>)}
          </tr>
        </thead>
        <tbody>
          {names.map((name) => (
            <tr key={name}>
              <th scope="row">{name} <small>{ofCatalog.get(name)?.unit}</small></th>
              {OVERRIDES.map(([key, label]) => (
                <td key={key}>
                  <input
                    type="text"
                    class="narrow"
                    inputMode="decimal"
                    aria-label={`${name}: ${label}`}
                    placeholder={key === 'sensitivity' ? '1' : String(ofCatalog.get(name)?.[key] ?? '')}
                    value={metrics[name]?.[key] ?? ''}
                    onInput={(event) => set(name, key, event.currentTarget.value)}
                  />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

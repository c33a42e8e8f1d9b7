import { dataOf } from '../api/failure';
import { usePage } from '../lib/context';
import { useLoad } from '../lib/load';
import { OVERRIDES, type Form, type OverrideKey } from '../lib/policy-form';
import { text } from '../texts';
import { Show } from './loaded';

interface Props {
  metrics: Form['metrics'];
  onChange: (metrics: Form['metrics']) => void;
}

/** Thresholds and floors by metric. What holds without the policy stands in the empty fields. */
export function OverrideTable({ metrics, onChange }: Props) {
  const { client } = usePage();
  const catalog = useLoad((signal) => dataOf(client.GET('/v1/metrics', { signal })), []);
  return (
    <Show of={catalog}>
      {(found) => {
        const known = new Map(found.metrics.map((metric) => [metric.metric, metric]));
        const names = [...new Set([...known.keys(), ...Object.keys(metrics)])];
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
                    <th scope="row">{name} <small>{known.get(name)?.unit}</small></th>
                    {OVERRIDES.map(([key, label]) => (
                      <td key={key}>
                        <input
                          type="text"
                          class="narrow"
                          inputMode="decimal"
                          aria-label={`${name}: ${label}`}
                          placeholder={key === 'sensitivity' ? '1' : String(known.get(name)?.[key] ?? '')}
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
      }}
    </Show>
  );
}

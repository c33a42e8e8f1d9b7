import type { Schemas } from '../api/client';
import { quantity } from '../lib/format';
import { text } from '../texts';
import { Section } from './section';

/** How often people confirm what was found, by metric and by detector. Without feedback there is nothing to see. */
export function Precision({ of }: { of: Schemas['Precision'] }) {
  const { precision: t } = text;
  const parts = [[t.byMetric, of.by_metric], [t.byDetector, of.by_detector]] as const;
  if (parts.every(([, rows]) => rows.length === 0)) return null;
  return (
    <Section title={t.title}>
      <p class="quiet">{t.explain}</p>
      {parts.filter(([, rows]) => rows.length > 0).map(([name, rows]) => (
        <table key={name} class="small">
          <thead>
            <tr>
              <th scope="col">{name}</th>
              <th scope="col" class="number">{t.share}</th>
              <th scope="col" class="number">{t.confirmed}</th>
              <th scope="col" class="number">{t.falseAlarms}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.name}>
                <td>{row.name}</td>
                <td class="number">{quantity(row.precision, 'ratio')}</td>
                <td class="number">{row.confirmed}</td>
                <td class="number">{row.false_alarms}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ))}
    </Section>
  );
}

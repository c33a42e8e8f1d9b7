import type { Schemas } from '../api/client';
import { text } from '../texts';
import { FigureTable } from './figure-table';

const HEIGHT = 120;

/** Anomalies by day: critical ones below, warnings on top. */
export function DayBars({ of }: { of: readonly Schemas['Day'][] }) {
  const most = Math.max(1, ...of.map(({ total }) => total));
  const scale = HEIGHT / most;
  const { severity } = text.words;
  const label = text.overview.byDay;
  return (
    <figure class="day-bars card">
      <svg viewBox={`0 0 ${of.length * 10} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
        {of.map((day, index) => (
          <g key={day.day}>
            <title>{`${day.day}: ${day.critical} ${severity.critical}, ${day.warning} ${severity.warning}`}</title>
            <rect x={index * 10} width="10" height={HEIGHT} class="day-ground" />
            <rect x={index * 10 + 1} width="8" y={HEIGHT - day.critical * scale} height={day.critical * scale} class="critical" />
            <rect x={index * 10 + 1} width="8" y={HEIGHT - day.total * scale} height={day.warning * scale} class="warning" />
          </g>
        ))}
      </svg>
      <figcaption>
        <span>{of[0]?.day}</span>
        <span class="legend">
          <i class="key critical" /> {severity.critical} <i class="key warning" /> {severity.warning} · max. {most}
        </span>
        <span>{of.at(-1)?.day}</span>
      </figcaption>
      <FigureTable
        label={`${label}: ${text.figures}`}
        rows={() => ({
          head: [text.overview.day, severity.critical!, severity.warning!],
          body: [...of].reverse().map((day) => [day.day, String(day.critical), String(day.warning)]),
        })}
      />
    </figure>
  );
}

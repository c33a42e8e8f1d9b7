import { useMemo, useState } from 'preact/hooks';
import { usePage } from '../lib/context';
import { DAY, ms } from '../lib/format';
import { loadSeries, periodOfIncident, type Anomaly, type Incident, type SeriesOf } from '../lib/incident-data';
import { useLoad } from '../lib/load';
import { hasBand, merged, shifted, type Series } from '../lib/series';
import { text } from '../texts';
import { Chart } from './chart';
import { Show } from './loaded';

interface Props {
  incident: Incident;
  of: SeriesOf;
  anomalies: readonly Anomaly[];
}

const WEEKS = [1, 2, 3];

/** The metric of an incident by hour with what is usual, the windows that spoke, and earlier weeks on request. */
export function IncidentChart({ incident, of, anomalies }: Props) {
  const { client } = usePage();
  const [weeks, setWeeks] = useState<number[]>([]);
  const period = useMemo(() => periodOfIncident(incident, Date.now()), [incident.incident_id, incident.last_window]);
  const loaded = useLoad((signal) => loadSeries(client, of, period, signal), [incident.incident_id, period]);
  const earlier = useLoad(
    (signal) =>
      Promise.all(
        weeks.map(async (week) => {
          const past = { from: period.from - week * 7 * DAY, to: period.to - week * 7 * DAY };
          return { week, series: (await loadSeries(client, of, past, signal)).series };
        }),
      ),
    [incident.incident_id, period, weeks.join()],
  );
  const spans = useMemo(
    () => merged(anomalies.map(({ window }) => ({ from: ms(window.start), to: ms(window.end) }))),
    [anomalies],
  );
  const lines = useMemo(() => linesOf(earlier.value ?? [], loaded.value?.series), [earlier.value, loaded.value]);

  return (
    <Show of={loaded}>
      {({ series, judgedBy }) => (
        <>
          <fieldset class="inline">
            <legend>{text.incident.overlay}</legend>
            {WEEKS.map((week) => (
              <label key={week}>
                <input
                  type="checkbox"
                  checked={weeks.includes(week)}
                  onChange={() => setWeeks(weeks.includes(week) ? weeks.filter((one) => one !== week) : [...weeks, week].sort())}
                />{' '}
                {text.incident.earlier(week)}
              </label>
            ))}
          </fieldset>
          <Chart label={text.incident.chartOf(of.metric)} series={series} unit={of.unit} earlier={lines} spans={spans} />
          <p class="quiet">
            {!hasBand(series) ? text.incident.noBand
              : judgedBy === 'rules' ? text.incident.bandOfRules
              : text.incident.bandOfModels}
          </p>
        </>
      )}
    </Show>
  );
}

function linesOf(earlier: readonly { week: number; series: Series }[], now: Series | undefined) {
  if (!now) return [];
  return earlier.map(({ week, series }) => ({
    label: text.incident.earlier(week),
    values: shifted(series, week * 7 * DAY, now.starts),
  }));
}

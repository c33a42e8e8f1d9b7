// What the page of an incident asks the API for.
import type { Client, Schemas } from '../api/client';
import { dataOf } from '../api/failure';
import { entityPath, pathId } from '../api/ids';
import { chartPeriod, ofPoints, type Series, type Span } from './series';
import { ms } from './format';
import { USAGE } from './sources';

export type Incident = Schemas['Incident'];
export type Anomaly = Schemas['Anomaly'];

/** The customer of incidents of all customers together, such as data that stopped. */
export const ALL_CUSTOMERS = '*';

export interface IncidentData {
  detail: Schemas['IncidentDetail'];
  /** The newest first. Those of one list page: the newest hundred. */
  anomalies: Anomaly[];
  /** The newest anomaly with the hours that it was judged by. */
  newest?: Schemas['AnomalyDetail'];
}

export async function loadIncident(client: Client, id: string, signal: AbortSignal): Promise<IncidentData> {
  const detail = await dataOf(client.GET('/v1/incidents/{incident_id}', { params: { path: { incident_id: id } }, signal }));
  // The link of the API lists the anomalies of the series; the incident is one of its fields.
  const query = Object.fromEntries(new URLSearchParams(detail.anomalies_link.split('?')[1] ?? ''));
  const listed = await dataOf(client.GET('/v1/anomalies', { params: { query: { ...query, limit: 100 } }, signal }));
  const anomalies = listed.anomalies.filter((anomaly) => anomaly.incident_id === id);
  const first = anomalies[0];
  const newest = first && (await loadAnomaly(client, first.anomaly_id, signal).catch(() => undefined));
  return { detail, anomalies, newest };
}

export function loadAnomaly(client: Client, id: string, signal?: AbortSignal): Promise<Schemas['AnomalyDetail']> {
  return dataOf(client.GET('/v1/anomalies/{anomaly_id}', { params: { path: { anomaly_id: id } }, signal }));
}

export interface SeriesOf {
  customer: string;
  metric: string;
  unit: string;
  /** Of an entity of a source; the usage of a customer has neither. */
  source?: string;
  entity?: readonly string[];
}

export interface LoadedSeries {
  series: Series;
  judgedBy: Schemas['JudgedBy'];
}

/** A metric by hour with what is usual. */
export async function loadSeries(client: Client, of: SeriesOf, period: Span, signal?: AbortSignal): Promise<LoadedSeries> {
  const range = { from: String(period.from), to: String(period.to), metric: of.metric };
  // The entity of a budget is its month and mark. Its series is that of the customer.
  if (of.source && of.source !== USAGE && of.entity?.length) {
    const path = { source: of.source, path: pathId(entityPath(of.entity)) };
    const query = { ...range, customer_id: of.customer };
    return series(await dataOf(client.GET('/v1/sources/{source}/entities/{path}/series', { params: { path, query }, signal })));
  }
  const path = { customer_id: pathId(of.customer) };
  return series(await dataOf(client.GET('/v1/customers/{customer_id}/series', { params: { path, query: range }, signal })));
}

const series = (answer: Schemas['CustomerSeries'] | Schemas['EntitySeries']): LoadedSeries => ({
  series: ofPoints(answer.points),
  judgedBy: answer.judged_by,
});

export function seriesOf(incident: Incident, anomaly: Anomaly | undefined): SeriesOf | undefined {
  if (incident.customer_id === ALL_CUSTOMERS) return undefined;
  return {
    customer: incident.customer_id,
    metric: incident.metric,
    unit: incident.unit,
    source: anomaly?.source ?? undefined,
    entity: incident.entity_path ?? undefined,
  };
}

export const periodOfIncident = (incident: Incident, now: number): Span =>
  chartPeriod(ms(incident.opened_at), ms(incident.last_window), now);

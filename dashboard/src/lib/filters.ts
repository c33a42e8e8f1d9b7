// Filters of lists: what of an address goes to the API.

/** Names of the query of an address that the API takes as they are. */
const OF_API = ['customer_id', 'source', 'metric', 'type', 'entity', 'severity', 'direction', 'state', 'text', 'from', 'to'] as const;

export type ApiFilters = Partial<Record<(typeof OF_API)[number], string>>;

export function apiFilters(query: URLSearchParams): ApiFilters {
  const filters: ApiFilters = {};
  for (const name of OF_API) {
    const value = query.get(name);
    if (value) filters[name] = value;
  }
  return filters;
}

/** `now-7d` for one of the offered periods, `own` for two times, nothing for all. */
export function periodOf(query: URLSearchParams): string {
  const from = query.get('from') ?? '';
  if (query.get('to') || (from && !from.startsWith('now-'))) return 'own';
  return from;
}

import type { Schemas } from '../api/client';

/** The types of anomalies. The compiler says if docs/openapi.json names another one. */
export const TYPES = Object.keys({
  usage_anomaly: 0,
  new_usage: 0,
  shape_change: 0,
  data_stopped: 0,
  budget_share: 0,
  budget_pace: 0,
  duration_spike: 0,
  output_size_drop: 0,
  error_rate_increase: 0,
  new_error_type: 0,
  consecutive_failures: 0,
  spike_in_failures: 0,
  performance_degradation: 0,
  unusual_execution_time: 0,
  pattern_deviation: 0,
  resource_exhaustion: 0,
  high_latency: 0,
  high_error_rate: 0,
  traffic_spike: 0,
  unusual_access_pattern: 0,
} satisfies Record<Schemas['Anomaly']['type'], 0>);
